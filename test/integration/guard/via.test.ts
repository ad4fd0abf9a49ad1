import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Decided, openHost, openNetworkSession } from './network-double.ts';
import { openProxy, serveEcho, serveHttp } from './proxy-double.ts';

const NODE = process.execPath;
const API = 'api.example.test';
const names = { [API]: '127.0.0.1' };
const MODES = ['full', 'landlock'] as const;
/** Without a network of its own a session asks for names over TCP (connect.c). */
const LANDLOCKED = { full: {}, landlock: { RES_OPTIONS: 'use-vc' } } as const;

const python = (code: string): readonly string[] => ['python3', '-c', code];

const CLIENTS: readonly (readonly [string, (url: string) => readonly string[]])[] = [
  [
    'fetch of node',
    (url) => [NODE, '-e', `fetch(${JSON.stringify(url)}).then(async r => console.log(await r.text()))`],
  ],
  [
    'a node client that tries both families',
    (url) => [
      NODE,
      '-e',
      `require('http').get(${JSON.stringify(url)}, {autoSelectFamily: true}, r => r.on('data', d => process.stdout.write(d)))`,
    ],
  ],
  ['curl', (url) => ['curl', '-sS', url]],
  [
    'urllib of python',
    (url) =>
      python(
        `import urllib.request as u; print(u.build_opener(u.ProxyHandler({})).open(${JSON.stringify(url)}).read())`,
      ),
  ],
  [
    'asyncio of python with happy eyeballs',
    (url) =>
      python(`import asyncio, urllib.parse as p
u = p.urlparse(${JSON.stringify(url)})
async def go():
    r, w = await asyncio.open_connection(u.hostname, u.port, happy_eyeballs_delay=0.05)
    w.write(b'GET /x HTTP/1.0\\r\\nHost: ' + u.netloc.encode() + b'\\r\\n\\r\\n')
    print(await r.read())
asyncio.run(go())`),
  ],
];

for (const mode of MODES)
  for (const [client, command] of CLIENTS) {
    test(`${mode}: ${client} is sent through the proxy, and nothing reaches the host directly`, async () => {
      const requests: string[] = [];
      const host = await openHost(() => undefined);
      const proxy = await openProxy(serveHttp(requests));
      const session = await openNetworkSession({ names, mode, decide: () => proxy.route() });
      try {
        const done = await session.run(command(`http://${API}:${host.port}/x`), LANDLOCKED[mode]);
        assert.match(done.stdout, /hello from a proxy/, done.stderr);
        assert.equal(requests.length, 1);
        assert.match(requests[0] ?? '', /^GET \/x HTTP/, 'the token stands before it and nowhere else');
        assert.deepEqual(proxy.seen.refused, []);
        assert.deepEqual(host.seen, { connections: 0, bytes: 0 });
        assert.deepEqual(session.lookups, [], 'the proxy finds the host by itself');
        assert.deepEqual(
          session.effects.filter((row) => row !== `0 ${API}:${host.port}`),
          [],
        );
      } finally {
        await session.close();
        await proxy.close();
        await host.close();
      }
    });

    test(`${mode}: ${client} waits for a person, and is then sent through the proxy`, async () => {
      const requests: string[] = [];
      const proxy = await openProxy(serveHttp(requests));
      const decide = async () => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return proxy.route();
      };
      const session = await openNetworkSession({ names, mode, decide, persons: () => true });
      try {
        const done = await session.run(command(`http://${API}:80/x`), LANDLOCKED[mode]);
        assert.match(done.stdout, /hello from a proxy/, done.stderr);
        assert.equal(requests.length, 1);
        assert.match(requests[0] ?? '', /^GET \/x HTTP/);
        assert.deepEqual(proxy.seen.refused, []);
      } finally {
        await session.close();
        await proxy.close();
      }
    });
  }

/** Connects in every way, says which way gave what, and reads all that comes. */
const EVERY_WAY = (host: string, port: number): string => `
import errno, os, select, socket
def way(label, family, blocking):
    try:
        where = socket.getaddrinfo('${host}', ${port}, family, socket.SOCK_STREAM)[0][4]
    except OSError as e:
        print(label, 'no address'); return
    s = socket.socket(family, socket.SOCK_STREAM)
    e = select.epoll()
    s.setblocking(blocking)
    e.register(s.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    r = s.connect_ex(where)
    if not blocking and r == errno.EINPROGRESS:
        events = 0
        while not events & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
            got = e.poll(10)
            assert got, 'no event came'
            events |= got[0][1]
        r = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if r == 0:
            assert s.connect_ex(where) in (0, errno.EISCONN)
    if r == 0:
        s.getpeername(); s.getsockname()
        s.setblocking(True)
        d = socket.socket(fileno=os.dup(s.fileno()))
        s.close()
        try:
            d.sendall(b'ping ' + label.encode() + b'\\n')
            d.shutdown(socket.SHUT_WR)
            said = b''
            while True:
                b = d.recv(100)
                if not b: break
                said += b
            print(label, said)
        except OSError as x:
            print(label, errno.errorcode[x.errno])
    else:
        print(label, errno.errorcode[r])
for b in (True, False):
    way('four-%s' % b, socket.AF_INET, b)
    way('six-%s' % b, socket.AF_INET6, b)
`;

for (const mode of MODES)
  for (const slow of [false, true])
    test(`${mode}: sockets of both families, waiting or not, ${slow ? 'held for a person' : 'answered at once'}, read and write nothing but their own`, async () => {
      const heard: string[] = [];
      const proxy = await openProxy(serveEcho(heard));
      const decide = async () => {
        if (slow) await new Promise((resolve) => setTimeout(resolve, 150));
        return proxy.route();
      };
      const session = await openNetworkSession({ names, mode, decide, persons: () => slow });
      try {
        const done = await session.run(python(EVERY_WAY(API, 4000)), LANDLOCKED[mode]);
        assert.equal(done.code, 0, done.stderr);
        const rows = done.stdout.trim().split('\n').sort();
        for (const row of rows)
          if (!row.endsWith('no address')) assert.match(row, /^(\S+) b'welcome\\nping \1\\n'$/);
        assert.ok(rows.filter((row) => !row.endsWith('no address')).length >= 2, done.stdout);
        assert.equal(proxy.seen.connections, proxy.seen.tokens.length);
        assert.doesNotMatch(done.stdout + heard.join(''), /CSN1/);
        for (const token of proxy.tokens) assert.ok(!(done.stdout + heard.join('')).includes(token));
      } finally {
        await session.close();
        await proxy.close();
      }
    });

for (const mode of MODES)
  test(`${mode}: a proxy that is not there refuses the connection, and the host is not dialled instead`, async () => {
    const host = await openHost(() => undefined);
    const proxy = await openProxy(() => undefined);
    const { port } = proxy;
    await proxy.close();
    const decide = (): Decided => ({ path: `via:127.0.0.1:${port}`, argv: ['t'.repeat(43)] });
    const session = await openNetworkSession({ names, mode, decide });
    try {
      const done = await session.run(python(EVERY_WAY(API, host.port)), LANDLOCKED[mode]);
      const rows = done.stdout.trim().split('\n');
      assert.equal(done.code, 0, done.stderr);
      for (const row of rows) assert.match(row, /ECONNREFUSED$|no address$/);
      assert.ok(rows.filter((row) => row.endsWith('ECONNREFUSED')).length >= 2, done.stdout);
      assert.deepEqual(host.seen, { connections: 0, bytes: 0 });
      assert.ok(session.effects.every((row) => row === `111 ${API}:${host.port}`));
    } finally {
      await session.close();
      await host.close();
    }
  });

test('a way that is not exactly a loopback port and a token is a denial, and nothing is connected to', async () => {
  const host = await openHost(() => undefined);
  const proxy = await openProxy(() => undefined);
  const token = 'T'.repeat(43);
  const at = `via:127.0.0.1:${proxy.port}`;
  const rows: readonly Decided[] = [
    { path: 'via:127.0.0.1', argv: [token] },
    { path: 'via:127.0.0.1:', argv: [token] },
    { path: 'via:127.0.0.1:0', argv: [token] },
    { path: `via:127.0.0.1:0${proxy.port}`, argv: [token] },
    { path: 'via:127.0.0.1:65536', argv: [token] },
    { path: `via:127.0.0.2:${proxy.port}`, argv: [token] },
    { path: `via:0.0.0.0:${proxy.port}`, argv: [token] },
    { path: `via:localhost:${proxy.port}`, argv: [token] },
    { path: `via:[::1]:${proxy.port}`, argv: [token] },
    { path: `via:192.0.2.1:${proxy.port}`, argv: [token] },
    { path: `VIA:127.0.0.1:${proxy.port}`, argv: [token] },
    { path: `127.0.0.1:${proxy.port}`, argv: [token] },
    { path: `${at} `, argv: [token] },
    { path: `${at}:1`, argv: [token] },
    { path: `via:127.0.0.1:+${proxy.port}`, argv: [token] },
    { path: '/bin/true', argv: [token] },
    { path: at, argv: [] },
    { path: at, argv: [''] },
    { path: at, argv: ['T'.repeat(31)] },
    { path: at, argv: ['T'.repeat(65)] },
    { path: at, argv: [token, token] },
    { path: at, argv: [`${token}=`] },
    { path: at, argv: [`${'T'.repeat(40)}\nX`] },
    { path: at, argv: [`${'T'.repeat(40)}/+`] },
    { path: at, argv: [`${'T'.repeat(40)} x`] },
  ];
  const base = 20_000;
  const session = await openNetworkSession({
    names: { ...names, '192.0.2.7': '192.0.2.7' },
    decide: (what) => rows[Number(what.split(':')[1]) - base] ?? 'DENY',
  });
  try {
    const done = await session.run(
      python(`
import errno, socket
for blocking in (True, False):
    for i in range(${rows.length}):
        s = socket.socket()
        s.setblocking(blocking)
        print(blocking, i, errno.errorcode[s.connect_ex(('192.0.2.7', ${base} + i))])
`),
    );
    assert.equal(done.code, 0, done.stderr);
    const lines = done.stdout.trim().split('\n');
    assert.equal(lines.length, rows.length * 2);
    for (const line of lines) assert.match(line, /EACCES$/);
    assert.deepEqual(host.seen, { connections: 0, bytes: 0 });
    assert.equal(proxy.seen.connections, 0);
  } finally {
    await session.close();
    await proxy.close();
    await host.close();
  }
});

test('a way is asked for anew each time, also when the answer says to remember it', async () => {
  const heard: string[] = [];
  const proxy = await openProxy(serveEcho(heard));
  const session = await openNetworkSession({
    names,
    decide: () => {
      const route = proxy.route();
      return typeof route === 'string' ? route : { ...route, remember: true };
    },
  });
  try {
    const done = await session.run(
      python(`
import socket
for i in range(3):
    s = socket.create_connection(('${API}', 4000)); s.sendall(b'x'); print(s.recv(8)); s.close()
`),
    );
    assert.equal(done.stdout, "b'welcome\\n'\n".repeat(3), done.stderr);
    assert.equal(session.asked.length, 3);
    assert.equal(proxy.seen.tokens.length, 3);
  } finally {
    await session.close();
    await proxy.close();
  }
});

test('an ALLOW dials the host itself', async () => {
  const host = await openHost((socket) => socket.end('from the host'));
  const proxy = await openProxy(() => undefined);
  const session = await openNetworkSession({
    names,
    hosts: [`127.0.0.1:${host.port}`],
    decide: () => 'ALLOW',
  });
  try {
    const done = await session.run(
      python(
        `import socket; s = socket.create_connection(('${API}', ${host.port})); print(s.recv(100)); s.close()`,
      ),
    );
    assert.equal(done.stdout, "b'from the host'\n", done.stderr);
    assert.equal(proxy.seen.connections, 0);
  } finally {
    await session.close();
    await proxy.close();
    await host.close();
  }
});

for (const [label, command] of [
  [
    'sockets that wait',
    python(`
import socket, threading
good = []
def go(i):
    s = socket.create_connection(('${API}', 4000))
    m = b'number %d' % i
    s.sendall(m)
    s.shutdown(socket.SHUT_WR)
    b = b''
    while True:
        c = s.recv(100)
        if not c: break
        b += c
    if b == b'welcome\\n' + m: good.append(i)
t = [threading.Thread(target=go, args=(i,)) for i in range(200)]
[x.start() for x in t]; [x.join() for x in t]
print(len(good))`),
  ],
  [
    'sockets of an event loop',
    [
      NODE,
      '-e',
      `const net = require('net'); let good = 0, left = 200;
for (let i = 0; i < 200; i++) { let b = ''; const s = net.connect(4000, '${API}', () => s.end('number ' + i));
  s.setEncoding('latin1').on('data', d => b += d).on('error', () => undefined)
   .on('close', () => { good += b === 'welcome\\nnumber ' + i; if (--left === 0) console.log(good); }); }`,
    ],
  ],
] as const)
  for (const slow of [false, true])
    test(`200 ${label} at once, ${slow ? 'held for a person' : 'answered at once'}, each have a way of their own`, async () => {
      const heard: string[] = [];
      const proxy = await openProxy(serveEcho(heard));
      const session = await openNetworkSession({
        names,
        persons: () => slow,
        decide: async () => {
          if (slow) await new Promise((resolve) => setTimeout(resolve, 1500));
          return proxy.route();
        },
      });
      try {
        const done = await session.run(command);
        assert.equal(done.stdout.trim(), '200', done.stderr);
        assert.equal(proxy.seen.tokens.length, 200);
        assert.deepEqual(proxy.seen.refused, []);
        assert.equal(heard.length, 200);
      } finally {
        await session.close();
        await proxy.close();
      }
    });

test('a descriptor that another thread closed meanwhile is not overwritten by the connection', async () => {
  const proxy = await openProxy(serveEcho([]));
  const session = await openNetworkSession({
    names,
    decide: async () => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      return proxy.route();
    },
  });
  try {
    const done = await session.run(
      python(`
import ctypes, os, socket, threading, time
where = socket.getaddrinfo('${API}', 4000, socket.AF_INET, socket.SOCK_STREAM)[0][4]
s = socket.socket()
n = s.fileno()
def go():
    try: s.connect(where); print('connected')
    except OSError: print('not connected')
t = threading.Thread(target=go); t.start()
time.sleep(0.2)
with open('mine', 'w') as f: f.write('mine')
g = os.open('mine', os.O_RDONLY)
os.dup2(g, n)
t.join()
print(os.read(n, 10))
s.detach()`),
    );
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /not connected\nb'mine'/);
  } finally {
    await session.close();
    await proxy.close();
  }
});

test('a program that holds its packets back does not hold the token back', async () => {
  const heard: string[] = [];
  const proxy = await openProxy(serveEcho(heard));
  const session = await openNetworkSession({ names, decide: () => proxy.route() });
  try {
    const done = await session.run(
      python(`
import socket, time
where = socket.getaddrinfo('${API}', 4000, socket.AF_INET, socket.SOCK_STREAM)[0][4]
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
t = time.time()
s.connect(where)
print(s.recv(100), time.time() - t < 0.15, s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK))`),
    );
    assert.equal(done.stdout, "b'welcome\\n' True 1\n", done.stderr);
  } finally {
    await session.close();
    await proxy.close();
  }
});
