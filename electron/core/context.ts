import type { ActionId, Digest, JsonObject, TimeMs } from './brand.ts';

/** Sensitivity levels in rising order; what nothing classifies counts as the highest (AARM R2.c). */
export const LEVELS = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'] as const;
export type Level = (typeof LEVELS)[number];

export type ContextKind =
  | 'session'
  | 'intent'
  | 'claim'
  | 'action'
  | 'decision'
  | 'approval'
  | 'outcome'
  | 'data'
  | 'environment';

/**
 * One entry of a session's append-only, hash-chained context (AARM R2.f).
 * `hash` = SHA-256 of the canonical form of {seq, prev, at, kind, body}.
 */
export interface ContextEntry {
  readonly seq: number;
  readonly prev: Digest;
  readonly hash: Digest;
  readonly at: TimeMs;
  readonly kind: ContextKind;
  readonly body: JsonObject;
}

/** A prior action in few words, with its result when there is one (R2.a). */
export interface PriorAction {
  readonly id: ActionId;
  readonly at: TimeMs;
  readonly tool: string;
  readonly operation: string;
  readonly summary: string;
  readonly decision: string;
  readonly result: string | null;
}

/** What of what was read wanted to steer its reader or hid something (T1, T11); never its text. */
export interface UntrustedSeen {
  /** How many things that were read had such signs. */
  readonly count: number;
  /** Kinds of sign seen so far: `instruction`, `hidden-text` … */
  readonly kinds: readonly string[];
  /** What was read last of these: `host:example.org`, `path:/home/u/notes.md`. */
  readonly source: string;
}

/** What policy can read of a session without walking its entries; advanced one entry at a time. */
export interface ContextSummary {
  readonly length: number;
  readonly head: Digest;
  readonly startedAt: TimeMs;
  readonly request: string | null;
  readonly actionCount: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly tools: readonly string[];
  readonly entities: readonly string[];
  readonly classes: readonly Level[];
  /** Null while nothing that was read had signs of untrusted content. */
  readonly untrusted: UntrustedSeen | null;
  /** The most recent actions, newest last, bounded. */
  readonly recent: readonly PriorAction[];
  /** Times of the most recent actions, bounded, for velocity. */
  readonly recentTimes: readonly TimeMs[];
}
