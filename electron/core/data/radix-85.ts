import { looksLikeText } from './decode.ts';
import { beginsCompressed } from './runs.ts';

/** Five characters for four bytes: Adobe's and btoa's alphabet, that of RFC 1924 (git, Python), and ZeroMQ's. */
const ALPHABETS: readonly Int8Array[] = [
  Array.from({ length: 85 }, (_, i) => String.fromCharCode(33 + i)).join(''),
  '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~',
  '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#',
].map((letters) => {
  const values = new Int8Array(256).fill(-1);
  for (let i = 0; i < letters.length; i++) values[letters.charCodeAt(i)] = i;
  return values;
});

const SHORTEST = 20;
/** Characters of a run that are decoded to believe it. */
const SAMPLE = 40;
const MOST_RUNS = 4096;

/** Groups of five from `start` on; null when one is none. What is left over at the end is filled up, as the encodings say. */
function decoded(bytes: Uint8Array, start: number, end: number, values: Int8Array): Uint8Array | null {
  const count = end - start;
  const out = new Uint8Array(Math.ceil(count / 5) * 4);
  let n = 0;
  for (let at = start; at < end; at += 5) {
    let value = 0;
    for (let i = 0; i < 5; i++) {
      const digit = at + i < end ? (values[bytes[at + i] as number] as number) : 84;
      if (digit < 0) return null;
      value = value * 85 + digit;
    }
    if (value > 0xffffffff) return null;
    out[n++] = (value >>> 24) & 0xff;
    out[n++] = (value >>> 16) & 0xff;
    out[n++] = (value >>> 8) & 0xff;
    out[n++] = value & 0xff;
  }
  const spare = (5 - (count % 5)) % 5;
  return out.subarray(0, n - spare);
}

/** Mixed as only what was encoded is: names and numbers are not tried. */
function isMixed(bytes: Uint8Array, start: number, end: number): boolean {
  let upper = false;
  let lower = false;
  let signs = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x41 && byte <= 0x5a) upper = true;
    else if (byte >= 0x61 && byte <= 0x7a) lower = true;
    else if (byte < 0x30 || byte > 0x39) signs += 1;
  }
  return upper && (lower || signs > 2) && signs > 0;
}

/** What runs of printable characters decode to by radix 85, joined by line ends; null when none is believed. Linear in the input. */
export function decodeRadix85(bytes: Uint8Array): Uint8Array | null {
  const parts: Uint8Array[] = [];
  let total = 0;
  let runs = 0;
  for (let i = 0; i < bytes.length && runs < MOST_RUNS; i++) {
    const start = i;
    while (i < bytes.length && (bytes[i] as number) > 0x20 && (bytes[i] as number) < 0x7f) i += 1;
    if (i - start < SHORTEST || !isMixed(bytes, start, Math.min(i, start + SAMPLE))) continue;
    runs += 1;
    const part = believedRun(bytes, start, i);
    if (part === null) continue;
    parts.push(part);
    total += part.length + 1;
  }
  if (parts.length === 0) return null;
  const out = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
    out[at++] = 0x0a;
  }
  return out;
}

/** Something may stand before it (`<~`, `data=`): every beginning among the first characters is tried on a sample. */
function believedRun(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  for (const values of ALPHABETS)
    for (let from = start; from < Math.min(start + 12, end - SHORTEST + 5); from++) {
      const till = Math.min(end, from + SAMPLE);
      const whole = till - ((till - from) % 5);
      const sample = decoded(bytes, from, whole, values);
      if (sample === null || sample.length < 12) continue;
      if (!beginsCompressed(sample) && !looksLikeText(sample, 0, sample.length)) continue;
      // Up to where it stops being one: `~>` ends Adobe's.
      let stop = from;
      while (stop < end && (values[bytes[stop] as number] as number) >= 0) stop += 1;
      for (let last = stop; last > whole && last > stop - 6; last--) {
        const all = decoded(bytes, from, last, values);
        if (all !== null) return all;
      }
      return sample;
    }
  return null;
}
