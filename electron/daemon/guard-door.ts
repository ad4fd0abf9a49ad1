import type { Socket } from 'node:net';
import { createFrameSeal, type FrameSeal, NO_NONCE } from '../edge/frame-seal.ts';
import { type FrameConnection, serveFrames } from '../edge/frame-socket.ts';
import { readGuardMessage } from '../wire/guard.ts';
import { MAX_GUARD_FRAME_BYTES, MAX_GUARD_HELLO_BYTES, splitSeal } from '../wire/guard-frame.ts';
import type { DaemonMessage, ExecQuestion, GuardMessage, GuardTables } from '../wire/guard-message.ts';
import { writeDaemonMessage } from '../wire/guard-write.ts';
import type { Gate } from './gate.ts';
import { answerQuestion, type LatePort } from './guard-ask.ts';
import { type GuardSession, newGuardSession, takeNonce } from './guard-session.ts';
import { startWatch, type Watch } from './guard-watch.ts';
import type { MediationPorts } from './mediation.ts';
import type { Way } from './proxy-door.ts';
import type { RefusalRecorder } from './refusals.ts';
import type { Session, SessionStore } from './session-store.ts';

export interface GuardDoorPorts {
  readonly mediation: MediationPorts;
  readonly sessions: SessionStore;
  readonly refusals: RefusalRecorder;
  readonly gate: Gate;
  readonly guards: GuardRegistry;
  /** 32 random bytes. */
  readonly nonce: () => Uint8Array;
  readonly tablesFor: (session: Session) => GuardTables;
  /** Where the session's own programs of ours lie: its shims, which ask by themselves. */
  readonly ownPrograms: (session: Session) => string;
  /** Who judges files that act later; null: a change of one is a change like any other. */
  readonly late: LatePort | null;
  /** Text of a script, as a hint for judgement; null where it cannot be read. */
  readonly readScript: (operand: string | null, cwd: string | null) => string | null;
  /** Where a program of ours or of the original's name lies, outside what the session can write; null when nowhere. */
  readonly programFor: (name: string, session: Session, original: ExecQuestion) => string | null;
  readonly processes: ProcessView;
  readonly signalName: (number: number) => string;
  /** The way of one connection through the proxy; null while the proxy is not there. */
  /** Whether a credential of the person's names a database there: what is said to it is judged statement by statement. Absent: there are none. */
  readonly isDatabase?: (host: string, port: number) => boolean;
  readonly wayFor: (
    session: Session,
    host: string,
    port: number,
    scope: string | null,
    by: 'ssh' | null,
  ) => Promise<Way | null>;
  readonly helloMs: number;
  readonly frameMs: number;
}

/** What the kernel says of a process; null or false where it cannot be seen. */
export interface ProcessView {
  readonly startTicks: (pid: number) => number | null;
  /** Names of the variables that it was started with. */
  readonly environmentNames: (pid: number) => readonly string[] | null;
  /** No other process of its user can look into its memory. */
  readonly isSealed: (pid: number) => boolean;
}

/** What is known of the guards of live sessions. */
export interface GuardRegistry {
  of(session: Session): GuardSession;
  /** Sends every guard its tables anew: policy changed. */
  retable(tablesFor: (session: Session) => GuardTables): void;
}

/** Makes an empty registry; a session that is gone takes its guard's state with it. */
export function createGuardRegistry(sessions: SessionStore): GuardRegistry {
  const guards = new WeakMap<Session, GuardSession>();
  const of = (session: Session): GuardSession => {
    let guard = guards.get(session);
    if (guard === undefined) {
      guard = newGuardSession();
      guards.set(session, guard);
    }
    return guard;
  };
  return {
    of,
    retable(tablesFor) {
      for (const session of sessions.live()) {
        const { push } = of(session);
        if (push !== null) push({ kind: 'tables', tables: tablesFor(session) });
      }
    },
  };
}

/**
 * Serves one connection of the guard's door (docs/guard-protocol.md). Who speaks proves with every frame that it knows the session's secret;
 * anything else closes the connection and leaves a receipt, and the guard denies.
 */
export function serveGuard(ports: GuardDoorPorts, socket: Socket): void {
  const { mediation } = ports;
  let session: Session | null = null;
  let seal: FrameSeal | null = null;
  let watch: Watch | null = null;
  let asks = false;
  /** What to do when the question that is being answered is withdrawn; null while none is. */
  let withdraw: (() => void)[] | null = null;
  const leaving: (() => void)[] = [];

  const visitor = ports.gate.arrive(() => socket.destroy());
  const limits = {
    maxFrame: () => (session === null ? MAX_GUARD_HELLO_BYTES : MAX_GUARD_FRAME_BYTES),
    frameMs: ports.frameMs,
  };
  const line: FrameConnection = serveFrames(socket, limits, {
    onFrame: (payload) => onFrame(payload),
    onClose: () => {
      visitor.leave();
      cancelHello();
      for (const callback of leaving) callback();
      const callbacks = withdraw;
      withdraw = null;
      for (const callback of callbacks ?? []) callback();
      watch?.onClose();
    },
    onBroken: (fault) => ports.refusals.refuse('guard', fault.code, fault.message),
  });
  const cancelHello = mediation.timers.after(ports.helloMs, () => {
    if (session !== null) return;
    ports.refusals.refuse('guard', 'no_hello', 'a connection never said which session it guards');
    socket.destroy();
  });

  function send(message: DaemonMessage): void {
    if (seal !== null && !line.closed) line.send(seal.seal(writeDaemonMessage(message)));
  }

  function refuse(code: string, message: string): void {
    ports.refusals.refuse('guard', code, session === null ? message : `${session.id}: ${message}`);
    line.end();
  }

  function onFrame(payload: Uint8Array): void {
    if (session === null || seal === null) return onHello(payload);
    const body = seal.open(payload);
    if (body === null) return refuse('bad_seal', 'a frame is not sealed by this session, in this order');
    const parsed = readGuardMessage(body);
    if (!parsed.ok) return refuse(parsed.error.code, parsed.error.message);
    const message = parsed.value;
    if (watch !== null) {
      if (!watch.onMessage(message)) refuse('bad_order', `\`${message.kind}\` on a watch connection`);
      return;
    }
    if (!asks || !isQuestion(message)) return refuse('bad_order', `\`${message.kind}\` on an ask connection`);
    onQuestion(session, message);
  }

  /** The session is named before it can be proven: nothing is said to who cannot. */
  function onHello(payload: Uint8Array): void {
    const split = splitSeal(payload);
    if (split === null) return refuse('bad_frame', 'a frame without a seal');
    const parsed = readGuardMessage(split.body);
    if (!parsed.ok) return refuse(parsed.error.code, parsed.error.message);
    const hello = parsed.value;
    if (hello.kind !== 'hello') return refuse('bad_order', 'the first frame must be hello');
    const found = ports.sessions.get(hello.session);
    if (found === undefined)
      return refuse('unknown_session', 'this session is not known to the running daemon');
    const guardNonce = Uint8Array.from(hello.nonce);
    const terms = { key: found.secret, side: 'daemon', guardNonce, sealed: 0 } as const;
    const first = createFrameSeal({ ...terms, daemonNonce: NO_NONCE, opened: 0 });
    if (first.open(payload) === null) return refuse('bad_seal', `hello for ${found.id} is not sealed by it`);
    if (found.guard === null) return refuse('no_guard', `${found.id} was opened without a guard`);
    if (found.endedAt !== null || found.revoked !== null)
      return refuse('session_over', `${found.id} is over`);
    const guard = ports.guards.of(found);
    if (!takeNonce(guard, guardNonce))
      return refuse('replay', `a hello for ${found.id} that was heard before`);
    if (hello.role === 'watch' && guard.push !== null)
      return refuse('second_watch', `${found.id} is watched already`);
    if (!visitor.introduce(found.id))
      return refuse('too_many_connections', `${found.id} has too many connections already`);
    cancelHello();
    session = found;
    const daemonNonce = ports.nonce();
    seal = createFrameSeal({ ...terms, daemonNonce, opened: 1 });
    send({ kind: 'welcome', nonce: daemonNonce });
    if (hello.role === 'watch') watch = startWatch(ports, found, guard, send, () => line.end());
    else {
      asks = true;
      const over = () => line.end();
      found.endings.add(over);
      leaving.push(() => found.endings.delete(over));
    }
  }

  function onQuestion(current: Session, question: Question): void {
    if (withdraw !== null) return refuse('bad_order', 'a question before the last one was answered');
    const callbacks: (() => void)[] = [];
    withdraw = callbacks;
    let gone = false;
    callbacks.push(() => {
      gone = true;
    });
    const asking = {
      send,
      cancelled: () => gone,
      onCancel: (callback: () => void) => {
        if (gone) callback();
        else callbacks.push(callback);
      },
    };
    void answerQuestion(ports, current, ports.guards.of(current), question, asking).then((answer) => {
      if (gone) return;
      withdraw = null;
      send(answer);
    });
  }
}

type Question = Exclude<GuardMessage, { kind: 'hello' | 'effects' | 'ended' | 'pong' }>;

function isQuestion(message: GuardMessage): message is Question {
  return (
    message.kind !== 'hello' &&
    message.kind !== 'effects' &&
    message.kind !== 'ended' &&
    message.kind !== 'pong'
  );
}
