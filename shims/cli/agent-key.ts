import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { canonicalForm } from '../../electron/core/receipt/canonical.ts';

/** The agent instance's own key (AARM R6.c, R6.j). The private half exists in this process's memory and nowhere else. */
export interface AgentKey {
  /** Raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** Signs an envelope: Ed25519 over SHA-256 of its canonical form (RFC 8785), base64url. */
  readonly sign: (envelope: object) => string;
}

/** Mints a key for one agent instance. */
export function mintAgentKey(): AgentKey {
  const pair = generateKeyPairSync('ed25519');
  return {
    publicKey: rawPublicKey(pair.publicKey),
    sign: (envelope) => signEnvelope(pair.privateKey, envelope),
  };
}

function rawPublicKey(key: KeyObject): string {
  const x = key.export({ format: 'jwk' }).x;
  if (x === undefined) throw new Error('an Ed25519 key without its public half');
  return x;
}

function signEnvelope(key: KeyObject, envelope: object): string {
  const text = canonicalForm(envelope);
  if (!text.ok) throw new Error('an envelope that has no canonical form');
  return sign(null, createHash('sha256').update(text.value, 'utf8').digest(), key).toString('base64url');
}
