import type { CredentialLimits, CredentialRecord } from './credential.ts';
import type { GraphqlOperation, HttpRequest } from './http.ts';
import { globMatches } from './policy/pattern.ts';

/** Where something would be sent: `secure` when the way there is encrypted and its other end proven. */
export interface CredentialPlace {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
}

/** Where a request goes, as a credential's limits see it. */
export function placeOf(request: HttpRequest): CredentialPlace {
  const { host, port, scheme } = request.target;
  return { host, port, secure: scheme === 'https' || scheme === 'wss' };
}

/**
 * Whether a credential may be sent to a place (AARM R9.b). A host without a port means port 443 over TLS: what is sent in the clear, or to
 * another service of the same machine, the person must have named with its port.
 */
export function hostAllowed(hosts: readonly string[], place: CredentialPlace): boolean {
  const host = place.host.toLowerCase();
  return hosts.some((entry) => {
    const { name, port } = splitHost(entry.toLowerCase());
    if (port === null ? !(place.secure && place.port === 443) : place.port !== port) return false;
    if (port === 443 && !place.secure) return false;
    if (!name.startsWith('*.')) return name === host;
    // `*.example.org` is what lies below it, however deep, and not example.org itself.
    return host.endsWith(name.slice(1)) && host.length > name.length - 1 && !isAddress(host);
  });
}

/** `host`, `host:port`, `[address]:port`; an address of IPv6 without brackets has no port. */
function splitHost(entry: string): { readonly name: string; readonly port: number | null } {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(entry);
  if (bracketed !== null)
    return {
      name: bracketed[1] ?? '',
      port: bracketed[2] === undefined ? null : Number(bracketed[2]),
    };
  const plain = /^([^:]+):(\d{1,5})$/.exec(entry);
  return plain === null ? { name: entry, port: null } : { name: plain[1] ?? '', port: Number(plain[2]) };
}

function isAddress(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host);
}

/** Headers, and parameters, by which a server is asked to take one method for another; CGI and its kin read `_` as `-`. */
const OVERRIDES = new Set(['x-http-method-override', 'x-http-method', 'x-method-override', 'x-method']);
const OVERRIDING_PARAMETERS = new Set([
  '_method',
  'x-http-method-override',
  '$method',
  '_httpmethod',
  'x-method-override',
]);
/** Headers by which a server behind another is told which path was asked for. */
const PATH_OVERRIDES = new Set([
  'x-original-url',
  'x-rewrite-url',
  'x-original-uri',
  'x-override-url',
  'x-forwarded-uri',
  'x-forwarded-path',
]);
const READS = ['GET', 'HEAD', 'OPTIONS'];
/** What a proxy or server behind the one we see might read differently from us. */
const AMBIGUOUS_PATH = /%2f|%5c|%2e|%25|%00|\\|\.\.;/i;

/**
 * Why a request may not use a credential, beside its host; null when it may (AARM R9.b: a read credential cannot write). What cannot be
 * looked at whole is no proof of being within a limit, and is refused.
 */
export function limitFault(limits: CredentialLimits, request: HttpRequest): string | null {
  const { methods, paths, graphql } = limits;
  const operations = request.body.kind === 'graphql' ? request.body.operations : null;
  const narrowed = methods !== null || graphql !== null;
  if (narrowed) {
    const override = overrideOf(request);
    if (override !== null)
      return `it is limited to some methods, and \`${override}\` asks the server to take this for another`;
    if (request.protocol === 'websocket')
      return 'it is limited to some methods, and what goes through a WebSocket has none';
  }
  if (graphql !== null && operations !== null) {
    if (request.inspected !== 'whole')
      return 'it is limited to some GraphQL operations, and this request is too long to look at whole';
    if (operations.length === 0)
      return 'it is limited to some GraphQL operations, and this request names none';
    const outside = operations.flatMap((operation) => outsideOf(graphql, operation))[0];
    if (outside !== undefined)
      return `it is limited to GraphQL \`${graphql.join('`, `')}\`, not \`${outside}\``;
  } else {
    if (graphql !== null && /graphql/i.test(request.target.path))
      return 'it is limited to some GraphQL operations, and this request could not be read as one';
    // A limit on GraphQL alone says what may be read: the same host's other doors must not be a way to write.
    const allowed = methods ?? (graphql === null ? null : READS);
    if (allowed !== null && !allowed.includes(request.method))
      return `it is limited to ${allowed.join(', ')}, and this is a ${request.method}`;
  }
  if (paths !== null) {
    const override = request.headers.find(([name]) => PATH_OVERRIDES.has(name.replaceAll('_', '-')));
    if (override !== undefined)
      return `it is limited to some paths, and \`${override[0]}\` asks the server to take this for another`;
    if (AMBIGUOUS_PATH.test(request.target.path))
      return 'it is limited to some paths, and this one can be read in two ways';
    if (!paths.some((pattern) => globMatches(request.target.path, pattern)))
      return `it is limited to \`${paths.join('`, `')}\`, not \`${request.target.path.slice(0, 200)}\``;
  }
  return null;
}

/** What asks for another method than the one that stands there; null when nothing does. */
function overrideOf({ headers, target, body }: HttpRequest): string | null {
  const header = headers.find(([name]) => OVERRIDES.has(name.replaceAll('_', '-')));
  if (header !== undefined) return header[0];
  const fields = [...target.query, ...(body.kind === 'form' ? body.fields : [])];
  return fields.find(([name]) => OVERRIDING_PARAMETERS.has(name.toLowerCase()))?.[0] ?? null;
}

/** What an operation does beyond the limits: `mutation:addComment`. A limit `query` covers every query. */
function outsideOf(limits: readonly string[], { type, fields }: GraphqlOperation): readonly string[] {
  if (limits.includes(type)) return [];
  if (fields.length === 0) return [type];
  return fields.map((field) => `${type}:${field}`).filter((name) => !limits.includes(name));
}

/** Where a placeholder of a kind may stand when the record says nothing. */
const USUAL_PLACES: Readonly<Record<CredentialRecord['kind'], readonly string[]>> = {
  token: ['header'],
  'github-app': ['header'],
  aws: ['header', 'query:X-Amz-Credential'],
  postgres: ['password', 'user'],
  ssh: ['sign'],
};

/**
 * Whether a placeholder may stand at `where` (`header:authorization`, `query:key`, `body`): as `settings.places` says, by whole name or by
 * kind of place, and in a header alone where it says nothing: in a URL or a body a secret ends in logs and pages.
 */
export function placeAllowed(record: Pick<CredentialRecord, 'kind' | 'settings'>, where: string): boolean {
  const said = record.settings['places'];
  const places = Array.isArray(said)
    ? said.filter((text): text is string => typeof text === 'string')
    : USUAL_PLACES[record.kind];
  // What a server gives back to whoever asks next: a header that is no key.
  if (/^header:(?:referer|origin|user-agent|host|x-forwarded-.*)$/i.test(where)) return false;
  const kind = where.split(':', 1)[0] ?? where;
  return places.some((place) => place.toLowerCase() === where.toLowerCase() || place === kind);
}
