import { Agent } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { SecureContext, TLSSocket } from 'node:tls';
import { ok, type Result } from '../core/result.ts';
import { dialAddress, type Resolution, resolveHost, secureUpstream } from './dial.ts';
import type { DialFault, Dialled } from './protocol-handler.ts';

/** What a name led to is kept so long, for one session and only for requests that were let through. */
const RESOLVED_MS = 30_000;
/** Free connections are closed after it: most servers do the same a little later. */
const FREE_MS = 4_000;
const MAX_FREE = 16;
const MAX_POOLS = 512;

/** Where a request that was let through goes. */
export interface Target {
  readonly session: string;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** The address that was judged. */
  readonly address: string;
}

/** What a request is sent over: connections of its session only, to the address that was judged only. */
export type Carrier =
  | { readonly kind: 'h1'; readonly agent: Agent }
  | { readonly kind: 'h2'; readonly session: ClientHttp2Session };

/** Resolves, dials and keeps connections. */
export interface Upstream {
  /** What the name led to a little ago; null: it must be asked. */
  known(session: string, host: string): Resolution | null;
  resolve(session: string, host: string): Promise<Result<Resolution, DialFault>>;
  /** A connection of its own, for protocols that are no HTTP. */
  dial(session: string, host: string, port: number): Promise<Result<Dialled<Duplex>, DialFault>>;
  secure(socket: Duplex, host: string, protocols: readonly string[]): Promise<Result<TLSSocket, DialFault>>;
  carrier(target: Target, h2: boolean): Promise<Result<Carrier, DialFault>>;
  setRoots(roots: SecureContext): void;
  forget(session: string): void;
}

interface Pool {
  readonly target: Target;
  readonly agent: Agent;
  /** Made already by the one who wanted to know whether upstream speaks HTTP/2. */
  readonly ready: Duplex[];
  h2: Promise<Result<ClientHttp2Session | null, DialFault>> | null;
}

/** An error that tells why a connection could not be made. */
export class DialError extends Error {
  readonly fault: DialFault;
  constructor(fault: DialFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Makes the upstream side with the roots it starts with. */
export function makeUpstream(firstRoots: SecureContext, now: () => number = Date.now): Upstream {
  let roots = firstRoots;
  const resolved = new Map<string, { readonly resolution: Resolution; readonly until: number }>();
  const pools = new Map<string, Pool>();

  const open = async (target: Target, protocols: readonly string[]): Promise<Result<Duplex, DialFault>> => {
    const plain = await dialAddress(target.address, target.port, target.host);
    return !plain.ok || target.scheme === 'http'
      ? plain
      : await secureUpstream(plain.value, target.host, roots, protocols);
  };

  const makePool = (target: Target): Pool => {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: MAX_FREE, timeout: 0, scheduling: 'lifo' });
    const pool: Pool = { target, agent, ready: [], h2: null };
    agent.createConnection = (_options, done) => {
      const first = pool.ready.pop();
      if (first !== undefined && !first.destroyed) return first;
      open(target, ['http/1.1']).then(
        (made) => {
          if (made.ok) done?.(null, made.value);
          else done?.(new DialError(made.error), undefined as never);
        },
        (error: unknown) => done?.(error as Error, undefined as never),
      );
      return undefined;
    };
    agent.on('free', (socket: Duplex & { setTimeout?: (ms: number) => void }) => {
      socket.setTimeout?.(FREE_MS);
    });
    return pool;
  };

  const poolOf = (target: Target): Pool => {
    const key = `${target.session} ${target.scheme} ${target.host} ${target.port} ${target.address}`;
    const found = pools.get(key) ?? makePool(target);
    pools.delete(key);
    pools.set(key, found);
    if (pools.size > MAX_POOLS) {
      const [oldest] = pools;
      if (oldest !== undefined) close(...oldest);
    }
    return found;
  };

  const close = (key: string, pool: Pool): void => {
    pools.delete(key);
    for (const socket of pool.ready) socket.destroy();
    pool.agent.destroy();
    pool.h2?.then((made) => made.ok && made.value?.destroy()).catch(() => undefined);
  };

  /** The session of a pool; null: upstream speaks HTTP/1.1 only, and the connection made is kept for it. */
  const openH2 = async (pool: Pool): Promise<Result<ClientHttp2Session | null, DialFault>> => {
    const made = await open(pool.target, ['h2', 'http/1.1']);
    if (!made.ok) {
      pool.h2 = null;
      return made;
    }
    const socket = made.value;
    // Without TLS a client that speaks HTTP/2 knows that upstream does.
    if (pool.target.scheme === 'https' && (socket as TLSSocket).alpnProtocol !== 'h2') {
      pool.ready.push(socket);
      return ok(null);
    }
    const session = connectHttp2(
      `${pool.target.scheme}://${pool.target.host.includes(':') ? 'ipv6' : pool.target.host}`,
      {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
        maxHeaderListPairs: 512,
      },
    );
    session.setLocalWindowSize(16 * 1024 * 1024);
    session.on('error', () => undefined);
    const end = (): void => {
      pool.h2 = null;
    };
    session.once('close', end);
    session.once('goaway', end);
    return ok(session);
  };

  const self: Upstream = {
    known: (session, host) => {
      const found = resolved.get(`${session} ${host}`);
      return found !== undefined && found.until > now() ? found.resolution : null;
    },
    resolve: async (session, host) => {
      const known = self.known(session, host);
      if (known !== null) return ok(known);
      const found = await resolveHost(host);
      if (!found.ok) return found;
      if (resolved.size > 4096) resolved.clear();
      resolved.set(`${session} ${host}`, { resolution: found.value, until: now() + RESOLVED_MS });
      return found;
    },
    dial: async (session, host, port) => {
      const found = await self.resolve(session, host);
      if (!found.ok) return found;
      const made = await dialAddress(found.value.address, port, host);
      return made.ok ? ok({ socket: made.value, address: found.value.address }) : made;
    },
    secure: (socket, host, protocols) => secureUpstream(socket, host, roots, protocols),
    carrier: async (target, h2) => {
      const pool = poolOf(target);
      if (!h2) return ok({ kind: 'h1', agent: pool.agent });
      pool.h2 ??= openH2(pool);
      const made = await pool.h2;
      if (!made.ok) return made;
      if (made.value === null) return ok({ kind: 'h1', agent: pool.agent });
      return ok({ kind: 'h2', session: made.value });
    },
    setRoots: (next) => {
      roots = next;
    },
    forget: (session) => {
      for (const [key, pool] of [...pools]) if (pool.target.session === session) close(key, pool);
      for (const key of [...resolved.keys()]) if (key.startsWith(`${session} `)) resolved.delete(key);
    },
  };
  return self;
}
