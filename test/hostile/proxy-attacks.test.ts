// What an adversary who knows the source tries at the proxy's port: each attempt looks at what the host received.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer as createTcp, type Server, type Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import type { Swap } from '../../electron/wire/proxy-message.ts';
import { makeAuthority, type TestAuthority } from '../support/certificates.ts';
import { type Answer, type Asked, ask } from '../support/proxy-client.ts';
import { eventually, type ProxyDouble, startProxyDouble } from '../support/proxy-double.ts';

const PLACEHOLDER = 'ghp_PLACEHOLDERplaceholder0123456789ab';
/** No real one: shaped like it. */
const MINTED = 'ghp_RealRealRealRealRealRealRealReal9';
const SESSION = 'sess_00000001';

let ca: TestAuthority;
let proxy: ProxyDouble;
let rawPort = 0;
let echoPort = 0;
let tlsPort = 0;
/** Every byte that reached the bare host, and every request that reached the one that echoes. */
let bytes = '';
const requests: { readonly url: string; readonly headers: readonly string[]; readonly body: string }[] = [];
const servers: Server[] = [];

const sleep = (ms: number) => new Promise((settle) => setTimeout(settle, ms));

function listen(server: Server): Promise<number> {
  servers.push(server);
  return new Promise((settle) =>
    server.listen(0, '127.0.0.1', () => settle((server.address() as AddressInfo).port)),
  );
}

const bare = createTcp((socket) => {
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.toString('latin1');
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
});

/** Gives back what it was sent, in one way or another. */
const echo = createServer((request: IncomingMessage, answer) => {
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString('latin1');
  });
  request.once('end', () => {
    requests.push({ url: request.url ?? '', headers: request.rawHeaders, body });
    const said = request.headers.authorization ?? '';
    const [from = 0, to = said.length] = (request.headers.range ?? '')
      .replace('bytes=', '')
      .split('-')
      .map(Number);
    switch (request.url) {
      case '/reason':
        answer.writeHead(200, `because ${said}`);
        return void answer.end();
      case '/name':
        answer.writeHead(200, [`x-${said.slice(7)}`, '1']);
        return void answer.end();
      case '/base64':
        return void answer.end(
          Buffer.from(JSON.stringify({ headers: { authorization: said } })).toString('base64'),
        );
      case '/shifted':
        return void answer.end(Buffer.from(`x${said}`).toString('base64url'));
      case '/range':
        if (request.headers.range === undefined) return void answer.end(said);
        answer.writeHead(206, { 'content-range': `bytes ${from}-${to}/${said.length}` });
        return void answer.end(said.slice(from, to + 1));
      case '/twice':
        answer.writeHead(200, [
          'x-content-type-options',
          'nosniff',
          'x-content-type-options',
          'nosniff',
          'constructor',
          'a',
          '__proto__',
          'b',
        ]);
        return void answer.end('twice');
      default:
        return void answer.end(`you said ${said}`);
    }
  });
});

before(async () => {
  const upstream = await makeAuthority('upstream');
  ca = await makeAuthority('ours');
  proxy = await startProxyDouble({
    caCertificatePem: ca.cert,
    caKeyPem: ca.key,
    extraRoots: [upstream.cert],
    windowBytes: 16 * 1024,
  });
  rawPort = await listen(bare);
  echoPort = await listen(echo);
  const secure = createTls(await upstream.issue(['localhost']), (socket) => echo.emit('connection', socket));
  secure.on('tlsClientError', () => undefined);
  tlsPort = await listen(secure);
});
after(async () => {
  await proxy.stop();
  echo.closeAllConnections();
  for (const server of servers) server.close();
});
beforeEach(() => {
  bytes = '';
  requests.length = 0;
  proxy.script = () => ({ result: 'ALLOW' });
  proxy.send({ kind: 'placeholders', session: SESSION, values: [PLACEHOLDER] });
});

/** Writes parts to a connection of the bare host's, a number being a pause; gives what came back in `ms`. */
async function write(parts: readonly (string | Buffer | number)[], ms = 400): Promise<string> {
  const socket = await proxy.guard('localhost', rawPort);
  let got = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString('latin1');
  });
  for (const part of parts)
    if (typeof part === 'number') await sleep(part);
    else if (!socket.destroyed) socket.write(part);
  await sleep(ms);
  socket.destroy();
  return got;
}

describe('a request that is dressed as bytes of an unknown protocol', () => {
  const head = (line: string) => `${line}\r\nHost: localhost:${rawPort}\r\n\r\n`;
  for (const [name, line] of [
    ['lower case', 'delete /x HTTP/1.1'],
    ['a blank in front', ' DELETE /x HTTP/1.1'],
    ['tabs between', 'DELETE\t/x HTTP/1.1'],
    ['an unusual method', 'M-SEARCH1 /x HTTP/1.1'],
  ] as const)
    test(`does not arrive: ${name}`, async () => {
      const asks = proxy.asks.length;
      await write([head(line)]);
      assert.equal(bytes, '');
      assert.ok(!proxy.asks.slice(asks).some(({ question }) => question.kind === 'stream'));
    });
  for (const blank of ['\n\n', '\r\n\r\n', '\n\r\n\n'])
    test(`is asked about as the request that it is behind ${JSON.stringify(blank)}`, async () => {
      const asks = proxy.asks.length;
      proxy.script = () => ({ result: 'DENY' });
      await write([blank + head('DELETE /x HTTP/1.1')]);
      assert.equal(bytes, '');
      assert.deepEqual(
        proxy.asks.slice(asks).map(({ question }) => question.kind),
        ['request'],
      );
    });
  // Ten seconds is what a beginning is waited for; all of them at once.
  test('does not arrive by stopping in the middle of its beginning', async () => {
    const asks = proxy.asks.length;
    const refusals = proxy.refusals.length;
    await Promise.all([
      write(['DE', 10_400, head('LETE /x HTTP/1.1')]),
      write(['\n', 10_400, head('DELETE /x HTTP/1.1')]),
      write(['PRI * HT', 10_400, 'TP/2.0\r\n\r\nSM\r\n\r\n']),
      write([Buffer.from([0x16, 3, 1]), 10_400, Buffer.from([2, 0, 1, 0, 1])]),
    ]);
    assert.equal(bytes, '');
    assert.equal(proxy.asks.length, asks, 'nothing was asked about');
    assert.equal(proxy.refusals.slice(refusals).filter(({ code }) => code === 'unclear-start').length, 4);
  });
});

describe('TLS that cannot be opened is carried nowhere', () => {
  const long = Buffer.concat([
    Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x50, 0]),
    Buffer.alloc(0x4000 - 4),
    Buffer.from([0x16, 3, 1, 0x10, 4]),
    Buffer.alloc(0x1004),
  ]);
  for (const [name, hello] of [
    ['a ClientHello longer than any', long],
    ['a ClientHello of SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 3, 0, 0x15, 0, 0, 0, 0x10])],
    ['a handshake that begins with something else', Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])],
  ] as const)
    test(name, async () => {
      const asks = proxy.asks.length;
      await write([hello]);
      assert.equal(bytes, '');
      assert.equal(proxy.asks.length, asks);
    });
});

describe('a body that says late what it means', () => {
  test('is waited for: a pause does not make a part of it the whole', async () => {
    const asks = proxy.asks.length;
    const socket = await proxy.guard('localhost', echoPort);
    socket.on('error', () => undefined);
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: localhost:${echoPort}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n`,
    );
    await sleep(700);
    assert.equal(requests.length, 0);
    assert.equal(proxy.asks.length, asks, 'nothing is asked about a beginning');
    proxy.script = () => ({ result: 'DENY' });
    socket.write('2e\r\n"query":"mutation{deleteRepository(id:1){x}}"}\r\n0\r\n\r\n');
    const asked = await eventually(() => proxy.asks[asks], 'a question');
    assert.ok(asked.question.kind === 'request' && asked.question.request.inspected === 'whole');
    assert.equal(asked.question.request.body.kind, 'graphql');
    await sleep(200);
    assert.equal(requests.length, 0);
    socket.destroy();
  });
});

describe('something carried out', () => {
  for (const name of ['user-agent', 'accept', 'accept-language', 'cache-control', 'content-type'])
    test(`in \`${name}\` is found`, async () => {
      await askEcho('/', { [name]: 'ghp_Xq7Lw2Pz9Rt4Vb6Nm8Kc3Jd5Hf1Gs0YaUeIo' });
      const question = proxy.asks.at(-1)?.question;
      assert.ok(question?.kind === 'request');
      assert.deepEqual(
        question.payload.findings.map(({ kind }) => kind),
        ['secret'],
      );
    });
});

async function askEcho(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  more: Partial<Asked> = {},
): Promise<Answer> {
  return await ask(proxy, { host: 'localhost', port: echoPort, ca: ca.cert, path, headers, ...more });
}

describe('a credential that was swapped in', () => {
  const swap = (): Swap => ({
    minted: 'mint_1',
    placeholder: PLACEHOLDER,
    secret: MINTED,
    use: { kind: 'replace' },
    expiresAt: Date.now() + 60_000,
  });
  const bearer = { authorization: `Bearer ${PLACEHOLDER}` };
  beforeEach(() => {
    proxy.script = (asked) => ({ result: 'ALLOW', swaps: asked.placeholders.length > 0 ? [swap()] : [] });
  });
  const sentTo = () => requests.at(-1)?.headers.join(' ') ?? '';

  for (const path of ['/reason', '/name', '/'])
    test(`does not come back from ${path}`, async () => {
      const answer = await askEcho(path, bearer);
      assert.ok(sentTo().includes(MINTED), 'it was sent');
      assert.ok(!answer.raw.toLowerCase().includes(MINTED.toLowerCase()));
    });

  for (const path of ['/base64', '/shifted'])
    test(`does not come back from ${path}, wherever it begins there`, async () => {
      const answer = await askEcho(path, bearer);
      assert.ok(sentTo().includes(MINTED), 'it was sent');
      const text = Buffer.from(answer.body, 'base64').toString('latin1');
      // Its first and last characters share a group of four with their neighbours.
      for (let at = 4; at + 8 < MINTED.length - 4; at += 4)
        assert.ok(!text.includes(MINTED.slice(at, at + 8)), `bytes from ${at} on`);
    });

  test('does not come back in pieces', async () => {
    let pieces = '';
    for (let at = 0; at < 60; at += 6)
      pieces += (await askEcho('/range', { ...bearer, range: `bytes=${at}-${at + 5}` })).body;
    assert.ok(sentTo().includes(MINTED), 'it was sent');
    assert.ok(!pieces.includes(MINTED));
    assert.ok(!sentTo().toLowerCase().includes('range'));
  });

  test('is seen in a path and a query that hide it in an encoding', async () => {
    const hidden = `%67${PLACEHOLDER.slice(1)}`;
    await askEcho(`/p/${hidden}`, bearer);
    const where = proxy.asks.at(-1)?.placeholders.map((use) => use.where);
    // Judged with both places, the daemon denies it: a path is no place for one.
    assert.deepEqual(where, ['path', 'header:authorization']);
  });
});

describe('headers over HTTP/2', () => {
  test('that a server says twice, and names of every object, pass as what they are', async () => {
    const plain = await proxy.guard('localhost', tlsPort);
    const tls = connectTls({ socket: plain, servername: 'localhost', ca: ca.cert, ALPNProtocols: ['h2'] });
    await new Promise((settle) => tls.once('secureConnect', settle));
    const client = connectHttp2(`https://localhost:${tlsPort}`, { createConnection: () => tls });
    client.on('error', () => undefined);
    const headers = await new Promise<Record<string, unknown>>((settle, reject) => {
      const stream = client.request({ ':path': '/twice', constructor: 'mine' });
      stream.once('response', (head) => settle(head as Record<string, unknown>));
      stream.once('error', reject);
      stream.resume();
    });
    assert.equal(headers[':status'], 200);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['constructor'], 'a');
    assert.match(requests.at(-1)?.headers.join(' ') ?? '', /constructor mine/);
    client.destroy();
  });
});

describe('a reason that somebody else wrote a part of', () => {
  const message =
    'the name `\u001b[2J\u009b31m\u202e<script>alert(1)</script>\r\nx-evil: 1\ud800` is not known';
  for (const [name, headers] of [
    ['text', {}],
    ['JSON', { accept: 'application/json' }],
    ['gRPC', { 'content-type': 'application/grpc' }],
  ] as const)
    test(`moves no cursor, adds no header and is no page: ${name}`, async () => {
      proxy.script = () => ({ result: 'DENY', message });
      const answer = await askEcho('/', headers);
      assert.equal(requests.length, 0);
      assert.ok([200, 403].includes(answer.status));
      assert.equal(answer.headers['x-evil'], undefined);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.doesNotMatch(answer.raw, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    });
});

describe('a flood', () => {
  test('of connections that say nothing does not keep out those that do', async () => {
    const idle: Socket[] = [];
    for (let i = 0; i < 1_500; i += 1) {
      const socket = connect({ host: '127.0.0.1', port: proxy.port });
      socket.on('error', () => undefined);
      idle.push(socket);
    }
    try {
      await sleep(600);
      const open = idle.filter((socket) => !socket.destroyed && socket.readyState === 'open').length;
      assert.ok(open <= 600, `${open} are kept`);
    } finally {
      for (const socket of idle) socket.destroy();
    }
    await sleep(300);
    assert.equal((await askEcho('/')).status, 200);
  });
});

test('the proxy said nothing but what the daemon takes, and did not fall over', () => {
  assert.deepEqual(proxy.unparsed, []);
  assert.equal(proxy.child.exitCode, null);
  assert.equal(proxy.stderr(), '');
});
