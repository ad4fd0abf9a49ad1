import { join } from 'node:path';
import Database from 'better-sqlite3';
import { err, ok, type Result } from '../core/result.ts';
import { sqliteCode } from './ledger-file.ts';

/** One writer: an exclusive lock that the operating system lets go when its holder dies, however it dies. */
export interface LedgerLock {
  release(): void;
}

/**
 * Takes the lock of a ledger's directory. The lock is SQLite's own, on an empty database beside the ledger: node has no flock, and a
 * file with a process id in it outlives its process. The ledger itself stays open to readers.
 */
export function lockLedger(
  dir: string,
): Result<LedgerLock, { readonly code: 'locked' | 'io'; readonly message: string }> {
  const path = join(dir, 'ledger.lock');
  try {
    const db = new Database(path, { timeout: 0 });
    try {
      db.pragma('journal_mode = delete');
      db.exec('begin exclusive');
      return ok({ release: () => db.close() });
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    const code = sqliteCode(error);
    if (code?.startsWith('SQLITE_BUSY') === true)
      return err({ code: 'locked', message: `another process has the ledger in \`${dir}\` open` });
    return err({ code: 'io', message: `\`${path}\` cannot be locked (${code ?? 'error'})` });
  }
}
