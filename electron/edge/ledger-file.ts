import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Digest, JsonObject, ReceiptId, SessionId, TimeMs } from '../core/brand.ts';
import type { LedgerFault } from '../core/ports.ts';
import { bytesOfHex, hexOfBytes } from '../core/receipt/bytes.ts';
import { type KeyRecord, keyStatementOf } from '../core/receipt/key-epoch.ts';
import type { Receipt, ReceiptBody } from '../core/receipt/receipt.ts';
import { err, ok, type Result } from '../core/result.ts';
import { nodeHasher } from './hasher.ts';

/** The ledger's file: one SQLite database. The signed text is the truth; the other columns repeat parts of it for listings. */

export type LedgerDatabase = Database.Database;

/** "CSN1", so that no other database is mistaken for a ledger. */
const APPLICATION_ID = 0x43534e31;
const SCHEMA_VERSION = 1;

const SCHEMA = `
create table receipts (
  seq integer primary key,
  id text not null unique,
  kind text not null,
  session text,
  at integer not null,
  decision text,
  tool text,
  action text,
  answers text,
  receipt text not null,
  hash blob not null,
  signature blob not null
) strict;
create index receipts_kind on receipts (kind, seq);
create index receipts_at on receipts (at, seq);
create index receipts_session on receipts (session, seq) where session is not null;
create index receipts_decision on receipts (decision, seq) where decision is not null;
create index receipts_tool on receipts (tool, seq) where tool is not null;
create index receipts_answers on receipts (answers) where answers is not null;
create table context (
  session text not null,
  seq integer not null,
  receipt integer not null,
  entry text not null,
  hash blob not null,
  unique (session, seq)
) strict;
create table frontiers (size integer primary key, roots text not null) strict;
create table openings (
  commitment text not null unique,
  receipt integer not null,
  salt text not null,
  value text not null
) strict;
create index openings_receipt on openings (receipt);
create trigger receipts_keep before update on receipts begin select raise(abort, 'receipts are never changed'); end;
create trigger receipts_stay before delete on receipts begin select raise(abort, 'receipts are never deleted'); end;
create trigger context_keep before update on context begin select raise(abort, 'context is never changed'); end;
create trigger context_stay before delete on context begin select raise(abort, 'context is never deleted'); end;
`;

/** Path of the database in a ledger's directory. */
export function ledgerPath(dir: string): string {
  return join(dir, 'ledger.db');
}

/** Why a file could not be used as a ledger. */
export interface FileFault {
  readonly code: 'missing' | 'not_a_ledger' | 'unsupported' | 'unreadable' | 'disk_full' | 'io';
  readonly message: string;
}

/** What an error of SQLite means; null when the error is not SQLite's. */
export function sqliteCode(error: unknown): string | null {
  return error instanceof Database.SqliteError ? error.code : null;
}

/** Turns an error of a write into a fault of the ledger. What is not the disk's doing is a broken ledger. */
export function writeFault(error: unknown): { readonly code: LedgerFault; readonly message: string } {
  const code = sqliteCode(error) ?? 'error';
  const detail = error instanceof Error ? error.message : String(error);
  if (code === 'SQLITE_FULL' || code === 'ENOSPC')
    return { code: 'disk_full', message: `no space is left for the ledger (${detail})` };
  if (code.startsWith('SQLITE_IOERR') || code.startsWith('SQLITE_CANTOPEN') || code === 'SQLITE_READONLY')
    return { code: 'io', message: `the ledger cannot be written (${code}: ${detail})` };
  return { code: 'ledger_broken', message: `the ledger cannot be written (${code}: ${detail})` };
}

function readFault(error: unknown): FileFault {
  const code = sqliteCode(error) ?? 'error';
  const detail = error instanceof Error ? error.message : String(error);
  if (code === 'SQLITE_FULL') return { code: 'disk_full', message: `no space is left (${detail})` };
  if (code === 'SQLITE_NOTADB') return { code: 'not_a_ledger', message: 'the file is not a database' };
  return { code: 'unreadable', message: `the database cannot be read (${code}: ${detail})` };
}

function configure(db: LedgerDatabase): void {
  db.pragma('trusted_schema = off');
  db.pragma('cell_size_check = on');
  db.pragma('temp_store = memory');
  db.pragma('mmap_size = 0');
  // 8 MiB of pages: what is not needed again soon stays on disk, however long the ledger grows.
  db.pragma('cache_size = -8192');
}

const TABLES =
  "select type || ' ' || name || ' ' || sql from sqlite_schema where type in ('table', 'view') order by name";

/** Tables as this version makes them. */
const EXPECTED_TABLES = (() => {
  const db = new Database(':memory:');
  db.exec(SCHEMA);
  const tables = db.prepare(TABLES).pluck().all().join('\n');
  db.close();
  return tables;
})();

function identify(db: LedgerDatabase): FileFault | null {
  if (db.prepare('select count(*) from sqlite_schema').pluck().get() === 0)
    return { code: 'missing', message: 'the file has no tables yet' };
  const application = db.pragma('application_id', { simple: true });
  const version = db.pragma('user_version', { simple: true });
  if (application !== APPLICATION_ID)
    return { code: 'not_a_ledger', message: 'the file is a database, but not a ledger' };
  if (version !== SCHEMA_VERSION)
    return {
      code: 'unsupported',
      message: `the ledger has format ${Number(version)}, and this version reads 1`,
    };
  // A file from elsewhere could call a view `receipts`, and with it make a reader compute for ever.
  if (db.prepare(TABLES).pluck().all().join('\n') !== EXPECTED_TABLES)
    return { code: 'not_a_ledger', message: 'the tables are not those of a ledger' };
  return null;
}

/** Opens a ledger's file to read only; never creates one. */
export function openToRead(path: string): Result<LedgerDatabase, FileFault> {
  if (!existsSync(path)) return err({ code: 'missing', message: `there is no ledger at \`${path}\`` });
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 2000 });
    try {
      configure(db);
      const fault = identify(db);
      if (fault === null) return ok(db);
      db.close();
      return err(fault);
    } catch (error) {
      db.close();
      return err(readFault(error));
    }
  } catch (error) {
    return err(readFault(error));
  }
}

/**
 * Opens a ledger's file to write, creating the tables when it is new.
 * `walBytes` bounds what the write-ahead log keeps on disk after a checkpoint.
 */
export function openToWrite(path: string, walBytes: number): Result<LedgerDatabase, FileFault> {
  try {
    const db = new Database(path, { timeout: 250 });
    try {
      configure(db);
      db.pragma('journal_mode = wal');
      // Durable means on the platter: NORMAL would lose commits that were answered.
      db.pragma('synchronous = full');
      db.pragma(`journal_size_limit = ${walBytes}`);
      if (db.prepare('select count(*) from sqlite_schema').pluck().get() === 0) create(db);
      const fault = identify(db);
      if (fault === null) return ok(db);
      db.close();
      return err(fault);
    } catch (error) {
      db.close();
      return err(readFault(error));
    }
  } catch (error) {
    return err(readFault(error));
  }
}

function create(db: LedgerDatabase): void {
  db.transaction(() => {
    db.exec(SCHEMA);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  })();
}

/** What the columns beside a receipt's text repeat of it. */
export interface ReceiptColumns {
  readonly decision: string | null;
  readonly tool: string | null;
  readonly action: string | null;
  readonly answers: string | null;
}

function textAt(body: JsonObject, ...path: readonly string[]): string | null {
  let value: unknown = body;
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return null;
    value = Reflect.get(value, key);
  }
  return typeof value === 'string' ? value : null;
}

/** Derives the listing columns from a receipt's body; a checker compares them to it. */
export function columnsOf(body: JsonObject): ReceiptColumns {
  return {
    decision: textAt(body, 'decision', 'result'),
    tool: textAt(body, 'action', 'tool'),
    action: textAt(body, 'action', 'id') ?? textAt(body, 'action_id'),
    answers: textAt(body, 'decision_receipt'),
  };
}

/** One row of `receipts`, as SQLite gives it. */
export interface ReceiptRow extends ReceiptColumns {
  readonly seq: number;
  readonly id: string;
  readonly kind: string;
  readonly session: string | null;
  readonly at: number;
  readonly receipt: string;
  readonly hash: Uint8Array;
  readonly signature: Uint8Array;
}

export const RECEIPT_COLUMNS =
  'seq, id, kind, session, at, decision, tool, action, answers, receipt, hash, signature';

/** Makes the row of a receipt that has been linked and signed. */
export function rowOf(receipt: ReceiptBody, text: string, hash: Digest, signature: string): ReceiptRow {
  return {
    seq: receipt.seq,
    id: receipt.id,
    kind: receipt.kind,
    session: receipt.session,
    at: receipt.at,
    ...columnsOf(receipt.body),
    receipt: text,
    hash: bytesOfHex(hash),
    signature: Buffer.from(signature, 'base64url'),
  };
}

/**
 * Reads a row of a ledger this process wrote or has checked. A row of a file from elsewhere goes through `wire/receipt-file`.
 * Throws when the text is not JSON, which a check would have found.
 */
export function receiptOf(row: Pick<ReceiptRow, 'receipt' | 'hash' | 'signature'>): Receipt {
  return {
    receipt: JSON.parse(row.receipt) as ReceiptBody,
    hash: hexOfBytes(row.hash) as Digest,
    signature: Buffer.from(row.signature).toString('base64url'),
  };
}

/** The key that the newest `genesis` or `key` receipt names, unverified; null when there is no ledger yet (R5.k). */
export function recordedKey(dir: string): Result<KeyRecord | null, FileFault> {
  const path = ledgerPath(dir);
  if (!existsSync(path)) return ok(null);
  const opened = openToRead(path);
  // A start that ended before the tables were made left a file and no ledger.
  if (!opened.ok) return opened.error.code === 'missing' ? ok(null) : opened;
  const db = opened.value;
  try {
    return newestKey(db);
  } catch (error) {
    return err(readFault(error));
  } finally {
    db.close();
  }
}

/** The latest time that any receipt bears, below which a clock must not start; null when there is no ledger to read. */
export function recordedTime(dir: string): TimeMs | null {
  const opened = openToRead(ledgerPath(dir));
  if (!opened.ok) return null;
  try {
    const at = opened.value.prepare('select max(at) from receipts').pluck().get();
    return typeof at === 'number' ? at : null;
  } catch {
    // A ledger that cannot be read is refused when it is opened; here it only has no time to tell.
    return null;
  } finally {
    opened.value.close();
  }
}

/** The key that signs the next receipt of an open ledger; null when the ledger is empty. */
export function newestKey(db: LedgerDatabase): Result<KeyRecord | null, FileFault> {
  const row = db
    .prepare("select kind, receipt from receipts where kind in ('genesis', 'key') order by seq desc limit 1")
    .get() as { readonly kind: 'genesis' | 'key'; readonly receipt: string } | undefined;
  if (row === undefined) return ok(null);
  const unreadable: FileFault = { code: 'unreadable', message: 'the newest key receipt cannot be read' };
  try {
    const { body } = JSON.parse(row.receipt) as ReceiptBody;
    const statement = keyStatementOf(row.kind, body, nodeHasher);
    return statement === null ? err(unreadable) : ok(statement.key);
  } catch {
    return err(unreadable);
  }
}

/** Identifiers of receipts grow with the ledger, so that their index does too at its end. `token` is 9 random bytes. */
export function receiptIdOf(seq: number, token: string): ReceiptId {
  return `rct_${seq.toString(36).padStart(8, '0')}_${token}` as ReceiptId;
}

/** Where a session's context stands in the file. */
export function contextHeadOf(
  db: LedgerDatabase,
  session: SessionId,
): { readonly length: number; readonly head: Digest } | null {
  const row = db
    .prepare('select seq, hash from context where session = ? order by seq desc limit 1')
    .get(session) as { readonly seq: number; readonly hash: Uint8Array } | undefined;
  return row === undefined ? null : { length: row.seq + 1, head: hexOfBytes(row.hash) as Digest };
}
