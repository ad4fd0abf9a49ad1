import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { JsonObject } from '../../electron/core/brand.ts';
import type { Installation } from './installation.ts';

/** Real servers and clients, from the npm registry, at one version each. */
const PACKAGES = [
  '@modelcontextprotocol/server-filesystem@2026.8.31',
  '@modelcontextprotocol/server-everything@2026.8.31',
  '@modelcontextprotocol/sdk@1.32.2',
  '@modelcontextprotocol/client@2.4.0',
  '@modelcontextprotocol/server@2.4.0',
];
const ROOT = resolve(import.meta.dirname, '..', '..');
export const CLI = join(ROOT, 'build', 'shims', 'cli', 'main.js');

/** The folder of the real packages, kept between runs of the tests. */
export function mcpPackages(): string {
  const cache = process.getuid?.() === 0 ? '/var/cache' : join(homedir(), '.cache');
  const folder = join(cache, 'countersign-test', 'mcp-1');
  const modules = join(folder, 'node_modules', '@modelcontextprotocol');
  if (
    ['server-filesystem', 'server-everything', 'sdk', 'client', 'server'].every((name) =>
      existsSync(join(modules, name, 'package.json')),
    )
  )
    return modules;
  mkdirSync(folder, { recursive: true });
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['i', '--prefix', folder, ...options, ...PACKAGES], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 300_000,
    cwd: tmpdir(),
  });
  return modules;
}

/** A client that says exactly what a test says. */
export interface RawClient {
  readonly process: ChildProcess;
  send(message: JsonObject | string): void;
  /** Sends a request and waits for its answer. */
  ask(method: string, params?: JsonObject, timeoutMs?: number): Promise<JsonObject>;
  /** Everything that was received. */
  readonly received: JsonObject[];
  stderr(): string;
  end(): Promise<number | null>;
}

/** Starts \`countersign mcp -- WORDS…\`, or the words themselves, and speaks to it. */
export function rawClient(
  stage: Installation,
  words: readonly string[],
  options: {
    readonly direct?: boolean;
    readonly more?: readonly string[];
    readonly around?: readonly string[];
  } = {},
): RawClient {
  const bridged =
    options.direct === true ? words : [process.execPath, CLI, 'mcp', ...(options.more ?? []), '--', ...words];
  const [program = '', ...args] = [...(options.around ?? []), ...bridged];
  const child = spawn(program, args, {
    env: { ...stage.env },
    cwd: stage.work,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const received: JsonObject[] = [];
  const waiting = new Map<number, (message: JsonObject) => void>();
  let stderr = '';
  let id = 0;
  child.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as JsonObject;
    received.push(message);
    if (typeof message.id === 'number' && message.method === undefined) waiting.get(message.id)?.(message);
  });
  const send = (message: JsonObject | string) =>
    void child.stdin.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  return {
    process: child,
    received,
    send,
    stderr: () => stderr,
    ask(method, params = {}, timeoutMs = 30_000) {
      id += 1;
      const own = id;
      return new Promise((done, fail) => {
        const timer = setTimeout(
          () => fail(new Error(`no answer to ${method}; it said:\n${stderr}`)),
          timeoutMs,
        );
        waiting.set(own, (message) => {
          clearTimeout(timer);
          waiting.delete(own);
          done(message);
        });
        send({ jsonrpc: '2.0', id: own, method, params });
      });
    },
    end() {
      return new Promise((done) => {
        if (child.exitCode !== null || child.signalCode !== null) return done(child.exitCode);
        child.once('close', (code) => done(code));
        child.stdin.end();
      });
    },
  };
}

/** The handshake of a session-based revision. */
export async function shakeHands(client: RawClient): Promise<void> {
  await client.ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  });
  client.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
}
