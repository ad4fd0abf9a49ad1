import type { Clock, Random } from '../core/ports.ts';
import type { Route } from '../wire/proxy-message.ts';
import type { Session } from './session-store.ts';

/** Routes through the proxy (docs/proxy-protocol.md): what a connection must say to be served, and whose it then is. */
export interface Routes {
  /** The route of a cooperative session's proxy variables; made once, good until the session ends. */
  explicit(session: Session): Route;
  /** A route for one connection that was allowed. */
  guard(session: Session, host: string, port: number, scope: string | null, by: 'ssh' | null): Route;
  /** What a proxy that starts anew must know. */
  standing(): readonly Route[];
  forget(session: string): void;
}

/** A guard connects at once; what takes longer than this asks again. */
const GUARD_MS = 30_000;

/** Makes an empty table. Tokens are 32 random bytes, base64url. */
export function createRoutes(random: Random, clock: Clock): Routes {
  const explicit = new Map<string, Route>();
  return {
    explicit(session) {
      const known = explicit.get(session.id);
      if (known !== undefined) return known;
      const route: Route = {
        token: random.token(32),
        session: session.id,
        scope: null,
        kind: 'explicit',
        host: null,
        port: null,
        expiresAt: session.identity.agent.expiresAt,
      };
      explicit.set(session.id, route);
      return route;
    },
    guard: (session, host, port, scope, by) => ({
      token: random.token(32),
      session: session.id,
      scope,
      kind: 'guard',
      host,
      port,
      ...(by === null ? {} : { by }),
      expiresAt: clock.now() + GUARD_MS,
    }),
    standing: () => [...explicit.values()],
    forget: (session) => void explicit.delete(session),
  };
}
