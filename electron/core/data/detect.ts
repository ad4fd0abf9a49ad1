import { latin1Of } from './normal.ts';
import { findAddresses, findIbans, findNumbers, type Place } from './personal.ts';
import { BEGINNINGS, RULES_BY_BEGINNING } from './secret-rules.ts';

/** What a detector found in one text: where, so that the reader may mark it; never the value itself. */
export interface Detected {
  readonly kind: 'secret' | 'personal';
  readonly detector: string;
  readonly count: number;
  /** Places of the values in the text, at most 256. */
  readonly places: readonly Place[];
}

/** So many addresses or numbers are a list of people; fewer are a signature or an author. */
const ADDRESSES_LEAST = 5;
const PHONES_LEAST = 3;
const IDS_LEAST = 2;
const MOST_PLACES = 256;

/** What documentation and tests put where a secret would be. */
const EXAMPLE =
  /example|placeholder|changeme|change_me|your[-_]?|redacted|dummy|sample|xxxx|\*\*\*|\.\.\.|0000000|1234567890|abcdefgh|<[a-z]|\$\{|\{\{|process\.env|os\.environ|getenv/i;

/** `name = value` where the name says that the value gives access. The value is read by hand (`namedValue`). */
const NAMED =
  /(?:password|passwd|passphrase|secret|token|api[-_]?key|apikey|access[-_]?key|private[-_]?key|auth[-_]?key|client[-_]?secret|credentials?)["']?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}["'`]?/gi;
const IN_URL = /:\/\//g;

/** Bits per character of a value, by its own letters. */
export function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

function valueEnd(text: string, start: number): number {
  let end = start;
  while (end < text.length && end - start < 256 && !' \t\r\n"\'`,;<>(){}[]&\\'.includes(text.charAt(end)))
    end += 1;
  return end;
}

/** A value that somebody drew rather than wrote: letters and digits in no order, not a path, name, version or address. */
function looksDrawn(value: string): boolean {
  if (value.length < 12 || EXAMPLE.test(value) || /[/\\]|\.[a-z]{2,4}$/i.test(value)) return false;
  if (!/\d/.test(value) || !/[a-z]/i.test(value)) return false;
  // Words joined by signs (`my-secret-name-2`): no long piece that is not a word.
  return (
    entropyOf(value) >= 3.2 &&
    value.split(/[-_.]/).some((piece) => piece.length >= 10 && /\d/.test(piece) && /[a-z]/i.test(piece))
  );
}

/** What a global pattern finds; `matchAll` makes a pattern anew each time, which costs more than looking through a short text. */
function* matchesOf(text: string, pattern: RegExp): Generator<RegExpExecArray> {
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const at = pattern.lastIndex;
    yield match;
    pattern.lastIndex = at;
  }
}

function secretsIn(text: string, add: (detector: string, place: Place) => void): void {
  for (const match of matchesOf(text, BEGINNINGS)) {
    const before = text.charCodeAt(match.index - 1);
    const glued = (before >= 0x30 && before <= 0x39) || ((before | 0x20) >= 0x61 && (before | 0x20) <= 0x7a);
    if (glued && match[0] !== '-----BEGIN ') continue;
    for (const { detector, shape } of RULES_BY_BEGINNING.get(match[0]) ?? []) {
      shape.lastIndex = match.index;
      const found = shape.exec(text);
      if (found === null) continue;
      // A key ends where it says so; its shape alone would go on into what follows.
      const value = found[0].split('-----END')[0] ?? '';
      if (
        EXAMPLE.test(value) ||
        (detector !== 'private-key' && entropyOf(value.slice(match[0].length)) < 2.5)
      )
        continue;
      add(detector, { start: match.index, end: match.index + value.length });
      break;
    }
  }
  for (const match of matchesOf(text, NAMED)) {
    const start = match.index + match[0].length;
    const end = valueEnd(text, start);
    if (looksDrawn(text.slice(start, end))) add('named-secret', { start, end });
  }
  for (const match of matchesOf(text, IN_URL)) {
    const start = match.index + 3;
    const end = valueEnd(text, start);
    const authority = text.slice(start, end).split('/')[0] ?? '';
    const at = authority.lastIndexOf('@');
    const colon = authority.indexOf(':');
    if (at < 0 || colon < 0 || colon > at) continue;
    const password = authority.slice(colon + 1, at);
    if (
      password.length < 4 ||
      EXAMPLE.test(authority) ||
      /^(?:pass(?:word|wd)?|pwd|secret|token|x-oauth-basic|postgres|root|admin|user|test|\$.*|%.*|<.*)$/i.test(
        password,
      )
    )
      continue;
    add('url-password', { start: start + colon + 1, end: start + at });
  }
}

/**
 * Finds secrets and personal data in one text (T3, T9), by names of detectors and never by value; well-known examples and test numbers are no findings.
 * Linear in the text; its bytes are read as Latin-1, since every shape is ASCII.
 */
export function detect(bytes: Uint8Array): readonly Detected[] {
  const text = latin1Of(bytes);
  const places = new Map<string, { kind: Detected['kind']; found: Place[]; count: number }>();
  const add = (kind: Detected['kind'], detector: string, place: Place): void => {
    const entry = places.get(detector) ?? { kind, found: [], count: 0 };
    places.set(detector, entry);
    entry.count += 1;
    if (entry.found.length < MOST_PLACES) entry.found.push(place);
  };
  secretsIn(text, (detector, place) => add('secret', detector, place));
  const many = (detector: string, found: readonly Place[], least: number): void => {
    const distinct = new Set(found.slice(0, 10_000).map(({ start, end }) => text.slice(start, end)));
    if (distinct.size >= least) for (const place of found) add('personal', detector, place);
  };
  many('email-address', findAddresses(text), ADDRESSES_LEAST);
  const numbers = findNumbers(text);
  many('card-number', numbers.cards, 1);
  many('phone-number', numbers.phones, PHONES_LEAST);
  many('national-id', numbers.ids, IDS_LEAST);
  many('iban', findIbans(text), 1);
  return [...places].map(([detector, { kind, found, count }]) => ({ kind, detector, count, places: found }));
}
