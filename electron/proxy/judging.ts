import { looksLikeText } from '../core/data/decode.ts';
import type { Payload } from '../core/data/payload.ts';
import { joinedPayloads } from '../core/data/scan.ts';
import type { HttpRequest, HttpTarget } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';
import { codingsOf, decodeBody, type Held } from './body-window.ts';
import { type Exchange, headerOf } from './exchange.ts';
import type { Workings } from './inspection.ts';
import { multipartParts } from './multipart.ts';
import type { DialFault, PlaceholderUse, ProxyAnswer } from './protocol-handler.ts';
import { findPlaceholders, withoutPlaceholders } from './swap.ts';

/** A request as it will be judged, with what is needed to send it afterwards. */
export interface Understood {
  readonly request: HttpRequest;
  readonly payload: Payload;
  readonly placeholders: readonly PlaceholderUse[];
  /** What was held, as it came and content-decoded. */
  readonly raw: Buffer;
  readonly plain: Buffer;
  readonly codings: readonly string[];
  readonly whole: boolean;
}

export interface UnderstandFault {
  readonly status: number;
  readonly code: string;
  readonly reason: string;
}

/** A label of a host name that is as long as this may carry something: a server of names hears it. */
const CARRYING_LABEL = 25;

/** Path and query as they were judged, not as the client wrote them: two readers of `/a/../b` may differ. */
export function sentTarget(rawTarget: string, target: HttpTarget): string {
  if (rawTarget === '*') return '*';
  const found = /^[a-z]+:\/\/[^/?#]*([^#]*)/.exec(target.url);
  const rest = found?.[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Says what a request means and what it carries; a fault refuses it before anybody is asked. */
export async function understand(
  workings: Workings,
  exchange: Exchange,
  held: Held,
): Promise<Result<Understood, UnderstandFault>> {
  const { connection, headers } = exchange;
  const raw =
    held.chunks.length === 1 && held.chunks[0] !== undefined ? held.chunks[0] : Buffer.concat(held.chunks);
  const ended = held.state === 'end';
  const codings = raw.length === 0 ? [] : codingsOf(headerOf(headers, 'content-encoding'));
  const decoded = codings === null || codings.length === 0 ? ok(raw) : await decodeBody(raw, codings, ended);
  if (!decoded.ok)
    return err({
      status: decoded.error.code === 'bomb' ? 413 : 400,
      code: decoded.error.code,
      reason: decoded.error.reason,
    });
  const plain = decoded.value;
  const contentType = headerOf(headers, 'content-type');
  const inspected = ended && codings !== null ? 'whole' : 'part';
  const described = workings.inspection.describe({
    method: exchange.method,
    scheme: connection.scheme,
    authority: exchange.authority,
    rawTarget: exchange.rawTarget,
    routeHost: connection.host,
    routePort: connection.port,
    sni: connection.sni,
    protocol: exchange.protocol,
    headers,
    window: plain,
    length: exchange.length ?? (ended ? raw.length : null),
    inspected,
    multipart: raw.length === 0 ? null : await multipartParts(plain, contentType),
  });
  if (!described.ok) return err({ status: 400, ...described.error });
  // Whatever reaches the other end can carry something, and a header has whatever name its sender likes.
  const labels = described.value.target.host.split('.').filter((label) => label.length >= CARRYING_LABEL);
  const said: string[] = [exchange.rawTarget, ...labels];
  const values = workings.routes.placeholders(connection.route.session);
  for (const [name, value] of headers)
    if (name !== 'content-length') said.push(`${name}: ${withoutPlaceholders(value, values)}`);
  if (ended) for (const [name, value] of exchange.requestTrailers()) said.push(`${name}: ${value}`);
  const head = Buffer.from(said.join('\n'));
  // What stands behind the end of a packed body is no part of it for its reader, but it would leave.
  const parts = codings === null || codings.length === 0 ? [plain] : [plain, raw];
  const { fingerprintKey } = workings.settings();
  const scan = (bytes: Buffer) => workings.inspection.scan(bytes, fingerprintKey, inspected);
  // Together, since a text may be spread over both; and each body by itself, since what is packed shows it by how it begins.
  const payload = joinedPayloads([
    scan(Buffer.concat([head, Buffer.from('\n\n'), ...parts])),
    ...parts.filter(isPacked).map(scan),
  ]);
  return ok({
    request: described.value,
    payload,
    placeholders: findPlaceholders(values, {
      target: exchange.rawTarget,
      // As it is sent, an encoding that hid a placeholder may be gone.
      sentAs: sentTarget(exchange.rawTarget, described.value.target),
      headers,
      body: plain,
      contentType,
    }),
    raw,
    plain,
    codings: codings ?? [],
    whole: ended,
  });
}

/** No text by its beginning. */
function isPacked(bytes: Buffer): boolean {
  return bytes.length >= 12 && !looksLikeText(bytes, 0, Math.min(bytes.length, 256));
}

/** What was decided, and the address that it was decided about. */
export interface Judged {
  readonly answer: ProxyAnswer;
  readonly address: string | null;
  readonly fault: DialFault | null;
  /** Answers that were replaced by this one and are owed an outcome. */
  readonly before: readonly ProxyAnswer[];
}

/**
 * Asks about a request. A name is resolved only after an ALLOW, since a question to a name server leaves too; when it leads to an address
 * nearby, the question is asked again with that.
 * INVARIANT (what was judged is dialled): `address` is the one that the last question named, or a public one of the name that it named.
 */
export async function judge(workings: Workings, exchange: Exchange, what: Understood): Promise<Judged> {
  const { upstream, channel } = workings;
  const { route } = exchange.connection;
  const { host } = what.request.target;
  const ask = (address: string | null, near: boolean): Promise<ProxyAnswer> =>
    channel.ask(
      route,
      {
        kind: 'request',
        request: near
          ? { ...what.request, oddities: [...what.request.oddities, 'resolves-near'] }
          : what.request,
        payload: what.payload,
        address,
        hop: 0,
      },
      what.placeholders,
      exchange.gone,
    );
  const known = isAddress(host) ? { address: host, near: false } : upstream.known(route.session, host);
  const first = await ask(known?.address ?? null, known?.near ?? false);
  if (first.result !== 'ALLOW' || known !== null)
    return { answer: first, address: known?.address ?? null, fault: null, before: [] };
  const found = await upstream.resolve(route.session, host);
  if (!found.ok) return { answer: first, address: null, fault: found.error, before: [] };
  const { address, near } = found.value;
  if (!near) return { answer: first, address, fault: null, before: [] };
  return { answer: await ask(address, true), address, fault: null, before: [first] };
}

function isAddress(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
}
