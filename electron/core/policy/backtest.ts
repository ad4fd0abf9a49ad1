import type { ActionId, RuleId } from '../brand.ts';
import type { Decision, Rank, Result5 } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import type { CompiledPolicy } from './compile.ts';
import { evaluate } from './evaluate.ts';
import { WEIGHT } from './static-rank.ts';

/** One action as it was judged: the facts kept with its receipt, and the decision that was given. */
export interface RecordedDecision {
  readonly facts: FactSet;
  readonly decision: Pick<Decision, 'result' | 'rule' | 'rank'>;
}

/** One side of a change. */
export interface BacktestSide {
  readonly result: Result5;
  readonly rule: RuleId | null;
  readonly rank: Rank;
}

/** An action that another set would decide otherwise. */
export interface BacktestChange {
  readonly index: number;
  readonly actionId: ActionId;
  readonly before: BacktestSide;
  readonly after: BacktestSide & { readonly reason: string };
  /** Whether the other set holds back more, less, or only says it by another rule. */
  readonly direction: 'tighter' | 'looser' | 'same';
}

/** What replaying recorded actions against another set shows. */
export interface BacktestReport {
  readonly total: number;
  readonly unchanged: number;
  /** Counts by `before → after`, for example `ALLOW → DENY`. */
  readonly transitions: Readonly<Record<string, number>>;
  readonly changes: readonly BacktestChange[];
}

function directionOf(before: Result5, after: Result5): BacktestChange['direction'] {
  if (before === after) return 'same';
  return WEIGHT[after] > WEIGHT[before] ? 'tighter' : 'looser';
}

/**
 * Replays recorded actions against another compiled set, changing nothing. Facts are those of the time (R3.j), so the
 * only thing that can differ is the policy; a change of the deciding rule alone is reported as `same`.
 */
export function backtest(recorded: readonly RecordedDecision[], policy: CompiledPolicy): BacktestReport {
  const changes: BacktestChange[] = [];
  const transitions: Record<string, number> = {};
  recorded.forEach(({ facts, decision: before }, index) => {
    const after = evaluate(policy, facts);
    if (after.result === before.result && after.rule === before.rule) return;
    const arrow = `${before.result} → ${after.result}`;
    transitions[arrow] = (transitions[arrow] ?? 0) + 1;
    changes.push({
      index,
      actionId: facts.action.id,
      before: { result: before.result, rule: before.rule, rank: before.rank },
      after: { result: after.result, rule: after.rule, rank: after.rank, reason: after.reason },
      direction: directionOf(before.result, after.result),
    });
  });
  return { total: recorded.length, unchanged: recorded.length - changes.length, transitions, changes };
}
