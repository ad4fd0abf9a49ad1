import { connect as connectPlain, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { err, ok, type Result } from '../core/result.ts';
import { cursorOf, type Frame, frame, int16, readFields } from './postgres-frame.ts';
import { askForTls, logIn } from './postgres-login.ts';

/** Where a database is and who asks: the parts of a DSN. `host` is a name, an address or the folder of a socket. */
export interface PostgresPlace {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface SqlError {
  readonly sqlstate: string;
  readonly message: string;
}

/** A connection that this program itself asks through; one query at a time, in order. */
export interface PostgresClient {
  /** Rows as texts, null for NULL. Parameters go as texts, never into the statement. */
  query(
    statement: string,
    parameters?: readonly (string | null)[],
  ): Promise<Result<readonly (readonly (string | null)[])[], SqlError>>;
  /** Several statements in one text, in one transaction; only whether they held, and the server's warnings. */
  run(statements: string): Promise<Result<readonly string[], SqlError>>;
  readonly isOpen: () => boolean;
  close(): void;
}

/** Reads `postgres://user:password@host:port/database`; null for anything else. No message, so that no secret can stand in one. */
export function parseDsn(text: string): PostgresPlace | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') return null;
  try {
    const user = decodeURIComponent(url.username);
    const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
    if (user === '' || host === '') return null;
    return {
      host,
      port: url.port === '' ? Number(url.searchParams.get('port') ?? 5432) : Number(url.port),
      user,
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)) || user,
    };
  } catch {
    return null;
  }
}

/** True for this machine itself, where nobody else listens on the way. */
export function isOwnMachine(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\./.test(host);
}

const CONNECT_MS = 5000;

/** Connects and logs in (AARM R9.a): TLS checked against the system's roots and `roots`, except to this machine itself. */
export async function openPostgres(
  place: PostgresPlace,
  roots: readonly string[] = [],
): Promise<Result<PostgresClient, SqlError>> {
  const plain = await dial(place);
  if (plain === null) return broken(`the database at \`${place.host}:${place.port}\` cannot be reached`);
  const own = isOwnMachine(place.host);
  let socket: Duplex = plain;
  if (!own) {
    const secured = (await askForTls(plain)) ? await secure(plain, place.host, roots) : null;
    if (secured === null) {
      plain.destroy();
      return broken(`the database at \`${place.host}\` offers no TLS with a certificate that is good for it`);
    }
    socket = secured;
  }
  const login = await logIn(socket, {
    ...place,
    parameters: { application_name: 'countersign' },
    sealed: true,
  });
  if (!login.ok) {
    socket.destroy();
    return err({ sqlstate: login.error.sqlstate ?? '08001', message: login.error.message });
  }
  return ok(clientOn(socket, login.value.reader));
}

function broken(message: string): Result<never, SqlError> {
  return err({ sqlstate: '08001', message });
}

function dial(place: PostgresPlace): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = place.host.startsWith('/')
      ? connectPlain(`${place.host}/.s.PGSQL.${place.port}`)
      : connectPlain({ host: place.host, port: place.port });
    const fail = (): void => {
      socket.destroy();
      resolve(null);
    };
    socket.setTimeout(CONNECT_MS, fail);
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function secure(socket: Socket, host: string, roots: readonly string[]): Promise<Duplex | null> {
  return new Promise((resolve) => {
    const tls = connectTls({
      socket,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      host,
      minVersion: 'TLSv1.2',
      ...(roots.length === 0 ? {} : { ca: [...roots] }),
    });
    tls.once('error', () => resolve(null));
    tls.once('secureConnect', () => resolve(tls));
  });
}

interface Waiting {
  readonly rows: (string | null)[][];
  readonly warnings: string[];
  error: SqlError | null;
  readonly done: (result: Result<Waiting, SqlError>) => void;
}

function clientOn(
  socket: Duplex,
  reader: { push(chunk: Buffer): void; next(): Frame | null },
): PostgresClient {
  const queue: Waiting[] = [];
  let open = true;
  const end = (): void => {
    open = false;
    socket.destroy();
    const gone: SqlError = { sqlstate: '08006', message: 'the connection to the database was lost' };
    for (const waiting of queue.splice(0)) waiting.done(err(gone));
  };
  const take = (message: Frame): void => {
    const waiting = queue[0];
    if (waiting === undefined) return;
    if (message.type === 'D') waiting.rows.push(readRow(message.body));
    else if (message.type === 'N') {
      const fields = readFields(message.body);
      if (fields['V'] === 'WARNING') waiting.warnings.push(`${fields['C'] ?? ''} ${fields['M'] ?? ''}`);
    } else if (message.type === 'E') {
      const fields = readFields(message.body);
      waiting.error = { sqlstate: fields['C'] ?? 'XX000', message: fields['M'] ?? 'an error without words' };
    } else if (message.type === 'Z') {
      queue.shift();
      waiting.done(waiting.error === null ? ok(waiting) : err(waiting.error));
    }
  };
  socket.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    try {
      for (let message = reader.next(); message !== null; message = reader.next()) take(message);
    } catch {
      end();
    }
  });
  socket.resume();
  socket.on('error', end);
  socket.on('close', end);
  const send = (bytes: Buffer): Promise<Result<Waiting, SqlError>> =>
    new Promise((done) => {
      queue.push({ rows: [], warnings: [], error: null, done });
      if (open) socket.write(bytes);
      else end();
    });
  return {
    async query(statement, parameters = []) {
      const values = parameters.flatMap((value) => {
        const bytes = value === null ? null : Buffer.from(value, 'utf8');
        return bytes === null ? [-1] : [bytes.length, bytes];
      });
      const result = await send(
        Buffer.concat([
          frame('P', '', statement, int16(0)),
          frame('B', '', '', int16(0), int16(parameters.length), ...values, int16(0)),
          frame('E', '', 0),
          frame('S'),
        ]),
      );
      return result.ok ? ok(result.value.rows) : result;
    },
    async run(statements) {
      const result = await send(frame('Q', statements));
      return result.ok ? ok(result.value.warnings) : result;
    },
    isOpen: () => open,
    close() {
      if (open) socket.write(frame('X'));
      socket.end();
    },
  };
}

function readRow(body: Buffer): (string | null)[] {
  const at = cursorOf(body);
  return Array.from({ length: at.int16() }, () => {
    const length = at.int32();
    return length < 0 ? null : at.bytes(length).toString('utf8');
  });
}
