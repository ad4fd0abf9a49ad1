import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandPattern } from '../../../electron/core/approval.ts';
import type { Decision, Result5 } from '../../../electron/core/decision.ts';
import { RANKS } from '../../../electron/core/decision.ts';
import type { FactSet } from '../../../electron/core/facts.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import type { Posture, Rule } from '../../../electron/core/policy/rule.ts';
import { command, decide, effect, facts, policy, rule } from './fixture.ts';

const git = facts({ commands: [command('git push -f')], effects: [effect('upload', 'origin')] });
const two = facts({
  commands: [command('git push'), command('rm x', { index: 1 })],
  effects: [effect('upload', 'origin'), effect('delete', '/work/project/x', { command: 1 })],
});
const onGit = { subject: 'command', match: { programs: ['git'] } } as const;
const onRm = { subject: 'command', match: { programs: ['rm'] } } as const;
const readsIntent = { when: 'request.text.contains("deploy")' } as const;

interface Row {
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly facts?: FactSet;
  readonly posture?: Partial<Posture>;
  readonly expect: Partial<Pick<Decision, 'result' | 'rank' | 'rule' | 'commands' | 'confidence'>>;
  readonly reason?: RegExp;
}

const all = (result: Result5, rank: Decision['rank'], rule_: string | null) =>
  ({ result, rank, rule: rule_ as Decision['rule'] }) as const;

const ROWS: readonly Row[] = [
  // Classes
  {
    name: 'R3.a forbidden denies',
    rules: [rule('a.x', 'forbidden', onGit)],
    expect: all('DENY', 'forbidden', 'a.x'),
  },
  {
    name: 'R3.a a context-dependent deny denies when its context holds',
    rules: [rule('a.x', 'deny', { when: 'session.assurance == "cooperative"' })],
    expect: all('DENY', 'static', 'a.x'),
  },
  {
    name: 'R3.a a context-dependent deny is silent when its context does not hold',
    rules: [rule('a.x', 'deny', { when: 'session.assurance == "enforced"' })],
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'R3.a a context-dependent allow allows where the posture would ask',
    rules: [rule('a.x', 'allow', { ...onGit, when: 'session.workspace == "/work/project"' })],
    posture: { unmatched: 'STEP_UP' },
    expect: all('ALLOW', 'static', 'a.x'),
  },
  {
    name: 'R3.a a context-dependent defer defers',
    rules: [rule('a.x', 'defer', { ...onGit, resolvers: ['environment'] })],
    expect: all('DEFER', 'static', 'a.x'),
  },
  // R3.b
  {
    name: 'R3.b forbidden denies although an allow of the highest priority matches',
    rules: [rule('a.x', 'forbidden', onGit), rule('a.y', 'allow', { ...onGit, priority: 1_000_000 })],
    expect: all('DENY', 'forbidden', 'a.x'),
  },
  {
    name: 'R3.b forbidden denies although alignment is confirmed and a person granted the command',
    rules: [rule('a.x', 'forbidden', onGit)],
    facts: {
      ...git,
      alignment: { scope: 'in', distance: 0, drift: 0, words: [] },
      grants: [{ program: 'git', subcommand: 'push', flags: ['-f'], operands: [], rule: 'a.x' }],
    },
    expect: all('DENY', 'forbidden', 'a.x'),
  },
  {
    name: 'R3.b forbidden denies beside another forbidden rule that cannot be decided',
    rules: [rule('a.open', 'forbidden', readsIntent), rule('a.x', 'forbidden', onGit)],
    expect: all('DENY', 'forbidden', 'a.x'),
  },
  {
    name: 'R3.b a forbidden rule that cannot be decided defers',
    rules: [rule('a.open', 'forbidden', readsIntent)],
    expect: all('DEFER', 'unknowns', 'a.open'),
    reason: /request\.text/,
  },
  {
    name: 'R3.b a forbidden rule that raises an error denies',
    rules: [rule('a.x', 'forbidden', { when: 'action.parameters.n > 3' })],
    facts: facts({ parameters: { n: 'many' } }),
    expect: all('DENY', 'forbidden', 'a.x'),
    reason: /cannot be evaluated/,
  },
  // R3.c
  {
    name: 'R3.c a rule over the session reads what accumulated',
    rules: [rule('a.x', 'deny', { when: 'history.counts.DENY >= 1' })],
    expect: all('DENY', 'compositional', 'a.x'),
  },
  {
    name: 'R3.c a counter that never counted is zero',
    rules: [rule('a.x', 'deny', { when: 'history.counts.STEP_UP > 0' })],
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'R3.c a compositional deny is not excepted by a static allow of any priority',
    rules: [
      rule('a.x', 'deny', { when: 'session.velocity >= 2' }),
      rule('a.y', 'allow', { ...onGit, priority: 99 }),
    ],
    expect: all('DENY', 'compositional', 'a.x'),
  },
  {
    name: 'R3.c a rule may opt out of the compositional rank',
    rules: [
      rule('a.x', 'deny', { when: 'session.velocity >= 2', rank: 'static' }),
      rule('a.y', 'allow', { priority: 99, when: 'action.tool == "shell"' }),
    ],
    expect: all('ALLOW', 'static', 'a.y'),
  },
  // R3.e
  {
    name: 'R3.e a violated constraint denies and is named',
    rules: [rule('a.x', 'allow', { match: { tools: ['pay'] }, parameters: [{ path: 'amount', max: 100 }] })],
    facts: facts({ tool: 'pay', parameters: { amount: 250 } }),
    expect: all('DENY', 'parameters', 'a.x'),
    reason: /`amount` must be at most 100, it is `250`/,
  },
  {
    name: 'R3.e a violated constraint denies although a higher allow matches',
    rules: [
      rule('a.x', 'allow', { match: { tools: ['pay'] }, parameters: [{ path: 'amount', max: 100 }] }),
      rule('a.y', 'allow', { match: { tools: ['pay'] }, priority: 50 }),
    ],
    facts: facts({ tool: 'pay', parameters: { amount: 250 } }),
    expect: all('DENY', 'parameters', 'a.x'),
  },
  {
    name: 'R3.e constraints that hold leave the rule to its class',
    rules: [rule('a.x', 'allow', { match: { tools: ['pay'] }, parameters: [{ path: 'amount', max: 100 }] })],
    facts: facts({ tool: 'pay', parameters: { amount: 25 } }),
    expect: all('ALLOW', 'static', 'a.x'),
  },
  {
    name: 'R3.e an unknown parameter defers',
    rules: [
      rule('a.x', 'allow', { match: { tools: ['pay'] }, parameters: [{ path: 'to', pattern: 'a.*' }] }),
    ],
    facts: facts({ tool: 'pay', parameters: { to: 'a\uFFFC' } }),
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  {
    name: 'R3.e a constraint that does not hold defers when it is not known whether its rule applies',
    rules: [
      rule('a.x', 'allow', {
        ...readsIntent,
        match: { tools: ['pay'] },
        parameters: [{ path: 'n', max: 1 }],
      }),
      rule('a.y', 'allow', { match: { tools: ['pay'] }, priority: 50 }),
    ],
    facts: facts({ tool: 'pay', parameters: { n: 2 } }),
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  // R3.f
  {
    name: 'R3.f defers when a restrictive rule reads a fact that is not populated, and names it',
    rules: [rule('a.x', 'deny', { ...onGit, ...readsIntent })],
    expect: all('DEFER', 'unknowns', 'a.x'),
    reason: /`request\.text` not known yet/,
  },
  {
    name: 'R3.f the unknown is absorbed where the other side decides',
    rules: [rule('a.x', 'deny', { when: 'action.tool == "mcp" && request.text.contains("x")' })],
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'R3.f an unknown allow changes nothing where the posture allows anyway',
    rules: [rule('a.x', 'allow', { ...onGit, ...readsIntent })],
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'R3.f an unknown allow defers where the posture would ask',
    rules: [rule('a.x', 'allow', { ...onGit, ...readsIntent })],
    posture: { unmatched: 'STEP_UP' },
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  {
    name: 'R3.f an unknown rule below the deciding priority is not waited for',
    rules: [
      rule('a.x', 'deny', { ...onGit, ...readsIntent }),
      rule('a.y', 'allow', { ...onGit, priority: 5 }),
    ],
    expect: all('ALLOW', 'static', 'a.y'),
  },
  {
    name: 'R3.f an unknown rule above the deciding priority is waited for',
    rules: [
      rule('a.x', 'deny', { ...onGit, ...readsIntent, priority: 9 }),
      rule('a.y', 'allow', { ...onGit, priority: 5 }),
    ],
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  {
    name: 'R3.f an unknown rule that could only deny is not waited for when a deny already stands',
    rules: [rule('a.x', 'deny', { ...onGit, ...readsIntent, priority: 9 }), rule('a.y', 'deny', onGit)],
    expect: all('DENY', 'static', 'a.y'),
  },
  {
    name: 'R3.f an object that is not known keeps a label rule open',
    rules: [rule('a.x', 'deny', { subject: 'effect', match: { effects: ['delete'], labels: ['home'] } })],
    facts: facts({ commands: [command('rm $X')], effects: [effect('delete', null)] }),
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  {
    name: 'R3.f an unknown word is left to the interception of the command where that is certain',
    rules: [rule('a.x', 'deny', { subject: 'effect', match: { effects: ['delete'], labels: ['home'] } })],
    facts: facts({ commands: [command('rm $X')], effects: [effect('delete', null)], partsFollow: true }),
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'R3.f a missing fact beside an unknown word defers although the parts follow',
    rules: [rule('a.x', 'deny', { ...onRm, when: 'command.operands[0] == "/" && request.text == "x"' })],
    facts: facts({ commands: [command('rm $X')], partsFollow: true }),
    expect: all('DEFER', 'unknowns', 'a.x'),
    reason: /`request\.text`/,
  },
  {
    name: 'R3.f an unknown program may be any program that rules name',
    rules: [rule('a.x', 'deny', onRm)],
    facts: facts({ commands: [command('$X -rf')] }),
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  {
    name: 'R3.f a relative path in a directory that is not known defers',
    rules: [rule('a.x', 'deny', { ...onRm, when: 'under(command.operands[0], "/etc")' })],
    facts: facts({ commands: [{ ...command('rm a'), cwd: null } as never] }),
    expect: all('DEFER', 'unknowns', 'a.x'),
    reason: /`command\.cwd` not known yet/,
  },
  // R3.g
  {
    name: 'R3.g defers when an allow and a deny of one priority match, and names both',
    rules: [rule('a.x', 'deny', onGit), rule('a.y', 'allow', onGit)],
    expect: { result: 'DEFER', rank: 'unknowns' },
    reason: /`a\.y` \(allow\) and `a\.x` \(deny\)/,
  },
  {
    name: 'R3.g restrictions of one priority combine to the most restrictive without conflict',
    rules: [
      rule('a.m', 'modify', onGit),
      rule('a.s', 'step_up', onGit),
      rule('a.d', 'defer', onGit),
      rule('a.x', 'deny', onGit),
    ],
    expect: all('DENY', 'static', 'a.x'),
  },
  {
    name: 'R3.g a higher allow is an explicit exception',
    rules: [rule('a.x', 'deny', onGit), rule('a.y', 'allow', { ...onGit, priority: 1 })],
    expect: all('ALLOW', 'static', 'a.y'),
  },
  {
    name: 'R3.g a higher restriction stands over a lower allow',
    rules: [rule('a.x', 'step_up', { ...onGit, priority: 1 }), rule('a.y', 'allow', onGit)],
    expect: all('STEP_UP', 'static', 'a.x'),
  },
  {
    name: 'R3.g an allow against an unknown deny of the same priority defers',
    rules: [rule('a.x', 'deny', { ...onGit, ...readsIntent }), rule('a.y', 'allow', onGit)],
    expect: all('DEFER', 'unknowns', 'a.x'),
  },
  {
    name: 'R3.g two different rewrites of one action conflict',
    rules: [
      rule('a.x', 'modify', { ...onGit, modify: { name: 'force-with-lease', arguments: {} } }),
      rule('a.y', 'modify', { ...onRm, modify: { name: 'delete-to-trash', arguments: {} } }),
    ],
    facts: two,
    expect: { result: 'DEFER', rank: 'unknowns' },
    reason: /`a\.x` and `a\.y`/,
  },
  // R3.h
  {
    name: 'R3.h defers when confidence is below the threshold',
    rules: [],
    facts: facts({ gaps: ['unreadable syntax'] }),
    posture: { minimumConfidence: 0.6 },
    expect: { result: 'DEFER', rank: 'unknowns', confidence: 0.5 },
    reason: /unreadable syntax/,
  },
  {
    name: 'R3.h gaps that are closed by a second interception do not count',
    rules: [],
    facts: facts({ gaps: ['unknown word'], partsFollow: true }),
    posture: { minimumConfidence: 0.6 },
    expect: { result: 'ALLOW', confidence: 1 },
  },
  {
    name: 'R3.h a denial is not softened by doubt',
    rules: [rule('a.x', 'deny')],
    facts: facts({ gaps: ['unreadable syntax'] }),
    posture: { minimumConfidence: 0.6 },
    expect: all('DENY', 'static', 'a.x'),
  },
  // R3.k
  {
    name: 'R3.k the real tool inside a wrapper is judged, with its chain readable',
    rules: [rule('a.x', 'deny', { ...onRm, when: '"sudo" in command.via && "root" in command.places' })],
    facts: facts({
      commands: [command('rm x', { via: [{ program: 'sudo', detail: 'root', place: 'root' }] })],
    }),
    expect: all('DENY', 'static', 'a.x'),
  },
  // Subjects
  {
    name: 'an allow for one command does not cover another command of the same action',
    rules: [rule('a.y', 'allow', { ...onGit, priority: 99 }), rule('a.x', 'deny', onRm)],
    facts: two,
    expect: { ...all('DENY', 'static', 'a.x'), commands: [1] },
  },
  {
    name: 'an allow for one command leaves the other to the posture',
    rules: [rule('a.y', 'allow', { ...onGit, priority: 99 })],
    facts: two,
    posture: { unmatched: 'STEP_UP' },
    expect: { ...all('STEP_UP', 'posture', null), commands: [1] },
  },
  {
    name: 'a higher allow for a command excepts lower rules about its effects',
    rules: [
      rule('a.y', 'allow', { ...onRm, priority: 5 }),
      rule('a.x', 'step_up', { subject: 'effect', match: { effects: ['delete'] } }),
    ],
    facts: two,
    expect: { result: 'ALLOW' },
  },
  {
    name: 'an allow for a command does not except a rule of its own priority about an effect',
    rules: [
      rule('a.y', 'allow', onRm),
      rule('a.x', 'step_up', { subject: 'effect', match: { effects: ['delete'] } }),
    ],
    facts: two,
    expect: all('STEP_UP', 'static', 'a.x'),
  },
  {
    name: 'an allow for an effect does not cover what else the command does',
    rules: [rule('a.y', 'allow', { subject: 'effect', match: { effects: ['read'] }, priority: 9 })],
    facts: facts({
      commands: [command('tar x')],
      effects: [effect('read', '/a'), effect('write', '/b')],
    }),
    posture: { unmatched: 'STEP_UP' },
    expect: all('STEP_UP', 'posture', null),
  },
  {
    name: 'the most restrictive subject decides the action',
    rules: [rule('a.s', 'step_up', onGit), rule('a.d', 'defer', onRm)],
    facts: two,
    expect: all('DEFER', 'static', 'a.d'),
  },
  {
    name: 'MODIFY carries its transform and the commands it is about',
    rules: [rule('a.x', 'modify', onRm)],
    facts: two,
    expect: { ...all('MODIFY', 'static', 'a.x'), commands: [1] },
  },
  // Alignment
  {
    name: 'statically allowed but outside what was asked denies when it has an effect',
    rules: [],
    facts: { ...git, alignment: { scope: 'out', distance: 0.9, drift: null, words: [] } },
    expect: all('DENY', 'alignment', null),
  },
  {
    name: 'outside what was asked but only reading is left alone',
    rules: [],
    facts: {
      ...facts({ effects: [effect('read', '/a')] }),
      alignment: { scope: 'out', distance: 0.9, drift: null, words: [] },
    },
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'contradicted denies even a read',
    rules: [],
    facts: {
      ...facts({ effects: [effect('read', '/a')] }),
      alignment: { scope: 'contradicted', distance: 0.9, drift: null, words: [] },
    },
    expect: all('DENY', 'alignment', null),
  },
  {
    name: 'what a person is asked anyway is asked, also against alignment',
    rules: [rule('a.x', 'step_up', onGit)],
    facts: { ...git, alignment: { scope: 'contradicted', distance: null, drift: null, words: [] } },
    expect: all('STEP_UP', 'static', 'a.x'),
  },
  {
    name: 'nothing is waited for that is known to be against what was asked',
    rules: [rule('a.x', 'step_up', onGit), rule('a.open', 'deny', { ...onRm, ...readsIntent })],
    facts: { ...two, alignment: { scope: 'contradicted', distance: null, drift: null, words: [] } },
    expect: all('DENY', 'alignment', null),
  },
  {
    name: 'unknown alignment decides nothing',
    rules: [],
    facts: git,
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'a deny that says so becomes STEP_UP when alignment is confirmed',
    rules: [rule('a.x', 'deny', { ...onGit, unlessAligned: true, risk: 'high' })],
    facts: { ...git, alignment: { scope: 'in', distance: 0.1, drift: null, words: [] } },
    expect: all('STEP_UP', 'static', 'a.x'),
  },
  {
    name: 'a deny of low risk that says so becomes ALLOW when alignment is confirmed',
    rules: [rule('a.x', 'deny', { ...onGit, unlessAligned: true, risk: 'low' })],
    facts: { ...git, alignment: { scope: 'in', distance: 0.1, drift: null, words: [] } },
    expect: all('ALLOW', 'static', 'a.x'),
  },
  {
    name: 'a deny that says so still denies while alignment is unknown or only implied',
    rules: [rule('a.x', 'deny', { ...onGit, unlessAligned: true })],
    facts: { ...git, alignment: { scope: 'implied', distance: 0.1, drift: null, words: [] } },
    expect: all('DENY', 'static', 'a.x'),
  },
  {
    name: 'an ordinary deny is not softened by alignment',
    rules: [rule('a.x', 'deny', { ...onGit, unlessAligned: true }), rule('a.y', 'deny', onGit)],
    facts: { ...git, alignment: { scope: 'in', distance: 0.1, drift: null, words: [] } },
    expect: all('DENY', 'static', 'a.y'),
  },
  // Errors and expiry
  {
    name: 'a rule that raises an error denies whatever its class and priority',
    rules: [
      rule('a.low', 'allow', { ...onGit, priority: -5, when: 'action.parameters.n < 3' }),
      rule('a.y', 'allow', { ...onGit, priority: 99 }),
    ],
    facts: facts({ commands: [command('git push')], parameters: { n: [] } }),
    expect: all('DENY', 'static', 'a.low'),
  },
  {
    name: 'a rule past its expiry is not considered',
    rules: [rule('a.x', 'deny', { expiresAt: 1_000_000 })],
    expect: all('ALLOW', 'posture', null),
  },
  {
    name: 'a rule before its expiry is considered',
    rules: [rule('a.x', 'deny', { expiresAt: 1_000_001 })],
    expect: all('DENY', 'static', 'a.x'),
  },
  // Posture
  {
    name: 'the posture denies what no rule decides, although something else is unknown',
    rules: [rule('a.x', 'deny', { ...onGit, ...readsIntent })],
    facts: two,
    posture: { unmatched: 'DENY' },
    expect: all('DENY', 'posture', null),
  },
];

for (const row of ROWS) {
  test(row.name, () => {
    const decision = decide(row.rules, row.facts ?? git, row.posture);
    const picked = Object.fromEntries(
      Object.keys(row.expect).map((key) => [key, decision[key as keyof Decision]]),
    );
    assert.deepEqual(picked, row.expect, decision.reason);
    if (row.reason !== undefined) assert.match(decision.reason, row.reason);
    // Whatever the answer, every rank is accounted for, in order (R3.i).
    assert.deepEqual(
      decision.ranks.map((verdict) => verdict.rank),
      RANKS,
    );
  });
}

test('R3.d no confident decision is DEFER, with who can find out', () => {
  const decision = decide(
    [rule('a.x', 'deny', { ...onGit, when: 'environment.git_branch.value == "main"' })],
    git,
  );
  assert.equal(decision.result, 'DEFER');
  assert.deepEqual(decision.missing, [
    { path: 'environment.git_branch', resolvers: ['environment', 'person'] },
  ]);
});

test("R3.d a rule's own resolvers are named before the default ones", () => {
  const decision = decide([rule('a.x', 'deny', { ...onGit, ...readsIntent, resolvers: ['ticket'] })], git);
  assert.deepEqual(decision.missing, [{ path: 'request.text', resolvers: ['ticket'] }]);
});

test('R3.i the ranks say what was left to the interception of the command itself', () => {
  const set = facts({ commands: [command('rm $X')], effects: [effect('delete', null)], partsFollow: true });
  const decision = decide(
    [rule('a.x', 'deny', { subject: 'effect', match: { effects: ['delete'], labels: ['home'] } })],
    set,
  );
  const unknowns = decision.ranks.find((verdict) => verdict.rank === 'unknowns');
  assert.match(unknowns?.reason ?? '', /left to the interception of the command itself: effect\.labels/);
});

test('R3.j the same action, context and policy give the same decision', () => {
  const compiled = policy([rule('a.x', 'deny', onGit), rule('a.y', 'allow', onGit)]);
  assert.deepEqual(evaluate(compiled, git), evaluate(compiled, structuredClone(git)));
});

test('denies, naming the rank, when the facts themselves are broken', () => {
  const broken = { ...git, action: { ...git.action, commands: null } } as unknown as FactSet;
  const decision = decide([rule('a.x', 'deny', onGit)], broken);
  assert.equal(decision.result, 'DENY');
  assert.match(decision.reason, /evaluation failed at rank `forbidden`/);
});

const grant: CommandPattern = {
  program: 'git',
  subcommand: 'push',
  flags: ['-f'],
  operands: [],
  rule: 'a.x',
  cwd: '/work/project',
};

test('a grant answers exactly the STEP_UP of the rule it names', () => {
  const rules = [rule('a.x', 'step_up', onGit)];
  assert.equal(decide(rules, { ...git, grants: [grant] }).result, 'ALLOW');
  assert.equal(decide(rules, { ...git, grants: [{ ...grant, rule: 'a.other' }] }).result, 'STEP_UP');
  assert.equal(decide(rules, { ...git, grants: [{ ...grant, cwd: '/elsewhere' }] }).result, 'STEP_UP');
});

test('a grant leaves another rule to ask again', () => {
  const rules = [rule('a.x', 'step_up', onGit), rule('a.z', 'step_up', onGit)];
  assert.equal(decide(rules, { ...git, grants: [grant] }).rule, 'a.z');
});

for (const cls of ['forbidden', 'deny', 'defer', 'modify'] as const) {
  test(`a grant never answers a ${cls} rule`, () => {
    const rules = [rule('a.x', cls, onGit)];
    assert.equal(decide(rules, { ...git, grants: [grant] }).result, decide(rules, git).result);
  });
}

test('a grant settles no conflict', () => {
  const rules = [rule('a.x', 'step_up', onGit), rule('a.y', 'allow', onGit)];
  assert.equal(decide(rules, { ...git, grants: [grant] }).result, 'DEFER');
});

test('a grant without a rule answers the posture, for that command only', () => {
  const granted = { ...two, grants: [{ ...grant, flags: [], rule: null }] };
  const decision = decide([], granted, { unmatched: 'STEP_UP' });
  assert.deepEqual([decision.result, decision.commands], ['STEP_UP', [1]]);
});

test('an empty action is still decided by the posture', () => {
  assert.equal(decide([], facts(), { unmatched: 'DENY' }).result, 'DENY');
});
