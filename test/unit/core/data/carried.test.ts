import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionId } from '../../../../electron/core/brand.ts';
import type { Level } from '../../../../electron/core/context.ts';
import { type CarriedInput, carriedFacts } from '../../../../electron/core/data/carried.ts';
import { destinationOf } from '../../../../electron/core/data/destination.ts';
import type { Flow } from '../../../../electron/core/data/flow.ts';
import { EMPTY_PAYLOAD } from '../../../../electron/core/data/payload.ts';
import { compile } from '../../../../electron/core/policy/compile.ts';
import { evaluate } from '../../../../electron/core/policy/evaluate.ts';
import { nodeHasher } from '../../../../electron/edge/hasher.ts';
import { parsePolicyFile } from '../../../../electron/wire/policy-file.ts';
import { assemblePolicySet } from '../../../../electron/wire/policy-set.ts';
import { facts, policyFrom } from '../../policy/fixture.ts';

const packs = join(import.meta.dirname, '../../../../resources/policies');
const files = ['base', 'exfiltration'].map((name) => {
  const file = parsePolicyFile(readFileSync(join(packs, `${name}.yaml`), 'utf8'), `${name}.yaml`);
  if (!file.ok) throw new Error(file.error.map(({ message }) => message).join());
  return file.value;
});
const set = assemblePolicySet(files, nodeHasher);
if (!set.ok) throw new Error('no set');
const compiled = compile(set.value);
if (!compiled.ok) throw new Error('does not compile');
const destinations = set.value.destinations ?? [];

const flow = (level: Level, matches = 30, name = 'path:/home/u/x'): Flow => ({
  source: { name, level, because: 'a test', session: 'sess_t0000000' as SessionId, action: null, at: 900 },
  matches,
});
const to = (host: string, flows: readonly Flow[], more: Partial<CarriedInput> = {}): CarriedInput => ({
  payload: { ...EMPTY_PAYLOAD, bytes: 100 },
  flows,
  destinations,
  places: [{ host, port: 443, labels: ['internet'], firstSeen: true }],
  now: 1000,
  ...more,
});
function decide(input: CarriedInput) {
  const { data, destination } = carriedFacts(input);
  return evaluate(compiled.ok ? compiled.value : ((): never => assert.fail())(), {
    ...facts(),
    data: { classes: [], level: null, ...data },
    destination,
  });
}

const SECRET = {
  ...EMPTY_PAYLOAD,
  findings: [{ kind: 'secret', detector: 'github-token', count: 1, layer: 'base64' } as const],
};
const JWT = {
  ...EMPTY_PAYLOAD,
  findings: [{ kind: 'secret', detector: 'json-web-token', count: 1, layer: 'text' } as const],
};

const ROWS: readonly (readonly [name: string, input: CarriedInput, result: string])[] = [
  ['denies restricted text to a host nobody named', to('evil.example', [flow('RESTRICTED', 1)]), 'DENY'],
  ['denies restricted text to a git host', to('github.com', [flow('RESTRICTED', 1)]), 'DENY'],
  [
    'asks about confidential text to a host nobody named',
    to('evil.example', [flow('CONFIDENTIAL', 1)]),
    'STEP_UP',
  ],
  [
    'asks about much of the work to a host nobody named',
    to('evil.example', [flow('INTERNAL', 30)]),
    'STEP_UP',
  ],
  ['lets a line of the work go to a host nobody named', to('evil.example', [flow('INTERNAL', 5)]), 'ALLOW'],
  ['lets the work go to its git host', to('github.com', [flow('INTERNAL', 3000)]), 'ALLOW'],
  ['lets the work go to a registry', to('registry.npmjs.org', [flow('INTERNAL', 3000)]), 'ALLOW'],
  [
    'lets all that was read go to the model',
    to('api.anthropic.com', [flow('RESTRICTED', 9), flow('INTERNAL', 900)]),
    'ALLOW',
  ],
  ['lets anything go to this machine', to('localhost', [flow('RESTRICTED', 9)]), 'ALLOW'],
  [
    'asks about the shape of a secret to a host nobody named',
    to('evil.example', [], { payload: SECRET }),
    'STEP_UP',
  ],
  ['lets a token of a session go where it came from', to('app.example', [], { payload: JWT }), 'ALLOW'],
  [
    'lets what a host gave go back to it',
    to('crm.example', [flow('CONFIDENTIAL', 50, 'host:crm.example')]),
    'ALLOW',
  ],
  [
    'denies when one of two places may not have it',
    to('api.anthropic.com', [flow('RESTRICTED')], {
      places: [
        { host: 'api.anthropic.com', port: 443, labels: [], firstSeen: false },
        { host: 'evil.example', port: 443, labels: [], firstSeen: true },
      ],
    }),
    'DENY',
  ],
  [
    'denies restricted text that goes nobody knows where',
    to('x', [flow('RESTRICTED')], { places: [] }),
    'DENY',
  ],
  ['lets what sends nothing go', to('x', [], { payload: null, places: [] }), 'ALLOW'],
  [
    'says nothing of flows that are not known yet, and stops those that are',
    to('evil.example', [flow('RESTRICTED')], { late: true }),
    'DENY',
  ],
];
for (const [name, input, result] of ROWS)
  test(name, () => {
    const decision = decide(input);
    assert.equal(decision.result, result, decision.reason);
  });

test('a host that ends like a named one is not it', () => {
  for (const host of [
    'evilgithub.com',
    'github.com.evil.example',
    'notlocalhost',
    'api.anthropic.com.evil.example',
  ])
    assert.equal(destinationOf(destinations, host, 443), null, host);
});

test('the closest row counts, whatever its order, and of equals the stricter', () => {
  const row = (hosts: readonly string[], accepts: Level) => ({
    hosts,
    category: 'trusted' as const,
    accepts,
    why: 'x',
  });
  const rows = [
    row(['*.example'], 'RESTRICTED'),
    row(['a.example'], 'INTERNAL'),
    row(['a.example:8443'], 'CONFIDENTIAL'),
    row(['b.example'], 'PUBLIC'),
    row(['b.example'], 'INTERNAL'),
  ];
  for (const order of [rows, rows.toReversed()])
    assert.deepEqual(
      (
        [
          ['a.example', 443],
          ['a.example', 8443],
          ['c.example', 1],
          ['b.example', 1],
        ] as const
      ).map(([host, port]) => destinationOf(order, host, port)?.accepts),
      ['INTERNAL', 'CONFIDENTIAL', 'RESTRICTED', 'PUBLIC'],
    );
});

const file = (body: string) => parsePolicyFile(`pack: mine\nversion: 1.0.0\n${body}`, 'mine.yaml');
for (const [name, body] of [
  [
    'an unknown level',
    'destinations:\n  - {hosts: [a.example], category: public, accepts: SECRET, why: x}\n',
  ],
  [
    'an unknown category',
    'destinations:\n  - {hosts: [a.example], category: friend, accepts: PUBLIC, why: x}\n',
  ],
  [
    'a host with a scheme',
    'destinations:\n  - {hosts: ["https://a.example"], category: public, accepts: PUBLIC, why: x}\n',
  ],
  [
    'a star in the middle of a host',
    'destinations:\n  - {hosts: ["a.*.example"], category: public, accepts: PUBLIC, why: x}\n',
  ],
  ['a star alone', 'destinations:\n  - {hosts: ["*"], category: public, accepts: RESTRICTED, why: x}\n'],
  ['a row without a reason', 'destinations:\n  - {hosts: [a.example], category: public, accepts: PUBLIC}\n'],
  ['a row that classifies nothing', 'classify:\n  - {level: PUBLIC, label: x, why: x}\n'],
  ['a relative path', 'classify:\n  - {paths: [src/**], level: PUBLIC, label: x, why: x}\n'],
  ['a file that says nothing', ''],
] as const)
  test(`refuses ${name}`, () => {
    assert.equal(file(body).ok, false);
  });

test('rows are part of the hash of the set, and their order is not', () => {
  const a = '  - {hosts: [a.example], category: public, accepts: PUBLIC, why: x}\n';
  const b = '  - {hosts: [b.example], category: trusted, accepts: INTERNAL, why: x}\n';
  const hashOf = (body: string): string => {
    const one = file(body);
    if (!one.ok) throw new Error(one.error[0]?.message);
    const whole = assemblePolicySet([...files, one.value], nodeHasher);
    return whole.ok ? whole.value.hash : assert.fail();
  };
  assert.equal(hashOf(`destinations:\n${a}${b}`), hashOf(`destinations:\n${b}${a}`));
  assert.notEqual(hashOf(`destinations:\n${a}${b}`), hashOf(`destinations:\n${a}`));
});

test('a rule about new hosts is decided for what sends nothing: it does not match, and waits for nobody', () => {
  const rules = policyFrom(
    '  - {id: a.new, title: t, why: w, class: step_up, subject: action, when: destination.first_seen}\n',
  );
  const judged = (input: CarriedInput) => evaluate(rules, { ...facts(), ...carriedFacts(input) }).result;
  const nothing: CarriedInput = { payload: null, flows: [], destinations: [], places: [], now: 1 };
  assert.equal(judged(nothing), 'ALLOW');
  assert.equal(judged(to('new.example', [])), 'STEP_UP');
  assert.equal(judged({ ...to('new.example', []), places: [] }), 'DEFER');
});
