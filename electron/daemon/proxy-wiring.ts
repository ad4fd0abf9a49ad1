import type { Clock, Random } from '../core/ports.ts';
import { err, ok, type Result } from '../core/result.ts';
import { openAuthority, type SessionAuthority } from '../edge/authority.ts';
import { extraRoots } from '../edge/extra-roots.ts';
import type { SigningKeys } from '../edge/keys.ts';
import { type ProxyChild, startProxyChild } from '../edge/proxy-child.ts';
import type { DatabaseRoute, PassThrough, ProxySettings } from '../wire/proxy-message.ts';
import type { CredentialService } from './credential-port.ts';
import type { MediationPorts } from './mediation.ts';
import { createProxyDoor, type ProxyDoor, type Way } from './proxy-door.ts';
import type { ReturnPort } from './proxy-ports.ts';
import { createRoutes } from './proxy-routes.ts';
import type { RefusalRecorder } from './refusals.ts';
import type { Scheduler } from './scheduler.ts';
import type { Session, SessionStore } from './session-store.ts';
import type { Timers } from './timer.ts';

export interface ProxyWiring {
  /** Directory of the state. */
  readonly state: string;
  readonly program: string;
  readonly keys: SigningKeys;
  readonly passphraseFile: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly mediation: MediationPorts;
  readonly sessions: SessionStore;
  readonly scheduler: Scheduler;
  readonly refusals: RefusalRecorder;
  readonly credentials: CredentialService;
  readonly agentSocket: (session: string) => string | null;
  readonly returns: ReturnPort;
  readonly fingerprintKey: Uint8Array;
  /** Hosts whose TLS is passed on unopened, by the policy that is armed now. */
  readonly passThrough: () => readonly PassThrough[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: (line: string) => void;
}

/** The proxy as the rest of the daemon meets it. */
export interface RunningProxy {
  readonly authority: SessionAuthority;
  readonly door: ProxyDoor;
  /** Why nothing can leave now, for `status`; null while it can. */
  readonly fault: () => string | null;
  /** Process id, or null while there is none. */
  readonly pid: () => number | null;
  /** Waits a little for a proxy that is starting. */
  admit(session: Session, explicit: boolean): Promise<Way | null>;
  wayFor(
    session: Session,
    host: string,
    port: number,
    scope: string | null,
    by: 'ssh' | null,
  ): Promise<Way | null>;
  /** Whether a usable credential names a database there. */
  isDatabase(host: string, port: number): boolean;
  /** Policy or credentials changed. */
  resettle(): void;
  stop(): Promise<void>;
}

/** What is looked at of a body before a decision, and how much of a longer one is held meanwhile. */
const WINDOW_BYTES = 256 * 1024;
const HOLD_BYTES = 4 * 1024 * 1024;
/** So long whoever needs it waits for a proxy that is starting. */
const START_WAIT_MS = 5_000;
/** Files with roots that upstream is checked against beside the system's, in the daemon's own environment. */
export const ROOT_VARIABLES = ['COUNTERSIGN_EXTRA_ROOTS', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'] as const;

/** Opens the authority, starts the proxy and joins it to mediation; a fault when the authority's key cannot be had. */
export async function startProxy(
  wiring: ProxyWiring,
): Promise<Result<RunningProxy, { readonly code: string; readonly message: string }>> {
  const { keys, clock, credentials } = wiring;
  const opened = await openAuthority({
    dir: wiring.state,
    kept: keys.kind,
    keychain: keys.keychain,
    passphraseFile: wiring.passphraseFile,
    now: clock.now(),
  });
  if (!opened.ok) return err(opened.error);
  const authority = opened.value;
  const roots = extraRoots(wiring.env, ROOT_VARIABLES, wiring.log);
  const waiting = new Set<() => void>();

  let child: ProxyChild | null = null;
  const door = createProxyDoor({
    ...wiring,
    routes: createRoutes(wiring.random, clock),
    send: (message) => child?.send(message) ?? false,
    port: () => child?.port ?? null,
  });
  const settings = (port: number | null): ProxySettings => ({
    port,
    caCertificatePem: authority.certificatePem,
    caKeyPem: authority.keyPem,
    extraRoots: roots,
    passThrough: wiring.passThrough(),
    windowBytes: WINDOW_BYTES,
    holdBytes: HOLD_BYTES,
    fingerprintKey: wiring.fingerprintKey,
    databases: databasesOf(credentials),
  });
  child = startProxyChild({
    program: wiring.program,
    settings,
    onReady: () => {
      door.onReady();
      for (const wake of waiting) wake();
    },
    onMessage: (message) => door.onMessage(message),
    onUnread: (id, why) => door.onUnread(id, why),
    onLost: (reason) => {
      door.onLost(reason);
      wiring.refusals.refuse('proxy', 'proxy_lost', `the proxy ${reason}`);
    },
    log: wiring.log,
  });
  const running = child;

  /** Resolves when the proxy listens, or when it did not in time. */
  function started(): Promise<void> {
    if (running.port !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        waiting.delete(wake);
        resolve();
      };
      const cancel = wiring.timers.after(START_WAIT_MS, wake);
      waiting.add(wake);
    });
  }

  return ok({
    authority,
    door,
    fault: () => running.fault,
    pid: () => running.pid,
    async admit(session, explicit) {
      await started();
      return door.admit(session, explicit);
    },
    async wayFor(session, host, port, scope, by) {
      await started();
      return door.wayFor(session, host, port, scope, by);
    },
    isDatabase: (host, port) =>
      databasesOf(credentials).some((known) => known.host === host && known.port === port),
    resettle() {
      running.resettle();
      door.replaced();
    },
    stop: () => running.stop(),
  });
}

/** Databases of the person's credentials, where the proxy speaks their protocol. */
function databasesOf(credentials: CredentialService): readonly DatabaseRoute[] {
  return credentials.recordsOf('postgres').flatMap(({ name, settings }) => {
    const { host, port } = settings;
    if (typeof host !== 'string' || host === '') return [];
    return [{ credential: name, host, port: typeof port === 'number' ? port : 5432 }];
  });
}
