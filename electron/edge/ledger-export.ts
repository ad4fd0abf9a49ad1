import type { Digest, Json, SessionId } from '../core/brand.ts';
import type { ContextEntry } from '../core/context.ts';
import type { BundleLine, BundleScope, ReceiptLine } from '../core/receipt/bundle.ts';
import { hexOfBytes } from '../core/receipt/bytes.ts';
import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import { commitmentsIn } from '../core/receipt/commitment.ts';
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  leafOf,
  type SubtreeRoot,
  subtreeRoots,
} from '../core/receipt/merkle.ts';
import { checkpointIn } from '../core/receipt/walk.ts';
import { err, ok, type Result } from '../core/result.ts';
import { bundleLine, parseContextText, parseReceiptText } from '../wire/receipt-file.ts';
import { nodeHasher } from './hasher.ts';
import {
  type FileFault,
  type LedgerDatabase,
  ledgerPath,
  openToRead,
  RECEIPT_COLUMNS,
  type ReceiptRow,
} from './ledger-file.ts';

export interface ExportOptions {
  readonly dir: string;
  readonly scope: BundleScope;
  /** A checkpoint signed for this export; without one (no daemon) the newest in the ledger is used, and covers what it covers. */
  readonly checkpoint?: Checkpoint;
  readonly context?: boolean;
  /** Whether committed values are opened; by default they stay closed. */
  readonly openings?: boolean;
  /** Sizes of earlier checkpoints from which to prove consistency. */
  readonly since?: readonly number[];
}

export interface ExportFault {
  readonly code: FileFault['code'] | 'no_checkpoint' | 'damaged' | 'nothing';
  readonly message: string;
}

const PAGE = 256;

/** Raised inside the export when the ledger itself is not what it should be; never leaves this module. */
class Damaged extends Error {}

/**
 * Exports part or all of a ledger as lines of a bundle, each with its line end (AARM R5.h, R5.k).
 * What is damaged is not exported as evidence: the lines end with a fault, and `checkLedger` says where.
 */
export function* exportLedger(options: ExportOptions): Generator<string, Result<ExportCounts, ExportFault>> {
  const opened = openToRead(ledgerPath(options.dir));
  if (!opened.ok) return opened;
  const db = opened.value;
  try {
    return yield* exportFrom(db, options);
  } catch (error) {
    if (error instanceof Damaged) return err({ code: 'damaged', message: error.message });
    throw error;
  } finally {
    db.close();
  }
}

export interface ExportCounts {
  readonly receipts: number;
  readonly context: number;
  readonly openings: number;
  /** Receipts in scope that the checkpoint does not cover; only without a daemon. */
  readonly uncovered: number;
}

function* exportFrom(
  db: LedgerDatabase,
  options: ExportOptions,
): Generator<string, Result<ExportCounts, ExportFault>> {
  const { scope, context = true, openings = false } = options;
  const checkpoint = options.checkpoint ?? newestCheckpoint(db);
  if (checkpoint === null)
    return err({
      code: 'no_checkpoint',
      message: 'the ledger has no checkpoint yet: start the daemon, which makes one',
    });
  const { size, ledger } = checkpoint.checkpoint;
  const rows = scopeRows(db, scope);
  const uncovered = rows.countFrom(size);
  const whole = scope.kind === 'all';
  const root = whole && (options.since ?? []).length === 0 ? null : treeOf(db, size);
  yield line({ type: 'header', v: 1, ledger, scope, context, openings });
  yield line({ type: 'checkpoint', ...checkpoint });
  for (const earlier of options.since ?? []) {
    if (root === null || earlier < 1 || earlier > size) continue;
    const proof = earlier === size ? [] : consistencyProof(earlier, size, root);
    yield line({ type: 'consistency', size: earlier, root: root(0, earlier), proof });
  }
  const contexts = contextLines(db);
  const opened = openingLines(db);
  const counts = { receipts: 0, context: 0, openings: 0 };
  for (const row of rows.below(size)) {
    const parsed = receiptLine(row);
    if (context && parsed.receipt.session !== null && parsed.receipt.context !== undefined)
      for (const entry of contexts(parsed.receipt.session, parsed.receipt.context.length)) {
        counts.context += 1;
        yield line({ type: 'context', session: parsed.receipt.session, entry });
      }
    counts.receipts += 1;
    yield line(whole || root === null ? parsed : { ...parsed, proof: inclusionProof(row.seq, size, root) });
    if (!openings) continue;
    for (const opening of opened(row.seq, parsed.receipt.body, context)) {
      counts.openings += 1;
      yield line(opening);
    }
  }
  yield line({ type: 'end', ...counts });
  if (counts.receipts === 0) return err({ code: 'nothing', message: 'there is no receipt in that scope' });
  return ok({ ...counts, uncovered });
}

function line(value: BundleLine): string {
  return `${bundleLine(value)}\n`;
}

function newestCheckpoint(db: LedgerDatabase): Checkpoint | null {
  const text = db
    .prepare("select receipt from receipts where kind = 'checkpoint' order by seq desc limit 1")
    .pluck()
    .get();
  const parsed = typeof text === 'string' ? parseReceiptText(text) : null;
  return parsed?.ok === true ? checkpointIn(parsed.value.body) : null;
}

/** Subtree roots over the first `size` receipts: 64 bytes of memory for each, once per export. */
function treeOf(db: LedgerDatabase, size: number): SubtreeRoot {
  const leaves: Digest[] = [];
  const rows = db
    .prepare('select seq, hash, signature from receipts where seq < ? order by seq')
    .iterate(size);
  for (const row of rows as Iterable<Pick<ReceiptRow, 'seq' | 'hash' | 'signature'>>) {
    if (row.seq !== leaves.length) throw new Damaged(`receipt ${leaves.length} is missing`);
    const hash = hexOfBytes(row.hash) as Digest;
    const signature = Buffer.from(row.signature).toString('base64url');
    leaves.push(leafHash(leafOf({ hash, signature }), nodeHasher));
  }
  if (leaves.length !== size) throw new Damaged(`receipts ${leaves.length} to ${size - 1} are missing`);
  return subtreeRoots((at) => {
    const leaf = leaves[at];
    if (leaf === undefined) throw new Error(`no leaf ${at}`);
    return leaf;
  }, nodeHasher);
}

interface ScopeRows {
  below(size: number): Generator<ReceiptRow>;
  countFrom(size: number): number;
}

/** The receipts of a scope; in part of a ledger, the receipts that name its keys come with it. */
function scopeRows(db: LedgerDatabase, scope: BundleScope): ScopeRows {
  const [condition, values] = conditionOf(scope);
  const page = db.prepare(
    `select ${RECEIPT_COLUMNS} from receipts where seq >= ? and seq < ? and ${condition} order by seq limit ${PAGE}`,
  );
  const count = db.prepare(`select count(*) from receipts where seq >= ? and ${condition}`).pluck();
  return {
    *below(size) {
      for (let from = 0; ; ) {
        const rows = page.all(from, size, ...values) as readonly ReceiptRow[];
        yield* rows;
        const last = rows.at(-1);
        if (last === undefined) return;
        from = last.seq + 1;
      }
    },
    countFrom: (size) => Number(count.get(size, ...values)),
  };
}

function conditionOf(scope: BundleScope): readonly [string, readonly (string | number)[]] {
  switch (scope.kind) {
    case 'all':
      return ['true', []];
    case 'session':
      return ["(session = ? or kind in ('genesis', 'key'))", [scope.session]];
    case 'time':
      return ["(at between ? and ? or kind in ('genesis', 'key'))", [scope.from, scope.to]];
    default:
      return scope satisfies never;
  }
}

function receiptLine(row: ReceiptRow): ReceiptLine {
  const parsed = parseReceiptText(row.receipt);
  if (!parsed.ok) throw new Damaged(`receipt ${row.seq} cannot be read: ${parsed.error.message}`);
  const hash = hexOfBytes(row.hash) as Digest;
  return {
    type: 'receipt',
    receipt: parsed.value,
    hash,
    signature: Buffer.from(row.signature).toString('base64url'),
  };
}

/** Gives a session's entries up to `length`, each once over the whole export. */
function contextLines(db: LedgerDatabase): (session: SessionId, length: number) => Generator<ContextEntry> {
  const given = new Map<SessionId, number>();
  const page = db.prepare(
    `select seq, entry, hash from context where session = ? and seq >= ? and seq < ? order by seq limit ${PAGE}`,
  );
  return function* (session, length) {
    for (;;) {
      const from = given.get(session) ?? 0;
      if (from >= length) return;
      const rows = page.all(session, from, length) as readonly {
        readonly seq: number;
        readonly entry: string;
        readonly hash: Uint8Array;
      }[];
      if (rows.length === 0) throw new Damaged(`context entry ${from} of session \`${session}\` is missing`);
      for (const row of rows) {
        const entry = parseContextText(row.entry, hexOfBytes(row.hash) as Digest);
        if (!entry.ok) throw new Damaged(`context entry ${row.seq} of session \`${session}\` cannot be read`);
        given.set(session, row.seq + 1);
        yield entry.value;
      }
    }
  };
}

type OpeningLineOf = Extract<BundleLine, { type: 'opening' }>;

function openingLines(
  db: LedgerDatabase,
): (seq: number, body: Json, withContext: boolean) => readonly OpeningLineOf[] {
  const at = db.prepare('select commitment, salt, value from openings where receipt = ? order by commitment');
  return (seq, body, withContext) => {
    const rows = at.all(seq) as readonly {
      readonly commitment: Digest;
      readonly salt: string;
      readonly value: string;
    }[];
    if (rows.length === 0) return [];
    const inBody = new Set(commitmentsIn(body));
    return rows
      .filter(({ commitment }) => withContext || inBody.has(commitment))
      .map(({ commitment, salt, value }) => ({
        type: 'opening',
        commitment,
        salt,
        value: JSON.parse(value) as Json,
      }));
  };
}
