import type { ActionId, ApprovalId, Digest, TimeMs } from './brand.ts';
import { unreachable } from './result.ts';

/** How long and how wide an ALLOW of a person reaches. */
export type ApprovalScope =
  | { readonly kind: 'once' }
  | { readonly kind: 'session'; readonly pattern: CommandPattern };

/** An approval generalised by parsed meaning, for this session. */
export interface CommandPattern {
  readonly program: string;
  readonly subcommand: string | null;
  /** Flags that must be exactly these (sorted); operands are free unless `operands` names them. */
  readonly flags: readonly string[];
  readonly operands: readonly string[] | null;
  /** Deciding rule that the approval answers; another rule asks again. */
  readonly rule: string | null;
  /** Working directory it was allowed in, so that a relative operand keeps meaning the same; absent or null means any. */
  readonly cwd?: string | null;
  /** What was allowed is no command but this: the same is done to the same object (`file read /home/u/.netrc`). Absent: a command. */
  readonly object?: { readonly tool: string; readonly operation: string; readonly value: string };
  /** What was allowed is a request or a statement. Absent: it is neither. */
  readonly request?: RequestPattern;
  /** Where what it carried was read (`path:/home/u/x`); a grant never covers what was read elsewhere. Absent: it carried nothing. */
  readonly flows?: readonly string[];
}

/** A request or a database statement, generalised by its meaning: everything here must be the same. */
export interface RequestPattern {
  readonly tool: 'http' | 'database';
  /** Of the family of the host (`merge`, `publish`), else the method; a statement's verb. */
  readonly operation: string;
  /** Empty for a statement. */
  readonly method: string;
  /** `https://host:port`, or `host:port/database`. */
  readonly place: string;
  /** The path, `*` for what names one of many; the tables. */
  readonly what: string;
  /** What an interface with one address was asked to do; who a statement is made as. */
  readonly says: readonly string[];
  /** Names in the query. */
  readonly query: readonly string[];
  readonly deeds: readonly string[];
  /** The very address and body, where it is bound to them; null where it is not. */
  readonly exact: string | null;
}

export type ApprovalState =
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'allowed';
      readonly approver: string;
      readonly at: TimeMs;
      readonly note: string | null;
      readonly scope: ApprovalScope;
    }
  | { readonly kind: 'denied'; readonly approver: string; readonly at: TimeMs; readonly note: string | null }
  | {
      readonly kind: 'edited';
      readonly approver: string;
      readonly at: TimeMs;
      readonly note: string | null;
      readonly commandLine: string;
    }
  | { readonly kind: 'timed_out'; readonly at: TimeMs }
  | { readonly kind: 'withdrawn'; readonly at: TimeMs; readonly reason: string };

/** A person's answer that an action waits for (AARM R4.s1–s5), bound to the action's digest. */
export interface Approval {
  readonly id: ApprovalId;
  readonly actionId: ActionId;
  readonly digest: Digest;
  readonly policyHash: Digest;
  /** Visibly distinct: a step-up, or a deferral that nobody else could resolve (R4.s4). */
  readonly origin: 'step_up' | 'deferral';
  readonly approvers: readonly string[];
  readonly createdAt: TimeMs;
  readonly deadline: TimeMs;
  readonly state: ApprovalState;
}

export type ApprovalEvent =
  | {
      readonly kind: 'answer';
      readonly digest: Digest;
      readonly state: Exclude<ApprovalState, { kind: 'pending' | 'timed_out' | 'withdrawn' }>;
    }
  | { readonly kind: 'clock'; readonly at: TimeMs }
  | { readonly kind: 'withdraw'; readonly at: TimeMs; readonly reason: string };

/**
 * Advances an approval; final stays final, and an answer for another digest or after the deadline changes nothing
 * but (past the deadline) times it out.
 * INVARIANT (timeout is DENY): no event turns a timed-out approval into an allowed one (R4.s3).
 */
export function advanceApproval(approval: Approval, event: ApprovalEvent): Approval {
  if (approval.state.kind !== 'pending') return approval;
  switch (event.kind) {
    case 'answer':
      if (event.digest !== approval.digest) return approval;
      if (event.state.at >= approval.deadline)
        return { ...approval, state: { kind: 'timed_out', at: event.state.at } };
      return { ...approval, state: event.state };
    case 'clock':
      return event.at >= approval.deadline
        ? { ...approval, state: { kind: 'timed_out', at: event.at } }
        : approval;
    case 'withdraw':
      return { ...approval, state: { kind: 'withdrawn', at: event.at, reason: event.reason } };
    default:
      return unreachable(event);
  }
}
