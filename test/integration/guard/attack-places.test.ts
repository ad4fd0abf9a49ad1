// Places that a session may write to or look into, and what they would give it outside.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openTerminal } from '../terminal.ts';
import { type AttackHome, openAttackHome } from './attack-home.ts';

const ENOENT = 2;

describe('an agent among the places of its session', () => {
  let place: AttackHome;
  const servers: Server[] = [];
  before(async () => {
    place = await openAttackHome();
  });
  after(() => {
    for (const server of servers) server.close();
    place.close();
  });
  const listen = async (path: string): Promise<{ readonly path: string; readonly calls: () => number }> => {
    let calls = 0;
    const server = createServer((socket) => {
      calls += 1;
      socket.destroy();
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return { path, calls: () => calls };
  };

  test('cannot put a program into a folder of PATH that a tool keeps in its own', async () => {
    const bins = ['.local/bin', '.local/share/pnpm', '.deno/bin', '.yarn/bin', '.cache/tool/bin'].map(
      (name) => join(place.home, name),
    );
    for (const bin of bins) {
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'git'), '#!/bin/sh\necho the real one\n', { mode: 0o755 });
    }
    const path = [...bins, process.env['PATH']].join(delimiter);
    for (const bin of bins) {
      const done = await place.act(['write', join(bin, 'git'), '#!/bin/sh\necho evil\n'], { PATH: path });
      assert.notEqual(done[0], 0, bin);
      assert.match(readFileSync(join(bin, 'git'), 'utf8'), /real/);
    }
    const cached = join(place.home, '.cache/tool/data');
    assert.deepEqual(await place.act(['write', cached, 'x'], { PATH: path }), [0], 'caches stay writable');
  });

  test('reaches no program of the person’s that listens in the workspace or in a cache', async () => {
    mkdirSync(join(place.home, '.cache'), { recursive: true });
    for (const folder of [place.work, join(place.home, '.cache')]) {
      const door = await listen(join(folder, 'door.sock'));
      const done = await place.act(['connect', door.path]);
      assert.notEqual(done[0], 0, door.path);
      assert.equal(door.calls(), 0, 'its bytes would have arrived');
    }
  });

  test('still reaches what it listens on itself, wherever that is', async () => {
    const sockets = ['own.sock', join(place.home, '.cache/own.sock'), '/tmp/own.sock'];
    assert.deepEqual(await place.act(sockets.flatMap((path) => ['serve', path])), [0, 0, 0]);
  });

  test('cannot steer a build tool of the person’s by its folder in the home', async () => {
    const folder = join(place.home, '.gradle');
    mkdirSync(join(folder, 'init.d'), { recursive: true });
    const [inside, steering] = [join(folder, 'x'), join(folder, 'init.d/x.gradle')];
    const done = await place.act(['write', inside, 'y', 'write', steering, 'evil']);
    assert.equal(done[0], 0);
    assert.notEqual(done[1], 0);
    assert.ok(!existsSync(join(folder, 'init.d/x.gradle')));
  });

  test('reads no device but the plain ones', async () => {
    const done = await place.act(['read', '/dev/zero', 'read', '/dev/urandom']);
    assert.deepEqual(done.slice(0, 2), [0, 0]);
    assert.deepEqual(await place.act(['read', '/dev/kmsg']), [ENOENT]);
  });

  test('reads nothing that a person types on another terminal', async () => {
    const terminal = openTerminal(['sh', '-c', 'tty; exec sleep 30'], { cwd: '/', env: process.env });
    try {
      const [name = ''] = /\/dev\/pts\/\d+/.exec(await terminal.see(/\/dev\/pts\/\d+/)) ?? [];
      terminal.type('a password\r');
      assert.notEqual((await place.act(['read', name]))[0], 0, name);
    } finally {
      terminal.kill();
    }
  });
});
