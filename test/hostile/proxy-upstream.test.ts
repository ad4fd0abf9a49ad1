// What upstream, the network and a lost daemon can do to a request: nothing of it leaves, or nothing more of it.
import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createServer as createTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import type { Swap } from '../../electron/wire/proxy-message.ts';
import { makeAuthority, type Pair, selfSigned, type TestAuthority } from '../support/certificates.ts';
import { ask as askOver } from '../support/proxy-client.ts';
import { eventually, type ProxyDouble, startProxyDouble } from '../support/proxy-double.ts';

let ca: TestAuthority;
let upstream: TestAuthority;
let proxy: ProxyDouble;
const servers: Server[] = [];

function listen<S extends Server>(server: S): Promise<number> {
  servers.push(server);
  return new Promise((settle) =>
    server.listen(0, '127.0.0.1', () => settle((server.address() as AddressInfo).port)),
  );
}

before(async () => {
  [ca, upstream] = await Promise.all([makeAuthority('ours'), makeAuthority('upstream')]);
  proxy = await startProxyDouble({
    caCertificatePem: ca.cert,
    caKeyPem: ca.key,
    extraRoots: [upstream.cert],
    windowBytes: 16 * 1024,
    holdBytes: 64 * 1024,
  });
});
after(async () => {
  await proxy.stop();
  for (const server of servers) server.close();
});

/** The outcome of the last question. */
const lastOutcome = async () => {
  const id = `act_${String(proxy.asks.at(-1)?.id).padStart(8, '0')}`;
  return (await eventually(() => proxy.outcomes.find((one) => one.action === id), 'an outcome')).outcome;
};

const ask = (host: string, port: number, options: Partial<Parameters<typeof askOver>[1]> = {}) =>
  askOver(proxy, { host, port, ca: ca.cert, ...options });

describe('a certificate that is not good', () => {
  const cases: readonly (readonly [string, () => Promise<Pair>, RegExp])[] = [
    ['has expired', () => upstream.issue(['localhost'], -1), /expired/],
    ['is for another host', () => upstream.issue(['elsewhere.test']), /another host/],
    ['is signed by itself', () => selfSigned('localhost'), /signed by itself/],
    [
      'is of an authority that nobody knows',
      async () => (await makeAuthority('stranger')).issue(['localhost']),
      /authority/,
    ],
    // Our own authority is for agents: an upstream that has one of it is not believed for that.
    ['is of our own authority', () => ca.issue(['localhost']), /authority/],
  ];
  for (const [name, make, reason] of cases) {
    test(`sends nothing when it ${name}, and says so`, async () => {
      let got = 0;
      const server = createTls(await make(), (socket) => {
        socket.on('data', (chunk: Buffer) => {
          got += chunk.length;
        });
        socket.on('error', () => undefined);
      });
      server.on('tlsClientError', () => undefined);
      const port = await listen(server);
      const refusals = proxy.refusals.length;
      const answer = await ask('localhost', port, { tls: true });
      assert.equal(answer.status, 502);
      assert.match(answer.body, reason);
      assert.equal(got, 0, 'something was sent');
      assert.equal(proxy.refusals[refusals]?.code, 'bad-certificate');
      assert.equal((await lastOutcome()).result, 'failed');
    });
  }
});

describe('upstream', () => {
  test('that is down is a 502 that says so, and the outcome failed', async () => {
    const server = createTcp();
    const port = await listen(server);
    await new Promise((settle) => server.close(settle));
    const answer = await ask('127.0.0.1', port);
    assert.equal(answer.status, 502);
    assert.match(answer.body, /cannot be reached \(ECONNREFUSED\)/);
    assert.equal((await lastOutcome()).result, 'failed');
  });

  test('that is no name is a 502', async () => {
    const answer = await ask('no-such-name.invalid', 80);
    assert.equal(answer.status, 502);
    assert.match(answer.body, /leads nowhere/);
  });

  test('that closes in the middle of its answer is not taken for whole', async () => {
    const port = await listen(
      createTcp((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
          setTimeout(() => socket.destroy(), 50);
        });
      }),
    );
    const answer = await ask('127.0.0.1', port);
    assert.equal(answer.complete, false);
    const last = await lastOutcome();
    assert.equal(last.result, 'unknown');
    assert.equal(last.digest, null);
  });

  test('that does not speak HTTP is a 502', async () => {
    const port = await listen(
      createTcp((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end('220 mail.test ESMTP\r\n'));
      }),
    );
    assert.equal((await ask('127.0.0.1', port)).status, 502);
  });
});

describe('a body', () => {
  let got = Buffer.alloc(0);
  let requests = 0;
  let port = 0;
  before(async () => {
    port = await listen(
      createHttp((request, answer) => {
        requests += 1;
        got = Buffer.alloc(0);
        request.on('data', (chunk: Buffer) => {
          got = Buffer.concat([got, chunk]);
        });
        request.on('error', () => undefined);
        request.once('end', () => answer.end('ok'));
      }) as unknown as Server,
    );
  });

  test('that is a bomb is refused, and nothing of it leaves', async () => {
    requests = 0;
    const bomb = gzipSync(gzipSync(Buffer.alloc(300 * 1024 * 1024)));
    const answer = await ask('127.0.0.1', port, {
      method: 'POST',
      headers: { 'content-encoding': 'gzip, gzip' },
      body: bomb,
    });
    assert.equal(answer.status, 413);
    assert.equal(requests, 0);
  });

  test('that is not what its coding says is refused', async () => {
    requests = 0;
    const answer = await ask('127.0.0.1', port, {
      method: 'POST',
      headers: { 'content-encoding': 'gzip' },
      body: Buffer.from('no gzip'),
    });
    assert.equal(answer.status, 400);
    assert.equal(requests, 0);
  });

  test('is held until it was judged: a denied one never reaches upstream', async () => {
    requests = 0;
    proxy.script = () => ({ result: 'DENY', rule: 'pol_00000001' });
    const answer = await ask('127.0.0.1', port, { method: 'POST', body: Buffer.from('secret') });
    proxy.script = () => ({ result: 'ALLOW' });
    assert.equal(answer.status, 403);
    assert.match(answer.body, /not here; ask the person/);
    assert.equal(requests, 0);
  });

  test('that is long is judged by its beginning, and cut when a later part is denied', async () => {
    requests = 0;
    const secret = 'AKIAQ3EGRIUHV7KZT5NB';
    const body = Buffer.concat([
      Buffer.alloc(400_000, 'all work and no play '),
      Buffer.from(` token=${secret} `),
      Buffer.alloc(300_000, 'all work and no play '),
    ]);
    let questions = 0;
    proxy.script = (asked) => {
      questions += 1;
      return {
        result:
          asked.question.kind === 'request' && asked.question.payload.findings.length > 0 ? 'DENY' : 'ALLOW',
      };
    };
    const answer = await ask('127.0.0.1', port, { method: 'POST', body });
    proxy.script = () => ({ result: 'ALLOW' });
    assert.ok(questions >= 2, 'it was asked once only');
    assert.ok(answer.status === 403 || !answer.complete, String(answer.status));
    assert.ok(!got.includes(secret), 'the secret left');
    assert.ok(got.length < body.length);
  });

  test('that is long arrives whole when all of it is allowed', async () => {
    const body = Buffer.alloc(3_000_000, 'all work and no play ');
    const answer = await ask('127.0.0.1', port, { method: 'POST', body });
    assert.equal(answer.status, 200);
    assert.ok(got.equals(body));
  });
});

describe('a name that leads nearby', () => {
  test('is asked about again with its address, and dialled only after that', async () => {
    let requests = 0;
    const port = await listen(
      createHttp((_request, answer) => {
        requests += 1;
        answer.end('inside');
      }) as unknown as Server,
    );
    // A name of this machine that does not say that it is near.
    const { hostname } = await import('node:os');
    const { lookup } = await import('node:dns/promises');
    const name = hostname().toLowerCase();
    const found = await lookup(name, { all: true }).catch(() => []);
    if (!found.some(({ address }) => /^(?:127\.|10\.|172\.|192\.168\.)/.test(address))) {
      // No such name here: the rule itself is in unit/proxy/dial.test.ts.
      return;
    }
    const asked = proxy.asks.length;
    proxy.script = (one) => ({
      result:
        one.question.kind === 'request' && one.question.request.oddities.includes('resolves-near')
          ? 'DENY'
          : 'ALLOW',
    });
    const answer = await ask(name, port);
    proxy.script = () => ({ result: 'ALLOW' });
    assert.equal(answer.status, 403);
    assert.equal(requests, 0);
    const [first, second] = proxy.asks.slice(asked).map((one) => one.question);
    assert.equal(first?.kind === 'request' ? first.address : 'none', null);
    assert.ok(second?.kind === 'request' && second.address !== null);
  });
});

describe('a minted credential', () => {
  const placeholder = 'csnph_0123456789abcdef';
  const secret = 'real/secret+0123456789';
  const swap = (expiresAt = Date.now() + 10_000): Swap => ({
    minted: 'mnt_1',
    placeholder,
    secret,
    use: { kind: 'replace' },
    expiresAt,
  });
  let seen: { url: string; headers: Record<string, unknown>; body: string } | null = null;
  let port = 0;
  before(async () => {
    proxy.send({ kind: 'placeholders', session: 'sess_00000001', values: [placeholder] });
    port = await listen(
      createHttp((request, answer) => {
        let body = '';
        request.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        request.once('end', () => {
          seen = { url: request.url ?? '', headers: request.headers, body };
          answer.setHeader('location', `https://elsewhere.test/?token=${encodeURIComponent(secret)}`);
          answer.setHeader('x-echo', request.headers.authorization ?? '');
          answer.write(`you said ${secret.slice(0, 7)}`);
          setTimeout(
            () => answer.end(`${secret.slice(7)} and ${Buffer.from(secret).toString('base64')}!`),
            30,
          );
        });
      }) as unknown as Server,
    );
  });

  test('stands in the place of its placeholder upstream, and never comes back', async () => {
    proxy.script = () => ({ result: 'ALLOW', swaps: [swap()] });
    const answer = await ask('127.0.0.1', port, {
      method: 'POST',
      path: `/x?key=${placeholder}`,
      headers: { authorization: `Bearer ${placeholder}`, 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ key: placeholder })),
    });
    proxy.script = () => ({ result: 'ALLOW' });
    assert.equal(seen?.headers['authorization'], `Bearer ${secret}`);
    assert.equal(seen?.url, `/x?key=${encodeURIComponent(secret)}`);
    assert.equal(seen?.body, JSON.stringify({ key: secret }));
    const whole = answer.raw;
    for (const shape of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
      assert.ok(!whole.includes(shape), 'the secret came back');
    assert.equal(answer.body, `you said ${placeholder} and ${placeholder}!`);
    const wheres = proxy.asks
      .at(-1)
      ?.placeholders.map((use) => use.where)
      .sort();
    assert.deepEqual(wheres, ['body', 'header:authorization', 'query:key']);
    assert.ok(!JSON.stringify(proxy.asks.at(-1)).includes(secret));
    assert.deepEqual((await lastOutcome()).used, ['mnt_1']);
  });

  test('goes into a Basic credential, which is opened for it', async () => {
    proxy.script = () => ({ result: 'ALLOW', swaps: [swap()] });
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const answer = await ask('127.0.0.1', port, { headers: { authorization: basic(`user:${placeholder}`) } });
    proxy.script = () => ({ result: 'ALLOW' });
    assert.equal(seen?.headers['authorization'], basic(`user:${secret}`));
    assert.ok(!answer.raw.includes(basic(`user:${secret}`).slice(6)), 'the secret came back');
  });

  test('that is too old is not sent, nor is anything else', async () => {
    seen = null;
    proxy.script = () => ({ result: 'ALLOW', swaps: [swap(Date.now() - 1)] });
    const answer = await ask('127.0.0.1', port, { headers: { authorization: `Bearer ${placeholder}` } });
    proxy.script = () => ({ result: 'ALLOW' });
    assert.equal(answer.status, 502);
    assert.equal(seen, null);
  });

  test('is used once: the next request sends the placeholder as it is', async () => {
    await ask('127.0.0.1', port, { headers: { authorization: `Bearer ${placeholder}` } });
    assert.equal(seen?.headers['authorization'], `Bearer ${placeholder}`);
  });
});

describe('the channel', () => {
  test('tells the daemon when a client is gone before its answer', async () => {
    proxy.script = () => null;
    const asked = proxy.asks.length;
    const socket = await proxy.guard('127.0.0.1', 9);
    socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n');
    const question = await eventually(() => proxy.asks[asked], 'a question');
    socket.destroy();
    await eventually(() => proxy.cancels.includes(question.id), 'a cancel');
    proxy.script = () => ({ result: 'ALLOW' });
  });

  test('that says forget closes all connections of the session', async () => {
    const socket = await proxy.guard('127.0.0.1', 9, 'sess_forgotten');
    const other = await proxy.guard('127.0.0.1', 9, 'sess_00000001');
    await new Promise((settle) => setTimeout(settle, 100));
    proxy.send({ kind: 'forget', session: 'sess_forgotten' });
    await new Promise((settle) =>
      socket
        .once('close', settle)
        .on('error', () => undefined)
        .resume(),
    );
    assert.equal(other.destroyed, false);
    other.destroy();
  });

  test('that is lost in the middle of a request ends the process, and the request fails', async () => {
    let requests = 0;
    const port = await listen(
      createHttp(() => {
        requests += 1;
      }) as unknown as Server,
    );
    const own = await startProxyDouble({ caCertificatePem: ca.cert, caKeyPem: ca.key });
    own.script = () => null;
    const socket = await own.guard('127.0.0.1', port);
    socket.on('error', () => undefined);
    let got = '';
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    const gone = new Promise((settle) => socket.once('close', settle));
    socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    await eventually(() => own.asks.length > 0, 'a question');
    const ended = new Promise((settle) => own.child.once('exit', settle));
    own.child.disconnect();
    await Promise.all([gone, ended]);
    assert.ok(!got.startsWith('HTTP/1.1 2'), got);
    assert.equal(requests, 0);
  });

  test('carried only what the daemon takes, and nothing was said on the error stream', () => {
    assert.deepEqual(proxy.unparsed, []);
    assert.equal(proxy.stderr(), '');
  });
});
