// Files whose content acts later: what real tools and people write every day passes in silence, what acts by itself does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { Decision } from '../../../electron/core/decision.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { lateKind, latePatterns } from '../../../electron/core/semantic/late-files.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { buildLateAction, type LateContent } from '../../../electron/wire/late-action.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from '../../../shims/cli/policy-facts.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { HOME, knowledge, ROOT, WORKSPACE } from '../semantic/scene.ts';

interface Row {
  readonly name: string;
  /** In the workspace unless absolute. */
  readonly path: string;
  readonly before?: string | null;
  readonly after: string | null;
  readonly rule?: string | null;
  readonly result?: string;
}

const folder = join(import.meta.dirname, 'late');
const rows = (file: string): readonly Row[] =>
  parse(readFileSync(join(folder, file), 'utf8')) as readonly Row[];
const recorded = (
  JSON.parse(readFileSync(join(folder, 'recorded.json'), 'utf8')) as readonly (Row & {
    readonly tool: string;
  })[]
).map((row) => ({ ...row, name: `${row.tool}: ${row.path}` }));

const contentOf = (text: string | null | undefined): LateContent =>
  typeof text === 'string' ? { kind: 'text', text, digest: nodeHasher.sha256(text) } : { kind: 'none' };

let decide: (row: Row) => Pick<Decision, 'result' | 'rule'>;
before(async () => {
  const policy = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  decide = (row) => {
    assert.ok(policy.ok);
    const path = resolve(WORKSPACE, row.path);
    const kind = lateKind(path, { home: HOME });
    if (kind === null) return { result: 'ALLOW', rule: null };
    const action = buildLateAction(
      {
        id: NO_ACTION,
        sessionId: NO_SESSION,
        at: 1,
        kind,
        path,
        before: contentOf(row.before),
        after: contentOf(row.after),
        home: HOME,
        user: 'user',
        workspace: WORKSPACE,
      },
      knowledge,
      nodeHasher,
    );
    if (action === null) return { result: 'ALLOW', rule: null };
    const around = {
      intent: null,
      workspace: WORKSPACE,
      home: HOME,
      user: 'user',
      uid: 1000,
      at: 1,
      environment: [],
    };
    return evaluate(policy.value, firstFacts(action, around));
  };
});

describe('an ordinary change is not asked about', () => {
  for (const row of [...rows('ordinary.yaml'), ...recorded.filter((one) => !one.rule)])
    test(row.name, () => {
      const { result, rule } = decide(row);
      assert.equal(result, 'ALLOW', `${rule}`);
    });
});

describe('a change that acts by itself is not let through in silence', () => {
  for (const row of [...rows('hostile.yaml'), ...recorded.filter((one) => one.rule)])
    test(row.name, () => {
      const { result, rule } = decide(row);
      assert.deepEqual([result, rule], [row.result ?? 'STEP_UP', row.rule]);
    });
});

test('every rule of the pack decides one row', () => {
  const text = readFileSync(join(ROOT, 'resources/policies/late-writes.yaml'), 'utf8');
  const ids = (parse(text) as { readonly rules: readonly { readonly id: string }[] }).rules.map(
    ({ id }) => id,
  );
  const named = new Set([...rows('hostile.yaml'), ...recorded].map((row) => row.rule));
  assert.deepEqual(
    ids.filter((id) => !named.has(id)),
    [],
  );
});

describe('which files the guard is told of', () => {
  /** The pattern language of docs/guard-protocol.md. */
  const matches = (pattern: string, path: string): boolean => {
    if (!pattern.startsWith('*/')) return path === pattern || path.startsWith(`${pattern}/`);
    const tail = pattern.slice(1);
    return tail.endsWith('/') ? path.includes(tail) : path.endsWith(tail);
  };
  const patterns = latePatterns(HOME);

  for (const row of [...rows('ordinary.yaml'), ...rows('hostile.yaml'), ...recorded]) {
    const path = resolve(WORKSPACE, row.path);
    if (lateKind(path, { home: HOME }) === null || path.endsWith('.pth')) continue;
    test(`${row.name}: ${row.path}`, () => {
      assert.ok(
        patterns.some((pattern) => matches(pattern, path)),
        path,
      );
    });
  }

  test('none of them holds what its language has no sign for', () => {
    for (const pattern of patterns) assert.match(pattern, /^(?:\*\/|\/)[^*?]+$/);
  });
});
