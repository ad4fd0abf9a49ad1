import type { HttpTarget } from '../../core/http.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { type Authority, isAddress, isNear, parseUrl, readAuthority } from './host.ts';
import { pairsOf } from './pairs.ts';
import type { RequestFault, RequestInput } from './request.ts';

type TargetInput = Pick<
  RequestInput,
  'method' | 'scheme' | 'authority' | 'rawTarget' | 'routeHost' | 'routePort' | 'sni' | 'protocol'
>;

/** Where a request goes, and what is odd about how that was written. */
export interface ReadTarget {
  readonly target: HttpTarget;
  readonly oddities: readonly string[];
}

const MAX_TARGET = 64 * 1024;
const SCHEME_PORT = { http: 80, https: 443 } as const;

const refuse = (code: RequestFault['code'], reason: string): Result<ReadTarget, RequestFault> =>
  err({ code, reason });

/**
 * Parses where a request goes, once (AARM R1, R5.a). Absolute form, `Host`, SNI and route must name one place.
 * INVARIANT (judged is dialled): the proxy dials `target.host` and `target.port` and nothing else.
 */
export function readTarget(input: TargetInput): Result<ReadTarget, RequestFault> {
  const { rawTarget, scheme } = input;
  if (rawTarget === '' || rawTarget.length > MAX_TARGET || /[\u0000-\u0020\u007f]/.test(rawTarget))
    return refuse(
      'bad-target',
      'the request target is empty, too long, or holds blanks or control characters',
    );
  const split = splitTarget(rawTarget, input.method);
  if (split === null)
    return refuse('bad-target', `the request target \`${shortened(rawTarget)}\` is not of a known form`);
  if (split.scheme !== null && split.scheme !== scheme)
    return refuse(
      'host-mismatch',
      `the request names \`${split.scheme}\` on a connection that is \`${scheme}\``,
    );
  const named = namedAuthority(input, split.authority);
  if (!named.ok) return named;
  const placed = placeOf(input, named.value);
  if (!placed.ok) return placed;
  const { host, port } = placed.value;
  const oddities = new Set([...named.value.oddities, ...placed.value.oddities, ...pathOddities(split.path)]);
  if (split.userinfo) oddities.add('userinfo');
  const origin = `${scheme}://${host.includes(':') ? `[${host}]` : host}${port === SCHEME_PORT[scheme] ? '' : `:${port}`}`;
  const url = parseUrl(origin + (split.path === '*' ? '/' : split.path));
  if (url === null) return refuse('bad-target', `\`${shortened(rawTarget)}\` is no URL`);
  const path = split.path === '*' ? '*' : plainPath(url.pathname);
  const outward = input.protocol === 'websocket' ? (scheme === 'https' ? 'wss' : 'ws') : scheme;
  return ok({
    target: {
      url: `${origin.replace(scheme, outward)}${path === '*' ? '/' : path}${url.search}`,
      scheme: outward,
      host,
      port,
      path,
      query: pairsOf(url.search.slice(1)),
    },
    oddities: [...oddities],
  });
}

interface Split {
  readonly scheme: 'http' | 'https' | null;
  readonly authority: string | null;
  readonly userinfo: boolean;
  /** Path and query, with a leading slash; or `*`. */
  readonly path: string;
}

/** Origin form, absolute form, or `*` (RFC 9112, 3.2). What WHATWG would forgive (`http:/host`, `http:\\host`) is none of these. */
function splitTarget(raw: string, method: string): Split | null {
  if (raw.startsWith('/')) return { scheme: null, authority: null, userinfo: false, path: raw };
  if (raw === '*')
    return method === 'OPTIONS' ? { scheme: null, authority: null, userinfo: false, path: '*' } : null;
  const found = /^(https?|wss?):\/\/([^/?#\\]+)([/?#\\].*)?$/i.exec(raw);
  if (found === null) return null;
  const [, word = '', whole = '', rest = '/'] = found;
  const at = whole.lastIndexOf('@');
  return {
    scheme: /^(?:https|wss)$/i.test(word) ? 'https' : 'http',
    authority: whole.slice(at + 1),
    userinfo: at >= 0,
    path: rest.startsWith('/') || rest.startsWith('\\') ? rest : `/${rest}`,
  };
}

/** The one authority that absolute form and `Host` name; both must name the same. */
function namedAuthority(input: TargetInput, absolute: string | null): Result<Authority, RequestFault> {
  const texts = [absolute, input.authority].filter((text) => text !== null);
  const first = texts[0];
  if (first === undefined) return refuseAuthority('the request names no host');
  const read = readAuthority(first);
  if (read === null) return refuseAuthority(`\`${shortened(first)}\` is no host`);
  const second = texts[1];
  if (second === undefined) return ok(read);
  const other = readAuthority(second);
  if (other === null) return refuseAuthority(`\`${shortened(second)}\` is no host`);
  const usual = SCHEME_PORT[input.scheme];
  if (other.host !== read.host || (other.port ?? usual) !== (read.port ?? usual))
    return err({
      code: 'host-mismatch',
      reason: `the request line names \`${read.host}\` and the host header \`${other.host}\``,
    });
  return ok({ ...read, oddities: [...new Set([...read.oddities, ...other.oddities])] });
}

const refuseAuthority = (reason: string): Result<never, RequestFault> => err({ code: 'bad-target', reason });

/** Where it is dialled: what the request names, which must be what the connection was made to. */
function placeOf(
  input: TargetInput,
  named: Authority,
): Result<{ host: string; port: number; oddities: readonly string[] }, RequestFault> {
  const usual = SCHEME_PORT[input.scheme];
  const port = input.routePort ?? named.port ?? usual;
  const oddities: string[] = [];
  const sni = input.sni === null ? null : readAuthority(input.sni);
  if (input.sni !== null && sni === null)
    return err({ code: 'host-mismatch', reason: 'the TLS name is no host' });
  if (sni !== null && sni.host !== named.host)
    return err({
      code: 'host-mismatch',
      reason: `TLS was opened for \`${sni.host}\` and the request names \`${named.host}\``,
    });
  if (input.routeHost === null) return ok({ host: named.host, port, oddities });
  // A route's address of IPv6 may come with or without its brackets.
  const { routeHost } = input;
  const route = readAuthority(
    routeHost.includes(':') && !routeHost.startsWith('[') ? `[${routeHost}]` : routeHost,
  );
  if (route === null)
    return err({ code: 'host-mismatch', reason: 'the connection was made to no host that can be read' });
  if (named.port !== null && input.routePort !== null && named.port !== input.routePort)
    oddities.push('port-mismatch');
  if (route.host === named.host) return ok({ host: named.host, port, oddities });
  if (!isAddress(route.host))
    return err({
      code: 'host-mismatch',
      reason: `the connection was made to \`${route.host}\` and the request names \`${named.host}\``,
    });
  // A program that resolved the name itself: the name is dialled anew, so that a name cannot cover for another's address. A near
  // address under a name (a virtual host on this machine) stays the address, and is judged as that.
  if (isAddress(named.host) || isNear(route.host))
    return ok({ host: route.host, port, oddities: [...oddities, 'host-mismatch'] });
  return ok({ host: named.host, port, oddities });
}

function pathOddities(path: string): readonly string[] {
  const oddities: string[] = [];
  const bare = path.replace(/[?#].*$/s, '');
  if (path.includes('#')) oddities.push('fragment');
  if (bare.includes('\\')) oddities.push('backslash');
  if (bare.startsWith('//')) oddities.push('double-slash');
  if (/(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|$)/i.test(bare)) oddities.push('dot-segment');
  if (/%(?:2f|5c)/i.test(bare)) oddities.push('encoded-slash');
  if (/%(?:0[0-9a-f]|1[0-9a-f]|7f)/i.test(path)) oddities.push('encoded-control');
  if (/%25(?:2e|2f|5c|00)/i.test(bare)) oddities.push('double-encoded');
  if (/[^\u0000-\u007f]/.test(path)) oddities.push('raw-bytes');
  return oddities;
}

/** `%41` is `A`, `%2f` is `%2F`: one spelling for one path. */
function plainPath(path: string): string {
  if (!path.includes('%')) return path;
  return path.replace(/%([0-9a-f]{2})/gi, (whole, hex: string) => {
    const c = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-_~]/.test(c) ? c : whole.toUpperCase();
  });
}

/** For a reason that is told: without a user's name and password, a query and what would make it long. */
function shortened(text: string): string {
  const bare = text.replace(/[?#].*$/s, '').replace(/[^/]*@/g, '');
  return bare.length > 100 ? `${bare.slice(0, 100)}…` : bare;
}
