import type { CommonText } from './fingerprint.ts';

/**
 * The filter of common text (resources/common-text.bin, made by scripts/common-text.mjs): public hashes of grams that licences, boilerplate and idioms consist of.
 * `CSNCOMM1`, then for each of 4096 first 12 bits of the hash a `u16` count, then the 24 bits after them, rising, 3 bytes each. Of
 * 400 000 grams of other text one is taken for common.
 */
const MAGIC = 'CSNCOMM1';
const BUCKETS = 4096;

/** First 12 bits of a public hash, and the 24 after them. */
function split(high: number, low: number): readonly [bucket: number, rest: number] {
  return [high >>> 20, ((high << 4) | (low >>> 28)) & 0xffffff];
}

/** Reads a filter; null when it is none. */
export function parseCommonText(bytes: Uint8Array): CommonText | null {
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC.charCodeAt(i)) return null;
  const offsets = new Uint32Array(BUCKETS + 1);
  let at = MAGIC.length;
  for (let i = 0; i < BUCKETS; i++, at += 2)
    offsets[i + 1] = (offsets[i] as number) + ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
  const count = offsets[BUCKETS] as number;
  if (bytes.length !== at + count * 3) return null;
  const rests = new Uint32Array(count);
  for (let i = 0; i < count; i++, at += 3)
    rests[i] = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return {
    has: (high, low) => {
      const [bucket, rest] = split(high, low);
      let from = offsets[bucket] as number;
      let to = offsets[bucket + 1] as number;
      while (from < to) {
        const middle = (from + to) >>> 1;
        const value = rests[middle] as number;
        if (value === rest) return true;
        if (value < rest) from = middle + 1;
        else to = middle;
      }
      return false;
    },
  };
}

/** Writes a filter of these public hashes, `[high, low]` each. */
export function commonTextBytes(hashes: Iterable<readonly [high: number, low: number]>): Uint8Array {
  const buckets = Array.from({ length: BUCKETS }, () => new Set<number>());
  for (const [high, low] of hashes) {
    const [bucket, rest] = split(high, low);
    buckets[bucket]?.add(rest);
  }
  const total = buckets.reduce((sum, bucket) => sum + bucket.size, 0);
  const out = new Uint8Array(MAGIC.length + BUCKETS * 2 + total * 3);
  for (let i = 0; i < MAGIC.length; i++) out[i] = MAGIC.charCodeAt(i);
  let at = MAGIC.length;
  for (const bucket of buckets) {
    out[at++] = bucket.size & 0xff;
    out[at++] = bucket.size >>> 8;
  }
  for (const bucket of buckets)
    for (const rest of [...bucket].sort((a, b) => a - b)) {
      out[at++] = rest & 0xff;
      out[at++] = (rest >>> 8) & 0xff;
      out[at++] = rest >>> 16;
    }
  return out;
}
