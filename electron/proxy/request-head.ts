import type { Header } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';

/** Bytes and number of a request's header fields; more is refused. */
export const MAX_HEAD_BYTES = 65_536;
export const MAX_HEADERS = 256;

/** What is left of a head once everything that two readers could read differently was refused. */
export interface RequestHead {
  readonly authority: string | null;
  readonly headers: readonly Header[];
  /** Null: not said. */
  readonly length: number | null;
  readonly hasBody: boolean;
}

export interface HeadFault {
  readonly code: 'smuggling' | 'bad-head' | 'host-mismatch' | 'head-too-large';
  readonly reason: string;
}

/** Of one connection, never of the request (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'te',
]);
/** What a `Connection` header may not take away: the request would no longer be what was judged. */
const NEVER_HOP = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'authorization',
  'cookie',
]);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;

/** Checks the head of a request of HTTP/1.1, after Node's own strict parser (T4). `raw` is name, value, name, value … as sent. */
export function checkHttp1Head(
  method: string,
  target: string,
  version: string,
  raw: readonly string[],
): Result<RequestHead, HeadFault> {
  const bad = (code: HeadFault['code'], reason: string) => err({ code, reason });
  if (version !== '1.1' && version !== '1.0') return bad('bad-head', 'only HTTP/1.0 and 1.1 are spoken here');
  if (raw.length / 2 > MAX_HEADERS) return bad('head-too-large', `more than ${MAX_HEADERS} headers`);
  if (!TOKEN.test(method) || method === 'CONNECT') return bad('bad-head', 'the method is none');
  if (!TARGET.test(target)) return bad('bad-head', 'the target has characters that must be encoded');
  const lengths: string[] = [];
  const codings: string[] = [];
  const hosts: string[] = [];
  const named: string[] = [];
  let te: string | null = null;
  const headers: Header[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    const value = raw[i + 1] ?? '';
    if (name === 'content-length') lengths.push(value);
    else if (name === 'transfer-encoding') codings.push(value);
    else if (name === 'host') hosts.push(value);
    else if (name === 'connection') named.push(...value.toLowerCase().split(/[ \t]*,[ \t]*/));
    else if (name === 'te') te = value;
    // Servers that read `_` as `-` (CGI and its kin) would take these for the real ones.
    else if (/^(?:content|transfer)_(?:length|encoding)$/.test(name))
      return bad('smuggling', `a header \`${name}\` that some servers read as another`);
    headers.push([name, value]);
  }
  if (codings.length > 0 && lengths.length > 0)
    return bad('smuggling', 'both `Content-Length` and `Transfer-Encoding`');
  if (lengths.length > 1) return bad('smuggling', 'several `Content-Length`');
  if (lengths.length === 1 && !/^[0-9]{1,15}$/.test(lengths[0] ?? ''))
    return bad('smuggling', 'a `Content-Length` that is no plain number');
  if (codings.length > 1 || (codings.length === 1 && codings[0]?.toLowerCase() !== 'chunked'))
    return bad('smuggling', 'a `Transfer-Encoding` other than one `chunked`');
  if (codings.length > 0 && version === '1.0') return bad('smuggling', '`Transfer-Encoding` in HTTP/1.0');
  if (hosts.length > 1) return bad('smuggling', 'several `Host`');
  if (hosts.length === 0 && version === '1.1') return bad('bad-head', 'no `Host`');
  const absolute = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)/.exec(target);
  if (absolute !== null) {
    if (!/^(?:http|https|ws|wss)$/i.test(absolute[1] ?? ''))
      return bad('bad-head', 'a target of another scheme');
    const host = hosts[0];
    if (host !== undefined && !sameAuthority(absolute[2] ?? '', host, absolute[1] ?? ''))
      return bad('host-mismatch', '`Host` names another host than the target');
  } else if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) {
    return bad('bad-head', 'the target is neither a path nor a URL');
  }
  const drop = new Set(named.filter((name) => !NEVER_HOP.has(name)));
  const length = lengths.length === 1 ? Number(lengths[0]) : codings.length > 0 ? null : 0;
  return ok({
    authority: hosts[0] ?? null,
    headers: endToEnd(headers, drop, te),
    length,
    hasBody: length !== 0,
  });
}

/** Checks the head of a request of HTTP/2, after nghttp2's own checks. `raw` as Node gives it, pseudo-headers first. */
export function checkHttp2Head(
  raw: readonly string[],
  endStream: boolean,
): Result<
  RequestHead & {
    readonly method: string;
    readonly target: string;
    /** The client waits for a 100 before it sends its body. */
    readonly continues: boolean;
  },
  HeadFault
> {
  const bad = (code: HeadFault['code'], reason: string) => err({ code, reason });
  if (raw.length / 2 > MAX_HEADERS) return bad('head-too-large', `more than ${MAX_HEADERS} headers`);
  const pseudo = new Map<string, string>();
  const headers: Header[] = [];
  let host: string | null = null;
  let lengths = 0;
  let length: number | null = null;
  let te: string | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    if (name.startsWith(':')) {
      if (pseudo.has(name)) return bad('smuggling', `several \`${name}\``);
      pseudo.set(name, value);
      continue;
    }
    if (!TOKEN.test(name) || /[\r\n\0]/.test(value))
      return bad('bad-head', 'a header that HTTP/1.1 could not carry');
    if (name === 'host') {
      if (host !== null) return bad('smuggling', 'several `host`');
      host = value;
    }
    if (name === 'te') te = value;
    if (name === 'content-length') {
      lengths += 1;
      if (lengths > 1 || !/^[0-9]{1,15}$/.test(value))
        return bad('smuggling', 'a `content-length` that is no plain number');
      length = Number(value);
    }
    headers.push([name, value]);
  }
  const method = pseudo.get(':method') ?? '';
  const target = pseudo.get(':path') ?? '';
  const authority = pseudo.get(':authority') ?? host;
  if (method === 'CONNECT' || !TOKEN.test(method)) return bad('bad-head', 'the method is none');
  if (!TARGET.test(target) || !(target.startsWith('/') || (target === '*' && method === 'OPTIONS')))
    return bad('bad-head', 'the path is none');
  if (host !== null && authority !== null && host.toLowerCase() !== authority.toLowerCase())
    return bad('host-mismatch', '`host` names another host than `:authority`');
  return ok({
    method,
    target,
    continues:
      !endStream && headers.some(([name, value]) => name === 'expect' && /^100-continue$/i.test(value)),
    authority,
    headers: endToEnd(headers, new Set(), te),
    length: endStream ? 0 : length,
    hasBody: !endStream,
  });
}

/** Without what belongs to one connection; `te: trailers` is kept, which gRPC asks for. */
function endToEnd(
  headers: readonly Header[],
  drop: ReadonlySet<string>,
  te: string | null,
): readonly Header[] {
  const kept = headers.filter(([name]) => name !== 'host' && !HOP_BY_HOP.has(name) && !drop.has(name));
  return te !== null && /(?:^|,)\s*trailers\s*(?:$|,)/i.test(te) ? [...kept, ['te', 'trailers']] : kept;
}

/** Without what an upstream said of its own connection. */
export function answerHeaders(raw: readonly string[]): readonly Header[] {
  const headers: Header[] = [];
  const drop = new Set<string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (name.startsWith(':')) continue;
    if (name === 'connection')
      for (const word of (raw[i + 1] ?? '').toLowerCase().split(/[ \t]*,[ \t]*/))
        if (!NEVER_HOP.has(word)) drop.add(word);
    if (!HOP_BY_HOP.has(name)) headers.push([name, raw[i + 1] ?? '']);
  }
  return drop.size === 0 ? headers : headers.filter(([name]) => !drop.has(name));
}

function sameAuthority(a: string, b: string, scheme: string): boolean {
  const plain = (text: string): string | null => {
    try {
      const url = new URL(`${scheme.replace(/^ws/i, 'http')}://${text}/`);
      return url.host;
    } catch {
      return null;
    }
  };
  const left = plain(a);
  return left !== null && left === plain(b);
}

/** Trailers that may be passed on: never what frames, routes or authenticates. */
export function passableTrailers(raw: readonly string[]): readonly Header[] {
  const kept: Header[] = [];
  for (let i = 0; i < raw.length && kept.length < 64; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (name.startsWith(':') || HOP_BY_HOP.has(name) || NEVER_HOP.has(name) || name === 'trailer') continue;
    kept.push([name, raw[i + 1] ?? '']);
  }
  return kept;
}
