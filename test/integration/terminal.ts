import { setTimeout as sleep } from 'node:timers/promises';
import { type IPty, spawn } from 'node-pty';

/** A person at a terminal: types, and looks at what appears. */
export interface Terminal {
  readonly pid: number;
  type(text: string): void;
  /** Waits until `pattern` appears after what was seen last; what was seen up to its end. Fails loudly. */
  see(pattern: RegExp, withinMs?: number): Promise<string>;
  resize(columns: number, rows: number): void;
  readonly ended: Promise<{ readonly exitCode: number; readonly signal: number | undefined }>;
  screen(): string;
  kill(): void;
}

/** Starts a program on a terminal of its own. */
export function openTerminal(
  command: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Terminal {
  const [program = '', ...args] = command;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.env)) if (value !== undefined) env[name] = value;
  const pty: IPty = spawn(program, args, { name: 'xterm', cols: 120, rows: 30, cwd: options.cwd, env });
  let shown = '';
  let seen = 0;
  pty.onData((data) => {
    shown += data;
  });
  return {
    pid: pty.pid,
    type: (text) => pty.write(text),
    async see(pattern, withinMs = 10_000) {
      const deadline = Date.now() + withinMs;
      for (;;) {
        const fresh = shown.slice(seen);
        const found = pattern.exec(fresh);
        if (found) {
          seen += found.index + found[0].length;
          return fresh.slice(0, found.index + found[0].length);
        }
        if (Date.now() > deadline)
          throw new Error(
            `did not see ${pattern} in:\n${JSON.stringify(fresh)}\nafter:\n${JSON.stringify(shown.slice(0, seen))}`,
          );
        await sleep(10);
      }
    },
    resize: (columns, rows) => pty.resize(columns, rows),
    ended: new Promise((resolve) => {
      pty.onExit(({ exitCode, signal }) => resolve({ exitCode, signal }));
    }),
    screen: () => shown,
    kill: () => pty.kill('SIGKILL'),
  };
}
