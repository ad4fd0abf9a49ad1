import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, constants, openSync, readFileSync, realpathSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';
import type { z } from 'zod';
import { err, ok, type Result } from '../../electron/core/result.ts';
import {
  type ApprovalView,
  CONTROL_VERSION,
  type ControlRequest,
  challengeSchema,
  controlReplySchema,
  controlWelcomeSchema,
  MAX_CONTROL_LINE,
} from '../../electron/wire/control.ts';
import type { Places } from '../../electron/wire/places.ts';
import { parseLine, sealedSchema } from '../../electron/wire/submit.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';

/** Why the daemon could not be talked to or refused. */
export interface ControlFault {
  readonly code: string;
  readonly message: string;
}

/** A request without the id that the connection gives it. */
export type ControlCall = ControlRequest extends infer R
  ? R extends ControlRequest
    ? Omit<R, 'request'>
    : never
  : never;

/** An authenticated connection to the daemon's control door. */
export interface ControlConnection {
  readonly presence: string;
  readonly daemonVersion: string;
  readonly daemonPid: number;
  /** Sends a request and waits for its reply, at most `timeoutMs`. */
  call(request: ControlCall, timeoutMs?: number): Promise<Result<unknown, ControlFault>>;
  onApproval(listener: (view: ApprovalView) => void): void;
  onClose(listener: () => void): void;
  close(): void;
}

const HANDSHAKE_MS = 3000;

function mac(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

/**
 * Connects, proves the capability and which process this is, and checks that the other end is the daemon and not
 * somebody who took its socket path. Errors: `not_running`, `no_capability`, `impostor`, `timeout`, `protocol`, or the daemon's own.
 */
export function connectControl(places: Places): Promise<Result<ControlConnection, ControlFault>> {
  let capability: string;
  try {
    capability = readFileSync(places.capability, 'utf8').trim();
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const message = missing
      ? 'the daemon is not running'
      : `cannot read the control capability: ${(cause as Error).message}`;
    return Promise.resolve(err({ code: missing ? 'not_running' : 'no_capability', message }));
  }
  return new Promise((resolve) => {
    const socket = connect(places.controlSocket);
    const nonce = randomBytes(24).toString('base64url');
    const waiting = new Map<string, (reply: Result<unknown, ControlFault>) => void>();
    const approvalListeners: ((view: ApprovalView) => void)[] = [];
    const closeListeners: (() => void)[] = [];
    let proofFd: number | null = null;
    let stage: 'challenge' | 'welcome' | 'open' | 'dead' = 'challenge';
    let key = '';
    let daemonNonce = '';
    let sent = 0;
    let received = 0;
    let counter = 0;
    let held = '';

    const dropProof = () => {
      if (proofFd !== null) closeSync(proofFd);
      proofFd = null;
    };
    const die = (fault: ControlFault) => {
      if (stage === 'dead') return;
      const early = stage !== 'open';
      stage = 'dead';
      clearTimeout(timer);
      dropProof();
      socket.destroy();
      for (const settle of waiting.values()) settle(err(fault));
      waiting.clear();
      if (early) resolve(err(fault));
      else for (const listener of closeListeners) listener();
    };
    const timer = setTimeout(
      () =>
        die({
          code: 'timeout',
          message: 'the daemon does not answer; it may hang: `countersign daemon stop`, then start again',
        }),
      HANDSHAKE_MS,
    );

    const call = (request: ControlCall, timeoutMs = 15_000): Promise<Result<unknown, ControlFault>> => {
      if (stage === 'dead')
        return Promise.resolve(err({ code: 'closed', message: 'the connection to the daemon is closed' }));
      counter += 1;
      const id = `c${counter}`;
      const body = JSON.stringify({ ...request, request: id });
      socket.write(`${JSON.stringify({ body, mac: mac(key, `client ${sent}\n${body}`) })}\n`);
      sent += 1;
      return new Promise((settle) => {
        const late = setTimeout(() => {
          waiting.delete(id);
          settle(err({ code: 'timeout', message: `the daemon did not answer within ${timeoutMs} ms` }));
        }, timeoutMs);
        waiting.set(id, (reply) => {
          clearTimeout(late);
          settle(reply);
        });
      });
    };

    const refusal = (line: string): ControlFault | null => {
      const refused = parseLine(line, controlReplySchema, MAX_CONTROL_LINE);
      if (!refused.ok || refused.value.type !== 'fault') return null;
      // Nobody has proven anything yet: an impostor's words may not move the cursor.
      return { code: refused.value.code, message: visibleLine(refused.value.message).slice(0, 500) };
    };
    const onChallenge = (line: string) => {
      const refused = refusal(line);
      if (refused !== null) return die(refused);
      const challenge = parseLine(line, challengeSchema, MAX_CONTROL_LINE);
      if (!challenge.ok)
        return die({
          code: 'impostor',
          message: 'what listens on the control socket does not speak like the daemon',
        });
      daemonNonce = challenge.value.nonce;
      proofFd = openProof(places.controlDir, challenge.value.proof_path);
      if (proofFd === null)
        return die({ code: 'impostor', message: 'what listens on the control socket names no proof file' });
      const proof = mac(capability, `client\n${daemonNonce}\n${nonce}`);
      socket.write(
        `${JSON.stringify({ v: CONTROL_VERSION, type: 'hello', nonce, pid: process.pid, proof })}\n`,
      );
      stage = 'welcome';
    };
    const onWelcome = (line: string) => {
      const refused = refusal(line);
      if (refused !== null) return die(refused);
      const welcome = parseLine(line, controlWelcomeSchema, MAX_CONTROL_LINE);
      if (!welcome.ok || !same(welcome.value.proof, mac(capability, `daemon\n${daemonNonce}\n${nonce}`))) {
        return die({
          code: 'impostor',
          message:
            'what listens on the control socket could not prove that it is the daemon; something took its place',
        });
      }
      dropProof();
      clearTimeout(timer);
      key = mac(capability, `key\n${daemonNonce}\n${nonce}`);
      stage = 'open';
      const { presence, version, pid } = welcome.value;
      resolve(
        ok({
          presence,
          daemonVersion: version,
          daemonPid: pid,
          call,
          onApproval: (listener) => void approvalListeners.push(listener),
          onClose: (listener) => void closeListeners.push(listener),
          close: () => {
            stage = 'dead';
            socket.end();
          },
        }),
      );
    };
    const onReply = (line: string) => {
      const sealed = parseLine(line, sealedSchema, MAX_CONTROL_LINE);
      if (!sealed.ok || !same(sealed.value.mac, mac(key, `daemon ${received}\n${sealed.value.body}`))) {
        return die({
          code: 'impostor',
          message: 'a line from the control socket was not sealed by the daemon',
        });
      }
      received += 1;
      const reply = parseLine(sealed.value.body, controlReplySchema, MAX_CONTROL_LINE);
      if (!reply.ok)
        return die({
          code: 'protocol',
          message: `the daemon said something this version does not understand: ${reply.error.message}`,
        });
      const { value } = reply;
      if (value.type === 'approval') {
        for (const listener of approvalListeners) listener(value.view);
        return;
      }
      const settle = value.request === null ? undefined : waiting.get(value.request);
      if (value.request !== null) waiting.delete(value.request);
      settle?.(value.type === 'result' ? ok(value.value) : err({ code: value.code, message: value.message }));
    };

    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      held += chunk;
      if (held.length > MAX_CONTROL_LINE)
        return die({ code: 'protocol', message: 'the daemon sent an endless line' });
      for (let at = held.indexOf('\n'); at >= 0 && stage !== 'dead'; at = held.indexOf('\n')) {
        const line = held.slice(0, at);
        held = held.slice(at + 1);
        if (stage === 'challenge') onChallenge(line);
        else if (stage === 'welcome') onWelcome(line);
        else onReply(line);
      }
    });
    socket.on('error', (cause: NodeJS.ErrnoException) =>
      die({
        code: cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED' ? 'not_running' : 'io',
        message:
          cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
            ? 'the daemon is not running'
            : `cannot reach the daemon: ${cause.message}`,
      }),
    );
    socket.on('close', () => die({ code: 'closed', message: 'the daemon closed the connection' }));
  });
}

/**
 * Opens the file by which the daemon sees who asks; null when it is not one of the daemon's. Whoever took the socket names the
 * path, and opening a pipe or a device of their choice could hang or worse.
 */
function openProof(controlDir: string, path: string): number | null {
  try {
    if (dirname(path) !== realpathSync(controlDir) || !basename(path).startsWith('proof-')) return null;
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

/** Calls and parses the value with a schema; what does not fit is a protocol fault. */
export async function callFor<T>(
  connection: ControlConnection,
  request: ControlCall,
  schema: z.ZodType<T>,
  timeoutMs?: number,
): Promise<Result<T, ControlFault>> {
  const reply = await connection.call(request, timeoutMs);
  if (!reply.ok) return reply;
  const parsed = schema.safeParse(reply.value);
  return parsed.success
    ? ok(parsed.data)
    : err({ code: 'protocol', message: 'the daemon answered in a form this version does not understand' });
}
