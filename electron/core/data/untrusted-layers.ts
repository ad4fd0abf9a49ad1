import type { Sign } from './untrusted-instructions.ts';

/** Text made plain: lower case, compatibility forms and look-alikes folded, invisible characters gone; what was written in them beside it. */
export interface PlainText {
  readonly plain: string;
  /** Written in Unicode tag characters or variation selectors: nobody sees it, a model reads it. */
  readonly hidden: string;
}

/** A text within the text. */
export interface InnerText {
  readonly layer: 'base64' | 'hex' | 'percent' | 'entities' | 'comment' | 'style';
  readonly text: string;
}

const INVISIBLE = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u{e0000}-\u{e0fff}]+/gu;
/** One UTF-16 unit of anything that hides; without the `u` flag this is many times faster. */
const MAY_HIDE = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\udb40]|[\ufe00-\ufe0f]/;
const OTHER_LETTERS = /[\u0370-\u058f]/;
const BEYOND_LATIN = /[^\u0000-\u00ff]/;
/** Letters of other alphabets that pass for Latin ones. */
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  а: 'a',
  е: 'e',
  о: 'o',
  р: 'p',
  с: 'c',
  у: 'y',
  х: 'x',
  і: 'i',
  ѕ: 's',
  ј: 'j',
  ԁ: 'd',
  ɡ: 'g',
  ո: 'n',
  ν: 'v',
  ο: 'o',
  α: 'a',
  ρ: 'p',
  ι: 'i',
  τ: 't',
  κ: 'k',
};
/** Runs of letters that pass for each other; which of them are mixed is told apart one by one, so that a long run is walked once. */
const ALIKE = /[a-zаеорсухіѕјԁɡոνοαριτκ]{2,}/gu;
const LATIN = /[a-z]/;
const NOT_LATIN = /[^a-z]/;

/** Makes a text plain for the detectors; almost free for text that is Latin throughout. */
export function plainText(text: string): PlainText {
  if (!BEYOND_LATIN.test(text) && !text.includes('\u00ad')) return { plain: text.toLowerCase(), hidden: '' };
  let hidden = '';
  let plain = text;
  if (MAY_HIDE.test(text)) {
    for (const [run] of text.matchAll(/[\u{e0020}-\u{e007e}]{4,}/gu))
      for (const character of run) hidden += String.fromCodePoint((character.codePointAt(0) ?? 0) - 0xe0000);
    for (const [run] of text.matchAll(/[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]{8,}/gu))
      for (const character of run) {
        const point = character.codePointAt(0) ?? 0;
        hidden += String.fromCharCode(point >= 0xe0100 ? point - 0xe0100 + 16 : point - 0xfe00);
      }
    plain = plain.replace(INVISIBLE, '');
  }
  plain = plain.normalize('NFKC').toLowerCase().replaceAll('’', "'");
  if (OTHER_LETTERS.test(plain))
    plain = plain.replace(ALIKE, (word) =>
      LATIN.test(word) && NOT_LATIN.test(word)
        ? Array.from(word, (letter) => LOOKS_LIKE[letter] ?? letter).join('')
        : word,
    );
  return { plain, hidden: hidden.toLowerCase() };
}

const HIDDEN: readonly (readonly [detector: string, pattern: RegExp])[] = [
  ['bidi-override', /[\u202d\u202e][^\n\u202c]{2,}/gu],
  ['zero-width-run', /[\u200b\u200c\u2060-\u2064\ufeff]{6,}|(?:[\u200b-\u200d\u2060]{2,}\p{L}?){4,}/gu],
  ['spliced-words', /\p{Script=Latin}(?:[\u200b-\u200d\u2060\u00ad]\p{Script=Latin}){4,}/gu],
  ['unicode-tags', /(?<![\u{1f3f4}\u{e0020}-\u{e007e}])[\u{e0020}-\u{e007e}]{4,}/gu],
  ['variation-run', /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]{8,}/gu],
];

/** Characters that hide text or its order, wherever honest text has no use for them. */
export function hiddenSigns(text: string): readonly Sign[] {
  if (!MAY_HIDE.test(text)) return [];
  return HIDDEN.flatMap(([detector, pattern]) =>
    Array.from(text.matchAll(pattern), (): Sign => ({ kind: 'hidden-text', detector })),
  );
}

const MAX_INNER = 16;
const MAX_INNER_TEXT = 4096;
const SHORTEST_COMMENT = 12;
const UNSEEN_STYLE =
  /<[a-z][a-z0-9]*\b[^>]{0,200}?(?:\bhidden\b|aria-hidden="true"|style\s*=\s*["'][^"'>]{0,200}?(?:display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d]*[1-9])|font-size\s*:\s*[01](?:px|pt|em|%)?\s*[;"']|(?:left|top|text-indent)\s*:\s*-\d{3,}|(?<![\w-])color\s*:\s*(?:white|#fff(?:fff)?\b|transparent|rgba?\([^)]*,\s*0\))|(?:width|height)\s*:\s*[01]px))[^>]{0,200}>([^<]{12,2000})/gu;
/** Characters of base64 in either alphabet, hex digits among them. */
const CODED: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9+/_-]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const SHORTEST_CODED = 32;
const HEX = /(?<![0-9a-z])(?:[0-9a-f]{2}){20,}(?![0-9a-z])/giu;
const PERCENT = /(?:%[0-9a-f]{2}|[a-z0-9._~-]%[0-9a-f]{2}){10,}[^\s"'<>]*/giu;
const ENTITIES = /(?:&#x?[0-9a-f]{2,6};){10,}/giu;

/** Texts that stand in a text encoded, commented out or styled away: bounded, one level deep. `plain` has lost its case, `text` has not. */
export function decodedTexts(text: string): readonly InnerText[] {
  const inner: InnerText[] = [];
  const add = (layer: InnerText['layer'], found: string | null) => {
    if (found !== null && inner.length < MAX_INNER)
      inner.push({ layer, text: found.slice(0, MAX_INNER_TEXT).toLowerCase() });
  };
  for (const body of commentsOf(text)) add('comment', body);
  if (text.includes('<')) for (const [, body] of text.matchAll(UNSEEN_STYLE)) add('style', body ?? null);
  const runs = codedRuns(text);
  for (const { start, end } of runs)
    if (text[start - 1] !== '=')
      add('base64', printable(fromBase64(text.slice(start, Math.min(end, start + 2 * MAX_INNER_TEXT)))));
  for (const { start, end } of runs)
    for (const [blob] of text.slice(start, end).matchAll(HEX))
      add('hex', printable(fromHex(blob.slice(0, 2 * MAX_INNER_TEXT))));
  if (text.includes('%')) for (const [blob] of text.matchAll(PERCENT)) add('percent', fromPercent(blob));
  if (text.includes('&#')) for (const [blob] of text.matchAll(ENTITIES)) add('entities', fromEntities(blob));
  return inner;
}

/** Runs of letters, digits and signs that are long enough to be base64 or hex. Most of a text is not looked at: a run holds every 32nd character of its place. */
function codedRuns(text: string): readonly { readonly start: number; readonly end: number }[] {
  const runs: { readonly start: number; readonly end: number }[] = [];
  const coded = (at: number): boolean => CODED[text.charCodeAt(at)] === 1;
  let at = 0;
  while (at + SHORTEST_CODED <= text.length) {
    let last = at + SHORTEST_CODED - 1;
    while (last >= at && coded(last)) last -= 1;
    if (last >= at) {
      at = last + 1;
      continue;
    }
    let end = at + SHORTEST_CODED;
    while (end < text.length && coded(end)) end += 1;
    runs.push({ start: at, end });
    at = end + 1;
  }
  return runs;
}

/** Comments of HTML and Markdown, however long. By hand: openings without an end cost a pattern each time what follows. */
function commentsOf(text: string): readonly string[] {
  const found: string[] = [];
  let at = text.indexOf('<!--');
  while (at >= 0 && found.length < MAX_INNER) {
    const end = text.indexOf('-->', at + 4);
    if (end < 0) break;
    if (end - at - 4 >= SHORTEST_COMMENT) found.push(text.slice(at + 4, end));
    at = text.indexOf('<!--', end + 3);
  }
  return found;
}

/** Bytes as text when that is what they are: words with spaces between them; null for everything else. */
function printable(bytes: readonly number[]): string | null {
  let spaces = 0;
  let text = '';
  for (const byte of bytes) {
    if (byte === 0x20 || byte === 0x0a) spaces += 1;
    else if (byte < 0x20 && byte !== 0x09 && byte !== 0x0d) return null;
    text += String.fromCharCode(byte);
  }
  return spaces >= 3 && spaces * 16 > bytes.length ? text : null;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function fromBase64(blob: string): readonly number[] {
  const bytes: number[] = [];
  let held = 0;
  let bits = 0;
  for (const character of blob) {
    const digit = DIGITS.indexOf(character === '-' ? '+' : character === '_' ? '/' : character);
    if (digit < 0) break;
    held = ((held << 6) | digit) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
    // No text: most blobs end here.
    const last = bytes[bytes.length - 1] ?? 0;
    if (last < 0x09 || last === 0x7f) return [];
  }
  return bytes;
}

function fromHex(blob: string): readonly number[] {
  const bytes: number[] = [];
  for (let at = 0; at + 1 < blob.length; at += 2) bytes.push(Number.parseInt(blob.slice(at, at + 2), 16));
  return bytes;
}

function fromPercent(blob: string): string | null {
  try {
    return decodeURIComponent(blob.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

function fromEntities(blob: string): string {
  return blob.replace(/&#(x?)([0-9a-f]{2,6});/giu, (_, hex: string, digits: string) => {
    const point = Number.parseInt(digits, hex === '' ? 10 : 16);
    return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? String.fromCodePoint(point) : ' ';
  });
}
