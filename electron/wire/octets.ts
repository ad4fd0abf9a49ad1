/**
 * Bytes from the kernel as text: paths and words are bytes there, and mostly UTF-8. What is not keeps a form from which the bytes
 * can be had back, and says that it is one.
 */
export interface Octets {
  /** The text; where `exact` is false, bytes that are no UTF-8 are `\xNN` and a backslash is `\\`. */
  readonly text: string;
  /** False when `text` is such a rendering: it must never pass for the name that it looks like. */
  readonly exact: boolean;
}

const CHUNK = 4096;
const HEX = '0123456789abcdef';

/** Reads bytes as text, without loss (AARM R1: no name may pass for another). */
export function readOctets(bytes: Uint8Array): Octets {
  let ascii = true;
  for (let at = 0; at < bytes.length && ascii; at += 1) ascii = (bytes[at] as number) < 0x80;
  if (ascii) return { text: plain(bytes), exact: true };
  const exact = decode(bytes, false);
  return exact === null ? { text: decode(bytes, true) ?? '', exact: false } : { text: exact, exact: true };
}

/** Text that is exactly these bytes. */
export function exactly(text: string): Octets {
  return { text, exact: true };
}

/** Writes text as UTF-8; a lone surrogate, which no reader of ours makes, becomes U+FFFD. */
export function writeText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      bytes[end++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 ? text.charCodeAt(at + 1) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 1;
      } else code = 0xfffd;
    }
    if (code >= 0x10000) {
      bytes[end++] = 0xf0 | (code >> 18);
      bytes[end++] = 0x80 | ((code >> 12) & 0x3f);
    } else if (code >= 0x800) bytes[end++] = 0xe0 | (code >> 12);
    if (code >= 0x800) bytes[end++] = 0x80 | ((code >> 6) & 0x3f);
    else bytes[end++] = 0xc0 | (code >> 6);
    bytes[end++] = 0x80 | (code & 0x3f);
  }
  return bytes.subarray(0, end);
}

/** The bytes that `octets` stand for, or null when the rendering is not one of ours. */
export function writeOctets(octets: Octets): Uint8Array | null {
  if (octets.exact) return writeText(octets.text);
  const out: number[] = [];
  const { text } = octets;
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '\\') {
      const code = text.codePointAt(at) as number;
      const character = String.fromCodePoint(code);
      out.push(...writeText(character));
      at += character.length;
    } else if (text[at + 1] === '\\') {
      out.push(0x5c);
      at += 2;
    } else {
      const hex = /^\\x([0-9a-f]{2})/.exec(text.slice(at, at + 4))?.[1];
      if (hex === undefined) return null;
      out.push(Number.parseInt(hex, 16));
      at += 4;
    }
  }
  return Uint8Array.from(out);
}

function plain(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK)
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  return text;
}

/** Null at the first byte that is no UTF-8, unless `escaped`: then such bytes are written out. */
function decode(bytes: Uint8Array, escaped: boolean): string | null {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number;
    if (first < 0x80) {
      text += escaped && first === 0x5c ? '\\\\' : String.fromCharCode(first);
      at += 1;
      continue;
    }
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      if (!escaped) return null;
      text += `\\x${HEX[first >> 4]}${HEX[first & 15]}`;
      at += 1;
      continue;
    }
    let code = first & (0x7f >> length);
    for (let next = 1; next < length; next += 1) code = (code << 6) | ((bytes[at + next] as number) & 0x3f);
    text += String.fromCodePoint(code);
    at += length;
  }
  return text;
}

/** Length of the well-formed sequence of more than one byte at `at` (Unicode table 3-7), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0;
  for (let next = 1; next < length; next += 1) if (((bytes[at + next] as number) & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1] as number;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return length;
}
