import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../core/brand.ts';
import { LEVELS } from '../core/context.ts';
import { MARK_BYTES } from '../core/data/fingerprint.ts';
import type { DataSource, FlowStore } from '../core/data/flow.ts';
import {
  bestSource,
  flowsOf,
  newOwners,
  ownerOfSet,
  ownerWith,
  sourceNumber,
} from '../core/data/flow-owners.ts';
import {
  eachMark,
  eachOwner,
  emptyIndex,
  holdsMark,
  joinIndex,
  type MarkIndex,
  newTable,
  ownerAt,
  ownerIn,
  ownerInTable,
  setOwner,
} from '../core/data/mark-index.ts';
import { err, ok, type Result } from '../core/result.ts';
import { KEY_NAME_BYTES, logRecord, readBase, readLog, writeAll, writeBase } from './fingerprint-file.ts';
import { lockLedger } from './ledger-lock.ts';

export interface FingerprintStoreOptions {
  /** A folder of its own; made when it is not there. */
  readonly directory: string;
  /** 16 bytes of the keychain. Under another key nothing that is stored means anything: it starts anew. */
  readonly key: Uint8Array;
  /** Digest of the filter of common text that marks were made with. */
  readonly common: Digest;
  /** Marks kept at most: about 5 bytes of disk and 7 of memory each. By default 24 million, 500 MB of read text or so. */
  readonly maxMarks?: number;
  /** How long something remembered may wait for the disk: what a crash loses. */
  readonly flushMs?: number;
  /** New marks after which the base is made anew. */
  readonly compactAt?: number;
  /** Told what went wrong in words for people: a file set aside, a full disk. */
  readonly say?: (message: string) => void;
}

export interface FingerprintStore extends FlowStore {
  /** Everything remembered is on disk when it returns true. */
  flush(): boolean;
  /** Joins what is new into the base file. */
  compact(): Promise<void>;
  readonly size: () => { readonly marks: number; readonly sources: number };
}

const DEFAULT_MAX_MARKS = 24_000_000;
const DEFAULT_FLUSH_MS = 1000;
const DEFAULT_COMPACT_AT = 400_000;
/** What waits for a disk that is full; past it the oldest is forgotten by the log, and only the next base has it. */
const MOST_PENDING = 32 * 1024 * 1024;

/**
 * Opens the fingerprints of what was read (AARM R2.b; port `FlowStore`), kept across sessions and restarts. A base file and a log beside it: `remember`
 * changes memory at once and the log within `flushMs`; a crash loses at most that. A torn end of the log is dropped; a file that is not as it was written is set
 * aside beside it and said, and the rest goes on. One process at a time.
 */
export function openFingerprintStore(
  options: FingerprintStoreOptions,
): Result<FingerprintStore, { readonly code: 'locked' | 'io'; readonly message: string }> {
  const { directory } = options;
  const say = options.say ?? (() => undefined);
  const maxMarks = options.maxMarks ?? DEFAULT_MAX_MARKS;
  const basePath = join(directory, 'flows.base');
  const logPath = join(directory, 'flows.log');
  const keyName = createHash('sha256')
    .update('countersign fingerprint key\0')
    .update(options.key)
    .digest()
    .subarray(0, KEY_NAME_BYTES);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    return err({
      code: 'io',
      message: `\`${directory}\` cannot be made (${(error as NodeJS.ErrnoException).code})`,
    });
  }
  const lock = lockLedger(directory);
  if (!lock.ok)
    return err({
      code: lock.error.code,
      message:
        lock.error.code === 'locked'
          ? `another process has the fingerprints in \`${directory}\` open`
          : lock.error.message,
    });

  const setAside = (path: string, why: string): void => {
    const aside = `${path}.aside`;
    try {
      renameSync(path, aside);
      say(`\`${path}\` ${why}; it was set aside as \`${aside}\``);
    } catch (error) {
      say(`\`${path}\` ${why}, and cannot be set aside (${(error as NodeJS.ErrnoException).code})`);
    }
  };

  let owners = newOwners();
  let index: MarkIndex = emptyIndex();
  let recent = newTable();
  /** What is being joined into the base meanwhile. */
  let frozen = newTable();

  const holder = (bucket: number, rest: number): number => {
    const first = ownerInTable(recent, bucket, rest);
    if (first >= 0) return first;
    const second = ownerInTable(frozen, bucket, rest);
    return second >= 0 ? second : ownerIn(index, bucket, rest);
  };

  /** Adds to memory; the marks that changed anything. */
  const add = (source: DataSource, marks: Uint8Array): Uint8Array => {
    const number = sourceNumber(owners, source);
    // Neighbours mostly had the same owner.
    const known = new Map<number, number>();
    const changed = new Uint8Array(marks.length - (marks.length % MARK_BYTES));
    let read = 0;
    let n = 0;
    eachMark(marks, (bucket, rest) => {
      const before = holder(bucket, rest);
      const owner = known.get(before) ?? ownerWith(owners, before, number);
      known.set(before, owner);
      if (owner >= 0 && owner !== before) {
        setOwner(recent, bucket, rest, owner);
        for (let i = 0; i < MARK_BYTES; i++) changed[n++] = marks[read + i] as number;
      }
      read += MARK_BYTES;
    });
    return changed.subarray(0, n);
  };

  // 1. The base.
  const base = readBase(basePath, keyName);
  if (base.ok) {
    for (const source of base.value.sources) sourceNumber(owners, source);
    for (const set of base.value.sets) ownerOfSet(owners, set);
    index = base.value.index;
  } else if (base.error === 'other_key') {
    rmSync(basePath, { force: true });
    rmSync(logPath, { force: true });
    say('the fingerprints were made under another key: they are of no use, and a new store was begun');
  } else if (base.error === 'corrupt') setAside(basePath, 'is damaged');

  // 2. The log, which begins with the name of the key.
  let fd: number;
  let logStart = 0;
  try {
    let log: Buffer = Buffer.alloc(0);
    try {
      log = readFileSync(logPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    let good = 0;
    if (log.length > 0 && !log.subarray(0, KEY_NAME_BYTES).equals(keyName)) {
      if (log.length >= KEY_NAME_BYTES) setAside(logPath, 'is damaged or was made under another key');
    } else if (log.length > 0) {
      good =
        KEY_NAME_BYTES + readLog(log.subarray(KEY_NAME_BYTES), (source, marks) => add(source, marks)).good;
      if (good < log.length)
        say(`the last ${log.length - good} bytes of \`${logPath}\` were torn and are left out`);
    }
    fd = openSync(logPath, 'a', 0o600);
    ftruncateSync(fd, good);
    if (good === 0) writeAll(fd, keyName);
    logStart = good;
  } catch (error) {
    lock.value.release();
    return err({
      code: 'io',
      message: `\`${logPath}\` cannot be used (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
    });
  }

  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let logBytes = Math.max(KEY_NAME_BYTES, logStart);
  let failing = false;
  let closed = false;
  let compacting: Promise<void> | null = null;

  const flush = (): boolean => {
    if (pending.length === 0) return true;
    const bytes = Buffer.concat(pending);
    try {
      writeAll(fd, bytes);
      fsyncSync(fd);
    } catch (error) {
      if (!failing)
        say(
          `the fingerprints of what was read cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'}); they are kept in memory`,
        );
      failing = true;
      // Half a record would hide what follows it.
      try {
        ftruncateSync(fd, logBytes);
      } catch {
        return false;
      }
      return false;
    }
    failing = false;
    logBytes += bytes.length;
    pending = [];
    pendingBytes = 0;
    return true;
  };
  const timer = setInterval(flush, options.flushMs ?? DEFAULT_FLUSH_MS);
  timer.unref();

  /** Owners that are kept when there are too many marks: the lowest levels and of those the oldest go first. */
  const kept = (): ReadonlySet<number> | null => {
    if (index.rest.length + frozen.count <= maxMarks) return null;
    const counts = new Map<number, number>();
    const count = (owner: number): void => {
      const best = bestSource(owners, owner) ?? -1;
      counts.set(best, (counts.get(best) ?? 0) + 1);
    };
    for (let i = 0; i < index.rest.length; i++) count(ownerAt(index, i));
    eachOwner(frozen, count);
    const age = (number: number): number => owners.sources[number]?.at ?? 0;
    const level = (number: number): number => LEVELS.indexOf(owners.sources[number]?.level ?? 'PUBLIC');
    const order = [...counts.keys()].sort((a, b) => level(b) - level(a) || age(b) - age(a));
    const keep = new Set<number>();
    let total = 0;
    // A tenth is left free, so that not every join has to choose.
    for (const number of order) {
      total += counts.get(number) ?? 0;
      if (total > maxMarks * 0.9) break;
      keep.add(number);
    }
    return keep;
  };

  const joinAll = async (): Promise<void> => {
    frozen = recent;
    recent = newTable();
    const logBefore = flush() ? logBytes : null;
    const keep = kept();
    const steps = joinIndex(index, frozen, (owner) => {
      if (keep === null) return owner;
      const best = bestSource(owners, owner);
      return best !== null && keep.has(best) ? owner : -1;
    });
    let step = steps.next();
    while (step.done !== true) {
      await new Promise((resolve) => setImmediate(resolve));
      step = steps.next();
    }
    index = step.value;
    frozen = newTable();
    try {
      const writing = writeBase(basePath, keyName, {
        sources: owners.sources.slice(),
        sets: owners.sets.slice(),
        index,
      });
      while (writing.next().done !== true) await new Promise((resolve) => setImmediate(resolve));
      if (logBefore === null && !flush()) return;
      // What came meanwhile is in the log behind `logBefore`; a crash before this cut only reads the same again.
      const log = readFileSync(logPath);
      const later = log.subarray(logBefore ?? log.length);
      ftruncateSync(fd, 0);
      writeAll(fd, Buffer.concat([keyName, later]));
      fsyncSync(fd);
      logBytes = KEY_NAME_BYTES + later.length;
    } catch (error) {
      say(
        `the fingerprints of what was read cannot be joined on disk (${(error as NodeJS.ErrnoException).code ?? 'error'}); the log keeps them`,
      );
      rmSync(`${basePath}.new`, { force: true, recursive: true });
    }
  };
  const compact = (): Promise<void> => {
    compacting ??= joinAll().finally(() => {
      compacting = null;
    });
    return compacting;
  };

  return ok({
    common: options.common,
    remember: (source, marks) => {
      // Nothing public is ever a flow.
      if (closed || source.level === 'PUBLIC') return;
      const changed = add(source, marks);
      if (changed.length === 0) return;
      const record = logRecord(source, changed);
      pending.push(record);
      pendingBytes += record.length;
      while (pendingBytes > MOST_PENDING) pendingBytes -= pending.shift()?.length ?? pendingBytes;
      if (recent.count >= Math.max(options.compactAt ?? DEFAULT_COMPACT_AT, index.rest.length / 8))
        void compact();
    },
    lookup: (marks) => {
      const counts = new Map<number, number>();
      eachMark(marks, (bucket, rest) => {
        const owner = holder(bucket, rest);
        if (owner >= 0) counts.set(owner, (counts.get(owner) ?? 0) + 1);
      });
      return counts.size === 0 ? [] : flowsOf(owners, counts);
    },
    flush,
    compact,
    size: () => ({ marks: index.rest.length + frozen.count + recent.count, sources: owners.sources.length }),
    close: async () => {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      if (compacting !== null) await compacting;
      flush();
      closeSync(fd);
      lock.value.release();
      owners = newOwners();
    },
  });
}
