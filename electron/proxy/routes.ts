import type { Duplex } from 'node:stream';
import type { Route } from '../wire/proxy-message.ts';

/** A guard's connection may be here before its route: so long is waited for it. */
export const ROUTE_WAIT_MS = 2_000;

/** Routes, placeholders and connections of each session: what `route`, `placeholders` and `forget` change. */
export interface Routes {
  add(route: Route): void;
  /** The route of a token, waited for a little; null when there is none. Used up when it is a guard's. */
  claim(token: string): Promise<Route | null>;
  /** The route of an explicit proxy's user and password, which lasts. */
  explicit(session: string, token: string): Route | null;
  setPlaceholders(session: string, values: readonly string[]): void;
  placeholders(session: string): readonly string[];
  /** Counts a socket to a session, which `forget` destroys; false when it has too many already, so that none takes them all. */
  hold(session: string, socket: Duplex): boolean;
  forget(session: string): void;
}

/** How many connections may wait for a route at a time; more are refused. */
const MAX_WAITING = 256;
/** Connections of one session at a time. */
const MAX_OF_SESSION = 1_536;

/** Makes an empty table. `now` is in milliseconds since the epoch. */
export function makeRoutes(now: () => number = Date.now, waitMs: number = ROUTE_WAIT_MS): Routes {
  const byToken = new Map<string, Route>();
  const waiting = new Map<string, (route: Route) => void>();
  const values = new Map<string, readonly string[]>();
  const sockets = new Map<string, Set<Duplex>>();

  const live = (token: string): Route | null => {
    const route = byToken.get(token);
    if (route === undefined) return null;
    if (route.expiresAt > now()) return route;
    byToken.delete(token);
    return null;
  };
  const sweep = (): void => {
    for (const token of byToken.keys()) live(token);
  };

  return {
    add: (route) => {
      if (byToken.size > 4096) sweep();
      const waits = waiting.get(route.token);
      if (waits !== undefined && route.kind === 'guard' && route.expiresAt > now()) {
        waiting.delete(route.token);
        waits(route);
        return;
      }
      byToken.set(route.token, route);
    },
    claim: (token) => {
      const route = live(token);
      if (route !== null) {
        if (route.kind !== 'guard') return Promise.resolve(null);
        byToken.delete(token);
        return Promise.resolve(route);
      }
      if (waiting.has(token) || waiting.size >= MAX_WAITING) return Promise.resolve(null);
      return new Promise((settle) => {
        const timer = setTimeout(() => {
          waiting.delete(token);
          settle(null);
        }, waitMs);
        waiting.set(token, (found) => {
          clearTimeout(timer);
          settle(found);
        });
      });
    },
    explicit: (session, token) => {
      const route = live(token);
      return route !== null && route.kind === 'explicit' && route.session === session ? route : null;
    },
    setPlaceholders: (session, list) => {
      values.set(session, list);
    },
    placeholders: (session) => values.get(session) ?? [],
    hold: (session, socket) => {
      const held = sockets.get(session) ?? new Set();
      sockets.set(session, held);
      if (held.has(socket)) return true;
      if (held.size >= MAX_OF_SESSION) return false;
      held.add(socket);
      socket.once('close', () => {
        held.delete(socket);
        if (held.size === 0 && sockets.get(session) === held) sockets.delete(session);
      });
      return true;
    },
    forget: (session) => {
      for (const [token, route] of byToken) if (route.session === session) byToken.delete(token);
      values.delete(session);
      for (const socket of sockets.get(session) ?? []) socket.destroy();
      sockets.delete(session);
    },
  };
}
