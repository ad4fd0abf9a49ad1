import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { CommonText } from '../core/data/fingerprint.ts';
import { readCommonText } from './common-text.ts';
import { NOTHING_READ, type ReadScan, readBeginning } from './read-scan.ts';
import { scanRead } from './read-scan-text.ts';

/** One file to look at. */
export interface ScanJob {
  readonly job: number;
  readonly path: string;
  readonly maxBytes: number;
  readonly settings: boolean;
}

export interface ScanReply extends ReadScan {
  readonly job: number;
}

/** The other end of `read-scan`: reads a file and tells what is in it, never its text. */
function answer({ job, path, maxBytes, settings }: ScanJob, key: Uint8Array, common: CommonText): ScanReply {
  const bytes = readBeginning(path, maxBytes);
  return { job, ...(bytes === null ? NOTHING_READ : scanRead(bytes, key, common, settings)) };
}

if (!isMainThread) {
  const { key } = workerData as { readonly key: Uint8Array };
  const { filter } = readCommonText();
  parentPort?.on('message', (job: ScanJob) => parentPort?.postMessage(answer(job, key, filter)));
}
