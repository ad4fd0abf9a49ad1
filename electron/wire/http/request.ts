import type { Header, HttpRequest, MultipartPart } from '../../core/http.ts';
import type { Hasher } from '../../core/ports.ts';
import { err, type Result } from '../../core/result.ts';

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

/**
 * Says what one request means (AARM R1, R5.a): target parsed once by the WHATWG rules, body read by its type. Never throws. With a
 * `hasher` the digest of the window is in it, and an approval is bound to the body's very bytes.
 */
export function describeRequest(_input: RequestInput, _hasher?: Hasher): Result<HttpRequest, RequestFault> {
  return err({ code: 'bad-target', reason: 'requests are not understood yet' });
}
