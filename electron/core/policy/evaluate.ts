import type { RuleId } from '../brand.ts';
import { type Decision, type MissingFact, RANKS, type Rank, type RankVerdict } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import type { CompiledPolicy } from './compile.ts';
import { viewFacts } from './fact-view.ts';
import { findRules, type Listener } from './finding.ts';
import { collect, type Evaluation, mostRestrictive, type Outcome } from './outcome.ts';
import { confidenceOf, confidenceOutcome, postureOutcome, uncoveredLeaves } from './posture-rank.ts';
import {
  alignmentOutcome,
  compositionalRank,
  forbiddenRank,
  parameterRank,
  rewriteConflict,
  staticRank,
} from './rank.ts';

const SILENT: Readonly<Record<Rank, string>> = {
  forbidden: 'no forbidden rule matched',
  compositional: 'no compositional rule matched',
  parameters: 'no constraint is violated',
  static: 'no static rule matched',
  unknowns: 'nothing needed is unknown, no rules contradict each other',
  alignment: 'the action is not known to go against what was asked',
  posture: 'every part was decided by a rule',
};

const silent = (rank: Rank, reason: string): RankVerdict => ({ rank, result: 'silent', rules: [], reason });
/** Most ranks are silent most of the time; their verdicts are made once. */
const QUIET = RANKS.map((rank) => silent(rank, SILENT[rank]));
const NOT_REACHED = RANKS.map((rank) => silent(rank, 'not reached'));

function spokenVerdict(rank: Rank, own: readonly Outcome[], most: Outcome): RankVerdict {
  const rules = new Set<RuleId>();
  for (const outcome of own) for (const rule of outcome.rules) rules.add(rule.id);
  return { rank, result: most.result, rules: [...rules].sort(), reason: most.reason };
}

function rankVerdicts({ outcomes, left }: Evaluation, reached: Rank): readonly RankVerdict[] {
  const last = RANKS.indexOf(reached);
  return RANKS.map((rank, position) => {
    if (outcomes.some((outcome) => outcome.rank === rank)) {
      const own = outcomes.filter((outcome) => outcome.rank === rank);
      const most = mostRestrictive(own);
      if (most !== null) return spokenVerdict(rank, own, most);
    }
    if (position > last) return NOT_REACHED[position] ?? silent(rank, 'not reached');
    if (rank !== 'unknowns' || left.size === 0) return QUIET[position] ?? silent(rank, SILENT[rank]);
    const paths = [...left].sort().join(', ');
    return silent(rank, `${SILENT[rank]}; left to the interception of the command itself: ${paths}`);
  });
}

function decisionOf(evaluation: Evaluation, outcome: Outcome, reached: Rank): Decision {
  const { policy, facts } = evaluation;
  const { rule } = outcome;
  const missing = new Map<string, MissingFact>();
  if (outcome.result === 'DEFER')
    for (const other of evaluation.outcomes)
      if (other.result === 'DEFER')
        for (const fact of other.missing) if (!missing.has(fact.path)) missing.set(fact.path, fact);
  return {
    result: outcome.result,
    rank: outcome.rank,
    rule: rule?.id ?? null,
    reason: outcome.reason,
    instead: rule?.instead ?? null,
    risk: outcome.risk,
    confidence: confidenceOf(facts),
    policy: { version: policy.set.version, hash: policy.set.hash },
    ranks: rankVerdicts(evaluation, reached),
    commands: outcome.commands,
    modify: outcome.result === 'MODIFY' ? (rule?.modify ?? null) : null,
    approvers: rule?.approvers ?? [],
    timeoutMs: rule?.timeoutMs ?? null,
    missing: [...missing.values()],
  };
}

/** The denial so far, if any rank already gave one: later ranks could only repeat it. */
function denied(evaluation: Evaluation): Outcome | null {
  const most = mostRestrictive(evaluation.outcomes);
  return most?.result === 'DENY' ? most : null;
}

/** The ranks in order, one early return each. The same list is in docs/architecture.md and docs/policy-format.md. */
function decide(evaluation: Evaluation, reach: (rank: Rank) => void): Decision {
  const { policy, facts, view, listener, outcomes } = evaluation;
  reach('forbidden');
  forbiddenRank(evaluation);
  const forbidden = denied(evaluation);
  if (forbidden !== null) return decisionOf(evaluation, forbidden, 'forbidden');

  const found = collect(evaluation, findRules(policy.ordinary, view, listener));
  reach('compositional');
  compositionalRank(evaluation, found);
  const compositional = denied(evaluation);
  if (compositional !== null) return decisionOf(evaluation, compositional, 'compositional');

  reach('parameters');
  parameterRank(evaluation, found);
  const constrained = denied(evaluation);
  if (constrained !== null) return decisionOf(evaluation, constrained, 'parameters');

  reach('static');
  const spoken = staticRank(evaluation, found);
  const static_ = denied(evaluation);
  if (static_ !== null) return decisionOf(evaluation, static_, 'static');

  // A denial outweighs a deferral whatever rank it comes from: both are asked before anything is left to wait.
  const posture = postureOutcome(policy.set.posture, facts, uncoveredLeaves(facts, spoken));
  if (posture?.result === 'DENY') {
    outcomes.push(posture);
    return decisionOf(evaluation, posture, 'posture');
  }
  // Only where nothing but a person's answer stands in the way is that answer asked for.
  const standing = mostRestrictive(posture === null ? outcomes : [...outcomes, posture]);
  const misaligned = standing?.result === 'STEP_UP' ? null : alignmentOutcome(facts);
  if (misaligned !== null) {
    outcomes.push(misaligned);
    return decisionOf(evaluation, misaligned, 'alignment');
  }

  reach('unknowns');
  const doubt = confidenceOutcome(policy.set.posture, facts);
  if (doubt !== null) outcomes.push(doubt);
  const conflict = rewriteConflict(outcomes);
  if (conflict !== null) outcomes.push(conflict);
  const deferred = mostRestrictive(outcomes);
  if (deferred?.result === 'DEFER') return decisionOf(evaluation, deferred, 'unknowns');

  reach('posture');
  if (posture !== null) outcomes.push(posture);
  const last = mostRestrictive(outcomes);
  // Every action has a leaf, so either a rule spoke about all of them or the posture did.
  if (last === null) throw new Error('neither a rule nor the posture spoke');
  return decisionOf(evaluation, last, 'posture');
}

/** Evaluates, telling `listener` of every candidate rule and fact; `explain` is the only caller with one. */
export function evaluateWith(policy: CompiledPolicy, facts: FactSet, listener: Listener | null): Decision {
  let reached: Rank = 'forbidden';
  const reach = (rank: Rank): void => {
    reached = rank;
  };
  try {
    const view = viewFacts(facts);
    return decide({ policy, facts, view, listener, outcomes: [], left: new Set() }, reach);
  } catch (cause) {
    // A bug of ours, or facts no parser of ours made: closed, and saying where.
    const message = cause instanceof Error ? cause.message : String(cause);
    return failure(policy, reached, message);
  }
}

function failure(policy: CompiledPolicy, rank: Rank, message: string): Decision {
  const reason = `evaluation failed at rank \`${rank}\`: ${message}`;
  return {
    result: 'DENY',
    rank,
    rule: null,
    reason,
    instead: null,
    risk: 'high',
    confidence: 0,
    policy: { version: policy.set.version, hash: policy.set.hash },
    ranks: [{ rank, result: 'DENY', rules: [], reason }],
    commands: [],
    modify: null,
    approvers: [],
    timeoutMs: null,
    missing: [],
  };
}

/**
 * Decides one action (AARM R3, R4): total, deterministic, without I/O or clock. INVARIANT (closed): anything that goes
 * wrong inside is a DENY naming the rank.
 */
export function evaluate(policy: CompiledPolicy, facts: FactSet): Decision {
  return evaluateWith(policy, facts, null);
}
