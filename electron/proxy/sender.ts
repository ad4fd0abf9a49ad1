import { request as request1 } from 'node:http';
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Readable, Writable } from 'node:stream';
import type { Header } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { DialFault } from './protocol-handler.ts';
import { answerHeaders, passableTrailers } from './request-head.ts';
import { type Carrier, DialError } from './upstream.ts';

/** What is sent upstream, as it was judged. */
export interface Sending {
  readonly method: string;
  /** Raw target in origin-form. */
  readonly target: string;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly headers: readonly Header[];
  /** Null: chunked, or as HTTP/2 has it. */
  readonly length: number | null;
  readonly hasBody: boolean;
}

/** What upstream answered; the body is still to be read. */
export interface Answered {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly Header[];
  readonly body: Readable;
  /** Nothing follows the head. */
  readonly ended: boolean;
  trailers(): readonly Header[];
}

/** A request on its way. */
export interface Sent {
  readonly body: Writable;
  end(trailers: readonly Header[]): void;
  /** Settles once; a fault after the answer's head shows itself as an error of its body. */
  readonly answered: Promise<Result<Answered, SendFault>>;
  destroy(): void;
}

export interface SendFault {
  readonly fault: DialFault | null;
  readonly message: string;
  /** A connection that had been used before was closed under it: safe to try again when nothing was changed by it. */
  readonly stale: boolean;
}

/** Sends one request over a carrier. */
export function send(carrier: Carrier, sending: Sending): Sent {
  return carrier.kind === 'h1' ? sendHttp1(carrier, sending) : sendHttp2(carrier.session, sending);
}

function sendHttp1(carrier: Extract<Carrier, { kind: 'h1' }>, sending: Sending): Sent {
  const flat: string[] = ['host', sending.authority];
  let cookie: string | null = null;
  for (const [name, value] of sending.headers) {
    if (name === 'content-length' || (name === 'trailer' && (!sending.hasBody || sending.length !== null)))
      continue;
    // HTTP/2 may send crumbs (RFC 9113, 8.2.3); HTTP/1.1 has one.
    if (name === 'cookie') cookie = cookie === null ? value : `${cookie}; ${value}`;
    else flat.push(name, value);
  }
  if (cookie !== null) flat.push('cookie', cookie);
  if (sending.hasBody && sending.length === null) flat.push('transfer-encoding', 'chunked');
  else if (sending.hasBody || /^(?:POST|PUT|PATCH)$/.test(sending.method))
    flat.push('content-length', String(sending.length ?? 0));
  if (sending.headers.some(([name]) => name === 'te')) flat.push('connection', 'te, keep-alive');
  else flat.push('connection', 'keep-alive');
  const request = request1({
    agent: carrier.agent,
    method: sending.method,
    path: sending.target,
    headers: flat,
    setHost: false,
    setDefaultHeaders: false,
    insecureHTTPParser: false,
    maxHeaderSize: 131_072,
  });
  request.on('socket', (socket) => socket.setTimeout(0));
  const answered = new Promise<Result<Answered, SendFault>>((settle) => {
    request.once('response', (response) => {
      settle(
        ok({
          status: response.statusCode ?? 502,
          reason: response.statusMessage ?? '',
          headers: answerHeaders(response.rawHeaders),
          body: response,
          ended: false,
          trailers: () => passableTrailers(response.rawTrailers),
        }),
      );
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const fault = error instanceof DialError ? error.fault : null;
      settle(
        err({
          fault,
          message:
            fault?.message ?? `the connection broke before an answer came (${error.code ?? 'unknown'})`,
          stale: request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE'),
        }),
      );
    });
    request.once('close', () =>
      settle(err({ fault: null, message: 'the connection was closed before an answer came', stale: false })),
    );
  });
  return {
    body: request,
    end: (trailers) => {
      if (trailers.length > 0) request.addTrailers(trailers as unknown as readonly [string, string][]);
      request.end();
    },
    answered,
    destroy: () => {
      request.destroy();
    },
  };
}

/** Headers of which Node's HTTP/2 takes one alone; servers in the wild say some of them twice. */
const SINGLE =
  'access-control-allow-credentials access-control-max-age access-control-request-method age authorization content-encoding content-language content-length content-location content-md5 content-range content-type date dnt etag expires from if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards range referer retry-after tk upgrade-insecure-requests user-agent x-content-type-options'.split(
    ' ',
  );

/** Headers as HTTP/2 of Node wants them: repeated ones in a list. */
export function http2Headers(headers: readonly Header[]): OutgoingHttpHeaders {
  // Without a prototype: a header may be called `constructor`.
  const all = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of headers) {
    const before = all[name];
    if (before === undefined) all[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else all[name] = [before, value];
  }
  for (const single of SINGLE) if (Array.isArray(all[single])) all[single] = all[single][0] ?? '';
  return all;
}

function sendHttp2(session: ClientHttp2Session, sending: Sending): Sent {
  const headers = sending.headers.filter(([name]) => name !== 'content-length');
  const stream = session.request(
    {
      ...http2Headers(headers),
      ...(sending.hasBody && sending.length !== null ? { 'content-length': String(sending.length) } : {}),
      ':method': sending.method,
      ':path': sending.target,
      ':scheme': sending.scheme,
      ':authority': sending.authority,
    },
    { endStream: !sending.hasBody, waitForTrailers: sending.hasBody },
  );
  let outgoing: readonly Header[] = [];
  let incoming: readonly Header[] = [];
  stream.on('wantTrailers', () => {
    try {
      stream.sendTrailers(http2Headers(outgoing));
    } catch {
      stream.close();
    }
  });
  const answered = new Promise<Result<Answered, SendFault>>((settle) => {
    stream.once('response', (head: IncomingHttpHeaders, flags: number, raw?: readonly string[]) => {
      settle(
        ok({
          status: Number(head[':status'] ?? 502),
          reason: '',
          headers: answerHeaders(raw ?? []),
          body: stream,
          ended: (flags & 1) !== 0,
          trailers: () => incoming,
        }),
      );
    });
    stream.once('trailers', (_head: IncomingHttpHeaders, _flags: number, raw?: readonly string[]) => {
      incoming = passableTrailers(raw ?? []);
    });
    stream.on('error', (error: NodeJS.ErrnoException) =>
      settle(
        err({
          fault: null,
          message: `the stream broke before an answer came (${error.code ?? 'unknown'})`,
          stale: false,
        }),
      ),
    );
    stream.once('close', () =>
      settle(err({ fault: null, message: 'the stream was closed before an answer came', stale: false })),
    );
  });
  return {
    body: stream,
    end: (trailers) => {
      outgoing = trailers;
      if (sending.hasBody) stream.end();
    },
    answered,
    destroy: () => {
      stream.destroy();
    },
  };
}
