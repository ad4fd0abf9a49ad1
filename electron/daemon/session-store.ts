import type { Assurance } from '../core/action.ts';
import type { CommandPattern } from '../core/approval.ts';
import type { ActionId, AgentId, Digest, SessionId, TimeMs } from '../core/brand.ts';
import type { ContextEntry, ContextSummary } from '../core/context.ts';
import type { Effect } from '../core/effect.ts';
import type { Identity, IdentityFault } from '../core/identity.ts';
import type { Claim, Intent } from '../core/intent.ts';
import type { Mandate } from '../core/mandate.ts';
import type { EffectTallies } from './effect-tally.ts';
import type { Redirection } from './mediation.ts';

/** One agent's run under the firewall. Mutable state is kept here and nowhere else. */
export interface Session {
  readonly id: SessionId;
  readonly identity: Identity;
  readonly assurance: Assurance;
  readonly workspace: string | null;
  readonly home: string;
  readonly startedAt: TimeMs;
  /** Process that runs the session; everything below it is the agent's. */
  readonly runnerPid: number;
  readonly runnerStartTicks: number | null;
  /** Base64url HMAC key of the submit door; never written anywhere. */
  readonly secret: string;
  intent: Intent | null;
  claim: Claim | null;
  context: ContextSummary;
  /** Highest envelope sequence seen from the agent instance. */
  lastSequence: number;
  readonly grants: CommandPattern[];
  readonly mandates: Map<string, Mandate>;
  /** Context entries not yet durable; they ride on the next receipt's commit. */
  unflushed: ContextEntry[];
  /** Actions let through whose outcome has not arrived, with the receipt to link to. */
  readonly running: Map<ActionId, RunningAction>;
  /** Classified reads that are in the context already. */
  readonly seenReads: Set<string>;
  /** Sequence numbers skipped so far: evidence of something that was never submitted. */
  gaps: number;
  revoked: string | null;
  endedAt: TimeMs | null;
  /** What the kernel guard was told to hold; null for a session without one. */
  readonly guard: GuardBounds | null;
  /** What the kernel guard saw outside any action: the agent itself at work. Told when the session closes. */
  readonly effects: EffectTallies;
  /** Told when the session is over or its agent is revoked: its process tree must end. */
  readonly endings: Set<(why: string) => void>;
  /** Of a preview: what its process tree tried outside of it and did not get, in words; bounded. */
  readonly attempts?: Set<string>;
  /** What `status` says of it. */
  readonly notes?: readonly string[];
  /** What must be settled before the session is over; run once, while its identity still holds. */
  readonly farewells: Set<() => Promise<void>>;
}

/** An action that was let through and has no outcome yet. */
export interface RunningAction {
  readonly receipt: string;
  readonly digest: Digest;
  /** What was seen inside it. */
  readonly effects: EffectTallies;
  /** What it said it would do, when it was judged: doing that is not judged again. */
  readonly footprint: readonly Effect[];
  /** A person answered for it, now or for the session. */
  readonly asked: boolean;
  /** Facts that nobody knew, and that a person answered without (R4.d1). */
  readonly settled: readonly string[];
  /** What was made for a change that is carried out elsewhere; taken back when it was not carried out. */
  readonly redirection: Redirection | null;
}

/** What a session's process tree may touch without a question, as its launcher set it up. Absolute, canonical, as seen inside. */
export interface GuardBounds {
  readonly writable: readonly string[];
  readonly tools: readonly string[];
  /** The folder of this machine that is /tmp inside; null where it is the same. */
  readonly temp: string | null;
  readonly veiled: readonly string[];
  /** `host:port` that the person configured. */
  readonly hosts: readonly string[];
  /** Nothing it does lasts until a person commits it. */
  readonly preview?: boolean | undefined;
}

/** Past this many, what was read is told again: memory stays bounded. */
export const MAX_SEEN_READS = 1024;

/** Past this many, the oldest unfinished action is recorded as unknown: memory stays bounded. */
export const MAX_RUNNING = 4096;

/** All sessions of this daemon. Sessions end with the daemon: after a restart their surfaces are denied. */
export interface SessionStore {
  add(session: Session): void;
  get(id: string): Session | undefined;
  /** Every live session, oldest first. */
  live(): readonly Session[];
  /** Forgets sessions that ended before `before`. */
  sweep(before: TimeMs): void;
}

/** Makes an empty store. */
export function createSessionStore(): SessionStore {
  const sessions = new Map<string, Session>();
  return {
    add: (session) => void sessions.set(session.id, session),
    get: (id) => sessions.get(id),
    live: () => [...sessions.values()].filter((s) => s.endedAt === null),
    sweep: (before) => {
      for (const [id, session] of sessions) {
        if (session.endedAt !== null && session.endedAt < before) sessions.delete(id);
      }
    },
  };
}

/**
 * Whether the identity may act now (AARM R6.g, R6.h); asked at decision and again before an approved action runs.
 */
export function identityFault(session: Session | undefined, now: TimeMs): IdentityFault | null {
  if (session === undefined) return 'unknown_session';
  if (session.endedAt !== null) return 'session_ended';
  if (session.revoked !== null) return 'revoked';
  if (now >= session.identity.agent.expiresAt) return 'expired';
  if (session.identity.binding === 'unverified') return 'unverified';
  return null;
}

/** The agent instance behind a session, in one line for people. */
export function agentLine(id: AgentId, product: string, version: string | null): string {
  return version === null ? `${product} (${id})` : `${product} ${version} (${id})`;
}
