import type { Digest, Json, RuleId } from './brand.ts';
import type { Risk, Transform } from './policy/rule.ts';

/** The five values of AARM R4, the specification's strings everywhere. */
export const RESULTS = ['ALLOW', 'DENY', 'MODIFY', 'STEP_UP', 'DEFER'] as const;
export type Result5 = (typeof RESULTS)[number];

/** The ranks in order of precedence; the same list is in docs/architecture.md. */
export const RANKS = [
  'forbidden',
  'compositional',
  'parameters',
  'static',
  'unknowns',
  'alignment',
  'posture',
] as const;
export type Rank = (typeof RANKS)[number];

/** What one rank said; `silent` when it had nothing to say. */
export interface RankVerdict {
  readonly rank: Rank;
  readonly result: Result5 | 'silent';
  readonly rules: readonly RuleId[];
  readonly reason: string;
}

/** A fact that evaluation read, and what it found. */
export interface FactRead {
  readonly path: string;
  readonly state: 'known' | 'unknown' | 'not_applicable';
  readonly value: Json;
}

/** Something that could not be known at decision time, and who can find out. */
export interface MissingFact {
  readonly path: string;
  readonly resolvers: readonly string[];
}

/** The answer to one action (AARM R4), with everything a person or an auditor asks of it. */
export interface Decision {
  readonly result: Result5;
  readonly rank: Rank;
  /** The rule that decided, or null when the posture or a failure did. */
  readonly rule: RuleId | null;
  readonly reason: string;
  readonly instead: string | null;
  readonly risk: Risk;
  readonly confidence: number;
  readonly policy: { readonly version: string; readonly hash: Digest };
  readonly ranks: readonly RankVerdict[];
  /** Indexes of the commands the deciding rule spoke about. */
  readonly commands: readonly number[];
  readonly modify: Transform | null;
  readonly approvers: readonly string[];
  readonly timeoutMs: number | null;
  readonly missing: readonly MissingFact[];
}
