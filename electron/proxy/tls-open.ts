import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { err, ok, type Result } from '../core/result.ts';
import type { Authority } from './authority.ts';
import type { DialFault } from './protocol-handler.ts';

const OPEN_MS = 10_000;

/** Opens the client's TLS with a certificate for `host`. `protocols` are what may be agreed on, the best first. */
export async function openClientTls(
  authority: Authority,
  socket: Duplex,
  host: string,
  protocols: readonly string[],
): Promise<Result<TLSSocket, DialFault>> {
  const secureContext = await authority.context(host);
  return await new Promise((settle) => {
    const tls = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ...(protocols.length > 0 ? { ALPNProtocols: [...protocols] } : {}),
    });
    const fail = (why: string): void => {
      clearTimeout(timer);
      tls.destroy();
      socket.destroy();
      settle(err({ code: 'tls', message: `the client did not open TLS for \`${host}\` (${why})` }));
    };
    const timer = setTimeout(() => fail('no answer in time'), OPEN_MS);
    // A client that does not know the authority says so in an alert.
    const failed = (error: NodeJS.ErrnoException): void => fail(error.code ?? 'unknown');
    const closed = (): void => fail('it closed the connection');
    tls.once('error', failed);
    tls.once('close', closed);
    tls.once('secure', () => {
      clearTimeout(timer);
      tls.off('error', failed);
      tls.off('close', closed);
      tls.on('error', () => undefined);
      // What Node's own TLS server does at this point; its HTTP/2 waits for it.
      Object.assign(tls, { secureConnecting: false });
      settle(ok(tls));
    });
  });
}
