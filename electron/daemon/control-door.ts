import { closeSync, openSync, realpathSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Random } from '../core/ports.ts';
import { type LineConnection, serveLines } from '../edge/line-socket.ts';
import { macEquals, macHex } from '../edge/mac.ts';
import { canSeeProcesses, holdsOpen } from '../edge/process-tree.ts';
import {
  CONTROL_VERSION,
  type ControlReply,
  type ControlRequest,
  controlHelloSchema,
  controlRequestSchema,
  MAX_CONTROL_LINE,
} from '../wire/control.ts';
import { parseLine, sealedSchema } from '../wire/submit.ts';
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
  readonly version: string;
  readonly presenceOf: (pid: number) => Presence;
  readonly handler: ControlHandler;
  readonly helloMs: number;
}

/**
 * Serves one connection of the control door: both ends prove the capability, the client proves which process it is, and
 * every line is sealed with a counter, so that nobody between them can add, drop or replay one.
 */
export function serveControl(ports: ControlDoorPorts, socket: Socket): void {
  const nonce = ports.random.token(24);
  const proofPath = `${realpathSync(ports.directory)}/proof-${ports.random.token(12)}`;
  closeSync(openSync(proofPath, 'wx', 0o600));
  const closers: (() => void)[] = [];
  let key: string | null = null;
  let received = 0;
  let sent = 0;
  let client: ControlClient | null = null;

  const line: LineConnection = serveLines(socket, MAX_CONTROL_LINE, {
    onLine: (text) => (key === null ? onHello(text) : onSealed(text, key)),
    onClose: () => {
      cancelHello();
      rmSync(proofPath, { force: true });
      for (const closer of closers) closer();
    },
    onBroken: (fault) => ports.refusals.refuse('control', fault.code, fault.message),
  });
  const cancelHello = ports.timers.after(ports.helloMs, () => {
    if (key === null) socket.destroy();
  });
  line.send(JSON.stringify({ v: CONTROL_VERSION, type: 'challenge', nonce, proof_path: proofPath }));

  function refuse(code: string, message: string): void {
    ports.refusals.refuse('control', code, message);
    line.send(JSON.stringify({ type: 'fault', request: null, code, message } satisfies ControlReply));
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
    cancelHello();
    rmSync(proofPath, { force: true });
    const welcome = {
      v: CONTROL_VERSION,
      type: 'welcome',
      proof: macHex(ports.capability, `daemon\n${nonce}\n${theirs}`),
      version: ports.version,
      pid: process.pid,
      presence: ports.presenceOf(pid),
    };
    line.send(JSON.stringify(welcome));
    key = macHex(ports.capability, `key\n${nonce}\n${theirs}`);
    client = {
      pid,
      presence: () => ports.presenceOf(pid),
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
    if (!parsed.ok)
      return send({ type: 'fault', request: null, code: parsed.error.code, message: parsed.error.message });
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
