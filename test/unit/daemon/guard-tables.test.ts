import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ActionId, SessionId } from '../../../electron/core/brand.ts';
import type { PolicySet, Rule } from '../../../electron/core/policy/rule.ts';
import { guardTables, standsForSession, type TableTerms } from '../../../electron/daemon/guard-tables.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { buildFileAction } from '../../../electron/wire/file-action.ts';
import type { FileOperation, FileRow } from '../../../electron/wire/guard-message.ts';
import { exactly } from '../../../electron/wire/octets.ts';

const loaded = loadKnowledge(join(import.meta.dirname, '../../../resources/knowledge'));
assert.ok(loaded.ok);
const knowledge = loaded.value;

const rule = (id: string, more: Partial<Rule>): Rule => ({
  id: id as Rule['id'],
  title: id,
  why: 'the test says so',
  class: 'step_up',
  priority: 0,
  risk: 'low',
  subject: 'effect',
  match: {},
  when: null,
  parameters: [],
  modify: null,
  approvers: [],
  timeoutMs: null,
  resolvers: [],
  instead: null,
  references: [],
  expiresAt: null,
  source: 'test',
  ...more,
});
const policy = (rules: readonly Rule[], unmatched: 'ALLOW' | 'STEP_UP' = 'ALLOW'): PolicySet => ({
  version: '1',
  hash: 'a'.repeat(64) as PolicySet['hash'],
  rules,
  posture: { name: 'p', unmatched, why: 'x', minimumConfidence: 0 },
});
const tables = (rules: readonly Rule[], more: Partial<TableTerms> = {}) =>
  guardTables({
    policy: policy(rules),
    knowledge,
    workspace: '/w',
    home: '/home/ada',
    guard: { writable: ['/w', '/cache'], tools: ['/home/ada/.npm'], temp: '/private', veiled: [], hosts: [] },
    programs: ['git'],
    own: ['/home/ada/.local/state/countersign'],
    sessionDirectory: '/run/csn/sessions/s',
    allows: () => true,
    ...more,
  });

/** What the guard would do, by the reading of docs/guard-protocol.md: the first row that matches. */
function verdict(rows: readonly FileRow[], operation: string, path: string): string {
  const found = rows.find(({ operations, pattern }) => {
    if (!operations.includes(operation)) return false;
    if (!pattern.startsWith('*/')) return path === pattern || path.startsWith(`${pattern}/`);
    return pattern.endsWith('/') ? path.includes(pattern.slice(1)) : path.endsWith(pattern.slice(1));
  });
  return found?.verdict ?? 'ask';
}

test('our own files are denied, the session’s places allowed, all else a question', () => {
  const { rows } = tables([]);
  assert.equal(verdict(rows, 'w', '/home/ada/.local/state/countersign/ledger'), 'deny');
  for (const path of ['/w/a', '/cache/x', '/home/ada/.npm/y', '/tmp/z'])
    assert.equal(verdict(rows, 'd', path), 'allow');
  assert.equal(verdict(rows, 'w', '/home/ada/.bashrc'), 'late');
  assert.equal(verdict(rows, 'm', '/wx'), 'ask');
});

test('what acts later is late in the workspace, and not in what packages bring', () => {
  const { rows } = tables([]);
  assert.equal(verdict(rows, 'w', '/w/.git/hooks/pre-commit'), 'late');
  assert.equal(verdict(rows, 'w', '/w/package.json'), 'late');
  assert.equal(verdict(rows, 'w', '/w/node_modules/a/package.json'), 'allow');
  assert.equal(verdict(rows, 'm', '/w/package.json'), 'allow');
});

test('what policy would not simply allow in the workspace is a question before it is allowed', () => {
  const restricting = rule('t.env', { match: { effects: ['write'], labels: ['env-file'] } });
  const allows = (operation: FileOperation, path: string) =>
    !(operation === 'write' && path.endsWith('/.env'));
  const { rows } = tables([restricting], { allows });
  assert.equal(verdict(rows, 'w', '/w/deep/.env'), 'ask');
  assert.equal(verdict(rows, 'd', '/w/deep/.env'), 'allow');
  assert.equal(verdict(rows, 'w', '/w/other'), 'allow');
});

test('a rule about every file makes every file of that kind of change a question', () => {
  const { rows } = tables([rule('t.any', { match: { effects: ['delete'] } })], {
    allows: (operation) => operation !== 'delete',
  });
  assert.equal(verdict(rows, 'd', '/w/a'), 'ask');
  assert.equal(verdict(rows, 'w', '/w/a'), 'allow');
});

test('a rule that looks at what happened before is never decided beforehand', () => {
  const { rows } = tables([
    rule('t.after', { match: { effects: ['write'], labels: ['ci'] }, when: 'history.size() > 3' }),
  ]);
  // `late` asks the daemon as well, which looks at such rules before it looks at the content.
  assert.equal(verdict(rows, 'w', '/w/.gitlab-ci.yml'), 'late');
  const labelled = tables([
    rule('t.after', { match: { effects: ['write'], labels: ['env-file'] }, when: 'history.size() > 3' }),
  ]);
  assert.equal(verdict(labelled.rows, 'w', '/w/.env'), 'ask');
  const generic = tables([
    rule('t.after', { match: { effects: ['write'] }, when: '"RESTRICTED" in data.classes' }),
  ]);
  assert.equal(verdict(generic.rows, 'w', '/w/a'), 'ask');
});

test('triggers name what an argument may not hold unasked, and none holds another', () => {
  const { triggers } = tables([]);
  const asks = (argument: string) => triggers.some((trigger) => argument.includes(trigger));
  for (const argument of [
    '/home/ada/.ssh/id_ed25519',
    '.aws',
    '--file=.env',
    'server.key',
    '.netrc',
    '/etc/shadow',
  ])
    assert.ok(asks(argument), argument);
  for (const argument of ['-O2', 'src/main.c', '--oneline', '/usr/include', 'README.md'])
    assert.ok(!asks(argument), argument);
  for (const trigger of triggers)
    assert.ok(!triggers.some((other) => other !== trigger && trigger.includes(other)), trigger);
});

test('every exec is asked about where a rule or the posture speaks of all of them', () => {
  assert.equal(tables([]).everyExec, false);
  assert.equal(tables([rule('t.all', { subject: 'action' })]).everyExec, true);
  assert.equal(tables([], { policy: policy([], 'STEP_UP') }).everyExec, true);
});

test('no host passes without a question: it would go round the proxy', () => {
  const guard = {
    writable: [],
    tools: [],
    temp: null,
    veiled: [],
    hosts: ['a.example:443', '[::1]:80', 'b:*'],
  };
  assert.deepEqual(tables([], { guard }).hosts, []);
});

test('an ALLOW stands for the session only where nothing else could make it another', () => {
  const action = (operation: FileOperation | 'read', path: string, ownUse = false) =>
    buildFileAction(
      {
        id: 'act_00000000' as ActionId,
        sessionId: 'sess_00000000' as SessionId,
        at: 0,
        place: { cwd: null, home: '/home/ada', workspace: '/w', user: 'ada' },
        surface: 'guard',
        own: [],
        by: exactly('/bin/x'),
        modifiedFrom: null,
        operation,
        path: exactly(path),
        destination: null,
        flags: null,
        recursive: false,
        veiled: [],
        ownUse,
        byContent: () => false,
      },
      knowledge.paths,
      nodeHasher,
    );
  const write = action('write', '/home/ada/x');
  assert.ok(standsForSession(policy([]), write));
  assert.ok(!standsForSession(policy([]), action('mode', '/home/ada/x')));
  const history = rule('t.h', { match: { effects: ['write'] }, when: 'history.size() > 3' });
  assert.ok(!standsForSession(policy([history]), write));
  assert.ok(standsForSession(policy([history]), action('delete', '/home/ada/x')));
  const truncating = rule('t.t', { match: { effects: ['write'], tags: ['truncate'] } });
  assert.ok(!standsForSession(policy([truncating]), write));
  // A program's own use of its credential opens it for no other program.
  const key = '/home/ada/.ssh/id_rsa';
  assert.ok(standsForSession(policy([]), action('read', key)));
  assert.ok(!standsForSession(policy([]), action('read', key, true)));
});

const COMPILERS = ['as', 'cc', 'gcc', 'ld'];
const askedPrograms = (
  rules: readonly Rule[],
  programs: readonly string[] = [...COMPILERS, 'git', 'rm', 'make'],
) => tables(rules, { programs }).programs.filter((name) => programs.includes(name));

test('starts compilers without a question where nothing speaks of the start alone', () => {
  assert.deepEqual(askedPrograms([]), ['git', 'make', 'rm']);
  const alike: readonly Partial<Rule>[] = [
    { match: { effects: ['write'], labels: ['persistence'] } },
    { match: { effects: ['delete'] } },
    { match: { effects: ['read'], tags: ['secret'] }, when: 'commands.exists(other, other.program == "x")' },
    { match: { programs: ['git'] } },
    { match: { tools: ['http'] }, when: 'command.program == "x"' },
    { class: 'allow', match: { effects: ['write'] }, when: 'command.program == "gcc"' },
    { match: { effects: ['execute'], labels: ['temp'] }, when: 'command.places.exists(p, p == "root")' },
  ];
  for (const more of alike)
    assert.deepEqual(askedPrograms([rule('r', more)]), ['git', 'make', 'rm'], JSON.stringify(more));
});

test('asks about compilers where a rule names them or might judge nothing but their start', () => {
  assert.deepEqual(askedPrograms([rule('r', { match: { programs: ['gcc'] } })]), [
    'gcc',
    'git',
    'make',
    'rm',
  ]);
  const other: readonly Partial<Rule>[] = [
    { match: { effects: ['write'] }, when: 'command.args.exists(a, a == "-fplugin")' },
    { match: { effects: ['write'], tools: ['shell'] } },
    { match: { effects: ['write'], operations: ['exec'] } },
    { match: { effects: ['write'], surfaces: ['shell'] } },
    { match: { labels: ['workspace'] }, when: 'action.tool == "shell"' },
    { match: { effects: ['execute'], labels: ['workspace', 'system'] } },
    { match: { effects: ['execute'] } },
    { match: { effects: ['write'] }, parameters: [{ path: 'argv', pattern: 'x' }] },
    { class: 'forbidden', match: { effects: ['write'] }, when: 'commands.size() > 3' },
  ];
  for (const more of other)
    for (const name of COMPILERS)
      assert.ok(askedPrograms([rule('r', more)]).includes(name), `${name}: ${JSON.stringify(more)}`);
});

test('asks about everything under a posture that does not allow what no rule speaks about', () => {
  assert.equal(tables([], { policy: policy([], 'STEP_UP') }).everyExec, true);
});

test('never leaves out an interpreter, or what runs programs by its words', () => {
  const never = [
    'sh',
    'bash',
    'python3',
    'node',
    'perl',
    'env',
    'xargs',
    'make',
    'find',
    'awk',
    'git',
    'ssh',
    'curl',
  ];
  assert.deepEqual(askedPrograms([], never), [...never].sort());
});
