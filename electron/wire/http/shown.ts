import type { Json, JsonObject } from '../../core/brand.ts';
import { type Header, type HttpBody, type HttpTarget, SHOWN_HEADERS } from '../../core/http.ts';
import { unreachable } from '../../core/result.ts';

/**
 * The one place that says how much of a request is shown: in receipts, in questions to the person, and to policy. Values of
 * credentials are never among it.
 */

export const PRESENT = '[present]';

const SECRET_NAME =
  /^(?:x-)?(?:(?:proxy-)?authorization|(?:set-)?cookie2?|.*(?:api|access|private|secret|auth|signing|session|security|account|function)[-_]?(?:key|token|secret|id-token)s?(?:[-_].*)?|.*(?:password|passwd|passphrase|passcode|secret|credential|signature)s?|pwd|pass|token|.*[-_](?:token|auth|key)|[a-z]+token|auth|sig|jwt|otp|code[-_]verifier|client[-_]assertion|x-amz-credential|key)$/i;
/** Shapes of well-known credentials and long runs that no prose holds. DATA's detectors look properly; these only keep receipts clean. */
const SECRET_VALUE =
  /(?:\b(?:sk|pk|rk|ghp|gho|ghu|ghs|ghr|glpat|npm|pypi|xox[abpres]|shpat|dop_v1|hf|AKIA|ASIA|AIza|ya29|whsec)[-_.]?[A-Za-z0-9_-]{14,}|\bgithub_pat_\w{20,}|\beyJ[\w-]{10,}\.[\w-]{5,}|-----BEGIN [A-Z ]*PRIVATE KEY|\b(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[A-Z])(?=[A-Za-z0-9+/_-]*[a-z])[A-Za-z0-9+/_-]{32,}={0,2})/;
const MAX_TEXT = 200;
const MAX_KEYS = 40;
const MAX_ITEMS = 10;
const MAX_DEPTH = 5;
const MAX_HEADERS = 30;

/** True for the name of a header, parameter or field whose value gives access. */
export function isSecretName(name: string): boolean {
  return name.length < 100 && SECRET_NAME.test(name);
}

/** Headers as they are shown: those that say what is done verbatim, a credential's presence, of the others nothing. */
export function shownHeaders(headers: readonly Header[]): JsonObject {
  const shown: Record<string, Json> = {};
  let count = 0;
  for (const [name, value] of headers) {
    if (count === MAX_HEADERS) break;
    if (isSecretName(name)) shown[name] = PRESENT;
    else if (SHOWN_HEADERS.has(name))
      shown[name] = name === 'referer' ? shownText(value.split('?', 1)[0] ?? '') : shownText(value);
    else continue;
    count += 1;
  }
  return shown;
}

/** The URL with the values of credentials in its query left out (presigned addresses, `?key=`). */
export function shownUrl(target: HttpTarget): string {
  const question = target.url.indexOf('?');
  const base = question < 0 ? target.url : target.url.slice(0, question);
  const path = shownPath(base);
  if (question < 0 || target.query.length === 0) return path;
  const pairs = target.url
    .slice(question + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 0) return pair;
      const name = decoded(pair.slice(0, equals));
      const value = decoded(pair.slice(equals + 1));
      return isSecretName(name) || SECRET_VALUE.test(value.slice(0, 500))
        ? `${pair.slice(0, equals)}=${PRESENT}`
        : pair;
    })
    .join('&');
  const shown = `${path}?${pairs}`;
  return shown.length > 2000 ? `${shown.slice(0, 2000)}…` : shown;
}

/** A path without the credential that some services take there. */
export function shownPath(path: string): string {
  return path.replace(SECRET_PATH, (_whole, before: string) => `${before}${PRESENT}`).slice(0, 2000);
}

/** `api.telegram.org/bot…`, `hooks.slack.com/services/…`, `discord.com/api/webhooks/…`. */
const SECRET_PATH = /(\/bot|\/services\/T\w+\/B\w+\/|\/api(?:\/v\d+)?\/webhooks\/\d+\/)([\w:-]{16,})/;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** A body as it is shown, bounded, without credentials. */
export function shown(body: HttpBody): JsonObject {
  switch (body.kind) {
    case 'none':
    case 'binary':
      return { kind: body.kind };
    case 'json':
      return { kind: 'json', value: shownValue(body.value as Json, 0) };
    case 'form':
      return {
        kind: 'form',
        fields: Object.fromEntries(
          body.fields
            .slice(0, MAX_KEYS)
            .map(([name, value]) => [shownText(name), isSecretName(name) ? PRESENT : shownText(value)]),
        ),
      };
    case 'multipart':
      return {
        kind: 'multipart',
        parts: body.parts.slice(0, MAX_KEYS).map((part) => ({
          name: shownText(part.name),
          filename: part.filename === null ? null : shownText(part.filename),
          content_type: part.contentType,
          bytes: part.bytes,
        })),
      };
    case 'graphql':
      return {
        kind: 'graphql',
        operations: body.operations.slice(0, MAX_KEYS).map(({ type, name, fields }) => ({
          type,
          name: name === null ? null : shownText(name),
          fields: fields.slice(0, MAX_KEYS),
        })),
      };
    case 'git':
      return {
        kind: 'git',
        service: body.service,
        updates: body.updates
          .slice(0, 100)
          .map(({ ref, before, after }) => ({ ref: shownText(ref), before, after })),
      };
    case 'text':
      return { kind: 'text', text: shownText(body.text) };
    case 'malformed':
      return { kind: 'malformed', claimed: body.claimed, why: shownText(body.why) };
    default:
      return unreachable(body);
  }
}

function shownValue(value: Json, depth: number): Json {
  if (typeof value === 'string') return shownText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '[deeper]';
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).slice(0, MAX_ITEMS).map((item) => shownValue(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `[${value.length - MAX_ITEMS} more]`] : items;
  }
  const entries = Object.entries(value as JsonObject);
  const kept = entries
    .slice(0, MAX_KEYS)
    .map(([key, inner]): readonly [string, Json] => [
      shownText(key),
      isSecretName(key) && typeof inner !== 'object' && typeof inner !== 'boolean'
        ? PRESENT
        : shownValue(inner, depth + 1),
    ]);
  return Object.fromEntries(
    entries.length > MAX_KEYS ? [...kept, ['…', `${entries.length - MAX_KEYS} more`]] : kept,
  );
}

/** One text, cut, and left out whole where it holds what looks like a credential. */
export function shownText(text: string): string {
  const cut = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text;
  // Looked at a little further than it is shown, so that a cut never shows half of one.
  const looked = text.slice(0, MAX_TEXT + 60);
  const clean = SECRET_VALUE.test(looked) ? PRESENT : cut;
  return clean === PRESENT || text.length <= MAX_TEXT ? clean : `${clean}… (${text.length} characters)`;
}
