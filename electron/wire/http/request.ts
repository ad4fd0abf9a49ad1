import type { Header, HttpRequest, MultipartPart } from '../../core/http.ts';
import type { Hasher } from '../../core/ports.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { essenceOf, readBody } from './body.ts';
import { readAuthority } from './host.ts';
import { readTarget } from './target.ts';

/** One request as it stood on the wire, before anybody understood it; what the proxy has after the head's strict parse. */
export interface RequestInput {
  readonly method: string;
  /** Of the connection: `https` where TLS was opened. */
  readonly scheme: 'http' | 'https';
  /** `Host` or `:authority`, as sent; null where neither was. */
  readonly authority: string | null;
  /** The request line's target or `:path`, as sent: origin form, absolute form or `*`. */
  readonly rawTarget: string;
  /** What the connection was made to; null for an explicit proxy, where each request says. */
  readonly routeHost: string | null;
  readonly routePort: number | null;
  /** The name in the TLS ClientHello; null without TLS or without a name. */
  readonly sni: string | null;
  readonly protocol: HttpRequest['protocol'];
  readonly headers: readonly Header[];
  /** The body's first bytes, content-decoded. */
  readonly window: Uint8Array;
  /** Length of the whole body in bytes; null when not said. */
  readonly length: number | null;
  readonly inspected: 'whole' | 'part';
  /** The parts of a multipart body, parsed by the proxy; null when it is none. */
  readonly multipart: readonly MultipartPart[] | null;
}

/** Why a request is refused before it is judged; `reason` is for people. */
export interface RequestFault {
  readonly code: 'host-mismatch' | 'bad-target' | 'bad-method' | 'bad-header';
  readonly reason: string;
}

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,200}$/;
const MAX_HEADERS = 500;
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Headers that some servers obey in the method's place. */
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override', 'x-method'];
/** Headers of which a second one with another value is read differently by different servers. */
const SINGLE = new Set([
  'host',
  'content-type',
  'content-length',
  'authorization',
  'content-encoding',
  ...OVERRIDES,
]);

/**
 * Says what one request means (AARM R1, R5.a): target parsed once by the WHATWG rules, body read by its type. Never throws. With a
 * `hasher` the digest of the window is in it, and an approval is bound to the body's very bytes.
 */
export function describeRequest(input: RequestInput, hasher?: Hasher): Result<HttpRequest, RequestFault> {
  const { method } = input;
  if (!METHOD.test(method) || method === 'CONNECT')
    return err({ code: 'bad-method', reason: `\`${method.slice(0, 40)}\` is no method of a request` });
  const fault = headerFault(input.headers);
  if (fault !== null) return err({ code: 'bad-header', reason: fault });
  const place = readTarget(input);
  if (!place.ok) return place;
  if (!agreesWithHost(input))
    return err({ code: 'host-mismatch', reason: 'the request names one host and its host header another' });
  const { target } = place.value;
  const typed = headerOf(input.headers, 'content-type');
  const read = readBody(input, typed, target);
  const oddities = new Set([...place.value.oddities, ...read.oddities]);
  if (method !== method.toUpperCase()) oddities.add('odd-method');
  if (input.headers.some(([name]) => OVERRIDES.includes(name.replaceAll('_', '-'))))
    oddities.add('method-override');
  return ok({
    method,
    target,
    protocol: input.protocol,
    headers: endToEnd(input.headers),
    contentType: essenceOf(typed),
    body: read.body,
    length: input.length,
    inspected: input.inspected,
    oddities: [...oddities],
    ...(hasher === undefined ? {} : { bodyDigest: hasher.sha256(input.window) }),
  });
}

/** HTTP/2 names the host twice where a client sends `host` beside `:authority`; a server may take either. */
function agreesWithHost({ authority, headers, scheme }: RequestInput): boolean {
  const host = headerOf(headers, 'host');
  if (host === null || authority === null || host === authority) return true;
  const [one, other] = [readAuthority(authority), readAuthority(host)];
  const usual = scheme === 'https' ? 443 : 80;
  return one?.host === other?.host && (one?.port ?? usual) === (other?.port ?? usual);
}

/** Value of the first header of a name (lower case); null when there is none. */
export function headerOf(headers: readonly Header[], name: string): string | null {
  return headers.find(([key]) => key === name)?.[1] ?? null;
}

/**
 * The method that a server may act by, upper case: the overriding header's where that is the worse one. A server that knows no such header
 * does what the request line says, so an override never makes less of a request.
 */
export function methodOf(request: Pick<HttpRequest, 'method' | 'headers'>): string {
  const method = request.method.toUpperCase();
  const override = overrideOf(request);
  return override !== null && weight(override) > weight(method) ? override : method;
}

/** The method that an overriding header asks for, upper case; null when none does. CGI and its kin read `_` in a name as `-`. */
export function overrideOf({ headers }: Pick<HttpRequest, 'headers'>): string | null {
  for (const [name, value] of headers)
    if (OVERRIDES.includes(name.replaceAll('_', '-')) && METHOD.test(value.trim()))
      return value.trim().toUpperCase();
  return null;
}

function weight(method: string): number {
  if (method === 'DELETE') return 2;
  return /^(?:GET|HEAD|OPTIONS|TRACE|PROPFIND|REPORT|SEARCH|QUERY)$/.test(method) ? 0 : 1;
}

function headerFault(headers: readonly Header[]): string | null {
  if (headers.length > MAX_HEADERS) return `it has more than ${MAX_HEADERS} headers`;
  const seen = new Map<string, string>();
  for (const [name, value] of headers) {
    if (!NAME.test(name)) return `\`${name.slice(0, 60)}\` is no name of a header`;
    if (/[\u0000\r\n]/.test(value)) return `the header \`${name}\` holds a line end or a NUL`;
    if (!SINGLE.has(name)) continue;
    const before = seen.get(name);
    if (before !== undefined && before !== value) return `the header \`${name}\` is there twice and differs`;
    seen.set(name, value);
  }
  return null;
}

/** Without hop-by-hop headers and those that `Connection` names. */
function endToEnd(headers: readonly Header[]): readonly Header[] {
  const named = new Set(
    headers
      .filter(([name]) => name === 'connection')
      .flatMap(([, value]) => value.split(',').map((word) => word.trim().toLowerCase())),
  );
  return headers.filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name));
}
