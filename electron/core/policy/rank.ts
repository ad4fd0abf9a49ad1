import type { FactSet } from '../facts.ts';
import { checkConstraint } from './constraint.ts';
import { isUnknown } from './fact-value.ts';
import { type Finding, findRules } from './finding.ts';
import {
  collect,
  type Evaluation,
  faultOutcome,
  firstOf,
  type Outcome,
  openOutcome,
  outcomeOf,
  uniqueRules,
} from './outcome.ts';
import { grantedByPerson } from './posture-rank.ts';
import {
  decideSubject,
  missingFacts,
  openReason,
  type Standing,
  type SubjectVerdict,
  statement,
} from './static-rank.ts';

/** Kinds of effect that leave the world as it was. */
const HARMLESS_EFFECTS: readonly string[] = ['read', 'discover'];

/** Rank 1 (R3.b): a forbidden rule that matched, or failed, denies whatever else is true. */
export function forbiddenRank(evaluation: Evaluation): void {
  const { policy, view, listener, outcomes } = evaluation;
  const found = collect(evaluation, findRules(policy.forbidden, view, listener));
  const matched = found.filter(({ state }) => state === 'matched');
  const first = firstOf(matched);
  if (first !== null) {
    const { rule } = first.compiled;
    const rules = uniqueRules(matched);
    outcomes.push(
      outcomeOf(evaluation, matched, {
        result: 'DENY',
        rank: 'forbidden',
        rule,
        rules,
        reason: statement(rule),
      }),
    );
    return;
  }
  const failed = faultOutcome(evaluation, found, 'forbidden') ?? openOutcome(evaluation, found);
  if (failed !== null) outcomes.push(failed);
}

/** A compositional rule is judged by itself: nothing covers it, nothing else is said of its subject. */
const ALONE: Standing = { coveredAbove: null, unmatched: 'ALLOW', leaf: false };

/** Rank 2: rules over what the session did; each applies, the most restrictive counts, no static rule excepts them. */
export function compositionalRank(evaluation: Evaluation, found: readonly Finding[]): void {
  const own = found.filter(({ compiled }) => compiled.rank === 'compositional');
  const failed = faultOutcome(evaluation, own, 'compositional');
  if (failed !== null) evaluation.outcomes.push(failed);
  for (const { compiled, subject } of own.filter(({ state }) => state === 'matched')) {
    const verdict = decideSubject([{ compiled, subject, state: 'matched' }], evaluation.facts, ALONE);
    if (verdict === null || verdict.result === 'ALLOW') continue;
    evaluation.outcomes.push(
      outcomeOf(evaluation, own, { ...verdict, rule: compiled.rule, rank: 'compositional' }),
    );
  }
  const open = openOutcome(evaluation, own);
  if (open !== null) evaluation.outcomes.push(open);
}

/**
 * Rank 3 (R3.e): the parameters of every rule that applies, whatever its priority. Where it is not known whether a rule
 * applies, its constraints matter only if they do not hold: then what is missing decides between DENY and nothing.
 */
export function parameterRank(evaluation: Evaluation, found: readonly Finding[]): void {
  const { facts, outcomes } = evaluation;
  for (const { compiled, state } of found) {
    if (state !== 'matched' && !isUnknown(state)) continue;
    const { rule } = compiled;
    for (const constraint of compiled.constraints) {
      const verdict = checkConstraint(constraint, facts.action.parameters);
      if (verdict.kind === 'holds') continue;
      if (verdict.kind === 'violated' && state === 'matched') {
        const reason = `${verdict.reason} (rule \`${rule.id}\`)`;
        outcomes.push(
          outcomeOf(evaluation, found, { result: 'DENY', rank: 'parameters', rule, rules: [rule], reason }),
        );
        continue;
      }
      const unknown = verdict.kind === 'unknown' ? [verdict.path] : [];
      const missing = missingFacts(state === 'matched' ? unknown : [...state.paths, ...unknown], rule);
      const reason = openReason([rule], missing);
      outcomes.push(
        outcomeOf(evaluation, found, {
          result: 'DEFER',
          rank: 'unknowns',
          rule,
          rules: [rule],
          reason,
          missing,
        }),
      );
    }
  }
}

function bySubject(found: readonly Finding[]): ReadonlyMap<string, readonly Finding[]> {
  const groups = new Map<string, Finding[]>();
  for (const finding of found) {
    const { subject } = finding;
    const key = subject.kind === 'action' ? 'action' : `${subject.kind}${subject.index}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [finding]);
    else group.push(finding);
  }
  return groups;
}

const higher = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);

/** Rank 4: the static rules, subject by subject; an ALLOW reaches down to what its subject does, never sideways. */
export function staticRank(evaluation: Evaluation, found: readonly Finding[]): ReadonlySet<string> {
  const { facts, outcomes, policy } = evaluation;
  const own = found.filter(({ compiled }) => compiled.rank === 'static');
  const failed = faultOutcome(evaluation, own, 'static');
  if (failed !== null) outcomes.push(failed);
  const groups = bySubject(own.filter(({ state }) => state === 'matched' || isUnknown(state)));
  const { unmatched } = policy.set.posture;
  const spoken = new Set<string>();
  const decide = (key: string, above: number | null, leaf: boolean): SubjectVerdict | null => {
    const group = groups.get(key);
    const standing: Standing = { coveredAbove: above, unmatched, leaf };
    const verdict = group === undefined ? null : decideSubject(group, facts, standing);
    if (verdict !== null) {
      if (verdict.decided) spoken.add(key);
      const { rule } = verdict.finding.compiled;
      outcomes.push(outcomeOf(evaluation, own, { ...verdict, rule }));
    } else if (above !== null) spoken.add(key);
    return verdict;
  };
  if (groups.size === 0) return spoken;
  const { commands, effects } = facts.action;
  const action = decide('action', null, commands.length + effects.length === 0)?.covers ?? null;
  const covers = commands.map((_, index) => {
    const whole = !effects.some((effect) => effect.command === index);
    const leaf = whole && !spoken.has('action') && !grantedByPerson(facts, index);
    return higher(action, decide(`command${index}`, action, leaf)?.covers ?? null);
  });
  effects.forEach((effect, index) => {
    const { command } = effect;
    const above = command === null ? action : higher(action, covers[command] ?? null);
    const spokenAbove = spoken.has('action') || spoken.has(`command${command}`);
    decide(`effect${index}`, above, !spokenAbove && !grantedByPerson(facts, command));
  });
  return spoken;
}

/** Two rewrites of one action cannot both be carried out (R3.g). */
export function rewriteConflict(outcomes: readonly Outcome[]): Outcome | null {
  const rewrites = outcomes.filter(({ result }) => result === 'MODIFY');
  const [first] = rewrites;
  const rules = [...new Set(rewrites.flatMap(({ rule }) => (rule === null ? [] : [rule])))].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  if (first === undefined || rules.length < 2) return null;
  const changes = new Set(rules.map((rule) => JSON.stringify(rule.modify)));
  if (changes.size < 2) return null;
  const names = rules.map((rule) => `\`${rule.id}\``).join(' and ');
  return {
    ...first,
    result: 'DEFER',
    rank: 'unknowns',
    rules,
    reason: `rules ${names} ask for different changes to one action`,
    commands: [...new Set(rewrites.flatMap(({ commands }) => commands))].sort((a, b) => a - b),
  };
}

/** Rank 6: what is allowed but against what was asked is denied. Unknown alignment decides nothing. */
export function alignmentOutcome(facts: FactSet): Outcome | null {
  const { scope } = facts.alignment;
  if (scope !== 'out' && scope !== 'contradicted') return null;
  const effectful = facts.action.effects.some(({ kind }) => !HARMLESS_EFFECTS.includes(kind));
  if (scope === 'out' && !effectful) return null;
  const why = scope === 'out' ? 'outside what was asked for' : 'against what was asked for';
  return {
    result: 'DENY',
    rank: 'alignment',
    rule: null,
    rules: [],
    reason: `the action is ${why}`,
    risk: 'high',
    missing: [],
    commands: facts.action.commands.map(({ index }) => index),
  };
}
