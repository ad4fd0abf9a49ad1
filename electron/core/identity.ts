import type { AgentId, Digest, SessionId, TimeMs } from './brand.ts';

/** How an agent instance was bound to an action: by its own signature, by the daemon's observation, or not at all. */
export type Binding = 'signed' | 'attested' | 'unverified';

/** One link of who acts for whom; the first delegates to the second, and so on (R5.c, R6.f). */
export interface Delegation {
  readonly from: string;
  readonly to: string;
  readonly scope: string;
  readonly expiresAt: TimeMs | null;
}

/** Who asks, captured at submission and kept through deferral, approval and delegation (AARM R6). */
export interface Identity {
  /** R6.a the person: account name and how it is known. */
  readonly human: { readonly name: string; readonly uid: number | null; readonly source: string };
  /** R6.b this installation. */
  readonly service: { readonly name: string; readonly version: string; readonly installation: string };
  /** R6.c the agent instance and its own public key (Ed25519, base64url raw 32 bytes), minted at launch. */
  readonly agent: {
    readonly id: AgentId;
    readonly product: string;
    readonly version: string | null;
    readonly binaryHash: Digest | null;
    readonly publicKey: string;
    readonly mintedAt: TimeMs;
    readonly expiresAt: TimeMs;
  };
  /** R6.d */
  readonly sessionId: SessionId;
  /** R6.e role and privileges at action time. */
  readonly role: string;
  readonly privileges: readonly string[];
  readonly delegation: readonly Delegation[];
  readonly binding: Binding;
}

/** Why an identity may not act now (R6.g, R6.h). */
export type IdentityFault =
  | 'expired'
  | 'revoked'
  | 'unknown_session'
  | 'bad_signature'
  | 'unverified'
  | 'session_ended';
