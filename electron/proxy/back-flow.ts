import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** What came back over a connection that is no answer with an end. */
export interface BackFlow {
  readonly received: number;
  readonly digest: string;
  /** The first bytes. */
  readonly window: Buffer;
}

/** Sends on what upstream says, with backpressure; `done` may be asked at any time. */
export function flowBack(from: Duplex, to: Duplex, windowBytes: number): () => BackFlow {
  const hash = createHash('sha256');
  const looked: Buffer[] = [];
  let left = windowBytes;
  let received = 0;
  from.on('data', (chunk: Buffer) => {
    received += chunk.length;
    hash.update(chunk);
    if (left > 0) {
      looked.push(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
    }
    if (!to.write(chunk)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.once('end', () => to.end());
  from.resume();
  return () => ({ received, digest: hash.copy().digest('hex'), window: Buffer.concat(looked) });
}
