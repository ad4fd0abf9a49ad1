// Requests that two readers could read differently (T4): each row of hostile/proxy/requests.json is written as raw bytes to a connection of the proxy.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeAuthority } from '../support/certificates.ts';
import { eventually, type ProxyDouble, startProxyDouble } from '../support/proxy-double.ts';

interface Row {
  readonly name: string;
  readonly raw: string;
  readonly refused: boolean;
  /** No answer is owed: the connection is closed. */
  readonly closes?: boolean;
  /** Bytes of the one request's body that upstream must see. */
  readonly body?: number;
  readonly url?: string;
}

const rows = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'test', 'hostile', 'proxy', 'requests.json'), 'utf8'),
) as readonly Row[];

interface Seen {
  readonly url: string;
  readonly headers: IncomingMessage['rawHeaders'];
  body: number;
}

let proxy: ProxyDouble;
let port = 0;
const seen: Seen[] = [];
const origin = createServer((request, answer) => {
  const one: Seen = { url: request.url ?? '', headers: request.rawHeaders, body: 0 };
  seen.push(one);
  request.on('data', (chunk: Buffer) => {
    one.body += chunk.length;
  });
  request.once('end', () => answer.end('ok'));
});

before(async () => {
  const ca = await makeAuthority('test');
  await new Promise<void>((settle) => origin.listen(0, '127.0.0.1', settle));
  port = (origin.address() as AddressInfo).port;
  proxy = await startProxyDouble({ caCertificatePem: ca.cert, caKeyPem: ca.key });
});
after(async () => {
  await proxy.stop();
  origin.closeAllConnections();
  origin.close();
});

/** Everything that comes back until the connection is closed, or for `ms`. */
function answerOf(socket: Socket, ms: number): Promise<string> {
  return new Promise((settle) => {
    let got = '';
    const end = (): void => {
      clearTimeout(timer);
      settle(got);
      socket.destroy();
    };
    const timer = setTimeout(end, ms);
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
    });
    socket.on('close', end);
    socket.on('end', end);
    socket.on('error', end);
  });
}

describe('a request that two readers could read differently', () => {
  for (const row of rows) {
    test(`${row.refused ? 'refuses' : 'sends on in one reading'}: ${row.name}`, async () => {
      seen.length = 0;
      const refusals = proxy.refusals.length;
      const socket = await proxy.guard('127.0.0.1', port);
      socket.write(Buffer.from(row.raw.replaceAll('HOST', `127.0.0.1:${port}`), 'latin1'));
      const got = await answerOf(socket, 3_000);
      assert.ok(!seen.some((one) => one.url.includes('smuggled')), 'the hidden request was sent');
      if (row.refused) {
        assert.deepEqual(seen, [], 'something was sent');
        if (row.closes === true) assert.ok(!got.startsWith('HTTP/1.1 2'), got.slice(0, 80));
        else {
          assert.match(got, /^HTTP\/1\.1 4\d\d /);
          assert.ok(proxy.refusals.length > refusals, 'nobody was told');
        }
        return;
      }
      assert.match(got, /^HTTP\/1\.1 200 /);
      assert.equal(seen.length, 1);
      const [one] = seen;
      if (row.body !== undefined) assert.equal(one?.body, row.body);
      assert.equal(one?.url, row.url ?? '/first');
      const names = one?.headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()) ?? [];
      assert.equal(names.filter((name) => name === 'host').length, 1);
      assert.ok(
        names.filter((name) => name === 'content-length' || name === 'transfer-encoding').length <= 1,
      );
      for (const name of ['upgrade', 'http2-settings', 'proxy-authorization'])
        assert.ok(!names.includes(name));
    });
  }

  test('answers two requests of one connection one by one, each asked about', async () => {
    seen.length = 0;
    const asked = proxy.asks.length;
    const socket = await proxy.guard('127.0.0.1', port);
    const one = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${more}\r\n`;
    socket.write(one('/a') + one('/b', 'Connection: close\r\n'));
    const got = await answerOf(socket, 3_000);
    assert.equal(got.split('HTTP/1.1 200').length, 3);
    assert.deepEqual(
      seen.map((request) => request.url),
      ['/a', '/b'],
    );
    assert.equal(proxy.asks.length, asked + 2);
  });

  test('refuses a head that is too large, and one of too many headers', async () => {
    seen.length = 0;
    for (const headers of [`X: ${'a'.repeat(70_000)}\r\n`, 'X: y\r\n'.repeat(300)]) {
      const socket = await proxy.guard('127.0.0.1', port);
      socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}\r\n`);
      assert.match(await answerOf(socket, 3_000), /^HTTP\/1\.1 431 /);
    }
    assert.deepEqual(seen, []);
  });

  test('gives up on a head without an end', async () => {
    const socket = await proxy.guard('127.0.0.1', port);
    socket.on('error', () => undefined);
    socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`);
    const started = Date.now();
    let sent = 0;
    const drip = setInterval(() => {
      if (!socket.destroyed) socket.write(`X-${sent++}: y\r\n`);
    }, 100);
    const got = await answerOf(socket, 20_000);
    clearInterval(drip);
    assert.ok(Date.now() - started < 15_000);
    assert.match(got, /^HTTP\/1\.1 4/);
  });

  test('refuses an `:authority` that is another host than the name in TLS', async () => {
    seen.length = 0;
    const { connect } = await import('node:http2');
    const socket = await proxy.guard('127.0.0.1', port);
    const tls = connectTls({
      socket,
      servername: 'one.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    const session = connect('https://one.test', { createConnection: () => tls });
    session.on('error', () => undefined);
    const asked = proxy.asks.length;
    proxy.script = () => ({ result: 'DENY' });
    const status = await new Promise((settle) => {
      const stream = session.request({ ':path': '/', ':authority': 'two.test' });
      stream.on('response', (headers) => settle(headers[':status']));
      stream.on('error', () => settle('error'));
      stream.end();
    });
    proxy.script = () => ({ result: 'ALLOW' });
    session.destroy();
    const question = proxy.asks[asked]?.question;
    const odd = question?.kind === 'request' ? question.request.oddities : [];
    assert.ok(
      status === 400 || (status === 403 && odd.some((word) => word.includes('mismatch'))),
      `${status} ${odd}`,
    );
  });

  test('closes a connection without a token, with one that nobody made, and with one that was used', async () => {
    const { connect } = await import('node:net');
    const refusals = proxy.refusals.length;
    const open = (first: string): Promise<string> => {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.write(first);
      return answerOf(socket, 4_000);
    };
    assert.equal(await open('\x16\x03\x01\x00\x05hello'), '');
    assert.equal(await open(`CSN1 ${'A'.repeat(43)}\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`), '');
    const token = 'B'.repeat(43);
    proxy.send({
      kind: 'route',
      route: {
        token,
        session: 'sess_00000001',
        scope: null,
        kind: 'guard',
        host: '127.0.0.1',
        port,
        expiresAt: Date.now() + 60_000,
      },
    });
    const request = `GET /first HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
    assert.match(await open(`CSN1 ${token}\n${request}`), /^HTTP\/1\.1 200/);
    assert.equal(await open(`CSN1 ${token}\n${request}`), '');
    await eventually(() => proxy.refusals.length >= refusals + 3, 'three refusals');
  });

  test('every message of the proxy is one that the daemon takes', () => {
    assert.deepEqual(proxy.unparsed, []);
    assert.equal(proxy.stderr(), '');
  });
});
