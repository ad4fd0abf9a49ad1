import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PassThrough } from '../wire/proxy-message.ts';
import type { Authority } from './authority.ts';
import type { Connection } from './exchange.ts';
import { type ClientHello, type FirstBytes, readFirstBytes } from './first-bytes.ts';
import { serveHttp2 } from './http2.ts';
import type { Workings } from './inspection.ts';
import type { ConnectionRoute, ProtocolContext } from './protocol-handler.ts';
import { serveStream } from './raw-stream.ts';
import { openClientTls } from './tls-open.ts';

/** A connection that leads somewhere: of a guard, or after CONNECT. */
export interface Place {
  readonly route: ConnectionRoute;
  readonly host: string;
  readonly port: number;
}

/** What serving a connection needs beside the workings. */
export interface Door {
  readonly workings: Workings;
  readonly http1: Server;
  /** Which connection a socket of the HTTP/1.1 server is. */
  readonly connections: WeakMap<Duplex, Connection>;
  authority(): Authority;
}

/** Serves one connection by what it begins with. Never rejects for what a client does. */
export async function serveConnection(door: Door, socket: Duplex, place: Place): Promise<void> {
  const first = await readFirstBytes(socket);
  await serveAs(door, socket, place, first);
}

async function serveAs(door: Door, socket: Duplex, place: Place, first: FirstBytes): Promise<void> {
  const { workings } = door;
  const connection: Connection = { ...place, scheme: 'http', sni: null };
  switch (first.kind) {
    case 'closed':
      return void socket.destroy();
    case 'tls':
      return await serveTls(door, socket, place, first.hello);
    case 'http':
      door.connections.set(socket, connection);
      return void door.http1.emit('connection', socket);
    case 'h2':
      return void serveHttp2(workings, connection, socket);
    case 'postgres': {
      const database = workings
        .settings()
        .databases.find((known) => known.host === place.host && known.port === place.port);
      if (database === undefined || workings.servePostgres === null)
        return await raw(door, socket, place, 'postgres');
      return await workings
        .servePostgres(socket, database, protocolContext(door, place))
        .catch(() => void socket.destroy());
    }
    case 'silent':
      return await raw(door, socket, place, 'server-first');
    case 'preamble':
    case 'other':
      return await raw(door, socket, place, 'unknown');
    case 'unclear':
      return turnAway(workings, socket, place);
  }
}

/** INVARIANT (no request goes as a stream): what may still become TLS or HTTP is never carried as bytes that nobody understands. */
function turnAway(workings: Workings, socket: Duplex, place: Place): void {
  workings.channel.refused(
    place.route.session,
    'unclear-start',
    'a connection that begins like TLS or HTTP and cannot be read as that',
    place.host,
  );
  socket.destroy();
}

/** A stream, unless it turns out to be something that is understood. */
async function raw(door: Door, socket: Duplex, place: Place, protocol: string): Promise<void> {
  const spoken = await serveStream(door.workings, socket, { ...place, protocol, secure: false, alpn: null });
  if (spoken !== null) await serveAs(door, socket, place, spoken);
}

async function serveTls(door: Door, socket: Duplex, place: Place, hello: ClientHello): Promise<void> {
  const { workings } = door;
  const { serverName } = hello;
  if (serverName !== null && !/^[a-z0-9_](?:[a-z0-9._-]{0,252})$/.test(serverName)) {
    workings.channel.refused(
      place.route.session,
      'bad-server-name',
      'the name in TLS is no host name',
      place.host,
    );
    return void socket.destroy();
  }
  const host = serverName ?? place.host;
  if (workings.settings().passThrough.some((entry) => passes(entry, host, place.port))) {
    // The name that was judged is the one that is dialled, whatever the connection was made to.
    await serveStream(workings, socket, { ...place, host, protocol: 'tls', secure: false, alpn: null });
    return;
  }
  const offered = hello.protocols;
  const http = offered.filter((name) => name === 'h2' || name === 'http/1.1');
  // Another protocol is agreed to as it is, and carried as a stream.
  const agree = http.length > 0 ? ['h2', 'http/1.1'] : offered.slice(0, 1);
  const opened = await openClientTls(door.authority(), socket, host, agree);
  if (!opened.ok)
    return workings.channel.refused(place.route.session, 'client-tls', opened.error.message, host);
  const tls = opened.value;
  const connection: Connection = { ...place, scheme: 'https', sni: serverName };
  if (tls.alpnProtocol === 'h2') return void serveHttp2(workings, connection, tls);
  const first = await readFirstBytes(tls);
  const alpn = http.length > 0 ? null : (offered[0] ?? null);
  await serveWithin(door, tls, connection, { ...place, host }, first, alpn);
}

async function serveWithin(
  door: Door,
  tls: Duplex,
  connection: Connection,
  place: Place,
  first: FirstBytes,
  alpn: string | null,
): Promise<void> {
  const { workings } = door;
  if (first.kind === 'closed') return void tls.destroy();
  if (first.kind === 'http') {
    door.connections.set(tls, connection);
    return void door.http1.emit('connection', tls);
  }
  if (first.kind === 'h2') return void serveHttp2(workings, connection, tls);
  if (first.kind === 'unclear') return turnAway(workings, tls, place);
  const protocol =
    first.kind === 'silent' ? 'tls+server-first' : first.kind === 'tls' ? 'tls+tls' : 'tls+unknown';
  const spoken = await serveStream(workings, tls, { ...place, protocol, secure: true, alpn });
  if (spoken !== null && (spoken.kind === 'http' || spoken.kind === 'h2' || spoken.kind === 'unclear'))
    await serveWithin(door, tls, connection, place, spoken, alpn);
  else if (spoken !== null) tls.destroy();
}

/** True when policy says that this host's TLS is not opened. `*.example.org` is every name below it. */
export function passes(entry: PassThrough, host: string, port: number): boolean {
  if (entry.port !== null && entry.port !== port) return false;
  const wanted = entry.host.toLowerCase();
  return wanted.startsWith('*.')
    ? host.length > wanted.length - 1 && host.endsWith(wanted.slice(1))
    : host === wanted;
}

function protocolContext(door: Door, place: Place): ProtocolContext {
  const { workings } = door;
  const { session } = place.route;
  return {
    ...place,
    settings: workings.settings(),
    placeholders: () => workings.routes.placeholders(session),
    ask: (question, placeholders, signal) =>
      workings.channel.ask(place.route, question, placeholders, signal),
    report: (action, outcome) => workings.channel.report(action, outcome),
    refused: (code, reason) => workings.channel.refused(session, code, reason, place.host),
    openTls: (socket, host) => openClientTls(door.authority(), socket as Socket, host, []),
    dial: (host, port) => workings.upstream.dial(session, host, port),
    secure: (socket, host) => workings.upstream.secure(socket, host, []),
  };
}
