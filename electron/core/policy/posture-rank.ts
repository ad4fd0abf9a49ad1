import type { FactSet } from '../facts.ts';
import { commandCwd } from './fact-view.ts';
import { flowsCovered, grantCovers, objectGrantCovers } from './grant.ts';
import type { Outcome } from './outcome.ts';
import type { Posture } from './rule.ts';
import { missingFacts } from './static-rank.ts';

/**
 * How sure normalization is of what the action does (R3.h): 1 without gaps, 1/2 with one, 1/3 with two …
 * Gaps that another interception will close before anything runs do not count.
 */
export function confidenceOf(facts: FactSet): number {
  const { gaps, partsFollow } = facts.action;
  return partsFollow || gaps.length === 0 ? 1 : Math.round(1000 / (1 + gaps.length)) / 1000;
}

/** R3.h: below the posture's threshold nothing but a denial is decided. */
export function confidenceOutcome(posture: Posture, facts: FactSet): Outcome | null {
  const confidence = confidenceOf(facts);
  if (confidence >= posture.minimumConfidence) return null;
  return {
    result: 'DEFER',
    rank: 'unknowns',
    rule: null,
    rules: [],
    reason: `confidence ${confidence} is below ${posture.minimumConfidence}: ${facts.action.gaps.join('; ')}`,
    risk: 'medium',
    missing: missingFacts(['action.gaps'], null),
    commands: facts.action.commands.map(({ index }) => index),
  };
}

/** A part of an action that no rule may be silent about: an effect, a command without effects, or the action itself. */
export interface Leaf {
  readonly key: string;
  readonly command: number | null;
}

/** The leaves that neither a rule of their own nor one about what they belong to decided. */
export function uncoveredLeaves(facts: FactSet, spoken: ReadonlySet<string>): readonly Leaf[] {
  if (spoken.has('action')) return [];
  const { commands, effects } = facts.action;
  const leaves: Leaf[] = effects.map((effect, index) => ({ key: `effect${index}`, command: effect.command }));
  commands.forEach((_, index) => {
    if (!effects.some((effect) => effect.command === index))
      leaves.push({ key: `command${index}`, command: index });
  });
  if (leaves.length === 0) leaves.push({ key: 'action', command: null });
  return leaves.filter(
    ({ key, command }) => !spoken.has(key) && (command === null || !spoken.has(`command${command}`)),
  );
}

/** True when a person already allowed, for this session, what the posture would ask about. */
export function grantedByPerson(facts: FactSet, index: number | null): boolean {
  const grants = (facts.grants ?? []).filter(
    (grant) => grant.rule === null && flowsCovered(grant, facts, false),
  );
  if (grants.length === 0) return false;
  if (facts.action.commands.length === 0)
    return grants.some((grant) => objectGrantCovers(grant, facts.action));
  const command = index === null ? undefined : facts.action.commands[index];
  if (command === undefined) return false;
  const cwd = commandCwd(command, facts);
  return grants.some((grant) => grantCovers(grant, command, cwd));
}

/** Rank 7: the documented default for what no rule decided; null when rules decided everything. */
export function postureOutcome(posture: Posture, facts: FactSet, leaves: readonly Leaf[]): Outcome | null {
  if (leaves.length === 0) return null;
  const asked =
    posture.unmatched === 'STEP_UP' ? leaves.filter((leaf) => !grantedByPerson(facts, leaf.command)) : leaves;
  const result = asked.length === 0 ? 'ALLOW' : posture.unmatched;
  const commands = new Set(asked.flatMap(({ command }) => (command === null ? [] : [command])));
  return {
    result,
    rank: 'posture',
    rule: null,
    rules: [],
    reason:
      asked.length === 0
        ? 'what no rule decides was allowed for this session'
        : `posture \`${posture.name}\`: ${posture.why}`,
    risk: result === 'ALLOW' ? 'low' : 'medium',
    missing: [],
    commands: [...commands].sort((a, b) => a - b),
  };
}
