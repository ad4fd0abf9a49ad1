// Requests as a proxy meets them, judged by the packs that come with it: what ordinary work sends passes in silence, what harms does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Decision } from '../../../electron/core/decision.ts';
import type { CompiledPolicy } from '../../../electron/core/policy/compile.ts';
import { evaluateWith } from '../../../electron/core/policy/evaluate.ts';
import { parseCase } from '../../../electron/wire/case-file.ts';
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

function judge(line: string): { readonly result: Decision['result']; readonly rules: ReadonlySet<string> } {
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
  const rules = new Set<string>();
  const facts = firstFacts(made.action, {
    intent: null,
    workspace: WORKSPACE,
    home: HOME,
    user: 'user',
    uid: 1000,
    at: 1,
    environment: [],
  });
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

test('every rule about requests alone decides a row and leaves one alone', () => {
  const own = policy.set.rules.filter(
    (rule) => rule.match.surfaces?.includes('http') === true && rule.id !== 'network.opaque-stream',
  );
  assert.ok(own.length > 5);
  const attacks = linesOf('attack.jsonl').map(judge);
  const benign = linesOf('benign.jsonl').map(judge);
  for (const { id } of own) {
    assert.ok(
      attacks.some(({ rules }) => rules.has(id)),
      `${id} speaks about no row`,
    );
    assert.ok(!benign.some(({ rules }) => rules.has(id)), `${id} speaks about ordinary work`);
  }
});
