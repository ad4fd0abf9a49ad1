import type { Digest } from '../core/brand.ts';
import { isDigest } from '../core/brand.ts';
import { hexOfBytes } from '../core/receipt/bytes.ts';
import { signedBytes } from '../core/receipt/chain.ts';
import { type Checkpoint, verifyCheckpoint } from '../core/receipt/checkpoint.ts';
import type { Finding, SignatureClaim } from '../core/receipt/finding.ts';
import { type KeyRecord, keyStatementOf } from '../core/receipt/key-epoch.ts';
import { type KeyHistory, NO_KEYS } from '../core/receipt/key-history.ts';
import { type Frontier, isFrontier, rootOf } from '../core/receipt/merkle.ts';
import type { ReceiptBody } from '../core/receipt/receipt.ts';
import { checkpointIn, placeReceipt, WALK_START, type Walk } from '../core/receipt/walk.ts';
import { err, ok, type Result } from '../core/result.ts';
import { nodeVerifier } from './ed25519.ts';
import { nodeHasher } from './hasher.ts';
import { type LedgerDatabase, RECEIPT_COLUMNS, type ReceiptRow, receiptOf } from './ledger-file.ts';

/** What the quick check at open found wrong. */
export interface TailFault {
  readonly code: 'tampered' | 'rolled_back' | 'unreadable';
  readonly message: string;
  readonly finding: Finding | null;
}

const ports = { hasher: nodeHasher, verifier: nodeVerifier() };

function tampered(message: string, finding: Finding | null = null): TailFault {
  return { code: 'tampered', message, finding };
}

/**
 * The check at every start: the newest checkpoint's signature and root, every receipt since, and the head that is kept
 * outside (failure table: truncated, rolled back). Costs one checkpoint interval, whatever the ledger's size;
 * `checkLedger` is the whole check.
 */
export function checkTail(db: LedgerDatabase, head: Checkpoint | null): Result<Walk, TailFault> {
  try {
    const start = walkFromCheckpoint(db);
    if (!start.ok) return start;
    const end = walkToEnd(db, start.value, head);
    if (!end.ok || head === null) return end;
    const fault = headFault(db, end.value, head);
    return fault === null ? end : err(fault);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return err({ code: 'unreadable', message: `the ledger cannot be read (${message})`, finding: null });
  }
}

/** The keys named before `seq`, from the key receipts alone; the whole check walks all of them in order. */
function keysBefore(db: LedgerDatabase, seq: number): KeyHistory | null {
  const rows = db
    .prepare(
      "select seq, kind, receipt from receipts where kind in ('genesis', 'key') and seq < ? order by seq",
    )
    .all(seq) as readonly {
    readonly seq: number;
    readonly kind: 'genesis' | 'key';
    readonly receipt: string;
  }[];
  const retired = new Map<string, number>();
  let ledger: string | null = null;
  let current: KeyRecord | null = null;
  for (const row of rows) {
    const { body } = JSON.parse(row.receipt) as ReceiptBody;
    const statement = keyStatementOf(row.kind, body, nodeHasher);
    if (statement === null) return null;
    if (statement.event === 'genesis') ledger = statement.ledger;
    if (current !== null) retired.set(current.id, row.seq);
    current = statement.key;
  }
  return current === null ? NO_KEYS : { ledger, current, retired, breaks: [] };
}

function walkFromCheckpoint(db: LedgerDatabase): Result<Walk, TailFault> {
  const row = db
    .prepare("select seq, receipt from receipts where kind = 'checkpoint' order by seq desc limit 1")
    .get() as { readonly seq: number; readonly receipt: string } | undefined;
  if (row === undefined) return ok(WALK_START);
  const found = checkpointIn((JSON.parse(row.receipt) as ReceiptBody).body);
  const keys = keysBefore(db, row.seq);
  if (found === null || keys === null || keys.current === null)
    return err(tampered(`the checkpoint at receipt ${row.seq} cannot be read`));
  if (!verifyCheckpoint(found, keys.current.publicKey, ports))
    return err(tampered(`the checkpoint at receipt ${row.seq} is not signed by the key in use`));
  const frontier = frontierOf(db, row.seq);
  if (frontier === null || rootOf(frontier, nodeHasher) !== found.checkpoint.root)
    return err(tampered(`the tree kept for receipt ${row.seq} does not have the root of its checkpoint`));
  const { head, at } = found.checkpoint;
  return ok({ size: row.seq, prev: head, frontier, keys, at });
}

function frontierOf(db: LedgerDatabase, size: number): Frontier | null {
  const text = db.prepare('select roots from frontiers where size = ?').pluck().get(size);
  if (typeof text !== 'string') return null;
  const roots = text === '' ? [] : text.split(' ');
  if (!roots.every(isDigest)) return null;
  const frontier = { size, roots };
  return isFrontier(frontier) ? frontier : null;
}

/** Writes a frontier for the `frontiers` table. */
export function frontierText(frontier: Frontier): string {
  return frontier.roots.join(' ');
}

function falseClaim(claims: readonly SignatureClaim[]): SignatureClaim | null {
  return (
    claims.find(
      (claim) => !ports.verifier.verify(claim.publicKey, signedBytes(claim.hash), claim.signature),
    ) ?? null
  );
}

function walkToEnd(db: LedgerDatabase, start: Walk, head: Checkpoint | null): Result<Walk, TailFault> {
  let walk = start;
  const rows = db
    .prepare(`select ${RECEIPT_COLUMNS} from receipts where seq >= ? order by seq`)
    .iterate(start.size) as Iterable<ReceiptRow>;
  for (const row of rows) {
    const receipt = receiptOf(row);
    if (nodeHasher.sha256(row.receipt) !== receipt.hash)
      return err(tampered(`receipt ${row.seq} is not what was hashed`));
    const step = placeReceipt(walk, receipt, nodeHasher);
    const finding = step.findings.find((one) => one.severity === 'fault');
    if (finding !== undefined) return err(tampered(`receipt ${row.seq}: ${finding.message}`, finding));
    const claim = falseClaim(step.claims);
    if (claim !== null) return err(tampered(`receipt ${row.seq}: ${claim.message}`));
    walk = step.walk;
    if (head !== null && walk.frontier !== null && walk.size === head.checkpoint.size) {
      if (rootOf(walk.frontier, nodeHasher) !== head.checkpoint.root)
        return err(tampered(`the first ${walk.size} receipts are not those of the head kept outside`));
    }
  }
  return ok(walk);
}

function hashAt(db: LedgerDatabase, seq: number): Digest | null {
  const hash = db.prepare('select hash from receipts where seq = ?').pluck().get(seq);
  return hash instanceof Uint8Array ? (hexOfBytes(hash) as Digest) : null;
}

/** What the head kept outside says against the ledger; null when the ledger continues it. */
function headFault(db: LedgerDatabase, walk: Walk, head: Checkpoint): TailFault | null {
  const { ledger, size, head: hash, key } = head.checkpoint;
  if (ledger !== walk.keys.ledger)
    return tampered(`the head kept outside is of another ledger, \`${ledger}\``);
  if (size > walk.size)
    return {
      code: 'rolled_back',
      message: `the ledger has ${walk.size} receipts, and the head kept outside was made of ${size}`,
      finding: null,
    };
  if (hashAt(db, size - 1) !== hash)
    return tampered(`receipt ${size - 1} is not the one that the head kept outside was made of`);
  const keys = keysBefore(db, size);
  if (keys?.current?.id !== key || !verifyCheckpoint(head, keys.current.publicKey, ports))
    return tampered('the head kept outside is not signed by the key that was in use');
  return null;
}
