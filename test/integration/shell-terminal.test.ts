import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openDouble, type SurfaceDouble, type Verdict } from './surface-double.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const open: { readonly double: SurfaceDouble; readonly terminal: Terminal }[] = [];
after(async () => {
  // All first, then what they leave: a shell that ends still writes its history.
  for (const { terminal } of open) terminal.kill();
  await Promise.all(open.map(({ terminal }) => terminal.ended));
  for (const { double } of open) double.close();
});

const PROMPT = /P> $/;

/** An interactive bash in a session, on a terminal, at its first prompt. */
async function interactive(decide: (text: string) => Verdict, rc = '', args: readonly string[] = []) {
  const double = await openDouble(decide);
  for (const file of ['.bashrc', '.profile']) writeFileSync(join(double.work, file), `PS1='P> '\n${rc}`);
  const terminal = openTerminal(
    [join(double.dir.shims, 'countersign-init'), '--tty', double.dir.path, 'bash', ...args],
    {
      cwd: double.work,
      env: { ...double.env, HISTFILE: join(double.work, 'history'), HISTCONTROL: '' },
    },
  );
  open.push({ double, terminal });
  await terminal.see(PROMPT);
  const type = async (line: string) => {
    terminal.type(`${line}\r`);
    return terminal.see(PROMPT);
  };
  return { double, terminal, type };
}

const denyMarked = (text: string): Verdict => (text.includes('DENY') ? 'DENY' : 'ALLOW');

test('each typed command is asked about and its outcome reported; the person’s own prompt command is not', async () => {
  const { double, terminal, type } = await interactive(
    denyMarked,
    'PROMPT_COMMAND="shown=\\$((shown+1)); touch prompted"\n',
  );
  await type('cd /');
  await type('false');
  assert.match(await type('echo "st=$? shown=$shown"'), /st=1 shown=3/);
  terminal.type('exit 5\r');
  assert.equal((await terminal.ended).exitCode, 5);
  assert.deepEqual(double.asked(), ['bash', 'cd /', 'false', 'echo "st=$? shown=$shown"', 'exit 5']);
  assert.deepEqual(
    double.heard.map((h) => (h.ending?.kind === 'exit' ? h.ending.code : null)),
    [5, 0, 1, 0, 5],
  );
  assert.ok(double.heard.every((h) => h.question.interactive));
});

test('a typed line is asked about whole, first; denied whole, nothing of it runs', async () => {
  const { double, type } = await interactive((t) => (/wget.*\| *sh/.test(t) ? 'DENY' : 'ALLOW'));
  await type('touch before; wget -qO- x | sh; touch after');
  assert.deepEqual(double.asked(), ['bash', 'touch before; wget -qO- x | sh; touch after']);
  assert.match(await type('ls | wc -l'), /[\r\n]0\r\n/);
});

test('a denied redirection, builtin or assignment has no effect and the shell goes on', async () => {
  const { double, type } = await interactive((t) =>
    /^(echo a > f|cd \/|x=1|y=\$\(.*)$/.test(t) ? 'DENY' : 'ALLOW',
  );
  await type('echo a > f');
  assert.match(await type('echo "st=$?"'), /st=1/);
  await type('cd /');
  assert.match(await type('echo "st=$? $PWD"'), new RegExp(`st=126 ${double.work}`));
  await type('x=1');
  assert.match(await type('echo "st=$? <$x>"'), /st=130 <>/);
  await type('y=$(date)');
  assert.match(await type('echo "<$y>"'), /<>/);
  assert.ok(!existsSync(join(double.work, 'f')));
});

test('^C ends the program and not the shell; ^Z, jobs, fg and bg work', async () => {
  const { double, terminal, type } = await interactive(() => 'ALLOW');
  terminal.type('sleep 60\r');
  await until(() => double.asked().includes('sleep 60'));
  await pause();
  terminal.type('\x03');
  await terminal.see(PROMPT);
  assert.match(await type('echo "st=$?"'), /st=130/);
  terminal.type('sleep 61\r');
  await until(() => double.asked().includes('sleep 61'));
  await pause();
  terminal.type('\x1a');
  await terminal.see(/Stopped/);
  await terminal.see(PROMPT);
  assert.match(await type('jobs'), /Stopped.*sleep 61/);
  await type('bg');
  assert.match(await type('jobs'), /Running.*sleep 61/);
  terminal.type('fg\r');
  await terminal.see(/sleep 61\r\n/);
  await pause();
  terminal.type('\x03');
  await terminal.see(PROMPT);
  assert.match(await type('kill -TERM $$; echo "still $?"'), /still 0/);
});

test('^C while a question waits withdraws it and runs nothing', async () => {
  const { double, terminal, type } = await interactive((t) =>
    t.includes('WAIT') ? { wait: new Promise(() => undefined) } : 'ALLOW',
  );
  for (const line of ['touch WAIT', 'cd WAIT']) {
    terminal.type(`${line}\r`);
    await terminal.see(/waits for your approval/);
    terminal.type('\x03');
    await terminal.see(PROMPT);
  }
  await until(() => double.heard.filter((h) => h.cancelled).length === 2);
  assert.match(await type('ls | wc -l'), /[\r\n]0\r\n/);
});

test('completion and history work and are not asked about', async () => {
  const { double, terminal, type } = await interactive(
    () => 'ALLOW',
    '_c() { local w; w=$(echo completed); COMPREPLY=("$w"); }; complete -F _c mine\nmine() { echo "mine $1"; }\n',
  );
  terminal.type('mine co\t');
  await terminal.see(/completed/);
  terminal.type('\r');
  assert.match(await terminal.see(PROMPT), /mine completed/);
  terminal.type('\x1b[A\r');
  assert.match(await terminal.see(PROMPT), /mine completed/);
  assert.match(await type('history 2'), /mine completed/);
  assert.deepEqual([...new Set(double.asked())], ['bash', 'mine completed', 'echo "mine $1"', 'history 2']);
});

test('what would silence the prompt’s part of the trap is refused, and the trap is armed again at each prompt', async () => {
  const { double, type } = await interactive(denyMarked);
  await type('PROMPT_COMMAND=');
  await type('PS0=');
  await type('trap - DEBUG');
  await type('cd DENY');
  assert.ok(double.asked().includes('cd DENY'));
});

test('a login shell and a nested shell are intercepted too', async () => {
  const { double, terminal, type } = await interactive(denyMarked, '', ['--login', '-i']);
  writeFileSync(join(double.work, '.bashrc'), "PS1='Q> '\n");
  terminal.type('bash\r');
  await terminal.see(/Q> $/);
  terminal.type('cd DENY\r');
  await terminal.see(/denied[\s\S]*Q> $/);
  terminal.type('exit\r');
  await terminal.see(PROMPT);
  await type('cd DENY');
  assert.equal(double.asked().filter((t) => t === 'cd DENY').length, 2);
});

test('the window’s size is the terminal’s, also after a change', async () => {
  const { terminal, type } = await interactive(() => 'ALLOW');
  assert.match(await type('stty size'), /30 120/);
  terminal.resize(90, 20);
  await pause();
  terminal.type('stty size\r');
  await terminal.see(/20 90/);
});

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 250));
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never came true: ${condition}`);
}
