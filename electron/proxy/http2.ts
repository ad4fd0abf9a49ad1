import { constants, type Http2Session, performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Header } from '../core/http.ts';
import type { Connection, Exchange } from './exchange.ts';
import { forward, refuse } from './forward.ts';
import type { Workings } from './inspection.ts';
import { checkHttp2Head, MAX_HEAD_BYTES, MAX_HEADERS, passableTrailers } from './request-head.ts';
import { http2Headers } from './sender.ts';

const MAX_STREAMS = 128;
const IDLE_MS = 120_000;

/** Serves HTTP/2 on an open connection. Streams of one connection are requests of their own, asked about one by one. */
export function serveHttp2(workings: Workings, connection: Connection, socket: Duplex): Http2Session {
  const session = performServerHandshake(socket, {
    maxHeaderListPairs: MAX_HEADERS,
    maxSessionMemory: 32,
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      maxHeaderListSize: MAX_HEAD_BYTES,
      initialWindowSize: 1024 * 1024,
      enablePush: false,
      enableConnectProtocol: false,
    },
  });
  session.on('error', () => undefined);
  session.setTimeout(IDLE_MS, () => session.close());
  session.on('stream', (stream, _headers, flags, raw) => {
    // Node gives the pairs as they came; its types do not say so for this event.
    serve(workings, connection, stream as ServerHttp2Stream, flags, raw as unknown as readonly string[]);
  });
  return session;
}

function serve(
  workings: Workings,
  connection: Connection,
  stream: ServerHttp2Stream,
  flags: number,
  raw: readonly string[],
): void {
  const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  const gone = new AbortController();
  let outgoing: readonly Header[] = [];
  let incoming: readonly Header[] = [];
  stream.on('error', () => undefined);
  stream.once('close', () => {
    if (!stream.writableFinished || stream.rstCode !== 0) gone.abort();
  });
  stream.on('trailers', (_headers: unknown, _flags: number, pairs?: readonly string[]) => {
    incoming = passableTrailers(pairs ?? []);
  });
  stream.on('wantTrailers', () => {
    try {
      stream.sendTrailers(http2Headers(outgoing));
    } catch {
      stream.close();
    }
  });
  const checked = checkHttp2Head(raw, endStream);
  const head = checked.ok ? checked.value : null;
  const exchange: Exchange = {
    connection,
    protocol: 'h2',
    method: head?.method ?? '',
    rawTarget: head?.target ?? '',
    authority: head?.authority ?? null,
    headers: head?.headers ?? [],
    body: stream,
    hasBody: head?.hasBody ?? false,
    length: head?.length ?? null,
    requestTrailers: () => incoming,
    gone: gone.signal,
    respond: ({ status, headers, bodyless }) => {
      if (!stream.headersSent && !stream.destroyed)
        stream.respond(
          { ...http2Headers(headers), ':status': status },
          { endStream: bodyless, waitForTrailers: !bodyless },
        );
      return stream;
    },
    flush: () => undefined,
    finish: (trailers) => {
      outgoing = trailers;
      if (!stream.destroyed) stream.end();
      // What is still to come of the request is not wanted.
      if (!stream.readableEnded) stream.resume();
    },
    cut: () => {
      if (!stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    },
  };
  if (!checked.ok) return refuse(workings, exchange, 400, checked.error.code, checked.error.reason);
  if (checked.value.continues && !stream.destroyed) stream.additionalHeaders({ ':status': 100 });
  forward(workings, exchange).catch(() => {
    workings.channel.refused(
      connection.route.session,
      'internal',
      'the request could not be carried',
      connection.host,
    );
    exchange.cut();
  });
}
