import { addWhole, type MarkList } from './fingerprint.ts';

/**
 * Words that could be a secret: what is sent is cut into them, so that a password too short for grams is met again whole. Cut twice: at
 * everything but letters, digits, `_` and `-` (a token), and at white space, quotes and brackets only (a password with signs in it).
 */
const NARROW = 1;
const WIDE = 2;

const CLASS: Uint8Array = (() => {
  const table = new Uint8Array(256).fill(NARROW | WIDE);
  for (let i = 0; i < 0x80; i++) {
    const char = String.fromCharCode(i);
    if (/[A-Za-z0-9_-]/.test(char)) table[i] = NARROW | WIDE;
    else if (i <= 0x20 || i === 0x7f || /["'`<>(){}[\]=:,;&\\]/.test(char)) table[i] = 0;
    else table[i] = WIDE;
  }
  return table;
})();

const SHORTEST = 8;
const LONGEST = 64;
/** Words of one text that are marked at most: past them the grams have to do. */
const MOST = 20_000;

/** Letters and digits, or upper and lower case with a sign: what people and programs make secrets of. */
function couldBeSecret(bytes: Uint8Array, start: number, end: number): boolean {
  let digits = 0;
  let letters = 0;
  let signs = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x30 && byte <= 0x39) digits += 1;
    else if ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) letters += 1;
    else if (byte !== 0x2e && byte !== 0x2f) signs += 1;
  }
  return letters > 0 && (digits > 0 || signs > 0) && digits + letters + signs >= SHORTEST;
}

/** Adds the marks of all words of a text that could be secrets. */
export function addTokens(list: MarkList, bytes: Uint8Array, key: Uint32Array): void {
  let added = 0;
  for (const kind of [NARROW, WIDE]) {
    let start = -1;
    let mixed = kind === NARROW;
    for (let i = 0; i <= bytes.length && added < MOST; i++) {
      const flags = i < bytes.length ? (CLASS[bytes[i] as number] as number) : 0;
      if ((flags & kind) !== 0) {
        if (start < 0) start = i;
        if (flags === WIDE) mixed = true;
        continue;
      }
      // The wide cut of a word without signs is the narrow one again.
      if (
        start >= 0 &&
        mixed &&
        i - start >= SHORTEST &&
        i - start <= LONGEST &&
        couldBeSecret(bytes, start, i)
      ) {
        addWhole(list, bytes.subarray(start, i), key);
        added += 1;
      }
      start = -1;
      mixed = kind === NARROW;
    }
  }
}
