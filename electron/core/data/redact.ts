import type { Json, JsonObject } from '../brand.ts';
import { clipped, clippedEnd } from './clip.ts';
import { type FindSecrets, findSecrets, type SecretSpan } from './secret-spans.ts';

/** One secret that was taken out of what is shown or kept; `value` must go no further than into a commitment. */
export interface Redacted {
  readonly detector: string;
  readonly value: string;
}

/** What may be shown, stored, logged and exported, and what was taken out of it. */
export interface Redaction<T> {
  readonly value: T;
  readonly redacted: readonly Redacted[];
}

/** Longer text than this is kept by its beginning and end only: looking through it would hold everybody up. */
const MAX_TEXT = 256 * 1024;

/** Replaces each secret in a text by `[redacted: detector]` (T9). Idempotent. */
export function redactText(text: string, find: FindSecrets = findSecrets): Redaction<string> {
  const looked =
    text.length > MAX_TEXT
      ? `${clipped(text, MAX_TEXT / 2)}… [${text.length} characters] …${clippedEnd(text, MAX_TEXT / 2)}`
      : text;
  const spans = disjoint(find(looked));
  if (spans.length === 0) return { value: looked, redacted: [] };
  let value = '';
  let at = 0;
  const redacted: Redacted[] = [];
  for (const { start, end, detector } of spans) {
    value += `${looked.slice(at, start)}[redacted: ${detector}]`;
    redacted.push({ detector, value: looked.slice(start, end) });
    at = end;
  }
  return { value: value + looked.slice(at), redacted };
}

/** Spans in order; of those that overlap the union, under the name of the first. */
function disjoint(spans: readonly SecretSpan[]): readonly SecretSpan[] {
  const kept: SecretSpan[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = kept.at(-1);
    if (last === undefined || span.start >= last.end) kept.push(span);
    else if (span.end > last.end) kept[kept.length - 1] = { ...last, end: span.end };
  }
  return kept;
}

/** Members and headers whose value is a secret whatever it looks like. */
const SECRET_NAME =
  /^(?:proxy-authorization|authorization|cookie|set-cookie|x-[\w-]*(?:token|key|secret|auth)|[\w-]*(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?token|refresh[_-]?token|id[_-]?token|auth[_-]?token|session[_-]?token|private[_-]?key|secret[_-]?access[_-]?key|client[_-]?secret)|pwd|token)$/i;
const SECRET_FLAG = /^--?(?:[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api-?key|access-?key)|pass|pw)$/i;
const USER_FLAG = /^(?:-u|--user|--proxy-user)$/;
const FLAG_PROGRAMS = /(?:^|\/)(?:curl|wget|http|https|xh)$/;
const PASSWORD_PROGRAMS = /(?:^|\/)(?:mysql\w*|mariadb\w*|sshpass)$/;
const NAME_ONLY = /^(?:bearer|basic|token|null|true|false|\$\{?\w+\}?)$/i;

/** Lists of words of docs/vocabulary.md: `secret` beside another word is no name beside a value. */
const OUR_WORDS = new Set(['labels', 'tags']);

/**
 * Redacts every text within a value, by its shape and by what it stands under: a member, a header pair, the word after a flag
 * (T9). Numbers, names of members and our own ids stay.
 */
export function redactJson<T extends Json>(value: T, find: FindSecrets = findSecrets): Redaction<T> {
  const redacted: Redacted[] = [];
  const text = (given: string): string => {
    const one = redactText(given, find);
    redacted.push(...one.redacted);
    return one.value;
  };
  const whole = (given: string, detector: string): string => {
    if (given.length < 3 || NAME_ONLY.test(given) || given.startsWith('[redacted: ')) return given;
    redacted.push({ detector, value: given });
    return `[redacted: ${detector}]`;
  };
  const list = (items: readonly Json[]): Json => {
    const [name, only] = items;
    if (items.length === 2 && typeof name === 'string' && typeof only === 'string' && SECRET_NAME.test(name))
      return [name, whole(only, nameOf(name))];
    let before: string | null = null;
    let curl = false;
    let asks = false;
    return items.map((item) => {
      if (typeof item !== 'string') return walk(item);
      curl ||= FLAG_PROGRAMS.test(item);
      asks ||= PASSWORD_PROGRAMS.test(item);
      const flag = before;
      before = item;
      if (flag !== null && SECRET_FLAG.test(flag) && !item.startsWith('-')) return whole(item, 'password');
      const colon = item.indexOf(':');
      if (curl && flag !== null && USER_FLAG.test(flag) && colon > 0)
        return `${item.slice(0, colon + 1)}${whole(item.slice(colon + 1), 'password')}`;
      if (asks && flag === '-p') return whole(item, 'password');
      if (asks && /^-p[^-]/.test(item) && item.length > 4) return `-p${whole(item.slice(2), 'password')}`;
      return text(item);
    });
  };
  const walk = (given: Json): Json => {
    if (typeof given === 'string') return text(given);
    if (given === null || typeof given !== 'object') return given;
    if (Array.isArray(given)) return list(given as readonly Json[]);
    const out: Record<string, Json> = {};
    for (const [key, member] of Object.entries(given as JsonObject))
      if (OUR_WORDS.has(key) && Array.isArray(member)) out[key] = member.map((word: Json) => walk(word));
      else
        out[key] =
          typeof member === 'string' && SECRET_NAME.test(key) ? whole(member, nameOf(key)) : walk(member);
    return out;
  };
  const shown = walk(value);
  return redacted.length === 0 ? { value, redacted } : { value: shown as T, redacted };
}

function nameOf(name: string): string {
  const lower = name.toLowerCase();
  if (lower.includes('cookie')) return 'cookie';
  if (lower.includes('authorization')) return 'authorization';
  if (lower.includes('pass') || lower === 'pwd') return 'password';
  return lower.includes('token') ? 'token' : 'secret';
}
