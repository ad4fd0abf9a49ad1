import type { AgentId, Digest, JsonObject, SessionId } from '../core/brand.ts';
import { clipped } from '../core/data/clip.ts';
import type { Identity } from '../core/identity.ts';
import { err, ok, type Result } from '../core/result.ts';
import { readProcess } from '../edge/process-tree.ts';
import type { ControlRequest } from '../wire/control.ts';
import { talliesOf } from './effect-tally.ts';
import type { MediationPorts } from './mediation.ts';
import { effectsPart, identityPart, intentPart } from './record.ts';
import type { GuardBounds, Session } from './session-store.ts';
import { accumulate, record } from './stages.ts';
import { recordOutcome } from './submit-door.ts';

type OpenRequest = Extract<ControlRequest, { type: 'session.open' }>;

/** What the daemon knows of the person and of itself. */
export interface Household {
  readonly human: Identity['human'];
  readonly service: Identity['service'];
  readonly home: string;
  readonly privileges: readonly string[];
}

/** An agent instance's key lives this long; then the session must be opened again (R6.g freshness). */
export const AGENT_LIFETIME_MS = 24 * 60 * 60 * 1000;

/**
 * Opens a session: mints its ids and secret, starts its context, and makes its first receipt durable (AARM R6). `binding` is `attested` where the
 * agent signs nothing and what it is was read from the system.
 */
export async function openSession(
  ports: MediationPorts,
  household: Household,
  emptyContext: (startedAt: number) => Session['context'],
  request: OpenRequest,
  binding: Identity['binding'] = 'signed',
): Promise<Result<Session, string>> {
  const now = ports.clock.now();
  const id = `sess_${ports.random.token(12)}` as SessionId;
  const agent = `agt_${ports.random.token(12)}` as AgentId;
  const identity: Identity = {
    human: household.human,
    service: household.service,
    agent: {
      id: agent,
      product: request.agent.product,
      version: request.agent.version,
      binaryHash: request.agent.binary_hash as Digest | null,
      publicKey: request.agent.public_key,
      mintedAt: now,
      expiresAt: now + AGENT_LIFETIME_MS,
    },
    sessionId: id,
    role: 'agent',
    privileges: household.privileges,
    delegation: [
      { from: household.human.name, to: agent, scope: 'session', expiresAt: now + AGENT_LIFETIME_MS },
    ],
    binding,
  };
  const session: Session = {
    id,
    identity,
    assurance: request.assurance,
    workspace: request.workspace,
    home: household.home,
    startedAt: now,
    runnerPid: request.runner_pid,
    runnerStartTicks: readProcess(request.runner_pid)?.startTicks ?? null,
    secret: ports.random.token(32),
    intent:
      request.intent === null || request.intent.trim() === ''
        ? null
        : { text: request.intent, source: 'launcher', at: now },
    claim: null,
    context: emptyContext(now),
    lastSequence: -1,
    grants: [],
    mandates: new Map(),
    unflushed: [],
    running: new Map(),
    seenReads: new Set(),
    gaps: 0,
    revoked: null,
    endedAt: null,
    guard: request.guard,
    effects: new Map(),
    endings: new Set(),
    ...(request.guard?.preview === true ? { attempts: new Set<string>() } : {}),
    notes: request.notes ?? [],
    farewells: new Set(),
  };
  accumulate(ports, session, 'session', {
    session: id,
    agent,
    assurance: session.assurance,
    workspace: session.workspace,
  });
  if (session.intent !== null)
    accumulate(ports, session, 'intent', { text: session.intent.text, source: session.intent.source });
  const armed = ports.policy();
  const body: JsonObject = {
    event: 'opened',
    identity: identityPart(identity),
    request: intentPart(session.intent),
    workspace: session.workspace,
    argv: request.argv.map((word) => clipped(word, 4096)).slice(0, 256),
    assurance: session.assurance,
    ...(session.guard === null ? {} : { guard: boundsPart(session.guard) }),
    policy: armed === null ? null : { version: armed.set.version, hash: armed.set.hash },
  };
  const recorded = await record(ports, session, 'session', body);
  return recorded.ok ? ok(session) : err(recorded.error);
}

/** What a guard holds, as the receipt keeps it. */
function boundsPart({ preview, ...bounds }: GuardBounds): JsonObject {
  return preview === true ? { ...bounds, preview } : bounds;
}

/** Tells whoever holds the session's process tree that it is over. */
export function endTree(session: Session, why: string): void {
  const endings = [...session.endings];
  session.endings.clear();
  for (const ending of endings) ending(why);
}

/** Ends a session: what waits is withdrawn, what has no outcome is recorded as unknown, and the end is a receipt. */
export async function closeSession(
  ports: MediationPorts,
  session: Session,
  how: { readonly exitCode: number | null; readonly signal: string | null; readonly reason: string },
): Promise<void> {
  if (session.endedAt !== null) return;
  const farewells = [...session.farewells];
  session.farewells.clear();
  for (const farewell of farewells) await farewell().catch(() => undefined);
  if (session.endedAt !== null) return;
  session.endedAt = ports.clock.now();
  endTree(session, how.reason);
  ports.approvals.withdrawSession(session.id, how.reason);
  ports.deferrals.cancelSession(session.id, how.reason);
  for (const [action, running] of session.running) {
    session.running.delete(action);
    running.redirection?.release();
    const outcome = {
      result: 'unknown',
      exitCode: null,
      signal: null,
      error: 'the session ended before its outcome arrived',
      outputHash: null,
      bytes: null,
      startedAt: null,
      endedAt: session.endedAt,
      effects: talliesOf(running.effects),
    } as const;
    await recordOutcome(ports, session, action, running.receipt, outcome);
  }
  accumulate(ports, session, 'session', { session: session.id, ended: true });
  await record(ports, session, 'session', {
    event: 'closed',
    identity: identityPart(session.identity),
    exit_code: how.exitCode,
    signal: how.signal,
    reason: how.reason,
    actions: session.context.actionCount,
    sequence_gaps: session.gaps,
    ...(session.effects.size === 0 ? {} : { effects: effectsPart(talliesOf(session.effects)) }),
  });
}
