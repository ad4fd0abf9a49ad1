import type { MissingFact, Result5 } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import { unreachable } from '../result.ts';
import { resolversFor } from './fact-schema.ts';
import { isUnknown } from './fact-value.ts';
import { commandCwd } from './fact-view.ts';
import type { Finding } from './finding.ts';
import { flowsCovered, grantCovers, objectGrantCovers } from './grant.ts';
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
  /** False when all that is open could only deny: then what the posture says stands meanwhile. */
  readonly decided: boolean;
  /** For ALLOW: how far it stands above the rules about what this subject does. */
  readonly covers: number | null;
}

/** What a rule amounts to: `yield` (a softened deny of low risk) allows without contradicting anybody. */
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

function grantedCommand(facts: FactSet, { compiled, subject }: Finding): boolean {
  const ofData = compiled.predicate?.paths.some((path) => path.startsWith('data')) ?? false;
  const grants = (facts.grants ?? []).filter(
    (grant) => grant.rule === compiled.rule.id && flowsCovered(grant, facts, ofData),
  );
  const { action } = facts;
  if (grants.length === 0) return false;
  if (action.commands.length === 0) return grants.some((grant) => objectGrantCovers(grant, action));
  if (subject.kind === 'action') return false;
  const index = subject.kind === 'command' ? subject.index : (action.effects[subject.index]?.command ?? null);
  const command = index === null ? undefined : action.commands[index];
  if (command === undefined) return false;
  const cwd = commandCwd(command, facts);
  return grants.some((grant) => grantCovers(grant, command, cwd));
}

function voiceOf(finding: Finding, facts: FactSet): Voice {
  const { rule } = finding.compiled;
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
  if (open.kind !== 'restrict') return open.result !== result;
  if (rule.priority === priority) return conflictable || WEIGHT[open.result] > WEIGHT[result];
  return open.result !== result;
}

function unknownVerdict(voices: readonly Voice[], suffix: string, matched: boolean): SubjectVerdict | null {
  const unknown = voices.map(({ finding }) => finding);
  const [first] = unknown;
  if (first === undefined) return null;
  const missing = missingOf(unknown);
  const rules = unknown.map(({ compiled }) => compiled.rule);
  const reason = `${openReason(rules, missing)}${suffix}`;
  const decided = matched || voices.some((voice) => voice.result !== 'DENY');
  return {
    result: 'DEFER',
    rank: 'unknowns',
    finding: first,
    rules,
    reason,
    missing,
    decided,
    covers: null,
  };
}

/**
 * The verdict of the voices at the deciding priority, once nothing contradicts or could change it.
 * INVARIANT (a grant answers one question): it lifts the STEP_UP of exactly the rule that asked, here and nowhere else.
 */
function decidedVerdict(first: Voice, voices: readonly Voice[], facts: FactSet): SubjectVerdict {
  const asking = ({ result, finding }: Voice): boolean =>
    result !== 'STEP_UP' || finding.compiled.rule.class !== 'step_up' || !grantedCommand(facts, finding);
  const left = first.result === 'STEP_UP' ? voices.filter(asking) : voices;
  const granted = left.length < voices.length;
  const deciding = granted ? (mostRestrictive(left) ?? { ...first, result: 'ALLOW' as const }) : first;
  const { result, finding } = deciding;
  const { rule } = finding.compiled;
  const softened =
    rule.unlessAligned === true && result !== 'DENY' ? ' (alignment with the request is confirmed)' : '';
  return {
    result,
    rank: 'static',
    finding,
    rules: left.filter((voice) => voice.result === result).map((voice) => voice.finding.compiled.rule),
    reason: `${statement(rule)}${softened}${granted && result === 'ALLOW' ? ' (allowed for this session)' : ''}`,
    missing: rule.class === 'defer' ? missingFacts([`rule:${rule.id}`], rule) : [],
    decided: true,
    covers: result === 'ALLOW' && deciding.kind === 'allow' ? rule.priority : null,
  };
}

/** What surrounds the decision about one subject. */
export interface Standing {
  /** Priority of an ALLOW on what this subject belongs to; rules below it are excepted. */
  readonly coveredAbove: number | null;
  /** What the posture says of what no rule decides. */
  readonly unmatched: Result5;
  /** True when the posture is certain to decide about this very subject if no rule does. */
  readonly leaf: boolean;
}

/**
 * Decides one subject by the static rules (AARM R3.c, R3.f, R3.g): the highest priority with a match decides; there,
 * restrictions combine to the most restrictive, and an allow against a restriction is a conflict.
 */
export function decideSubject(
  findings: readonly Finding[],
  facts: FactSet,
  { coveredAbove, unmatched, leaf }: Standing,
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
    // An allow may lift what the posture would say below; a restriction adds to it only where the posture speaks itself.
    const lifted = coveredAbove === null ? unmatched : 'ALLOW';
    const standing = leaf ? lifted : 'ALLOW';
    const relevant = open.filter((voice) =>
      couldChange(voice, voice.kind === 'restrict' ? standing : lifted, -Infinity, false),
    );
    return unknownVerdict(relevant, '', false);
  }
  const { rule } = deciding.finding.compiled;
  const base = { finding: deciding.finding, missing: [], decided: true, covers: null } as const;
  if (allow !== undefined && restrict !== null) {
    const { rule: permitting } = allow.finding.compiled;
    const reason = `rules ${named(permitting)} (allow) and ${named(rule)} (${rule.class}) of priority ${priority} contradict each other`;
    return { ...base, result: 'DEFER', rank: 'unknowns', rules: [permitting, rule], reason };
  }
  const verdict = decidedVerdict(deciding, voices, facts);
  // What is open must leave both alone: what the rules say, and what a grant made of it.
  const relevant = open.filter((voice) =>
    [deciding.result, verdict.result].some((result) =>
      couldChange(voice, result, priority, allow !== undefined),
    ),
  );
  return unknownVerdict(relevant, `, and ${named(rule)} would say ${deciding.result}`, true) ?? verdict;
}
