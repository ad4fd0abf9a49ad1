import { existsSync } from 'node:fs';
import type { Clock, Hasher, Random } from '../core/ports.ts';
import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import type { Walk } from '../core/receipt/walk.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { HeadStore } from './head-store.ts';
import type { SigningKeys } from './keys.ts';
import { type LedgerDatabase, ledgerPath, newestKey, openToWrite } from './ledger-file.ts';
import { checkTail } from './ledger-tail.ts';

/** How large and how often; each has a default. */
export interface LedgerLimits {
  /** Receipts between checkpoints: the work of a start, and of an inclusion proof's tail. */
  readonly checkpointEvery: number;
  /** Receipts in one commit. */
  readonly maxBatch: number;
  /** Drafts that may wait; more are refused. */
  readonly maxQueue: number;
  readonly maxReceiptBytes: number;
  /** What the write-ahead log may keep on disk. */
  readonly walBytes: number;
  /** At most this often is the head written outside. */
  readonly headEveryMs: number;
  /** At most this often is a broken ledger tried again. */
  readonly retryMs: number;
}

export const DEFAULT_LIMITS: LedgerLimits = {
  checkpointEvery: 1024,
  maxBatch: 128,
  maxQueue: 8192,
  maxReceiptBytes: 4 * 1024 * 1024,
  walBytes: 16 * 1024 * 1024,
  headEveryMs: 500,
  retryMs: 500,
};

export interface LedgerOptions {
  readonly dir: string;
  readonly headStore: HeadStore;
  readonly keys: SigningKeys;
  readonly clock: Clock;
  readonly hasher: Hasher;
  readonly random: Random;
  readonly limits?: Partial<LedgerLimits>;
  /**
   * `require` (default): a ledger whose head is missing outside is refused. `reset`: the person said to go on without it;
   * the ledger records that they did.
   */
  readonly missingHead?: 'require' | 'reset';
}

/** Why a ledger was not opened. Until it is, every decision is DENY. */
export interface LedgerOpenFault {
  readonly code:
    | 'locked'
    | 'missing'
    | 'head_missing'
    | 'head_unreadable'
    | 'rolled_back'
    | 'tampered'
    | 'unreadable'
    | 'unsupported'
    | 'key_unavailable'
    | 'disk_full'
    | 'io';
  readonly message: string;
}

/** A ledger that was read and found good to continue. */
export interface Begun {
  readonly db: LedgerDatabase;
  readonly walk: Walk;
  readonly outside: Checkpoint | null;
  readonly reset: boolean;
}

/** Everything that is read and judged before the first write (failure table: corrupt, truncated, rolled back). */
export async function beginLedger(
  options: LedgerOptions,
  limits: LedgerLimits,
): Promise<Result<Begun, LedgerOpenFault>> {
  const { dir, headStore, keys, missingHead = 'require' } = options;
  const head = await headStore.read();
  if (!head.ok) return err({ code: 'head_unreadable', message: head.error.message });
  const path = ledgerPath(dir);
  if (head.value !== null && !existsSync(path)) return err(gone(head.value, headStore));
  const db = openToWrite(path, limits.walBytes);
  if (!db.ok) {
    const code = db.error.code === 'not_a_ledger' ? 'unreadable' : db.error.code;
    return err({ code, message: db.error.message });
  }
  const refuse = (fault: LedgerOpenFault) => {
    db.value.close();
    return err(fault);
  };
  const walk = checkTail(db.value, head.value);
  if (!walk.ok) {
    // Nothing at all where there was something is its own case: the file was taken away.
    if (head.value !== null && walk.error.code !== 'unreadable' && isEmpty(db.value))
      return refuse(gone(head.value, headStore));
    return refuse({ code: walk.error.code, message: walk.error.message });
  }
  // A start that ended between the first receipt and the first head leaves one receipt and no head; nothing is lost by going on.
  const reset = head.value === null && walk.value.size > 1;
  if (reset && missingHead === 'require')
    return refuse({
      code: 'head_missing',
      message: `the ledger has ${walk.value.size} receipts, and its head is not in ${headStore.place}: whether any were removed cannot be known`,
    });
  const recorded = newestKey(db.value);
  if (!recorded.ok) return refuse({ code: 'tampered', message: recorded.error.message });
  const { value: key } = recorded;
  if (key !== null && key.id !== keys.keyId && key.kept !== 'memory')
    return refuse({
      code: 'key_unavailable',
      message: `the ledger is sealed by key \`${key.id}\`, kept in the ${key.kept}, and key \`${keys.keyId}\` was given`,
    });
  return ok({ db: db.value, walk: walk.value, outside: head.value, reset });
}

function gone(head: Checkpoint, store: HeadStore): LedgerOpenFault {
  return {
    code: 'missing',
    message: `the ledger is gone; ${store.place} knows of ${head.checkpoint.size} receipts`,
  };
}

function isEmpty(db: LedgerDatabase): boolean {
  return db.prepare('select count(*) from receipts').pluck().get() === 0;
}
