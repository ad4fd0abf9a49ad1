import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import { type ControlRequest, sessionOpenedSchema } from '../../electron/wire/control.ts';
import { type AgentKey, mintAgentKey } from '../../shims/cli/agent-key.ts';
import { type ControlConnection, callFor } from '../../shims/cli/control-client.ts';
import type { Installation } from './installation.ts';

/** A socket that says exactly what a test wants, and remembers what it heard. */
export interface RawPeer {
  readonly socket: Socket;
  readonly lines: string[];
  send(bytes: string | Buffer): void;
  /** Waits for the line with this index. */
  line(index: number, timeoutMs?: number): Promise<string>;
  /** Waits until the other end closed; fails when it does not. */
  closed(timeoutMs?: number): Promise<void>;
  readonly isClosed: boolean;
  close(): void;
}

/** Connects without saying anything. */
export function rawPeer(path: string): Promise<RawPeer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: false });
    const lines: string[] = [];
    let held = '';
    let closed = false;
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const parts = (held + chunk).split('\n');
      held = parts.pop() ?? '';
      lines.push(...parts);
    });
    socket.on('error', (cause) => {
      closed = true;
      reject(cause);
    });
    socket.on('close', () => {
      closed = true;
    });
    const until = async (condition: () => boolean, timeoutMs: number, what: string) => {
      const deadline = performance.now() + timeoutMs;
      while (!condition()) {
        if (performance.now() > deadline)
          throw new Error(`${what}; heard: ${lines.join(' | ').slice(0, 2000)}`);
        await new Promise((r) => setTimeout(r, 5));
      }
    };
    const peer: RawPeer = {
      socket,
      lines,
      send: (bytes) => {
        if (!closed) socket.write(bytes);
      },
      async line(index, timeoutMs = 10_000) {
        await until(() => lines.length > index || closed, timeoutMs, `line ${index} never came`);
        const line = lines[index];
        if (line === undefined) throw new Error(`closed before line ${index}; heard: ${lines.join(' | ')}`);
        return line;
      },
      closed: (timeoutMs = 10_000) => until(() => closed, timeoutMs, 'it was never closed'),
      get isClosed() {
        return closed;
      },
      close: () => socket.destroy(),
    };
    socket.once('connect', () => resolve(peer));
  });
}

/** A session that the test itself runs, with its key and its secret. */
export interface TestSession {
  readonly id: string;
  readonly secret: string;
  readonly key: AgentKey;
  /** Says hello on a new connection. */
  speak(): Promise<Speaker>;
  /** The next unused sequence number. */
  next(): number;
}

export interface Speaker extends RawPeer {
  readonly nonce: string;
  /** Signs and sends an action; gives its request id. */
  act(line: string, more?: object): string;
  /** The first reply about a request, `waiting` or its end. */
  first(request: string, timeoutMs?: number): Promise<Record<string, unknown>>;
  /** The reply that ends a request. */
  ending(request: string, timeoutMs?: number): Promise<Record<string, unknown>>;
  /** All replies so far, their seals checked; one before the session was known comes as it is. */
  replies(): readonly Record<string, unknown>[];
}

/** An action's message, signed. */
export function actionMessage(
  session: { readonly id: string; readonly key: AgentKey },
  sequence: number,
  line: string,
  more: object = {},
) {
  const envelope = {
    session: session.id,
    sequence,
    surface: 'shell',
    operation: 'run',
    command_line: line,
    argv: null,
    argv_base64: null,
    dialect: 'bash',
    cwd: '/tmp',
    variables: {},
    script: null,
    parts_follow: false,
    interactive: false,
    pid: null,
    claim: null,
    depends_on: [],
    ...more,
  };
  return { v: 1, type: 'action', request: String(sequence), envelope, signature: session.key.sign(envelope) };
}

type OpenRequest = Extract<ControlRequest, { type: 'session.open' }>;

/** Opens a session on a control connection of the test's own process. */
export async function openTestSession(
  place: Installation,
  control: ControlConnection,
  name = 'tester',
  more: Partial<Pick<OpenRequest, 'assurance' | 'guard'>> = {},
): Promise<TestSession> {
  const key = mintAgentKey();
  const opened = await callFor(
    control,
    {
      type: 'session.open',
      intent: null,
      workspace: place.work,
      argv: [name],
      runner_pid: process.pid,
      agent: { product: name, version: null, binary_hash: null, public_key: key.publicKey },
      assurance: 'cooperative',
      guard: null,
      ...more,
    },
    sessionOpenedSchema,
  );
  assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
  const { session, secret } = opened.value;
  return sessionWith(place, session, secret, key);
}

/** A session that a process of its own runs: the test and its children stay outside, and may approve. */
export interface HeldSession extends TestSession {
  /** Ends the process that runs it. */
  end(): Promise<void>;
}

/** Opens a session from another process (test/fixtures/session-holder.ts), which lives until `end`. */
export async function holdTestSession(
  place: Installation,
  name: string,
  more: Partial<Pick<OpenRequest, 'assurance' | 'guard'>> = {},
): Promise<HeldSession> {
  const key = mintAgentKey();
  const terms = { workspace: place.work, name, publicKey: key.publicKey, ...more };
  const child = spawn(process.execPath, [HOLDER, JSON.stringify(terms)], {
    env: { ...place.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  const { session, secret } = JSON.parse(text) as { session: string; secret: string };
  return Object.assign(sessionWith(place, session, secret, key), {
    async end() {
      if (child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  });
}

const HOLDER = join(import.meta.dirname, '..', 'fixtures', 'session-holder.ts');

function sessionWith(place: Installation, id: string, secret: string, key: AgentKey): TestSession {
  let sequence = -1;
  const next = () => {
    sequence += 1;
    return sequence;
  };
  return {
    id,
    secret,
    key,
    next,
    async speak() {
      const peer = await rawPeer(place.places.submitSocket);
      const nonce = randomBytes(24).toString('base64url');
      peer.send(`${JSON.stringify({ v: 1, type: 'hello', session: id, nonce })}\n`);
      const replies = () =>
        peer.lines.map((line) => {
          const outer = JSON.parse(line) as { body?: string; mac?: string };
          if (typeof outer.body !== 'string') return outer as Record<string, unknown>;
          const mac = createHmac('sha256', secret).update(`${nonce}\n${outer.body}`).digest('hex');
          assert.equal(outer.mac, mac, 'the daemon seals what it says');
          return JSON.parse(outer.body) as Record<string, unknown>;
        });
      const answer = async (
        request: string,
        timeoutMs: number,
        fits: (reply: Record<string, unknown>) => boolean,
      ) => {
        const deadline = performance.now() + timeoutMs;
        for (;;) {
          const found = replies().find((reply) => reply.request === request && fits(reply));
          if (found !== undefined) return found;
          if (peer.isClosed) throw new Error(`closed before ${request} ended: ${peer.lines.join(' | ')}`);
          if (performance.now() > deadline) throw new Error(`${request} never ended`);
          await new Promise((r) => setTimeout(r, 5));
        }
      };
      await peer.line(0);
      assert.equal(replies()[0]?.type, 'welcome', peer.lines[0]);
      return Object.assign(Object.create(peer) as RawPeer, {
        nonce,
        replies,
        act(line: string, more: object = {}) {
          const message = actionMessage({ id, key }, next(), line, { cwd: place.work, ...more });
          peer.send(`${JSON.stringify(message)}\n`);
          return message.request;
        },
        first: (request: string, timeoutMs = 15_000) => answer(request, timeoutMs, () => true),
        ending: (request: string, timeoutMs = 15_000) =>
          answer(request, timeoutMs, (reply) => reply.type !== 'waiting'),
      });
    },
  };
}

/** Everything in the ledger of an installation, oldest first. */
export function receiptsOf(place: Installation): readonly Receipt[] {
  const opened = openLedgerReader(join(place.places.state, 'ledger'));
  assert.ok(opened.ok, 'the ledger opens');
  try {
    const all: Receipt[] = [];
    for (let after = -1; ; ) {
      const page = opened.value.list({}, { limit: 1000, after });
      all.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < 1000) return all;
      after = last.receipt.seq;
    }
  } finally {
    opened.value.close();
  }
}

/** How many refusals of each code the ledger tells of, those counted in one receipt included. */
export function refusalsOf(place: Installation): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { receipt } of receiptsOf(place)) {
    const refusal = receipt.body.refusal as { door?: string; code?: string; also?: number } | undefined;
    if (receipt.kind !== 'refusal' || refusal?.code === undefined) continue;
    const key = `${refusal.door ?? 'mediation'}:${refusal.code}`;
    const also = refusal.also ?? 0;
    counts.set(key, (counts.get(key) ?? 0) + (also > 0 ? also : 1));
  }
  return counts;
}

/** Resident memory of a process in MiB. */
export function memoryOf(pid: number, read: (path: string) => string): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? Number.NaN) / 1024;
}
