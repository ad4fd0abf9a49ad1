import { ORIGIN, signedBytes } from '../../electron/core/receipt/chain.ts';
import { isPublicKey, type KeyRecord, keyStatementOf } from '../../electron/core/receipt/key-epoch.ts';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { hashFinding } from '../../electron/core/receipt/walk.ts';
import { nodeVerifier } from '../../electron/edge/ed25519.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import type { LedgerReader } from '../../electron/edge/ledger-reader.ts';

/** What one receipt's own seal shows; that none is missing around it only `verify` can say. */
export interface ReceiptSeal {
  readonly verdict: 'verified' | 'broken';
  /** What does not hold; empty when everything does. */
  readonly faults: readonly string[];
  readonly key: KeyRecord | null;
}

/** Checks one receipt on the spot: its hash, the signature by the key whose turn it was, and the links to its neighbours (AARM R5). */
export function sealOf(reader: LedgerReader, receipt: Receipt): ReceiptSeal {
  const faults: string[] = [];
  const { seq, prev } = receipt.receipt;
  const hash = hashFinding(receipt, nodeHasher);
  if (hash !== null) faults.push(hash.message);
  const key = keyInTurn(reader, receipt);
  if (key === null || key.id !== receipt.receipt.key)
    faults.push(`key \`${receipt.receipt.key}\` is not the one in use there`);
  else if (
    !isPublicKey(key.publicKey) ||
    !nodeVerifier().verify(key.publicKey, signedBytes(receipt.hash), receipt.signature)
  )
    faults.push('the signature is not one of this receipt by its key');
  const before = seq === 0 ? ORIGIN : (reader.show(seq - 1)?.hash ?? null);
  if (before === null) faults.push(`receipt ${seq - 1} is missing`);
  else if (before !== prev) faults.push(`it does not follow receipt ${seq - 1}`);
  const next = reader.show(seq + 1);
  if (next !== null && next.receipt.prev !== receipt.hash)
    faults.push(`receipt ${seq + 1} does not follow it`);
  return { verdict: faults.length === 0 ? 'verified' : 'broken', faults, key };
}

/** The key that signs at a place: named by the newest `genesis` or `key` receipt before it, or by itself when it begins a turn. */
function keyInTurn(reader: LedgerReader, receipt: Receipt): KeyRecord | null {
  const { seq, kind, body } = receipt.receipt;
  if (kind === 'genesis' || kind === 'key') {
    const own = keyStatementOf(kind, body, nodeHasher);
    // A rotation is signed by the key that retires.
    if (own !== null && own.event !== 'rotated') return own.key;
  }
  const [rotation] = reader.list({ kind: 'key' }, { limit: 1, before: seq });
  const named = rotation ?? reader.show(0);
  if (named === null) return null;
  const named_ = named.receipt;
  if (named_.kind !== 'genesis' && named_.kind !== 'key') return null;
  return keyStatementOf(named_.kind, named_.body, nodeHasher)?.key ?? null;
}
