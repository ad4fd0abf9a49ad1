import { addWhole, type MarkList } from './fingerprint.ts';

/**
 * Words that could be a secret: what is sent is cut into them, so that a password too short for grams is met again whole. Cut twice: at
 * everything but letters, digits, `_` and `-` (a token), and at white space, quotes and brackets only (a password with signs in it).
 */
const WIDE = 2;
const BOTH = 3;

const CLASS: Uint8Array = (() => {
  const table = new Uint8Array(256).fill(BOTH);
  for (let i = 0; i < 0x80; i++) {
    const char = String.fromCharCode(i);
    if (/[A-Za-z0-9_-]/.test(char)) table[i] = BOTH;
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

/** Adds the marks of all words of a text that could be secrets. One pass: the wide word holds the narrow ones. */
export function addTokens(list: MarkList, bytes: Uint8Array, key: Uint32Array): void {
  let added = 0;
  let narrow = -1;
  let wide = -1;
  const end = bytes.length;
  const word = (start: number, stop: number): void => {
    const length = stop - start;
    if (length < SHORTEST || length > LONGEST || !couldBeSecret(bytes, start, stop)) return;
    addWhole(list, bytes.subarray(start, stop), key);
    added += 1;
  };
  for (let i = 0; i <= end && added < MOST; i++) {
    const flags = i < end ? (CLASS[bytes[i] as number] as number) : 0;
    if (flags === BOTH) {
      if (narrow < 0) narrow = i;
      if (wide < 0) wide = i;
      continue;
    }
    if (narrow >= 0) word(narrow, i);
    // The wide word that is one narrow word was marked just now.
    if (flags === 0) {
      if (wide >= 0 && wide !== narrow) word(wide, i);
      wide = -1;
    } else if (wide < 0) wide = i;
    narrow = -1;
  }
}
