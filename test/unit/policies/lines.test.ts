import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Decision } from '../../../electron/core/decision.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { buildShellAction } from '../../../electron/wire/shell-action.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from '../../../shims/cli/policy-facts.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';

const root = join(import.meta.dirname, '../../..');
const knowledge = loadKnowledge(join(root, 'resources/knowledge'));
const rows = (file: string): readonly string[] =>
  readFileSync(join(import.meta.dirname, file), 'utf8')
    .trimEnd()
    .split('\n');

let decide: (line: string) => Decision;
before(async () => {
  const policy = await loadChoice(policyOf([join(root, 'resources/policies')]));
  decide = (line) => {
    assert.ok(policy.ok && knowledge.ok);
    const home = '/home/u';
    const workspace = '/home/u/src/app';
    const built = buildShellAction(
      {
        id: NO_ACTION,
        sessionId: NO_SESSION,
        at: 1,
        surface: 'shell',
        command: { line },
        cwd: workspace,
        home,
        user: 'u',
        workspace,
        variables: { HOME: home, PWD: workspace, PATH: '/usr/bin:/bin', USER: 'u' },
        dialect: 'bash',
        partsFollow: false,
        dependsOn: [],
        modifiedFrom: null,
      },
      knowledge.value,
      nodeHasher,
    );
    assert.ok(built.ok);
    const facts = firstFacts(built.value, {
      intent: null,
      workspace,
      home,
      user: 'u',
      uid: 1000,
      at: 1,
      environment: [],
    });
    return evaluate(policy.value, facts);
  };
});

/** A needless question is a defect: after ten of them a person turns the firewall off. */
for (const line of rows('ordinary-lines.txt'))
  test(`ordinary work is not asked about: ${line}`, () => {
    const { result, rule } = decide(line);
    assert.equal(result, 'ALLOW', `${rule}`);
  });

/** However it is written, what destroys or leaks is not let through in silence. */
for (const line of rows('hidden-lines.txt'))
  test(`is not let through in silence: ${line}`, () => assert.notEqual(decide(line).result, 'ALLOW'));
