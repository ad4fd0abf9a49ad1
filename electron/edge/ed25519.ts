import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import type { KeyId } from '../core/brand.ts';
import type { Verifier } from '../core/ports.ts';
import { isPublicKey, keyIdOf } from '../core/receipt/key-epoch.ts';
import { nodeHasher } from './hasher.ts';

// The DER around a raw Ed25519 key (RFC 8410): node:crypto takes no raw keys.
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** 64 bytes in base64url, in their only spelling: Buffer would read several. */
const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/;

/** An Ed25519 key pair (AARM R5.i, R6.j); the secret stays inside the KeyObject. */
export interface KeyPair {
  readonly keyId: KeyId;
  /** base64url, raw 32 bytes. */
  readonly publicKey: string;
  /** Signs bytes; base64url, raw 64 bytes. */
  readonly sign: (bytes: Uint8Array) => string;
}

/** A new 32-byte seed. */
export function newSeed(): Buffer {
  return randomBytes(32);
}

/** Makes the key pair of a 32-byte seed. */
export function keyPairOf(seed: Uint8Array): KeyPair {
  if (seed.length !== 32) throw new Error('an ed25519 seed has 32 bytes');
  const der = Buffer.concat([PKCS8, seed]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const publicKey = createPublicKey(secret)
    .export({ format: 'der', type: 'spki' })
    .subarray(SPKI.length)
    .toString('base64url');
  return {
    keyId: keyIdOf(publicKey, nodeHasher),
    publicKey,
    sign: (bytes) => sign(null, bytes, secret).toString('base64url'),
  };
}

/** A public key of the platform from base64url raw 32 bytes; null for anything else. */
export function publicKeyOf(publicKey: string): KeyObject | null {
  if (!isPublicKey(publicKey)) return null;
  try {
    const der = Buffer.concat([SPKI, Buffer.from(publicKey, 'base64url')]);
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

/** Reads a signature's 64 bytes; null for any other spelling. */
export function signatureBytes(signature: string): Buffer | null {
  return SIGNATURE.test(signature) ? Buffer.from(signature, 'base64url') : null;
}

/** Keys met once are met again; how many are kept is bounded, for they come from outside. */
const MAX_KEYS = 64;

/** A verifier over node:crypto that keeps the keys it met (AARM R5.h). */
export function nodeVerifier(): Verifier {
  const known = new Map<string, KeyObject | null>();
  const keyOf = (publicKey: string) => {
    const found = known.get(publicKey);
    if (found !== undefined) return found;
    if (known.size >= MAX_KEYS) known.clear();
    const made = publicKeyOf(publicKey);
    known.set(publicKey, made);
    return made;
  };
  return {
    verify(publicKey, message, signature) {
      const key = keyOf(publicKey);
      const bytes = signatureBytes(signature);
      return key !== null && bytes !== null && verify(null, message, key, bytes);
    },
  };
}

/** Verifies on the thread pool, so that a long check does not hold the loop (AARM R5.h). */
export function verifyOnPool(publicKey: string, message: Uint8Array, signature: string): Promise<boolean> {
  const key = publicKeyOf(publicKey);
  const bytes = signatureBytes(signature);
  if (key === null || bytes === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    verify(null, message, key, bytes, (error, good) => resolve(error === null && good));
  });
}
