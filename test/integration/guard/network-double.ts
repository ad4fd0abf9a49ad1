import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFrameReader, encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const GUARD = join(ROOT, 'build/shims/guard/countersign-guard');
const KEY = randomBytes(32).toString('base64url');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NetworkSession {
  readonly work: string;
  /** `host:port`, or the path of a unix socket, of every connection that was asked about. */
  readonly asked: string[];
  /** Rows of `effects` about connections: `result path`. */
  readonly effects: string[];
  /** Names that the host's resolver was asked for. */
  readonly lookups: string[];
  run(command: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished>;
  close(): Promise<void>;
}

/** What the daemon says: a decision, or MODIFY with its `p` and `a`. */
export type Decided =
  | 'ALLOW'
  | 'DENY'
  | { readonly path: string; readonly argv: readonly string[]; readonly remember?: boolean };

export interface NetworkChoice {
  /** `host:port` that the tables allow; port `*` for any. */
  readonly hosts?: readonly string[];
  readonly sockets?: readonly string[];
  /** What the host's resolver knows. */
  readonly names?: Readonly<Record<string, string>>;
  /** Without namespaces: `landlock`. */
  readonly mode?: 'full' | 'landlock';
  readonly decide?: (what: string) => Promise<Decided> | Decided;
  /** Whether a person is asked about it: the guard is told to wait. */
  readonly persons?: (what: string) => boolean;
  readonly user?: { readonly uid: number; readonly gid: number } | null;
}

const fields = (...pairs: readonly (readonly [string, string | Buffer])[]): readonly Field[] =>
  pairs.map(([tag, value]) => field(tag, value));

/** A resolver on the host's loopback that answers A questions from a table, and counts. */
async function openResolver(names: Readonly<Record<string, string>>, lookups: string[]) {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let size = message[at] ?? 0; size > 0; size = message[at] ?? 0) {
      labels.push(message.subarray(at + 1, at + 1 + size).toString('latin1'));
      at += 1 + size;
    }
    const name = labels.join('.');
    const type = message.readUInt16BE(at + 1);
    if (type === 1) lookups.push(name);
    const address = names[name];
    const reply = Buffer.from(message.subarray(0, at + 5));
    reply.writeUInt16BE(address === undefined ? 0x8183 : 0x8180, 2);
    reply.writeUInt16BE(address !== undefined && type === 1 ? 1 : 0, 6);
    const record = Buffer.from([
      0xc0,
      12,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      9,
      0,
      4,
      ...(address ?? '').split('.').map(Number),
    ]);
    socket.send(
      type === 1 && address !== undefined ? Buffer.concat([reply, record]) : reply,
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

/** The daemon's end of docs/guard-protocol.md, as far as connections need it. */
function serveLink(
  server: Server,
  choice: NetworkChoice,
  asked: string[],
  effects: string[],
  sockets: Set<Socket>,
): void {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    let sent = 0;
    let nonces = Buffer.alloc(0);
    let role: string | null = null;
    const send = (frame: readonly Field[]): void => {
      const count = Buffer.alloc(8);
      count.writeBigUInt64LE(BigInt(sent++));
      const payload = encodeFrame(frame).subarray(8);
      const seal = createHmac('sha256', KEY)
        .update('d')
        .update(nonces)
        .update(count)
        .update(payload)
        .digest();
      if (!socket.destroyed) socket.write(encodeFrame([...frame, field('Z', seal)]));
    };
    const onFrame = (body: readonly Field[]): void => {
      const get = (tag: string) => body.find((f) => f.tag === tag)?.bytes.toString('latin1') ?? '';
      if (role === null) {
        role = get('r');
        const nonce = randomBytes(32);
        nonces = Buffer.concat([body.find((f) => f.tag === 'n')?.bytes ?? Buffer.alloc(32), nonce]);
        send(fields(['k', 'welcome'], ['N', nonce]));
        if (role === 'watch')
          send([
            ...fields(['k', 'tables'], ['f', 'wdcm\0allow\0/']),
            ...(choice.sockets ?? []).map((path) => field('u', path)),
            ...(choice.hosts ?? []).map((host) => field('h', host.replace(/:([^:]*)$/, '\0$1'))),
          ]);
      } else if (get('k') === 'connect') {
        const what = get('O') === 'unix' ? get('p') : `${get('h')}:${get('j')}`;
        asked.push(what);
        const decided = Promise.resolve(choice.decide?.(what) ?? 'DENY');
        if (choice.persons?.(what)) send(fields(['k', 'waiting'], ['m', 'asked'], ['d', '60000']));
        void decided.then((decision) => {
          if (typeof decision === 'string') return send(fields(['k', 'answer'], ['D', decision], ['m', '']));
          const ways = decision.argv.map((word) => field('a', word));
          const remember = decision.remember ? [field('G', '1')] : [];
          send([...fields(['k', 'answer'], ['D', 'MODIFY'], ['p', decision.path]), ...ways, ...remember]);
        });
      } else if (get('k') === 'effects') {
        for (const f of body.slice(1)) {
          const [op, , result, path] = f.bytes.toString('latin1').split('\0');
          if (op === 'connect') effects.push(`${result} ${path}`);
        }
      } else if (role === 'ask') {
        send(fields(['k', 'answer'], ['D', 'ALLOW'], ['m', '']));
      }
    };
    const reader = createFrameReader(onFrame);
    socket.on('data', (chunk) => void reader.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
}

/** The real guard around real programs, with a daemon and a resolver of the test's own. */
export async function openNetworkSession(choice: NetworkChoice): Promise<NetworkSession> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'csn-network-')));
  const work = join(dir, 'work');
  const guard = join(dir, 'countersign-guard');
  const door = join(dir, 'guard.sock');
  mkdirSync(work);
  copyFileSync(GUARD, guard);
  chmodSync(guard, 0o755);
  // The guard removes its configuration once it has read it, so its folder is the user's.
  chmodSync(dir, 0o777);
  writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:2 attempts:2\n');
  const user = choice.user ?? null;
  if (user !== null) chownSync(work, user.uid, user.gid);
  const asked: string[] = [];
  const effects: string[] = [];
  const lookups: string[] = [];
  const sockets = new Set<Socket>();
  const children = new Set<ChildProcess>();
  const resolver = await openResolver(choice.names ?? {}, lookups);
  const server = createServer();
  serveLink(server, choice, asked, effects, sockets);
  await new Promise<void>((resolve) => server.listen(door, resolve));
  chmodSync(door, 0o777);
  let count = 0;
  return {
    work,
    asked,
    effects,
    lookups,
    async run(command, env = {}) {
      count += 1;
      const config = join(dir, `config-${count}`);
      const frame = encodeFrame([
        ...fields(
          ['S', 'sess_network00'],
          ['K', KEY],
          ['D', door],
          ['M', choice.mode ?? 'full'],
          ['c', work],
          ['w', work],
        ),
        ...fields(['d', join(dir, 'resolv.conf')], ['n', `127.0.0.1#${resolver.address().port}`]),
        ...command.map((word) => field('a', word)),
      ]);
      writeFileSync(config, frame, { mode: 0o600 });
      if (user !== null) chownSync(config, user.uid, user.gid);
      const child = spawn(guard, [config], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], HOME: work, TMPDIR: work, ...env },
        ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
      });
      children.add(child);
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        stdout += chunk;
      });
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        stderr += chunk;
      });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', resolve);
      });
      children.delete(child);
      return { code, stdout, stderr };
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      resolver.close();
      server.close();
      for (const socket of sockets) socket.destroy();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

/** A server on the host's loopback that counts who came and what they sent. */
export async function openHost(onConnection: (socket: Socket) => void) {
  const open = new Set<Socket>();
  const seen = { connections: 0, bytes: 0 };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    seen.connections += 1;
    open.add(socket);
    socket.on('data', (chunk) => {
      seen.bytes += chunk.length;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A failed test leaves it open; it does not keep the run alive.
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
