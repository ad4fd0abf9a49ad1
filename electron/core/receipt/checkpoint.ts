import type { Digest, TimeMs } from '../brand.ts';
import type { Hasher, Verifier } from '../ports.ts';
import { canonicalForm } from './canonical.ts';
import { signedBytes } from './chain.ts';

/**
 * What a ledger looked like at one moment: how many receipts, the Merkle root over them and the last one's hash.
 * snake_case because it is a wire format (docs/receipt-format.md).
 */
export interface CheckpointBody {
  readonly v: 1;
  readonly type: 'checkpoint';
  /** The ledger's name, from its genesis receipt. */
  readonly ledger: string;
  readonly size: number;
  readonly root: Digest;
  /** Hash of receipt `size - 1`. */
  readonly head: Digest;
  readonly at: TimeMs;
  readonly key: string;
}

/** A checkpoint signed like a receipt: Ed25519 over the 32 bytes of the SHA-256 of its canonical form (R5.h). */
export interface Checkpoint {
  readonly checkpoint: CheckpointBody;
  readonly signature: string;
}

/** The hash whose bytes a checkpoint's signature covers. */
export function checkpointHash(body: CheckpointBody, hasher: Hasher): Digest {
  const form = canonicalForm(body);
  if (!form.ok) throw new Error(`a checkpoint has no canonical form at \`${form.error.path}\``);
  return hasher.sha256(form.value);
}

/** True when the checkpoint was signed by `publicKey` (base64url raw 32 bytes) (R5.h). */
export function verifyCheckpoint(
  checkpoint: Checkpoint,
  publicKey: string,
  ports: { readonly hasher: Hasher; readonly verifier: Verifier },
): boolean {
  const hash = checkpointHash(checkpoint.checkpoint, ports.hasher);
  return ports.verifier.verify(publicKey, signedBytes(hash), checkpoint.signature);
}
