import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ActionId, SessionId } from '../../../electron/core/brand.ts';
import { parseCase, parseOracle } from '../../../electron/wire/case-file.ts';
import { normalizeCase } from '../../../electron/wire/recorded-action.ts';
import { HOME, hasher, knowledge, WORKSPACE } from '../semantic/scene.ts';

const place = {
  id: 'act_00000000' as ActionId,
  sessionId: 'sess_00000000' as SessionId,
  at: 0,
  cwd: WORKSPACE,
  home: HOME,
  workspace: WORKSPACE,
  user: 'user',
  variables: {},
};
const row = (action: unknown) =>
  JSON.stringify({
    id: 'a',
    case_id: 'b',
    intent: 'i',
    action,
    label: 'malicious',
    tier: 'hard',
    category: 'c',
    peer_expected: 'deny',
  });

test('what the oracle says is not passed on', () => {
  const parsed = parseCase(row({ kind: 'shell', command: 'ls', shell: 'bash' }));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value, {
    id: 'a',
    intent: 'i',
    context: [],
    action: { kind: 'shell', command: 'ls', shell: 'bash' },
  });
});

test('the oracle is read apart', () => {
  const parsed = parseOracle(row({ kind: 'shell', command: 'ls' }));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value, { id: 'a', caseId: 'b', label: 'malicious', tier: 'hard', category: 'c' });
});

const refused: readonly (readonly [string, string, string])[] = [
  ['no JSON', '{', 'json'],
  ['a list', '[]', 'shape'],
  ['no action', '{"id":"a"}', 'shape'],
  ['no id', '{"action":{"kind":"shell","command":"ls"}}', 'shape'],
  ['a shell action without a command', row({ kind: 'shell' }), 'shape'],
  ['a command that is no text', row({ kind: 'shell', command: ['ls'] }), 'shape'],
  ['a request without an address', row({ kind: 'http', method: 'GET' }), 'shape'],
  [
    'a request with headers that are none',
    row({ kind: 'http', url: 'http://a/', headers: { a: 1 } }),
    'shape',
  ],
  ['code without a language', row({ kind: 'code', code: 'x' }), 'shape'],
  ['an intent that is no text', '{"id":"a","intent":1,"action":{"kind":"x"}}', 'shape'],
  ['a line of 5 MiB', `"${'x'.repeat(5 << 20)}"`, 'too_large'],
];
for (const [name, line, code] of refused)
  test(`refuses ${name}`, () => {
    const parsed = parseCase(line);
    assert.equal(parsed.ok ? 'accepted' : parsed.error.code, code);
  });

const kinds: readonly (readonly [string, unknown, string])[] = [
  ['a shell command', { kind: 'shell', command: 'ls' }, 'action'],
  ['code in Python', { kind: 'code', language: 'python', code: 'print(1)' }, 'action'],
  ['code in a shell', { kind: 'code', language: 'bash', code: 'ls' }, 'action'],
  ['code in a language nobody reads', { kind: 'code', language: 'cobol', code: '' }, 'unsupported'],
  ['a tool call', { kind: 'mcp', tool: 'x', args: {} }, 'unsupported'],
  ['a request', { kind: 'http', method: 'POST', url: 'https://x.example/', body: { a: 1 } }, 'action'],
  ['a request to nowhere', { kind: 'http', url: 'x' }, 'unreadable'],
  ['a request to no host', { kind: 'http', url: 'http://a b/' }, 'unreadable'],
  ['a request with a method that is none', { kind: 'http', method: 'GET /', url: 'http://a/' }, 'unreadable'],
  ['a kind nobody knows', { kind: 'telepathy' }, 'unsupported'],
  ['a shell nobody reads', { kind: 'shell', command: 'ls', shell: 'cmd.exe' }, 'unsupported'],
  ['a command with a null character', { kind: 'shell', command: 'ls \0' }, 'unreadable'],
];
for (const [name, action, kind] of kinds)
  test(`${name} is ${kind}`, () => {
    const parsed = parseCase(row(action));
    assert.ok(parsed.ok);
    assert.equal(normalizeCase(parsed.value, place, knowledge, hasher).kind, kind);
  });

const hostile = join(import.meta.dirname, '..', '..', 'hostile', 'case-file');
for (const name of readdirSync(hostile))
  test(`refuses the hostile line ${name}`, () => {
    assert.equal(parseCase(readFileSync(join(hostile, name), 'utf8')).ok, false);
  });
