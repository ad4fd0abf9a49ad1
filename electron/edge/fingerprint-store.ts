import { createHash } from 'node:crypto';
import {
  closeSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../core/brand.ts';
import { LEVELS } from '../core/context.ts';
import { MARK_BYTES } from '../core/data/fingerprint.ts';
import type { DataSource, Flow, FlowStore } from '../core/data/flow.ts';
import {
  bestSource,
  flowsOf,
  MOST_FLOWS,
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
import {
  type Base,
  baseKind,
  KEY_NAME_BYTES,
  loadBase,
  logRecord,
  readBase,
  readLog,
  writeAll,
  writeBase,
} from './fingerprint-file.ts';
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
  /** True while a large store is being read: what was remembered by earlier sessions is not known yet. */
  loading(): boolean;
  /** Resolves when it is known. */
  loaded(): Promise<void>;
}

/** What waits is looked through one by one: the latest of it. */
const MOST_SEARCHED = 64;
const DEFAULT_MAX_MARKS = 24_000_000;
const DEFAULT_FLUSH_MS = 1000;
const DEFAULT_COMPACT_AT = 400_000;
/** Up to so many bytes on disk it is read before `openFingerprintStore` returns: a few milliseconds. */
const AT_ONCE_BYTES = 512 * 1024;
/** Marks that are added at a time, in bytes: a millisecond or so. */
const SLICE_BYTES = 2048 * MARK_BYTES;
/** What waits for a disk that is full; past it the oldest is forgotten by the log, and only the next base has it. */
const MOST_PENDING = 32 * 1024 * 1024;

/**
 * Opens the fingerprints of what was read (AARM R2.b; port `FlowStore`), kept across sessions and restarts. A base file and a log beside it: `remember`
 * changes memory at once and the log within `flushMs`; a crash loses at most that. A torn end of the log is dropped; a file that is not as it was written is set
 * aside beside it and said, and the rest goes on. One process at a time.
 * Nobody waits for it: a long text is added in slices, and found meanwhile in what waits; a large store is read in the background (`loading`).
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

  /** What was remembered and is not in the tables yet; `logged`: it is on its way to the disk as it is, or came from there. */
  const queue: { readonly source: DataSource; marks: Uint8Array; readonly logged: boolean }[] = [];
  let ready = true;

  const useBase = (base: Base): void => {
    for (const source of base.sources) sourceNumber(owners, source);
    for (const set of base.sets) ownerOfSet(owners, set);
    index = base.index;
  };

  // 1. The base.
  const kind = baseKind(basePath, keyName);
  if (kind === 'other_key') {
    rmSync(basePath, { force: true });
    rmSync(logPath, { force: true });
    say('the fingerprints were made under another key: they are of no use, and a new store was begun');
  } else if (kind === 'corrupt') setAside(basePath, 'is damaged');
  else if (kind === 'ours') {
    ready = sizeOf(basePath) + sizeOf(logPath) <= AT_ONCE_BYTES;
    if (ready) {
      const base = readBase(readFileSync(basePath));
      if (base.ok) useBase(base.value);
      else setAside(basePath, 'is damaged');
    }
  }

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
        KEY_NAME_BYTES +
        readLog(log.subarray(KEY_NAME_BYTES), (source, marks) => {
          if (ready) add(source, marks);
          else queue.push({ source, marks, logged: true });
        }).good;
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
  let syncing: Promise<void> | null = null;

  const log = (source: DataSource, marks: Uint8Array): void => {
    if (marks.length === 0) return;
    const record = logRecord(source, marks);
    pending.push(record);
    pendingBytes += record.length;
    while (pendingBytes > MOST_PENDING) pendingBytes -= pending.shift()?.length ?? pendingBytes;
  };

  /** Adds the next slice of what waits. */
  const addSlice = (): void => {
    const [first] = queue;
    if (first === undefined) return;
    const changed = add(first.source, first.marks.subarray(0, SLICE_BYTES));
    first.marks = first.marks.subarray(SLICE_BYTES);
    if (first.marks.length === 0) queue.shift();
    if (!first.logged) log(first.source, changed);
  };
  let draining: Promise<void> | null = null;
  const drain = (): Promise<void> => {
    draining ??= (async () => {
      while (ready && queue.length > 0 && !closed) {
        await new Promise((resolve) => setImmediate(resolve));
        addSlice();
      }
      draining = null;
      compactWhenDue();
    })();
    return draining;
  };

  let known = ready;
  const loading: Promise<void> = ready
    ? Promise.resolve()
    : loadBase(basePath).then(async (base) => {
        if (closed) return;
        if (base.ok) useBase(base.value);
        else setAside(basePath, 'is damaged');
        ready = true;
        await drain();
        known = true;
      });

  const failedToWrite = (error: unknown): void => {
    if (!failing)
      say(
        `the fingerprints of what was read cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'}); they are kept in memory`,
      );
    failing = true;
  };
  /** Writes the log. `at` says whether who asks waits until it is on the disk; nobody does every second. */
  const write = (at: 'now' | 'soon'): boolean => {
    if (pending.length === 0) return true;
    const bytes = Buffer.concat(pending);
    try {
      writeAll(fd, bytes);
      if (at === 'now') fsyncSync(fd);
      else
        syncing = new Promise((resolve) => {
          fsync(fd, (error) => {
            if (error !== null) failedToWrite(error);
            resolve();
          });
        });
    } catch (error) {
      failedToWrite(error);
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
  const flush = (): boolean => {
    while (ready && queue.length > 0) addSlice();
    const done = write('now');
    // What was written before and not waited for.
    if (done && syncing !== null) fsyncSync(fd);
    return done;
  };
  const timer = setInterval(() => write('soon'), options.flushMs ?? DEFAULT_FLUSH_MS);
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
    const logBefore = write('now') ? logBytes : null;
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
      await writeBase(basePath, keyName, {
        sources: owners.sources.slice(),
        sets: owners.sets.slice(),
        index,
      });
      if (logBefore === null && !write('now')) return;
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
    compacting ??= loading
      .then(drain)
      .then(joinAll)
      .finally(() => {
        compacting = null;
      });
    return compacting;
  };
  const compactWhenDue = (): void => {
    if (
      known &&
      !closed &&
      recent.count >= Math.max(options.compactAt ?? DEFAULT_COMPACT_AT, index.rest.length / 8)
    )
      void compact();
  };

  return ok({
    common: options.common,
    remember: (source, marks) => {
      // Nothing public is ever a flow.
      if (closed || source.level === 'PUBLIC') return;
      if (ready && queue.length === 0 && marks.length <= SLICE_BYTES) {
        log(source, add(source, marks));
        compactWhenDue();
        return;
      }
      if (!ready) log(source, marks);
      queue.push({ source, marks, logged: !ready });
      if (ready) void drain();
    },
    lookup: (marks) => {
      const counts = new Map<number, number>();
      const waiting = queue.filter(({ logged }) => known || !logged || !ready).slice(-MOST_SEARCHED);
      const found = new Map<DataSource, number>();
      eachMark(marks, (bucket, rest) => {
        const owner = holder(bucket, rest);
        if (owner >= 0) counts.set(owner, (counts.get(owner) ?? 0) + 1);
        for (const one of waiting)
          if (holdsMark(one.marks, bucket, rest)) found.set(one.source, (found.get(one.source) ?? 0) + 1);
      });
      const flows = counts.size === 0 ? [] : flowsOf(owners, counts);
      return found.size === 0 ? flows : withWaiting(flows, found);
    },
    flush,
    compact,
    size: () => ({ marks: index.rest.length + frozen.count + recent.count, sources: owners.sources.length }),
    loading: () => !known,
    loaded: () => loading,
    close: async () => {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      await loading;
      if (compacting !== null) await compacting;
      flush();
      await syncing;
      closeSync(fd);
      lock.value.release();
      owners = newOwners();
    },
  });
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Flows of the tables with those of what waits: each source once, the most sensitive first. */
function withWaiting(flows: readonly Flow[], waiting: ReadonlyMap<DataSource, number>): readonly Flow[] {
  const byName = new Map(flows.map((flow) => [flow.source.name, flow]));
  for (const [source, matches] of waiting) {
    const before = byName.get(source.name);
    const level = (one: DataSource): number => LEVELS.indexOf(one.level);
    byName.set(source.name, {
      source: before !== undefined && level(before.source) > level(source) ? before.source : source,
      matches: matches + (before?.matches ?? 0),
    });
  }
  return [...byName.values()]
    .sort((a, b) => LEVELS.indexOf(b.source.level) - LEVELS.indexOf(a.source.level) || b.matches - a.matches)
    .slice(0, MOST_FLOWS);
}
