import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { constants as osConstants } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { createFrameReader, encodeFrame, type Field, field } from './frame.ts';
import { readShellArguments, trapFollows, withTrap } from './shell-arguments.ts';

/**
 * The shim where no C compiler was found at build time: the same frames and the same answers, in Node, about forty
 * times slower. Started as `node shim-fallback.js SHIM_PATH ARGS…` by a small script under each program's name.
 *
 * BUG: arguments that are not UTF-8 reach Node already altered, so they are refused. As the session's first process it adopts
 * no orphans: a process that outlives its parent leaves the session's tree.
 */
const DENIED = 126;
const NOT_FOUND = 127;
const GRACE_MS = 2000;
const [shimPath = '', ...given] = process.argv.slice(2);
const called = basename(shimPath);
/** The file shim names a program by its path and gives its argv[0] too. */
const exact = called === 'countersign-exec' ? (given[0] ?? '') : null;
const name = exact ?? called;
const args = exact === null ? given : given.slice(2);
const sessionDir = dirname(dirname(shimPath));
const integration = join(sessionDir, 'bash-integration.bash');

/** `countersign-ask file|connect PID FIELD …` (csrc/ask.c). */
const isFileQuestion = called === 'countersign-ask' && (args[0] === 'file' || args[0] === 'connect');

interface Answer {
  readonly verdict: 'ALLOW' | 'DENY' | 'MODIFY';
  readonly argv: readonly string[];
  readonly line: string | null;
  readonly socket: Socket;
}

function say(text: string): void {
  writeSync(2, text);
}

function deny(why: string): never {
  say(`countersign: denied: ${why}\n`);
  process.exit(DENIED);
}

function findProgram(wanted: string): string | null {
  for (const directory of (process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter)) {
    if (directory === dirname(shimPath)) continue;
    const path = join(directory || '.', wanted);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not there: the next directory.
    }
  }
  return null;
}

/** Asks the host (AARM R1); every way of not getting a clear answer ends this process as denied (R1.c). */
function ask(question: readonly Field[]): Promise<Answer> {
  const patienceMs = Number(process.env['COUNTERSIGN_DEADLINE_MS']) || 20_000;
  return new Promise((resolve) => {
    const socket = connect(join(sessionDir, 'surface.sock'));
    let timer = setTimeout(() => deny('no decision came in time; see `countersign status`'), patienceMs);
    const gone = () => deny('the session’s host does not answer; start again with `countersign run`');
    socket.once('error', gone);
    socket.once('close', gone);
    socket.once('connect', () => socket.write(encodeFrame(question)));
    const reader = createFrameReader((fields) => {
      const waiting = fields.find((f) => f.tag === 'w');
      clearTimeout(timer);
      if (waiting) {
        say(waiting.bytes.toString('utf8'));
        const left = Number(fields.find((f) => f.tag === 'd')?.bytes.toString('utf8')) || patienceMs;
        timer = setTimeout(() => deny('nobody answered in time'), left + GRACE_MS);
        return;
      }
      const verdict = fields.find((f) => f.tag === 'D')?.bytes.toString('utf8');
      const message = fields.find((f) => f.tag === 'm');
      // The file shim puts the reason into the error that its program gets.
      if (message) writeSync(isFileQuestion ? 1 : 2, message.bytes.toString('utf8'));
      if (verdict !== 'ALLOW' && verdict !== 'DENY' && verdict !== 'MODIFY')
        deny('the session’s host answered something unreadable; start again with `countersign run`');
      socket.removeListener('close', gone);
      socket.removeListener('error', gone);
      socket.on('error', () => socket.destroy());
      resolve({
        verdict,
        argv: fields.filter((f) => f.tag === 'a').map((f) => f.bytes.toString('utf8')),
        line: fields.find((f) => f.tag === 'l')?.bytes.toString('utf8') ?? null,
        socket,
      });
    });
    socket.on('data', (chunk) => {
      if (!reader.push(chunk))
        deny('the session’s host answered something unreadable; start again with `countersign run`');
    });
  });
}

/** Runs a program, reports how it ended, and ends the same way. */
function runProgram(path: string, argv: readonly string[], env: NodeJS.ProcessEnv, socket: Socket): void {
  const child = spawn(path, argv.slice(1), { argv0: argv[0] ?? path, stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => child.kill(signal));
  child.once('error', (cause) => {
    say(`countersign: cannot run \`${path}\`: ${cause.message}\n`);
    process.exit(DENIED);
  });
  child.once('exit', (code, signal) => {
    const how = signal === null ? `exit:${code ?? 1}` : `signal:${osConstants.signals[signal]}`;
    socket.end(encodeFrame([field('x', how), field('q', String(child.pid ?? 0))]), () => {
      if (signal === null) process.exit(code ?? 1);
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  });
}

async function shim(): Promise<void> {
  const path = exact ?? findProgram(name);
  if (path === null) {
    say(`countersign: ${name}: command not found\n`);
    process.exit(NOT_FOUND);
  }
  if (args.some((word) => word.includes('\uFFFD')))
    deny(
      'an argument is not UTF-8, which the shim without a C compiler cannot pass on; install gcc and build again',
    );
  const shell = ['sh', 'bash', 'dash', 'zsh'].includes(basename(name));
  const parsed = readShellArguments(args, process.env);
  const trapped = shell && trapFollows(basename(name), parsed);
  const answer = await ask([
    field('k', 'exec'),
    field('n', name),
    field('p', path),
    ...args.map((word) => field('a', word)),
    field('c', process.cwd()),
    field('q', String(process.pid)),
    ...(shell && parsed.script !== null ? [field('s', parsed.script)] : []),
    ...(shell && parsed.interactive ? [field('I', '1')] : []),
    ...(trapped ? [field('f', '1')] : []),
  ]);
  const plain = { ...process.env };
  if (answer.verdict === 'DENY') process.exit(DENIED);
  if (answer.verdict === 'ALLOW') {
    const start = trapped ? withTrap([name, ...args], parsed, integration, process.env) : null;
    return runProgram(path, start?.argv ?? [name, ...args], start?.env ?? plain, answer.socket);
  }
  const argv = answer.line === null ? answer.argv : ['bash', '-c', answer.line];
  const program = argv[0]?.includes('/') ? argv[0] : findProgram(argv[0] ?? '');
  if (program === null || program === undefined)
    deny(`the changed command’s program \`${argv[0] ?? ''}\` is not installed`);
  const changed = readShellArguments(argv.slice(1), process.env);
  const again = trapFollows(basename(argv[0] ?? ''), changed)
    ? withTrap(argv, changed, integration, process.env)
    : { argv, env: plain };
  runProgram(program, again.argv, again.env, answer.socket);
}

async function askForShell(): Promise<void> {
  const words =
    args.length === 1 && args[0] === '-' ? readFileSync(0, 'utf8').split('\0').slice(0, -1) : args;
  if (isFileQuestion) {
    const [kind = '', pid = '', ...more] = args;
    const fields = more.map((word) => field(word.slice(0, 1), word.slice(1)));
    const { verdict } = await ask([field('k', kind), field('q', pid), ...fields]);
    process.exit(verdict === 'ALLOW' ? 0 : DENIED);
  }
  const [kind = '', pid = '', flags = '', status = '', line, ...variables] = words;
  const answer = await ask([
    field('k', kind),
    field('q', pid),
    ...(flags.includes('i') ? [field('I', '1')] : []),
    ...(flags.includes('f') ? [field('f', '1')] : []),
    ...(status === '-' || status === '' ? [] : [field('r', status)]),
    ...(line === undefined ? [] : [field('l', line)]),
    ...variables.map((v) => field('v', v)),
    field('c', process.cwd()),
  ]);
  if (answer.verdict === 'DENY') process.exit(DENIED);
  if (answer.verdict === 'ALLOW') process.exit(0);
  if (kind !== 'take') process.exit(10);
  if (answer.line === null) process.exit(DENIED);
  writeSync(1, answer.line);
  process.exit(0);
}

/** The session's first process, as well as it can be without a subreaper. */
function init(): void {
  const words = args[0] === '--tty' ? args.slice(1) : args;
  const [directory = '', program = '', ...rest] = words;
  const socket = connect(join(directory, 'surface.sock'));
  socket.once('error', () => deny('the session’s host does not answer'));
  socket.once('connect', () => {
    socket.write(encodeFrame([field('k', 'init'), field('q', String(process.pid))]));
    const child = spawn(program, rest, { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTSTP'] as const) process.on(signal, () => undefined);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
      process.on(signal, () => child.kill(signal));
    const reader = createFrameReader((fields) => {
      const number = Number(fields.find((f) => f.tag === 'g')?.bytes.toString('utf8'));
      if (number > 0 && number < 65) child.kill(number as unknown as NodeJS.Signals);
    });
    socket.on('data', (chunk) => void reader.push(chunk));
    socket.once('close', () => child.kill('SIGKILL'));
    child.once('error', (cause: NodeJS.ErrnoException) => {
      say(`countersign: cannot run \`${program}\`: ${cause.message}\n`);
      process.exit(cause.code === 'ENOENT' ? NOT_FOUND : DENIED);
    });
    child.once('exit', (code, signal) => {
      socket.removeAllListeners('close');
      const how = signal === null ? `exit:${code ?? 1}` : `signal:${osConstants.signals[signal]}`;
      socket.end(encodeFrame([field('x', how)]), () => {
        if (signal === null) process.exit(code ?? 1);
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      });
    });
  });
}

if (called === 'countersign-init') init();
else if (called === 'countersign-ask') await askForShell();
else await shim();
