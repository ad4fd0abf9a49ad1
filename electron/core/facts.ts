import type { Action, Assurance } from './action.ts';
import type { CommandPattern } from './approval.ts';
import type { Json, JsonObject, TimeMs } from './brand.ts';
import type { ContextSummary } from './context.ts';
import type { Identity } from './identity.ts';

/** A fact about the environment, with where it came from and when it was read (T10). */
export interface EnvironmentFact {
  readonly name: string;
  readonly value: Json;
  readonly source: string;
  readonly readAt: TimeMs;
}

/** How the action relates to what was asked (filled by core/semantic; `unknown` until it speaks). */
export interface Alignment {
  readonly scope: 'in' | 'implied' | 'out' | 'contradicted' | 'unknown';
  readonly distance: number | null;
  readonly drift: number | null;
  readonly words: readonly string[];
}

/**
 * All that evaluation may read, gathered before it starts (AARM R2.e, R3.j): nothing is fetched during evaluation.
 * What did not arrive is simply absent and reads as unknown.
 */
export interface FactSet {
  readonly action: Action;
  readonly identity: Identity;
  readonly session: {
    readonly assurance: Assurance;
    readonly workspace: string | null;
    readonly home: string;
    readonly startedAt: TimeMs;
  };
  readonly now: TimeMs;
  readonly context: ContextSummary;
  readonly environment: readonly EnvironmentFact[];
  readonly alignment: Alignment;
  /** Data facts (`classes`, `flows`), each absent when unknown. */
  readonly data: JsonObject;
  readonly destination: JsonObject;
  /** What a person allowed for this session; each answers exactly one rule's STEP_UP (R4). Absent means none. */
  readonly grants?: readonly CommandPattern[];
}
