import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { collect } from './surface-double.ts';
import { openTerminal } from './terminal.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'build/shims/cli/main.js');

describe('run --preview, with the real daemon and the real guard', () => {
  let root: string;
  let work: string;
  let env: NodeJS.ProcessEnv;
  const csn = (args: readonly string[], input?: string) =>
    collect(spawn(process.execPath, [MAIN, ...args], { cwd: work, env }), input);
  const previews = () => readdirSync(join(root, 'state/previews'));
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'csn-'));
    work = join(root, 'home/w');
    mkdirSync(work, { recursive: true });
    env = {
      PATH: process.env['PATH'],
      HOME: join(root, 'home'),
      TERM: 'xterm',
      LANG: 'C.UTF-8',
      COUNTERSIGN_HOME: root,
    };
    const started = await csn(['daemon', 'start']);
    assert.equal(started.code, 0, started.stderr);
  });
  after(async () => {
    await csn(['daemon', 'stop']);
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });

  test('shows what a command would do and leaves every file as it was', async () => {
    writeFileSync(join(work, 'kept'), 'one\n');
    writeFileSync(join(work, 'gone'), 'two\n');
    const script = 'echo more >> kept; rm gone; mkdir d; echo x > d/new; cat kept; exit 7';
    const done = await csn(['run', '--preview', '--', 'sh', '-c', script]);
    assert.deepEqual([done.code, done.stdout], [7, 'one\nmore\n'], done.stderr);
    assert.match(done.stderr, /M kept +\| 1 \+/);
    assert.match(done.stderr, /D gone +\| 1 -/);
    assert.match(done.stderr, /^\+more$/m);
    assert.match(done.stderr, /2 created, 1 changed, 1 deleted/);
    assert.deepEqual(readdirSync(work).sort(), ['gone', 'kept']);
    assert.equal(readFileSync(join(work, 'kept'), 'utf8'), 'one\n');
    assert.deepEqual(previews(), []);
  });

  test('commits what it showed, and the ledger says both', async () => {
    const done = await csn([
      'run',
      '--preview',
      '--commit',
      '--',
      'sh',
      '-c',
      'echo more >> kept; rm gone; chmod 700 kept',
    ]);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(readdirSync(work), ['kept']);
    assert.equal(readFileSync(join(work, 'kept'), 'utf8'), 'one\nmore\n');
    assert.equal(statSync(join(work, 'kept')).mode & 0o777, 0o700);
    const listed = await csn(['receipts', 'list', '--json']);
    for (const step of ['shown', 'commit', 'committed', 'discarded'])
      assert.match(listed.stdout, new RegExp(`"preview ${step} sh`));
    assert.equal((await csn(['verify'])).code, 0);
    assert.deepEqual(previews(), []);
  });

  test('lets no byte out and nothing happen outside of its places, and tells what was tried', async () => {
    let heard = 0;
    const server = createServer((_request, response) => {
      heard += 1;
      response.end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const outside = join(root, 'home/outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'not yours');
    const client = `require('net').connect(${port},'127.0.0.1').on('connect',()=>console.log('in')).on('error',(e)=>console.log(e.code))`;
    const script = `'${process.execPath}' -e "${client}"; echo x > ../outside/file; rm ../outside/file; touch ../outside/n`;
    const done = await csn(['run', '--preview', '--commit', '--', 'sh', '-c', script]);
    server.close();
    assert.match(done.stdout, /ECONNREFUSED/, done.stderr);
    assert.equal(heard, 0);
    assert.deepEqual(
      [readdirSync(outside), readFileSync(join(outside, 'file'), 'utf8')],
      [['file'], 'not yours'],
    );
    assert.match(done.stderr, new RegExp(`connect 127\\.0\\.0\\.1:${port}`));
    assert.match(done.stderr, /(write|delete|create) .*outside\//);
  });

  test('has no other name for its layers', async () => {
    const script = `ls ${root}/state ${root}/state/previews 2>&1; find / -xdev -name upper -path '*previews*' 2>/dev/null; echo looked`;
    const done = await csn(['run', '--preview', '--', 'sh', '-c', script]);
    assert.match(done.stdout, /looked/);
    assert.equal(/previews\/[0-9a-f]{8}/.test(done.stdout), false, done.stdout);
  });

  test('changes nothing when a file was changed meanwhile', async () => {
    writeFileSync(join(work, 'busy'), 'first\n');
    const running = csn([
      'run',
      '--preview',
      '--commit',
      '--',
      'sh',
      '-c',
      'echo mine >> busy; echo x > other; sleep 3',
    ]);
    const deadline = Date.now() + 10_000;
    while (previews().length === 0 && Date.now() < deadline) await new Promise((r) => setTimeout(r, 20));
    await new Promise((r) => setTimeout(r, 700));
    writeFileSync(join(work, 'busy'), 'theirs\n');
    const done = await running;
    assert.equal(done.code, 1, done.stderr);
    assert.match(done.stderr, /busy: it was changed in its place/);
    assert.equal(readFileSync(join(work, 'busy'), 'utf8'), 'theirs\n');
    assert.equal(existsSync(join(work, 'other')), false);
    assert.deepEqual(previews(), []);
  });

  test('gives programs the effects on standard output, alone', async () => {
    const done = await csn(['run', '--preview', '--json', '--', 'sh', '-c', 'echo noise; echo a > j']);
    const report = JSON.parse(done.stdout);
    assert.equal(report.places[0].effects[0].path, 'j');
    assert.match(done.stderr, /noise/);
  });

  test('asks on a terminal, and commits on the word', async () => {
    const terminal = openTerminal(
      [process.execPath, MAIN, 'run', '--preview', '--intent', 'x', '--', 'sh', '-c', 'echo typed > t'],
      { cwd: work, env },
    );
    await terminal.see(/commit, discard or show\? \[discard\]/, 20_000);
    assert.equal(existsSync(join(work, 't')), false);
    terminal.type('commit\r');
    assert.equal((await terminal.ended).exitCode, 0, terminal.screen());
    assert.equal(readFileSync(join(work, 't'), 'utf8'), 'typed\n');
  });

  test('shows what a waiting command would do before it is answered', async () => {
    mkdirSync(join(root, 'config/policies'), { recursive: true });
    writeFileSync(join(work, 'precious'), 'gold\n');
    const agent = csn(
      ['run', '--', 'bash'],
      'find . -name precious -delete; git push --force origin main; echo "rc $?"\n',
    );
    let handle = '';
    const deadline = Date.now() + 15_000;
    while (handle === '' && Date.now() < deadline) {
      const listed = await csn(['approve', '--list', '--json']);
      handle = JSON.parse(listed.stdout)[0]?.handle ?? '';
    }
    assert.notEqual(handle, '', 'nothing waits');
    const terminal = openTerminal([process.execPath, MAIN, 'approve', handle, '--preview'], {
      cwd: work,
      env,
    });
    await terminal.see(/on the copy it ended with/, 20_000);
    await terminal.see(/allow once, deny or leave it waiting/);
    terminal.type('deny\r');
    await terminal.ended;
    const done = await agent;
    assert.match(done.stdout, /rc 126/, done.stderr);
  });

  test('refuses to be a preview without the whole guard', async () => {
    const done = await csn(['run', '--preview', '--guard', 'off', '--', 'touch', 'never']);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /needs the whole guard/);
    assert.equal(existsSync(join(work, 'never')), false);
    chmodSync(work, 0o755);
  });
});
