import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type NetworkChoice, type NetworkSession, openHost, openNetworkSession } from './network-double.ts';

const NODE = process.execPath;
const API = 'api.example.test';

/** An HTTP server on the host's loopback that is known by name to the session. */
async function withWeb(
  choice: (port: number) => NetworkChoice,
  body: (session: NetworkSession, port: number, hits: string[]) => Promise<void>,
): Promise<void> {
  const hits: string[] = [];
  const web = createHttpServer((request, response) => {
    hits.push(`${request.headers.host} ${request.url}`);
    response.end('hello from outside\n');
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const { port } = web.address() as AddressInfo;
  const session = await openNetworkSession(choice(port));
  try {
    await body(session, port, hits);
  } finally {
    await session.close();
    web.closeAllConnections();
    web.close();
  }
}

const allowed = (port: number): NetworkChoice => ({
  hosts: [`${API}:${port}`, `127.0.0.1:${port}`],
  names: { [API]: '127.0.0.1' },
});

const CLIENTS: readonly (readonly [string, (url: string) => readonly string[]])[] = [
  [
    'fetch of node',
    (url) => [NODE, '-e', `fetch(${JSON.stringify(url)}).then(async r => console.log(await r.text()))`],
  ],
  [
    'http of node',
    (url) => [
      NODE,
      '-e',
      `require('http').get(${JSON.stringify(url)}, r => r.on('data', d => process.stdout.write(d)))`,
    ],
  ],
  ['curl', (url) => ['curl', '-sS', url]],
  [
    'urllib of python',
    (url) => [
      'python3',
      '-c',
      `import urllib.request as u; print(u.urlopen(${JSON.stringify(url)}, timeout=10).read())`,
    ],
  ],
  [
    'asyncio of python',
    (url) => [
      'python3',
      '-c',
      `import asyncio, urllib.parse as p
u = p.urlparse(${JSON.stringify(url)})
async def go():
    r, w = await asyncio.open_connection(u.hostname, u.port)
    w.write(b'GET /x HTTP/1.0\\r\\nHost: ' + u.netloc.encode() + b'\\r\\n\\r\\n')
    print(await r.read())
asyncio.run(go())`,
    ],
  ],
];

for (const [client, command] of CLIENTS) {
  test(`${client} reaches a host that is allowed, by its name, without a question`, async () => {
    await withWeb(allowed, async (session, port, hits) => {
      const done = await session.run(command(`http://${API}:${port}/x`));
      assert.match(done.stdout, /hello from outside/, done.stderr);
      assert.deepEqual(hits, [`${API}:${port} /x`]);
      assert.deepEqual(session.asked, []);
      assert.deepEqual(session.effects, [`0 ${API}:${port}`]);
    });
  });

  test(`${client} reaches a host that a person allows while it waits`, async () => {
    const choice = (port: number): NetworkChoice => ({
      names: { [API]: '127.0.0.1' },
      hosts: [`127.0.0.1:${port}`],
      decide: () => new Promise((resolve) => setTimeout(resolve, 300, 'ALLOW')),
    });
    await withWeb(choice, async (session, port, hits) => {
      const done = await session.run(command(`http://${API}:${port}/x`));
      assert.match(done.stdout, /hello from outside/, done.stderr);
      assert.deepEqual(session.asked, [`${API}:${port}`]);
      assert.equal(hits.length, 1);
    });
  });

  test(`${client} does not reach a host that is denied, which sees not one connection`, async () => {
    const host = await openHost(() => undefined);
    const session = await openNetworkSession({ names: { [API]: '127.0.0.1' } });
    try {
      const done = await session.run(command(`http://${API}:${host.port}/x`));
      assert.notEqual(done.code, 0);
      assert.deepEqual(host.seen, { connections: 0, bytes: 0 });
      assert.deepEqual(session.lookups, [], 'nothing is looked up before it is allowed');
      assert.equal(session.asked[0], `${API}:${host.port}`);
    } finally {
      await session.close();
      await host.close();
    }
  });
}
