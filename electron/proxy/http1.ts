import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { makePage } from './answer-page.ts';
import type { Connection, Exchange } from './exchange.ts';
import { forward } from './forward.ts';
import type { Workings } from './inspection.ts';
import { checkHttp1Head, type HeadFault, MAX_HEAD_BYTES, passableTrailers } from './request-head.ts';

const HEAD_MS = 10_000;
const KEEP_MS = 60_000;

/** What the server does with what is no plain request. */
export interface Http1Hooks {
  /** The connection that a socket is; for an explicit proxy found by the request's own credentials. Null: refused, and the hook has said so. */
  connection(socket: Duplex, request: IncomingMessage): Connection | null;
  connect(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  upgrade(exchange: Exchange, request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/**
 * The server of HTTP/1.1: Node's parser without any leniency, then `checkHttp1Head`. It listens nowhere; sockets are given to it with
 * `emit('connection')`.
 */
export function makeHttp1(workings: Workings, hooks: Http1Hooks): Server {
  const server = createServer(
    {
      insecureHTTPParser: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      requireHostHeader: false,
      headersTimeout: HEAD_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_MS,
      connectionsCheckingInterval: 1_000,
      highWaterMark: 65_536,
      noDelay: true,
      // Any other protocol to change to (h2c) is not offered: the request is an ordinary one.
      shouldUpgradeCallback: (request: IncomingMessage) =>
        request.headers.upgrade?.toLowerCase() === 'websocket' && request.method === 'GET',
    },
    (request, response) => {
      const connection = hooks.connection(request.socket, request);
      if (connection === null) return void request.socket.destroy();
      serve(workings, connection, request, response);
    },
  );
  // Every header counts: `checkHttp1Head` refuses too many, and none is quietly left out.
  server.maxHeadersCount = 0;
  server.on('connect', hooks.connect);
  server.on('upgrade', (request, socket, head) => {
    const connection = hooks.connection(socket, request);
    if (connection === null) return void socket.destroy();
    const checked = checkHttp1Head(
      request.method ?? '',
      request.url ?? '',
      request.httpVersion,
      request.rawHeaders,
    );
    if (!checked.ok) return refuseHead(workings, connection, socket, checked.error);
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    socket.on('error', () => undefined);
    hooks.upgrade(
      {
        connection,
        protocol: 'websocket',
        method: 'GET',
        rawTarget: request.url ?? '',
        authority: checked.value.authority,
        headers: checked.value.headers,
        body: request,
        hasBody: false,
        length: 0,
        requestTrailers: () => [],
        gone: gone.signal,
        respond: (head) => {
          writeHead(socket, head.status, head.reason, head.headers);
          return socket;
        },
        flush: () => undefined,
        finish: () => {
          socket.end();
        },
        cut: () => {
          socket.destroy();
        },
      },
      request,
      socket,
      head,
    );
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const fault = parserFault(error);
    if (fault === null || socket.destroyed || !socket.writable) return void socket.destroy();
    workings.channel.refused(null, fault.code, fault.reason, null);
    answerHead(socket, fault);
  });
  // The check of slow heads starts when a server listens, which this one never does by itself.
  server.emit('listening');
  return server;
}

/** What Node's parser found wrong; null for a client that went away. */
function parserFault(error: NodeJS.ErrnoException): HeadFault | null {
  const code = error.code ?? '';
  if (code === 'HPE_HEADER_OVERFLOW')
    return {
      code: 'head-too-large',
      reason: `the head of the request is larger than ${MAX_HEAD_BYTES} bytes; send fewer or shorter headers`,
    };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return { code: 'bad-head', reason: 'the head of the request did not arrive in time; send it again' };
  if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE')
    return {
      code: 'bad-head',
      reason:
        'the request is not written as HTTP has to be, so nobody could say what it does; nothing was sent',
    };
  return null;
}

function refuseHead(workings: Workings, connection: Connection, socket: Duplex, fault: HeadFault): void {
  workings.channel.refused(connection.route.session, fault.code, fault.reason, connection.host);
  answerHead(socket, fault);
}

/** Answers without the parser, and ends the connection: what would follow cannot be trusted to be a request. */
function answerHead(socket: Duplex, fault: HeadFault): void {
  const page = makePage(
    {
      status: fault.code === 'head-too-large' ? 431 : 400,
      title: 'Refused by Countersign',
      message: fault.reason,
      rule: null,
      receipt: null,
    },
    [],
    'GET',
  );
  writeHead(socket, page.head.status, page.head.reason, [...page.head.headers, ['connection', 'close']]);
  socket.end(page.body);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), 1_000);
  socket.once('close', () => clearTimeout(timer));
}

function writeHead(
  socket: Duplex,
  status: number,
  reason: string,
  headers: readonly (readonly [string, string])[],
): void {
  socket.write(
    `HTTP/1.1 ${status} ${reason}\r\n${headers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`,
    'latin1',
  );
}

function serve(
  workings: Workings,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const checked = checkHttp1Head(
    request.method ?? '',
    request.url ?? '',
    request.httpVersion,
    request.rawHeaders,
  );
  if (!checked.ok) return refuseHead(workings, connection, request.socket, checked.error);
  const head = checked.value;
  const gone = new AbortController();
  response.sendDate = false;
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  response.on('error', () => undefined);
  request.on('error', () => undefined);
  const exchange: Exchange = {
    connection,
    protocol: 'http/1.1',
    method: request.method ?? '',
    rawTarget: request.url ?? '',
    authority: head.authority,
    headers: head.headers,
    body: request,
    hasBody: head.hasBody,
    length: head.length,
    requestTrailers: () => passableTrailers(request.rawTrailers),
    gone: gone.signal,
    respond: ({ status, reason, headers, bodyless }) => {
      const flat: string[] = [];
      const counted = headers.some(([name]) => name === 'content-length');
      const noTrailers = bodyless || counted || request.httpVersion === '1.0';
      for (const [name, value] of headers) if (name !== 'trailer' || !noTrailers) flat.push(name, value);
      // A body that was not read to its end would be taken for the next request.
      if (head.hasBody && !request.complete) flat.push('connection', 'close');
      if (!response.headersSent && !response.destroyed)
        response.writeHead(status, reason.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' '), flat);
      return response;
    },
    flush: () => {
      if (!response.destroyed && !response.writableEnded) response.flushHeaders();
    },
    finish: (trailers) => {
      if (trailers.length > 0 && response.chunkedEncoding)
        response.addTrailers(trailers as unknown as readonly [string, string][]);
      response.end();
      if (!request.complete) drain(request);
    },
    cut: () => {
      request.socket.destroy();
    },
  };
  forward(workings, exchange).catch(() => {
    workings.channel.refused(
      connection.route.session,
      'internal',
      'the request could not be carried',
      connection.host,
    );
    request.socket.destroy();
  });
}

/** Reads on for a moment what nobody wants, so that the client reads the answer before it learns that it was cut. */
function drain(request: IncomingMessage): void {
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), 1_000);
  request.once('close', () => clearTimeout(timer));
  request.once('end', () => clearTimeout(timer));
}
