import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { constants } from 'node:os';
import { StringDecoder } from 'node:string_decoder';
import { err, ok, type Result } from '../../electron/core/result.ts';
import type { HookReply } from '../../electron/wire/hook/event.ts';
import {
  MAX_SUBMIT_LINE,
  parseLine,
  SUBMIT_VERSION,
  type SubmitReply,
  sealedSchema,
  submitReplySchema,
} from '../../electron/wire/submit.ts';
import type { Decided, Waiting } from '../shell/answer.ts';
import type { Question } from '../shell/question.ts';
import type { Ending, Submitter } from '../shell/surface-host.ts';
import type { AgentKey } from './agent-key.ts';

export interface SubmitClientOptions {
  readonly socketPath: string;
  readonly session: string;
  /** MAC key of this session, base64url, as `session.open` gave it. */
  readonly secret: string;
  readonly key: AgentKey;
  /** Milliseconds without an answer or a word of waiting after which the answer is DENY. */
  readonly deadlineMs: number;
}

export interface SubmitClient extends Submitter {
  /** Resolves once every outcome was recorded or the deadline passed; then closes. */
  drain(deadlineMs: number): Promise<void>;
}

type Final = Decided | Hooked;
type Hooked = Extract<SubmitReply, { type: 'hooked' }>;

interface Pending {
  readonly onWaiting: (waiting: Waiting) => void;
  readonly finish: (result: Result<Final, string>) => void;
  timer: NodeJS.Timeout;
}

interface Link {
  readonly socket: Socket;
  readonly nonce: string;
  readonly pending: Map<string, Pending>;
  readonly unrecorded: Set<string>;
  welcomed: boolean;
  readonly unsent: string[];
}

const WAIT_GRACE_MS = 1500;
const MAX_PENDING = 4096;
const UNREADABLE = 'the daemon answered something else than was asked';
const GONE =
  'the daemon does not answer, so nothing may run; end this session and start again (`countersign daemon status`)';

/**
 * One kept-open connection to the submit door. Every line of the daemon must carry the session's MAC: an impostor on the
 * socket's path can be heard, never believed. A lost connection denies what was asked on it; the next question tries anew,
 * and a daemon that was restarted does not know the session and refuses it.
 */
export function createSubmitClient(options: SubmitClientOptions): SubmitClient {
  let link: Link | null = null;
  let sequence = -1;
  let drained: (() => void) | null = null;

  const lose = (lost: Link, reason: string) => {
    if (link === lost) link = null;
    lost.socket.destroy();
    lost.unrecorded.clear();
    for (const pending of [...lost.pending.values()]) pending.finish(err(reason));
    drained?.();
  };

  const dial = (): Link => {
    const socket = connect(options.socketPath);
    const fresh: Link = {
      socket,
      nonce: randomBytes(24).toString('base64url'),
      pending: new Map(),
      unrecorded: new Set(),
      welcomed: false,
      unsent: [],
    };
    const greeting = setTimeout(() => lose(fresh, GONE), options.deadlineMs);
    socket.once('connect', () => {
      const hello = { v: SUBMIT_VERSION, type: 'hello', session: options.session, nonce: fresh.nonce };
      socket.write(`${JSON.stringify(hello)}\n`);
    });
    socket.on('error', () => lose(fresh, GONE));
    socket.on('close', () => {
      clearTimeout(greeting);
      lose(fresh, GONE);
    });
    readLines(socket, (line) => {
      const reply = openSealed(line, options.secret, fresh.nonce);
      if (reply === null) {
        clearTimeout(greeting);
        // Before a session is known nothing can be sealed; such a refusal only ever denies, so it may be shown.
        const refusal = fresh.welcomed ? null : parseLine(line, submitReplySchema);
        if (refusal?.ok && refusal.value.type === 'refused')
          return lose(fresh, `the daemon refuses this session: ${refusal.value.message}`);
        return lose(
          fresh,
          'what answers on the daemon’s socket is not the daemon; nothing it says is believed',
        );
      }
      if (reply.type === 'welcome') {
        clearTimeout(greeting);
        fresh.welcomed = true;
        for (const text of fresh.unsent.splice(0)) socket.write(text);
        return;
      }
      hear(fresh, reply);
    });
    link = fresh;
    return fresh;
  };

  const hear = (from: Link, reply: Exclude<SubmitReply, { type: 'welcome' }>) => {
    const pending = reply.request === null ? undefined : from.pending.get(reply.request);
    switch (reply.type) {
      case 'waiting':
        if (pending === undefined) return;
        clearTimeout(pending.timer);
        pending.timer = setTimeout(
          () => pending.finish(err('nobody answered in time')),
          Math.max(0, reply.deadline - Date.now()) + WAIT_GRACE_MS,
        );
        pending.onWaiting(reply);
        return;
      case 'decision':
      case 'hooked':
        pending?.finish(ok(reply));
        return;
      case 'recorded':
        from.unrecorded.delete(reply.request);
        drained?.();
        return;
      case 'refused':
        if (reply.request === null) return lose(from, `the daemon refuses this session: ${reply.message}`);
        from.unrecorded.delete(reply.request);
        pending?.finish(err(`the daemon refused the question: ${reply.message}`));
        drained?.();
        return;
      default:
        return lose(from, 'the daemon said something unreadable');
    }
  };

  const write = (to: Link, message: object) => {
    const text = `${JSON.stringify(message)}\n`;
    if (to.welcomed) to.socket.write(text);
    else to.unsent.push(text);
  };

  /** The number of the next message, which is also its request id: replies are matched by what was signed. */
  const nextRequest = () => {
    sequence += 1;
    return String(sequence);
  };
  const signed = (body: object) => {
    const envelope = { session: options.session, sequence, ...body };
    return { envelope, signature: options.key.sign(envelope) };
  };

  /** Sends one signed message and waits for what ends it. */
  const ask = (type: 'action' | 'hook', body: object, onWaiting: (waiting: Waiting) => void) => {
    const on = link ?? dial();
    const request = nextRequest();
    let over = false;
    const ended = new Promise<Result<Final, string>>((resolve) => {
      const finish = (result: Result<Final, string>) => {
        if (over) return;
        over = true;
        const mine = on.pending.get(request);
        if (mine) clearTimeout(mine.timer);
        on.pending.delete(request);
        resolve(result);
      };
      if (on.pending.size >= MAX_PENDING) return finish(err('too many questions wait for a decision'));
      const timer = setTimeout(() => {
        cancel();
        finish(err(`no decision came within ${options.deadlineMs} ms; see \`countersign daemon status\``));
      }, options.deadlineMs);
      on.pending.set(request, { onWaiting, finish, timer });
      write(on, { v: SUBMIT_VERSION, type, request, ...signed(body) });
    });
    const cancel = () => {
      if (!over && link === on) write(on, { v: SUBMIT_VERSION, type: 'cancel', request });
    };
    return { ended, cancel };
  };

  return {
    submit(question: Question, onWaiting) {
      const { ended, cancel } = ask('action', question, onWaiting);
      const decided = ended.then((result): Result<Decided, string> => {
        if (!result.ok) return result;
        return result.value.type === 'decision' ? ok(result.value) : err(UNREADABLE);
      });
      return { decided, cancel };
    },
    hook(question, onWaiting) {
      const { ended, cancel } = ask('hook', { surface: 'hook', ...question }, onWaiting);
      const answered = ended.then((result): Result<HookReply, string> => {
        if (!result.ok) return result;
        if (result.value.type !== 'hooked') return err(UNREADABLE);
        const { stdout, stderr, status } = result.value;
        return ok({ stdout, stderr, status });
      });
      return { answered, cancel };
    },
    outcome(action, ending, startedAtMs, returned) {
      const on = link;
      if (on === null) return;
      const request = nextRequest();
      on.unrecorded.add(request);
      write(on, {
        v: SUBMIT_VERSION,
        type: 'outcome',
        request,
        ...signed({
          action,
          ...outcomeOf(ending),
          started_at: startedAtMs,
          ended_at: Date.now(),
          ...(returned === undefined ? {} : { returned }),
        }),
      });
    },
    drain(deadlineMs) {
      return new Promise((resolve) => {
        const finish = () => {
          clearTimeout(timer);
          const last = link;
          link = null;
          last?.socket.destroy();
          resolve();
        };
        const timer = setTimeout(finish, deadlineMs);
        drained = () => {
          if (link === null || link.unrecorded.size === 0) finish();
        };
        drained();
      });
    },
  };
}

function outcomeOf(ending: Ending) {
  switch (ending.kind) {
    case 'exit':
      return {
        result: ending.code === 0 ? 'succeeded' : 'failed',
        exit_code: ending.code,
        signal: null,
        error: null,
      };
    case 'signal':
      return { result: 'failed', exit_code: null, signal: signalName(ending.number), error: null };
    case 'unknown':
      return { result: 'unknown', exit_code: null, signal: null, error: ending.why };
    case 'answer':
      return {
        result: ending.error === null ? 'succeeded' : 'failed',
        exit_code: null,
        signal: null,
        error: ending.error,
      };
    default:
      throw new Error('an ending of no known kind');
  }
}

/** The name of a signal number on this platform (`SIGKILL`), or its number as text. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? String(number);
}

/**
 * Splits what the daemon says at newlines and nothing else: a line separator of another script inside a reason is text. Errors
 * of the socket are its owner's to handle.
 */
function readLines(socket: Socket, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let held = '';
  socket.on('data', (chunk: Buffer) => {
    held += decoder.write(chunk);
    if (held.length > MAX_SUBMIT_LINE && !held.includes('\n')) {
      socket.destroy();
      return;
    }
    for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
      const line = held.slice(0, end);
      held = held.slice(end + 1);
      if (line !== '') onLine(line);
    }
  });
}

/** Opens a line of the daemon; null when its MAC is not the session's or it says nothing we know. */
function openSealed(line: string, secret: string, nonce: string): SubmitReply | null {
  const sealed = parseLine(line, sealedSchema);
  if (!sealed.ok) return null;
  const expected = createHmac('sha256', secret).update(`${nonce}\n${sealed.value.body}`).digest('hex');
  const left = Buffer.from(expected);
  const right = Buffer.from(sealed.value.mac);
  if (left.length !== right.length || !timingSafeEqual(left, right)) return null;
  const reply = parseLine(sealed.value.body, submitReplySchema);
  return reply.ok ? reply.value : null;
}
