import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { readCanaryAnswer } from '../../electron/wire/hook/canary.ts';
import { hookEvents, proofEvent } from '../../electron/wire/hook/config.ts';
import { HOOK_AGENTS } from '../../electron/wire/hook/event.ts';
import { hookWaitingFrame } from '../../electron/wire/hook/frame.ts';

/** Row 3 for every agent: the control plane is not there, or is not what it should be, and the call is denied in the agent's own words. */

const HOOK = resolve(import.meta.dirname, '../../build/shims/shell/countersign-hook');

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

function hook(words: readonly string[], input: string | Buffer): Promise<Ended> {
  return new Promise((done) => {
    const env = { ...process.env };
    delete env['COUNTERSIGN_SESSION'];
    delete env['COUNTERSIGN_SESSION_DIR'];
    const child = spawn(HOOK, words, { env });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('close', (status) => done({ stdout, stderr, status }));
  });
}

async function withServer(
  serve: (socket: Socket) => void,
  run: (path: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'csn-hook-'));
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  const path = join(folder, 's');
  await new Promise<void>((listening) => server.listen(path, listening));
  try {
    await run(path);
  } finally {
    for (const socket of open) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

for (const agent of HOOK_AGENTS) {
  test(`${agent}: denies when nobody listens, and lets events pass at which nothing is about to happen`, async () => {
    const denied = await hook([agent, proofEvent(agent), '--socket', '/nowhere/hook.sock'], '{}');
    assert.equal(readCanaryAnswer(agent, denied), 'denied-unjudged', JSON.stringify(denied));
    assert.match(denied.stderr, /the firewall does not answer/);
    for (const event of hookEvents(agent).filter((name) => /prompt|start|post|after/i.test(name))) {
      const passed = await hook([agent, event, '--socket', '/nowhere/hook.sock'], '{}');
      assert.deepEqual([passed.status, passed.stdout], [0, ''], event);
    }
  });
}

/** What could answer in the daemon's place, each with the seconds that the hook is given. */
const IMPOSTORS: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['hangs up', (socket) => socket.destroy()],
  ['says something else', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n{"decision":"allow"}')],
  ['never answers', () => undefined],
  ['announces more than it sends', (socket) => socket.end(Buffer.from('CSN1\xff\0\0\0s', 'latin1'))],
  ['answers with an empty frame', (socket) => socket.end(Buffer.from('CSN1\0\0\0\0', 'latin1'))],
  [
    'names a status that is none',
    (socket) => socket.end(Buffer.from('CSN1\x07\0\0\0s\x02\0\0\x0000', 'latin1')),
  ],
  [
    'keeps it waiting for ever',
    (socket) => {
      const again = setInterval(() => socket.write(hookWaitingFrame('', 60_000)), 100);
      socket.on('close', () => clearInterval(again));
    },
  ],
];

for (const [what, serve] of IMPOSTORS) {
  test(`denies when what listens ${what}`, async () => {
    await withServer(serve, async (path) => {
      const denied = await hook(['claude-code', 'PreToolUse', '--socket', path, '--wait', '1'], '{}');
      assert.equal(readCanaryAnswer('claude-code', denied), 'denied-unjudged', JSON.stringify(denied));
    });
  });
}

test('denies what is too large to be judged, and a call that is configured wrongly', async () => {
  const large = await hook(
    ['claude-code', 'PreToolUse', '--socket', '/nowhere'],
    Buffer.alloc(17 * 1024 * 1024, 97),
  );
  assert.equal(large.status, 2);
  assert.match(large.stderr, /larger than 16 MiB/);
  for (const words of [
    [],
    ['claude-code'],
    ['claude-code', 'PreToolUse', '--sockets', 'x'],
    ['claude-code', 'PreToolUse', '--wait'],
  ])
    assert.equal((await hook(words, '{}')).status, 2, words.join(' '));
});
