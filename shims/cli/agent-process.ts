import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import type { IPty } from 'node-pty';

/** How the agent's process ended. */
export interface AgentEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AgentLaunch {
  /** The session's first process and its leading arguments. */
  readonly init: readonly string[];
  readonly directory: string;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Sends a signal to the agent by way of the session's first process. */
  readonly signalAgent: (number: number) => void;
  /** What the agent says goes to standard error: standard output is for somebody else. */
  readonly toStandardError?: boolean;
}

export interface AgentProcess {
  readonly ended: Promise<AgentEnd>;
  /** The agent was stopped (^Z): gives the person's own terminal back, stops too, and goes on with the agent. */
  onStopped(signal: number): void;
}

/** Signals that somebody sends to us and means the agent. */
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

/** Runs the agent on plain inherited descriptors: clean bytes, no terminal in between. */
export function runPlain(launch: AgentLaunch): AgentProcess {
  const [program = '', ...leading] = launch.init;
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const listeners: [NodeJS.Signals, () => void][] = [];
  const listen = (signal: NodeJS.Signals, listener: () => void) => {
    process.on(signal, listener);
    listeners.push([signal, listener]);
  };
  for (const signal of PASSED_ON) listen(signal, () => launch.signalAgent(constants.signals[signal]));
  // The terminal sends these to the whole group, the agent included; without one they were meant for the agent.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const)
    listen(signal, () => (onTerminal ? undefined : launch.signalAgent(constants.signals[signal])));
  const child = spawn(program, [...leading, launch.directory, ...launch.command], {
    stdio: launch.toStandardError === true ? ['inherit', 2, 2] : 'inherit',
    env: launch.env,
    cwd: launch.cwd,
  });
  return {
    ended: new Promise((resolve) => {
      const finish = (end: AgentEnd) => {
        for (const [signal, listener] of listeners) process.removeListener(signal, listener);
        resolve(end);
      };
      child.once('error', (cause) => {
        process.stderr.write(`countersign: cannot start the session's first process: ${cause.message}\n`);
        finish({ code: 126, signal: null });
      });
      child.once('exit', (code, signal) => finish({ code, signal }));
    }),
    onStopped: () => undefined,
  };
}

/** Runs the agent on a terminal of its own, with ours in raw mode: what is typed goes through byte for byte. */
export async function runOnTerminal(launch: AgentLaunch): Promise<AgentProcess> {
  const { spawn: spawnPty } = await import('node-pty');
  const [program = '', ...leading] = launch.init;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(launch.env)) if (value !== undefined) env[name] = value;
  const { stdin, stdout } = process;
  const pty: IPty = spawnPty(program, [...leading, '--tty', launch.directory, ...launch.command], {
    name: process.env['TERM'] || 'xterm-256color',
    cols: stdout.columns || 80,
    rows: stdout.rows || 24,
    cwd: launch.cwd,
    env,
    encoding: null,
  });
  // Typed as text, but with `encoding: null` the data are bytes: no character is ever split or replaced.
  pty.onData((data: string | Buffer) => {
    if (!stdout.write(data)) pty.pause();
  });
  stdout.on('drain', () => pty.resume());
  const onInput = (chunk: Buffer) => pty.write(chunk);
  const onResize = () => pty.resize(stdout.columns || 80, stdout.rows || 24);
  const take = () => {
    stdin.setRawMode(true);
    // Node's raw mode still turns each newline into two characters, which the agent's own terminal did already; a program
    // that draws would be drawn wrong. Leaving raw mode restores all of it.
    spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
    stdin.on('data', onInput);
    stdin.resume();
  };
  const give = () => {
    stdin.removeListener('data', onInput);
    stdin.pause();
    stdin.setRawMode(false);
  };
  const passed = PASSED_ON.map((signal) => {
    const listener = () => launch.signalAgent(constants.signals[signal]);
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  stdout.on('resize', onResize);
  take();
  return {
    ended: new Promise((resolve) => {
      pty.onExit(({ exitCode, signal }) => {
        give();
        stdout.removeListener('resize', onResize);
        for (const [name, listener] of passed) process.removeListener(name, listener);
        const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
        resolve(
          signal
            ? { code: null, signal: (name ?? 'SIGKILL') as NodeJS.Signals }
            : { code: exitCode, signal: null },
        );
      });
    }),
    onStopped() {
      give();
      process.once('SIGCONT', () => {
        take();
        onResize();
        launch.signalAgent(constants.signals.SIGCONT);
      });
      // The whole group, as ^Z would: whoever started us stops with us.
      process.kill(0, 'SIGTSTP');
    },
  };
}
