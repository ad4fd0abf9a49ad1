import type { ActionId, Digest, MandateId, TimeMs } from './brand.ts';

/**
 * What a decision to let an action run covers: what is seen below it inside this footprint is an effect of
 * that action, counted in its outcome; what leaves it is a new action.
 */
export interface Mandate {
  readonly id: MandateId;
  readonly actionId: ActionId;
  readonly digest: Digest;
  /** Digests of the commands (program and arguments) that were judged, each usable `uses` times. */
  readonly commands: readonly Digest[];
  /** Of a call: the rules and ranks that a person was asked by. */
  readonly answered?: readonly string[];
  readonly expiresAt: TimeMs;
}
