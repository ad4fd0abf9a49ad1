import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

/** One end of `signature-pool`: takes a key and packed (hash 32, signature 64) pairs, answers which were false. */
export interface SignatureJob {
  readonly job: number;
  /** SPKI DER of the key. */
  readonly key: Uint8Array;
  readonly pairs: Uint8Array;
}

export interface SignatureAnswer {
  readonly job: number;
  /** Places, within the job, of pairs that do not verify. */
  readonly bad: readonly number[];
}

const PAIR = 96;

function answer(job: SignatureJob): SignatureAnswer {
  const key: KeyObject = createPublicKey({ key: Buffer.from(job.key), format: 'der', type: 'spki' });
  const bad: number[] = [];
  for (let at = 0; at * PAIR < job.pairs.length; at += 1) {
    const from = at * PAIR;
    const message = job.pairs.subarray(from, from + 32);
    if (!verify(null, message, key, job.pairs.subarray(from + 32, from + PAIR))) bad.push(at);
  }
  return { job: job.job, bad };
}

parentPort?.on('message', (job: SignatureJob) => parentPort?.postMessage(answer(job)));
