// A daemon's double for the proxy: it starts the real process, answers its questions as a script says, and keeps what it said.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { PROXY_FLAGS } from '../../electron/edge/proxy-child.ts';
import { parseProxyMessage } from '../../electron/wire/proxy.ts';
import type {
  DaemonToProxy,
  ProxyMessage,
  ProxySettings,
  Route,
  Swap,
} from '../../electron/wire/proxy-message.ts';

export type Ask = Extract<ProxyMessage, { kind: 'ask' }>;
export type Outcome = Extract<ProxyMessage, { kind: 'outcome' }>;
export type Refusal = Extract<ProxyMessage, { kind: 'refused' }>;
export type Script = (ask: Ask) => {
  readonly result: 'ALLOW' | 'DENY';
  readonly message?: string;
  readonly swaps?: readonly Swap[];
  readonly rule?: string;
} | null;

export interface ProxyDouble {
  readonly child: ChildProcess;
  readonly port: number;
  readonly asks: Ask[];
  readonly outcomes: Outcome[];
  readonly refusals: Refusal[];
  readonly cancels: number[];
  /** Faults of messages that `parseProxyMessage` does not take. */
  readonly unparsed: string[];
  readonly stderr: () => string;
  script: Script;
  send(message: DaemonToProxy): void;
  /** Answers one question by hand: for a script that gives null. */
  answer(id: number, result: 'ALLOW' | 'DENY'): void;
  /** A connection as a guard makes it, its token already said. */
  guard(host: string, port: number, session?: string): Promise<Socket>;
  /** `http://SESSION:TOKEN@127.0.0.1:PORT`. */
  explicit(session?: string): string;
  stop(): Promise<void>;
}

/** The built program where there is one, else its source. */
function program(): string {
  const root = join(import.meta.dirname, '..', '..');
  const source = join(root, 'electron', 'proxy', 'main.ts');
  return existsSync(source) ? source : join(root, 'electron', 'proxy', 'main.js');
}

const inTenMinutes = () => Date.now() + 600_000;

/** Starts the proxy with these settings and answers ALLOW to everything until `script` is changed. */
export async function startProxyDouble(
  settings: Partial<ProxySettings> & Pick<ProxySettings, 'caCertificatePem' | 'caKeyPem'>,
  main: string = program(),
): Promise<ProxyDouble> {
  const child = fork(main, [], {
    execArgv: [...PROXY_FLAGS],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { PATH: process.env['PATH'] },
  });
  let stderr = '';
  child.stderr?.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const asks: Ask[] = [];
  const outcomes: Outcome[] = [];
  const refusals: Refusal[] = [];
  const cancels: number[] = [];
  const unparsed: string[] = [];
  const send = (message: DaemonToProxy): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const answer = (
    id: number,
    said: {
      readonly result: 'ALLOW' | 'DENY';
      readonly message?: string;
      readonly swaps?: readonly Swap[];
      readonly rule?: string;
    },
  ): void =>
    send({
      kind: 'answer',
      id,
      result: said.result,
      message: said.message ?? (said.result === 'ALLOW' ? '' : 'not here; ask the person'),
      action: `act_${String(id).padStart(8, '0')}`,
      rule: said.rule ?? null,
      receipt: null,
      reportEnd: said.result === 'ALLOW',
      swaps: said.swaps ?? [],
    });
  const double = {
    child,
    port: 0,
    asks,
    outcomes,
    refusals,
    cancels,
    unparsed,
    stderr: () => stderr,
    script: (() => ({ result: 'ALLOW' })) as Script,
    send,
    answer: (id: number, result: 'ALLOW' | 'DENY') => answer(id, { result }),
    guard: async (host: string, port: number, session = 'sess_00000001'): Promise<Socket> => {
      const token = randomBytes(32).toString('base64url');
      send({ kind: 'route', route: routeOf(token, 'guard', session, host, port) });
      const socket = connect({ host: '127.0.0.1', port: double.port, noDelay: true });
      await new Promise((settle, reject) => {
        socket.once('connect', settle);
        socket.once('error', reject);
      });
      socket.write(`CSN1 ${token}\n`);
      return socket;
    },
    explicit: (session = 'sess_00000001'): string => {
      const token = randomBytes(32).toString('base64url');
      send({ kind: 'route', route: routeOf(token, 'explicit', session, null, null) });
      return `http://${session}:${token}@127.0.0.1:${double.port}`;
    },
    stop: async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((settle) => child.once('exit', settle));
      if (child.connected) child.disconnect();
      await ended;
    },
  };
  const ready = new Promise<void>((settle, reject) => {
    child.once('exit', (code) => reject(new Error(`the proxy ended with ${code}: ${stderr}`)));
    child.on('message', (raw: unknown) => {
      const parsed = parseProxyMessage(raw);
      if (!parsed.ok) return void unparsed.push(parsed.error.message);
      const message = parsed.value;
      if (message.kind === 'ready') {
        double.port = message.port;
        settle();
      } else if (message.kind === 'ask') {
        asks.push(message);
        const said = double.script(message);
        if (said !== null) answer(message.id, said);
      } else if (message.kind === 'outcome') outcomes.push(message);
      else if (message.kind === 'refused') refusals.push(message);
      else cancels.push(message.id);
    });
  });
  ready.catch(() => undefined);
  send({
    kind: 'settings',
    settings: {
      extraRoots: [],
      passThrough: [],
      windowBytes: 256 * 1024,
      holdBytes: 1024 * 1024,
      fingerprintKey: new Uint8Array(16),
      databases: [],
      ...settings,
    },
  });
  await ready;
  return double;
}

function routeOf(
  token: string,
  kind: Route['kind'],
  session: string,
  host: string | null,
  port: number | null,
): Route {
  return { token, session, scope: null, kind, host, port, expiresAt: inTenMinutes() };
}

/** Waits until `probe` gives something, at most `ms`. */
export async function eventually<T>(
  probe: () => T | null | undefined | false,
  what: string,
  ms = 5_000,
): Promise<T> {
  const until = Date.now() + ms;
  for (;;) {
    const found = probe();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > until) throw new Error(`${what} did not happen in ${ms} ms`);
    await new Promise((settle) => setTimeout(settle, 10));
  }
}
