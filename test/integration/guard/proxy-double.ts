import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Decided } from './network-double.ts';

export interface ProxyDouble {
  readonly port: number;
  /** Connections that came, and the tokens that they showed and that had been given out, once each. */
  readonly seen: { connections: number; readonly tokens: string[]; readonly refused: string[] };
  readonly tokens: readonly string[];
  /** What a daemon answers that sends a connection here. */
  route(): Decided;
  close(): Promise<void>;
}

/** The proxy's end of a routed connection: takes the token's line off, and gives the rest to `serve`. */
export async function openProxy(serve: (socket: Socket, first: Buffer) => void): Promise<ProxyDouble> {
  const given = new Set<string>();
  const tokens: string[] = [];
  const open = new Set<Socket>();
  const seen = { connections: 0, tokens: [] as string[], refused: [] as string[] };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    seen.connections += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\n');
      if (end < 0 && head.length < 128) return;
      socket.off('data', onData);
      const line = head.subarray(0, Math.max(end, 0)).toString('latin1');
      const token = /^CSN1 ([A-Za-z0-9_-]{43})$/.exec(line)?.[1] ?? '';
      if (!given.delete(token)) {
        seen.refused.push(line);
        socket.destroy();
        return;
      }
      seen.tokens.push(token);
      serve(socket, head.subarray(end + 1));
    };
    socket.on('data', onData);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    port,
    seen,
    tokens,
    route() {
      const token = randomBytes(32).toString('base64url');
      given.add(token);
      tokens.push(token);
      return { path: `via:127.0.0.1:${port}`, argv: [token] };
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers every request, whole in its first packets, with a page. */
export function serveHttp(requests: string[]): (socket: Socket, first: Buffer) => void {
  return (socket, first) => {
    let text = '';
    const take = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      requests.push(text);
      text = '';
      socket.end(
        'HTTP/1.1 200 OK\r\ncontent-length: 18\r\nconnection: close\r\n\r\nhello from a proxy',
        'latin1',
      );
    };
    socket.on('data', take);
    if (first.length > 0) take(first);
  };
}

/** Speaks first, then says back what it hears. */
export function serveEcho(heard: string[]): (socket: Socket, first: Buffer) => void {
  return (socket, first) => {
    socket.write('welcome\n');
    const take = (chunk: Buffer): void => {
      heard.push(chunk.toString('latin1'));
      socket.write(chunk);
    };
    if (first.length > 0) take(first);
    socket.on('data', take);
    socket.on('end', () => socket.end());
  };
}
