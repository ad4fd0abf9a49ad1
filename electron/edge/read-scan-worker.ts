import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { NOTHING_READ, type ReadScan, readBeginning } from './read-scan.ts';
import { scanRead } from './read-scan-text.ts';

/** One file to look at. */
export interface ScanJob {
  readonly job: number;
  readonly path: string;
  readonly maxBytes: number;
}

export interface ScanReply extends ReadScan {
  readonly job: number;
}

/** The other end of `read-scan`: reads a file and tells what is in it, never its text. */
function answer({ job, path, maxBytes }: ScanJob, key: Uint8Array): ScanReply {
  const bytes = readBeginning(path, maxBytes);
  return { job, ...(bytes === null ? NOTHING_READ : scanRead(bytes, key)) };
}

if (!isMainThread) {
  const { key } = workerData as { readonly key: Uint8Array };
  parentPort?.on('message', (job: ScanJob) => parentPort?.postMessage(answer(job, key)));
}
