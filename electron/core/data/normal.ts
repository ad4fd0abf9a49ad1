/**
 * Text as it is compared: one byte for each character, so that what a program does to the looks of a text (case, spaces, line ends,
 * quotes, separators, accents, full-width letters, zero-width characters, UTF-16) does not matter.
 *
 * Dropped: white space, control characters (so UTF-16 of ASCII is ASCII), quotes, `,` `;` `|` (a table is the same as CSV, TSV or
 * JSON), the backslash and the letter of `\n`, `\r`, `\t`, zero-width and combining characters. Case is folded. A letter outside
 * ASCII becomes its NFKD base where that is ASCII, else one of 128 values made from its code.
 */

const DROPPED = 0;

/** What becomes of each ASCII character; `DROPPED` when nothing. */
const ASCII: Uint8Array = (() => {
  const table = new Uint8Array(128);
  for (let code = 0x21; code < 0x7f; code++) table[code] = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
  for (const dropped of '"\'`,;|\\') table[dropped.charCodeAt(0)] = DROPPED;
  return table;
})();

const BACKSLASH = 0x5c;
const UNKNOWN = 0x1ff;
/** Remembered results for the basic plane: pure, so that remembering changes nothing. */
const FOLDED = new Uint16Array(0x10000).fill(UNKNOWN);

const MARK = /^\p{M}$/u;
const INVISIBLE = /^[\p{Cf}\p{Cc}\p{Z}]$/u;

function foldSlowly(code: number): number {
  const char = String.fromCodePoint(code);
  if (INVISIBLE.test(char) || MARK.test(char)) return DROPPED;
  const base = char.normalize('NFKD').toLowerCase().codePointAt(0) ?? code;
  if (base < 0x80) return ASCII[base] ?? DROPPED;
  return 0x80 | (Math.imul(base, 0x9e3779b1) >>> 25);
}

/** What becomes of a character outside ASCII. */
function fold(code: number): number {
  if (code >= 0x10000) return foldSlowly(code);
  const before = FOLDED[code] ?? UNKNOWN;
  if (before !== UNKNOWN) return before;
  const folded = code >= 0xd800 && code < 0xe000 ? DROPPED : foldSlowly(code);
  FOLDED[code] = folded;
  return folded;
}

/** True for `n`, `r`, `t` after a backslash, where the backslash is not itself escaped: a line end or tab written out. */
function isEscapeLetter(code: number): boolean {
  return code === 0x6e || code === 0x72 || code === 0x74;
}

/** Normalises UTF-8 bytes; what is no UTF-8 counts as Latin-1. The result is at most as long as the input. */
export function normalizeBytes(bytes: Uint8Array): Uint8Array {
  const end = bytes.length;
  const out = new Uint8Array(end);
  let n = 0;
  let i = 0;
  while (i < end) {
    const byte = bytes[i] as number;
    i += 1;
    if (byte < 0x80) {
      const folded = ASCII[byte] as number;
      if (folded !== DROPPED) out[n++] = folded;
      else if (byte === BACKSLASH && i < end) {
        const next = bytes[i] as number;
        if (next === BACKSLASH || isEscapeLetter(next)) i += 1;
      }
      continue;
    }
    let code = byte;
    const length = byte >= 0xf0 && byte < 0xf5 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 0;
    if (length > 0 && byte < 0xf5 && i + length <= end) {
      let value = byte & (0x3f >> length);
      let valid = true;
      for (let j = 0; j < length; j++) {
        const follow = bytes[i + j] as number;
        if ((follow & 0xc0) !== 0x80) {
          valid = false;
          break;
        }
        value = (value << 6) | (follow & 0x3f);
      }
      if (valid && value < 0x110000) {
        code = value;
        i += length;
      }
    }
    const folded = fold(code);
    if (folded !== DROPPED) out[n++] = folded;
  }
  return out.subarray(0, n);
}

/** UTF-8 of a text; a lone surrogate becomes U+FFFD. Core has no encoder of the platform. */
export function utf8Of(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 3);
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      out[n++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
      if (code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
        i += 1;
      } else code = 0xfffd;
    }
    if (code < 0x800) out[n++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) out[n++] = 0xe0 | (code >> 12);
      else {
        out[n++] = 0xf0 | (code >> 18);
        out[n++] = 0x80 | ((code >> 12) & 0x3f);
      }
      out[n++] = 0x80 | ((code >> 6) & 0x3f);
    }
    out[n++] = 0x80 | (code & 0x3f);
  }
  return out.subarray(0, n);
}

/** One character for each byte: what detectors and decoders read. ASCII stays what it is; the rest only has to be no ASCII. */
export function latin1Of(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192) as unknown as number[]);
  return text;
}

/** The bytes of a text of Latin-1 characters; higher ones are cut to their low byte. */
export function bytesOfLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
