// A client behind a guard: a request over a connection as the guard makes it.
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ProxyDouble } from './proxy-double.ts';

export interface Asked {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly tls?: boolean;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Head and body as text. */
  readonly raw: string;
  readonly complete: boolean;
}

/** One request over a new connection through the proxy. Status 0: no answer came. */
export async function ask(proxy: ProxyDouble, asked: Asked): Promise<Answer> {
  const plain = await proxy.guard(asked.host, asked.port);
  plain.on('error', () => undefined);
  const socket: Socket =
    asked.tls === true ? connectTls({ socket: plain, servername: asked.host, ca: asked.ca }) : plain;
  socket.on('error', () => undefined);
  return await new Promise((settle) => {
    const none: Answer = { status: 0, headers: {}, body: '', raw: '', complete: false };
    const sent = request({
      createConnection: () => socket,
      method: asked.method ?? 'GET',
      path: asked.path ?? '/',
      headers: {
        host: `${asked.host}:${asked.port}`,
        connection: 'close',
        ...(asked.body === undefined ? {} : { 'content-length': String(asked.body.length) }),
        ...asked.headers,
      },
    });
    sent.on('error', () => settle(none));
    sent.once('response', (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (text: string) => {
        body += text;
      });
      answer.on('error', () => undefined);
      answer.once('close', () => {
        settle({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body,
          raw: `${answer.statusMessage} ${JSON.stringify(answer.rawHeaders)}\n${body}`,
          complete: answer.complete,
        });
        socket.destroy();
      });
    });
    sent.end(asked.body);
  });
}
