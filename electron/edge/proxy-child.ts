import { type ChildProcess, fork } from 'node:child_process';
import { parseProxyMessage } from '../wire/proxy.ts';
import type { DaemonToProxy, ProxyMessage, ProxySettings } from '../wire/proxy-message.ts';

export interface ProxyChildOptions {
  /** The proxy's program. */
  readonly program: string;
  /** Asked for at each start; `port` is where the one before listened, so that what points there finds the next one. */
  readonly settings: (port: number | null) => ProxySettings;
  readonly onReady: (port: number) => void;
  readonly onMessage: (message: ProxyMessage) => void;
  /** It asked something that is not to be understood. What a session sends can cause that, so it ends the question and not the proxy, which others need. */
  readonly onUnread: (id: number, why: string) => void;
  /** It is gone, or what it says is not to be believed: nothing that it asked for is answered any more. */
  readonly onLost: (reason: string) => void;
  readonly log: (line: string) => void;
  /** Milliseconds before the first restart; doubled each time up to `maxBackoffMs`. */
  readonly backoffMs?: number;
  readonly maxBackoffMs?: number;
  /** Milliseconds from start to `ready`. */
  readonly readyMs?: number;
}

/** The proxy's process, started again whenever it ends (docs/proxy-protocol.md). */
export interface ProxyChild {
  /** Where it listens; null while it does not. */
  readonly port: number | null;
  readonly pid: number | null;
  /** Why it does not serve; null while it does. */
  readonly fault: string | null;
  /** Says something to it; false when it is not there to hear it. */
  send(message: DaemonToProxy): boolean;
  /** Sends settings anew. */
  resettle(): void;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/**
 * How the proxy's process is started. What it carries lives for a moment only: with a small young generation its memory is given back at once, instead of after
 * tens of megabytes of a download.
 */
export const PROXY_FLAGS: readonly string[] = ['--max-semi-space-size=4'];

const BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
const READY_MS = 15_000;
/** Who lived that long was healthy: the next restart is quick again. */
const HEALTHY_MS = 30_000;
const STOP_MS = 2_000;
/** Between the end of its channel and its own. */
const EXIT_MS = 300;
const MAX_LOGGED = 400;

/** Starts the proxy and keeps it running. It gets no environment of ours but what a program needs to start. */
export function startProxyChild(options: ProxyChildOptions): ProxyChild {
  const backoffMs = options.backoffMs ?? BACKOFF_MS;
  let child: ChildProcess | null = null;
  let port: number | null = null;
  let lastPort: number | null = null;
  let fault: string | null = 'it has not started yet';
  let failures = 0;
  let stopping = false;
  let restart: NodeJS.Timeout | null = null;

  function start(): void {
    restart = null;
    if (stopping) return;
    const startedAt = performance.now();
    const current = fork(options.program, [], {
      // Whatever flags this process runs with are its own.
      execArgv: [...PROXY_FLAGS],
      env: bareEnvironment(process.env),
      serialization: 'advanced',
      // In a process group of its own: a Ctrl-C on the terminal of whoever started the daemon is not for it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = current;
    let gone = false;
    const lost = (reason: string) => {
      if (gone) return;
      gone = true;
      clearTimeout(late);
      if (child === current) child = null;
      port = null;
      fault = reason;
      // Never left behind: what is not believed does not go on serving.
      current.kill('SIGKILL');
      if (stopping) return;
      options.onLost(reason);
      if (performance.now() - startedAt > HEALTHY_MS) failures = 0;
      const waitMs = Math.min(backoffMs * 2 ** failures, options.maxBackoffMs ?? MAX_BACKOFF_MS);
      failures = Math.min(failures + 1, 16);
      options.log(`the proxy ${reason}; it is started again in ${waitMs} ms`);
      restart = setTimeout(start, waitMs);
    };
    const late = setTimeout(() => lost('did not become ready in time'), options.readyMs ?? READY_MS);
    for (const stream of [current.stdout, current.stderr]) logLines(stream, options.log);
    current.on('error', (cause) => lost(`could not be started (${cause.message})`));
    current.on('exit', (code, signal) => lost(`ended (${signal ?? `exit code ${code}`})`));
    current.on('disconnect', () => {
      if (gone) return;
      // Mostly it has ended, and how is known in a moment; nothing is sent its way meanwhile.
      port = null;
      fault = 'closed its channel';
      setTimeout(() => lost('closed its channel'), EXIT_MS).unref();
    });
    current.on('message', (raw) => {
      if (gone) return;
      const parsed = parseProxyMessage(raw);
      if (!parsed.ok) {
        const id = port === null ? null : questionId(raw);
        if (id === null) return lost(`said something that is not to be understood (${parsed.error.message})`);
        return options.onUnread(id, parsed.error.message);
      }
      if (parsed.value.kind !== 'ready') {
        if (port === null) return lost('spoke before it was ready');
        return options.onMessage(parsed.value);
      }
      if (port !== null) return lost('said twice that it is ready');
      clearTimeout(late);
      port = parsed.value.port;
      lastPort = port;
      fault = null;
      options.onReady(port);
    });
    current.send(
      { kind: 'settings', settings: options.settings(lastPort) } satisfies DaemonToProxy,
      (cause) => {
        if (cause !== null) lost(`does not listen (${cause.message})`);
      },
    );
  }

  function send(message: DaemonToProxy): boolean {
    if (child === null || !child.connected) return false;
    child.send(message, () => undefined);
    return true;
  }

  start();
  return {
    get port() {
      return port;
    },
    get pid() {
      return child?.pid ?? null;
    },
    get fault() {
      return fault;
    },
    send: (message) => port !== null && send(message),
    resettle: () => void send({ kind: 'settings', settings: options.settings(lastPort) }),
    async stop() {
      stopping = true;
      if (restart !== null) clearTimeout(restart);
      const current = child;
      if (current === null || current.exitCode !== null || current.signalCode !== null) return;
      const ended = new Promise<void>((resolve) => void current.once('exit', () => resolve()));
      if (current.connected) current.disconnect();
      const hard = setTimeout(() => current.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(hard);
    },
  };
}

/** Number of a question; null when it is none. */
function questionId(raw: unknown): number | null {
  if (typeof raw !== 'object' || raw === null || !('kind' in raw) || raw.kind !== 'ask' || !('id' in raw))
    return null;
  return typeof raw.id === 'number' && Number.isSafeInteger(raw.id) && raw.id >= 0 ? raw.id : null;
}

/** What a program needs to start and to say what it says in the person's language; nothing that could hold a secret or steer it. */
function bareEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'SystemRoot', 'RES_OPTIONS', 'LOCALDOMAIN'];
  return Object.fromEntries(kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

function logLines(stream: NodeJS.ReadableStream | null, log: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LOGGED);
    for (const line of lines) if (line !== '') log(`proxy: ${line.slice(0, MAX_LOGGED)}`);
  });
}
