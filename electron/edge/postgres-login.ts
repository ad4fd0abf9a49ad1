import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { err, ok, type Result } from '../core/result.ts';
import {
  createFrameReader,
  cursorOf,
  type Frame,
  type FrameReader,
  frame,
  readFields,
} from './postgres-frame.ts';
import { scramClient } from './scram.ts';

/** Why a server did not let us in; no message holds a password. */
export interface LoginFault {
  readonly code: 'refused' | 'unsupported' | 'closed' | 'malformed' | 'timed-out';
  readonly message: string;
  readonly sqlstate: string | null;
}

/** A connection that is logged in and idle. */
export interface LoggedIn {
  readonly socket: Duplex;
  /** Holds what was read beyond the log-in. */
  readonly reader: FrameReader;
  readonly parameters: ReadonlyMap<string, string>;
  /** What a cancel request must say. */
  readonly key: { readonly pid: number; readonly secret: number } | null;
}

const LOGIN_MS = 10_000;
const PROTOCOL_3 = 196_608;
export const SSL_REQUEST = 80_877_103;

/** Asks the server whether it speaks TLS. The socket is left paused, with nothing read beyond the one letter. */
export async function askForTls(socket: Duplex): Promise<boolean> {
  socket.write(frame('', SSL_REQUEST));
  const letter = await readSome(socket, LOGIN_MS, 1);
  return letter?.[0] === 0x53 && letter.length === 1;
}

function readSome(socket: Duplex, limitMs: number, count?: number): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const finish = (chunk: Buffer | null): void => {
      clearTimeout(timer);
      socket.off('readable', onReadable);
      socket.off('end', onEnd);
      socket.off('error', onEnd);
      socket.off('close', onEnd);
      resolve(chunk);
    };
    const onReadable = (): void => {
      const chunk: unknown = socket.read(count) ?? null;
      if (Buffer.isBuffer(chunk)) finish(chunk);
    };
    const onEnd = (): void => finish(null);
    const timer = setTimeout(onEnd, limitMs);
    socket.on('readable', onReadable);
    socket.on('end', onEnd);
    socket.on('error', onEnd);
    socket.on('close', onEnd);
    onReadable();
  });
}

/** Logs in on a connection whose TLS is settled (AARM R9): SCRAM-SHA-256, MD5, or a clear password where `sealed` says that nobody listens. */
export async function logIn(
  socket: Duplex,
  as: {
    readonly user: string;
    readonly password: string;
    readonly database: string;
    readonly parameters: Readonly<Record<string, string>>;
    readonly sealed: boolean;
  },
): Promise<Result<LoggedIn, LoginFault>> {
  const reader = createFrameReader();
  const settings = Object.entries(as.parameters).flat();
  const start = [
    PROTOCOL_3,
    'user',
    as.user,
    'database',
    as.database,
    ...settings,
    Buffer.from([0]),
  ] as const;
  socket.write(frame('', ...start));
  const until = Date.now() + LOGIN_MS;
  const parameters = new Map<string, string>();
  let key: LoggedIn['key'] = null;
  const scram = scramClient(as.password);
  let proven = false;
  const fault = (code: LoginFault['code'], message: string, sqlstate: string | null = null) =>
    err<LoginFault>({ code, message, sqlstate });
  const next = async (): Promise<Frame | null> => {
    for (;;) {
      const found = reader.next();
      if (found !== null) return found;
      const chunk = await readSome(socket, Math.max(1, until - Date.now()));
      if (chunk === null) return null;
      reader.push(chunk);
    }
  };
  const authenticate = (body: Buffer): Result<Buffer | null, LoginFault> => {
    switch (body.readInt32BE(0)) {
      case 0:
        return ok(null);
      case 3:
        if (!as.sealed)
          return fault(
            'unsupported',
            'the server asks for the password in the clear over a network without TLS',
          );
        return ok(frame('p', as.password));
      case 5:
        return ok(frame('p', md5Answer(as.user, as.password, body.subarray(4, 8))));
      case 10: {
        if (!body.toString('latin1', 4).split('\0').includes('SCRAM-SHA-256'))
          return fault('unsupported', 'the server offers no way to log in that is known here');
        const first = Buffer.from(scram.first);
        return ok(frame('p', 'SCRAM-SHA-256', first.length, first));
      }
      case 11: {
        const answer = scram.answer(body.toString('utf8', 4));
        return answer.ok ? ok(frame('p', Buffer.from(answer.value))) : fault('malformed', answer.error);
      }
      case 12:
        proven = scram.isServer(body.toString('utf8', 4));
        return proven ? ok(null) : fault('refused', 'the server did not prove that it knows the password');
      default:
        return fault('unsupported', 'the server asks for a way to log in that is not known here');
    }
  };
  try {
    for (;;) {
      const message = await next();
      if (message === null)
        return Date.now() >= until
          ? fault('timed-out', 'the database did not answer in time')
          : fault('closed', 'the database closed the connection');
      switch (message.type) {
        case 'R': {
          const answer = authenticate(message.body);
          if (!answer.ok) return answer;
          if (answer.value !== null) socket.write(answer.value);
          break;
        }
        case 'E': {
          const fields = readFields(message.body);
          return fault('refused', fields['M'] ?? 'the database refused', fields['C'] ?? null);
        }
        case 'S': {
          const at = cursorOf(message.body);
          parameters.set(at.text(), at.text());
          break;
        }
        case 'K':
          key = { pid: message.body.readInt32BE(0), secret: message.body.readInt32BE(4) };
          break;
        case 'N':
        case 'v':
          break;
        case 'Z':
          return ok({ socket, reader, parameters, key });
        default:
          return fault('malformed', 'the database answered with something that is no log-in');
      }
    }
  } catch (error) {
    if (error instanceof RangeError) return fault('malformed', 'the database answered with a broken message');
    throw error;
  }
}

function md5Answer(user: string, password: string, salt: Buffer): string {
  const md5 = (data: string | Buffer): string => createHash('md5').update(data).digest('hex');
  const inner = md5(`${password}${user}`);
  return `md5${md5(Buffer.concat([Buffer.from(inner), salt]))}`;
}
