import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { err, ok, type Result } from '../core/result.ts';

/** SCRAM-SHA-256 (RFC 5802, 7677) as PostgreSQL speaks it: as a client, as a server, and the verifier that a server keeps. */

const hmac = (key: Buffer, data: string | Buffer): Buffer => createHmac('sha256', key).update(data).digest();
const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest();
const MAX_ITERATIONS = 10_000_000;

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)));
}

/**
 * The verifier to store instead of a password (T9: a password never stands in a statement). `iterations` may be 1 only for a password of
 * full entropy, which needs no stretching.
 */
export function scramVerifier(password: string, iterations: number): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const stored = sha256(hmac(salted, 'Client Key')).toString('base64');
  const server = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`;
}

export interface ScramClient {
  readonly first: string;
  /** The client's last message, or why the server's first cannot be answered. */
  answer(serverFirst: string): Result<string, string>;
  /** Whether the server knew the password too. */
  isServer(serverFinal: string): boolean;
}

/** The client's side, without channel binding. */
export function scramClient(password: string, nonce = randomBytes(18).toString('base64')): ScramClient {
  const bare = `n=,r=${nonce}`;
  let signature: Buffer | null = null;
  return {
    first: `n,,${bare}`,
    answer(serverFirst) {
      const fields = attributes(serverFirst);
      const iterations = Number(fields['i']);
      const salt = Buffer.from(fields['s'] ?? '', 'base64');
      const both = fields['r'] ?? '';
      if (!both.startsWith(nonce) || both.length <= nonce.length || salt.length === 0)
        return err('the server answered with another nonce');
      if (!Number.isInteger(iterations) || iterations < 1 || iterations > MAX_ITERATIONS)
        return err('the server asked for a number of iterations that cannot be');
      const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
      const key = hmac(salted, 'Client Key');
      const last = `c=biws,r=${both}`;
      const signed = `${bare},${serverFirst},${last}`;
      signature = hmac(hmac(salted, 'Server Key'), signed);
      return ok(`${last},p=${xor(key, hmac(sha256(key), signed)).toString('base64')}`);
    },
    isServer(serverFinal) {
      const given = Buffer.from(attributes(serverFinal)['v'] ?? '', 'base64');
      return signature !== null && given.length === signature.length && timingSafeEqual(given, signature);
    },
  };
}

export interface ScramServer {
  readonly first: string;
  /** Which of the passwords the client proved to know and the server's last message; null: none. */
  check(clientFinal: string, passwords: readonly string[]): { password: string; final: string } | null;
}

const SERVER_ITERATIONS = 4096;

/** The server's side: `clientFirst` is the client's first message with its header; null when it is malformed or wants channel binding. */
export function scramServer(clientFirst: string): ScramServer | null {
  const found = /^([ny]),[^,]*,(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+))/.exec(clientFirst);
  const [, mark, bare, nonce] = found ?? [];
  if (mark === undefined || bare === undefined || nonce === undefined || nonce.length > 256) return null;
  const both = `${nonce}${randomBytes(18).toString('base64')}`;
  const salt = randomBytes(16);
  const first = `r=${both},s=${salt.toString('base64')},i=${SERVER_ITERATIONS}`;
  const header = Buffer.from(
    clientFirst.slice(0, clientFirst.length - clientFirst.replace(/^[ny],[^,]*,/, '').length),
  );
  return {
    first,
    check(clientFinal, passwords) {
      const at = clientFinal.lastIndexOf(',p=');
      const fields = attributes(clientFinal);
      const proof = Buffer.from(fields['p'] ?? '', 'base64');
      if (at < 0 || fields['r'] !== both || fields['c'] !== header.toString('base64') || proof.length !== 32)
        return null;
      const signed = `${bare},${first},${clientFinal.slice(0, at)}`;
      for (const password of passwords) {
        const salted = pbkdf2Sync(password, salt, SERVER_ITERATIONS, 32, 'sha256');
        const stored = sha256(hmac(salted, 'Client Key'));
        const key = xor(proof, hmac(stored, signed));
        if (timingSafeEqual(sha256(key), stored))
          return { password, final: `v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}` };
      }
      return null;
    },
  };
}

function attributes(message: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of message.split(',')) if (part[1] === '=') found[part[0] ?? ''] = part.slice(2);
  return found;
}
