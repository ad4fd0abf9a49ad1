import { normalizeBytes, utf8Of } from './normal.ts';

/**
 * Fingerprints of text by winnowing (Schleimer, Wilkerson, Aiken 2003) over its normalised form: of every 9 neighbouring grams of 16
 * characters the one with the smallest public hash is kept, so that two texts that share 24 normalised characters share a mark. Which
 * grams are kept is public, so that common text is known by the same choice everywhere; what a mark says is HalfSipHash-1-3 of the gram under
 * the installation's key, so that without the key no dictionary tells what was read.
 */
export const GRAM = 16;
export const WINDOW = 9;
/** A shared fragment of this many normalised characters always shares a mark, unless it says nothing (`isDull`) or is common. */
export const SHORTEST_FOUND = GRAM + WINDOW - 1;
export const MARK_BYTES = 8;
export const KEY_BYTES = 16;

/** Grams of the public world, by `publicHash` of their 16 characters. */
export interface CommonText {
  has(high: number, low: number): boolean;
}

/** A gram of fewer different characters than this, or fewer letters and digits than `ALNUM_LEAST`, says nothing: runs, rules, zeros. */
const DISTINCT_LEAST = 6;
const ALNUM_LEAST = 8;

/** Public values of the rolling hash, one for each character: Murmur's finaliser over 1…256. */
const ROLL: Int32Array = (() => {
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) table[i] = scramble(i + 1, 0x2545f491);
  return table;
})();

/** The same, as they leave after the gram's 16 characters. */
const ROLLED_OUT: Int32Array = ROLL.map((value) => (value << GRAM) | (value >>> (32 - GRAM)));

const ALNUM: Uint8Array = (() => {
  const table = new Uint8Array(256);
  for (let i = 0; i < 256; i++)
    table[i] = (i >= 0x30 && i <= 0x39) || (i >= 0x61 && i <= 0x7a) || i >= 0x80 ? 1 : 0;
  return table;
})();

function scramble(value: number, seed: number): number {
  let x = Math.imul(value ^ seed, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Marks being gathered: pairs of 32-bit halves in one growing array. */
export interface MarkList {
  words: Uint32Array;
  length: number;
}

export function newMarkList(): MarkList {
  return { words: new Uint32Array(1024), length: 0 };
}

function push(list: MarkList, high: number, low: number): void {
  if (list.length + 2 > list.words.length) {
    const larger = new Uint32Array(list.words.length * 2);
    larger.set(list.words);
    list.words = larger;
  }
  list.words[list.length] = high;
  list.words[list.length + 1] = low;
  list.length += 2;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** The key of one installation as the words that HalfSipHash takes; throws unless it has 16 bytes (our bug). */
export function keyWords(key: Uint8Array): Uint32Array {
  if (key.length !== KEY_BYTES)
    throw new Error(`a fingerprint key has ${KEY_BYTES} bytes, this one ${key.length}`);
  return Uint32Array.of(wordAt(key, 0), wordAt(key, 4), wordAt(key, 8), wordAt(key, 12));
}

const HASH = new Uint32Array(2);

/**
 * HalfSipHash-1-3 with a result of 64 bits over `length` bytes, left in `HASH`. The second half of the key goes in as two first words,
 * and `domain` keeps whole values (`markWhole`) apart from grams.
 */
function keyed(key: Uint32Array, bytes: Uint8Array, start: number, length: number, domain: number): void {
  const k0 = key[0] as number;
  const k1 = key[1] as number;
  let v0 = k0;
  let v1 = k1 ^ 0xee;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  const words = (length + 3) >> 2;
  for (let i = -2; i <= words; i++) {
    let m: number;
    if (i === -2) m = key[2] as number;
    else if (i === -1) m = key[3] as number;
    else if (i === words) m = ((domain << 24) | (length & 0xffffff)) >>> 0;
    else {
      const at = start + i * 4;
      m = 0;
      const left = Math.min(4, length - i * 4);
      for (let j = left - 1; j >= 0; j--) m = (m << 8) | (bytes[at + j] as number);
    }
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  v2 ^= 0xee;
  for (let half = 0; half < 2; half++) {
    for (let round = 0; round < 3; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    HASH[half] = v1 ^ v3;
    v1 ^= 0xdd;
  }
}

/** State of HalfSipHash after the second half of the key, which is the same for every gram. */
interface GramState {
  readonly v0: number;
  readonly v1: number;
  readonly v2: number;
  readonly v3: number;
}

function gramState(key: Uint32Array): GramState {
  const k0 = key[0] as number;
  const k1 = key[1] as number;
  let v0 = k0 | 0;
  let v1 = k1 ^ 0xee;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  for (let i = 2; i < 4; i++) {
    const m = key[i] as number;
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  return { v0, v1, v2, v3 };
}

/** `keyed` for the 16 bytes of a gram, without loops inside: it runs for every fifth character. */
function keyedGram(state: GramState, bytes: Uint8Array, start: number): void {
  let { v0, v1, v2, v3 } = state;
  for (let i = 0; i <= GRAM; i += 4) {
    const at = start + i;
    const m =
      i === GRAM
        ? GRAM
        : (bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24);
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  v2 ^= 0xee;
  for (let half = 0; half < 2; half++) {
    for (let round = 0; round < 3; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    HASH[half] = v1 ^ v3;
    v1 ^= 0xdd;
  }
}

const WHOLE = 1;

/** Public hash of a gram, left as `[high, low]` in `out`: what the filter of common text is asked. */
export function publicHash(bytes: Uint8Array, at: number, out: Uint32Array): void {
  let high = 0x3c6ef372;
  let low = 0x1b873593;
  for (let i = 0; i < GRAM; i += 4) {
    const word = wordAt(bytes, at + i);
    high = Math.imul(high ^ word, 0x9e3779b1);
    high ^= high >>> 15;
    low = Math.imul(low ^ ((word << 16) | (word >>> 16)), 0x85ebca6b);
    low ^= (low >>> 13) ^ high;
  }
  out[0] = scramble(high, 0x7feb352d);
  out[1] = scramble(low, high);
}

/** Above every hash, which have 31 bits: a gram that is never kept. */
const DULL = 0x7fffffff;
/** The window's hashes, in a ring of a power of two. */
const RING = 16;
const HASHES = new Int32Array(RING);
/** At which look (the gram's place and one) a character was last seen: the table is cleared for each text, not for each look. */
const SEEN = new Int32Array(256);

/**
 * Where the shortest end of a gram begins that already says something by itself; -1 when even the whole gram says nothing. Every later gram that
 * holds this end says something too: most are never looked at.
 */
function tellingFrom(normal: Uint8Array, start: number): number {
  const now = start + 1;
  let distinct = 0;
  let alnum = 0;
  for (let i = start + GRAM - 1; i >= start; i--) {
    const code = normal[i] as number;
    if (SEEN[code] !== now) {
      SEEN[code] = now;
      distinct += 1;
    }
    alnum += ALNUM[code] as number;
    if (distinct >= DISTINCT_LEAST && alnum >= ALNUM_LEAST) return i;
  }
  return -1;
}

/**
 * Calls `visit` with the start of each gram that winnowing keeps. A text shorter than the shortest found keeps one gram when it has any. `visit` must not winnow.
 * INVARIANT (every shared fragment): whether a gram is kept depends on the characters of one window only.
 */
export function winnow(normal: Uint8Array, visit: (start: number) => void): void {
  const grams = normal.length - GRAM + 1;
  if (grams <= 0) return;
  SEEN.fill(0);
  let roll = 0;
  for (let i = 0; i < GRAM; i++) roll = ((roll << 1) | (roll >>> 31)) ^ (ROLL[normal[i] as number] as number);
  let telling = -1;
  let best = -1;
  let bestHash = DULL;
  let kept = -1;
  for (let start = 0; start < grams; start++) {
    if (start > 0)
      roll =
        ((roll << 1) | (roll >>> 31)) ^
        (ROLL[normal[start + GRAM - 1] as number] as number) ^
        (ROLLED_OUT[normal[start - 1] as number] as number);
    if (start > telling) telling = tellingFrom(normal, start);
    const hash = start > telling ? DULL : Math.imul(roll, 0x9e3779b1) >>> 1;
    HASHES[start & (RING - 1)] = hash;
    // The rightmost of equals, so that a run of one gram is kept once a window.
    if (hash <= bestHash) {
      best = start;
      bestHash = hash;
    } else if (best <= start - WINDOW) {
      best = start;
      bestHash = hash;
      for (let j = start - 1; j > start - WINDOW; j--) {
        const other = HASHES[j & (RING - 1)] as number;
        if (other < bestHash) {
          best = j;
          bestHash = other;
        }
      }
    }
    if (best !== kept && bestHash !== DULL && (start >= WINDOW - 1 || start === grams - 1)) {
      kept = best;
      visit(best);
    }
  }
}

/** Adds the marks of a normalised text; grams of common text are left out. */
export function addMarks(
  list: MarkList,
  normal: Uint8Array,
  key: Uint32Array,
  common: CommonText | null,
): void {
  const hash = new Uint32Array(2);
  const state = gramState(key);
  winnow(normal, (start) => {
    if (common !== null) {
      publicHash(normal, start, hash);
      if (common.has(hash[0] as number, hash[1] as number)) return;
    }
    keyedGram(state, normal, start);
    push(list, HASH[0] as number, HASH[1] as number);
  });
}

/** Shortest and longest value (in normalised characters) that is marked whole: a password or token too short for grams. */
const WHOLE_LEAST = 8;
const WHOLE_MOST = 64;

/** At least five different characters. */
function isVaried(normal: Uint8Array): boolean {
  let low = 0;
  let high = 0;
  for (let i = 0; i < normal.length; i++) {
    const byte = normal[i] as number;
    if ((byte & 0x20) === 0) low |= 1 << (byte & 0x1f);
    else high |= 1 << (byte & 0x1f);
  }
  let distinct = 0;
  for (; low !== 0; low &= low - 1) distinct += 1;
  for (; high !== 0; high &= high - 1) distinct += 1;
  return distinct >= 5;
}

/** Adds the mark of a whole value, for secrets shorter than a gram's window; nothing when it is too short or says nothing. */
export function addWhole(list: MarkList, value: Uint8Array, key: Uint32Array): void {
  const normal = normalizeBytes(value);
  if (normal.length < WHOLE_LEAST || normal.length > WHOLE_MOST || !isVaried(normal)) return;
  keyed(key, normal, 0, normal.length, WHOLE);
  push(list, HASH[0] as number, HASH[1] as number);
}

/** Adds marks that were made before. */
export function addMade(list: MarkList, marks: Uint8Array): void {
  const view = new DataView(marks.buffer, marks.byteOffset, marks.byteLength);
  for (let i = 0; i + MARK_BYTES <= marks.length; i += MARK_BYTES)
    push(list, view.getUint32(i), view.getUint32(i + 4));
}

/** The gathered marks as `Payload.marks` wants them: 8 bytes each (big-endian), sorted, no duplicates. */
export function sortedMarks(list: MarkList): Uint8Array {
  const count = list.length / 2;
  // As doubles of 53 bits plus the rest they would lose bits: sorted as bytes through BigUint64Array, which sorts natively.
  const values = new BigUint64Array(count);
  const halves = new Uint32Array(values.buffer);
  for (let i = 0; i < count; i++) {
    halves[i * 2] = list.words[i * 2 + 1] as number;
    halves[i * 2 + 1] = list.words[i * 2] as number;
  }
  values.sort();
  const bytes = new Uint8Array(count * MARK_BYTES);
  const view = new DataView(bytes.buffer);
  let n = 0;
  for (let i = 0; i < count; i++) {
    const low = halves[i * 2] as number;
    const high = halves[i * 2 + 1] as number;
    if (i > 0 && low === halves[i * 2 - 2] && high === halves[i * 2 - 1]) continue;
    view.setUint32(n, high);
    view.setUint32(n + 4, low);
    n += MARK_BYTES;
  }
  return bytes.slice(0, n);
}

/** Bytes of what may be given as text. */
export function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? utf8Of(text) : text;
}
