import type { MissingFact, Result5 } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import { unreachable } from '../result.ts';
import { resolversFor } from './fact-schema.ts';
import { isUnknown } from './fact-value.ts';
import { commandCwd } from './fact-view.ts';
import type { Finding } from './finding.ts';
import { grantCovers } from './grant.ts';
import type { Rule } from './rule.ts';

/** How restrictive each result is: DENY > DEFER > STEP_UP > MODIFY > ALLOW. */
export const WEIGHT: Readonly<Record<Result5, number>> = {
  ALLOW: 0,
  MODIFY: 1,
  STEP_UP: 2,
  DEFER: 3,
  DENY: 4,
};

/** What the static rules say of one subject. `null` from decideSubject means that no rule spoke. */
export interface SubjectVerdict {
  readonly result: Result5;
  /** `unknowns` when a conflict or an unknown fact decided. */
  readonly rank: 'static' | 'unknowns';
  readonly finding: Finding;
  readonly rules: readonly Rule[];
  readonly reason: string;
  readonly missing: readonly MissingFact[];
  /** For ALLOW: how far it stands above the rules about what this subject does. */
  readonly covers: number | null;
}

/** What a matched rule amounts to: `yield` allows without contradicting anybody (a grant, a softened deny). */
interface Voice {
  readonly finding: Finding;
  readonly result: Result5;
  readonly kind: 'allow' | 'restrict' | 'yield';
}

/** The result a rule of this class gives when it matches. */
export function resultOf(rule: Rule): Result5 {
  switch (rule.class) {
    case 'forbidden':
    case 'deny':
      return 'DENY';
    case 'step_up':
      return 'STEP_UP';
    case 'defer':
      return 'DEFER';
    case 'modify':
      return 'MODIFY';
    case 'allow':
      return 'ALLOW';
    default:
      return unreachable(rule.class);
  }
}

/** What is missing at these paths, with who can fetch it: the rule's own resolvers first. */
export function missingFacts(paths: readonly string[], rule: Rule | null): readonly MissingFact[] {
  return paths.map((path) => ({
    path,
    resolvers: rule !== null && rule.resolvers.length > 0 ? rule.resolvers : resolversFor(path),
  }));
}

/** What several undecided rules miss together, each path once, named by the rule that stands first. */
export function missingOf(open: readonly Finding[]): readonly MissingFact[] {
  const missing: MissingFact[] = [];
  for (const { compiled, state } of open) {
    if (state === 'matched' || !isUnknown(state)) continue;
    for (const path of state.paths)
      if (!missing.some((before) => before.path === path))
        missing.push(...missingFacts([path], compiled.rule));
  }
  return missing;
}

/** Why rules stay open, for people; a long list is cut. */
export function openReason(rules: readonly Rule[], missing: readonly MissingFact[]): string {
  const names = rules.slice(0, 3).map(named).join(', ');
  const more = rules.length > 3 ? ` and ${rules.length - 3} more` : '';
  const paths = missing.map((fact) => `\`${fact.path}\``).join(', ');
  return `rule ${names}${more} cannot be decided: ${paths} not known yet`;
}

const named = (rule: Rule): string => `\`${rule.id}\``;

/** `title: why` of a rule, as people read it. */
export function statement(rule: Rule): string {
  return `${rule.title}: ${rule.why}`;
}

function grantedCommand(facts: FactSet, finding: Finding): boolean {
  const grants = facts.grants ?? [];
  if (grants.length === 0 || finding.subject.kind === 'action') return false;
  const { action } = facts;
  const index =
    finding.subject.kind === 'command'
      ? finding.subject.index
      : (action.effects[finding.subject.index]?.command ?? null);
  const command = index === null ? undefined : action.commands[index];
  if (command === undefined) return false;
  const cwd = commandCwd(command, facts);
  return grants.some((grant) => grant.rule === finding.compiled.rule.id && grantCovers(grant, command, cwd));
}

function voiceOf(finding: Finding, facts: FactSet): Voice {
  const { rule } = finding.compiled;
  // INVARIANT (a grant answers one question): only the STEP_UP of exactly the rule that asked, never a deny or defer.
  if (rule.class === 'step_up' && grantedCommand(facts, finding))
    return { finding, result: 'ALLOW', kind: 'yield' };
  if (rule.class === 'deny' && rule.unlessAligned === true && facts.alignment.scope === 'in')
    return rule.risk === 'low'
      ? { finding, result: 'ALLOW', kind: 'yield' }
      : { finding, result: 'STEP_UP', kind: 'restrict' };
  return { finding, result: resultOf(rule), kind: rule.class === 'allow' ? 'allow' : 'restrict' };
}

/** The most restrictive; among equals the first, and findings come in order of precedence. */
function mostRestrictive(voices: readonly Voice[]): Voice | null {
  let most: Voice | null = null;
  for (const voice of voices) if (most === null || WEIGHT[voice.result] > WEIGHT[most.result]) most = voice;
  return most;
}

/** Could learning the truth of an unknown rule change what was decided at `priority`? */
function couldChange(open: Voice, result: Result5, priority: number, conflictable: boolean): boolean {
  const { rule } = open.finding.compiled;
  if (rule.priority < priority) return false;
  // Its constraints might deny.
  if (rule.parameters.length > 0) return true;
  if (open.kind !== 'restrict') return open.result !== result;
  if (rule.priority === priority) return conflictable || WEIGHT[open.result] > WEIGHT[result];
  return open.result !== result;
}

function unknownVerdict(voices: readonly Voice[], decided: string): SubjectVerdict | null {
  const unknown = voices.map(({ finding }) => finding);
  const [first] = unknown;
  if (first === undefined) return null;
  const missing = missingOf(unknown);
  const rules = unknown.map(({ compiled }) => compiled.rule);
  const reason = `${openReason(rules, missing)}${decided}`;
  return { result: 'DEFER', rank: 'unknowns', finding: first, rules, reason, missing, covers: null };
}

/**
 * Decides one subject by the static rules (AARM R3.c, R3.f, R3.g): the highest priority with a match decides; there,
 * restrictions combine to the most restrictive, and an allow against a restriction is a conflict. `coveredAbove` is the
 * priority of an ALLOW on what this subject belongs to; rules below it are excepted. `unmatched` is the posture.
 */
export function decideSubject(
  findings: readonly Finding[],
  facts: FactSet,
  coveredAbove: number | null,
  unmatched: Result5,
): SubjectVerdict | null {
  const considered = findings.filter(
    ({ compiled }) => coveredAbove === null || compiled.rule.priority >= coveredAbove,
  );
  const matched = considered.filter(({ state }) => state === 'matched');
  const open = considered
    .filter(({ state }) => state !== 'matched')
    .map((finding) => voiceOf(finding, facts));
  const priority = matched.reduce((top, { compiled }) => Math.max(top, compiled.rule.priority), -Infinity);
  const voices = matched
    .filter(({ compiled }) => compiled.rule.priority === priority)
    .map((finding) => voiceOf(finding, facts));
  const allow = voices.find((voice) => voice.kind === 'allow');
  const restrict = mostRestrictive(voices.filter((voice) => voice.kind === 'restrict'));
  const deciding = restrict ?? allow ?? mostRestrictive(voices);
  if (deciding === null) {
    const standing = coveredAbove === null ? unmatched : 'ALLOW';
    return unknownVerdict(
      open.filter((voice) => couldChange(voice, standing, -Infinity, false)),
      '',
    );
  }
  const { rule } = deciding.finding.compiled;
  const base = { finding: deciding.finding, missing: [], covers: null } as const;
  if (allow !== undefined && restrict !== null) {
    const other = allow.finding.compiled.rule;
    const reason = `rules ${named(other)} (allow) and ${named(rule)} (${rule.class}) of priority ${priority} contradict each other`;
    return { ...base, result: 'DEFER', rank: 'unknowns', rules: [other, rule], reason };
  }
  const relevant = open.filter((voice) => couldChange(voice, deciding.result, priority, allow !== undefined));
  const unknown = unknownVerdict(relevant, `, and ${named(rule)} would say ${deciding.result}`);
  if (unknown !== null) return unknown;
  const rules = voices
    .filter((voice) => voice.result === deciding.result)
    .map((voice) => voice.finding.compiled.rule);
  const covers = deciding.result === 'ALLOW' && deciding.kind === 'allow' ? priority : null;
  const softened =
    rule.unlessAligned === true && deciding.result !== 'DENY'
      ? ' (alignment with the request is confirmed)'
      : '';
  const granted = deciding.kind === 'yield' && rule.class === 'step_up' ? ' (allowed for this session)' : '';
  const missing = rule.class === 'defer' ? missingFacts([`rule:${rule.id}`], rule) : base.missing;
  return {
    ...base,
    result: deciding.result,
    rank: 'static',
    rules,
    reason: `${statement(rule)}${softened}${granted}`,
    missing,
    covers,
  };
}
