/** Decoders for text that hides code. Bytes are strings of characters 0–255. All are linear and give null when the input is not theirs. */

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Decodes base64 (also URL-safe, with or without padding, line breaks ignored). */
export function decodeBase64(text: string): string | null {
  return decodeBits(text.replaceAll('-', '+').replaceAll('_', '/'), BASE64, 6);
}

/** Decodes base32. */
export function decodeBase32(text: string): string | null {
  return decodeBits(text, BASE32, 5);
}

function decodeBits(text: string, alphabet: string, width: number): string | null {
  const bytes: string[] = [];
  let bits = 0;
  let held = 0;
  for (const c of text) {
    if (c === '\n' || c === '\r' || c === ' ' || c === '\t') continue;
    if (c === '=') break;
    const value = alphabet.indexOf(c);
    if (value < 0) return null;
    bits = ((bits << width) | value) & 0xffff;
    held += width;
    if (held >= 8) {
      held -= 8;
      bytes.push(String.fromCharCode((bits >> held) & 255));
    }
  }
  return bytes.join('');
}

/** Decodes pairs of hexadecimal digits, anything else between them ignored, as `xxd -r -p` does. */
export function decodeHex(text: string): string | null {
  const digits = text.replace(/[\s:]+/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return null;
  const bytes: string[] = [];
  for (let i = 0; i < digits.length; i += 2)
    bytes.push(String.fromCharCode(Number.parseInt(digits.slice(i, i + 2), 16)));
  return bytes.join('');
}

/** Reads bytes as UTF-8; null when they are not. */
export function utf8(bytes: string): string | null {
  try {
    return decodeURIComponent(escapeBytes(bytes));
  } catch {
    return null;
  }
}

function escapeBytes(bytes: string): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) out += `%${bytes.charCodeAt(i).toString(16).padStart(2, '0')}`;
  return out;
}

/** Interprets backslash escapes as `printf` and `echo -e` do; null when it holds one whose meaning is not certain. */
export function unescapeText(
  text: string,
  echo: boolean,
): { readonly text: string; readonly stop: boolean } | null {
  if (!text.includes('\\')) return { text, stop: false };
  let out = '';
  // Bytes above 127 (`\xe4\xb8\x80`) collect here until something else ends them, then are read as UTF-8.
  let bytes = '';
  const flush = (): boolean => {
    if (bytes === '') return true;
    const read = utf8(bytes);
    bytes = '';
    if (read === null) return false;
    out += read;
    return true;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (c !== '\\' || i + 1 >= text.length) {
      if (!flush()) return null;
      out += c;
      continue;
    }
    const kind = text[++i] ?? '';
    const simple = SIMPLE_ESCAPES[kind];
    if (simple !== undefined) {
      if (!flush()) return null;
      out += simple;
      continue;
    }
    if (kind === 'c') return flush() ? { text: out, stop: true } : null;
    let digits = '';
    const read = (set: string, max: number): void => {
      while (digits.length < max && i + 1 < text.length && set.includes(text[i + 1] ?? '\n'))
        digits += text[++i];
    };
    if (kind === 'x') {
      read(HEX, 2);
      if (digits === '') return null;
      bytes += String.fromCharCode(Number.parseInt(digits, 16));
    } else if (kind === 'u' || kind === 'U') {
      read(HEX, kind === 'u' ? 4 : 8);
      const code = Number.parseInt(digits, 16);
      if (digits === '' || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return null;
      if (!flush()) return null;
      out += String.fromCodePoint(code);
    } else if (kind >= '0' && kind <= '7' && (!echo || kind === '0')) {
      if (!echo) digits = kind;
      read(OCTAL, 3);
      bytes += String.fromCharCode(Number.parseInt(digits === '' ? '0' : digits, 8) & 255);
    } else {
      if (!flush()) return null;
      out += `\\${kind}`;
    }
  }
  return flush() ? { text: out, stop: false } : null;
}

const HEX = '0123456789abcdefABCDEF';
const OCTAL = '01234567';
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  e: '\x1b',
  E: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};
