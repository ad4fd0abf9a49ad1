import type { JsonObject, ReceiptId, SessionId, TimeMs } from '../core/brand.ts';
import type { ContextEntry } from '../core/context.ts';
import { hexOfBytes } from '../core/receipt/bytes.ts';
import type { Receipt, ReceiptKind } from '../core/receipt/receipt.ts';
import { ok, type Result } from '../core/result.ts';
import {
  type FileFault,
  type LedgerDatabase,
  ledgerPath,
  openToRead,
  RECEIPT_COLUMNS,
  type ReceiptRow,
  receiptOf,
} from './ledger-file.ts';

/** Which receipts; absent members do not narrow. */
export interface ReceiptFilter {
  readonly session?: SessionId;
  readonly decision?: string;
  readonly kind?: ReceiptKind;
  readonly tool?: string;
  /** Times, both included. */
  readonly since?: TimeMs;
  readonly until?: TimeMs;
}

/** A page: `before` is exclusive and for going back from the newest, `after` for going forward. */
export interface ReceiptPage {
  readonly limit: number;
  readonly before?: number;
  readonly after?: number;
}

/** A session as its receipts tell it. */
export interface SessionLine {
  readonly session: SessionId;
  readonly receipts: number;
  readonly firstAt: TimeMs;
  readonly lastAt: TimeMs;
}

/** Reads a ledger while a daemon writes it, or when none runs. What it shows is not verified: `checkLedger` does that. */
export interface LedgerReader {
  size(): number;
  /** Receipts that fit, newest first, or oldest first when `after` is given. */
  list(filter: ReceiptFilter, page: ReceiptPage): readonly Receipt[];
  /** One receipt, by id or place; null when there is none. */
  show(which: ReceiptId | number): Receipt | null;
  /** Receipts that answer a decision: its approval, deferral and outcome. */
  answers(decision: ReceiptId): readonly Receipt[];
  /** Entries of a session's context, oldest first. */
  context(session: SessionId, from: number, limit: number): readonly ContextEntry[];
  /** Sessions, the most recently active first. */
  sessions(limit: number): readonly SessionLine[];
  /** Yields receipts as they are written, oldest first, until aborted. */
  follow(filter: ReceiptFilter, options: FollowOptions): AsyncGenerator<Receipt>;
  close(): void;
}

export interface FollowOptions {
  /** Place after which to begin; -1 for all. */
  readonly after: number;
  readonly signal: AbortSignal;
  readonly pollMs?: number;
}

const POLL_MS = 200;
const FOLLOW_PAGE = 200;
const MAX_PAGE = 1000;

/** Opens the ledger in `dir` to read, without the daemon. */
export function openLedgerReader(dir: string): Result<LedgerReader, FileFault> {
  const opened = openToRead(ledgerPath(dir));
  return opened.ok ? ok(readerOf(opened.value)) : opened;
}

interface Narrowed {
  readonly where: string;
  readonly values: readonly (string | number)[];
}

function narrow(filter: ReceiptFilter, page: Omit<ReceiptPage, 'limit'>): Narrowed {
  const parts: (readonly [string, string | number | undefined])[] = [
    ['session = ?', filter.session],
    ['decision = ?', filter.decision],
    ['kind = ?', filter.kind],
    ['tool = ?', filter.tool],
    ['at >= ?', filter.since],
    ['at <= ?', filter.until],
    ['seq < ?', page.before],
    ['seq > ?', page.after],
  ];
  const given = parts.filter((part): part is readonly [string, string | number] => part[1] !== undefined);
  const where = given.length === 0 ? '' : `where ${given.map(([condition]) => condition).join(' and ')}`;
  return { where, values: given.map(([, value]) => value) };
}

function readerOf(db: LedgerDatabase): LedgerReader {
  const list: LedgerReader['list'] = (filter, page) => {
    const { where, values } = narrow(filter, page);
    const order = page.after === undefined ? 'desc' : 'asc';
    const limit = Math.max(0, Math.min(MAX_PAGE, Math.trunc(page.limit)));
    const rows = db
      .prepare(`select ${RECEIPT_COLUMNS} from receipts ${where} order by seq ${order} limit ${limit}`)
      .all(...values) as readonly ReceiptRow[];
    return rows.map(receiptOf);
  };
  const size = () => Number(db.prepare('select max(seq) + 1 from receipts').pluck().get() ?? 0);
  return {
    size,
    list,
    show(which) {
      const column = typeof which === 'number' ? 'seq' : 'id';
      const row = db.prepare(`select ${RECEIPT_COLUMNS} from receipts where ${column} = ?`).get(which);
      return row === undefined ? null : receiptOf(row as ReceiptRow);
    },
    answers(decision) {
      const rows = db
        .prepare(`select ${RECEIPT_COLUMNS} from receipts where answers = ? order by seq limit ${MAX_PAGE}`)
        .all(decision) as readonly ReceiptRow[];
      return rows.map(receiptOf);
    },
    context(session, from, limit) {
      const rows = db
        .prepare('select entry, hash from context where session = ? and seq >= ? order by seq limit ?')
        .all(session, from, Math.min(MAX_PAGE, limit)) as readonly {
        readonly entry: string;
        readonly hash: Uint8Array;
      }[];
      return rows.map(({ entry, hash }) => {
        const place = JSON.parse(entry) as JsonObject;
        return { ...place, hash: hexOfBytes(hash) } as unknown as ContextEntry;
      });
    },
    sessions: (limit) =>
      db
        .prepare(
          `select session, count(*) as receipts, min(at) as firstAt, max(at) as lastAt from receipts
           where session is not null group by session order by max(seq) desc limit ?`,
        )
        .all(Math.min(MAX_PAGE, limit)) as readonly SessionLine[],
    async *follow(filter, { after, signal, pollMs = POLL_MS }) {
      let from = after;
      let version = -1;
      while (!signal.aborted) {
        // The version is read before the rows: what comes between is seen next time, never missed.
        const now = Number(db.pragma('data_version', { simple: true }));
        if (now === version) {
          await pause(pollMs, signal);
          continue;
        }
        const end = size();
        const rows = list(filter, { limit: FOLLOW_PAGE, after: from });
        for (const receipt of rows) {
          from = receipt.receipt.seq;
          yield receipt;
          if (signal.aborted) return;
        }
        if (rows.length < FOLLOW_PAGE) {
          from = Math.max(from, end - 1);
          version = now;
        }
      }
    },
    close: () => db.close(),
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
