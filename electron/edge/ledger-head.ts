import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import type { HeadStore } from './head-store.ts';

/** Keeps the head outside the database up to date: after each batch, but not more often than `everyMs`. */
export interface HeadKeeper {
  /** Lets the head be written soon. */
  touch(): void;
  /** Writes it now, when it is not there yet. */
  write(): Promise<void>;
  stop(): void;
  /** Size of the newest head known to be outside. */
  size(): number;
  /** Why it could not be written; null when it could. */
  problem(): string | null;
}

export interface HeadParts {
  readonly store: HeadStore;
  readonly everyMs: number;
  readonly size: number;
  /** Size of the ledger as it is now. */
  readonly ledgerSize: () => number;
  /** Signs the ledger as it is now. */
  readonly checkpoint: () => Checkpoint;
  /** False when there is nothing sound to write a head of; asked before each. */
  readonly isSound: () => boolean;
}

/** INVARIANT (commit, then head): a head is made of what is durable; the other way round a crash would look like a truncation. */
export function headKeeper(parts: HeadParts): HeadKeeper {
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();
  let { size } = parts;
  let problem: string | null = null;

  async function writeOnce(): Promise<void> {
    if (parts.ledgerSize() === size) return;
    const head = parts.checkpoint();
    const written = await parts.store.write(head);
    problem = written.ok ? null : written.error.message;
    if (written.ok) size = head.checkpoint.size;
  }

  const write = () => {
    writing = writing.then(writeOnce);
    return writing;
  };
  return {
    touch() {
      if (timer !== null) return;
      timer = setTimeout(() => {
        timer = null;
        if (parts.isSound()) void write();
      }, parts.everyMs);
      timer.unref();
    },
    write,
    stop() {
      if (timer !== null) clearTimeout(timer);
    },
    size: () => size,
    problem: () => problem,
  };
}
