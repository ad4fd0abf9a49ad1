import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Finding } from '../core/data/payload.ts';
import type { UntrustedSignal } from '../core/data/untrusted.ts';
import type { ScanJob, ScanReply } from './read-scan-worker.ts';

/** What was found in something that was read; no text of it. */
export interface ReadScan {
  /** Bytes looked at, unpacked. */
  readonly bytes: number;
  readonly marks: Uint8Array;
  /** Of the secrets in it alone. */
  readonly secrets: Uint8Array;
  readonly findings: readonly Finding[];
  readonly signals: readonly UntrustedSignal[];
}

/** Nothing there to look at: gone, not a regular file, or not text. */
export const NOTHING_READ: ReadScan = {
  bytes: 0,
  marks: new Uint8Array(0),
  secrets: new Uint8Array(0),
  findings: [],
  signals: [],
};

/** So much of a file is looked at. */
export const MAX_READ_BYTES = 8 * 1024 * 1024;

/** What tells one content of a file from the next without reading it; null when it is no regular file that can be read. */
export interface FileState {
  readonly size: number;
  readonly stamp: string;
}

/** Opens a regular file without ever waiting for one (a pipe, a terminal); null when it is none. */
function openRegular(path: string): { readonly fd: number; readonly state: FileState } | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return null;
  }
  const facts = fstatSync(fd, { bigint: true });
  if (facts.isFile()) return { fd, state: stateOf(facts) };
  closeSync(fd);
  return null;
}

/** Size and stamp of a regular file, without opening it: that would be told as a reading. */
export function fileState(path: string): FileState | null {
  try {
    const facts = statSync(path, { bigint: true });
    return facts.isFile() ? stateOf(facts) : null;
  } catch {
    return null;
  }
}

function stateOf(facts: BigIntStats): FileState {
  const { size, dev, ino, mtimeNs, ctimeNs } = facts;
  return { size: Number(size), stamp: `${dev}:${ino}:${mtimeNs}:${ctimeNs}` };
}

/** The beginning of a regular file, at most `maxBytes`; null when it is none. */
export function readBeginning(path: string, maxBytes: number): Uint8Array | null {
  const opened = openRegular(path);
  if (opened === null) return null;
  try {
    const bytes = new Uint8Array(Math.min(maxBytes, opened.state.size));
    let filled = 0;
    while (filled < bytes.length) {
      const got = readSync(opened.fd, bytes, filled, bytes.length - filled, filled);
      if (got === 0) break;
      filled += got;
    }
    return bytes.subarray(0, filled);
  } catch {
    return null;
  } finally {
    closeSync(opened.fd);
  }
}

/** Looks at files in a thread of its own, one after the other, so that the daemon's loop never waits for them. */
export interface ReadScanner {
  /** `settings`: the file holds settings, so that plain values behind telling names are secrets. */
  scan(path: string, maxBytes: number, settings?: boolean): Promise<ReadScan>;
  close(): Promise<void>;
}

// The worker is a file of its own, which has another ending once built.
const WORKER = new URL(
  `./read-scan-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);
/** A thread that has had nothing to do for so long gives its memory back. */
const IDLE_MS = 30_000;

/** Makes a scanner; its thread starts with the first file and ends when there are no more. */
export function createReadScanner(key: Uint8Array): ReadScanner {
  const waiting = new Map<number, (scan: ReadScan) => void>();
  let worker: Worker | null = null;
  let jobs = 0;
  let idle: NodeJS.Timeout | null = null;

  /** Who waits hears that nothing is known: the thread is gone. */
  const drop = (gone: Worker) => {
    if (worker !== gone) return;
    worker = null;
    for (const settle of waiting.values()) settle(NOTHING_READ);
    waiting.clear();
  };
  const start = (): Worker => {
    const fresh = new Worker(WORKER, { workerData: { key } });
    fresh.unref();
    fresh.on('message', ({ job, ...scan }: ScanReply) => {
      waiting.get(job)?.(scan);
      waiting.delete(job);
      if (waiting.size === 0) rest(fresh);
    });
    fresh.on('error', () => drop(fresh));
    fresh.on('exit', () => drop(fresh));
    return fresh;
  };
  const rest = (resting: Worker) => {
    idle = setTimeout(() => {
      if (waiting.size > 0 || worker !== resting) return;
      worker = null;
      void resting.terminate();
    }, IDLE_MS);
    idle.unref();
  };
  return {
    scan(path, maxBytes, settings = false) {
      if (idle !== null) clearTimeout(idle);
      worker ??= start();
      jobs += 1;
      const job: ScanJob = { job: jobs, path, maxBytes, settings };
      const settled = new Promise<ReadScan>((resolve) => waiting.set(jobs, resolve));
      worker.postMessage(job);
      return settled;
    },
    async close() {
      if (idle !== null) clearTimeout(idle);
      const last = worker;
      worker = null;
      for (const settle of waiting.values()) settle(NOTHING_READ);
      waiting.clear();
      await last?.terminate();
    },
  };
}
