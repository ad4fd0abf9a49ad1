import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDaemonMessage, readGuardMessage } from '../../../electron/wire/guard.ts';
import { decodeGuardFields, encodeGuardFields } from '../../../electron/wire/guard-frame.ts';
import type { Asker, DaemonMessage, GuardMessage } from '../../../electron/wire/guard-message.ts';
import { writeDaemonMessage, writeGuardMessage } from '../../../electron/wire/guard-write.ts';
import { exactly, readOctets, writeOctets, writeText } from '../../../electron/wire/octets.ts';

const by: Asker = { pid: 7, program: exactly('/usr/bin/bash'), scope: 'act_01234567' };
const odd = readOctets(Uint8Array.from([0x2f, 0x61, 0xff, 0x5c, 0x62]));

const FROM_GUARD: readonly GuardMessage[] = [
  { kind: 'hello', session: 'sess_01234567', nonce: new Uint8Array(32).fill(9), role: 'watch' },
  {
    kind: 'exec',
    asker: by,
    program: exactly('/usr/bin/python3.11'),
    called: exactly('/usr/bin/python3'),
    argv: [exactly('python3'), exactly('-c'), exactly('print("ü\n")'), exactly(''), odd],
    cwd: '/home/ada',
    script: null,
    writable: false,
    interactive: true,
  },
  {
    kind: 'exec',
    asker: { ...by, scope: null },
    program: exactly('/bin/sh'),
    called: exactly('/w/run.sh'),
    argv: [],
    cwd: null,
    script: exactly('/w/run.sh'),
    writable: true,
    interactive: false,
  },
  { kind: 'file', asker: by, operation: 'write', path: odd, destination: null, flags: 0o1101 },
  {
    kind: 'file',
    asker: by,
    operation: 'rename',
    path: exactly('/a'),
    destination: exactly('/b'),
    flags: null,
  },
  {
    kind: 'file',
    asker: by,
    operation: 'symlink',
    path: exactly('/a'),
    destination: exactly('../x'),
    flags: null,
  },
  { kind: 'late', asker: by, operation: 'write', path: exactly('/w/.git/config'), from: null },
  {
    kind: 'late',
    asker: by,
    operation: 'replace',
    path: exactly('/w/.git/config'),
    from: exactly('/w/.git/config.lock'),
  },
  { kind: 'late', asker: by, operation: 'replace', path: exactly('/w/Makefile'), from: null },
  { kind: 'connect', asker: by, to: { kind: 'tcp', host: '::1', port: 443 } },
  { kind: 'connect', asker: by, to: { kind: 'unix', path: exactly('/run/docker.sock') } },
  { kind: 'read', asker: by, path: exactly('/home/ada/.netrc') },
  {
    kind: 'effects',
    effects: [
      { operation: 'delete', scope: 'act_01234567', error: 2, path: odd, destination: null },
      { operation: 'dropped', scope: null, error: 0, path: exactly('17'), destination: null },
      { operation: 'rename', scope: null, error: 0, path: exactly('/a'), destination: exactly('/b') },
    ],
  },
  { kind: 'effects', effects: [] },
  { kind: 'ended', action: 'act_01234567', how: { kind: 'exit', code: 255 } },
  { kind: 'ended', action: 'act_01234567', how: { kind: 'signal', number: 9 } },
  { kind: 'ended', action: 'act_01234567', how: { kind: 'unknown' } },
  { kind: 'pong' },
];

for (const [at, message] of FROM_GUARD.entries())
  test(`what a guard says is read as it was written: ${message.kind} (${at})`, () => {
    const read = readGuardMessage(writeGuardMessage(message));
    assert.deepEqual(read, { ok: true, value: message });
  });

const FROM_DAEMON: readonly DaemonMessage[] = [
  { kind: 'welcome', nonce: new Uint8Array(32).fill(3) },
  { kind: 'waiting', message: 'ask\n', leftMs: 1000 },
  {
    kind: 'answer',
    result: 'MODIFY',
    message: 'changed\n',
    action: 'act_01234567',
    reportEnd: true,
    remember: false,
    path: '/usr/bin/git',
    argv: ['git', '', 'ü'],
  },
  {
    kind: 'answer',
    result: 'DENY',
    message: '',
    action: null,
    reportEnd: false,
    remember: true,
    path: null,
    argv: [],
  },
  {
    kind: 'tables',
    tables: {
      programs: ['git'],
      triggers: ['.ssh'],
      rows: [{ operations: 'wd', verdict: 'late', pattern: '*/.git/hooks/' }],
      sockets: ['/w/'],
      hosts: [
        { host: 'a.example', port: 443 },
        { host: '::1', port: null },
      ],
      everyExec: true,
    },
  },
  { kind: 'grant', path: exactly('/x') },
  { kind: 'revoke', path: exactly('/x') },
  { kind: 'end', message: 'over' },
  { kind: 'ping' },
];

for (const [at, message] of FROM_DAEMON.entries())
  test(`what the daemon says is read as it was written: ${message.kind} (${at})`, () => {
    const read = readDaemonMessage(writeDaemonMessage(message));
    assert.deepEqual(read, { ok: true, value: message });
  });

test('every way of cutting a message short or lengthening it is refused or says the same kind of thing', () => {
  for (const message of FROM_GUARD) {
    const bytes = writeGuardMessage(message);
    for (let end = 0; end < bytes.length; end += 1) {
      const read = readGuardMessage(bytes.subarray(0, end));
      if (read.ok) assert.equal(read.value.kind, message.kind);
    }
    const tail = Uint8Array.from([...bytes, 0x51]);
    assert.equal(readGuardMessage(tail).ok, false);
  }
});

test('a field that does not belong, comes twice or is missing is refused', () => {
  const fields = (message: GuardMessage) => {
    const decoded = decodeGuardFields(writeGuardMessage(message));
    assert.ok(decoded.ok);
    return decoded.value;
  };
  for (const message of FROM_GUARD) {
    const own = fields(message);
    const strange = encodeGuardFields([...own, { tag: '!', bytes: new Uint8Array(0) }]);
    assert.equal(readGuardMessage(strange).ok, false, message.kind);
    for (const [at, field] of own.entries()) {
      if (field.tag === 'a' || field.tag === 'f') continue;
      const twice = encodeGuardFields([...own, field]);
      assert.equal(readGuardMessage(twice).ok, false, `${message.kind} ${field.tag} twice`);
      const without = readGuardMessage(encodeGuardFields(own.filter((_, other) => other !== at)));
      if (without.ok)
        assert.ok(['P', 'w', 'I', 'F', 's', 't'].includes(field.tag), `${message.kind} without ${field.tag}`);
    }
  }
});

test('a path that is not canonical, or holds a NUL, is refused', () => {
  for (const path of ['', 'a', '/a/', '/a//b', '/a/./b', '/a/../b', '/..', '/a\0b']) {
    const read = readGuardMessage(writeGuardMessage({ kind: 'read', asker: by, path: exactly(path) }));
    assert.equal(read.ok, false, JSON.stringify(path));
  }
  for (const path of ['/', '/a/..b', '/a/b.', '/.hidden'])
    assert.ok(readGuardMessage(writeGuardMessage({ kind: 'read', asker: by, path: exactly(path) })).ok, path);
});

test('bytes that are not text come back as they were, and their rendering is never exact', () => {
  const samples: readonly (readonly number[])[] = [
    [0xff],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0x61, 0x5c, 0x78, 0x66, 0x66, 0xff],
    [0xe2, 0x82],
    [0xf0, 0x9f, 0x98, 0x80, 0xfe],
  ];
  for (const sample of samples) {
    const bytes = Uint8Array.from(sample);
    const octets = readOctets(bytes);
    assert.equal(octets.exact, false);
    assert.deepEqual(writeOctets(octets), bytes);
  }
  // `\xff` as five characters is a name of its own.
  const literal = readOctets(writeText('\\xff'));
  assert.deepEqual(literal, { text: '\\xff', exact: true });
  assert.notDeepEqual(readOctets(Uint8Array.of(0xff)), literal);
  for (const text of ['', 'plain', 'ü€😀', '\\', 'x'.repeat(10_000)])
    assert.deepEqual(readOctets(writeText(text)), { text, exact: true });
});
