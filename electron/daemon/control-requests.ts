import type { ApprovalScope } from '../core/approval.ts';
import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import { type Result, unreachable } from '../core/result.ts';
import { canSeeProcesses } from '../edge/process-tree.ts';
import type { Calm } from '../wire/calm.ts';
import type { ControlReply, ControlRequest, DaemonStatus } from '../wire/control.ts';
import type { FinalApprovalState } from './approval-service.ts';
import type { ControlClient, ControlHandler } from './control-door.ts';
import { type CredentialRequestPorts, onCredential } from './credential-requests.ts';
import type { ArmedPolicy, MediationPorts } from './mediation.ts';
import type { Way } from './proxy-door.ts';
import { identityPart } from './record.ts';
import type { RefusalRecorder } from './refusals.ts';
import { closeSession, endTree, type Household, openSession } from './session-opening.ts';
import type { Session, SessionStore } from './session-store.ts';
import { accumulate, record } from './stages.ts';

export interface ControlRequestPorts {
  readonly mediation: MediationPorts;
  readonly sessions: SessionStore;
  readonly household: Household;
  readonly emptyContext: (startedAt: number) => Session['context'];
  readonly submitSocket: string;
  readonly guardSocket: string;
  readonly deadlineMs: number;
  readonly keysKind: 'keychain' | 'passphrase' | 'memory';
  readonly shims: () => readonly string[];
  readonly calm: (session: Session, armed: ArmedPolicy) => Calm;
  readonly warnings: () => readonly string[];
  readonly reloadPolicy: () => Promise<{ readonly ok: boolean; readonly message: string }>;
  readonly rotateKey: () => Promise<{ readonly ok: boolean; readonly message: string }>;
  readonly checkpoint: () => Result<Checkpoint, { readonly message: string }>;
  readonly status: () => DaemonStatus;
  readonly refusals: RefusalRecorder;
  /** Lets a session through the proxy; the way is for its environment, where no guard routes it. */
  readonly admit: (session: Session) => Promise<Way | null>;
  /** Certificate of the session authority, PEM. */
  readonly authority: string;
  readonly credentials: CredentialRequestPorts;
  /** Where a session's SSH agent listens; null where no socket can be. */
  readonly agentSocket: (session: string) => string | null;
  readonly stop: () => void;
}

/** Requests that change what an agent may do: a person on a terminal of their own, or nobody. */
const GRANTS = new Set<ControlRequest['type']>([
  'approval.answer',
  'intent.set',
  'policy.reload',
  'keys.rotate',
  'credential.add',
  'credential.rotate',
  'credential.test',
]);
/** Requests that an agent's own process tree may not make either. */
const PERSONS = new Set<ControlRequest['type']>([
  'session.open',
  'preview.report',
  'stop',
  'agent.revoke',
  'approvals.list',
  'approvals.watch',
  'ledger.checkpoint',
  'credential.list',
  'credential.remove',
  'credential.revoke',
]);

/** So long a session that ended is told so; after that it is unknown, and its context is no longer held in memory. */
const REMEMBER_ENDED_MS = 10 * 60_000;

/** Answers the requests of the control door. Every grant is checked against where the asking process stands, now. */
export function createControlHandler(ports: ControlRequestPorts): ControlHandler {
  return async (request, client) => {
    const barred = presenceFault(request, client);
    if (barred !== null) {
      // An attempt to grant from the wrong place is worth a receipt: it may be an agent helping itself.
      ports.refusals.refuse('control', 'not_permitted', barred, { request: request.type, pid: client.pid });
      return fault(request, 'not_permitted', barred);
    }
    switch (request.type) {
      case 'session.open':
        return onOpen(ports, request, client);
      case 'session.close': {
        const session = ports.sessions.get(request.session);
        if (session === undefined || session.runnerPid !== client.pid)
          return fault(request, 'no_such_session', 'not a session of this process');
        await closeSession(ports.mediation, session, {
          exitCode: request.exit_code,
          signal: request.signal,
          reason: 'the agent ended',
        });
        return result(request, {});
      }
      case 'preview.report':
        return onPreview(ports, request, client);
      case 'sessions.list':
        return result(request, { sessions: ports.status().sessions });
      case 'intent.set':
        return onIntent(ports, request);
      case 'approvals.list':
        return result(request, { approvals: [...ports.mediation.approvals.pending()] });
      case 'approvals.watch': {
        client.onClose(ports.mediation.approvals.watch((view) => client.send({ type: 'approval', view })));
        return result(request, { approvals: [...ports.mediation.approvals.pending()] });
      }
      case 'approval.answer':
        return onAnswer(ports, request, client);
      case 'agent.revoke': {
        const session = ports.sessions.get(request.session);
        if (session === undefined)
          return fault(request, 'no_such_session', `no session \`${request.session}\``);
        session.revoked = request.reason;
        endTree(session, `the agent was revoked: ${request.reason}`);
        ports.mediation.approvals.withdrawSession(session.id, 'the agent was revoked');
        ports.mediation.deferrals.cancelSession(session.id, 'the agent was revoked');
        await record(ports.mediation, session, 'session', {
          event: 'revoked',
          identity: identityPart(session.identity),
          reason: request.reason,
        });
        return result(request, {});
      }
      case 'policy.status':
        return result(request, { policy: ports.status().policy });
      case 'policy.reload': {
        const reloaded = await ports.reloadPolicy();
        return reloaded.ok
          ? result(request, { message: reloaded.message })
          : fault(request, 'policy_refused', reloaded.message);
      }
      case 'keys.rotate': {
        const rotated = await ports.rotateKey();
        return rotated.ok
          ? result(request, { message: rotated.message })
          : fault(request, 'rotation_failed', rotated.message);
      }
      case 'ledger.checkpoint': {
        const made = ports.checkpoint();
        if (!made.ok) return fault(request, 'ledger', made.error.message);
        const { checkpoint, signature } = made.value;
        return result(request, { checkpoint: { checkpoint: { ...checkpoint }, signature } });
      }
      case 'credential.add':
      case 'credential.list':
      case 'credential.remove':
      case 'credential.rotate':
      case 'credential.revoke':
      case 'credential.test': {
        const answered = await onCredential(ports.credentials, request);
        return answered.ok
          ? result(request, answered.value as Extract<ControlReply, { type: 'result' }>['value'])
          : fault(request, answered.error.code, answered.error.message);
      }
      case 'status':
        return result(request, { status: ports.status() });
      case 'stop':
        setImmediate(ports.stop);
        return result(request, {});
      default:
        return unreachable(request);
    }
  };
}

function result(
  request: ControlRequest,
  value: Extract<ControlReply, { type: 'result' }>['value'],
): ControlReply {
  return { type: 'result', request: request.request, value };
}

function fault(request: ControlRequest, code: string, message: string): ControlReply {
  return { type: 'fault', request: request.request, code, message };
}

/** Why this client may not make this request, or null. */
function presenceFault(request: ControlRequest, client: ControlClient): string | null {
  if (!GRANTS.has(request.type) && !PERSONS.has(request.type)) return null;
  const presence = client.presence();
  switch (presence) {
    case 'session':
      return 'this comes from inside an agent session; answer from a terminal of your own';
    case 'unknown':
      // Where processes can be seen, one that cannot is gone, and what speaks is whoever inherited its connection.
      if (canSeeProcesses()) return 'the process that opened this connection is gone';
      return GRANTS.has(request.type)
        ? 'it cannot be seen on this platform which process asks; nothing is granted here'
        : null;
    case 'none':
      return GRANTS.has(request.type) ? 'this needs a terminal: run it by hand, not from a script' : null;
    case 'terminal':
      return null;
    default:
      return unreachable(presence);
  }
}

async function onOpen(
  ports: ControlRequestPorts,
  request: Extract<ControlRequest, { type: 'session.open' }>,
  client: ControlClient,
): Promise<ControlReply> {
  if (request.runner_pid !== client.pid)
    return fault(request, 'bad_pid', 'a session is opened by the process that runs it');
  if (request.assurance !== 'cooperative' && request.guard === null)
    return fault(request, 'no_guard', 'more than a cooperative session needs a kernel guard');
  const armed = ports.mediation.policy();
  if (armed === null)
    return fault(request, 'no_policy', 'no policy is armed; run `countersign policy check`');
  const opened = await openSession(ports.mediation, ports.household, ports.emptyContext, request);
  if (!opened.ok) return fault(request, 'not_recorded', opened.error);
  const session = opened.value;
  ports.sessions.sweep(ports.mediation.clock.now() - REMEMBER_ENDED_MS);
  ports.sessions.add(session);
  ports.mediation.survey?.begin(session);
  // Before anything of the session runs, and before its guard watches who reads.
  await (ports.mediation.reading?.settled(session) ?? null);
  const { service } = ports.credentials;
  for (const { name, value } of request.secrets ?? []) {
    const source = name.includes(':') ? name : `environment:${name}`;
    ports.mediation.reading?.noteText(
      session,
      { level: 'RESTRICTED', source, because: 'a variable that looks like a secret' },
      value,
    );
  }
  const placeholders = service.open(session, request.secrets ?? [], request.secret_settings ?? {});
  session.endings.add(() => service.forget(session.id));
  const way = await ports.admit(session);
  // Without it its programs would connect by themselves, unseen.
  if (session.guard === null && way === null) {
    const reason = 'the proxy of the firewall does not run; look at `countersign status`, and try again';
    await closeSession(ports.mediation, session, { exitCode: null, signal: null, reason });
    return fault(request, 'no_proxy', reason);
  }
  // The runner's connection is its life: when it goes, nobody can enforce for the session any more.
  client.onClose(() => {
    void closeSession(ports.mediation, session, {
      exitCode: null,
      signal: null,
      reason: 'the launcher went away',
    });
  });
  return result(request, {
    session: session.id,
    agent: session.identity.agent.id,
    secret: session.secret,
    submit_socket: ports.submitSocket,
    guard_socket: ports.guardSocket,
    proxy: way === null ? null : { ...way },
    authority: ports.authority,
    shims: [...ports.shims()],
    calm: session.guard === null ? ports.calm(session, armed) : null,
    policy: { version: armed.set.version, hash: armed.set.hash, rules: armed.set.rules.length },
    keys: ports.keysKind,
    assurance: session.assurance,
    warnings: [...ports.warnings(), ...placeholders.warnings],
    deadline_ms: ports.deadlineMs,
    environment: { ...placeholders.environment, ...agentVariable(ports, session.id) },
  });
}

/** A session with SSH keys finds its agent as every program does. */
function agentVariable(ports: ControlRequestPorts, session: string): Readonly<Record<string, string>> {
  const socket = ports.agentSocket(session);
  return socket === null || ports.credentials.service.recordsOf('ssh').length === 0
    ? {}
    : { SSH_AUTH_SOCK: socket };
}

/** What a preview showed and what became of it is a receipt, durable before anything of it is committed (R5). */
async function onPreview(
  ports: ControlRequestPorts,
  request: Extract<ControlRequest, { type: 'preview.report' }>,
  client: ControlClient,
): Promise<ControlReply> {
  const session = ports.sessions.get(request.session);
  if (session === undefined || session.runnerPid !== client.pid || session.guard?.preview !== true)
    return fault(request, 'no_such_session', 'not a preview of this process');
  const { step, changes, digest, sample, places, note } = request;
  const attempts = [...(session.attempts ?? [])];
  const recorded = await record(ports.mediation, session, 'session', {
    event: 'preview',
    identity: identityPart(session.identity),
    step,
    changes: { count: changes, digest, sample: [...sample] },
    places: [...places],
    attempts,
    note,
  });
  if (!recorded.ok) return fault(request, 'not_recorded', recorded.error);
  return result(request, { attempts });
}

/** What the person says the session is for: it may settle actions that wait for it (R2.d, R4.d1). */
async function onIntent(
  ports: ControlRequestPorts,
  request: Extract<ControlRequest, { type: 'intent.set' }>,
): Promise<ControlReply> {
  const session = ports.sessions.get(request.session);
  if (session === undefined || session.endedAt !== null)
    return fault(request, 'no_such_session', `no live session \`${request.session}\``);
  const at = ports.mediation.clock.now();
  session.intent = { text: request.text, source: 'app', at };
  accumulate(ports.mediation, session, 'intent', { text: request.text, source: 'app' });
  const recorded = await record(ports.mediation, session, 'session', {
    event: 'intent',
    identity: identityPart(session.identity),
    request: { text: request.text, source: 'app', at },
  });
  if (!recorded.ok) return fault(request, 'not_recorded', recorded.error);
  ports.mediation.deferrals.factArrived(session.id, 'request', 'intent_supplied');
  return result(request, {});
}

function onAnswer(
  ports: ControlRequestPorts,
  request: Extract<ControlRequest, { type: 'approval.answer' }>,
  client: ControlClient,
): ControlReply {
  const { approvals, clock } = ports.mediation;
  const found = approvals.find(request.approval);
  if (found === null)
    return fault(
      request,
      'no_such_approval',
      `no approval \`${request.approval}\` is pending; it may have been answered or timed out`,
    );
  const approver = `${ports.household.human.name} (terminal, pid ${client.pid})`;
  const at = clock.now();
  let state: FinalApprovalState;
  switch (request.answer) {
    case 'deny':
      state = { kind: 'denied', approver, at, note: request.note };
      break;
    case 'edit':
      if (request.command_line === null || request.command_line.trim() === '')
        return fault(request, 'bad_answer', 'an edit needs the command line to run instead');
      if (found.view.action.commands.length === 0)
        return fault(request, 'bad_answer', 'only a command can be edited; allow this or deny it');
      state = { kind: 'edited', approver, at, note: request.note, commandLine: request.command_line };
      break;
    case 'allow': {
      const scope = scopeOf(ports, request, found.approval.id);
      if (scope === null)
        return fault(request, 'bad_answer', 'this cannot be generalised for the session; allow it once');
      state = { kind: 'allowed', approver, at, note: request.note, scope };
      break;
    }
    default:
      return unreachable(request.answer);
  }
  const refused = approvals.answer(request.approval, request.digest, request.shown_at, state);
  return refused === null ? result(request, {}) : fault(request, refused.code, refused.message);
}

function scopeOf(
  ports: ControlRequestPorts,
  request: Extract<ControlRequest, { type: 'approval.answer' }>,
  id: string,
): ApprovalScope | null {
  if (request.scope === 'once') return { kind: 'once' };
  const pattern = ports.mediation.approvals.patternOf(id);
  return pattern === null ? null : { kind: 'session', pattern };
}
