import type { Action } from './action.ts';
import type { Digest, JsonObject, SessionId, TimeMs } from './brand.ts';
import type { EnvironmentFact } from './facts.ts';
import type { Opening } from './receipt/commitment.ts';
import type { Receipt, ReceiptKind } from './receipt/receipt.ts';
import type { Result } from './result.ts';

/** Time, as an argument to everything that needs it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; never smaller than what it said before. */
  now(): TimeMs;
}

/** Unpredictable identifiers and salts. */
export interface Random {
  /** `bytes` random bytes as base64url without padding. */
  token(bytes: number): string;
}

/** Hashing and verification: pure functions, given from outside so that core needs no platform. */
export interface Hasher {
  /** Lower-case hex SHA-256 of UTF-8 text or of bytes. */
  sha256(data: string | Uint8Array): Digest;
}

export interface Verifier {
  /** Ed25519 over bytes; key and signature base64url (raw 32 and 64 bytes). False for anything malformed. */
  verify(publicKey: string, message: Uint8Array, signature: string): boolean;
}

/** What the ledger is asked to make durable. */
export interface ReceiptDraft {
  readonly kind: ReceiptKind;
  readonly session: SessionId | null;
  readonly at: TimeMs;
  readonly body: JsonObject;
  /** Context entries that become durable in the same commit (R2.f). */
  readonly contextEntries?: readonly JsonObject[];
  /** What opens the commitments in `body`; stored beside the receipt, never in it. */
  readonly openings?: readonly Opening[];
}

/** `unrecordable`: this draft has no canonical form, is too large, or does not continue its session's context; the ledger is well. */
export type LedgerFault =
  | 'disk_full'
  | 'ledger_broken'
  | 'key_unavailable'
  | 'closed'
  | 'io'
  | 'unrecordable';

/** The signed ledger. `append` resolves only when the receipt is durable; batches callers into one commit. */
export interface Ledger {
  append(
    draft: ReceiptDraft,
  ): Promise<Result<Receipt, { readonly code: LedgerFault; readonly message: string }>>;
}

/** Fetches one missing fact (AARM R4.d1). */
export interface FactResolver {
  readonly name: string;
  resolve(path: string, action: Action): Promise<EnvironmentFact | null>;
}
