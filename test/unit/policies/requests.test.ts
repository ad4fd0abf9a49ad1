// Requests as a proxy meets them, judged by the packs that come with it: what ordinary work sends passes in silence, what harms does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Action } from '../../../electron/core/action.ts';
import type { Level } from '../../../electron/core/context.ts';
import type { Decision } from '../../../electron/core/decision.ts';
import type { CompiledPolicy } from '../../../electron/core/policy/compile.ts';
import { evaluateWith } from '../../../electron/core/policy/evaluate.ts';
import { objectOf } from '../../../electron/core/semantic/objects.ts';
import { parseCase } from '../../../electron/wire/case-file.ts';
import { effectOn, objectAction } from '../../../electron/wire/file-action.ts';
import { hostAndPort } from '../../../electron/wire/network-action.ts';
import { normalizeCase } from '../../../electron/wire/recorded-action.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from '../../../shims/cli/policy-facts.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { HOME, hasher, knowledge, ROOT, WORKSPACE } from '../semantic/scene.ts';

interface Row {
  readonly id: string;
  readonly category: string;
  readonly expected: Decision['result'];
  readonly rule?: string;
  readonly action: { readonly method: string; readonly url: string };
}

const folder = join(ROOT, 'test', 'vectors', 'http');
const linesOf = (name: string): readonly string[] =>
  readFileSync(join(folder, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '');

let policy: CompiledPolicy;
before(async () => {
  const loaded = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(loaded.ok);
  policy = loaded.value;
});

interface Judged {
  readonly result: Decision['result'];
  readonly rules: ReadonlySet<string>;
}

function judge(line: string, classes: readonly Level[] = []): Judged {
  const row = parseCase(line);
  assert.ok(row.ok);
  const made = normalizeCase(
    row.value,
    {
      id: NO_ACTION,
      sessionId: NO_SESSION,
      at: 1,
      cwd: WORKSPACE,
      home: HOME,
      workspace: WORKSPACE,
      user: 'user',
      variables: {},
    },
    knowledge,
    hasher,
  );
  assert.equal(made.kind, 'action', made.kind === 'action' ? '' : made.reason);
  assert.ok(made.kind === 'action');
  return rulesOf(made.action, classes);
}

function rulesOf(action: Action, classes: readonly Level[] = []): Judged {
  const rules = new Set<string>();
  const first = firstFacts(action, {
    intent: null,
    workspace: WORKSPACE,
    home: HOME,
    user: 'user',
    uid: 1000,
    at: 1,
    environment: [],
  });
  const counts = Object.fromEntries(classes.map((level) => [`class:${level}`, 1]));
  const facts = { ...first, context: { ...first.context, classes, counts } };
  const decision = evaluateWith(policy, facts, {
    rule: (candidate, _subject, state) => {
      if (state === 'matched') rules.add(candidate.rule.id);
    },
    fact: () => undefined,
  });
  return { result: decision.result, rules };
}

for (const file of ['benign.jsonl', 'attack.jsonl'])
  describe(file, () => {
    for (const line of linesOf(file)) {
      const row = JSON.parse(line) as Row;
      test(`${row.id} ${row.category}: ${row.action.method} ${row.action.url} is ${row.expected}`, () => {
        const { result, rules } = judge(line);
        assert.equal(result, row.expected, `matched: ${[...rules].join(', ')}`);
        if (row.rule !== undefined) assert.ok(rules.has(row.rule), `matched: ${[...rules].join(', ')}`);
      });
    }
  });

describe('bytes of an unknown protocol', () => {
  const judged = (host: string, port: number, protocol: string, by?: string): ReadonlySet<string> => {
    const place = { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' };
    const text = hostAndPort(host, port);
    const word = { text, raw: text, known: true, glob: false };
    const object = objectOf(word, 'host', [], 'here', place, knowledge);
    const submission = { id: NO_ACTION, sessionId: NO_SESSION, at: 1, own: [], by: null, modifiedFrom: null };
    const action = objectAction(
      { ...submission, surface: 'guard', place },
      {
        tool: 'network',
        operation: 'stream',
        parameters: { host, port, protocol, ...(by === undefined ? {} : { by }) },
        effects: [
          effectOn('connect', object, ['opaque'], 'unknown'),
          effectOn('upload', object, ['opaque'], 'no'),
        ],
      },
      true,
      hasher,
    );
    return rulesOf({ ...action, surface: 'http' }).rules;
  };
  for (const [host, port, protocol, asked, by] of [
    ['x.example', 4444, 'unknown', true],
    ['8.8.8.8', 25, 'server-first', true],
    ['x.example', 443, 'tls+unknown', true],
    ['x.example', 443, 'tls', false],
    ['github.com', 22, 'server-first', true],
    ['github.com', 22, 'server-first', false, 'ssh'],
    ['127.0.0.1', 5432, 'unknown', false],
    ['10.0.0.7', 9092, 'unknown', false],
  ] as const)
    test(`to ${host}:${port} (${protocol}${by === undefined ? '' : `, by ${by}`}) are ${asked ? 'asked about' : 'let through'}`, () => {
      assert.equal(judged(host, port, protocol, by).has('network.opaque-stream'), asked);
    });
});

describe('after something restricted was read', () => {
  const line = (action: object): string =>
    JSON.stringify({ id: 'x', action: { kind: 'http', method: 'POST', body: 'x', ...action } });
  for (const [what, action, asked] of [
    ['a request to a host that nobody named', { url: 'https://x.example/' }, true],
    ['a request that was read in part', { url: 'https://x.example/', length: 1e7 }, true],
    ['a request to a model', { url: 'https://api.anthropic.com/v1/messages', length: 1e7 }, false],
    ['a request to this machine', { url: 'http://localhost:3000/', length: 1e7 }, false],
  ] as const)
    test(`${what} is ${asked ? 'asked about' : 'left to what it carries'}`, () => {
      assert.equal(judge(line(action), ['RESTRICTED']).rules.has('network.upload-after-secret'), asked);
      assert.ok(!judge(line(action)).rules.has('network.upload-after-secret'));
    });
});

test('every rule about requests alone decides a row and leaves one alone', () => {
  const own = policy.set.rules.filter(
    (rule) =>
      rule.match.surfaces?.includes('http') === true &&
      rule.id !== 'network.opaque-stream' &&
      // These speak about placeholders and statements, which no row holds: test/integration has them.
      !/^(?:credentials|databases)\./.test(rule.id),
  );
  assert.ok(own.length > 5);
  const attacks = linesOf('attack.jsonl').map((line) => judge(line));
  const benign = linesOf('benign.jsonl').map((line) => judge(line));
  for (const { id } of own) {
    assert.ok(
      attacks.some(({ rules }) => rules.has(id)),
      `${id} speaks about no row`,
    );
    assert.ok(!benign.some(({ rules }) => rules.has(id)), `${id} speaks about ordinary work`);
  }
});
