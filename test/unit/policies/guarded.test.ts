// What only the kernel guard sees: a connection, by no command line. Every rule of the pack decides a row.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Decision } from '../../../electron/core/decision.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import type { ConnectQuestion } from '../../../electron/wire/guard-message.ts';
import { buildConnectAction } from '../../../electron/wire/network-action.ts';
import { exactly } from '../../../electron/wire/octets.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from '../../../shims/cli/policy-facts.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { HOME, knowledge, ROOT, WORKSPACE } from '../semantic/scene.ts';

let decide: (to: ConnectQuestion['to']) => Decision;
before(async () => {
  const policy = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(policy.ok);
  decide = (to) => {
    const action = buildConnectAction(
      {
        id: NO_ACTION,
        sessionId: NO_SESSION,
        at: 1,
        place: { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' },
        own: [],
        by: exactly('/usr/bin/python3'),
        modifiedFrom: null,
        to,
      },
      knowledge,
      nodeHasher,
    );
    return evaluate(
      policy.value,
      firstFacts(action, {
        intent: null,
        workspace: WORKSPACE,
        home: HOME,
        user: 'user',
        uid: 1000,
        at: 1,
        environment: [],
      }),
    );
  };
});

const unix = (path: string): ConnectQuestion['to'] => ({ kind: 'unix', path: exactly(path) });
const tcp = (host: string, port: number): ConnectQuestion['to'] => ({ kind: 'tcp', host, port });

const rows: readonly (readonly [ConnectQuestion['to'], Decision['result'], string | null])[] = [
  [unix('/run/systemd/resolve/io.systemd.Resolve'), 'DENY', 'guarded.name-service'],
  [unix('/var/run/nscd/socket'), 'DENY', 'guarded.name-service'],
  [unix('/home/user/docker.sock'), 'STEP_UP', 'guarded.local-socket'],
  [unix('/run/systemd-not/x'), 'STEP_UP', 'guarded.local-socket'],
  [tcp('127.0.0.1', 6379), 'STEP_UP', 'guarded.local-service'],
  [tcp('::1', 9229), 'STEP_UP', 'guarded.local-service'],
  [tcp('registry.npmjs.org', 443), 'ALLOW', null],
  [tcp('192.168.1.7', 8080), 'ALLOW', null],
];
for (const [to, result, rule] of rows) {
  const name = to.kind === 'unix' ? to.path.text : `${to.host}:${to.port}`;
  test(`a connection to ${name} is ${result}${rule === null ? '' : ` by ${rule}`}`, () => {
    const decision = decide(to);
    assert.deepEqual([decision.result, decision.rule], [result, rule]);
  });
}

test('every rule of the pack decides a row', async () => {
  const policy = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(policy.ok);
  const ids = policy.value.set.rules
    .map((rule) => rule.id as string)
    .filter((id) => id.startsWith('guarded.'));
  assert.deepEqual([...new Set(rows.flatMap(([, , rule]) => rule ?? []))].sort(), ids.sort());
});
