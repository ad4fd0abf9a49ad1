import type { IncomingMessage } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Route } from '../wire/proxy-message.ts';
import type { Authority } from './authority.ts';
import { type Door, type Place, serveConnection } from './connect.ts';
import type { Connection } from './exchange.ts';
import { readFirstBytes } from './first-bytes.ts';
import { makeHttp1 } from './http1.ts';
import type { Workings } from './inspection.ts';
import { serveWebSocket } from './websocket.ts';

const MAX_CONNECTIONS = 4_096;
const MAX_UNNAMED = 512;
/** `CSN1 `, a token of 43 characters and the line's end, with room. */
const MAX_PREAMBLE = 128;
const FIRST_MS = 10_000;

/** Opens the proxy's one port, on the loopback, and serves what arrives. */
export async function openListener(
  workings: Workings,
  authority: () => Authority,
  wantedPort: number | null,
): Promise<{ readonly server: Server; readonly port: number }> {
  const connections = new WeakMap<Duplex, Connection>();
  const http1 = makeHttp1(workings, {
    connection: (socket, request) => connections.get(socket) ?? explicitConnection(workings, socket, request),
    connect: (request, socket, head) => {
      serveConnect(door, request, socket, head).catch(() => socket.destroy());
    },
    upgrade: (exchange, _request, socket, head) => {
      serveWebSocket(workings, exchange, socket, head).catch(() => socket.destroy());
    },
  });
  const door: Door = { workings, http1, connections, authority };
  let unnamed = 0;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    // Whoever has not said yet whose connection it is must not keep out those who have.
    if (unnamed >= MAX_UNNAMED) return void socket.destroy();
    unnamed += 1;
    admit(door, socket, () => {
      unnamed -= 1;
    }).catch(() => socket.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  const listen = (port: number): Promise<number> =>
    new Promise((settle, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
        server.off('error', reject);
        const at = server.address();
        if (at === null || typeof at === 'string') throw new Error('the listener has no port');
        settle(at.port);
      });
    });
  // Somebody else may have the port that the proxy before this one had.
  const port = await listen(wantedPort ?? 0).catch(() => listen(0));
  return { server, port };
}

/** Lets in a guard's connection by its token, and what speaks HTTP to be asked for one; everything else is closed. */
async function admit(door: Door, socket: Socket, named: () => void): Promise<void> {
  const { workings } = door;
  const first = await readFirstBytes(socket, null, FIRST_MS);
  const token = first.kind === 'preamble' ? await readPreamble(socket) : null;
  named();
  if (first.kind === 'http') return void door.http1.emit('connection', socket);
  if (first.kind === 'closed') return void socket.destroy();
  if (first.kind !== 'preamble')
    return turnAway(workings, socket, 'no-token', 'a connection without a token');
  const route = token === null ? null : await workings.routes.claim(token);
  if (route === null || route.host === null || route.port === null)
    return turnAway(
      workings,
      socket,
      'unknown-token',
      'a connection with a token that is not known, used or too old',
    );
  if (socket.destroyed) return;
  if (!workings.routes.hold(route.session, socket)) return crowded(workings, socket, route.session);
  await serveConnection(door, socket, placeOf(route, route.host, route.port));
}

function placeOf(route: Route, host: string, port: number): Place {
  return {
    route: {
      session: route.session,
      scope: route.scope,
      kind: route.kind,
      ...(route.by === undefined ? {} : { by: route.by }),
    },
    host: host.toLowerCase(),
    port,
  };
}

function turnAway(workings: Workings, socket: Duplex, code: string, reason: string): void {
  workings.channel.refused(null, code, reason, null);
  socket.destroy();
}

function crowded(workings: Workings, socket: Duplex, session: string): void {
  workings.channel.refused(
    session,
    'too-many-connections',
    'a session with too many connections at a time',
    null,
  );
  socket.destroy();
}

/** The token of the first line; what follows it is put back. Null: no such line. */
function readPreamble(socket: Socket): Promise<string | null> {
  return new Promise((settle) => {
    let seen: Buffer = Buffer.alloc(0);
    const done = (token: string | null): void => {
      clearTimeout(timer);
      socket.off('readable', look);
      socket.off('close', gone);
      socket.off('end', gone);
      settle(token);
    };
    const gone = (): void => done(null);
    const timer = setTimeout(gone, FIRST_MS);
    const look = (): void => {
      for (
        let chunk = socket.read() as Buffer | null;
        chunk !== null;
        chunk = socket.read() as Buffer | null
      ) {
        seen = Buffer.concat([seen, chunk]);
        const end = seen.indexOf(0x0a);
        if (end < 0 && seen.length <= MAX_PREAMBLE) continue;
        const line = seen.toString('latin1', 0, Math.max(0, end));
        const rest = seen.subarray(end + 1);
        if (rest.length > 0 && end >= 0) socket.unshift(rest);
        return done(/^CSN1 ([A-Za-z0-9_-]{20,100})$/.exec(line)?.[1] ?? null);
      }
    };
    socket.on('readable', look);
    socket.once('close', gone);
    socket.once('end', gone);
    look();
  });
}

/** The route of an explicit proxy's credentials; says so when there is none. */
function explicitRoute(workings: Workings, socket: Duplex, request: IncomingMessage): Route | null {
  const value = request.headers['proxy-authorization'];
  const coded = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(value ?? '')?.[1];
  if (coded === undefined) {
    workings.channel.refused(null, 'no-token', 'a request to the proxy without a token', null);
    // Some clients send their credentials only once they were asked for them.
    answerPlainly(
      socket,
      '407 Proxy Authentication Required',
      ['proxy-authenticate: Basic realm="countersign"'],
      'Refused by Countersign: this proxy serves sessions only, and the request does not say which; use the proxy address that the session has in HTTPS_PROXY',
    );
    return null;
  }
  const text = Buffer.from(coded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const route = workings.routes.explicit(
    decodeURIComponentSafely(text.slice(0, colon)),
    text.slice(colon + 1),
  );
  if (route === null) {
    workings.channel.refused(
      null,
      'unknown-token',
      'a request with a token that is not known or too old',
      null,
    );
    answerPlainly(
      socket,
      '403 Forbidden',
      [],
      'Refused by Countersign: the session that this proxy address belongs to is over; start the program again with `countersign run`',
    );
  } else if (!workings.routes.hold(route.session, socket)) {
    crowded(workings, socket, route.session);
    return null;
  }
  return route;
}

/** Answers with one line of text, and ends the connection. */
function answerPlainly(socket: Duplex, status: string, headers: readonly string[], message: string): void {
  const body = `${message}\n`;
  const head = [
    `HTTP/1.1 ${status}`,
    ...headers,
    'content-type: text/plain',
    `content-length: ${body.length}`,
  ];
  socket.end(`${[...head, 'x-countersign: failed', 'connection: close'].join('\r\n')}\r\n\r\n${body}`);
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A plain request to an explicit proxy: each brings its credentials and says where it goes. */
function explicitConnection(workings: Workings, socket: Duplex, request: IncomingMessage): Connection | null {
  const route = explicitRoute(workings, socket, request);
  if (route === null) return null;
  const { session, scope, kind } = route;
  return { route: { session, scope, kind }, host: null, port: null, scheme: 'http', sni: null };
}

/** CONNECT: a connection to one place, whose first bytes say what it is. */
async function serveConnect(
  door: Door,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { workings, connections } = door;
  socket.on('error', () => undefined);
  // Within a connection that leads somewhere already there is no further proxy.
  if (connections.has(socket)) return void socket.destroy();
  const route = explicitRoute(workings, socket, request);
  if (route === null) return;
  const target = /^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})$/.exec(request.url ?? '');
  const port = Number(target?.[2]);
  if (target === null || port < 1 || port > 65_535) {
    workings.channel.refused(route.session, 'bad-target', 'CONNECT to what is no host and port', null);
    const message =
      'Refused by Countersign: CONNECT needs a host name or address and a port, as in `example.org:443`';
    return answerPlainly(socket, '400 Bad Request', [], message);
  }
  const host = (target[1] ?? '').replace(/^\[|\]$/g, '');
  socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
  if (head.length > 0) socket.unshift(head);
  await serveConnection(door, socket, placeOf(route, host, port));
}
