import type { Action } from '../core/action.ts';
import type { ActionId, JsonObject } from '../core/brand.ts';
import { hostOf } from '../core/semantic/objects.ts';
import type { DaemonToProxy, ProxyMessage, ProxyQuestion, Route } from '../wire/proxy-message.ts';
import type { CredentialService, PlaceholderUse } from './credential-port.ts';
import { mediate } from './mediate.ts';
import type { MediationPorts, WaitingNotice } from './mediation.ts';
import { sshAgentOf } from './mint-ssh.ts';
import { allowText, denyText, type ProxyReply, waitText } from './proxy-answer.ts';
import { hostOfQuestion, type Owed, settleOutcome, settleUnknown, takeBack } from './proxy-outcome.ts';
import type { ReturnPort } from './proxy-ports.ts';
import type { Routes } from './proxy-routes.ts';
import type { RefusalRecorder } from './refusals.ts';
import { isRemote, isSaidElsewhere } from './remote-footprint.ts';
import type { Scheduler } from './scheduler.ts';
import type { Session, SessionStore } from './session-store.ts';

export interface ProxyDoorPorts {
  readonly mediation: MediationPorts;
  readonly sessions: SessionStore;
  readonly scheduler: Scheduler;
  readonly refusals: RefusalRecorder;
  readonly routes: Routes;
  readonly credentials: CredentialService;
  readonly returns: ReturnPort;
  /** False when the proxy is not there to hear it. */
  readonly send: (message: DaemonToProxy) => boolean;
  /** Where a session's SSH agent listens; null where no socket can be. */
  readonly agentSocket: (session: string) => string | null;
  /** Where the proxy listens; null while it does not. */
  readonly port: () => number | null;
}

/** Where a session's connection must go, and what it must say there first. */
export interface Way {
  readonly port: number;
  readonly token: string;
}

/** The daemon's side of the proxy (docs/proxy-protocol.md). */
export interface ProxyDoor {
  /** Lets a session's connections through the proxy: `explicit` for one whose programs are told of it by their environment. */
  admit(session: Session, explicit: boolean): Way | null;
  /** A way for one connection that was allowed; null while the proxy is not there: the connection is then refused. */
  wayFor(session: Session, host: string, port: number, scope: string | null, by: 'ssh' | null): Way | null;
  /** Credentials changed: placeholders are told anew. */
  replaced(): void;
  onReady(): void;
  onMessage(message: ProxyMessage): void;
  /** A question that could not be read: denied, and on record. */
  onUnread(id: number, why: string): void;
  onLost(reason: string): void;
}

/** A question that waits for its answer. */
interface Pending {
  cancelled: boolean;
  readonly callbacks: (() => void)[];
}

const MAX_PENDING = 8192;
/** Allowed and not yet ended; past this the oldest is recorded as unknown, and memory stays bounded. */
const MAX_OWED = 16_384;

/** Makes the door. What arrives was checked by `parseProxyMessage`; nothing that it says grants anything. */
export function createProxyDoor(ports: ProxyDoorPorts): ProxyDoor {
  const { mediation, routes } = ports;
  const pending = new Map<number, Pending>();
  const owed = new Map<string, Owed>();
  const admitted = new Set<Session>();

  function tellPlaceholders(session: Session): void {
    const values = ports.credentials.placeholdersOf(session.id);
    ports.send({ kind: 'placeholders', session: session.id, values: [...values] });
    const socket = ports.agentSocket(session.id);
    if (socket !== null) ports.send(sshAgentOf(session.id, socket, ports.credentials.recordsOf('ssh')));
  }

  function forget(session: Session): void {
    if (!admitted.delete(session)) return;
    routes.forget(session.id);
    ports.send({ kind: 'forget', session: session.id });
    ports.credentials.forget(session.id);
  }

  function way(route: Route): Way | null {
    const port = ports.port();
    if (port === null || !ports.send({ kind: 'route', route })) return null;
    return { port, token: route.token };
  }

  function onAsk(ask: Ask): void {
    const session = ports.sessions.get(ask.session);
    if (session === undefined || !admitted.has(session)) {
      ports.refusals.refuse('proxy', 'unknown_session', 'a question of a session that is not known or over');
      return void ports.send(denyText(ask.id, 'this session is over', null, null, null, null));
    }
    if (pending.has(ask.id) || pending.size >= MAX_PENDING) {
      ports.refusals.refuse('proxy', 'too_many_questions', `${session.id}: a question too many`);
      const reason = 'the firewall is overloaded by this session; wait and try again';
      return void ports.send(denyText(ask.id, reason, null, null, null, null));
    }
    const entry: Pending = { cancelled: false, callbacks: [] };
    pending.set(ask.id, entry);
    const reply = (message: ProxyReply) => {
      // What was withdrawn, or asked by a proxy that is gone, has nobody who hears it.
      if (pending.get(ask.id) !== entry) return false;
      pending.delete(ask.id);
      return ports.send(message);
    };
    const queued = ports.scheduler.enqueue(session.id, () => {
      void answer(session, ask, entry, reply).catch(() => {
        reply(denyText(ask.id, 'denied because the firewall itself failed', null, null, null, null));
      });
    });
    if (queued) return;
    ports.refusals.refuse('proxy', 'queue_full', `queue of ${session.id} is full`);
    const reason = 'the firewall is overloaded by this session; wait and try again';
    reply(denyText(ask.id, reason, null, null, null, null));
  }

  async function answer(
    session: Session,
    ask: Ask,
    entry: Pending,
    reply: (message: ProxyReply) => boolean,
  ): Promise<void> {
    const { id, question, placeholders } = ask;
    const placeholder = ports.credentials.judge(session, question, placeholders);
    const data: JsonObject | null = placeholder === null ? null : { placeholder };
    let seen: Action | null = null;
    const answered = await mediate(mediation, {
      session,
      envelope: { surface: 'http', question, ...(data === null ? {} : { data }) },
      scope: (action) => (ask.scope as ActionId | null) ?? runningFor(session, question, action),
      notify: (notice: WaitingNotice) => {
        if (!entry.cancelled && pending.get(id) === entry)
          ports.send(waitText(id, notice, mediation.clock.now()));
      },
      cancelled: () => entry.cancelled,
      onCancel: (callback) => {
        if (entry.cancelled) callback();
        else entry.callbacks.push(callback);
      },
      onAction: (action) => {
        seen = action;
      },
    });
    const action = seen as Action | null;
    // Nothing of ours changes a request: what would need it was a person's question.
    if (answered.result !== 'ALLOW' || answered.action === null || action === null) {
      const { rule, instead, receipt } = answered;
      // The rule says that a credential may not be used so; which of its limits stands against it only the credential knows.
      const limit = rule?.startsWith('credentials.') ? placeholder?.['reason'] : null;
      const reason = typeof limit === 'string' ? `${answered.reason}: ${limit}` : answered.reason;
      reply(denyText(id, reason, rule, instead, answered.action, receipt));
      return;
    }
    const owing: Owed = {
      session,
      question,
      action,
      running: answered.action,
      effect: answered.effect,
    };
    const swaps = await ports.credentials.swapsFor(session, action, question, placeholders);
    if (!swaps.ok) {
      await takeBack(mediation, owing, swaps.error.message);
      reply(denyText(id, swaps.error.message, null, null, action.id, answered.receipt));
      return;
    }
    remember(owing);
    if (reply(allowText(id, answered, action.id, swaps.value))) return;
    // It went away meanwhile: nothing was sent.
    owed.delete(action.id);
    await ports.credentials.used(session, action.id, []);
    await takeBack(mediation, owing, 'the connection went away before it heard the decision');
  }

  function remember(owing: Owed): void {
    owed.set(owing.action.id, owing);
    if (owed.size <= MAX_OWED) return;
    const [oldest] = owed;
    if (oldest === undefined) return;
    owed.delete(oldest[0]);
    void settleUnknown(mediation, oldest[1], 'too many requests have no end yet');
  }

  function onCancel(id: number): void {
    const entry = pending.get(id);
    if (entry === undefined) return;
    pending.delete(id);
    entry.cancelled = true;
    for (const callback of entry.callbacks) callback();
  }

  return {
    admit(session, explicit) {
      if (!admitted.has(session)) {
        admitted.add(session);
        session.endings.add(() => forget(session));
        tellPlaceholders(session);
      }
      return explicit ? way(routes.explicit(session)) : null;
    },
    wayFor(session, host, port, scope, by) {
      return admitted.has(session) ? way(routes.guard(session, host, port, scope, by)) : null;
    },
    replaced() {
      for (const session of admitted) tellPlaceholders(session);
    },
    onReady() {
      for (const route of routes.standing()) ports.send({ kind: 'route', route });
      for (const session of admitted) tellPlaceholders(session);
    },
    onMessage(message) {
      switch (message.kind) {
        case 'ask':
          return onAsk(message);
        case 'cancel':
          return onCancel(message.id);
        case 'outcome': {
          const owing = owed.get(message.action);
          if (owing === undefined) {
            ports.refusals.refuse('proxy', 'unknown_outcome', 'an outcome of something that nobody awaits');
            return;
          }
          owed.delete(message.action);
          void settleOutcome(mediation, owing, message.outcome);
          void ports.credentials.used(owing.session, owing.action.id, message.outcome.used);
          ports.returns.note(
            owing.session,
            owing.running,
            owing.question,
            message.outcome,
            owing.action.effects,
          );
          return;
        }
        case 'refused':
          ports.refusals.refuse('proxy', message.code, message.reason, {
            ...(message.host === null ? {} : { host: message.host.slice(0, 256) }),
            ...(message.session === null ? {} : { session: message.session.slice(0, 64) }),
          });
          return;
        case 'ready':
          return;
        default:
          message satisfies never;
      }
    },
    onUnread(id, why) {
      ports.refusals.refuse('proxy', 'unread_question', why);
      const reason =
        'this has more parts than the firewall looks at, so it cannot be judged; send less at a time';
      ports.send(denyText(id, reason, null, null, null, null));
    },
    onLost(reason) {
      for (const id of [...pending.keys()]) onCancel(id);
      for (const owing of owed.values()) {
        void settleUnknown(mediation, owing, `the proxy ${reason}`);
        void ports.credentials.used(owing.session, owing.action.id, []);
      }
      owed.clear();
    },
  };
}

type Ask = Extract<ProxyMessage, { readonly kind: 'ask' }> & {
  readonly placeholders: readonly PlaceholderUse[];
};

/**
 * The running action that a question of a cooperative session belongs to, where no kernel says so: the newest one that was judged to talk
 * to this host, or to do this. Whether it covers the question is for `effectWithin`.
 */
function runningFor(session: Session, question: ProxyQuestion, action: Action): ActionId | null {
  if (session.guard !== null) return null;
  const host = hostOfQuestion(question);
  const fitting = [...session.running].filter(
    ([, { footprint }]) =>
      footprint.some(
        (said) => !isRemote(said) && said.object.kind !== 'path' && hostOf(said.object.value) === host,
      ) || isSaidElsewhere(footprint, action),
  );
  return fitting.at(-1)?.[0] ?? null;
}
