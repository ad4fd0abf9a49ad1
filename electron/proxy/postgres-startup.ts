import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { err, ok, type Result } from '../core/result.ts';
import { createFrameReader, cursorOf, type FrameReader, failure, frame } from '../edge/postgres-frame.ts';
import { SSL_REQUEST } from '../edge/postgres-login.ts';
import { type FrameSource, frameSource } from '../edge/postgres-source.ts';
import { scramServer } from '../edge/scram.ts';
import type { ProtocolContext } from './protocol-handler.ts';

/** What a client said before its first statement. */
export type Startup =
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: number }
  | {
      readonly kind: 'session';
      readonly socket: Duplex;
      readonly source: FrameSource;
      readonly user: string;
      readonly database: string;
      /** Settings that are handed on. */
      readonly parameters: Readonly<Record<string, string>>;
      /** The placeholder that the client proved to know. */
      readonly placeholder: string;
    };

export interface StartupFault {
  readonly code: string;
  readonly message: string;
}

/** A refusal, and the connection to say it on: TLS where that was opened. */
export interface StartupRefusal extends StartupFault {
  readonly socket: Duplex;
}

const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const MAX_STARTUP = 16_384;
const STARTUP_MS = 30_000;

/** Settings that a client may bring; everything else could change what the statements mean, or who gives them. */
const ALLOWED = new Set([
  'application_name',
  'datestyle',
  'timezone',
  'intervalstyle',
  'extra_float_digits',
  'search_path',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'geqo',
  'bytea_output',
  'client_min_messages',
  'jit',
]);

const fault = (code: string, message: string) => err<StartupFault>({ code, message });

/** Reads the start of a connection and lets in who knows a placeholder of the session (AARM R9). */
export async function startUp(
  first: Duplex,
  context: ProtocolContext,
): Promise<Result<Startup, StartupRefusal>> {
  let socket = first;
  const fault = (code: string, message: string) => err<StartupRefusal>({ code, message, socket });
  const timer = setTimeout(() => socket.destroy(), STARTUP_MS);
  try {
    for (let rounds = 0; rounds < 4; rounds += 1) {
      const packet = await readPacket(socket);
      if (packet === null || packet.bytes.length < 4)
        return fault('08P01', 'the connection does not begin as PostgreSQL does');
      const code = packet.bytes.readUInt32BE(0);
      if (code === GSS_REQUEST) socket.write('N');
      else if (code === SSL_REQUEST) {
        // What was sent on behind the request in the clear is not taken for something said under TLS.
        if (packet.rest.length > 0) return fault('08P01', 'data stands behind the request for TLS');
        socket.write('S');
        const opened = await context.openTls(socket, context.host);
        if (!opened.ok) return fault('08P01', opened.error.message);
        socket = opened.value;
        socket.on('error', () => undefined);
      } else if (code === CANCEL_REQUEST && packet.bytes.length === 12)
        return ok({ kind: 'cancel', pid: packet.bytes.readInt32BE(4), secret: packet.bytes.readInt32BE(8) });
      else if (code >>> 16 === 3) {
        const session = await authenticate(socket, packet, context);
        return session.ok ? session : fault(session.error.code, session.error.message);
      } else return fault('08P01', 'only version 3 of the protocol is spoken here');
    }
    return fault('08P01', 'the connection does not begin as PostgreSQL does');
  } catch (error) {
    if (error instanceof RangeError) return fault('08P01', error.message);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

interface Packet {
  readonly bytes: Buffer;
  readonly rest: Buffer;
  readonly reader: FrameReader;
}

function readPacket(socket: Duplex): Promise<Packet | null> {
  return new Promise((resolve, reject) => {
    const reader = createFrameReader(MAX_STARTUP);
    const finish = (packet: Packet | null): void => {
      socket.off('readable', onReadable);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      resolve(packet);
    };
    const onReadable = (): void => {
      for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
        reader.push(chunk);
        try {
          const bytes = reader.nextStartup();
          if (bytes !== null) return finish({ bytes, rest: reader.rest(), reader });
        } catch (error) {
          socket.off('readable', onReadable);
          return reject(error);
        }
      }
    };
    const onEnd = (): void => finish(null);
    socket.on('readable', onReadable);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    onReadable();
  });
}

async function authenticate(
  socket: Duplex,
  packet: Packet,
  context: ProtocolContext,
): Promise<Result<Startup, StartupFault>> {
  const settings = readSettings(packet.bytes);
  if (!settings.ok) return settings;
  const { user, database, parameters } = settings.value;
  const reader = createFrameReader();
  reader.push(packet.rest);
  const source = frameSource(socket, reader);
  const minor = packet.bytes.readUInt32BE(0) & 0xffff;
  if (minor > 0) socket.write(frame('v', 0, 0));
  const refuse = () =>
    fault(
      '28P01',
      'the password is not a placeholder of this session; use the variable that `countersign run` set',
    );
  socket.write(frame('R', 10, 'SCRAM-SHA-256', Buffer.from([0])));
  const first = await source.next();
  if (first?.type !== 'p') return refuse();
  const at = cursorOf(first.body);
  if (at.text() !== 'SCRAM-SHA-256') return refuse();
  const length = at.int32();
  const scram = scramServer(at.bytes(length).toString('utf8'));
  if (scram === null) return refuse();
  socket.write(frame('R', 11, Buffer.from(scram.first)));
  const last = await source.next();
  if (last?.type !== 'p') return refuse();
  const proven = scram.check(last.body.toString('utf8'), context.placeholders());
  if (proven === null) return refuse();
  socket.write(Buffer.concat([frame('R', 12, Buffer.from(proven.final)), frame('R', 0)]));
  return ok({ kind: 'session', socket, source, user, database, parameters, placeholder: proven.password });
}

function readSettings(
  bytes: Buffer,
): Result<{ user: string; database: string; parameters: Record<string, string> }, StartupFault> {
  const at = cursorOf(bytes.subarray(4));
  const given = new Map<string, string>();
  for (let name = at.text(); name !== ''; name = at.text()) given.set(name, at.text());
  const user = given.get('user') ?? '';
  const database = given.get('database') ?? user;
  const parameters: Record<string, string> = {};
  const options = readOptions(given.get('options') ?? '');
  if (!options.ok) return options;
  for (const [name, value] of [...options.value, ...given]) {
    const key = name.toLowerCase();
    if (['user', 'database', 'options'].includes(key) || key.startsWith('_pq_.')) continue;
    if (key === 'replication') {
      if (!/^(?:false|off|no|0)$/i.test(value))
        return fault('0A000', 'replication is not possible through the firewall');
    } else if (key === 'client_encoding') {
      if (!/^["']?(?:utf-?8|unicode|sql_ascii|auto)["']?$/i.test(value))
        return fault(
          '0A000',
          `statements are read as UTF-8; \`${value}\` is not possible through the firewall`,
        );
    } else if (!ALLOWED.has(key))
      return fault('0A000', `the setting \`${name}\` cannot be brought to a connection through the firewall`);
    else parameters[key] = value;
  }
  return ok({ user, database, parameters: { ...parameters, client_encoding: 'UTF8' } });
}

/** `-c name=value` and `--name=value`; a backslash takes the next character as it is. */
function readOptions(text: string): Result<readonly (readonly [string, string])[], StartupFault> {
  const words = [...text.matchAll(/(?:\\.|[^\s\\])+/g)].map(([word]) => word.replace(/\\(.)/g, '$1'));
  const found: [string, string][] = [];
  for (let at = 0; at < words.length; at += 1) {
    let word = words[at] ?? '';
    if (word === '-c') {
      at += 1;
      word = words[at] ?? '';
    } else if (word.startsWith('--')) word = word.slice(2);
    else if (word.startsWith('-c')) word = word.slice(2);
    else return fault('0A000', 'this start-up option is not possible through the firewall');
    const equals = word.indexOf('=');
    if (equals < 1) return fault('0A000', 'this start-up option is not possible through the firewall');
    found.push([word.slice(0, equals).replaceAll('-', '_'), word.slice(equals + 1)]);
  }
  return ok(found);
}

/** Two numbers by which a client may later ask to stop what it runs. */
export function newCancelKey(): { readonly pid: number; readonly secret: number } {
  return { pid: randomInt(1, 2 ** 31 - 1), secret: randomInt(1, 2 ** 31 - 1) };
}

/** The end of a connection that never became a session. */
export function refuseStartup(why: StartupRefusal): void {
  const { socket } = why;
  if (!socket.destroyed) socket.end(failure({ code: why.code, message: why.message }, 'FATAL'));
}
