// What a person allowed by its command line is not asked again as requests; what nobody saw is (AARM R4, R5.g).
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Action } from '../../../electron/core/action.ts';
import type { ActionId } from '../../../electron/core/brand.ts';
import type { CompiledPolicy } from '../../../electron/core/policy/compile.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { emptySummary } from '../../../electron/core/receipt/context-chain.ts';
import { effectWithin, footprintOf } from '../../../electron/daemon/effect-within.ts';
import type { MediationPorts } from '../../../electron/daemon/mediation.ts';
import type { Session } from '../../../electron/daemon/session-store.ts';
import { evaluateNow } from '../../../electron/daemon/stages.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { policyFrom } from '../policy/fixture.ts';
import { actionOf as commandOf, HOME, hasher, ROOT, WORKSPACE } from '../semantic/scene.ts';
import { actionOf as requestOf, type Sent } from '../wire/http/request-scene.ts';

const SCOPE = 'act_command' as ActionId;
let packs: CompiledPolicy;
before(async () => {
  const loaded = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(loaded.ok);
  packs = loaded.value;
});

function portsOf(flow: string | null): MediationPorts {
  return {
    clock: { now: () => 1_000_000 },
    hasher,
    deferrals: { blockersOf: () => [] },
    environment: () => [],
    evaluate,
    policy: () => null,
    // A flow is a fact of what is carried: an action that carries nothing has none.
    carried: (_session: Session, action: Action) => ({
      data: action.carries !== undefined && flow !== null ? { flow_level: flow } : {},
      destination: {},
    }),
  } as unknown as MediationPorts;
}

interface Before {
  /** False: policy let the command pass, and nobody saw it. */
  readonly asked?: boolean;
  readonly settled?: readonly string[];
  /** What the request carries was read somewhere. */
  readonly flow?: string;
  readonly policy?: CompiledPolicy;
}

/** What becomes of an action inside a running command: `covered`, `asked` or another decision. */
function within(line: string, action: Action, before: Before = {}): string {
  const policy = before.policy ?? packs;
  const asked = before.asked ?? true;
  const command = commandOf(line);
  const session = {
    ...{ home: HOME, workspace: WORKSPACE, assurance: 'enforced', startedAt: 0, grants: [], guard: null },
    identity: identity(),
    context: emptySummary(0),
    running: new Map([
      [
        SCOPE,
        {
          receipt: 'rct_1',
          digest: command.digest,
          effects: new Map(),
          footprint: footprintOf(command, asked),
          asked,
          settled: before.settled ?? [],
          redirection: null,
        },
      ],
    ]),
    seenReads: new Set(),
    unflushed: [],
  } as unknown as Session;
  const ports = portsOf(before.flow ?? null);
  const armed = { set: policy.set, compiled: policy };
  const answer = effectWithin(ports, armed, session, SCOPE, action);
  return answer === null ? evaluateNow(ports, armed, session, action).result : `within: ${answer.decided}`;
}

function identity() {
  return {
    human: { name: 'user', uid: 1000, source: 'test' },
    service: { name: 'countersign', version: '0', installation: 'x' },
    agent: { id: 'agt_1', product: 'x', version: null },
    role: 'developer',
    privileges: [],
    delegation: [],
    binding: 'signed',
  };
}

const request = (line: string, sent: Sent = {}) => requestOf(line, sent);
const json = { 'content-type': 'application/json' };
const push = (...updates: readonly string[]): Sent => ({
  headers: { 'content-type': 'application/x-git-receive-pack-request' },
  body: `${updates.map((update) => pkt(`${update}\0 report-status`)).join('')}0000`,
});
const pkt = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
const OLD = 'a'.repeat(40);
const NONE = '0'.repeat(40);
const PACK = 'POST https://github.com/o/r.git/git-receive-pack';
const ref = (was: string, is: string, name: string) => `${was} ${is} refs/heads/${name}`;

type Row = readonly [what: string, command: string, request: () => Action];
const COVERED: readonly Row[] = [
  [
    'the package',
    'npm publish',
    () => request('PUT https://registry.npmjs.org/mine', { headers: json, body: '{}' }),
  ],
  ['a removed package', 'npm unpublish p', () => request('DELETE https://registry.npmjs.org/p/-rev/1')],
  [
    'what the infrastructure is made of',
    'terraform destroy',
    () => request('DELETE https://mybucket.s3.amazonaws.com/'),
  ],
  [
    'more of what it is made of',
    'terraform destroy',
    () =>
      request('POST https://ec2.us-east-1.amazonaws.com/', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'Action=TerminateInstances&InstanceId.1=i-1',
      }),
  ],
  [
    'the instance',
    'aws ec2 terminate-instances --instance-ids i-1',
    () =>
      request('POST https://ec2.us-east-1.amazonaws.com/', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'Action=TerminateInstances&InstanceId.1=i-1',
      }),
  ],
  ['the repository', 'gh repo delete o/r', () => request('DELETE https://api.github.com/repos/o/r')],
  ['the branch', 'git push origin :old', () => request(PACK, push(ref(OLD, NONE, 'old')))],
  [
    'the address',
    'curl -X DELETE https://api.x.example/users/7',
    () => request('DELETE https://api.x.example/users/7'),
  ],
];

const ASKED: readonly Row[] = [
  [
    'another package’s removal',
    'npm unpublish p',
    () => request('DELETE https://registry.npmjs.org/q/-rev/1'),
  ],
  [
    'a publication at a place of its own',
    'npm unpublish p',
    () => request('PUT https://registry.npmjs.org/p', { headers: json, body: '{}' }),
  ],
  ['another repository', 'gh repo delete o/r', () => request('DELETE https://api.github.com/repos/o/other')],
  ['another branch', 'git push origin :old', () => request(PACK, push(ref(OLD, NONE, 'main')))],
  ['a branch that it did not say it deletes', 'git push', () => request(PACK, push(ref(OLD, NONE, 'main')))],
  ['a push that nobody can read', 'git push', () => request(PACK, { body: 'x' })],
  [
    'a deletion at a host of another kind',
    'terraform destroy',
    () => request('DELETE https://api.x.example/users/7'),
  ],
  [
    'another address',
    'curl -X DELETE https://api.x.example/users/7',
    () => request('DELETE https://api.x.example/users/8'),
  ],
  [
    'another host',
    'curl -X DELETE https://api.x.example/users/7',
    () => request('DELETE https://api.y.example/users/7'),
  ],
  [
    'a name that leads near',
    'curl -X DELETE https://api.x.example/users/7',
    () => request('DELETE https://api.x.example/users/7', { address: '10.0.0.1' }),
  ],
];

describe('a command that a person allowed covers', () => {
  for (const [what, command, made] of COVERED)
    test(`${what}: ${command}`, () => assert.equal(within(command, made()), 'within: STEP_UP'));
});

describe('a command that a person allowed does not cover', () => {
  for (const [what, command, made] of ASKED)
    test(`${what}: ${command}`, () => assert.equal(within(command, made()), 'STEP_UP'));
});

describe('inside a running command', () => {
  const [, command, made] = COVERED[0] as Row;

  test('a request of a command that nobody was asked about is asked about', () => {
    assert.equal(within(command, made(), { asked: false }), 'STEP_UP');
  });

  test('a request that carries what the command was not judged with is asked about, or denied', () => {
    assert.equal(within(command, made(), { flow: 'CONFIDENTIAL' }), 'STEP_UP');
    assert.equal(within(command, made(), { flow: 'RESTRICTED' }), 'DENY');
  });

  const gone = { kind: 'delete', command: null } as const;
  const deletion = (): Action => {
    const action = commandOf('rm notes.txt');
    return {
      ...action,
      surface: 'guard',
      tool: 'file',
      operation: 'delete',
      commands: [],
      effects: action.effects.map((effect) => ({ ...effect, ...gone })),
    };
  };
  const deferring = (when: string) =>
    policyFrom(
      `  - id: a.rule\n    title: t\n    why: w\n    class: step_up\n    subject: effect\n    match: {effects: [delete]}\n    when: ${when}\n`,
    );

  test('what policy cannot decide is not covered by what was said', () => {
    const policy = deferring('environment.branch.value == "main"');
    assert.equal(within('rm notes.txt', deletion(), { policy, asked: false }), 'DEFER');
    assert.equal(within('rm notes.txt', deletion(), { policy }), 'DEFER');
  });

  test('what a person settled for the command is settled for what it does', () => {
    const policy = deferring('environment.branch.value == "main"');
    const settled = ['environment.branch'];
    assert.equal(within('rm notes.txt', deletion(), { policy, settled }), 'within: DEFER');
    const other = deferring('environment.host.value == "main"');
    assert.equal(within('rm notes.txt', deletion(), { policy: other, settled }), 'DEFER');
  });
});
