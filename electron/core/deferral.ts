import type { ActionId, DeferralId, TimeMs } from './brand.ts';
import type { MissingFact } from './decision.ts';
import { unreachable } from './result.ts';

/** How a deferral ended (AARM R5.f). */
export type ResolutionMethod =
  | 'intent_supplied'
  | 'prior_action_finished'
  | 'fact_read'
  | 'person'
  | 'dependency_resolved';

export type DeferralState =
  | { readonly kind: 'parked' }
  | { readonly kind: 'resolved'; readonly method: ResolutionMethod; readonly at: TimeMs }
  | { readonly kind: 'timed_out'; readonly at: TimeMs }
  | { readonly kind: 'cascade_bound'; readonly at: TimeMs }
  | { readonly kind: 'cancelled'; readonly at: TimeMs; readonly reason: string };

/** An action parked until the facts it lacks arrive (AARM R4.d1–d8). */
export interface Deferral {
  readonly id: DeferralId;
  readonly actionId: ActionId;
  readonly reason: string;
  readonly missing: readonly MissingFact[];
  /** Actions this one depends on; it is parked while any of them is. */
  readonly dependsOn: readonly ActionId[];
  /** How many deferrals stand before this one in its chain (R4.d7). */
  readonly depth: number;
  readonly createdAt: TimeMs;
  readonly deadline: TimeMs;
  readonly state: DeferralState;
}

export type DeferralEvent =
  | { readonly kind: 'resolve'; readonly method: ResolutionMethod; readonly at: TimeMs }
  | { readonly kind: 'clock'; readonly at: TimeMs }
  | { readonly kind: 'bound'; readonly at: TimeMs }
  | { readonly kind: 'cancel'; readonly at: TimeMs; readonly reason: string };

/**
 * Advances a deferral; final stays final.
 * INVARIANT (timeout is DENY): a resolution at or past the deadline times out instead (R4.d4).
 */
export function advanceDeferral(deferral: Deferral, event: DeferralEvent): Deferral {
  if (deferral.state.kind !== 'parked') return deferral;
  switch (event.kind) {
    case 'resolve':
      return {
        ...deferral,
        state:
          event.at >= deferral.deadline
            ? { kind: 'timed_out', at: event.at }
            : { kind: 'resolved', method: event.method, at: event.at },
      };
    case 'clock':
      return event.at >= deferral.deadline
        ? { ...deferral, state: { kind: 'timed_out', at: event.at } }
        : deferral;
    case 'bound':
      return { ...deferral, state: { kind: 'cascade_bound', at: event.at } };
    case 'cancel':
      return { ...deferral, state: { kind: 'cancelled', at: event.at, reason: event.reason } };
    default:
      return unreachable(event);
  }
}
