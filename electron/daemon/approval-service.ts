import { type Approval, type ApprovalState, advanceApproval, type CommandPattern } from '../core/approval.ts';
import type { ApprovalId } from '../core/brand.ts';
import type { Clock } from '../core/ports.ts';
import type { ApprovalView } from '../wire/control.ts';
import type { Timers } from './timer.ts';

export type FinalApprovalState = Exclude<ApprovalState, { kind: 'pending' }>;

/** What a waiting action and its approver share. */
interface Waiting {
  approval: Approval;
  readonly view: ApprovalView;
  readonly sessionId: string;
  readonly pattern: CommandPattern | null;
  readonly settle: (state: FinalApprovalState) => void;
  readonly cancelTimer: () => void;
}

export type AnswerFault = {
  readonly code: 'no_such_approval' | 'other_action' | 'too_fast' | 'too_many';
  readonly message: string;
};

/** Answers faster than this after being shown were not read by a person. */
export const MIN_SHOWN_MS = 400;
const MAX_PENDING = 512;

/** Holds STEP_UP actions until a person answers (AARM R4.s1–s4). */
export interface ApprovalService {
  /** Waits for an answer; resolves exactly once. Past the deadline: `timed_out`. */
  ask(
    approval: Approval,
    view: ApprovalView,
    sessionId: string,
    pattern: CommandPattern | null,
  ): Promise<FinalApprovalState>;
  /** What "allow for this session" would cover for a pending approval; null when it cannot be generalised. */
  patternOf(id: string): CommandPattern | null;
  /** Gives an answer to what was shown; the digest must be the shown one. */
  answer(handleOrId: string, digest: string, shownAt: number, state: FinalApprovalState): AnswerFault | null;
  withdraw(id: ApprovalId, reason: string): void;
  withdrawSession(sessionId: string, reason: string): void;
  pending(): readonly ApprovalView[];
  find(handleOrId: string): { readonly approval: Approval; readonly view: ApprovalView } | null;
  /** Calls back on every change; the returned function stops that. */
  watch(listener: (view: ApprovalView) => void): () => void;
}

/** Makes the service. */
export function createApprovalService(clock: Clock, timers: Timers): ApprovalService {
  const waiting = new Map<string, Waiting>();
  const listeners = new Set<(view: ApprovalView) => void>();

  const publish = (view: ApprovalView) => {
    for (const listener of listeners) listener(view);
  };

  const finish = (entry: Waiting) => {
    const { state } = entry.approval;
    if (state.kind === 'pending') return;
    waiting.delete(entry.approval.id);
    entry.cancelTimer();
    publish({ ...entry.view, state: state.kind });
    entry.settle(state);
  };

  const find = (handleOrId: string): Waiting | undefined => {
    const direct = waiting.get(handleOrId);
    if (direct) return direct;
    for (const entry of waiting.values()) if (entry.view.handle === handleOrId) return entry;
    return undefined;
  };

  return {
    ask(approval, view, sessionId, pattern) {
      if (waiting.size >= MAX_PENDING) {
        return Promise.resolve({
          kind: 'withdrawn',
          at: clock.now(),
          reason: 'too many actions wait for an answer already',
        });
      }
      return new Promise((resolve) => {
        const onDeadline = () => {
          const entry = waiting.get(approval.id);
          if (!entry) return;
          // The deadline is the timer's: a wall clock that was set back must not keep the question open.
          entry.approval = advanceApproval(entry.approval, {
            kind: 'clock',
            at: Math.max(clock.now(), approval.deadline),
          });
          finish(entry);
        };
        const cancelTimer = timers.after(approval.deadline - clock.now(), onDeadline);
        waiting.set(approval.id, { approval, view, sessionId, pattern, settle: resolve, cancelTimer });
        publish(view);
      });
    },
    answer(handleOrId, digest, shownAt, state) {
      const entry = find(handleOrId);
      if (!entry)
        return {
          code: 'no_such_approval',
          message: `no approval \`${handleOrId}\` is pending; it may have been answered or timed out`,
        };
      if (digest !== entry.approval.digest) {
        return {
          code: 'other_action',
          message: 'the answer was given for another action than the one that waits',
        };
      }
      // What did not exist yet was not shown, whatever the client says.
      const seenFor = clock.now() - Math.max(shownAt, entry.approval.createdAt);
      if (state.kind !== 'denied' && seenFor < MIN_SHOWN_MS) {
        return { code: 'too_fast', message: `answered less than ${MIN_SHOWN_MS} ms after it was shown` };
      }
      if (state.kind === 'timed_out' || state.kind === 'withdrawn') return null;
      entry.approval = advanceApproval(entry.approval, {
        kind: 'answer',
        digest: entry.approval.digest,
        state,
      });
      finish(entry);
      return null;
    },
    withdraw(id, reason) {
      const entry = waiting.get(id);
      if (!entry) return;
      entry.approval = advanceApproval(entry.approval, { kind: 'withdraw', at: clock.now(), reason });
      finish(entry);
    },
    withdrawSession(sessionId, reason) {
      for (const entry of [...waiting.values()]) {
        if (entry.sessionId !== sessionId) continue;
        entry.approval = advanceApproval(entry.approval, { kind: 'withdraw', at: clock.now(), reason });
        finish(entry);
      }
    },
    patternOf: (id) => waiting.get(id)?.pattern ?? null,
    pending: () => [...waiting.values()].map((entry) => entry.view),
    find(handleOrId) {
      const entry = find(handleOrId);
      return entry ? { approval: entry.approval, view: entry.view } : null;
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
