import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createFrameSeal, type FrameSeal, NO_NONCE } from '../../electron/edge/frame-seal.ts';
import { serveFrames } from '../../electron/edge/frame-socket.ts';
import { readDaemonMessage } from '../../electron/wire/guard.ts';
import { NONCE_BYTES } from '../../electron/wire/guard-frame.ts';
import type {
  Asker,
  DaemonMessage,
  ExecQuestion,
  FileQuestion,
  GuardAnswer,
  GuardMessage,
  GuardQuestion,
} from '../../electron/wire/guard-message.ts';
import { writeGuardMessage } from '../../electron/wire/guard-write.ts';
import { exactly } from '../../electron/wire/octets.ts';

/** One connection of a kernel guard's, as the C guard would have it, for tests of the daemon's side. */
export interface GuardDouble {
  readonly socket: Socket;
  /** Everything heard after the welcome, oldest first. */
  readonly heard: readonly DaemonMessage[];
  /** Sends a message, sealed. */
  say(message: GuardMessage): void;
  /** Sends any bytes as a sealed body. */
  sayBody(body: Uint8Array): void;
  /** The frame that `say` would send, without sending it. */
  frameOf(message: GuardMessage): Uint8Array;
  /** Sends bytes as they are. */
  send(bytes: Uint8Array): void;
  /** Asks and waits for the answer. */
  ask(question: GuardQuestion, timeoutMs?: number): Promise<GuardAnswer>;
  /** Waits for the message with this index. */
  message(index: number, timeoutMs?: number): Promise<DaemonMessage>;
  /** Waits until the other end closed. */
  closed(timeoutMs?: number): Promise<void>;
  readonly isClosed: boolean;
  close(): void;
}

/** How a connection is begun; what is not given is right. */
export interface GuardStart {
  readonly socket: string;
  readonly session: string;
  readonly secret: string;
  readonly role: 'ask' | 'watch';
}

/** Connects, says hello and waits for the welcome, whose seal is checked. */
export async function guardDouble(start: GuardStart): Promise<GuardDouble> {
  const double = await guardConnection(start);
  double.say({
    kind: 'hello',
    session: start.session,
    nonce: double.nonce,
    role: start.role,
  });
  await double.welcomed();
  return double;
}

/** Connects without saying anything; `say` seals as a guard would whose hello comes first. */
export async function guardConnection(
  start: GuardStart,
): Promise<GuardDouble & { readonly nonce: Uint8Array; welcomed(timeoutMs?: number): Promise<void> }> {
  const socket = connect({ path: start.socket, allowHalfOpen: false });
  const nonce = Uint8Array.from(randomBytes(NONCE_BYTES));
  const terms = { key: start.secret, side: 'guard', guardNonce: nonce } as const;
  let seal: FrameSeal = createFrameSeal({ ...terms, daemonNonce: NO_NONCE, sealed: 0, opened: 0 });
  let welcome = false;
  let closed = false;
  const heard: DaemonMessage[] = [];
  let listener: (() => void) | null = null;
  const changed = () => listener?.();
  const connection = serveFrames(
    socket,
    { maxFrame: () => 16 * 1024 * 1024, frameMs: null },
    {
      onFrame: (payload) => {
        if (!welcome) {
          const bare = readDaemonMessage(payload.subarray(0, payload.length - 37));
          if (!bare.ok || bare.value.kind !== 'welcome') throw new Error('the daemon begins with no welcome');
          const daemonNonce = Uint8Array.from(bare.value.nonce);
          seal = createFrameSeal({ ...terms, daemonNonce, sealed: 1, opened: 0 });
          if (seal.open(payload) === null) throw new Error('the welcome is not sealed by the daemon');
          welcome = true;
        } else {
          const body = seal.open(payload);
          if (body === null) throw new Error('a frame is not sealed by the daemon');
          const message = readDaemonMessage(body);
          if (!message.ok) throw new Error(`the daemon said what cannot be read: ${message.error.message}`);
          heard.push(message.value);
        }
        changed();
      },
      onClose: () => {
        closed = true;
        changed();
      },
      onBroken: () => undefined,
    },
  );
  const until = async (condition: () => boolean, timeoutMs: number, what: string) => {
    const deadline = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > deadline)
        throw new Error(`${what}; heard: ${JSON.stringify(heard).slice(0, 2000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        listener = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  const frameOf = (message: GuardMessage) => seal.seal(writeGuardMessage(message));
  return {
    socket,
    heard,
    nonce,
    frameOf,
    say: (message) => void connection.send(frameOf(message)),
    sayBody: (body) => void connection.send(seal.seal(body)),
    send: (bytes) => {
      if (!closed) socket.write(bytes);
    },
    welcomed: (timeoutMs = 10_000) => until(() => welcome || closed, timeoutMs, 'no welcome'),
    async ask(question, timeoutMs = 15_000) {
      const from = heard.length;
      connection.send(frameOf(question));
      const answer = () => heard.slice(from).find((message) => message.kind === 'answer');
      await until(() => answer() !== undefined || closed, timeoutMs, `no answer to ${question.kind}`);
      const found = answer();
      if (found?.kind !== 'answer') throw new Error(`closed before ${question.kind} was answered`);
      return found;
    },
    async message(index, timeoutMs = 10_000) {
      await until(() => heard.length > index || closed, timeoutMs, `message ${index} never came`);
      const found = heard[index];
      if (found === undefined) throw new Error(`closed before message ${index}`);
      return found;
    },
    closed: (timeoutMs = 10_000) => until(() => closed, timeoutMs, 'it was never closed'),
    get isClosed() {
      return closed;
    },
    close: () => socket.destroy(),
  };
}

/** Who asks: a shell under the agent itself, unless said otherwise. */
export function asker(scope: string | null = null, program = '/usr/bin/bash'): Asker {
  return { pid: 4242, program: exactly(program), scope };
}

/** A start of an installed program. */
export function execOf(words: readonly string[], more: Partial<ExecQuestion> = {}): ExecQuestion {
  const [name = ''] = words;
  const path = name.startsWith('/') ? name : `/usr/bin/${name}`;
  return {
    kind: 'exec',
    asker: asker(),
    program: exactly(path),
    called: exactly(path),
    argv: words.map(exactly),
    cwd: '/',
    script: null,
    writable: false,
    interactive: false,
    ...more,
  };
}

/** A change of a file. */
export function fileOf(
  operation: FileQuestion['operation'],
  path: string,
  more: Partial<FileQuestion> = {},
): FileQuestion {
  return {
    kind: 'file',
    asker: asker(),
    operation,
    path: exactly(path),
    destination: null,
    flags: null,
    ...more,
  };
}
