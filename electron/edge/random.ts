import { randomFillSync } from 'node:crypto';
import type { Random } from '../core/ports.ts';

/** One call to the generator costs as much for 12 bytes as for many. */
const POOL_BYTES = 4096;

/** Random text from the operating system's generator, drawn in advance; each byte is given out once and wiped. */
export function pooledRandom(): Random {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return {
    token(bytes) {
      if (bytes > POOL_BYTES) throw new Error(`a token has at most ${POOL_BYTES} bytes`);
      if (used + bytes > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      const drawn = pool.subarray(used, used + bytes);
      used += bytes;
      const text = drawn.toString('base64url');
      drawn.fill(0);
      return text;
    },
  };
}

/** Unpredictable identifiers and salts from the operating system's generator. */
export const systemRandom: Random = pooledRandom();
