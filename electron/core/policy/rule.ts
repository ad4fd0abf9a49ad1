import type { Digest, Json, RuleId } from '../brand.ts';
import type { ClassifyRow, DestinationRow } from '../data/destination.ts';

/** The classes a rule can have. `forbidden` stands above every priority (AARM R3.a, R3.b). */
export type RuleClass = 'forbidden' | 'deny' | 'step_up' | 'defer' | 'modify' | 'allow';

export type Risk = 'low' | 'medium' | 'high' | 'critical';

/** What one evaluation of the rule's predicate is about. */
export type Subject = 'action' | 'command' | 'effect';

/**
 * Cheap equality tests, indexed: a rule is considered only where one value of each given list fits.
 * Absent means any. `labels` fits when the effect's object carries at least one of them.
 */
export interface Match {
  readonly surfaces?: readonly string[];
  readonly tools?: readonly string[];
  readonly operations?: readonly string[];
  readonly programs?: readonly string[];
  readonly effects?: readonly string[];
  readonly labels?: readonly string[];
  readonly tags?: readonly string[];
}

/** A constraint on one parameter (AARM R3.e); `path` is a dotted path into `action.parameters`. */
export interface ParameterConstraint {
  readonly path: string;
  readonly required?: boolean;
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  readonly min?: number;
  readonly max?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** RE2 syntax, matched in linear time against the whole value. */
  readonly pattern?: string;
  readonly allow?: readonly Json[];
  readonly block?: readonly Json[];
  /** The value is never repeated in a reason (T9). */
  readonly secret?: boolean;
}

/** How a MODIFY rule changes the action: a transform registered by name, with arguments. */
export interface Transform {
  readonly name: string;
  readonly arguments: Readonly<Record<string, Json>>;
}

/** A rule of a policy set, parsed. The file format is docs/policy-format.md. */
export interface Rule {
  readonly id: RuleId;
  readonly title: string;
  /** Shown to people and sent back to the agent. */
  readonly why: string;
  readonly class: RuleClass;
  readonly priority: number;
  readonly risk: Risk;
  readonly subject: Subject;
  readonly match: Match;
  /** CEL over the facts; null means `match` alone decides. */
  readonly when: string | null;
  readonly parameters: readonly ParameterConstraint[];
  readonly modify: Transform | null;
  readonly approvers: readonly string[];
  readonly timeoutMs: number | null;
  /** For `defer`: names of the resolvers that can fetch what is missing. */
  readonly resolvers: readonly string[];
  /** What the agent may do instead, sent back to it. */
  readonly instead: string | null;
  readonly references: readonly string[];
  readonly expiresAt: number | null;
  /**
   * `compositional`: judged over what the session did, before any static rule, and never excepted by one.
   * Absent: inferred from what `when` reads (docs/policy-format.md).
   */
  readonly rank?: 'compositional' | 'static';
  /** On a `deny` rule only: alignment known to be `in` turns it into STEP_UP, or ALLOW when its risk is low. */
  readonly unlessAligned?: boolean;
  /** `file:line`, for people. */
  readonly source: string;
}

/** What happens to an action that no rule speaks about, written down (AARM R3, last rank). */
export interface Posture {
  readonly name: string;
  readonly unmatched: 'ALLOW' | 'STEP_UP' | 'DENY';
  readonly why: string;
  /** Below this confidence the decision is DEFER (R3.h). */
  readonly minimumConfidence: number;
}

/** A set of rules, hashed as a whole. Immutable; compiled once. */
export interface PolicySet {
  readonly version: string;
  readonly hash: Digest;
  readonly rules: readonly Rule[];
  readonly posture: Posture;
  /** Hosts whose TLS the proxy passes on unopened: exact or `*.example.org`; port null: any. Absent: none. */
  readonly passThrough?: readonly PassThroughHost[];
  /** What is read where, and what may go where (`classify:`, `destinations:`); absent: no rows. */
  readonly classify?: readonly ClassifyRow[];
  readonly destinations?: readonly DestinationRow[];
}

export interface PassThroughHost {
  readonly host: string;
  readonly port: number | null;
}
