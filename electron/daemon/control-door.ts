import { closeSync, openSync, realpathSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Random } from '../core/ports.ts';
import { type LineConnection, serveLines } from '../edge/line-socket.ts';
import { macEquals, macHex } from '../edge/mac.ts';
import { canSeeProcesses, holdsOpen, readProcess } from '../edge/process-tree.ts';
import {
  CONTROL_VERSION,
  type ControlReply,
  type ControlRequest,
  controlHelloSchema,
  controlRequestSchema,
  MAX_CONTROL_HELLO_LINE,
  MAX_CONTROL_LINE,
} from '../wire/control.ts';
import { parseLine, sealedSchema } from '../wire/submit.ts';
import type { Gate } from './gate.ts';
import type { Presence } from './presence.ts';
import type { RefusalRecorder } from './refusals.ts';
import type { Timers } from './timer.ts';

/** What the door asks of the rest of the daemon: one call for each request, events through `send`. */
export type ControlHandler = (request: ControlRequest, client: ControlClient) => Promise<ControlReply | null>;

/** One authenticated client. */
export interface ControlClient {
  readonly pid: number;
  /** Looked at again for each grant: a process can change where it stands. */
  readonly presence: () => Presence;
  readonly send: (reply: ControlReply) => void;
  readonly onClose: (callback: () => void) => void;
}

export interface ControlDoorPorts {
  readonly directory: string;
  readonly capability: string;
  readonly random: Random;
  readonly timers: Timers;
  readonly refusals: RefusalRecorder;
  readonly gate: Gate;
  readonly version: string;
  readonly presenceOf: (pid: number) => Presence;
  readonly handler: ControlHandler;
  readonly helloMs: number;
  /** Milliseconds that one line may take to arrive whole. */
  readonly lineMs: number;
}

/**
 * Serves one connection of the control door: both ends prove the capability, the client proves which process it is, and
 * every line is sealed with a counter, so that nobody between them can add, drop or replay one.
 */
export function serveControl(ports: ControlDoorPorts, socket: Socket): void {
  const nonce = ports.random.token(24);
  const made = makeProofFile(ports);
  if (made === null) {
    // A full disk or a directory that was taken away: refused, and the daemon goes on denying.
    ports.refusals.refuse('control', 'no_proof_file', 'the file that proves a process could not be made');
    socket.on('error', () => socket.destroy());
    const message = 'the daemon cannot make its proof file; is the disk full?';
    socket.end(`${JSON.stringify({ type: 'fault', request: null, code: 'no_proof_file', message })}\n`);
    socket.resume();
    return;
  }
  const proofPath: string = made;
  const visitor = ports.gate.arrive(() => socket.destroy());
  const closers: (() => void)[] = [];
  let key: string | null = null;
  let received = 0;
  let sent = 0;
  let client: ControlClient | null = null;

  // A stranger has nothing long to say: memory is for those that proved the capability.
  const limits = {
    maxLine: () => (key === null ? MAX_CONTROL_HELLO_LINE : MAX_CONTROL_LINE),
    lineMs: ports.lineMs,
  };
  const line: LineConnection = serveLines(socket, limits, {
    onLine: (text) => (key === null ? onHello(text) : onSealed(text, key)),
    onClose: () => {
      visitor.leave();
      cancelHello();
      rmSync(proofPath, { force: true });
      for (const closer of closers) closer();
    },
    onBroken: (fault) => ports.refusals.refuse('control', fault.code, fault.message),
  });
  const cancelHello = ports.timers.after(ports.helloMs, () => {
    if (key !== null) return;
    ports.refusals.refuse('control', 'no_hello', 'a connection never said hello');
    socket.destroy();
  });
  line.send(JSON.stringify({ v: CONTROL_VERSION, type: 'challenge', nonce, proof_path: proofPath }));

  function refuse(code: string, message: string): void {
    ports.refusals.refuse('control', code, message);
    const fault: ControlReply = { type: 'fault', request: null, code, message };
    if (key === null) line.send(JSON.stringify(fault));
    else send(fault);
    line.end();
  }

  function onHello(text: string): void {
    const hello = parseLine(text, controlHelloSchema, MAX_CONTROL_LINE);
    if (!hello.ok) return refuse(hello.error.code, hello.error.message);
    const { pid, proof, nonce: theirs } = hello.value;
    if (!macEquals(proof, macHex(ports.capability, `client\n${nonce}\n${theirs}`))) {
      return refuse('bad_capability', 'the control capability was not proven');
    }
    if (canSeeProcesses() && !holdsOpen(pid, proofPath)) {
      return refuse('bad_pid', `process ${pid} did not prove that it is the one that speaks`);
    }
    if (!visitor.introduce(String(pid)))
      return refuse('too_many_connections', 'this process has too many connections already');
    cancelHello();
    rmSync(proofPath, { force: true });
    // The number alone is not the process: it may end, leave the connection to its children, and its number to another.
    const startedAt = readProcess(pid)?.startTicks ?? null;
    const presence = (): Presence =>
      (readProcess(pid)?.startTicks ?? null) === startedAt ? ports.presenceOf(pid) : 'unknown';
    const welcome = {
      v: CONTROL_VERSION,
      type: 'welcome',
      proof: macHex(ports.capability, `daemon\n${nonce}\n${theirs}`),
      version: ports.version,
      pid: process.pid,
      presence: presence(),
    };
    line.send(JSON.stringify(welcome));
    key = macHex(ports.capability, `key\n${nonce}\n${theirs}`);
    client = {
      pid,
      presence,
      send,
      onClose: (callback) => void closers.push(callback),
    };
  }

  function send(reply: ControlReply): void {
    if (key === null) return;
    const body = JSON.stringify(reply);
    line.send(JSON.stringify({ body, mac: macHex(key, `daemon ${sent}\n${body}`) }));
    sent += 1;
  }

  function onSealed(text: string, sealKey: string): void {
    const sealed = parseLine(text, sealedSchema, MAX_CONTROL_LINE);
    if (!sealed.ok) return refuse(sealed.error.code, sealed.error.message);
    if (!macEquals(sealed.value.mac, macHex(sealKey, `client ${received}\n${sealed.value.body}`))) {
      return refuse('bad_seal', 'a line was not sealed by this connection');
    }
    received += 1;
    const parsed = parseLine(sealed.value.body, controlRequestSchema, MAX_CONTROL_LINE);
    if (!parsed.ok) return refuse(parsed.error.code, parsed.error.message);
    const { value } = parsed;
    if (client === null) return;
    void ports
      .handler(value, client)
      .catch(
        (): ControlReply => ({
          type: 'fault',
          request: value.request,
          code: 'internal',
          message: 'the daemon failed while answering; see its log',
        }),
      )
      .then((reply) => {
        if (reply !== null) send(reply);
      });
  }
}

/** The file that a client opens to prove which process it is; null when it cannot be made. */
function makeProofFile(ports: ControlDoorPorts): string | null {
  try {
    const path = `${realpathSync(ports.directory)}/proof-${ports.random.token(12)}`;
    closeSync(openSync(path, 'wx', 0o600));
    return path;
  } catch {
    return null;
  }
}
