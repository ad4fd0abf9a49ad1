import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { collect } from './surface-double.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'build/shims/cli/main.js');

/** One installation under a directory of its own, with the real daemon. */
interface Home {
  readonly work: string;
  readonly env: NodeJS.ProcessEnv;
  run(args: readonly string[], input?: string): ReturnType<typeof collect>;
  daemonPid(): number;
  terminal(args: readonly string[]): Terminal;
  close(): void;
}

function openHome(): Home {
  const root = mkdtempSync(join(tmpdir(), 'csn-'));
  const work = join(root, 'w');
  mkdirSync(work);
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: work,
    TERM: 'xterm',
    LANG: 'C.UTF-8',
    COUNTERSIGN_HOME: root,
  };
  const terminals: Terminal[] = [];
  const daemonPid = () => Number(readFileSync(join(root, 'run/daemon.pid'), 'utf8').trim());
  return {
    work,
    env,
    daemonPid,
    run: (args, input) => collect(spawn(process.execPath, [MAIN, ...args], { cwd: work, env }), input),
    terminal(args) {
      const terminal = openTerminal([process.execPath, MAIN, ...args], { cwd: work, env });
      terminals.push(terminal);
      return terminal;
    },
    close() {
      for (const terminal of terminals) terminal.kill();
      try {
        process.kill(daemonPid(), 'SIGKILL');
      } catch {
        // It ended already.
      }
      rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

describe('countersign run, with the real daemon', () => {
  let home: Home;
  before(async () => {
    home = openHome();
    const started = await home.run(['daemon', 'start']);
    assert.equal(started.code, 0, started.stderr);
  });
  after(() => home.close());

  test('gives clean bytes, the exact exit code, and says nothing of its own on standard output', async () => {
    const done = await home.run(['run', '--', 'bash', '-c', "printf 'a\\0b\\n'; exit 41"]);
    assert.deepEqual([done.stdout, done.code], ['a\0b\n', 41]);
  });

  test('ends by the signal that ended the agent', async () => {
    const done = await home.run(['run', '--', 'bash', '-c', 'kill -TERM $$']);
    assert.deepEqual([done.code, done.signal], [null, 'SIGTERM']);
  });

  test('stops a forbidden command and runs the others', async () => {
    writeFileSync(join(home.work, 'kept'), 'x');
    const done = await home.run(['run', '--', 'bash'], 'echo one\nrm -rf /\necho "$?"\nls kept\nexit 3\n');
    assert.deepEqual([done.stdout, done.code], ['one\n126\nkept\n', 3]);
    assert.match(done.stderr, /countersign: denied: .*\[shell\./);
  });

  test('denies a whole invocation with something forbidden in it: none of it runs', async () => {
    const done = await home.run(['run', '--', 'bash', '-c', 'touch early; rm -rf /']);
    assert.equal(done.code, 126);
    assert.ok(!existsSync(join(home.work, 'early')));
  });

  test('passes a signal on to the agent', async () => {
    const child = spawn(
      process.execPath,
      [
        MAIN,
        'run',
        '--',
        'bash',
        '-c',
        'trap "echo got; exit 9" TERM; echo up; while :; do read -rt 0.1 <> <(:); done',
      ],
      {
        cwd: home.work,
        env: home.env,
      },
    );
    const done = collect(child);
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    child.kill('SIGTERM');
    assert.deepEqual([(await done).stdout, (await done).code], ['up\ngot\n', 9]);
  });

  test('shows the agent no key and no secret', async () => {
    const done = await home.run(['run', '--', 'bash', '-c', 'export -p']);
    const names = [...done.stdout.matchAll(/COUNTERSIGN_[A-Z_]*/g)].map((m) => m[0]);
    assert.deepEqual([...new Set(names)].sort(), [
      'COUNTERSIGN_DEADLINE_MS',
      'COUNTERSIGN_HOME',
      'COUNTERSIGN_SESSION',
      'COUNTERSIGN_SESSION_DIR',
      'COUNTERSIGN_SHIM_DIR',
      'COUNTERSIGN_SURFACE',
    ]);
  });

  test('leaves no process and no directory behind', async () => {
    const done = await home.run([
      'run',
      '--guard',
      'off',
      '--',
      'bash',
      '-c',
      'setsid sleep 300 & echo "$! $COUNTERSIGN_SESSION_DIR"',
    ]);
    const [pid = '', dir = ''] = done.stdout.trim().split(' ');
    assert.ok(!existsSync(`/proc/${pid}`) && dir.length > 1 && !existsSync(dir));
  });

  test('leaves none where processes have numbers of their own inside', async () => {
    const seconds = `300.${process.pid}`;
    const done = await home.run([
      'run',
      '--',
      'bash',
      '-c',
      `setsid sleep ${seconds} & echo "$COUNTERSIGN_SESSION_DIR"; sleep 0.2`,
    ]);
    const dir = done.stdout.trim();
    assert.ok(dir.length > 1 && !existsSync(dir));
    const left = readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`sleep\0${seconds}\0`);
      } catch {
        return false;
      }
    });
    assert.deepEqual(left, []);
  });

  for (const [name, args, code, message] of [
    ['no command', ['run'], 2, /nothing to run/],
    ['an unknown option', ['run', '--intnet', 'x', '--', 'ls'], 2, /unknown option `--intnet`/],
    ['an option without its value', ['run', '--intent'], 2, /`--intent` needs a value/],
    ['a program that is not there', ['run', '--', 'no-such-program'], 127, /no such program/],
    ['a mistyped command', ['rnu', '--', 'ls'], 2, /did you mean `run`/],
  ] as const) {
    test(`refuses ${name} with exit code ${code}`, async () => {
      const done = await home.run(args);
      assert.equal(done.code, code);
      assert.match(done.stderr, message);
    });
  }

  test('opens no session within a session', async () => {
    // The checkout may lie in a temporary folder, where running programs is a question of its own: here it is the workspace.
    const done = await home.run([
      'run',
      '--workspace',
      ROOT,
      '--',
      'bash',
      '-c',
      `'${process.execPath}' '${MAIN}' run -- true; echo "$?"`,
    ]);
    assert.equal(done.stdout, '2\n');
  });

  test('is a terminal to the agent, asks what the session is for, and passes ^C, ^Z and the size through', async () => {
    writeFileSync(join(home.work, '.bashrc'), "PS1='P> '\n");
    const terminal = home.terminal(['run', '--', 'bash']);
    await terminal.see(/what is this session for\? \(Enter: not said\) /);
    terminal.type('look around\r');
    await terminal.see(/session sess_[\w-]+, assurance (?:enforced|sandboxed|cooperative)/);
    await terminal.see(/P> $/);
    terminal.type('stty size; [ -t 0 ] && [ -t 1 ] && echo tty\r');
    await terminal.see(/30 120\r\ntty\r\n/);
    await terminal.see(/P> $/);
    terminal.type('sleep 50\r');
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.type('\x03');
    await terminal.see(/P> $/);
    terminal.type('echo "st=$?"\r');
    await terminal.see(/st=130/);
    terminal.resize(70, 21);
    await new Promise((resolve) => setTimeout(resolve, 300));
    terminal.type('stty size\r');
    await terminal.see(/21 70/);
    terminal.type('exit 8\r');
    assert.equal((await terminal.ended).exitCode, 8);
  });

  test('stops with a stopped agent and goes on with it', async () => {
    const terminal = openTerminal(['/bin/bash', '--norc', '-i'], {
      cwd: home.work,
      env: { ...home.env, PS1: 'OUTER> ' },
    });
    try {
      await terminal.see(/OUTER> $/);
      terminal.type(`'${process.execPath}' '${MAIN}' run --intent x -- cat\r`);
      await terminal.see(/countersign: session .*\r\n/);
      terminal.type('hello\r');
      await terminal.see(/hello\r\nhello\r\n/);
      terminal.type('\x1a');
      await terminal.see(/Stopped[\s\S]*OUTER> $/);
      terminal.type('stty -a | grep -o " -\\?icanon"; fg\r');
      await terminal.see(/ icanon/);
      await terminal.see(/run --intent/);
      await new Promise((resolve) => setTimeout(resolve, 300));
      terminal.type('again\r');
      await terminal.see(/again\r\nagain\r\n/);
      terminal.type('\x04');
      await terminal.see(/OUTER> $/);
    } finally {
      terminal.kill();
    }
  });
});

describe('countersign run fails closed', () => {
  test('when the daemon is killed in the middle: nothing more runs, and it says why', async () => {
    const home = openHome();
    try {
      const child = spawn(process.execPath, [MAIN, 'run', '--', 'bash'], { cwd: home.work, env: home.env });
      const done = collectOpen(child);
      child.stdin.write('echo up\n');
      await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
      process.kill(home.daemonPid(), 'SIGKILL');
      child.stdin.end('touch a\necho "$?" >&2\ntouch b\n');
      const { stderr } = await done;
      assert.match(stderr, /countersign: denied: /);
      assert.ok(!existsSync(join(home.work, 'a')) && !existsSync(join(home.work, 'b')));
    } finally {
      home.close();
    }
  });

  for (const [held, options, said] of [
    ['by the shims', ['--guard', 'off'], /countersign: denied: no decision came within \d+ ms/],
    [
      'by what holds it here',
      [],
      /countersign: denied: (?:no decision came within \d+ ms|the daemon (?:did not answer in time|cannot be reached))/,
    ],
  ] as const)
    test(`when the daemon hangs: at the deadline, ${held}`, async () => {
      const home = openHome();
      try {
        const child = spawn(process.execPath, [MAIN, 'run', ...options, '--', 'bash'], {
          cwd: home.work,
          env: home.env,
        });
        const done = collectOpen(child);
        child.stdin.write('echo up\n');
        await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
        const pid = home.daemonPid();
        process.kill(pid, 'SIGSTOP');
        child.stdin.end('touch a\n');
        const { stderr, code } = await done;
        process.kill(pid, 'SIGCONT');
        assert.match(stderr, said);
        assert.equal(code, 126);
        assert.ok(!existsSync(join(home.work, 'a')));
      } finally {
        home.close();
      }
    });

  test('when the daemon cannot start: with its log', async () => {
    const home = openHome();
    try {
      mkdirSync(join(home.env['COUNTERSIGN_HOME'] ?? '', 'run'), { recursive: true });
      writeFileSync(join(home.env['COUNTERSIGN_HOME'] ?? '', 'run/submit'), 'in the way');
      const done = await home.run(['run', '--', 'true']);
      assert.equal(done.code, 3);
      assert.match(done.stderr, /the daemon did not start/);
    } finally {
      home.close();
    }
  });

  test('when it is told to stop: sessions are denied from then on', async () => {
    const home = openHome();
    try {
      assert.equal((await home.run(['daemon', 'start'])).code, 0);
      assert.equal((await home.run(['daemon', 'stop'])).code, 0);
      assert.equal((await home.run(['status'])).code, 3);
      assert.equal((await home.run(['daemon', 'stop'])).code, 3);
    } finally {
      home.close();
    }
  });
});

test('the installed command works through a link', () => {
  const dir = mkdtempSync(join(tmpdir(), 'csn-'));
  spawnSync('/bin/ln', ['-s', join(ROOT, 'bin/countersign'), join(dir, 'csn')]);
  const done = spawnSync(join(dir, 'csn'), ['--version'], { encoding: 'utf8' });
  assert.match(done.stdout, /^countersign \d+\.\d+\.\d+\n$/);
  rmSync(dir, { recursive: true });
});

/** Like `collect`, with standard input left open. */
function collectOpen(
  child: ReturnType<typeof spawn>,
): Promise<{ readonly code: number | null; readonly stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  return new Promise((done) => child.once('close', (code) => done({ code, stderr })));
}
