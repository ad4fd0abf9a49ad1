import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { McpServer } from '../../electron/wire/mcp/envelope.ts';
import type { Asker } from './asker.ts';
import { createBridge } from './bridge.ts';
import { lineReader } from './lines.ts';

export interface StdioOptions {
  readonly words: readonly string[];
  readonly server: McpServer;
  readonly asker: Asker;
  readonly cwd: string;
  readonly say: (line: string) => void;
  readonly patienceMs: number;
}

const GRACE_MS = 3000;
/** The answers that a client still reads after its server ended. */
const LAST_MS = 500;

/**
 * Starts an MCP server and stands between it and whoever started us: standard input and output are the protocol, standard error is the
 * server's own. Returns the exit code once both are done.
 */
export function bridgeStdio(options: StdioOptions): Promise<number> {
  const [program = '', ...args] = options.words;
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: options.cwd });
  const { stdin: toChild, stdout: fromChild } = child;
  const { stdin, stdout } = process;
  return new Promise((resolve) => {
    let over = false;
    let code = 1;
    const finish = () => {
      if (over) return;
      over = true;
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.removeAllListeners(signal);
      stdin.destroy();
      setTimeout(() => resolve(code), stdout.writableLength > 0 ? LAST_MS : 0);
    };
    const write = (
      to: NodeJS.WritableStream,
      from: { pause(): unknown; resume(): unknown } | null,
      line: Buffer | string,
    ) => {
      // One write a message: a reader never sees half of one beside half of another.
      const bytes = typeof line === 'string' ? `${line}\n` : Buffer.concat([line, NEWLINE]);
      if (to.write(bytes) || from === null) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    const bridge = createBridge({
      ...options,
      pid: process.pid,
      toClient: (line) => write(stdout, fromChild, line),
      toServer: (line) => {
        if (toChild !== null && !toChild.destroyed) write(toChild, stdin, line);
      },
      now: Date.now,
      after: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    });
    const endServer = () => {
      toChild?.end();
      const hard = setTimeout(() => child.kill('SIGTERM'), GRACE_MS);
      const last = setTimeout(() => child.kill('SIGKILL'), 2 * GRACE_MS);
      child.once('exit', () => {
        clearTimeout(hard);
        clearTimeout(last);
      });
    };
    const fromClient = lineReader((line) => bridge.onClientLine(line));
    stdin.on('data', (chunk: Buffer) => {
      if (fromClient(chunk)) return;
      options.say('the client sent a message that is too long; the server is ended');
      endServer();
    });
    stdin.on('end', () => {
      bridge.onClientEnd();
      endServer();
    });
    stdin.on('error', () => endServer());
    stdout.on('error', () => endServer());
    toChild?.on('error', () => undefined);
    const fromServer = lineReader((line) => bridge.onServerLine(line));
    fromChild?.on('data', (chunk: Buffer) => {
      if (fromServer(chunk)) return;
      options.say('the server sent a message that is too long; it is ended');
      bridge.onServerEnd('the server sent a message that is too long');
      fromChild.removeAllListeners('data').resume();
      child.kill('SIGKILL');
    });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => child.kill(signal));
    child.once('error', (cause) => {
      options.say(`the server cannot be started: ${cause.message}`);
      bridge.onServerEnd('the server could not be started');
      code = 127;
      finish();
    });
    // `close` and not `exit`: what it said last is still on its way.
    child.once('close', (exit, signal) => {
      code = exit ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      bridge.onServerEnd(`the server ended (${signal ?? `exit code ${exit}`})`);
      finish();
    });
  });
}

const NEWLINE = Buffer.from('\n');
