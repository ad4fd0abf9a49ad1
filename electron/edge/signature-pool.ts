import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { bytesOfHex } from '../core/receipt/bytes.ts';
import type { SignatureClaim } from '../core/receipt/finding.ts';
import { nodeVerifier, publicKeyOf, signatureBytes } from './ed25519.ts';
import type { SignatureAnswer, SignatureJob } from './signature-worker.ts';

/**
 * Checks many signatures on all cores, in batches of one key each. Its memory is bounded: `add` waits while too many are under way.
 */
export interface SignaturePool {
  add(claims: readonly SignatureClaim[]): Promise<void>;
  /** Checks what is left; afterwards `checked` is final. */
  end(): Promise<void>;
  checked(): number;
}

const BATCH = 256;
/** Fewer than this are checked before a worker has started. */
const INLINE = 512;
/** Batches under way for each worker: one at work, one waiting. */
const AHEAD = 2;

// The worker is a file of its own, which has another ending once built.
const WORKER = new URL(
  `./signature-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Opens a pool; `onFalse` hears of each claim that does not hold. Always `end` it. */
export function signaturePool(
  onFalse: (claim: SignatureClaim) => void,
  threads: number = Math.min(8, availableParallelism()),
): SignaturePool {
  const inline = nodeVerifier();
  const batches = new Map<string, SignatureClaim[]>();
  const running = new Map<number, { readonly claims: readonly SignatureClaim[]; readonly worker: Worker }>();
  const load = new Map<Worker, number>();
  let checked = 0;
  let jobs = 0;
  let failure: Error | null = null;
  let wake: (() => void) | null = null;

  function start(): void {
    for (let at = 0; at < threads; at += 1) {
      const worker = new Worker(WORKER);
      load.set(worker, 0);
      worker.on('message', (answer: SignatureAnswer) => settle(worker, answer));
      worker.on('error', (error) => {
        failure = error instanceof Error ? error : new Error(String(error));
        wake?.();
      });
    }
  }

  function settle(worker: Worker, answer: SignatureAnswer): void {
    const done = running.get(answer.job);
    running.delete(answer.job);
    load.set(worker, (load.get(worker) ?? 1) - 1);
    for (const at of answer.bad) {
      const claim = done?.claims[at];
      if (claim !== undefined) onFalse(claim);
    }
    wake?.();
  }

  /** A worker that died answers nothing: then nothing was verified, and the check must not end as if it was. */
  async function until(holds: () => boolean): Promise<void> {
    while (!holds() && failure === null)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    wake = null;
    if (failure !== null) throw failure;
  }

  function freeWorker(): Worker | null {
    let best: Worker | null = null;
    for (const [worker, jobsOfWorker] of load)
      if (jobsOfWorker < AHEAD && jobsOfWorker < (best === null ? AHEAD : (load.get(best) ?? 0)))
        best = worker;
    return best;
  }

  function checkInline(claims: readonly SignatureClaim[]): void {
    for (const claim of claims)
      if (!inline.verify(claim.publicKey, bytesOfHex(claim.hash), claim.signature)) onFalse(claim);
  }

  async function send(publicKey: string, claims: readonly SignatureClaim[]): Promise<void> {
    const key = publicKeyOf(publicKey);
    if (key === null) return checkInline(claims);
    const sound: SignatureClaim[] = [];
    const pairs = new Uint8Array(claims.length * 96);
    for (const claim of claims) {
      const signature = signatureBytes(claim.signature);
      if (signature === null) {
        onFalse(claim);
        continue;
      }
      pairs.set(bytesOfHex(claim.hash), sound.length * 96);
      pairs.set(signature, sound.length * 96 + 32);
      sound.push(claim);
    }
    if (load.size === 0) start();
    await until(() => freeWorker() !== null);
    const worker = freeWorker();
    if (worker === null) throw new Error('a free worker was waited for and is gone');
    jobs += 1;
    running.set(jobs, { claims: sound, worker });
    load.set(worker, (load.get(worker) ?? 0) + 1);
    const der = key.export({ format: 'der', type: 'spki' });
    const job: SignatureJob = { job: jobs, key: der, pairs: pairs.subarray(0, sound.length * 96) };
    worker.postMessage(job);
  }

  return {
    async add(claims) {
      for (const claim of claims) {
        checked += 1;
        if (checked <= INLINE) {
          checkInline([claim]);
          continue;
        }
        const batch = batches.get(claim.publicKey) ?? [];
        batch.push(claim);
        batches.set(claim.publicKey, batch);
        if (batch.length < BATCH) continue;
        batches.delete(claim.publicKey);
        await send(claim.publicKey, batch);
      }
    },
    async end() {
      try {
        for (const [, batch] of batches) checkInline(batch);
        batches.clear();
        await until(() => running.size === 0);
      } finally {
        await Promise.all([...load.keys()].map((worker) => worker.terminate()));
      }
    },
    checked: () => checked,
  };
}
