import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { EMPTY_PAYLOAD } from '../../../electron/core/data/payload.ts';
import {
  bodyReader,
  codingsOf,
  decodeBody,
  holdBody,
  isConversation,
  streamDecoder,
} from '../../../electron/proxy/body-window.ts';
import { makeChannel } from '../../../electron/proxy/channel.ts';
import { passes } from '../../../electron/proxy/connect.ts';
import { isNearAddress, saysNear } from '../../../electron/proxy/dial.ts';
import { makeHoldBudget } from '../../../electron/proxy/hold-budget.ts';
import { multipartParts } from '../../../electron/proxy/multipart.ts';
import { makeRoutes } from '../../../electron/proxy/routes.ts';
import { frameReader } from '../../../electron/proxy/websocket-frames.ts';
import type { ProxyMessage, ProxyQuestion, Route } from '../../../electron/wire/proxy-message.ts';

const text = Buffer.from('all work and no play '.repeat(500));

describe('a packed body', () => {
  for (const [coding, packed] of [
    ['gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
  ] as const) {
    test(`is unpacked from ${coding}, whole and in its beginning`, async () => {
      const whole = await decodeBody(packed, [coding], true);
      assert.ok(whole.ok && whole.value.equals(text));
      const cut = await decodeBody(packed.subarray(0, packed.length - 3), [coding], false);
      assert.ok(cut.ok && text.includes(cut.value));
    });
  }

  test('of two codings is unpacked in their order', async () => {
    const made = await decodeBody(brotliCompressSync(gzipSync(text)), ['gzip', 'br'], true);
    assert.ok(made.ok && made.value.equals(text));
  });

  test('that grows too much is a bomb, by size and by ratio', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    const large = await decodeBody(bomb, ['gzip'], true, 1024 * 1024);
    assert.ok(!large.ok && large.error.code === 'bomb');
    const nested = await decodeBody(brotliCompressSync(Buffer.alloc(32 * 1024 * 1024)), ['br'], true);
    assert.ok(!nested.ok && nested.error.code === 'bomb');
    const streamed = streamDecoder(['br']);
    assert.equal(await streamed?.push(brotliCompressSync(Buffer.alloc(32 * 1024 * 1024))), null);
    streamed?.close();
  });

  test('of a coding that is not known cannot be seen', () => {
    assert.equal(codingsOf('compress'), null);
    assert.equal(codingsOf('gzip, gzip, gzip'), null);
    assert.deepEqual(codingsOf('X-GZIP, identity'), ['gzip']);
  });
});

describe('a body that is held', () => {
  test('is slow when nothing comes for too long', async () => {
    const body = new PassThrough();
    body.write('a');
    assert.equal((await holdBody(bodyReader(body), false, 100, 30)).state, 'slow');
  });

  test('of no declared length is judged when the client waits for an answer, where it is a conversation', async () => {
    const body = new PassThrough();
    body.write('first message');
    const held = await holdBody(bodyReader(body), isConversation('application/grpc+proto', null), 100_000);
    assert.equal(held.state, 'more');
    assert.equal(Buffer.concat(held.chunks).toString(), 'first message');
  });

  test('of no declared length is waited for where it is none, however it pauses', async () => {
    const body = new PassThrough();
    body.write('{');
    setTimeout(() => body.end('"query":"mutation{deleteAll}"}'), 400);
    const held = await holdBody(bodyReader(body), isConversation('application/json', null), 100_000);
    assert.equal(held.state, 'end');
    assert.equal(Buffer.concat(held.chunks).toString(), '{"query":"mutation{deleteAll}"}');
  });

  test('is given up when there is no room for it, and others have theirs', async () => {
    const budget = makeHoldBudget(100, 60);
    const [mine, again, other, third] = ['a', 'a', 'b', 'c'].map((session) => budget.share(session));
    assert.ok(mine?.take(40));
    const body = new PassThrough();
    body.end('x'.repeat(30));
    const held = await holdBody(bodyReader(body), false, 1_000, 1_000, again?.take);
    assert.deepEqual(held, { chunks: [], bytes: 0, state: 'full' });
    assert.ok(other?.take(50), 'another session has its own');
    assert.equal(third?.take(20), false, 'and all together have theirs');
    mine?.end();
    assert.ok(third?.take(20));
    assert.ok(again?.take(30), 'what ended has given everything back');
    mine?.end();
    assert.equal(again?.take(1), false, 'once');
  });

  test('is gone when the client is', async () => {
    const body = new PassThrough();
    body.on('error', () => undefined);
    setTimeout(() => body.destroy(), 10);
    assert.equal((await holdBody(bodyReader(body), false, 100)).state, 'gone');
  });
});

describe('the channel', () => {
  const question: ProxyQuestion = {
    kind: 'stream',
    host: 'h',
    port: 1,
    protocol: 'unknown',
    payload: EMPTY_PAYLOAD,
  };
  const from = { session: 's', scope: null };
  const answer = (id: number) =>
    ({
      kind: 'answer',
      id,
      result: 'ALLOW',
      message: '',
      action: null,
      rule: null,
      receipt: null,
      reportEnd: false,
      swaps: [],
    }) as const;

  test('denies when no answer comes in time, and later than that when it was told to wait', async () => {
    const channel = makeChannel(() => undefined, 40);
    const plain = channel.ask(from, question, []);
    const patient = channel.ask(from, question, []);
    channel.receive({ kind: 'waiting', id: 2, message: 'asked a person', leftMs: 120 });
    assert.equal((await plain).result, 'DENY');
    channel.receive(answer(2));
    assert.equal((await patient).result, 'ALLOW');
  });

  test('an answer that comes after the denial changes nothing', async () => {
    const channel = makeChannel(() => undefined, 10);
    const asked = channel.ask(from, question, []);
    assert.equal((await asked).result, 'DENY');
    channel.receive(answer(1));
  });

  test('denies what is asked when it cannot be sent, when it is lost, and after', async () => {
    const broken = makeChannel(() => {
      throw new Error('closed');
    });
    assert.equal((await broken.ask(from, question, [])).result, 'DENY');
    const channel = makeChannel(() => undefined);
    const asked = channel.ask(from, question, []);
    channel.lose();
    assert.equal((await asked).result, 'DENY');
    assert.equal((await channel.ask(from, question, [])).result, 'DENY');
  });

  test('cancels when the client is gone', async () => {
    const said: ProxyMessage[] = [];
    const channel = makeChannel((message) => said.push(message));
    const gone = new AbortController();
    const asked = channel.ask(from, question, [], gone.signal);
    gone.abort();
    assert.equal((await asked).result, 'DENY');
    assert.deepEqual(said.at(-1), { kind: 'cancel', id: 1 });
  });
});

describe('a route', () => {
  const route = (more: Partial<Route> = {}): Route => ({
    token: 't'.repeat(43),
    session: 's',
    scope: null,
    kind: 'guard',
    host: 'h',
    port: 1,
    expiresAt: 1_000,
    ...more,
  });

  test('of a guard is used once', async () => {
    const routes = makeRoutes(() => 0, 20);
    routes.add(route());
    assert.equal((await routes.claim(route().token))?.host, 'h');
    assert.equal(await routes.claim(route().token), null);
  });

  test('may come a little after its connection', async () => {
    const routes = makeRoutes(() => 0, 1_000);
    const claimed = routes.claim(route().token);
    assert.equal(await routes.claim(route().token), null, 'two connections wait for one token');
    routes.add(route());
    assert.equal((await claimed)?.host, 'h');
    assert.equal(await makeRoutes(() => 0, 10).claim(route().token), null);
  });

  test('that is too old, of the other kind, or of another session is none', async () => {
    const routes = makeRoutes(() => 2_000, 10);
    routes.add(route());
    assert.equal(await routes.claim(route().token), null);
    const explicit = makeRoutes(() => 0, 10);
    explicit.add(route({ kind: 'explicit' }));
    assert.equal(await explicit.claim(route().token), null);
    assert.equal(explicit.explicit('other', route().token), null);
    assert.notEqual(explicit.explicit('s', route().token), null);
    explicit.forget('s');
    assert.equal(explicit.explicit('s', route().token), null);
  });
});

describe('an address', () => {
  for (const near of [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.100.100.200',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00:ec2::254',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'nonsense',
  ])
    test(`${near} is near`, () => assert.equal(isNearAddress(near), true));
  for (const far of ['93.184.216.34', '8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946'])
    test(`${far} is not`, () => assert.equal(isNearAddress(far), false));
  test('a name of the loopback says itself that it is near', () => {
    assert.ok(saysNear('localhost') && saysNear('a.localhost') && saysNear('10.0.0.1'));
    assert.ok(!saysNear('localhost.example.org'));
  });
});

describe('TLS that is passed on', () => {
  test('is that of the host that policy names, and of no other', () => {
    const entry = { host: '*.example.org', port: null };
    assert.ok(passes(entry, 'a.example.org', 443));
    assert.ok(!passes(entry, 'example.org', 443));
    assert.ok(!passes(entry, 'aexample.org', 443));
    assert.ok(!passes({ host: 'a.test', port: 443 }, 'a.test', 8443));
    assert.ok(!passes({ host: 'a.test', port: null }, 'b.a.test', 443));
  });
});

describe('frames of a WebSocket', () => {
  const mask = Buffer.from([1, 2, 3, 4]);
  const frame = (first: number, said: string): Buffer => {
    const body = Buffer.from(said).map((byte, i) => byte ^ (mask[i & 3] ?? 0));
    const head =
      body.length < 126
        ? Buffer.from([first, 0x80 | body.length])
        : Buffer.from([first, 0xfe, body.length >> 8, body.length & 255]);
    return Buffer.concat([head, mask, body]);
  };

  test('are read in whatever pieces they come', () => {
    const all = Buffer.concat([
      frame(0x01, 'one '),
      frame(0x89, 'ping '),
      frame(0x80, 'two '),
      frame(0x82, 'x'.repeat(300)),
    ]);
    for (const size of [1, 2, 3, 7, all.length]) {
      const reader = frameReader();
      let said = '';
      for (let at = 0; at < all.length; at += size) said += reader.push(all.subarray(at, at + size));
      assert.equal(said, `one ping two ${'x'.repeat(300)}`);
      assert.equal(reader.complete(), true);
    }
  });

  for (const [name, bytes] of [
    ['of an extension', frame(0xc1, 'a')],
    ['without a mask', Buffer.from([0x81, 1, 65])],
    ['of an unknown kind', frame(0x83, 'a')],
    ['that go on with nothing', frame(0x80, 'a')],
    ['of control in pieces', frame(0x09, 'a')],
    ['of control that are too long', frame(0x89, 'a'.repeat(126))],
  ] as const)
    test(`${name} are none`, () => assert.equal(frameReader().push(bytes), null));
});

describe('a multipart body', () => {
  const body = [
    '--b',
    'content-disposition: form-data; name="note"',
    '',
    'hello',
    '--b',
    'content-disposition: form-data; name="f"; filename="../a.txt"',
    'content-type: text/csv',
    '',
    'a,b',
    '--b--',
    '',
  ].join('\r\n');

  test('is listed by its parts, also when its end is missing', async () => {
    const parts = await multipartParts(Buffer.from(body), 'multipart/form-data; boundary=b');
    assert.deepEqual(
      parts?.map((part) => [part.name, part.contentType, part.bytes]),
      [
        ['note', 'text/plain', 5],
        ['f', 'text/csv', 3],
      ],
    );
    const cut = await multipartParts(Buffer.from(body.slice(0, 90)), 'multipart/form-data; boundary=b');
    assert.ok((cut?.length ?? 9) <= 2);
    assert.equal(await multipartParts(Buffer.from(body), 'text/plain'), null);
    assert.deepEqual(await multipartParts(Buffer.from(body), 'multipart/form-data'), []);
  });
});
