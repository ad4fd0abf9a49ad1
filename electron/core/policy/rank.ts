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
import { decideSubject, missingFacts, type SubjectVerdict, statement } from './static-rank.ts';

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

/** Rank 2: rules over what the session did; each applies, the most restrictive counts, no static rule excepts them. */
export function compositionalRank(evaluation: Evaluation, found: readonly Finding[]): void {
  const own = found.filter(({ compiled }) => compiled.rank === 'compositional');
  const failed = faultOutcome(evaluation, own, 'compositional');
  if (failed !== null) evaluation.outcomes.push(failed);
  for (const { compiled, subject } of own.filter(({ state }) => state === 'matched')) {
    const verdict = decideSubject([{ compiled, subject, state: 'matched' }], evaluation.facts, null, 'ALLOW');
    if (verdict === null || verdict.result === 'ALLOW') continue;
    evaluation.outcomes.push(
      outcomeOf(evaluation, own, { ...verdict, rule: compiled.rule, rank: 'compositional' }),
    );
  }
  const open = openOutcome(evaluation, own);
  if (open !== null) evaluation.outcomes.push(open);
}

/** Rank 3 (R3.e): the parameters of every rule that applies, whatever its priority. */
export function parameterRank(evaluation: Evaluation, found: readonly Finding[]): void {
  const { facts, outcomes } = evaluation;
  for (const finding of found) {
    if (finding.state !== 'matched') continue;
    const { rule } = finding.compiled;
    for (const constraint of finding.compiled.constraints) {
      const verdict = checkConstraint(constraint, facts.action.parameters);
      if (verdict.kind === 'holds') continue;
      const violated = verdict.kind === 'violated';
      outcomes.push(
        outcomeOf(evaluation, found, {
          result: violated ? 'DENY' : 'DEFER',
          rank: violated ? 'parameters' : 'unknowns',
          rule,
          rules: [rule],
          reason: violated
            ? `${verdict.reason} (rule \`${rule.id}\`)`
            : `rule \`${rule.id}\` cannot be decided: \`${verdict.path}\` not known yet`,
          missing: violated ? [] : missingFacts([verdict.path], rule),
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
  const decide = (key: string, above: number | null): SubjectVerdict | null => {
    const group = groups.get(key);
    const verdict = group === undefined ? null : decideSubject(group, facts, above, unmatched);
    if (verdict !== null) {
      spoken.add(key);
      const { rule } = verdict.finding.compiled;
      outcomes.push(outcomeOf(evaluation, own, { ...verdict, rule }));
    } else if (above !== null) spoken.add(key);
    return verdict;
  };
  if (groups.size === 0) return spoken;
  const action = decide('action', null)?.covers ?? null;
  const commands = facts.action.commands.map((_, index) =>
    higher(action, decide(`command${index}`, action)?.covers ?? null),
  );
  facts.action.effects.forEach((effect, index) => {
    const above = effect.command === null ? action : higher(action, commands[effect.command] ?? null);
    decide(`effect${index}`, above);
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
