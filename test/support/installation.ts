import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawn as spawnPty } from 'node-pty';
import { type Places, placesFrom } from '../../electron/wire/places.ts';
import { type ControlConnection, connectControl } from '../../shims/cli/control-client.ts';

/** Built programs: tests look at what people run. */
const ROOT = resolve(import.meta.dirname, '..', '..');
const CLI = join(ROOT, 'build', 'shims', 'cli', 'main.js');
const DAEMON = join(ROOT, 'build', 'electron', 'daemon', 'main.js');

/** One installation of its own, in a temporary directory: nothing of the person's is read or written. */
export interface Installation {
  readonly root: string;
  readonly home: string;
  /** A directory for commands to work in; also the sessions' workspace. */
  readonly work: string;
  readonly env: Readonly<Record<string, string>>;
  readonly places: Places;
  /** Starts the daemon's process and waits until its doors are open. */
  startDaemon(extra?: Readonly<Record<string, string>>): Promise<DaemonProcess>;
  /** Runs `countersign …` without a terminal. */
  cli(
    args: readonly string[],
    options?: {
      readonly input?: string;
      readonly cwd?: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly timeoutMs?: number;
    },
  ): Promise<Finished>;
  /** Runs `countersign …` on a terminal of its own, as a person would. */
  person(args: readonly string[], cwd?: string): Person;
  control(): Promise<ControlConnection>;
  dispose(): Promise<void>;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DaemonProcess {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Ends it the hard way and waits. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  log(): string;
}

export interface Person {
  type(text: string): void;
  /** Everything seen so far. */
  screen(): string;
  /** Waits until the screen shows the pattern. */
  until(pattern: RegExp, timeoutMs?: number): Promise<string>;
  readonly exit: Promise<number>;
  kill(): void;
}

/** Makes a fresh installation; `within`: words to put before every command, so that it runs in another network (`smallInternet`). */
export function installation(within: readonly string[] = []): Installation {
  const command = (cwd: string, ...words: readonly string[]): readonly [string, string[]] => {
    // Whoever enters another tree of mounts stands at its root.
    const there = within.length > 0 ? [...within, 'env', '-C', cwd] : [];
    const [program = '', ...args] = [...there, process.execPath, ...words];
    return [program, args];
  };
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-')));
  const home = join(root, 'home');
  const work = join(root, 'work');
  mkdirSync(home);
  mkdirSync(work);
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    COUNTERSIGN_HOME: join(root, 'c'),
    COUNTERSIGN_KEYCHAIN_SERVICE: `countersign-test-${root.slice(-6)}`,
    ...(process.env.DBUS_SESSION_BUS_ADDRESS ? {} : { DBUS_SESSION_BUS_ADDRESS: 'disabled:' }),
  };
  const places = placesFrom(env, home);
  const daemons: DaemonProcess[] = [];
  const children = new Set<ChildProcess>();
  const people: Person[] = [];

  return {
    root,
    home,
    work,
    env,
    places,
    async startDaemon(extra = {}) {
      const child = spawn(...command(root, DAEMON), {
        env: { ...env, ...extra },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let text = '';
      child.stdout?.on('data', (d: Buffer) => {
        text += d.toString();
      });
      child.stderr?.on('data', (d: Buffer) => {
        text += d.toString();
      });
      const daemon: DaemonProcess = {
        process: child,
        pid: child.pid ?? -1,
        log: () => text,
        async kill(signal = 'SIGTERM') {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const gone = once(child, 'exit');
          child.kill(signal);
          await gone;
        },
      };
      daemons.push(daemon);
      const deadline = Date.now() + 15_000;
      // What a killed daemon left behind is there already: the new one is ready when its own pid is.
      while (readStatusPid(places) !== child.pid || !existsSync(places.capability)) {
        if (child.exitCode !== null) throw new Error(`the daemon did not start:\n${text}`);
        if (Date.now() > deadline) throw new Error(`the daemon is not ready:\n${text}`);
        await new Promise((r) => setTimeout(r, 20));
      }
      return daemon;
    },
    async cli(args, options = {}) {
      const child = spawn(...command(options.cwd ?? work, CLI, ...args), {
        cwd: options.cwd ?? work,
        env: { ...env, ...options.env },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      children.add(child);
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (d: Buffer) => {
        stdout += d.toString();
      });
      child.stderr.on('data', (d: Buffer) => {
        stderr += d.toString();
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input ?? '');
      const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
      const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
      clearTimeout(timer);
      children.delete(child);
      return { code, signal, stdout, stderr };
    },
    person(args, cwd = work) {
      const pty = spawnPty(...command(cwd, CLI, ...args), {
        name: 'xterm-256color',
        cols: 160,
        rows: 60,
        cwd,
        env,
      });
      let seen = '';
      pty.onData((d) => {
        seen += d;
      });
      const exit = new Promise<number>((r) => pty.onExit(({ exitCode }) => r(exitCode)));
      const person: Person = {
        type: (text) => pty.write(text),
        screen: () => seen,
        async until(pattern, timeoutMs = 20_000) {
          const deadline = Date.now() + timeoutMs;
          while (!pattern.test(seen)) {
            if (Date.now() > deadline) throw new Error(`never saw ${pattern} in:\n${seen}`);
            await new Promise((r) => setTimeout(r, 20));
          }
          return seen;
        },
        exit,
        kill: () => {
          try {
            pty.kill('SIGKILL');
          } catch {
            // It ended by itself.
          }
        },
      };
      people.push(person);
      return person;
    },
    async control() {
      const connected = await connectControl(places);
      if (!connected.ok) throw new Error(`control door: ${connected.error.message}`);
      return connected.value;
    },
    async dispose() {
      for (const person of people) person.kill();
      for (const child of children) child.kill('SIGKILL');
      for (const daemon of daemons) await daemon.kill('SIGKILL');
      // A daemon that `run` started by itself belongs to this installation too.
      const status = readStatusPid(places);
      if (status !== null) {
        try {
          process.kill(status, 'SIGKILL');
        } catch {
          // Gone already.
        }
      }
      rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

function readStatusPid(places: Places): number | null {
  try {
    const pid = Number(readFileSync(join(places.run, 'daemon.pid'), 'utf8'));
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** Waits until a condition of the world holds; fails when it does not within the time. */
export async function waitFor(condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it never became true');
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
