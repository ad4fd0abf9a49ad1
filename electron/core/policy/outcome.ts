import { type MissingFact, RANKS, type Rank, type Result5 } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import type { CompiledPolicy } from './compile.ts';
import { isFault, isUnknown } from './fact-value.ts';
import type { FactView } from './fact-view.ts';
import { commandsOf, type Finding, type Findings, type Listener } from './finding.ts';
import type { Risk, Rule } from './rule.ts';
import { missingOf, openReason, WEIGHT } from './static-rank.ts';

/** What one rank found, before the most restrictive is chosen. */
export interface Outcome {
  readonly result: Result5;
  readonly rank: Rank;
  readonly rule: Rule | null;
  readonly rules: readonly Rule[];
  readonly reason: string;
  readonly risk: Risk;
  readonly missing: readonly MissingFact[];
  readonly commands: readonly number[];
}

/** The state of one evaluation: outcomes so far, one list, in the order of the ranks. */
export interface Evaluation {
  readonly policy: CompiledPolicy;
  readonly facts: FactSet;
  readonly view: FactView;
  readonly listener: Listener | null;
  readonly outcomes: Outcome[];
  readonly left: Set<string>;
}

const RISK_WEIGHT: Readonly<Record<Risk, number>> = { low: 0, medium: 1, high: 2, critical: 3 };

function commandsOfRule(evaluation: Evaluation, found: readonly Finding[], rule: Rule): readonly number[] {
  const indexes: number[] = [];
  for (const finding of found)
    if (finding.compiled.rule === rule)
      for (const index of commandsOf(evaluation.view, finding.subject))
        if (!indexes.includes(index)) indexes.push(index);
  return indexes.sort((a, b) => a - b);
}

export function outcomeOf(
  evaluation: Evaluation,
  found: readonly Finding[],
  said: Pick<Outcome, 'result' | 'rank' | 'reason'> & {
    readonly rules: readonly Rule[];
    readonly rule: Rule;
    readonly missing?: readonly MissingFact[];
  },
): Outcome {
  const risk = said.rules.reduce<Risk>(
    (top, { risk: own }) => (RISK_WEIGHT[own] > RISK_WEIGHT[top] ? own : top),
    said.rule.risk,
  );
  return { missing: [], ...said, risk, commands: commandsOfRule(evaluation, found, said.rule) };
}

/** The finding whose rule stands first: highest priority, then id. */
export function firstOf(found: readonly Finding[]): Finding | null {
  let first: Finding | null = null;
  for (const finding of found) {
    const a = finding.compiled.rule;
    const b = first?.compiled.rule;
    if (b === undefined || a.priority > b.priority || (a.priority === b.priority && a.id < b.id))
      first = finding;
  }
  return first;
}

export const uniqueRules = (found: readonly Finding[]): readonly Rule[] => [
  ...new Set(found.map(({ compiled }) => compiled.rule)),
];

/** INVARIANT (a rule is never skipped): one that raises an error denies, whatever its class and priority. */
export function faultOutcome(evaluation: Evaluation, found: readonly Finding[], rank: Rank): Outcome | null {
  const faulty = found.filter(({ state }) => state !== 'matched' && isFault(state));
  const first = firstOf(faulty);
  if (first === null || first.state === 'matched' || !isFault(first.state)) return null;
  const { rule } = first.compiled;
  const reason = `rule \`${rule.id}\` cannot be evaluated: ${first.state.message}`;
  return outcomeOf(evaluation, found, { result: 'DENY', rank, rule, rules: uniqueRules(faulty), reason });
}

export function openOutcome(evaluation: Evaluation, found: readonly Finding[]): Outcome | null {
  const open = found.filter(({ state }) => state !== 'matched' && isUnknown(state));
  const first = firstOf(open);
  if (first === null) return null;
  const missing = missingOf(open);
  const rules = uniqueRules(open);
  return outcomeOf(evaluation, found, {
    result: 'DEFER',
    rank: 'unknowns',
    rule: first.compiled.rule,
    rules,
    reason: openReason(rules, missing),
    missing,
  });
}

export function collect(evaluation: Evaluation, findings: Findings): readonly Finding[] {
  for (const { paths } of findings.left) for (const path of paths) evaluation.left.add(path);
  return findings.found;
}

/** The most restrictive; among equals the first rank, then precedence. INVARIANT (deny wins): order of rules never matters. */
export function mostRestrictive(outcomes: readonly Outcome[]): Outcome | null {
  let most: Outcome | null = null;
  for (const outcome of outcomes) {
    if (most === null || comesBefore(outcome, most)) most = outcome;
  }
  return most;
}

function comesBefore(a: Outcome, b: Outcome): boolean {
  if (a.result !== b.result) return WEIGHT[a.result] > WEIGHT[b.result];
  // Allowed in part by a rule and in part by the posture: the posture is what lets the whole pass.
  if (a.rank !== b.rank)
    return a.result === 'ALLOW' ? a.rank === 'posture' : RANKS.indexOf(a.rank) < RANKS.indexOf(b.rank);
  if (a.rule === null || b.rule === null) return false;
  if (a.rule.priority !== b.rule.priority) return a.rule.priority > b.rule.priority;
  return a.rule.id < b.rule.id;
}
