import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import {
  advanceDeferral,
  type Deferral,
  type DeferralState,
  type ResolutionMethod,
} from '../core/deferral.ts';
import type { Clock } from '../core/ports.ts';
import type { Timers } from './timer.ts';

export type FinalDeferralState = Exclude<DeferralState, { kind: 'parked' }>;

interface Parked {
  deferral: Deferral;
  readonly action: Action;
  readonly objects: ReadonlySet<string>;
  readonly settle: (state: FinalDeferralState) => void;
  readonly cancelTimer: () => void;
}

/** How deep a chain of deferrals may get, and how many one session may hold (AARM R4.d7). */
export const MAX_DEFERRAL_DEPTH = 8;
export const MAX_PARKED_PER_SESSION = 64;

/** Parks DEFER actions until what they lack arrives (AARM R4.d1–d7). */
export interface DeferralService {
  /** Waits for the missing facts; resolves exactly once. Past the deadline: `timed_out`. */
  park(deferral: Deferral, action: Action): Promise<FinalDeferralState>;
  /** Parked actions that `action` depends on: named by handle, else sharing a resource it or they would change (R4.d5). */
  blockersOf(action: Action): readonly { readonly id: ActionId; readonly depth: number }[];
  /** How many are parked in a session. */
  parkedIn(sessionId: string): number;
  resolve(id: ActionId, method: ResolutionMethod): void;
  /** Everything of a session that waits for `path` is tried again. */
  factArrived(sessionId: string, path: string, method: ResolutionMethod): void;
  cancel(id: ActionId, reason: string): void;
  cancelSession(sessionId: string, reason: string): void;
  isParked(id: ActionId): boolean;
  /** Resolves when the action is parked no more; at once when it never was. */
  settled(id: ActionId): Promise<void>;
}

const CHANGING = new Set([
  'write',
  'delete',
  'move',
  'permission',
  'install',
  'uninstall',
  'publish',
  'configure',
  'persist',
  'kill',
  'account',
]);

/** The things an action touches, those it changes marked: two reads of one file do not depend on each other. */
function objectsOf(action: Action): {
  readonly all: ReadonlySet<string>;
  readonly changed: ReadonlySet<string>;
} {
  const all = new Set<string>();
  const changed = new Set<string>();
  for (const effect of action.effects) {
    if (!effect.object.known || effect.object.kind === 'none') continue;
    const key = `${effect.object.kind}:${effect.object.value}`;
    all.add(key);
    if (CHANGING.has(effect.kind)) changed.add(key);
  }
  return { all, changed };
}

function overlaps(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const key of a) {
    if (b.has(key)) return true;
    if (!key.startsWith('path:')) continue;
    for (const other of b) if (other.startsWith(`${key}/`) || key.startsWith(`${other}/`)) return true;
  }
  return false;
}

/** Makes the service. */
export function createDeferralService(clock: Clock, timers: Timers): DeferralService {
  const parked = new Map<ActionId, Parked>();
  const settledWaiters = new Map<ActionId, (() => void)[]>();

  const finish = (entry: Parked) => {
    const { state } = entry.deferral;
    if (state.kind === 'parked') return;
    parked.delete(entry.deferral.actionId);
    entry.cancelTimer();
    entry.settle(state);
    const waiters = settledWaiters.get(entry.deferral.actionId) ?? [];
    settledWaiters.delete(entry.deferral.actionId);
    for (const waiter of waiters) waiter();
  };

  const step = (entry: Parked, event: Parameters<typeof advanceDeferral>[1]) => {
    entry.deferral = advanceDeferral(entry.deferral, event);
    finish(entry);
  };

  return {
    park(deferral, action) {
      return new Promise((resolve) => {
        const { all } = objectsOf(action);
        const cancelTimer = timers.after(deferral.deadline - clock.now(), () => {
          const entry = parked.get(deferral.actionId);
          if (entry) step(entry, { kind: 'clock', at: Math.max(clock.now(), deferral.deadline) });
        });
        parked.set(deferral.actionId, { deferral, action, objects: all, settle: resolve, cancelTimer });
      });
    },
    blockersOf(action) {
      const mine = objectsOf(action);
      const found: { id: ActionId; depth: number }[] = [];
      for (const entry of parked.values()) {
        if (entry.action.sessionId !== action.sessionId || entry.action.id === action.id) continue;
        const theirs = objectsOf(entry.action);
        const named = action.dependsOn.includes(entry.action.id);
        const shared = overlaps(mine.changed, theirs.all) || overlaps(theirs.changed, mine.all);
        if (named || shared) found.push({ id: entry.action.id, depth: entry.deferral.depth });
      }
      return found;
    },
    parkedIn(sessionId) {
      let count = 0;
      for (const entry of parked.values()) if (entry.action.sessionId === sessionId) count += 1;
      return count;
    },
    resolve(id, method) {
      const entry = parked.get(id);
      if (entry) step(entry, { kind: 'resolve', method, at: clock.now() });
    },
    factArrived(sessionId, path, method) {
      for (const entry of [...parked.values()]) {
        const waitsForIt = entry.deferral.missing.some(
          (m) => m.path === path || m.path.startsWith(`${path}.`),
        );
        if (entry.action.sessionId === sessionId && waitsForIt)
          step(entry, { kind: 'resolve', method, at: clock.now() });
      }
    },
    cancel(id, reason) {
      const entry = parked.get(id);
      if (entry) step(entry, { kind: 'cancel', at: clock.now(), reason });
    },
    cancelSession(sessionId, reason) {
      for (const entry of [...parked.values()]) {
        if (entry.action.sessionId === sessionId) step(entry, { kind: 'cancel', at: clock.now(), reason });
      }
    },
    isParked: (id) => parked.has(id),
    settled(id) {
      if (!parked.has(id)) return Promise.resolve();
      return new Promise((resolve) => {
        settledWaiters.set(id, [...(settledWaiters.get(id) ?? []), resolve]);
      });
    },
  };
}
