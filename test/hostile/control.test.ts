import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Stage, stage } from '../conformance/stage.ts';
import { rawPeer, receiptsOf, refusalsOf } from '../support/doors.ts';
import { type Installation, installation, waitFor } from '../support/installation.ts';

/** Who may use the control door: proofs, places in the process tree, and what takes the socket's path. */

let s: Stage;
before(async () => {
  s = await stage();
});
after(() => s?.dispose());

const ATTACKER = join(import.meta.dirname, '..', 'fixtures', 'attacker.ts');
const AGENT = join(import.meta.dirname, '..', 'fixtures', 'agent.ts');
const mac = (key: string, text: string) => createHmac('sha256', key).update(text).digest('hex');
const refused = (code: string) => refusalsOf(s).get(`control:${code}`) ?? 0;
const capability = () => readFileSync(s.places.capability, 'utf8').trim();

interface Challenge {
  readonly nonce: string;
  readonly proof_path: string;
}

async function challenged() {
  const peer = await rawPeer(s.places.controlSocket);
  return { peer, challenge: JSON.parse(await peer.line(0)) as Challenge };
}

function hello(challenge: Challenge, pid: number, key = capability()) {
  const nonce = randomBytes(24).toString('base64url');
  const proof = mac(key, `client\n${challenge.nonce}\n${nonce}`);
  return `${JSON.stringify({ v: 1, type: 'hello', nonce, pid, proof })}\n`;
}

test('a wrong capability is refused', async () => {
  const { peer, challenge } = await challenged();
  peer.send(hello(challenge, process.pid, 'guess'));
  assert.match(await peer.line(1), /bad_capability/);
  await peer.closed();
  await waitFor(() => refused('bad_capability') > 0);
});

test('a hello of another connection is refused', async () => {
  const first = await challenged();
  const said = hello(first.challenge, process.pid);
  const second = await challenged();
  second.peer.send(said);
  assert.match(await second.peer.line(1), /bad_capability/);
  first.peer.close();
});

test('a process that does not hold the proof file is not the one that speaks', async () => {
  for (const pid of [1, process.pid, s.daemon.pid, 4_000_000]) {
    const { peer, challenge } = await challenged();
    peer.send(hello(challenge, pid));
    assert.match(await peer.line(1), /bad_pid/);
    await peer.closed();
  }
  await waitFor(() => refused('bad_pid') >= 4);
});

test('a connection whose process ended grants nothing to who inherited it', async () => {
  const { peer, challenge } = await challenged();
  const holder = spawn('sleep', ['60'], {
    stdio: ['ignore', 'ignore', 'ignore', openSync(challenge.proof_path, 'r')],
  });
  const said = hello(challenge, holder.pid ?? -1);
  peer.send(said);
  assert.match(await peer.line(1), /welcome/);
  const gone = new Promise((resolve) => holder.once('exit', resolve));
  holder.kill('SIGKILL');
  await gone;
  const nonce = (JSON.parse(said) as { nonce: string }).nonce;
  const key = mac(capability(), `key\n${challenge.nonce}\n${nonce}`);
  const body = JSON.stringify({ type: 'stop', request: '1' });
  peer.send(`${JSON.stringify({ body, mac: mac(key, `client 0\n${body}`) })}\n`);
  assert.match(await peer.line(2), /not_permitted/);
  assert.equal(s.daemon.process.exitCode, null);
  peer.close();
});

test('without a terminal nothing is granted, and questions stay open', async () => {
  const running = s.bash('touch brief-a.txt');
  const out = join(s.root, 'no-terminal');
  await waitFor(() =>
    s.ofKind('decision').some((r) => JSON.stringify(r.receipt.body.action).includes('brief-a')),
  );
  const connection = await s.control();
  const listed = await connection.call({ type: 'approvals.list' });
  assert.ok(listed.ok);
  const [view] = (listed.value as { approvals: { id: string; digest: string }[] }).approvals;
  const allow = {
    type: 'approval.answer',
    answer: 'allow',
    scope: 'once',
    note: null,
    command_line: null,
  } as const;
  const reply = await connection.call({
    ...allow,
    approval: view?.id ?? '',
    digest: view?.digest ?? '0'.repeat(64),
    shown_at: 0,
  });
  assert.ok(!reply.ok && reply.error.code === 'not_permitted', JSON.stringify(reply));
  connection.close();
  await running;
  assert.equal(s.has('brief-a.txt'), false);
  assert.equal(existsSync(out), false);
});

test('lines added, changed, repeated or dropped between person and daemon end the connection', async () => {
  const real = s.places.controlSocket;
  const aside = `${real}.real`;
  for (const attack of ['change', 'repeat', 'add', 'drop'] as const) {
    renameSync(real, aside);
    let lines = 0;
    const relay = await listen(real, (client) => {
      const daemon = connect(aside);
      daemon.on('error', () => client.destroy());
      client.on('error', () => daemon.destroy());
      daemon.on('close', () => client.destroy());
      client.on('close', () => daemon.destroy());
      daemon.pipe(client);
      client.on('data', (chunk: Buffer) => {
        for (const line of chunk.toString().split('\n').slice(0, -1)) {
          lines += 1;
          if (lines === 1 || attack === 'drop') {
            if (lines !== 2) daemon.write(`${line}\n`);
          } else if (attack === 'change') daemon.write(`${line.replace('status', 'stop')}\n`);
          else if (attack === 'repeat') daemon.write(`${line}\n${line}\n`);
          else
            daemon.write(
              `${JSON.stringify({ body: '{"type":"stop","request":"x"}', mac: '0'.repeat(64) })}\n`,
            );
        }
      });
    });
    try {
      const before = refused('bad_seal');
      const connection = await s.control();
      const replies = [
        connection.call({ type: 'status' }, 2000),
        connection.call({ type: 'sessions.list' }, 2000),
      ];
      const results = await Promise.all(replies);
      assert.ok(
        results.some((r) => !r.ok),
        attack,
      );
      await waitFor(() => refused('bad_seal') > before);
      connection.close();
    } finally {
      relay.close();
      rmSync(real, { force: true });
      renameSync(aside, real);
    }
    assert.equal(s.daemon.process.exitCode, null, attack);
  }
});

/** What stands on the control socket's path in place of the daemon. */
const IMPOSTORS: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['says nothing', () => undefined],
  ['closes at once', (socket) => socket.destroy()],
  ['speaks another language', (socket) => socket.write('220 smtp ready\r\n')],
  ['names a pipe as its proof file', (socket) => challenge(socket, join(s.root, 'pipe'))],
  ['names a device as its proof file', (socket) => challenge(socket, '/dev/tty')],
  ['cannot prove the capability', (socket) => welcomeFalsely(socket)],
  ['refuses with escape sequences', (socket) => refuseLoudly(socket)],
];

function challenge(socket: Socket, path: string): void {
  socket.write(`${JSON.stringify({ v: 1, type: 'challenge', nonce: 'n'.repeat(32), proof_path: path })}\n`);
}

function ownProof(): string {
  const path = join(s.places.controlDir, 'proof-impostor');
  writeFileSync(path, '');
  return path;
}

function welcomeFalsely(socket: Socket): void {
  challenge(socket, ownProof());
  socket.once('data', () => {
    const welcome = {
      v: 1,
      type: 'welcome',
      proof: '0'.repeat(64),
      version: '1',
      pid: 1,
      presence: 'terminal',
    };
    socket.write(`${JSON.stringify(welcome)}\n`);
  });
}

function refuseLoudly(socket: Socket): void {
  challenge(socket, ownProof());
  socket.once('data', () =>
    socket.write(
      `${JSON.stringify({ type: 'fault', request: null, code: 'x', message: '\u001b[2J\u001b]0;pwned\u0007' })}\n`,
    ),
  );
}

for (const [name, behave] of IMPOSTORS)
  test(`an impostor on the control socket that ${name} is refused, and nothing hangs`, async () => {
    const aside = `${s.places.controlSocket}.real`;
    spawnSync('mkfifo', [join(s.root, 'pipe')]);
    renameSync(s.places.controlSocket, aside);
    const impostor = await listen(s.places.controlSocket, behave);
    try {
      const [status, run] = await Promise.all([
        s.cli(['status'], { timeoutMs: 20_000 }),
        s.cli(['run', '--', 'touch', 'ran'], { timeoutMs: 20_000 }),
      ]);
      for (const finished of [status, run]) {
        assert.ok(finished.code !== 0 && finished.code !== null, `${finished.code} ${finished.signal}`);
        assert.ok(finished.stderr.length > 0);
        assert.equal(finished.stderr.includes('\u001b'), false, 'its words move no cursor');
      }
      assert.equal(s.has('ran'), false);
    } finally {
      impostor.close();
      rmSync(s.places.controlSocket, { force: true });
      renameSync(aside, s.places.controlSocket);
    }
  });

const SUBMIT_IMPOSTORS: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['allows everything unsealed', (socket) => sayForEach(socket, (body) => body)],
  [
    'allows everything under a seal of its own',
    (socket) => sayForEach(socket, (body) => JSON.stringify({ body, mac: mac('k', body) })),
  ],
  [
    'refuses with escape sequences',
    (socket) =>
      sayForEach(socket, () =>
        JSON.stringify({ v: 1, type: 'refused', request: null, code: 'x', message: '\u001b[2J' }),
      ),
  ],
];

function sayForEach(socket: Socket, seal: (body: string) => string): void {
  socket.on('data', () => {
    const rest = {
      rule: null,
      reason: '',
      instead: null,
      command_line: null,
      argv: null,
      effect: false,
      receipt: null,
    };
    for (const body of [
      { v: 1, type: 'welcome', deadline_ms: 60_000 },
      { v: 1, type: 'decision', request: '0', action: null, result: 'ALLOW', decided: 'ALLOW', ...rest },
    ])
      if (!socket.destroyed) socket.write(`${seal(JSON.stringify(body))}\n`);
  });
}

for (const [name, behave] of SUBMIT_IMPOSTORS)
  test(`an impostor on the submit socket that ${name} is not believed`, async () => {
    const aside = `${s.places.submitSocket}.real`;
    renameSync(s.places.submitSocket, aside);
    const impostor = await listen(s.places.submitSocket, behave);
    try {
      const run = await s.bash('touch ran');
      assert.notEqual(run.code, 0);
      assert.equal(run.stderr.includes('\u001b'), false);
      assert.match(run.stderr, /denied/);
      assert.equal(s.has('ran'), false);
    } finally {
      impostor.close();
      rmSync(s.places.submitSocket, { force: true });
      renameSync(aside, s.places.submitSocket);
    }
  });

/** Ways out of the process tree; `$@` is the attack. */
const WAYS: readonly (readonly [string, readonly string[]])[] = [
  ['as it is', ['/bin/sh', '-c', '"$@"', 'sh']],
  [
    'with a cleaned environment',
    ['/bin/sh', '-c', 'exec /usr/bin/env -i COUNTERSIGN_HOME="$COUNTERSIGN_HOME" "$@"', 'sh'],
  ],
  [
    'twice forked, in a session of its own',
    [
      '/bin/sh',
      '-c',
      '(/usr/bin/setsid /usr/bin/env -i COUNTERSIGN_HOME="$COUNTERSIGN_HOME" "$@" &) ; exec /bin/sleep 4',
      'sh',
    ],
  ],
  [
    'on a terminal of its own',
    [
      '/bin/sh',
      '-c',
      'exec /usr/bin/env -i COUNTERSIGN_HOME="$COUNTERSIGN_HOME" /usr/bin/script -qec "$*" /dev/null',
      'sh',
    ],
  ],
  [
    'after killing the session’s first process, on a terminal of its own',
    [
      '/bin/sh',
      '-c',
      'command="$*"; (/usr/bin/setsid /usr/bin/env -i COUNTERSIGN_HOME="$COUNTERSIGN_HOME" /bin/sh -c "/bin/sleep 1.5; exec /usr/bin/script -qec \'$command\' /dev/null" >/dev/null 2>&1 </dev/null &) ; /bin/sleep 0.3; kill -9 $(/usr/bin/awk "/^PPid/{print \\$2}" /proc/$PPID/status); /bin/sleep 1',
      'sh',
    ],
  ],
];

for (const [name, way] of WAYS)
  test(`from inside a session nothing is granted, ${name}`, async () => {
    const out = join(s.root, `attack-${WAYS.findIndex(([n]) => n === name)}`);
    const before = refused('not_permitted');
    // Where nothing but its marks keeps a session from the door. The attacker is any program, not one of Node's that asks first.
    await s.cli(
      ['run', '--guard', 'off', '--', process.execPath, AGENT, ...way, process.execPath, ATTACKER, out],
      {
        env: { COUNTERSIGN_FILE_SHIM: 'off' },
        timeoutMs: 40_000,
      },
    );
    await waitFor(() => existsSync(out) && readFileSync(out, 'utf8').includes('end end'), 20_000);
    const said = readFileSync(out, 'utf8');
    assert.match(said, /^presence session$/m);
    assert.doesNotMatch(said, /GRANTED/);
    assert.equal(said.match(/not_permitted/g)?.length, 11, said);
    await waitFor(() => refused('not_permitted') > before);
    assert.equal(s.daemon.process.exitCode, null);
  });

test('what the kernel guard holds does not even see the doors', async () => {
  const out = join(s.work, 'attack-guarded');
  const [, way] = WAYS[0] ?? ['', []];
  await s.cli(['run', '--', process.execPath, AGENT, ...way, process.execPath, ATTACKER, out], {
    env: { COUNTERSIGN_FILE_SHIM: 'off' },
    timeoutMs: 40_000,
  });
  assert.doesNotMatch(existsSync(out) ? readFileSync(out, 'utf8') : '', /GRANTED/);
  const look = 'for f in "$COUNTERSIGN_HOME"/run/*; do [ -S "$f" ] && echo "door $f"; done; echo looked';
  const looked = await s.cli(['run', '--verbose', '--', 'bash', '-c', look]);
  // Without a guard on this machine there is nothing to hide them, and the tests above say what holds then.
  const held = !looked.stderr.includes('assurance cooperative');
  assert.match(looked.stdout, /^looked$/m, looked.stderr);
  assert.equal(/^door /m.test(looked.stdout), !held, looked.stdout);
  assert.equal(s.daemon.process.exitCode, null);
});

test('a daemon is not started from inside a session', async () => {
  const out = join(s.root, 'second-daemon');
  const daemon = join(import.meta.dirname, '..', '..', 'build', 'electron', 'daemon', 'main.js');
  const script = `/usr/bin/env -i HOME=${out} ${process.execPath} ${daemon} 2>${out}.log; echo $? >${out}.code`;
  // Without its own interception: what is tried here is the daemon.
  await s.cli(['run', '--guard', 'off', '--', process.execPath, AGENT, '/bin/sh', '-c', script], {
    env: { COUNTERSIGN_FILE_SHIM: 'off' },
    timeoutMs: 20_000,
  });
  assert.equal(readFileSync(`${out}.code`, 'utf8').trim(), '78');
  assert.match(readFileSync(`${out}.log`, 'utf8'), /inside an agent session/);
  assert.equal(existsSync(out), false, 'and it made nothing');
});

/** What may lie on a socket's path before a daemon starts. */
const OBSTACLES: readonly (readonly [string, (place: Installation, path: string) => void, RegExp | null])[] =
  [
    ['a regular file', (_, path) => writeFileSync(path, 'x'), /is not a socket/],
    ['a directory', (_, path) => mkdirSync(path), /is not a socket/],
    ['a symbolic link', (place, path) => symlinkSync(join(place.root, 'elsewhere'), path), /is not a socket/],
  ];

for (const [name, put, message] of OBSTACLES)
  test(`${name} on a socket’s path is not removed, and the daemon does not start`, async () => {
    for (const door of ['controlSocket', 'submitSocket'] as const) {
      const place = installation();
      try {
        const path = place.places[door];
        mkdirSync(join(path, '..'), { recursive: true });
        put(place, path);
        const started = await place.cli(['daemon', 'start'], { timeoutMs: 30_000 });
        assert.notEqual(started.code, 0);
        assert.match(started.stderr, message ?? /./);
        assert.equal(existsSync(path) || name === 'a symbolic link', true);
        assert.equal(existsSync(join(place.root, 'elsewhere')), false);
      } finally {
        await place.dispose();
      }
    }
  });

test('a directory of another user is not used for sockets', async (t) => {
  if (process.getuid?.() !== 0) return t.diagnostic('only root can make a directory of another user');
  const place = installation();
  try {
    mkdirSync(place.places.controlDir, { recursive: true });
    spawnSync('chown', ['nobody', place.places.controlDir]);
    const started = await place.cli(['daemon', 'start'], { timeoutMs: 30_000 });
    assert.notEqual(started.code, 0);
    assert.match(started.stderr, /does not belong to this user/);
  } finally {
    await place.dispose();
  }
});

test('sockets and capability of a killed daemon do not keep the next from starting, nor its clients from it', async () => {
  const place = installation();
  try {
    for (let n = 0; n < 3; n += 1) {
      const daemon = await place.startDaemon();
      await daemon.kill('SIGKILL');
      assert.ok(existsSync(place.places.capability) && existsSync(place.places.controlSocket));
      // The command line starts the next by itself, with the old capability still lying there.
      const run = await place.cli(['run', '--', 'bash', '-c', `touch after-${n}`], { timeoutMs: 40_000 });
      assert.equal(run.code, 0, run.stderr);
      assert.ok(existsSync(join(place.work, `after-${n}`)));
      assert.equal((await place.cli(['daemon', 'stop'])).code, 0);
    }
  } finally {
    await place.dispose();
  }
});

test('a second daemon refuses to start and leaves the first unharmed', async () => {
  await assert.rejects(s.startDaemon(), /another process has the ledger/);
  assert.equal((await s.bash('echo still here')).code, 0);
  assert.equal((await s.cli(['status'])).stderr, '');
});

test('a COUNTERSIGN_HOME too long for a socket is named as the reason', async () => {
  const place = installation();
  try {
    const deep = join(place.root, 'd'.repeat(120));
    const started = await place.cli(['daemon', 'start'], {
      env: { COUNTERSIGN_HOME: deep },
      timeoutMs: 30_000,
    });
    assert.notEqual(started.code, 0);
    assert.match(started.stderr, /COUNTERSIGN_HOME/);
    const run = await place.cli(['run', '--', 'touch', 'ran'], {
      env: { COUNTERSIGN_HOME: deep },
      timeoutMs: 30_000,
    });
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /COUNTERSIGN_HOME/);
    assert.equal(existsSync(join(place.work, 'ran')), false);
  } finally {
    await place.dispose();
  }
});

test('a COUNTERSIGN_HOME that is a file is named as the reason', async () => {
  const place = installation();
  try {
    writeFileSync(join(place.root, 'file'), '');
    const env = { COUNTERSIGN_HOME: join(place.root, 'file') };
    const run = await place.cli(['run', '--', 'touch', 'ran'], { env, timeoutMs: 30_000 });
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /countersign: /);
    assert.doesNotMatch(run.stderr, /\n\s+at /, 'no stack');
    assert.equal(existsSync(join(place.work, 'ran')), false);
  } finally {
    await place.dispose();
  }
});

test('each refused attempt is in the ledger, and nothing ran', () => {
  const kinds = new Set(
    receiptsOf(s)
      .filter((r) => r.receipt.kind === 'refusal')
      .map((r) => String((r.receipt.body.refusal as { code?: string }).code)),
  );
  for (const code of ['bad_capability', 'bad_pid', 'bad_seal', 'not_permitted'])
    assert.ok(kinds.has(code), code);
  assert.equal(s.has('ran'), false);
});

function listen(path: string, behave: (socket: Socket) => void): Promise<Server & { close(): void }> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      behave(socket);
    });
    server.once('error', reject);
    const close = server.close.bind(server);
    server.listen(path, () =>
      resolve(
        Object.assign(server, {
          close: () => {
            for (const socket of sockets) socket.destroy();
            return close();
          },
        }),
      ),
    );
  });
}
