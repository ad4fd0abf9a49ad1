import type { Action } from '../action.ts';
import type { RequestPattern } from '../approval.ts';
import type { Json } from '../brand.ts';
import { isList, isObject } from './fact-value.ts';

/** Tags that say how something was seen; two requests that differ in these alone do the same. */
const NEUTRAL: ReadonlySet<string> = new Set(['by-http', 'by-verb', 'statement']);
/** Stretches of a path that name one of many: numbers, hex, UUIDs, long mixed tokens. */
const ONE_OF_MANY =
  /^(?:\d+|[0-9a-f]{7,}|[0-9a-f]{8}-[0-9a-f-]{27}|(?=[^/]*\d)[A-Za-z0-9_-]{12,}|[A-Z]{1,3}-?\d+)$/;

/**
 * Generalises an approved request or statement by its meaning (R4): to the same host, the same operation, the same kind of path and the same
 * deeds; `fixed` binds it to the very address and body. Null where something that it does is not known, and for what is neither.
 */
export function requestPatternOf(action: Action, reach: 'fixed' | 'free'): RequestPattern | null {
  const { effects, gaps } = action;
  if (effects.length === 0 || gaps.length > 0 || effects.some(({ object }) => !object.known || object.many))
    return null;
  if (action.tool === 'http') return httpPattern(action, reach);
  return action.tool === 'database' ? statementPattern(action, reach) : null;
}

/** Whether a grant covers a request: everything that the pattern binds is the same. */
export function requestCovers(pattern: RequestPattern, action: Action): boolean {
  const own = requestPatternOf(action, pattern.exact === null ? 'free' : 'fixed');
  return own !== null && JSON.stringify(own) === JSON.stringify(pattern);
}

function httpPattern(action: Action, reach: 'fixed' | 'free'): RequestPattern | null {
  const { url, method, host, port, protocol, inspected, body_digest, body = null } = action.parameters;
  if (typeof url !== 'string' || typeof method !== 'string' || typeof host !== 'string') return null;
  // What could not be looked at may be anything next time.
  if (inspected !== 'whole' || typeof port !== 'number') return null;
  const found = /^([a-z]+):\/\/[^/?]*([^?]*)(?:\?(.*))?$/is.exec(url);
  if (found === null || url.endsWith('…')) return null;
  const [, scheme = '', path = '', query = ''] = found;
  if (reach === 'fixed' && isObject(body) && body.kind !== 'none' && typeof body_digest !== 'string')
    return null;
  return {
    tool: 'http',
    operation: action.operation,
    method,
    place: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    what: reach === 'fixed' ? path : meaningOf(path),
    says: [...calledBy(action), ...(protocol === 'websocket' ? ['websocket'] : [])],
    query: namesOf(query),
    deeds: deedsOf(action),
    exact: reach === 'fixed' ? `${url} ${typeof body_digest === 'string' ? body_digest : ''}` : null,
  };
}

function statementPattern(action: Action, reach: 'fixed' | 'free'): RequestPattern | null {
  const { database, user, credential, tables_read, tables_written, functions } = action.parameters;
  const { text_digest, values_digest, search_path } = action.parameters;
  if (typeof database !== 'string' || typeof text_digest !== 'string') return null;
  return {
    tool: 'database',
    operation: action.operation,
    method: '',
    place: database,
    what: [...new Set([...textsOf(tables_written), ...textsOf(tables_read)])].join(', '),
    says: [text(user), text(credential), ...textsOf(functions), ...textsOf(search_path)],
    query: [],
    deeds: deedsOf(action),
    exact: reach === 'fixed' ? `${text_digest} ${text(values_digest)}` : null,
  };
}

/** `/repos/o/r/issues/12` means one of the issues: `/repos/o/r/issues/*`. */
function meaningOf(path: string): string {
  return path
    .split('/')
    .map((segment) => (ONE_OF_MANY.test(segment) ? '*' : segment))
    .join('/');
}

/** What an interface with one address is asked to do: the fields of GraphQL, the action of a form, the method of JSON-RPC. */
function calledBy({ parameters }: Action): readonly string[] {
  const { body = null, headers = null } = parameters;
  const said: string[] = [];
  if (isObject(headers)) said.push(text(jsonOf(headers)['x-amz-target']));
  const { kind, operations = null, fields = null, value = null } = jsonOf(body);
  if (kind === 'graphql' && isList(operations))
    for (const one of operations) {
      const { type, fields: asked } = jsonOf(one as Json);
      said.push(`${text(type)}:${textsOf(asked).join(',')}`);
    }
  if (kind === 'form') said.push(text(jsonOf(fields).Action));
  if (kind === 'json') said.push(text(jsonOf(value).method));
  return said.filter((one) => one !== '');
}

/** What it does, and to which thing where that has a name of its own: a package, a branch, a table. */
function deedsOf({ effects }: Action): readonly string[] {
  const deeds = effects.map(({ kind, object, tags, recursive, force }) => {
    const how = tags.filter((tag) => !NEUTRAL.has(tag)).sort();
    const named = object.kind === 'url' || object.kind === 'host' ? '' : object.value;
    return [kind, named, ...how, ...(recursive ? ['recursive'] : []), ...(force ? ['force'] : [])].join(' ');
  });
  return [...new Set(deeds)].sort();
}

function namesOf(query: string): readonly string[] {
  const names = query.split('&').map((pair) => pair.split('=', 1)[0] ?? '');
  return [...new Set(names.filter((name) => name !== ''))].sort();
}

function jsonOf(value: Json): Readonly<Record<string, Json | undefined>> {
  return isObject(value) ? (value as Readonly<Record<string, Json>>) : {};
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: Json | undefined): readonly string[] {
  if (Array.isArray(value)) return (value as readonly Json[]).map(text).sort();
  return text(value) === '' ? [] : [text(value)];
}
