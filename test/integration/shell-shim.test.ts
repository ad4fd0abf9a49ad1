import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { waitFor } from '../support/installation.ts';
import { collect, openDouble, type SurfaceDouble, type Verdict } from './surface-double.ts';

const open: SurfaceDouble[] = [];
after(() => {
  for (const double of open) double.close();
});

async function session(
  decide: (text: string) => Verdict = () => 'ALLOW',
  options: Parameters<typeof openDouble>[1] = {},
): Promise<SurfaceDouble> {
  const double = await openDouble(decide, options);
  open.push(double);
  return double;
}

const denyAll = (): Verdict => 'DENY';
const denying =
  (pattern: RegExp) =>
  (text: string): Verdict =>
    pattern.test(text) ? 'DENY' : 'ALLOW';

describe('a shimmed program', () => {
  test('does not run when denied: the file is still there', async () => {
    const s = await session(denyAll);
    writeFileSync(join(s.work, 'kept'), 'x');
    const done = await s.run(['rm', 'kept']);
    assert.equal(done.code, 126);
    assert.match(
      done.stderr,
      /^countersign: denied: the test says so \[pol_test_rule\]\ncountersign: instead: ask for something else\n$/,
    );
    assert.ok(existsSync(join(s.work, 'kept')));
  });

  test('runs when allowed, and its outcome is reported', async () => {
    const s = await session();
    writeFileSync(join(s.work, 'gone'), 'x');
    const done = await s.run(['rm', 'gone']);
    assert.deepEqual([done.code, done.stderr, existsSync(join(s.work, 'gone'))], [0, '', false]);
    assert.deepEqual(s.heard[0]?.ending, { kind: 'exit', code: 0 });
  });

  test('runs the changed words when modified, and says so', async () => {
    const s = await session((t) => (t.startsWith('rm') ? { modify: ['touch', 'changed here'] } : 'ALLOW'));
    writeFileSync(join(s.work, 'kept'), 'x');
    const done = await s.run(['rm', 'kept']);
    assert.equal(done.code, 0);
    assert.match(done.stderr, /countersign: changed to `touch 'changed here'`/);
    assert.ok(existsSync(join(s.work, 'kept')) && existsSync(join(s.work, 'changed here')));
  });

  test('runs a changed command line when modified to one', async () => {
    const s = await session((t) => (t.startsWith('rm') ? { modify: 'echo a > b; exit 9' } : 'ALLOW'));
    const done = await s.run(['rm', 'kept']);
    assert.equal(done.code, 9);
    assert.equal(readFileSync(join(s.work, 'b'), 'utf8'), 'a\n');
  });

  test('waits for a person, says once what for, and runs when allowed', async () => {
    let answer: (v: 'ALLOW' | 'DENY') => void = () => undefined;
    const s = await session(() => ({ wait: new Promise((resolve) => (answer = resolve)) }));
    writeFileSync(join(s.work, 'f'), 'x');
    const child = s.start(['rm', 'f']);
    const done = collect(child);
    await new Promise<void>((resolve) => child.stderr?.once('data', () => resolve()));
    assert.ok(existsSync(join(s.work, 'f')));
    answer('ALLOW');
    const end = await done;
    assert.equal(end.code, 0);
    assert.equal(end.stderr.match(/waits for your approval/g)?.length, 1);
    assert.match(end.stderr, /countersign approve k7/);
    assert.ok(!existsSync(join(s.work, 'f')));
  });

  test('withdraws its question when it is interrupted while it waits', async () => {
    const s = await session(() => ({ wait: new Promise(() => undefined) }));
    const child = s.start(['rm', 'f']);
    await new Promise<void>((resolve) => child.stderr?.once('data', () => resolve()));
    child.kill('SIGINT');
    const done = await collect(child);
    assert.equal(done.signal, 'SIGINT');
    await until(() => s.heard[0]?.cancelled === true);
  });

  for (const [name, words] of [
    ['spaces and newlines', ['a b', 'c\nd', '', 'e\'f"g', '$HOME', '*']],
    ['an option that looks like ours', ['--tty', '-', '--']],
  ] as const) {
    test(`hands over ${name} unchanged, to the question and to the program`, async () => {
      const s = await session(undefined, { programs: ['printf'] });
      const done = await s.run(['printf', '%s|', ...words]);
      assert.equal(done.stdout, `${words.join('|')}|`);
      assert.deepEqual(s.heard[0]?.question.argv, ['printf', '%s|', ...words]);
      assert.equal(s.heard[0]?.question.argv_base64, null);
    });
  }

  test('keeps words that are not UTF-8 exactly, beside a readable rendering', async () => {
    const s = await session();
    const done = await s.run([
      '/bin/sh',
      '-c',
      `PATH='${s.env['PATH']}'; touch "$(printf 'a\\377b')"; ls | od -An -c`,
    ]);
    assert.match(done.stdout, /a 377\s+b/);
    const heard = s.heard.find((h) => h.text.startsWith('touch'));
    assert.deepEqual(heard?.question.argv, ['touch', 'a\uFFFDb']);
    assert.equal(Buffer.from(heard?.question.argv_base64?.[1] ?? '', 'base64').toString('latin1'), 'a\xffb');
  });

  test('carries a megabyte of arguments', async () => {
    const s = await session(undefined, { programs: ['printf'] });
    const words = Array.from({ length: 9 }, () => 'x'.repeat(110_000));
    const done = await s.run(['printf', '%s', ...words]);
    assert.equal(done.stdout.length, 990_000);
    assert.equal(s.heard[0]?.question.argv?.length, 11);
  });

  test('denies arguments past what can be judged, and says what to do', async () => {
    const s = await session(undefined, { programs: ['printf'] });
    const done = await s.run(['printf', ...Array.from({ length: 11 }, () => 'x'.repeat(110_000))]);
    assert.equal(done.code, 126);
    assert.match(done.stderr, /at most 1048576 can be judged; put the data in a file/);
    assert.equal(s.heard.length, 0);
  });

  test('answers two hundred at once, each with its own decision', async () => {
    const s = await session((t) => (/odd/.test(t) ? 'DENY' : 'ALLOW'));
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, i) => s.run(['touch', `${i % 2 ? 'odd' : 'even'}${i}`])),
    );
    assert.deepEqual(
      all.map((done) => done.code),
      all.map((_, i) => (i % 2 ? 126 : 0)),
    );
    const files = (await collect(spawn('/bin/ls', { cwd: s.work }))).stdout.trim().split('\n');
    assert.equal(files.length, 100);
    assert.ok(files.every((f) => f.startsWith('even')));
  });

  test('is found by name from another language, with the environment cleared', async () => {
    const s = await session(denying(/^rm/));
    writeFileSync(join(s.work, 'kept'), 'x');
    const python = `import subprocess,os
print(subprocess.run(["rm","kept"]).returncode)
print(subprocess.run(["rm","kept"],env={"PATH":os.environ["PATH"]}).returncode)
print(subprocess.run(["${s.dir.shims}/rm","kept"],env={}).returncode)`;
    const done = await s.run(['/usr/bin/env', 'python3', '-c', python], {
      env: { PATH: `${s.dir.shims}:${process.env['PATH']}` },
    });
    assert.equal(done.stdout, '126\n126\n126\n');
    assert.ok(existsSync(join(s.work, 'kept')));
  });

  test('says 127 for a program that is not there, and never finds itself', async () => {
    const s = await session();
    const done = await s.run([join(s.dir.shims, 'rm'), 'x'], {
      env: { PATH: `${s.dir.shims}:${s.dir.shims}` },
    });
    assert.equal(done.code, 127);
    assert.match(done.stderr, /rm: command not found/);
  });
});

describe('a shim fails closed', () => {
  const attempt = async (s: SurfaceDouble, env: NodeJS.ProcessEnv = {}) => {
    writeFileSync(join(s.work, 'kept'), 'x');
    const done = await s.run(['rm', 'kept'], { env });
    assert.equal(done.code, 126);
    assert.match(done.stderr, /^countersign: denied: /);
    assert.ok(existsSync(join(s.work, 'kept')));
    return done.stderr;
  };

  test('when the host has ended', async () => {
    const s = await session();
    s.host.close();
    assert.match(await attempt(s), /start again with `countersign run`/);
  });

  test('when the host hangs: at the deadline', async () => {
    const s = await session(() => null);
    assert.match(await attempt(s, { COUNTERSIGN_DEADLINE_MS: '300' }), /no decision came in time/);
  });

  test('when the daemon cannot be reached: with the host’s reason', async () => {
    const s = await session(() => ({ refuse: 'the daemon does not answer' }));
    assert.match(await attempt(s), /the daemon does not answer/);
  });

  for (const [name, bytes] of [
    ['nothing and closes', Buffer.alloc(0)],
    ['text', Buffer.from('ALLOW\n')],
    ['a frame cut short', frame(field('D', 'ALLOW')).subarray(0, 15)],
    ['a frame that announces 4 GiB', Buffer.concat([Buffer.from('CSN1'), Buffer.from([255, 255, 255, 255])])],
    [
      'a field longer than its frame',
      frame(Buffer.concat([Buffer.from('D'), Buffer.from([9, 0, 0, 0]), Buffer.from('ALLOW')])),
    ],
    ['an unknown field beside ALLOW', frame(field('Z', 'x'), field('D', 'ALLOW'))],
    ['another word for yes', frame(field('D', 'ALLOWED'))],
    ['no decision', frame(field('m', 'hello\n'))],
    ['MODIFY to nothing', frame(field('D', 'MODIFY'))],
  ] as const) {
    test(`when the host answers ${name}`, async () => {
      const s = await session();
      s.host.close();
      const impostor = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(bytes));
      });
      await new Promise<void>((resolve) => impostor.listen(s.dir.socket, resolve));
      try {
        await attempt(s);
      } finally {
        impostor.close();
      }
    });
  }
});

describe('the host of a session', () => {
  for (const [name, bytes] of [
    ['text that is no frame', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a question of no known kind', frame(field('k', 'please'), field('q', '1'))],
    ['a question without a process', frame(field('k', 'exec'), field('n', 'rm'))],
    ['an exec without a name', frame(field('k', 'exec'), field('q', '1'))],
    [
      'a variable without a name',
      frame(field('k', 'command'), field('q', '1'), field('l', 'ls'), field('v', '=x')),
    ],
    ['a take when nothing was changed', frame(field('k', 'take'), field('q', '1'))],
  ] as const) {
    test(`denies ${name} and goes on`, async () => {
      const s = await session();
      const { connect } = await import('node:net');
      const heard = await new Promise<string>((resolve) => {
        const socket = connect(s.dir.socket, () => socket.write(bytes));
        let all = '';
        socket.on('data', (chunk) => (all += chunk.toString('latin1')));
        socket.on('close', () => resolve(all));
      });
      assert.match(heard, /DENY/);
      assert.equal((await s.run(['true'])).code, 0);
    });
  }
});

describe('a program behind its shim', () => {
  for (const [name, script, code, signal] of [
    ['its exit code', 'exit 37', 37, null],
    ['its deadly signal', 'kill -TERM $$', null, 'SIGTERM'],
  ] as const) {
    test(`ends with ${name}`, async () => {
      const s = await session();
      const done = await s.run(['sh', '-c', script]);
      assert.deepEqual([done.code, done.signal], [code, signal]);
    });
  }

  test('gets a signal that was sent to its shim', async () => {
    const s = await session();
    const child = s.start([
      'sh',
      '-c',
      'trap "echo got; exit 4" TERM; echo ready; while :; do /bin/sleep 0.05; done',
    ]);
    const done = collect(child);
    await new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()));
    child.kill('SIGTERM');
    assert.deepEqual([(await done).stdout, (await done).code], ['ready\ngot\n', 4]);
  });

  test('dies with a shim that was killed, and its outcome is unknown', async () => {
    const s = await session();
    const child = s.start(['sh', '-c', 'echo $$; exec /bin/sleep 60']);
    const pid = await new Promise<number>((resolve) => child.stdout?.once('data', (b) => resolve(Number(b))));
    child.kill('SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`));
    await until(() => s.heard[0]?.ending?.kind === 'unknown');
  });

  test('is not kept from seeing that its reader went away', async () => {
    const s = await session(undefined, { programs: ['cat', 'head'] });
    const done = await s.run([
      '/bin/bash',
      '-c',
      'cat /dev/zero | head -c 3 | od -An -tx1; echo "${PIPESTATUS[0]}"',
    ]);
    assert.equal(done.stdout, ' 00 00 00\n141\n');
  });
});

describe('the session’s first process', () => {
  const init = (s: SurfaceDouble, ...command: string[]) => [
    join(s.dir.shims, 'countersign-init'),
    s.dir.path,
    ...command,
  ];

  test('ends as the agent ended and tells the host', async () => {
    const s = await session();
    const done = await s.run(init(s, '/bin/sh', '-c', 'exit 42'));
    assert.equal(done.code, 42);
    await waitFor(() => s.agent.length > 0);
    assert.deepEqual(s.agent.at(-1), { kind: 'ended', ending: { kind: 'exit', code: 42 } });
  });

  test('lets nothing outlive the agent, not even what left its group', async () => {
    const s = await session();
    const done = await s.run(
      init(s, '/bin/sh', '-c', 'setsid sh -c \'trap "" TERM HUP; echo $$; sleep 60\' & sleep 0.3'),
    );
    assert.equal(done.code, 0);
    const pid = Number(done.stdout);
    assert.ok(pid > 1 && !existsSync(`/proc/${pid}`));
  });

  test('ends the session when its host dies', async () => {
    const s = await session();
    const child = s.start(init(s, '/bin/sh', '-c', 'echo up; sleep 60'));
    const done = collect(child);
    await new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()));
    s.host.close();
    assert.equal((await done).code, 126);
  });

  test('says what cannot be run', async () => {
    const s = await session();
    const done = await s.run(init(s, '/no/such/program'));
    assert.deepEqual(
      [done.code, done.stderr],
      [127, 'countersign: cannot run `/no/such/program`: no such program\n'],
    );
  });
});

describe('the shim without a C compiler', () => {
  test('denies, allows, changes and reports like the compiled one', async () => {
    const s = await session(
      (t) =>
        t.startsWith('bash')
          ? 'ALLOW'
          : /DENY/.test(t)
            ? 'DENY'
            : /MOD/.test(t)
              ? { modify: ['touch', 'c'] }
              : 'ALLOW',
      { installation: { shim: null } },
    );
    mkdirSync(join(s.work, 'DENY'));
    const done = await s.run([
      join(s.dir.shims, 'countersign-init'),
      s.dir.path,
      'bash',
      '-c',
      'touch a; rm -r DENY; echo $?; cd DENY; echo $?; rm MOD; sh -c "exit 5"',
    ]);
    assert.equal(done.code, 5);
    assert.equal(done.stdout, '126\n126\n');
    for (const name of ['a', 'c', 'DENY']) assert.ok(existsSync(join(s.work, name)), name);
    assert.deepEqual(s.heard.find((h) => h.text === 'touch a')?.ending, { kind: 'exit', code: 0 });
  });

  test('fails closed without its host', async () => {
    const s = await session(undefined, { installation: { shim: null } });
    s.host.close();
    const done = await s.run(['rm', 'x']);
    assert.equal(done.code, 126);
    assert.match(done.stderr, /^countersign: denied: /);
  });
});

function field(tag: string, value: string): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(Buffer.byteLength(value));
  return Buffer.concat([Buffer.from(tag), size, Buffer.from(value)]);
}

function frame(...fields: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(fields);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(payload.length);
  return Buffer.concat([Buffer.from('CSN1'), size, payload]);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never came true: ${condition}`);
}
