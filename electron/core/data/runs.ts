import { looksLikeText } from './decode.ts';

/**
 * Encodings that stand as runs of one alphabet inside other text: base64, base32, hex. Where a run begins is not known (a name may be
 * glued before it), so every alignment is tried on samples, and a decoding is believed when it is text or begins like a compressed file.
 */
export interface RunCodec {
  readonly name: 'base64' | 'base32' | 'hex';
  /** Value of each character, -1 for none, -2 for one that may stand between (a line end, a separator). */
  readonly values: Int8Array;
  readonly bits: 6 | 5 | 4;
  /** Characters in which a whole number of bytes ends: as many alignments. */
  readonly alignments: 4 | 8 | 2;
  /** Shortest run looked at, in characters of the alphabet. */
  readonly shortest: number;
}

function alphabet(letters: string, between: string, also: string = letters): Int8Array {
  const values = new Int8Array(256).fill(-1);
  for (let i = 0; i < letters.length; i++) {
    values[letters.charCodeAt(i)] = i;
    values[also.charCodeAt(i)] = i;
  }
  for (const char of between) values[char.charCodeAt(0)] = -2;
  return values;
}

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const BASE64 = `${UPPER}${UPPER.toLowerCase()}0123456789+/`;
/** Characters of base32 without a digit from which on it is looked into. */
const LONG_CAPITALS = 32;
const BASE32 = `${UPPER}234567`;

export const RUN_CODECS: readonly RunCodec[] = [
  {
    name: 'base64',
    values: alphabet(BASE64, '\r\n', BASE64.replace('+/', '-_')),
    bits: 6,
    alignments: 4,
    shortest: 16,
  },
  {
    name: 'base32',
    values: alphabet(BASE32, '\r\n', BASE32.toLowerCase()),
    bits: 5,
    alignments: 8,
    shortest: 16,
  },
  {
    name: 'hex',
    values: alphabet('0123456789ABCDEF', '\r\n :,-\\x', '0123456789abcdef'),
    bits: 4,
    alignments: 2,
    shortest: 16,
  },
];

/** Bytes of decoding that are looked at to believe it, at its start, middle and end. */
const SAMPLE = 24;

/** Decodes characters `from…to` of gathered values. */
function unpack(values: Uint8Array, from: number, to: number, bits: number): Uint8Array {
  const out = new Uint8Array(((to - from) * bits) >> 3);
  let held = 0;
  let width = 0;
  let n = 0;
  for (let i = from; i < to; i++) {
    held = ((held << bits) | (values[i] as number)) & 0xffff;
    width += bits;
    if (width >= 8) {
      width -= 8;
      out[n++] = (held >> width) & 0xff;
    }
  }
  return out.subarray(0, n);
}

/** Begins as compressed files do. */
export function beginsCompressed(bytes: Uint8Array): boolean {
  const [a, b, c, d] = bytes;
  if (a === 0x1f && b === 0x8b && c === 8) return true;
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return true;
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4) return true;
  return a === 0x78 && (b === 0x01 || b === 0x5e || b === 0x9c || b === 0xda);
}

/** The decodings of one run that are believed. */
function believed(values: Uint8Array, codec: RunCodec): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  const { bits, alignments } = codec;
  const length = values.length;
  const sample = Math.ceil((SAMPLE * 8) / bits / alignments) * alignments;
  for (let shift = 0; shift < alignments; shift++) {
    const places = [shift];
    if (length > 3 * sample) {
      places.push(shift + Math.floor((length - sample) / 2 / alignments) * alignments);
      places.push(shift + Math.floor((length - sample - shift) / alignments) * alignments);
    }
    const text = places.some((place) => {
      const piece = unpack(values, place, Math.min(length, place + sample), bits);
      return piece.length >= 6 && (looksLikeText(piece, 0, piece.length) || beginsCompressed(piece));
    });
    if (text) found.push(unpack(values, shift, length, bits));
  }
  if (found.length > 0 || length < 64) return found;
  // Binary that begins where the run begins: perhaps compressed without a magic number, or a text in UTF-16.
  const plain = unpack(values, 0, length, bits);
  return [plain];
}

/**
 * A cheap look before decoding: base32 is of one case and has digits, and what has no digit, no sign and no capital after a small letter is a word or a name
 * rather than base64.
 */
function couldBe(bytes: Uint8Array, start: number, last: number, { name }: RunCodec): boolean {
  if (name === 'hex') return true;
  let upper = 0;
  let lower = 0;
  let digits = 0;
  for (let i = start; i <= last; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x41 && byte <= 0x5a) upper += 1;
    else if (byte >= 0x61 && byte <= 0x7a) lower += 1;
    else if (byte >= 0x30 && byte <= 0x39) digits += 1;
  }
  // A long run of capitals alone is no word: one in a hundred of short texts has no digit.
  if (name === 'base32')
    return (upper === 0 || lower === 0) && (digits > 0 || (lower === 0 && upper >= LONG_CAPITALS));
  return upper > 0 && lower + digits > 0;
}

/**
 * What the runs of one alphabet decode to, joined by line ends; null when there is none. Linear in the input: each run is decoded at most
 * once an alignment.
 */
export function decodeRuns(bytes: Uint8Array, codec: RunCodec): Uint8Array | null {
  const { values, shortest } = codec;
  const end = bytes.length;
  const parts: Uint8Array[] = [];
  let total = 0;
  let i = 0;
  while (i < end) {
    // A run that begins here holds the next `shortest` bytes: looked at from their end, most of them need not be looked at at all.
    let stop = i + shortest - 1;
    if (stop >= end) break;
    while (stop >= i && values[bytes[stop] as number] !== -1) stop -= 1;
    if (stop >= i) {
      i = stop + 1;
      continue;
    }
    if ((values[bytes[i] as number] as number) < 0) {
      i += 1;
      continue;
    }
    const start = i;
    let count = 0;
    let last = i;
    let gap = 0;
    while (i < end) {
      const value = values[bytes[i] as number] as number;
      if (value >= 0) {
        count += 1;
        gap = 0;
        last = i;
      } else if (value === -1 || gap >= 3) break;
      else gap += 1;
      i += 1;
    }
    if (count < shortest || !couldBe(bytes, start, last, codec)) continue;
    const gathered = new Uint8Array(count);
    let n = 0;
    for (let j = start; j <= last; j++) {
      const value = values[bytes[j] as number] as number;
      if (value >= 0) gathered[n++] = value;
    }
    for (const part of believed(gathered, codec)) {
      parts.push(part);
      total += part.length + 1;
    }
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
