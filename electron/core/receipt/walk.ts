import type { Digest, JsonObject, TimeMs } from '../brand.ts';
import { hasIdShape, isDigest } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { canonicalForm, describeFault } from './canonical.ts';
import { ORIGIN } from './chain.ts';
import { type Checkpoint, type CheckpointBody, checkpointHash } from './checkpoint.ts';
import { type Finding, faultAt, noteAt, type Place, type SignatureClaim } from './finding.ts';
import { isLedgerName } from './key-epoch.ts';
import { advanceKeys, type KeyHistory, NO_KEYS } from './key-history.ts';
import { appendLeaf, EMPTY_FRONTIER, type Frontier, leafOf, rootOf } from './merkle.ts';
import type { Receipt } from './receipt.ts';

/** How far a walk along the receipts has come (AARM R5, chained). */
export interface Walk {
  /** The place expected next. */
  readonly size: number;
  /** Hash of the receipt before it; null after a gap, where it cannot be known. */
  readonly prev: Digest | null;
  /** The tree so far; null after a gap, where its root cannot be known. */
  readonly frontier: Frontier | null;
  readonly keys: KeyHistory;
  readonly at: TimeMs;
}

/** A receipt bears the time of what it records, which may have waited while others were written. */
const MAX_LAG_MS = 60_000;

/** Before the first receipt of a ledger. */
export const WALK_START: Walk = {
  size: 0,
  prev: ORIGIN,
  frontier: EMPTY_FRONTIER,
  keys: NO_KEYS,
  at: Number.NEGATIVE_INFINITY,
};

export interface WalkStep {
  readonly walk: Walk;
  readonly findings: readonly Finding[];
  /** Signatures still to be checked. */
  readonly claims: readonly SignatureClaim[];
}

/** What is wrong with a receipt's own hash; null when nothing is. */
export function hashFinding(receipt: Receipt, hasher: Hasher): Finding | null {
  const { seq, id } = receipt.receipt;
  const form = canonicalForm(receipt.receipt);
  if (!form.ok)
    return faultAt('hash', { seq, id }, `\`${form.error.path}\` is ${describeFault(form.error.code)}`);
  if (hasher.sha256(form.value) !== receipt.hash)
    return faultAt('hash', { seq, id }, 'the receipt is not what was hashed');
  return null;
}

/**
 * Takes one receipt of a whole ledger, in order: hash, sequence, link, key, checkpoint (AARM R5).
 * After a gap the walk goes on from what it found, so that one missing receipt is one finding.
 */
export function advanceWalk(walk: Walk, receipt: Receipt, hasher: Hasher): WalkStep {
  const wrong = hashFinding(receipt, hasher);
  return placeReceipt(walk, receipt, hasher, wrong === null ? [] : [wrong]);
}

/** As `advanceWalk`, for a caller that has compared the hash with the very text it was made of. */
export function placeReceipt(
  walk: Walk,
  receipt: Receipt,
  hasher: Hasher,
  before: readonly Finding[] = [],
): WalkStep {
  const { seq, id, prev, at } = receipt.receipt;
  const place: Place = { seq, id };
  const findings: Finding[] = [...before];
  const inOrder = seq === walk.size;
  if (seq > walk.size) findings.push(faultAt('sequence', place, missing(walk.size, seq - 1)));
  if (seq < walk.size)
    findings.push(faultAt('sequence', place, `receipt ${seq} is a duplicate or out of order here`));
  if (inOrder && walk.prev !== null && prev !== walk.prev)
    findings.push(faultAt('link', place, 'it does not follow the receipt before it'));
  if (at < walk.at - MAX_LAG_MS)
    findings.push(
      noteAt('time', place, `its time is ${Math.round((walk.at - at) / 1000)} s before an earlier one`),
    );
  const keys = advanceKeys(walk.keys, receipt, hasher);
  findings.push(...keys.findings);
  const claims: SignatureClaim[] = [...keys.claims];
  if (receipt.receipt.kind === 'checkpoint') {
    const checked = checkStoredCheckpoint(walk, receipt, hasher);
    findings.push(...checked.findings);
    claims.push(...checked.claims);
  }
  // A receipt that stands where it should not must not move the walk back.
  if (seq < walk.size) return { walk, findings, claims };
  return {
    walk: {
      size: seq + 1,
      prev: receipt.hash,
      frontier: inOrder && walk.frontier !== null ? appendLeaf(walk.frontier, leafOf(receipt), hasher) : null,
      keys: keys.keys,
      at: Math.max(at, walk.at),
    },
    findings,
    claims,
  };
}

function missing(from: number, to: number): string {
  return from === to ? `receipt ${from} is missing` : `receipts ${from} to ${to} are missing`;
}

/** Reads the checkpoint in a checkpoint receipt's body; null when there is none. */
export function checkpointIn(body: JsonObject): Checkpoint | null {
  const outer = body.checkpoint;
  if (outer === null || typeof outer !== 'object' || Array.isArray(outer)) return null;
  const { checkpoint, signature } = outer as JsonObject;
  if (checkpoint === null || typeof checkpoint !== 'object' || Array.isArray(checkpoint)) return null;
  const { v, type, ledger, size, root, head, at, key } = checkpoint as JsonObject;
  if (v !== 1 || type !== 'checkpoint') return null;
  if (typeof ledger !== 'string' || !isLedgerName(ledger)) return null;
  if (typeof key !== 'string' || !hasIdShape('key', key)) return null;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 1) return null;
  if (typeof root !== 'string' || !isDigest(root) || typeof head !== 'string' || !isDigest(head)) return null;
  if (typeof at !== 'number' || typeof signature !== 'string') return null;
  const members = Object.keys(checkpoint).length;
  if (members !== 8 || Object.keys(outer).length !== 2) return null;
  return { checkpoint: { v, type, ledger, size, root, head, at, key }, signature };
}

function checkStoredCheckpoint(
  walk: Walk,
  receipt: Receipt,
  hasher: Hasher,
): { readonly findings: readonly Finding[]; readonly claims: readonly SignatureClaim[] } {
  const { seq, id, prev, body } = receipt.receipt;
  const place: Place = { seq, id };
  const found = checkpointIn(body);
  if (found === null)
    return {
      findings: [faultAt('checkpoint', place, 'the checkpoint receipt has no checkpoint')],
      claims: [],
    };
  const stated = found.checkpoint;
  const findings: Finding[] = [];
  if (stated.size !== seq || stated.head !== prev)
    findings.push(faultAt('checkpoint', place, 'the checkpoint is not of the receipts before it'));
  if (stated.ledger !== walk.keys.ledger)
    findings.push(faultAt('checkpoint', place, `the checkpoint is of another ledger, \`${stated.ledger}\``));
  if (
    walk.frontier !== null &&
    walk.frontier.size === stated.size &&
    rootOf(walk.frontier, hasher) !== stated.root
  )
    findings.push(
      faultAt('checkpoint', place, `the ${stated.size} receipts before it do not have the root it states`),
    );
  const claims = checkpointClaims(found, walk.keys, place, hasher);
  return claims.ok
    ? { findings, claims: [claims.claim] }
    : { findings: [...findings, faultAt('checkpoint', place, claims.message)], claims: [] };
}

/** The signature to check of a checkpoint made while `keys.current` was in use. */
export function checkpointClaims(
  found: Checkpoint,
  keys: KeyHistory,
  place: Place,
  hasher: Hasher,
): { readonly ok: true; readonly claim: SignatureClaim } | { readonly ok: false; readonly message: string } {
  const stated: CheckpointBody = found.checkpoint;
  if (keys.current === null || stated.key !== keys.current.id)
    return { ok: false, message: `the checkpoint names key \`${stated.key}\`, which is not in use there` };
  return {
    ok: true,
    claim: {
      publicKey: keys.current.publicKey,
      hash: checkpointHash(stated, hasher),
      signature: found.signature,
      seq: place.seq,
      receipt: place.id,
      step: 'checkpoint',
      message: 'the signature is not one of this checkpoint by its key',
    },
  };
}
