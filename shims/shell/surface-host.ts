import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { err, ok, type Result } from '../../electron/core/result.ts';
import type { HookReply } from '../../electron/wire/hook/event.ts';
import { type HookQuestion, hookReplyFrame } from '../../electron/wire/hook/frame.ts';
import type { Returned } from '../../electron/wire/mcp/envelope.ts';
import {
  answerTo,
  type Decided,
  denial,
  plainAnswer,
  shellLine,
  type Waiting,
  waitingFor,
} from './answer.ts';
import { createFrameReader, encodeFrame, type Field, field } from './frame.ts';
import { hostMcp } from './mcp-host.ts';
import { withPipeWriter } from './pipe-writer.ts';
import { type Question, readShimMessage, type ShellQuestion } from './question.ts';

/** How something that was let through ended, as its parent saw it. */
export type Ending =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly number: number }
  | { readonly kind: 'unknown'; readonly why: string }
  /** A call was answered; `error` in a few words where it failed. */
  | { readonly kind: 'answer'; readonly error: string | null };

/** The way to the decider. Never rejects: what goes wrong is a refusal with its reason, and the shim denies. */
export interface Submitter {
  submit(
    question: Question,
    onWaiting: (waiting: Waiting) => void,
  ): { readonly decided: Promise<Result<Decided, string>>; cancel(): void };
  /** Hands on what an agent's hook told; what comes back is for the hook to write. Absent: hooks are refused. */
  hook?(
    question: HookQuestion,
    onWaiting: (waiting: Waiting) => void,
  ): { readonly answered: Promise<Result<HookReply, string>>; cancel(): void };
  /** Reports an outcome; best effort, for its absence is visible in the ledger. */
  outcome(action: string, ending: Ending, startedAtMs: number, returned?: Returned): void;
}

export interface SurfaceHostOptions {
  readonly socketPath: string;
  readonly submitter: Submitter;
  readonly now: () => number;
  readonly onAgent: (state: AgentState) => void;
  readonly maxConnections?: number;
}

/** What the session's first process says of the agent. */
export type AgentState =
  | { readonly kind: 'started'; readonly initPid: number }
  | { readonly kind: 'stopped'; readonly signal: number }
  | { readonly kind: 'ended'; readonly ending: Ending };

export interface SurfaceHost {
  /** Sends a signal to the agent (its process group, on a terminal). */
  signalAgent(number: number): void;
  /** Ends every connection; whatever was let through and not heard of ends as unknown. */
  close(): void;
}

interface Running {
  readonly action: string;
  readonly startedAtMs: number;
}

const MAX_CONNECTIONS = 4096;
/** What fits a line of the submit door, escaped. */
const MAX_HOOK_TEXT = 3 * 1024 * 1024;

/**
 * Listens for the shims of one session and answers each from a decision of the daemon (AARM R1.e). It decides nothing:
 * whatever is not a decision becomes a denial (R1.c).
 */
export async function openSurface(options: SurfaceHostOptions): Promise<Result<SurfaceHost, string>> {
  const open = new Set<Socket>();
  /** By process id of a shell: what its trap was answered, until the shell says how it went. */
  const commands = new Map<number, Running>();
  const lines = new Map<number, Running>();
  const changed = new Map<number, string>();
  let init: Socket | null = null;
  let closing = false;
  let agentEnded = false;

  const settle = (map: Map<number, Running>, pid: number, ending: Ending) => {
    const running = map.get(pid);
    if (running === undefined) return;
    map.delete(pid);
    options.submitter.outcome(running.action, ending, running.startedAtMs);
  };
  const note = (map: Map<number, Running>, pid: number, action: string) => {
    settle(map, pid, { kind: 'unknown', why: 'the shell went on without saying how it ended' });
    map.set(pid, { action, startedAtMs: options.now() });
  };

  const send = (socket: Socket, fields: readonly Field[]) => {
    if (!socket.destroyed) socket.write(encodeFrame(fields));
  };

  const ask = (socket: Socket, kind: 'exec' | 'command' | 'line', pid: number, question: ShellQuestion) => {
    let named = false;
    let answered = false;
    let running: Running | null = null;
    const asking = options.submitter.submit(question, (waiting) => {
      send(socket, waitingFor(waiting, waiting.deadline - options.now(), named));
      named = true;
    });
    socket.on('close', () => {
      // The program was interrupted while it waited: withdrawn, so that nobody answers a question that is over.
      if (!answered) asking.cancel();
      if (running !== null)
        options.submitter.outcome(
          running.action,
          { kind: 'unknown', why: 'its shim was killed' },
          running.startedAtMs,
        );
      running = null;
    });
    void asking.decided.then((result) => {
      answered = true;
      if (!result.ok) {
        socket.end(encodeFrame(denial(result.error)));
        return;
      }
      const decision = result.value;
      const fields =
        kind === 'exec' && question.argv === null && decision.result === 'MODIFY'
          ? denial(
              'it cannot be changed while something is piped into it',
              decision.rule,
              shellLine(decision),
            )
          : answerTo(decision);
      const denied = fields.some((f) => f.tag === 'D' && f.bytes.toString() === 'DENY');
      if (socket.destroyed) {
        if (!denied && decision.action !== null)
          options.submitter.outcome(
            decision.action,
            { kind: 'unknown', why: 'its shim went away before the answer came' },
            options.now(),
          );
        return;
      }
      if (denied) {
        socket.end(encodeFrame(fields));
        return;
      }
      if (kind === 'exec') {
        if (decision.action !== null) running = { action: decision.action, startedAtMs: options.now() };
        send(socket, fields);
        return;
      }
      if (decision.action !== null) note(kind === 'line' ? lines : commands, pid, decision.action);
      if (decision.result === 'MODIFY') changed.set(pid, shellLine(decision));
      // The shell itself reports with its next question; no outcome is expected on this connection.
      socket.end(
        encodeFrame(fields.filter((f) => f.tag === 'D' || f.tag === 'm' || f.tag === 'l' || f.tag === 'a')),
      );
    });
    return (ending: Ending, childPid: number | null) => {
      // A shell ends with the status of its last command, so that one's outcome is now known too.
      if (childPid !== null) settle(commands, childPid, ending);
      if (childPid !== null) settle(lines, childPid, ending);
      if (running !== null) options.submitter.outcome(running.action, ending, running.startedAtMs);
      running = null;
    };
  };

  /** A question that is answered once and of which no outcome is heard: ALLOW, or a denial with its reason. */
  const askOnce = (socket: Socket, question: Question) => {
    let named = false;
    let answered = false;
    const asking = options.submitter.submit(question, (waiting) => {
      send(socket, waitingFor(waiting, waiting.deadline - options.now(), named));
      named = true;
    });
    socket.on('close', () => {
      if (!answered) asking.cancel();
    });
    void asking.decided.then((result) => {
      answered = true;
      if (socket.destroyed) {
        if (result.ok && result.value.result === 'ALLOW' && result.value.action !== null)
          options.submitter.outcome(
            result.value.action,
            { kind: 'unknown', why: 'the program went away before the answer came' },
            options.now(),
          );
        return;
      }
      socket.end(encodeFrame(result.ok ? plainAnswer(result.value) : denial(result.error)));
    });
  };

  const askHook = (socket: Socket, question: HookQuestion) => {
    let named = false;
    let over = false;
    // Without an answer the hook denies by itself, in its agent's own words.
    if (question.payload.length > MAX_HOOK_TEXT) return void socket.destroy();
    const asking = options.submitter.hook?.(question, (waiting) => {
      send(socket, waitingFor(waiting, waiting.deadline - options.now(), named));
      named = true;
    });
    if (asking === undefined) return void socket.destroy();
    socket.on('close', () => {
      if (!over) asking.cancel();
    });
    void asking.answered.then((result) => {
      over = true;
      if (!result.ok) socket.destroy();
      else if (!socket.destroyed) socket.end(hookReplyFrame(result.value));
    });
  };

  const serve = (socket: Socket) => {
    open.add(socket);
    let finish: ((ending: Ending, childPid: number | null) => void) | null = null;
    let later: ((fields: readonly Field[]) => void) | null = null;
    let first = true;
    const refuse = (reason: string) => socket.end(encodeFrame(denial(reason)));
    const onFrame = (fields: readonly Field[]) => {
      if (!first) {
        if (later !== null) return later(fields);
        const ended = readEnding(fields);
        if (ended === null) return refuse('the shim said something unreadable');
        if (socket === init) {
          if (ended.stopped !== null) options.onAgent({ kind: 'stopped', signal: ended.stopped });
          else {
            agentEnded = true;
            options.onAgent({ kind: 'ended', ending: ended.ending });
          }
        } else finish?.(ended.ending, ended.pid);
        return;
      }
      first = false;
      const message = readShimMessage(fields);
      if (!message.ok) return refuse(message.error);
      const value = message.value;
      switch (value.kind) {
        case 'init':
          if (init !== null) return refuse('the session has its first process already');
          init = socket;
          options.onAgent({ kind: 'started', initPid: value.pid });
          return;
        case 'mcp':
          later = hostMcp(socket, value.question, options);
          return;
        case 'file':
          return askOnce(socket, value.question);
        case 'hook':
          return askHook(socket, value.question);
        case 'take': {
          const line = changed.get(value.pid);
          changed.delete(value.pid);
          if (line === undefined) return refuse('there is no changed command to take');
          socket.end(encodeFrame([field('D', 'MODIFY'), field('l', line)]));
          return;
        }
        case 'report':
          settle(commands, value.pid, { kind: 'exit', code: value.status });
          settle(lines, value.pid, { kind: 'exit', code: value.status });
          socket.end(encodeFrame([field('D', 'ALLOW')]));
          return;
        case 'ask': {
          const pid = value.question.pid ?? 0;
          if (value.previousStatus !== null)
            settle(commands, pid, { kind: 'exit', code: value.previousStatus & 255 });
          if (value.unattended) return askOnce(socket, value.question);
          finish = ask(socket, value.shape, pid, withPipeWriter(value.question));
          return;
        }
        default:
          return refuse('the question is of no known kind');
      }
    };
    const reader = createFrameReader(onFrame);
    socket.on('data', (chunk) => {
      if (!reader.push(chunk)) {
        refuse('the shim said something unreadable');
        socket.pause();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      open.delete(socket);
      if (socket === init && !closing && !agentEnded) {
        init = null;
        options.onAgent({
          kind: 'ended',
          ending: { kind: 'unknown', why: 'the first process of the session was killed' },
        });
      }
    });
    if (open.size > (options.maxConnections ?? MAX_CONNECTIONS))
      refuse('too many questions at once; let some finish first');
  };

  const listening = await listen(options.socketPath, serve);
  if (!listening.ok) return listening;
  return ok({
    signalAgent(number) {
      if (init !== null) send(init, [field('g', String(number))]);
    },
    close() {
      closing = true;
      for (const map of [commands, lines])
        for (const pid of [...map.keys()])
          settle(map, pid, { kind: 'unknown', why: 'the session ended before the shell said how it ended' });
      listening.value.close();
      for (const socket of open) socket.destroy();
    },
  });
}

interface Ended {
  readonly ending: Ending;
  readonly stopped: number | null;
  readonly pid: number | null;
}

function readEnding(fields: readonly Field[]): Ended | null {
  const what = fields.find((f) => f.tag === 'x')?.bytes.toString('latin1') ?? '';
  const match = /^(exit|signal|stopped):(\d{1,3})$/.exec(what);
  if (match === null) return null;
  const value = Number(match[2]);
  if (value > 255) return null;
  const pid = Number(fields.find((f) => f.tag === 'q')?.bytes.toString('latin1') ?? Number.NaN);
  return {
    ending: match[1] === 'signal' ? { kind: 'signal', number: value } : { kind: 'exit', code: value },
    stopped: match[1] === 'stopped' ? value : null,
    pid: Number.isInteger(pid) && pid > 0 ? pid : null,
  };
}

function listen(path: string, serve: (socket: Socket) => void): Promise<Result<Server, string>> {
  return new Promise((resolve) => {
    rmSync(path, { force: true });
    const server = createServer(serve);
    server.once('error', (cause) => resolve(err(`cannot listen on \`${path}\`: ${cause.message}`)));
    server.listen({ path, backlog: 1024 }, () => {
      chmodSync(path, 0o600);
      resolve(ok(server));
    });
  });
}
