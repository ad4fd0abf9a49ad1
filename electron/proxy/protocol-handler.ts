import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Result } from '../core/result.ts';
import type {
  DaemonToProxy,
  DatabaseRoute,
  ProxyOutcome,
  ProxyQuestion,
  ProxySettings,
  Route,
} from '../wire/proxy-message.ts';

/** What the daemon said to one question, or what the proxy says for it: `result` is DENY on a lost channel and after the deadline. */
export type ProxyAnswer = Omit<Extract<DaemonToProxy, { readonly kind: 'answer' }>, 'kind' | 'id'>;

/** A placeholder that stands in a question, and where (`header:authorization`, `query:key`, `path`, `body`, `password`). */
export interface PlaceholderUse {
  readonly value: string;
  readonly where: string;
}

/** Why something upstream could not be reached. `message` is for people: it says what happened and what to do. */
export interface DialFault {
  readonly code: 'unresolved' | 'unreachable' | 'bad-certificate' | 'timed-out' | 'tls';
  readonly message: string;
}

/** A connection that was made to exactly `address`. */
export interface Dialled<S extends Duplex> {
  readonly socket: S;
  readonly address: string;
}

/** Where a connection comes from and which session pays for it. */
export type ConnectionRoute = Pick<Route, 'session' | 'scope' | 'kind' | 'by'>;

/** What a handler of one protocol (PostgreSQL) may use. It never decides: it asks, and does what the answer says. */
export interface ProtocolContext {
  readonly route: ConnectionRoute;
  /** Where the client believes that it is going. */
  readonly host: string;
  readonly port: number;
  readonly settings: ProxySettings;
  /** Placeholders of the session, as they are now. */
  placeholders(): readonly string[];
  /** Asks the daemon. Never rejects; a DENY of the proxy's own when the channel is lost, the deadline has passed or `signal` fires. */
  ask(
    question: ProxyQuestion,
    placeholders: readonly PlaceholderUse[],
    signal?: AbortSignal,
  ): Promise<ProxyAnswer>;
  /** Owed for each ALLOW with `reportEnd`. */
  report(action: string, outcome: ProxyOutcome): void;
  /** Tells of something that never became a question. */
  refused(code: string, reason: string): void;
  /** Opens the client's side of TLS with a certificate for `host` (PostgreSQL: after `S` was answered to an SSLRequest). */
  openTls(socket: Duplex, host: string): Promise<Result<TLSSocket, DialFault>>;
  /** Resolves once, and connects to what it resolved to: `address` is the one, to be put in a question where that is wanted. */
  dial(host: string, port: number): Promise<Result<Dialled<Duplex>, DialFault>>;
  /** Opens TLS to upstream on a connection of `dial`; the certificate must be good for `host`. */
  secure(socket: Duplex, host: string): Promise<Result<TLSSocket, DialFault>>;
}

/**
 * Serves one PostgreSQL client whose start-up packet (SSLRequest, GSSENCRequest, CancelRequest or StartupMessage) is the next thing to be read
 * from `socket`; the first bytes were put back. Resolves when the connection has ended; destroys the socket when it rejects.
 */
export type ServePostgres = (
  socket: Duplex,
  database: DatabaseRoute,
  context: ProtocolContext,
) => Promise<void>;
