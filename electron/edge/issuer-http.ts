import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { err, ok, type Result } from '../core/result.ts';

/** What is asked of somebody who issues credentials. */
export interface IssuerCall {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const TIMEOUT_MS = 8_000;
const MAX_REPLY = 256 * 1024;

/**
 * Asks an issuer over TLS (in the clear on loopback only); the reply is bounded in time and size and redirects are not followed: what is
 * sent here is meant for one host. Errors name the host and never what was sent.
 */
export function callIssuer(
  call: IssuerCall,
): Promise<Result<{ readonly status: number; readonly body: string }, string>> {
  let url: URL;
  try {
    url = new URL(call.url);
  } catch {
    return Promise.resolve(err(`\`${call.url.slice(0, 200)}\` is no address of an issuer`));
  }
  const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback))
    return Promise.resolve(err(`${url.host} would be asked in the clear: an issuer needs https`));
  const send = url.protocol === 'https:' ? overHttps : overHttp;
  return new Promise((resolve) => {
    const fail = (why: string) => resolve(err(`${url.host} ${why}`));
    const asked = send(
      url,
      {
        method: call.method,
        headers: {
          'user-agent': 'countersign',
          ...call.headers,
          ...(call.body === null ? {} : { 'content-length': String(Buffer.byteLength(call.body)) }),
        },
        agent: false,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (reply) => {
        const chunks: Buffer[] = [];
        let size = 0;
        reply.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_REPLY) {
            fail('answered with more than any credential needs');
            asked.destroy();
          } else chunks.push(chunk);
        });
        reply.on('end', () =>
          resolve(ok({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })),
        );
        reply.on('error', () => fail('broke off its answer'));
      },
    );
    asked.on('error', (cause: NodeJS.ErrnoException) =>
      fail(
        cause.name === 'TimeoutError'
          ? 'did not answer in time'
          : `cannot be asked (${cause.code ?? cause.name})`,
      ),
    );
    asked.end(call.body ?? undefined);
  });
}
