import type { Digest, Json, JsonObject, KeyId } from '../brand.ts';
import { hasIdShape } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { digestOf } from './canonical.ts';

/** Where a signing key's secret is kept. `memory`: only in the process that signs, so its epoch ends with that process. */
export type KeyKept = 'keychain' | 'passphrase' | 'memory';

/** A signing key as the ledger records it (AARM R5.k); public keys stay in the ledger when they are retired. */
export interface KeyRecord {
  readonly id: KeyId;
  /** base64url, raw 32 bytes. */
  readonly publicKey: string;
  readonly kept: KeyKept;
}

const PUBLIC_KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** True when `text` is 32 bytes in base64url without padding, in its only spelling. */
export function isPublicKey(text: string): boolean {
  return PUBLIC_KEY.test(text);
}

const LEDGER_NAME = /^ldg_[A-Za-z0-9_-]{8,64}$/;

/** True when `text` has the shape of a ledger's name. Names reach terminals, so nothing else may be one. */
export function isLedgerName(text: string): boolean {
  return LEDGER_NAME.test(text);
}

/** The name of a key: it follows from the key, so nobody can give one key another's name (AARM R5.k). */
export function keyIdOf(publicKey: string, hasher: Hasher): KeyId {
  return `key_${hasher.sha256(`ed25519:${publicKey}`).slice(0, 32)}` as KeyId;
}

/** What a new key signs to prove that whoever named it also holds it. */
export function possessionHash(ledger: string, publicKey: string, retires: string, hasher: Hasher): Digest {
  return digestOf({ v: 1, type: 'key', ledger, public_key: publicKey, retires }, hasher);
}

/** The body of a ledger's first receipt: its name and its first key. */
export function genesisBody(ledger: string, key: KeyRecord): JsonObject {
  return { ledger, format: 1, key: keyJson(key) };
}

/** The body of a `key` receipt signed by the retiring key: the next receipt is signed by `key` (AARM R5.k). */
export function rotationBody(key: KeyRecord, retires: KeyId, possession: string): JsonObject {
  return { event: 'rotated', key: keyJson(key), retires, possession };
}

/**
 * The body of a `key` receipt that nobody but the new key signs, because the earlier one lived in the memory of a process
 * that ended. A verifier accepts it after a `memory` key only, and says that the seal begins anew there.
 */
export function beginningBody(key: KeyRecord, after: KeyId): JsonObject {
  return { event: 'began_anew', key: keyJson(key), after, reason: 'the earlier key was kept in memory only' };
}

function keyJson(key: KeyRecord): JsonObject {
  return { id: key.id, public_key: key.publicKey, kept: key.kept };
}

/** What a `genesis` or `key` receipt says of keys. */
export type KeyStatement =
  | { readonly event: 'genesis'; readonly ledger: string; readonly key: KeyRecord }
  | {
      readonly event: 'rotated';
      readonly key: KeyRecord;
      readonly retires: string;
      readonly possession: string;
    }
  | { readonly event: 'began_anew'; readonly key: KeyRecord; readonly after: string };

function keyRecordOf(value: Json | undefined, hasher: Hasher): KeyRecord | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const { id, public_key: publicKey, kept } = value as JsonObject;
  if (typeof publicKey !== 'string' || !isPublicKey(publicKey)) return null;
  if (id !== keyIdOf(publicKey, hasher)) return null;
  if (kept !== 'keychain' && kept !== 'passphrase' && kept !== 'memory') return null;
  return { id: id as KeyId, publicKey, kept };
}

/** Reads the body of a `genesis` or `key` receipt; null when it does not say what such a receipt must. */
export function keyStatementOf(
  kind: 'genesis' | 'key',
  body: JsonObject,
  hasher: Hasher,
): KeyStatement | null {
  const key = keyRecordOf(body.key, hasher);
  if (key === null) return null;
  if (kind === 'genesis') {
    if (typeof body.ledger !== 'string' || !isLedgerName(body.ledger) || body.format !== 1) return null;
    return { event: 'genesis', ledger: body.ledger, key };
  }
  if (body.event === 'rotated') {
    const { retires, possession } = body;
    if (typeof retires !== 'string' || !hasIdShape('key', retires)) return null;
    return typeof possession === 'string' ? { event: 'rotated', key, retires, possession } : null;
  }
  if (body.event === 'began_anew' && typeof body.after === 'string' && hasIdShape('key', body.after))
    return { event: 'began_anew', key, after: body.after };
  return null;
}
