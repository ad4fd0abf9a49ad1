import type { Readable, Writable } from 'node:stream';
import type { Header, HttpRequest } from '../core/http.ts';
import type { ConnectionRoute } from './protocol-handler.ts';

/** What is known of the connection that requests come over. */
export interface Connection {
  readonly route: ConnectionRoute;
  /** What it was made to; null for an explicit proxy without CONNECT, where each request says. */
  readonly host: string | null;
  readonly port: number | null;
  readonly scheme: 'http' | 'https';
  readonly sni: string | null;
}

/** One request of a client, of whichever version, its head already checked. */
export interface Exchange {
  readonly connection: Connection;
  readonly protocol: HttpRequest['protocol'];
  readonly method: string;
  readonly rawTarget: string;
  readonly authority: string | null;
  /** Without hop-by-hop headers and without `host`. */
  readonly headers: readonly Header[];
  readonly body: Readable;
  readonly hasBody: boolean;
  /** As declared; null when the client did not say. */
  readonly length: number | null;
  /** After the body's end. */
  requestTrailers(): readonly Header[];
  /** Fires when the client is gone before its answer was complete. */
  readonly gone: AbortSignal;
  /** Sends the answer's head; the body is written to what it gives. `bodyless`: nothing will follow. */
  respond(head: ResponseHead): Writable;
  /** Sends the head now: nothing else may come for a while. */
  flush(): void;
  /** Ends the answer. */
  finish(trailers: readonly Header[]): void;
  /** Ends it so that the client sees that it is not whole. */
  cut(): void;
}

export interface ResponseHead {
  readonly status: number;
  /** Reason phrase; HTTP/2 has none. */
  readonly reason: string;
  readonly headers: readonly Header[];
  readonly bodyless: boolean;
}

/** The first value of a header; null when there is none. */
export function headerOf(headers: readonly Header[], name: string): string | null {
  for (const [found, value] of headers) if (found === name) return value;
  return null;
}
