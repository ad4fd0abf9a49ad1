import type { Digest, JsonObject, ReceiptId, SessionId, TimeMs } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { ok, type Result } from '../result.ts';
import { bytesOfHex } from './bytes.ts';
import { type CanonicalFault, canonicalForm } from './canonical.ts';
import type { ContextReference, ReceiptBody, ReceiptKind } from './receipt.ts';

/** What comes before the first receipt, and before the first entry of a context. */
export const ORIGIN = '0'.repeat(64) as Digest;

/** Where a chain stands: how many receipts it has and the hash of the last. */
export interface ChainHead {
  readonly size: number;
  readonly hash: Digest;
}

/** A chain without receipts. */
export const EMPTY_CHAIN: ChainHead = { size: 0, hash: ORIGIN };

/** What a receipt says, before it has a place in the chain. */
export interface ReceiptContent {
  readonly id: ReceiptId;
  readonly kind: ReceiptKind;
  readonly at: TimeMs;
  readonly session: SessionId | null;
  readonly key: string;
  readonly context: ContextReference | null;
  readonly body: JsonObject;
}

/** A receipt that has its place, canonical text and hash, and lacks only its signature. */
export interface LinkedReceipt {
  readonly receipt: ReceiptBody;
  readonly text: string;
  readonly hash: Digest;
  readonly head: ChainHead;
}

/**
 * Gives a receipt its place after `head`: sequence, link to the one before, canonical text and hash (AARM R5, chained).
 * Refused when the body has no canonical form, which hostile parameters can bring about.
 */
export function linkReceipt(
  head: ChainHead,
  content: ReceiptContent,
  hasher: Hasher,
): Result<LinkedReceipt, CanonicalFault> {
  const { id, kind, at, session, key, context, body } = content;
  const place = { v: 1, id, kind, seq: head.size, prev: head.hash, at, session, key } as const;
  const receipt: ReceiptBody = context === null ? { ...place, body } : { ...place, context, body };
  const text = canonicalForm(receipt);
  if (!text.ok) return text;
  const hash = hasher.sha256(text.value);
  return ok({ receipt, text: text.value, hash, head: { size: head.size + 1, hash } });
}

/** The 32 bytes that are signed for a hash (AARM R5.i). */
export function signedBytes(hash: Digest): Uint8Array<ArrayBuffer> {
  return bytesOfHex(hash);
}
