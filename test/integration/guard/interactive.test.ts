import assert from 'node:assert/strict';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GuardStage, guardStage } from './stage.ts';

describe('programs on a terminal, in a guarded session', () => {
  let stage: GuardStage;
  before(async () => {
    stage = guardStage();
    stage.put(join(stage.home, '.bashrc'), "PS1='P> '\n");
    await stage.startDaemon();
  });
  after(async () => {
    // Nobody is asked about what was only typed.
    const stopped = await stage.stopped(0);
    stage.close();
    assert.deepEqual(stopped.rows, []);
  });

  const open = async (...command: readonly string[]) => {
    const terminal = stage.terminal([...stage.countersign, 'run', '--intent', 'look', '--', ...command]);
    await terminal.see(/assurance enforced.*\r\n/);
    return terminal;
  };
  const shell = async () => {
    const terminal = await open('bash', '-i');
    await terminal.see(/P> $/);
    return terminal;
  };
  const code = async (terminal: Awaited<ReturnType<typeof open>>) => (await terminal.ended).exitCode;

  test('bash: a terminal of its size, output, and the exit code', async () => {
    const terminal = await shell();
    terminal.type('stty size; tty; [ -t 0 ] && [ -t 1 ] && echo is""tty\r');
    await terminal.see(/30 120\r\n\/dev\/pts\/\d+\r\nistty\r\n/);
    await terminal.see(/P> $/);
    terminal.resize(70, 21);
    await sleep(200);
    terminal.type('stty size\r');
    await terminal.see(/21 70\r\n/);
    terminal.type('exit 8\r');
    assert.equal(await code(terminal), 8);
  });

  test('bash: ^C ends a program, ^Z stops it, and fg goes on with it', async () => {
    const terminal = await shell();
    terminal.type('sleep 50\r');
    await sleep(400);
    terminal.type('\x03');
    await terminal.see(/P> $/);
    terminal.type('echo "st=$?"\r');
    await terminal.see(/st=130/);
    await terminal.see(/P> $/);
    terminal.type('cat\r');
    await sleep(400);
    terminal.type('\x1a');
    await terminal.see(/Stopped[\s\S]*P> $/);
    terminal.type('jobs\r');
    await terminal.see(/Stopped\s+cat[\s\S]*P> $/);
    terminal.type('fg\r');
    await sleep(300);
    terminal.type('again\r');
    await terminal.see(/again\r\nagain\r\n/);
    terminal.type('\x04');
    await terminal.see(/P> $/);
    terminal.type('exit\r');
    assert.equal(await code(terminal), 0);
  });

  test('vim: a file is written', async () => {
    const terminal = await open('vim', '-u', 'NONE', '-n', 'text');
    await sleep(700);
    terminal.type('ihello from vim\x1b');
    await sleep(200);
    terminal.type(':wq\r');
    assert.equal(await code(terminal), 0);
    assert.equal(readFileSync(join(stage.work, 'text'), 'utf8'), 'hello from vim\n');
  });

  test('less: shows a file and quits', async () => {
    const terminal = await open('less', '/etc/passwd');
    await terminal.see(/root:/);
    terminal.type('q');
    assert.equal(await code(terminal), 0);
  });

  test('node and python: their prompts', async () => {
    const node = await open('node');
    await node.see(/> (?:\x1b\[\d+G)?$/);
    node.type('1+41\r');
    await node.see(/42/);
    node.type('.exit\r');
    assert.equal(await code(node), 0);
    const python = await open('/usr/bin/python3', '-q', '-I');
    await python.see(/>>> $/);
    python.type('print(40+2)\r');
    await python.see(/42\r\n/);
    python.type('exit(3)\r');
    assert.equal(await code(python), 3);
  });

  test('tmux: a server and a shell of its own inside', async () => {
    const terminal = await open('tmux', '-L', 'inside', '-f', '/dev/null', 'new', '-s', 'x', 'bash --norc');
    await sleep(1000);
    terminal.type('echo tm""ux-here\r');
    await terminal.see(/tmux-here/);
    terminal.type('exit 0\r');
    await terminal.see(/\[exited\]/);
    assert.equal(await code(terminal), 0);
  });

  test('script and node-pty: terminals made inside', async () => {
    const script = await open('script', '-qec', 'tty; echo in-script', '/dev/null');
    await script.see(/\/dev\/pts\/\d+\r\nin-script/);
    assert.equal(await code(script), 0);
    const pty = realpathSync(join(import.meta.dirname, '../../../node_modules/node-pty'));
    const nested = await open(
      'node',
      '-e',
      `const p = require(${JSON.stringify(pty)}).spawn('bash', ['-c', 'tty; echo nes""ted'], {});
       p.onData((d) => process.stdout.write(d)); p.onExit(({ exitCode }) => process.exit(exitCode));`,
    );
    await nested.see(/\/dev\/pts\/\d+[\r\n]+nested/);
    assert.equal(await code(nested), 0);
  });

  test('the whole of it stops with ^Z in an outer shell, and goes on with fg', async () => {
    const terminal = stage.terminal(['/bin/bash', '--norc', '-i'], { env: { PS1: 'OUTER> ' } });
    await terminal.see(/OUTER> $/);
    terminal.type(`${stage.countersign.map((word) => `'${word}'`).join(' ')} run --intent x -- cat\r`);
    await terminal.see(/assurance enforced.*\r\n/);
    await sleep(300);
    terminal.type('hello\r');
    await terminal.see(/hello\r\nhello\r\n/);
    terminal.type('\x1a');
    await terminal.see(/Stopped[\s\S]*OUTER> $/);
    terminal.type('stty -a | grep -o " -\\?icanon"; fg\r');
    await terminal.see(/ icanon/);
    await terminal.see(/run --intent/);
    await sleep(400);
    terminal.type('again\r');
    await terminal.see(/again\r\nagain\r\n/);
    terminal.type('\x03');
    await terminal.see(/OUTER> $/);
    terminal.type('echo "st=$?"\r');
    await terminal.see(/st=130/);
  });
});
