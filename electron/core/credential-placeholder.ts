import type { CredentialRecord } from './credential.ts';

/** What a placeholder looks like. */
export type PlaceholderShape = CredentialRecord['shape'];

const ALNUM = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ALPHABETS: Readonly<Record<PlaceholderShape['alphabet'], string>> = {
  alnum: ALNUM,
  hex: '0123456789abcdef',
  base64url: `${ALNUM}-_`,
  // Base 32: what AWS makes key ids of.
  upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
};
const CHECKSUM_LENGTH = 6;

/** Characters that are drawn at random; fewer could be guessed, whatever length the real ones have. */
export const MIN_RANDOM_CHARACTERS = 16;
/** Longest placeholder that is made. */
export const MAX_PLACEHOLDER = 512;
/** Random bytes that always suffice for one placeholder: at most half of them is passed over. */
export const PLACEHOLDER_BYTES = MAX_PLACEHOLDER * 4;

/** How many characters of a shape are drawn at random. */
function randomLength({ prefix, length, checksum }: PlaceholderShape): number {
  const fixed = prefix.length + (checksum === undefined ? 0 : CHECKSUM_LENGTH);
  return Math.max(MIN_RANDOM_CHARACTERS, Math.min(length, MAX_PLACEHOLDER) - fixed);
}

/**
 * Makes a placeholder of a shape from `PLACEHOLDER_BYTES` random bytes: the prefix, characters drawn evenly from the alphabet, a checksum
 * where clients look at it (AARM R9). Nothing of the real secret goes in. Null when the bytes ran out, which a caller answers with others.
 */
export function makePlaceholder(shape: PlaceholderShape, random: Uint8Array): string | null {
  const alphabet = ALPHABETS[shape.alphabet];
  const wanted = randomLength(shape);
  // Bytes past the last whole multiple would make the first characters likelier.
  const even = 256 - (256 % alphabet.length);
  let body = '';
  for (const byte of random) {
    if (body.length === wanted) break;
    if (byte < even) body += alphabet[byte % alphabet.length];
  }
  if (body.length < wanted) return null;
  return `${shape.prefix}${body}${shape.checksum === undefined ? '' : crc32Base62(body)}`;
}

/** The checksum at the end of a GitHub or npm token: CRC-32 of what stands between prefix and it, in base 62, six characters. */
export function crc32Base62(text: string): string {
  let left = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    digits = `${ALNUM[left % 62] ?? ''}${digits}`;
    left = Math.floor(left / 62);
  }
  return digits;
}

function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i += 1) {
    crc ^= text.charCodeAt(i) & 0xff;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * The shape of a secret that no table knows, so that a client which looks at it accepts the placeholder: its length and alphabet, and of
 * its own characters none but a prefix of letters that ends in a separator (`sk-`, `ghp_`), where that leaves enough unsaid.
 */
export function shapeOf(secret: string): PlaceholderShape {
  const length = Math.min(Math.max(secret.length, MIN_RANDOM_CHARACTERS), 256);
  // Letters only: a part with digits in it may be the secret already.
  const prefix = /^(?:[A-Za-z]{1,8}[-_]){1,2}/.exec(secret)?.[0] ?? '';
  const kept = prefix.length + 20 <= secret.length ? prefix : '';
  const rest = secret.slice(kept.length);
  const alphabet = /^[0-9a-f]+$/.test(rest) ? 'hex' : /[-_]/.test(rest) ? 'base64url' : 'alnum';
  return { prefix: kept, length, alphabet };
}
