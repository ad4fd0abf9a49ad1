/**
 * Escapes that stand for a character in running text: each pass returns null when there is none, so that plain text costs one look, and else
 * only the surroundings of what it resolved: the rest is in the layer it came from.
 */

/** Bytes kept on both sides of something resolved: more than a gram's window, whatever white space is among them. */
const AROUND = 96;

/** Gathers resolved text with its surroundings. */
interface Surroundings {
  out: Uint8Array;
  length: number;
  /** Up to where the source was copied. */
  copied: number;
}

function room(to: Surroundings, more: number): void {
  if (to.length + more <= to.out.length) return;
  const larger = new Uint8Array(Math.max(to.out.length * 2, to.length + more));
  larger.set(to.out.subarray(0, to.length));
  to.out = larger;
}

/** Copies what lies between the last thing resolved and this one, leaving out the middle of a long stretch. */
function copyTo(to: Surroundings, bytes: Uint8Array, at: number): void {
  room(to, 2 * AROUND + 16);
  const gap = at - to.copied;
  const first = to.length === 0;
  if (gap > 2 * AROUND || (first && gap > AROUND)) {
    if (!first) {
      to.out.set(bytes.subarray(to.copied, to.copied + AROUND), to.length);
      to.length += AROUND;
      to.out[to.length++] = 0;
    }
    to.copied = at - AROUND;
  }
  to.out.set(bytes.subarray(to.copied, at), to.length);
  to.length += at - to.copied;
  to.copied = at;
}

function finished(to: Surroundings, bytes: Uint8Array): Uint8Array {
  const end = Math.min(bytes.length, to.copied + AROUND);
  room(to, AROUND);
  to.out.set(bytes.subarray(to.copied, end), to.length);
  return to.out.subarray(0, to.length + end - to.copied);
}

const HEX: Int8Array = (() => {
  const table = new Int8Array(256).fill(-1);
  for (let i = 0; i < 10; i++) table[0x30 + i] = i;
  for (let i = 0; i < 6; i++) {
    table[0x41 + i] = 10 + i;
    table[0x61 + i] = 10 + i;
  }
  return table;
})();

/** Value of a hex digit, or -1. */
export function hexValue(code: number | undefined): number {
  return code === undefined ? -1 : (HEX[code] ?? -1);
}

function hexByte(bytes: Uint8Array, at: number): number {
  const high = hexValue(bytes[at]);
  const low = hexValue(bytes[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** `%41` and `+` of URLs and forms. */
export function unquoteUrl(bytes: Uint8Array): Uint8Array | null {
  let at = bytes.indexOf(0x25);
  while (at >= 0 && hexByte(bytes, at + 1) < 0) at = bytes.indexOf(0x25, at + 1);
  if (at < 0) return null;
  // A `+` that stands for itself is `%2B` here.
  const source = bytes.slice();
  for (let i = source.indexOf(0x2b); i >= 0; i = source.indexOf(0x2b, i + 1)) source[i] = 0x20;
  const to: Surroundings = { out: new Uint8Array(1024), length: 0, copied: 0 };
  for (; at >= 0; at = bytes.indexOf(0x25, at + 1)) {
    const value = hexByte(bytes, at + 1);
    if (value < 0) continue;
    copyTo(to, source, at);
    to.out[to.length++] = value;
    to.copied = at + 3;
    at += 2;
  }
  return finished(to, source);
}

/** `=41` and soft line breaks of mail; only where there are several, since `=` is common. */
export function unquotePrintable(bytes: Uint8Array): Uint8Array | null {
  let seen = 0;
  for (let at = bytes.indexOf(0x3d); at >= 0 && seen < 3; at = bytes.indexOf(0x3d, at + 1)) {
    const next = bytes[at + 1];
    if (next === 0x0a || (next === 0x0d && bytes[at + 2] === 0x0a)) seen += 3;
    else if (hexByte(bytes, at + 1) >= 0) seen += 1;
  }
  if (seen < 3) return null;
  const to: Surroundings = { out: new Uint8Array(1024), length: 0, copied: 0 };
  for (let at = bytes.indexOf(0x3d); at >= 0; at = bytes.indexOf(0x3d, at + 1)) {
    const next = bytes[at + 1];
    const soft = next === 0x0a ? 2 : next === 0x0d && bytes[at + 2] === 0x0a ? 3 : 0;
    const value = soft > 0 ? -1 : hexByte(bytes, at + 1);
    if (soft === 0 && value < 0) continue;
    copyTo(to, bytes, at);
    if (value >= 0) to.out[to.length++] = value;
    to.copied = at + (soft > 0 ? soft : 3);
    at = to.copied - 1;
  }
  return finished(to, bytes);
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  sol: '/',
  colon: ':',
  equals: '=',
  plus: '+',
  lowbar: '_',
  period: '.',
  comma: ',',
  commat: '@',
  num: '#',
  dollar: '$',
  percnt: '%',
  lpar: '(',
  rpar: ')',
  ast: '*',
  excl: '!',
  quest: '?',
  hyphen: '-',
  dash: '-',
  tab: '\t',
  newline: '\n',
  bsol: '\\',
  lsqb: '[',
  rsqb: ']',
  lcub: '{',
  rcub: '}',
  semi: ';',
};

/** Writes a code point as UTF-8. Returns the new length. */
function put(out: Uint8Array, at: number, code: number): number {
  let n = at;
  if (code < 0x80) out[n++] = code;
  else if (code < 0x800) {
    out[n++] = 0xc0 | (code >> 6);
    out[n++] = 0x80 | (code & 0x3f);
  } else if (code < 0x10000) {
    out[n++] = 0xe0 | (code >> 12);
    out[n++] = 0x80 | ((code >> 6) & 0x3f);
    out[n++] = 0x80 | (code & 0x3f);
  } else if (code < 0x110000) {
    out[n++] = 0xf0 | (code >> 18);
    out[n++] = 0x80 | ((code >> 12) & 0x3f);
    out[n++] = 0x80 | ((code >> 6) & 0x3f);
    out[n++] = 0x80 | (code & 0x3f);
  }
  return n;
}

interface Escape {
  readonly code: number;
  readonly length: number;
}

function hexDigits(bytes: Uint8Array, at: number, least: number, most: number): Escape | null {
  let value = 0;
  let n = 0;
  while (n < most) {
    const digit = hexValue(bytes[at + n]);
    if (digit < 0) break;
    value = value * 16 + digit;
    n += 1;
  }
  return n < least ? null : { code: value, length: n };
}

/** `\u0041`, `\u{41}`, `\x41`, `\101`, after the backslash at `at`; the length counts it. */
function backslashed(bytes: Uint8Array, at: number): Escape | null {
  const next = bytes[at + 1];
  if (next === 0x75 || next === 0x55) {
    const braced = bytes[at + 2] === 0x7b;
    const digits = hexDigits(
      bytes,
      at + (braced ? 3 : 2),
      braced ? 1 : 4,
      braced ? 6 : next === 0x55 ? 8 : 4,
    );
    if (digits === null) return null;
    return { code: digits.code, length: digits.length + (braced ? 4 : 2) };
  }
  if (next === 0x78) {
    const digits = hexDigits(bytes, at + 2, 2, 2);
    return digits === null ? null : { code: digits.code, length: 4 };
  }
  let value = 0;
  let n = 0;
  for (; n < 3; n++) {
    const digit = (bytes[at + 1 + n] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  return n === 3 && value < 256 ? { code: value, length: 4 } : null;
}

/** `&amp;`, `&#65;`, `&#x41;`. */
function entity(bytes: Uint8Array, at: number): Escape | null {
  let end = at + 1;
  while (end < at + 12 && end < bytes.length && bytes[end] !== 0x3b) end += 1;
  if (bytes[end] !== 0x3b) return null;
  let name = '';
  for (let i = at + 1; i < end; i++) name += String.fromCharCode(bytes[i] as number);
  if (name[0] === '#') {
    const hex = name[1] === 'x' || name[1] === 'X';
    const digits = name.slice(hex ? 2 : 1);
    if (!(hex ? /^[0-9a-fA-F]{1,6}$/ : /^[0-9]{1,7}$/).test(digits)) return null;
    return { code: Number.parseInt(digits, hex ? 16 : 10), length: end - at + 1 };
  }
  const known = Object.hasOwn(ENTITIES, name.toLowerCase()) ? ENTITIES[name.toLowerCase()] : undefined;
  return known === undefined ? null : { code: known.charCodeAt(0), length: end - at + 1 };
}

/** Escapes of JSON, C, JavaScript and HTML that stand for one character. A backslash before another letter is left to the normal form. */
export function unescapeText(bytes: Uint8Array): Uint8Array | null {
  let to: Surroundings | null = null;
  for (let i = 0; i < bytes.length; ) {
    const byte = bytes[i];
    if (byte !== 0x5c && byte !== 0x26) {
      i += 1;
      continue;
    }
    // `\\` is one backslash, and what follows is no escape here; the doubled form is resolved so that a second layer can see it.
    const doubled = byte === 0x5c && bytes[i + 1] === 0x5c;
    const found = doubled
      ? { code: 0x5c, length: 2 }
      : byte === 0x5c
        ? backslashed(bytes, i)
        : entity(bytes, i);
    if (found === null || found.code >= 0x110000) {
      i += 1;
      continue;
    }
    to ??= { out: new Uint8Array(1024), length: 0, copied: 0 };
    copyTo(to, bytes, i);
    let { code } = found;
    i += found.length;
    if (code >= 0xd800 && code < 0xdc00 && bytes[i] === 0x5c) {
      const low = backslashed(bytes, i);
      if (low !== null && low.code >= 0xdc00 && low.code < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low.code - 0xdc00);
        i += low.length;
      }
    }
    // `\xHH` and `\OOO` are bytes of a text in UTF-8 as often as characters of Latin-1: bytes, which the normal form reads both ways.
    if (code < 0x100 && byte === 0x5c && found.length === 4) to.out[to.length++] = code;
    else to.length = put(to.out, to.length, code);
    to.copied = i;
  }
  return to === null ? null : finished(to, bytes);
}
