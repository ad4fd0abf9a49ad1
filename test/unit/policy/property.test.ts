import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RESULTS } from '../../../electron/core/decision.ts';
import type { FactSet } from '../../../electron/core/facts.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import type { Posture, Rule, RuleClass, Subject } from '../../../electron/core/policy/rule.ts';
import { WEIGHT } from '../../../electron/core/policy/static-rank.ts';
import { command, effect, facts, policy, rule } from './fixture.ts';

const CLASSES: readonly RuleClass[] = ['forbidden', 'deny', 'step_up', 'defer', 'modify', 'allow'];
const WHENS: Readonly<Record<Subject, readonly (string | null)[]>> = {
  action: [
    null,
    'request.text == "x"',
    'session.velocity > 1',
    'action.parameters.n > 3',
    'has(request.text)',
  ],
  command: [null, '"-f" in command.flags', 'command.subcommand == "push"', 'request.text == "x"'],
  effect: [
    null,
    'effect.value == "/a"',
    'effect.recursive',
    '"home" in effect.labels',
    'environment.b.value == 1',
  ],
};

/** A rule about one of a few programs and kinds, so that rules meet. */
const anyRule = (classes: readonly RuleClass[]): fc.Arbitrary<Rule> =>
  fc
    .record({
      cls: fc.constantFrom(...classes),
      subject: fc.constantFrom<Subject>('action', 'command', 'effect'),
      priority: fc.constantFrom(0, 0, 1, 5),
      when: fc.nat(20),
      narrow: fc.boolean(),
      unlessAligned: fc.boolean(),
      expired: fc.integer({ min: 0, max: 9 }),
      constrained: fc.integer({ min: 0, max: 5 }),
    })
    .map(({ cls, subject: wanted, priority, when, narrow, unlessAligned, expired, constrained }) => {
      const subject = cls === 'modify' && wanted === 'action' ? 'command' : wanted;
      const whens = WHENS[subject];
      return rule('p.placeholder', cls, {
        subject,
        priority,
        when: whens[when % whens.length] ?? null,
        match:
          subject === 'action' || !narrow
            ? {}
            : subject === 'command'
              ? { programs: ['git'] }
              : { effects: ['delete'], labels: ['home'] },
        expiresAt: expired === 0 ? 1 : null,
        parameters:
          constrained === 0 && cls !== 'deny' && cls !== 'forbidden' ? [{ path: 'n', type: 'number' }] : [],
        ...(cls === 'deny' && unlessAligned ? { unlessAligned: true } : {}),
      });
    });

const numbered = (rules: readonly Rule[], prefix: string): readonly Rule[] =>
  rules.map((each, index) => ({ ...each, id: `${prefix}.r${index}` as Rule['id'] }));

const anyRules = (classes: readonly RuleClass[] = CLASSES): fc.Arbitrary<readonly Rule[]> =>
  fc.array(anyRule(classes), { maxLength: 7 }).map((rules) => numbered(rules, 'p'));

const anyFacts: fc.Arbitrary<FactSet> = fc
  .record({
    lines: fc.array(fc.constantFrom('git push -f', 'git push $X', 'rm a', '$X b', 'ls'), { maxLength: 3 }),
    effects: fc.array(
      fc.record({
        kind: fc.constantFrom('delete' as const, 'read' as const),
        value: fc.constantFrom('/a', '/b', null),
        labels: fc.constantFrom<readonly string[]>([], ['home']),
        recursive: fc.boolean(),
        command: fc.constantFrom(0, 1, null),
      }),
      { maxLength: 3 },
    ),
    parameters: fc.constantFrom({}, { n: 5 }, { n: 'x' }, { n: null }),
    request: fc.constantFrom(null, 'x', 'y'),
    scope: fc.constantFrom('in' as const, 'out' as const, 'unknown' as const, 'contradicted' as const),
    partsFollow: fc.boolean(),
    gaps: fc.constantFrom<readonly string[]>([], ['gap']),
    grants: fc.constantFrom<readonly (string | null)[]>([], [null], ['p.r0'], ['p.r0', 'p.r1', null]),
  })
  .map(({ lines, effects, parameters, request, scope, partsFollow, gaps, grants }) => {
    const base = facts({
      commands: lines.map((line, index) => command(line, { index })),
      effects: effects.map(({ kind, value, labels, recursive, command: of }) =>
        effect(kind, value, { recursive, command: of, object: { labels } }),
      ),
      parameters,
      partsFollow,
      gaps,
    });
    return {
      ...base,
      context: { ...base.context, request },
      alignment: { scope, distance: null, drift: null, words: [] },
      grants: grants.map((of) => ({
        program: 'git',
        subcommand: 'push',
        flags: ['-f'],
        operands: [],
        rule: of,
      })),
    };
  });

const anyPosture: fc.Arbitrary<Partial<Posture>> = fc.record({
  unmatched: fc.constantFrom('ALLOW' as const, 'STEP_UP' as const, 'DENY' as const),
  minimumConfidence: fc.constantFrom(0, 0.6),
});

const RUNS = { numRuns: 1500 };

test('evaluate is total and deterministic on arbitrary facts and rules', () => {
  fc.assert(
    fc.property(anyRules(), anyFacts, anyPosture, (rules, set, posture) => {
      const compiled = policy(rules, posture);
      const decision = evaluate(compiled, set);
      assert.ok(RESULTS.includes(decision.result));
      assert.notEqual(decision.reason, '');
      assert.doesNotMatch(decision.reason, /evaluation failed/);
      assert.deepEqual(evaluate(compiled, structuredClone(set)), decision);
    }),
    RUNS,
  );
});

test('no decision depends on the order of rules', () => {
  fc.assert(
    fc.property(
      anyRules(),
      anyFacts,
      anyPosture,
      fc.infiniteStream(fc.nat()),
      (rules, set, posture, order) => {
        const shuffled = rules
          .map((each) => ({ each, at: order.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ each }) => each);
        assert.deepEqual(evaluate(policy(shuffled, posture), set), evaluate(policy(rules, posture), set));
      },
    ),
    RUNS,
  );
});

test('adding a forbidding rule never turns DENY into anything else', () => {
  const forbidding = fc.array(anyRule(['forbidden', 'deny']), { minLength: 1, maxLength: 2 }).map((rules) =>
    numbered(
      rules.map(({ unlessAligned: _softened, ...plain }) => plain),
      'q',
    ),
  );
  fc.assert(
    fc.property(anyRules(), forbidding, anyFacts, anyPosture, (rules, added, set, posture) => {
      fc.pre(evaluate(policy(rules, posture), set).result === 'DENY');
      assert.equal(evaluate(policy([...rules, ...added], posture), set).result, 'DENY');
    }),
    RUNS,
  );
});

test('an allow of any priority never weakens a forbidden rule', () => {
  fc.assert(
    fc.property(anyRules(), anyRules(['allow']), anyFacts, anyPosture, (rules, allows, set, posture) => {
      const before = evaluate(policy(rules, posture), set);
      fc.pre(before.rank === 'forbidden');
      const raised = numbered(allows, 'q').map((each) => ({ ...each, priority: 1_000_000 }));
      const after = evaluate(policy([...rules, ...raised], posture), set);
      assert.deepEqual([after.result, after.rank], ['DENY', 'forbidden']);
    }),
    RUNS,
  );
});

test('INVARIANT unknown never becomes ALLOW when a restrictive rule needed it', () => {
  // Whatever the request turns out to be, an ALLOW given while it was unknown must not have hidden a restriction.
  fc.assert(
    fc.property(anyRules(), anyFacts, anyPosture, fc.constantFrom('x', 'y'), (rules, set, posture, text) => {
      const unknown = { ...set, context: { ...set.context, request: null } };
      const known = { ...set, context: { ...set.context, request: text } };
      const compiled = policy(
        rules.filter((each) => each.when !== 'has(request.text)'),
        posture,
      );
      fc.pre(evaluate(compiled, unknown).result === 'ALLOW');
      assert.equal(evaluate(compiled, known).result, 'ALLOW');
    }),
    RUNS,
  );
});

test('INVARIANT an object that is not known is allowed only when no value of it would be restricted', () => {
  // ALLOW while a word is unknown and its part does not follow: no value of the word may be restricted.
  fc.assert(
    fc.property(
      anyRules(),
      anyPosture,
      fc.constantFrom('/a', '/b'),
      fc.boolean(),
      (rules, posture, value, home) => {
        const compiled = policy(rules, posture);
        const open = facts({ effects: [effect('delete', null, { command: null })] });
        const closed = facts({
          effects: [effect('delete', value, { command: null, object: { labels: home ? ['home'] : [] } })],
        });
        fc.pre(evaluate(compiled, open).result === 'ALLOW');
        assert.equal(evaluate(compiled, closed).result, 'ALLOW');
      },
    ),
    RUNS,
  );
});

test('a grant loosens a STEP_UP and nothing else', () => {
  fc.assert(
    fc.property(anyRules(), anyFacts, anyPosture, (rules, set, posture) => {
      const compiled = policy(rules, posture);
      const without = evaluate(compiled, { ...set, grants: [] });
      fc.pre(without.result !== 'STEP_UP');
      // It may tighten: without anything left to ask, what is misaligned is denied.
      assert.ok(WEIGHT[evaluate(compiled, set).result] >= WEIGHT[without.result]);
    }),
    RUNS,
  );
});
