import type { Header } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { Swap } from '../wire/proxy-message.ts';
import type { PlaceholderUse } from './protocol-handler.ts';

/** What of a request may hold placeholders. */
export interface Swappable {
  readonly target: string;
  /** The target as it will be sent, where it may differ. */
  readonly sentAs?: string;
  readonly headers: readonly Header[];
  /** The held body, content-decoded. */
  readonly body: Buffer;
  readonly contentType: string | null;
}

const BASIC = /^(basic[ ]+)([A-Za-z0-9+/=_-]+)[ ]*$/i;

/** The text of a Basic credential; null when the header is none. */
function basicText(value: string): string | null {
  const found = BASIC.exec(value);
  return found === null ? null : Buffer.from(found[2] ?? '', 'base64').toString('utf8');
}

/** A header's text without placeholders, Basic opened: they look like secrets and are none, and are judged by their places. */
export function withoutPlaceholders(text: string, values: readonly string[]): string {
  const opened = basicText(text);
  const held = values.filter((value) => value !== '');
  const base = opened !== null && held.some((value) => opened.includes(value)) ? `Basic ${opened}` : text;
  return held.reduce((left, value) => left.replaceAll(value, ' '), base);
}

/** Finds each placeholder of the session wherever it stands, Basic credentials opened. */
export function findPlaceholders(values: readonly string[], on: Swappable): readonly PlaceholderUse[] {
  const uses: PlaceholderUse[] = [];
  for (const value of values) {
    if (value === '') continue;
    const places = new Set([...placesIn(on.target, value), ...placesIn(on.sentAs ?? on.target, value)]);
    for (const where of places) uses.push({ value, where });
    for (const [name, text] of on.headers)
      if (text.includes(value) || basicText(text)?.includes(value) === true)
        uses.push({ value, where: `header:${name}` });
    if (on.body.includes(value)) uses.push({ value, where: 'body' });
  }
  return uses;
}

/** Where a value stands in a target: `path`, `query:NAME`. */
function placesIn(target: string, value: string): readonly string[] {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  const places = path.includes(value) ? ['path'] : [];
  if (query < 0) return places;
  const pairs = target.slice(query + 1).split('&');
  return [
    ...places,
    ...pairs.filter((pair) => pair.includes(value)).map((pair) => `query:${pair.split('=', 1)[0] ?? ''}`),
  ];
}

export interface SwapFault {
  readonly code: 'expired' | 'unusable';
  readonly message: string;
}

/** What is really sent, and which minted credentials are in it. */
export interface Swapped {
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: Buffer;
  readonly bodyChanged: boolean;
  readonly used: readonly string[];
  /** What must never come back, with what stands for it. */
  readonly scrub: readonly Scrub[];
}

export interface Scrub {
  readonly secret: Buffer;
  readonly placeholder: Buffer;
}

/** Puts minted secrets in the place of placeholders, written as the place wants it. Fails rather than send one that is too old or breaks its place. */
export function applySwaps(on: Swappable, swaps: readonly Swap[], now: number): Result<Swapped, SwapFault> {
  let { target, headers, body } = on;
  let bodyChanged = false;
  const used: string[] = [];
  const scrub: Scrub[] = [];
  for (const swap of swaps) {
    if (now >= swap.expiresAt)
      return err({
        code: 'expired',
        message: 'the credential minted for this was too old before it could be used; try again',
      });
    if (swap.use.kind !== 'replace') continue;
    const { placeholder, secret } = swap;
    if (placeholder === '' || secret === '')
      return err({ code: 'unusable', message: 'the credential minted for this is empty' });
    if (/[\r\n\0]/.test(secret) && headers.some(([, text]) => text.includes(placeholder)))
      return err({
        code: 'unusable',
        message: 'the credential holds a line break, which no header can carry',
      });
    let hit = false;
    const basics: Scrub[] = [];
    if (target.includes(placeholder)) {
      target = target.replaceAll(placeholder, () => encodeURIComponent(secret));
      hit = true;
    }
    headers = headers.map(([name, text]): Header => {
      if (text.includes(placeholder)) {
        hit = true;
        return [name, text.replaceAll(placeholder, () => secret)];
      }
      const basic = basicText(text);
      if (basic?.includes(placeholder) !== true) return [name, text];
      hit = true;
      const coded = Buffer.from(basic.replaceAll(placeholder, () => secret)).toString('base64');
      const prefix = BASIC.exec(text)?.[1] ?? 'Basic ';
      basics.push({ secret: Buffer.from(coded), placeholder: Buffer.from(text.slice(prefix.length)) });
      return [name, `${prefix}${coded}`];
    });
    if (body.includes(placeholder)) {
      body = replaceAll(body, Buffer.from(placeholder), Buffer.from(inBody(secret, on.contentType)));
      bodyChanged = true;
      hit = true;
    }
    if (!hit) continue;
    used.push(swap.minted);
    scrub.push(...scrubsOf(secret, placeholder), ...basics);
  }
  return ok({ target, headers, body, bodyChanged, used, scrub });
}

/** The shapes in which an upstream may echo a secret. */
export function scrubsOf(secret: string, placeholder: string): readonly Scrub[] {
  const shapes = new Set([
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('base64url'),
    ...insideBase64(secret),
  ]);
  return [...shapes].map((shape) => ({ secret: Buffer.from(shape), placeholder: Buffer.from(placeholder) }));
}

/** What stands of a secret in the Base64 of a longer text, wherever it begins there; the characters at its ends, which hold something of its neighbours, are left out. */
function insideBase64(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((shift) => {
    const from = (3 - shift) % 3;
    const whole = bytes.subarray(from, from + Math.floor((bytes.length - from) / 3) * 3);
    return whole.length < 9 ? [] : [whole.toString('base64'), whole.toString('base64url')];
  });
}

function inBody(secret: string, contentType: string | null): string {
  if (contentType === null) return secret;
  if (/^application\/x-www-form-urlencoded/i.test(contentType)) return encodeURIComponent(secret);
  return /[/+]json\b/i.test(contentType) ? JSON.stringify(secret).slice(1, -1) : secret;
}

function replaceAll(bytes: Buffer, from: Buffer, to: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (let found = bytes.indexOf(from); found >= 0; found = bytes.indexOf(from, at)) {
    parts.push(bytes.subarray(at, found), to);
    at = found + from.length;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}

/** Takes secrets out of what streams by, however it is cut into pieces. */
export interface Scrubber {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
  /** True once something was taken out. */
  hit(): boolean;
}

/** Holds back only what may be the beginning of a secret, so that a stream of events flows. */
export function makeScrubber(scrubs: readonly Scrub[]): Scrubber {
  let rest: Buffer = Buffer.alloc(0);
  let hit = false;
  const clean = (bytes: Buffer): Buffer => {
    let now = bytes;
    for (const { secret, placeholder } of scrubs)
      if (now.includes(secret)) {
        hit = true;
        now = replaceAll(now, secret, placeholder);
      }
    return now;
  };
  /** Length of the longest end of `bytes` that is a beginning of a secret. */
  const begun = (bytes: Buffer): number => {
    let longest = 0;
    for (const { secret } of scrubs)
      for (let n = Math.min(secret.length - 1, bytes.length); n > longest; n -= 1)
        if (bytes.compare(secret, 0, n, bytes.length - n) === 0) longest = n;
    return longest;
  };
  return {
    push: (chunk) => {
      const all = clean(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
      const keep = begun(all);
      rest = Buffer.from(all.subarray(all.length - keep));
      return all.subarray(0, all.length - keep);
    },
    end: () => rest,
    hit: () => hit,
  };
}

/** Headers without secrets. */
export function scrubHeaders(headers: readonly Header[], scrubs: readonly Scrub[]): readonly Header[] {
  if (scrubs.length === 0) return headers;
  return headers.map(([name, value]): Header => [scrubName(name, scrubs), scrubText(value, scrubs)]);
}

/** A name of a header, which is lower case by now, without secrets. */
function scrubName(name: string, scrubs: readonly Scrub[]): string {
  const holds = scrubs.some(({ secret }) => name.includes(secret.toString('latin1').toLowerCase()));
  return holds ? 'x-countersign-removed' : name;
}

/** A line of text without secrets. */
export function scrubText(text: string, scrubs: readonly Scrub[]): string {
  let now = text;
  for (const { secret, placeholder } of scrubs)
    now = now.replaceAll(secret.toString('latin1'), () => placeholder.toString('latin1'));
  return now;
}
