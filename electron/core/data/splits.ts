import type { HttpRequest } from '../http.ts';
import { utf8Of } from './normal.ts';

/** One place of a request that can carry a piece of something: a parameter, a field, a part of the path, the labels of a host. */
export interface Piece {
  /** `query:q`, `json:data`, `form:file`, `path`, `label`, `header:x-data`, `body`. */
  readonly slot: string;
  readonly text: string;
}

/**
 * What was sent before in small pieces, by session, destination and slot, so that a text cut over several requests is whole again when it is looked at.
 * Kept only where the bytes are (the proxy); bounded in all directions.
 */
export interface Splits {
  /** Tails by `session destination slot`, the one used longest ago first. */
  readonly tails: ReadonlyMap<string, string>;
}

export const NO_SPLITS: Splits = { tails: new Map() };

/** Characters of a tail that are kept. */
const TAIL = 64 * 1024;
/** A longer piece is looked at by itself, and only its end is part of what may follow. */
const SMALL = 8 * 1024;
const END_OF_LARGE = 512;
const MOST_TAILS = 512;
const MOST_PIECES = 64;

/** The part of a host that somebody registered, roughly: what lies before it is theirs to choose freely, and can carry data. */
function registered(host: string): { readonly domain: string; readonly labels: string } {
  const labels = host.split('.');
  // An address has no labels.
  if (labels.length <= 2 || host.includes(':') || /^[0-9.]+$/.test(host)) return { domain: host, labels: '' };
  return { domain: labels.slice(-2).join('.'), labels: labels.slice(0, -2).join('') };
}

function leaves(value: unknown, slot: string, out: Piece[], depth: number): void {
  if (out.length >= MOST_PIECES || depth > 8) return;
  if (typeof value === 'string') out.push({ slot, text: value });
  else if (Array.isArray(value)) for (const item of value) leaves(item, slot, out, depth + 1);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) leaves(item, `json:${key}`, out, depth + 1);
}

/** The pieces of one request, in order. */
export function piecesOf(request: HttpRequest): readonly Piece[] {
  const { target, body, headers } = request;
  const out: Piece[] = [];
  const { labels } = registered(target.host);
  if (labels !== '') out.push({ slot: 'label', text: labels });
  const last = target.path.slice(target.path.lastIndexOf('/') + 1);
  if (last !== '') out.push({ slot: 'path', text: last });
  for (const [name, value] of target.query.slice(0, MOST_PIECES))
    out.push({ slot: `query:${name}`, text: value });
  for (const [name, value] of headers)
    if (name.startsWith('x-') || name === 'cookie' || name === 'user-agent' || name === 'referer')
      out.push({ slot: `header:${name}`, text: value });
  switch (body.kind) {
    case 'json':
      leaves(body.value, 'json', out, 0);
      break;
    case 'form':
      for (const [name, value] of body.fields.slice(0, MOST_PIECES))
        out.push({ slot: `form:${name}`, text: value });
      break;
    case 'text':
      out.push({ slot: 'body', text: body.text });
      break;
    default:
      break;
  }
  return out.slice(0, MOST_PIECES * 2);
}

/**
 * Adds what one request sends to what was sent before to the same destination, and says what to look at beside the request itself (`scanPayload`): for each slot that had a
 * tail the tail with the new piece. A piece that says the same as the last one adds nothing. Pure.
 */
export function advanceSplits(
  splits: Splits,
  sent: { readonly session: string; readonly host: string; readonly pieces: readonly Piece[] },
): { readonly splits: Splits; readonly joined: Uint8Array } {
  const tails = new Map(splits.tails);
  const texts: string[] = [];
  const { domain } = registered(sent.host);
  for (const { slot, text } of sent.pieces) {
    if (text === '') continue;
    const name = `${sent.session} ${domain} ${slot}`;
    const before = tails.get(name) ?? '';
    tails.delete(name);
    if (before.endsWith(text)) {
      tails.set(name, before);
      continue;
    }
    const whole = `${before}${text.length > SMALL ? text.slice(0, END_OF_LARGE) : text}`;
    if (before !== '') texts.push(whole);
    tails.set(name, text.length > SMALL ? text.slice(-END_OF_LARGE) : whole.slice(-TAIL));
  }
  for (const name of tails.keys()) {
    if (tails.size <= MOST_TAILS) break;
    tails.delete(name);
  }
  return { splits: { tails }, joined: utf8Of(texts.join('\n')) };
}

/** Forgets a session that ended. */
export function forgetSplits(splits: Splits, session: string): Splits {
  return { tails: new Map([...splits.tails].filter(([name]) => !name.startsWith(`${session} `))) };
}
