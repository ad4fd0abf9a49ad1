import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type NetworkChoice, type NetworkSession, openHost, openNetworkSession } from './network-double.ts';

const NODE = process.execPath;
const API = 'api.example.test';

async function within(
  choice: NetworkChoice,
  body: (session: NetworkSession) => Promise<void>,
): Promise<void> {
  const session = await openNetworkSession(choice);
  try {
    await body(session);
  } finally {
    await session.close();
  }
}

const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A failed test leaves it open; it does not keep the run alive.
  server.unref();
  return (server.address() as AddressInfo).port;
};

test('a name is answered with an address that stands for it, and back, and nothing is asked of the network', async () => {
  await within({ names: { [API]: '127.0.0.1' } }, async (session) => {
    const script = `
      const d = require('dns').promises;
      (async () => {
        const out = {};
        out.four = [await d.resolve4('Api.Example.test'), await d.resolve4('${API}'), await d.resolve4('other.example.test')];
        out.six = await d.resolve6('${API}');
        out.back = [await d.reverse(out.four[0][0]), await d.reverse(out.six[0])];
        out.local = [await d.resolve4('localhost'), await d.resolve4('x.localhost'), await d.resolve4(${JSON.stringify(hostname())}), await d.resolve6('localhost')];
        for (const [kind, name] of [['MX', '${API}'], ['TXT', '${API}'], ['SRV', '_x._tcp.${API}'], ['A', 'no.invalid'], ['PTR', '9.9.9.9.in-addr.arpa']])
          out[kind + ' ' + name] = await d.resolve(name, kind).then((a) => a, (e) => e.code);
        console.log(JSON.stringify(out));
      })();`;
    const done = await session.run([NODE, '-e', script]);
    assert.equal(done.code, 0, done.stderr);
    const out = JSON.parse(done.stdout) as Record<string, unknown>;
    const [a, b, c] = out['four'] as string[][];
    assert.match(a?.[0] ?? '', /^198\.18\./);
    assert.deepEqual(a, b);
    assert.notDeepEqual(a, c);
    assert.match((out['six'] as string[])[0] ?? '', /^fd43:534e::/);
    assert.deepEqual(out['back'], [[API], [API]]);
    assert.deepEqual(out['local'], [['127.0.0.1'], ['127.0.0.1'], ['127.0.0.1'], ['::1']]);
    assert.equal(out[`MX ${API}`], 'ENODATA');
    assert.equal(out[`TXT ${API}`], 'ENODATA');
    assert.equal(out['A no.invalid'], 'ENOTFOUND');
    assert.equal(out['PTR 9.9.9.9.in-addr.arpa'], 'ENOTFOUND');
    assert.deepEqual(session.lookups, []);
    assert.deepEqual(session.asked, []);
  });
});

test('names are served over TCP, and whoever sends rubbish is answered an error or nothing', async () => {
  await within({}, async (session) => {
    const script = `
import socket, struct
q = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\\3api\\7example\\4test\\0' + struct.pack('>HH', 1, 1)
t = socket.create_connection(('127.0.0.1', 53), 3)
t.sendall(struct.pack('>H', len(q)) + q + struct.pack('>H', len(q)) + q)
got = b''
while len(got) < 2 * (2 + len(q) + 16): got += t.recv(4096)
print('tcp', len(got) == 2 * (2 + len(q) + 16), got[2:4] == q[:2])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(0.3); u.connect(('127.0.0.1', 53))
def say(b):
    u.send(b)
    try: r = u.recv(4096); return '%d bytes, code %d' % (len(r), r[3] & 15)
    except TimeoutError: return 'nothing'
print('empty', say(b''), '/ short', say(b'abc'))
print('an answer', say(q[:2] + b'\\x81' + q[3:]))
print('two questions', say(q[:4] + b'\\0\\2' + q[6:]))
print('a loop', say(q[:12] + b'\\xc0\\x0c\\0\\1\\0\\1'))
print('a long label', say(q[:12] + b'\\x40' + b'a' * 64 + b'\\0\\0\\1\\0\\1'))
print('cut', say(q[:-3]))
print('a dot in a label', say(q[:12] + b'\\3a.b\\4test\\0\\0\\1\\0\\1'))
print('a space', say(q[:12] + b'\\3a b\\4test\\0\\0\\1\\0\\1'))
print('a notify', say(q[:2] + b'\\x21' + q[3:]))
print('chaos', say(q[:-2] + b'\\0\\3'))
print('still there', say(q))`;
    const done = await session.run(['python3', '-c', script]);
    assert.equal(
      done.stdout,
      `tcp True True
empty nothing / short nothing
an answer nothing
two questions 12 bytes, code 1
a loop 12 bytes, code 1
a long label 12 bytes, code 1
cut 12 bytes, code 1
a dot in a label 12 bytes, code 1
a space 26 bytes, code 3
a notify 12 bytes, code 4
chaos 12 bytes, code 4
still there 50 bytes, code 0
`,
      done.stderr,
    );
  });
});

test('an event loop goes on while a person thinks, and what it sent arrives once allowed; a denial is a reset', async () => {
  const host = await openHost((socket) => socket.pipe(socket));
  const decide = async (what: string) => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    return what.startsWith(API) ? 'ALLOW' : 'DENY';
  };
  await within(
    { names: { [API]: '127.0.0.1' }, hosts: [`127.0.0.1:${host.port}`], decide },
    async (session) => {
      const script = (name: string) => `
      let last = Date.now(), gap = 0;
      const t = setInterval(() => { const now = Date.now(); gap = Math.max(gap, now - last); last = now; }, 5);
      const s = require('net').connect(${host.port}, '${name}');
      s.end('said early');
      let heard = '';
      s.on('data', (d) => { heard += d; });
      s.on('error', (e) => console.log(e.code));
      s.on('close', () => { clearInterval(t); console.log(heard, gap < 200 ? 'smooth' : 'stalled ' + gap); });`;
      const yes = await session.run([NODE, '-e', script(API)]);
      assert.equal(yes.stdout, 'said early smooth\n', yes.stderr);
      const before = host.seen.connections;
      const no = await session.run([NODE, '-e', script('other.example.test')]);
      assert.equal(no.stdout, 'ECONNRESET\n smooth\n', no.stderr);
      assert.equal(host.seen.connections, before);
    },
  );
  await host.close();
});

test('megabytes go both ways through a held connection unchanged, and each end learns of the other’s', async () => {
  const host = createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256');
    socket.on('data', (chunk) => hash.update(chunk));
    socket.on('end', () =>
      socket.end(Buffer.concat([Buffer.from(hash.digest('hex')), Buffer.alloc(3_000_000, 'z')])),
    );
  });
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  host.unref();
  const { port } = host.address() as AddressInfo;
  await within({ decide: () => 'ALLOW' }, async (session) => {
    const script = `
      const data = require('crypto').randomBytes(5_000_000), hash = require('crypto').createHash('sha256').update(data).digest('hex');
      const s = require('net').connect({ port: ${port}, host: '127.0.0.1', allowHalfOpen: true });
      s.end(data);
      const got = [];
      s.on('data', (d) => got.push(d)).on('end', () => { const all = Buffer.concat(got); console.log(all.length, String(all.subarray(0, 64)) === hash); });`;
    const done = await session.run([NODE, '-e', script]);
    assert.equal(done.stdout, '3000064 true\n', done.stderr);
  });
  host.close();
});

test('a server of the session is reached by the session alone, and a port where nobody listens is refused without a question', async () => {
  await within({}, async (session) => {
    const script = `
      const n = require('net');
      const s = n.createServer((c) => c.end('mine')).listen(0, '127.0.0.1', () => {
        const { port } = s.address();
        n.connect(port, 'localhost').on('data', (d) => console.log(String(d))).on('close', () =>
          n.connect(1, '127.0.0.1').on('error', (e) => { console.log(e.code); console.log(port); setTimeout(() => process.exit(), 300); }));
      });`;
    const done = await session.run([NODE, '-e', script]);
    assert.match(done.stdout, /^mine\nECONNREFUSED\n/);
    assert.deepEqual(session.asked, []);
  });
});

test('datagrams reach nobody outside, and noting an address for them is no connection', async () => {
  await within({ decide: () => 'ALLOW' }, async (session) => {
    const script = `
import socket
a = socket.getaddrinfo('${API}', 443, type=socket.SOCK_STREAM)
print(sorted(x[4][0][:7] for x in a))
for family, _, _, _, to in a:
    u = socket.socket(family, socket.SOCK_DGRAM); u.connect(to); print(u.getsockname()[0])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for f in (lambda: u.connect(('9.9.9.9', 53)), lambda: u.sendto(b'x', ('9.9.9.9', 53)), lambda: u.sendto(b'x', a[0][4][:2])):
    try: f(); print('sent')
    except OSError as e: print(e.errno in (101, 22, 97))`;
    const done = await session.run(['python3', '-c', script]);
    assert.equal(done.stdout, "['198.18.', 'fd43:53']\n127.0.0.1\n::1\nTrue\nTrue\nTrue\n", done.stderr);
    assert.deepEqual(session.asked, []);
  });
});

test('a name that nobody knows, and a host that does not answer there, are errors of the network', async () => {
  await within(
    { hosts: [`${API}:*`, 'gone.example.test:*', '127.0.0.1:*'], names: { [API]: '127.0.0.1' } },
    async (session) => {
      const script = `
import socket
for to in (('gone.example.test', 80), ('${API}', 1)):
    try: socket.create_connection(to, None); print('connected')
    except OSError as e: print(e.errno)`;
      const done = await session.run(['python3', '-c', script]);
      assert.equal(done.stdout, '113\n111\n', done.stderr);
    },
  );
});

test('git fetches over http from a host that is allowed', async () => {
  const files = new Map<string, Buffer>();
  const web = createHttpServer((request, response) => {
    const path = join(
      bare,
      decodeURIComponent((request.url ?? '').split('?')[0] ?? '').replace(/^\/repo\.git/, ''),
    );
    try {
      response.end(files.get(path) ?? readFileSync(path));
    } catch {
      response.writeHead(404).end();
    }
  });
  const port = await listening(web);
  let bare = '';
  await within(
    { hosts: [`${API}:${port}`, `127.0.0.1:${port}`], names: { [API]: '127.0.0.1' } },
    async (session) => {
      const source = join(session.work, '..', 'source');
      bare = join(session.work, '..', 'repo.git');
      mkdirSync(source);
      const git = (...words: string[]) =>
        execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.test', ...words], {
          stdio: 'pipe',
        });
      writeFileSync(join(source, 'file'), 'content\n');
      git('init', '-q', source);
      git('-C', source, 'add', '.');
      git('-C', source, 'commit', '-qm', 'one');
      git('clone', '-q', '--bare', source, bare);
      git('-C', bare, 'update-server-info');
      const done = await session.run(['git', 'clone', '-q', `http://${API}:${port}/repo.git`, 'copy']);
      assert.equal(done.code, 0, done.stderr);
      assert.equal(readFileSync(join(session.work, 'copy/file'), 'utf8'), 'content\n');
    },
  );
  web.closeAllConnections();
  web.close();
});

/** A tar archive of one file. */
function archive(name: string, content: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return gzipSync(Buffer.concat([header, body, Buffer.alloc(1024)]));
}

test('npm installs from a registry that is allowed', async () => {
  const manifest = { name: 'a-small-thing', version: '1.0.0' };
  const tarball = archive('package/package.json', JSON.stringify(manifest));
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const web = createHttpServer((request, response) => {
    if (request.url?.endsWith('.tgz')) return void response.end(tarball);
    const dist = { tarball: `http://${request.headers.host}/a-small-thing-1.0.0.tgz`, integrity };
    response.end(
      JSON.stringify({
        name: manifest.name,
        'dist-tags': { latest: '1.0.0' },
        versions: { '1.0.0': { ...manifest, dist } },
      }),
    );
  });
  const port = await listening(web);
  await within(
    { hosts: [`${API}:${port}`, `127.0.0.1:${port}`], names: { [API]: '127.0.0.1' } },
    async (session) => {
      const done = await session.run([
        ...[
          'npm',
          'install',
          '--no-audit',
          '--no-fund',
          '--no-update-notifier',
          `--registry=http://${API}:${port}/`,
        ],
        ...['--cache', join(session.work, 'cache'), 'a-small-thing'],
      ]);
      assert.equal(done.code, 0, done.stderr);
      assert.match(
        readFileSync(join(session.work, 'node_modules/a-small-thing/package.json'), 'utf8'),
        /1\.0\.0/,
      );
      assert.deepEqual(session.asked, []);
    },
  );
  web.closeAllConnections();
  web.close();
});
