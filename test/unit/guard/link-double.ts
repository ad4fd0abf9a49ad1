import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFrameReader, encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';
import { type Driver, fields, tables } from './driver.ts';

/** One connection of a guard to the double, after its hello. */
export interface Peer {
  readonly role: string;
  readonly socket: Socket;
  /** Seals and sends. `tamper` gets the whole frame before it goes. */
  send(frame: readonly Field[], tamper?: (frame: Buffer) => Buffer): void;
  /** The bytes of a sealed frame that is not sent; it takes its place in the count. */
  sealed(frame: readonly Field[]): Buffer;
}

export interface LinkBehaviour {
  readonly key: string;
  /** The welcome; `null` says nothing. */
  readonly welcome?: ((frame: Buffer) => Buffer) | null;
  readonly tables?: readonly Field[] | null;
  /** A question on an `ask` connection. */
  answer(question: ReadonlyMap<string, Buffer>, peer: Peer): void;
}

export interface LinkDouble {
  readonly path: string;
  readonly session: string;
  readonly peers: readonly Peer[];
  readonly closed: readonly Peer[];
  /** Text of every frame on the watch connection: kind, then values, in order. */
  readonly watched: readonly string[];
  /** The rows of `effects`, their NULs as `|`. */
  readonly effects: readonly string[];
  /** How many `effects` frames. */
  readonly batches: () => number;
  /** What the double found wrong about what the guard said. */
  readonly faults: readonly string[];
  watch(): Peer;
  close(): void;
}

export const KEY = 'c2Vzc2lvbi1zZWNyZXQtb2YtYS10ZXN0LWRvdWJsZQ';

function seal(key: string, direction: string, nonces: Buffer, counter: number, payload: Buffer): Buffer {
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(counter));
  return createHmac('sha256', key).update(direction).update(nonces).update(count).update(payload).digest();
}

/** The daemon's end of the guard's link, by the letter of docs/guard-protocol.md, doing wrong where a test says so. */
export async function openLinkDouble(behaviour: LinkBehaviour): Promise<LinkDouble> {
  const dir = mkdtempSync(join(tmpdir(), 'csn-link-'));
  const path = join(dir, 'guard.sock');
  const peers: Peer[] = [];
  const closed: Peer[] = [];
  const watched: string[] = [];
  const effects: string[] = [];
  const faults: string[] = [];
  const sockets = new Set<Socket>();
  let batches = 0;

  const server = createServer((socket) => {
    sockets.add(socket);
    let sent = 0;
    let received = 0;
    let nonces: Buffer = Buffer.alloc(64);
    let peer: Peer | null = null;
    const sealed = (frame: readonly Field[]): Buffer => {
      const payload = encodeFrame(frame).subarray(8);
      return encodeFrame([...frame, field('Z', seal(behaviour.key, 'd', nonces, sent++, payload))]);
    };
    const onFrame = (all: readonly Field[]): void => {
      const body = all.slice(0, -1);
      const text = new Map(body.map((f) => [f.tag, f.bytes]));
      const kind = String(text.get('k'));
      if (received === 0) nonces = Buffer.concat([text.get('n') ?? Buffer.alloc(32), Buffer.alloc(32)]);
      const z = all.at(-1);
      const right = seal(KEY, 'g', nonces, received++, encodeFrame(body).subarray(8));
      if (z?.tag !== 'Z' || !z.bytes.equals(right)) faults.push(`the seal of \`${kind}\` is wrong`);
      if (peer === null) {
        if (body.map((f) => f.tag).join('') !== 'kSnvr' || kind !== 'hello') faults.push('no hello');
        if (text.get('n')?.length !== 32 || String(text.get('S')) !== 'sess_double00')
          faults.push('a bad hello');
        const made: Peer = {
          role: String(text.get('r')),
          socket,
          sealed,
          send: (frame, tamper = (bytes) => bytes) => void socket.write(tamper(sealed(frame))),
        };
        peer = made;
        peers.push(made);
        if (behaviour.welcome === null) return;
        const nonce = randomBytes(32);
        nonces = Buffer.concat([nonces.subarray(0, 32), nonce]);
        made.send(fields(['k', 'welcome'], ['N', nonce]), behaviour.welcome);
        const first = behaviour.tables === undefined ? tables({}) : behaviour.tables;
        if (made.role === 'watch' && first !== null) made.send(first);
      } else if (peer.role === 'ask') {
        behaviour.answer(text, peer);
      } else if (kind === 'effects') {
        batches += 1;
        for (const f of body.slice(1)) effects.push(f.bytes.toString('latin1').replaceAll('\0', '|'));
        watched.push(kind);
      } else {
        watched.push(body.map((f) => f.bytes.toString('latin1')).join(' '));
      }
    };
    const reader = createFrameReader(onFrame);
    socket.on('data', (chunk) => void (reader.push(chunk) || faults.push('a malformed frame')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (peer !== null) closed.push(peer);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    session: 'sess_double00',
    peers,
    closed,
    watched,
    effects,
    batches: () => batches,
    faults,
    watch() {
      const found = peers.find((p) => p.role === 'watch');
      if (found === undefined) throw new Error('no watch connection');
      return found;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

/** A link-driver process that does what it is told. */
export interface Guard {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  tell(command: string): void;
  /** The next line that begins like this, from now on or since the last one that was waited for; its rest. */
  next(start: string, timeoutMs?: number): Promise<string>;
  /** Ends its input; what it ended with, and what it said on standard error. */
  end(): Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** Starts one against a double. */
export function startGuard(driver: Driver, double: Pick<LinkDouble, 'path' | 'session'>, key = KEY): Guard {
  const child = spawn(driver.path, [double.path, double.session, key], { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let held = '';
  let stderr = '';
  let seen = 0;
  child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    const parts = (held + chunk).split('\n');
    held = parts.pop() ?? '';
    lines.push(...parts);
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => undefined);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    child,
    lines,
    tell: (command) => void child.stdin.write(`${command}\n`),
    async next(start, timeoutMs = 20_000) {
      const until = Date.now() + timeoutMs;
      while (Date.now() < until) {
        const at = lines.findIndex((line, index) => index >= seen && line.startsWith(`${start} `));
        if (at >= 0) {
          seen = at + 1;
          return (lines[at] ?? '').slice(start.length + 1);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      throw new Error(`no \`${start}\` came: ${lines.join(' / ')} ${stderr}`);
    },
    async end() {
      child.stdin.end();
      return { code: await ended, stderr };
    },
  };
}
