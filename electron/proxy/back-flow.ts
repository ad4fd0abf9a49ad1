import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { makeScrubber, type Scrub } from './swap.ts';

/** What came back over a connection that is no answer with an end. */
export interface BackFlow {
  readonly received: number;
  readonly digest: string;
  /** The first bytes. */
  readonly window: Buffer;
}

/**
 * Sends on what upstream says, with backpressure; the function it gives may be asked at any time. What comes is framed, so a secret in it cannot be
 * taken out: both are closed before it is whole.
 */
export function flowBack(
  from: Duplex,
  to: Duplex,
  windowBytes: number,
  scrubs: readonly Scrub[] = [],
): () => BackFlow {
  const scrubber = scrubs.length > 0 ? makeScrubber(scrubs) : null;
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
    const piece = scrubber === null ? chunk : scrubber.push(chunk);
    if (scrubber?.hit() === true) {
      from.destroy();
      to.destroy();
      return;
    }
    if (piece.length > 0 && !to.write(piece)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.once('end', () => to.end(scrubber?.end()));
  from.resume();
  return () => ({ received, digest: hash.copy().digest('hex'), window: Buffer.concat(looked) });
}
