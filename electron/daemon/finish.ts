import type { Action } from '../core/action.ts';
import type { ActionId, Digest, JsonObject, MandateId } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import type { ReceiptKind } from '../core/receipt/receipt.ts';
import { err, ok, type Result } from '../core/result.ts';
import { wordsAsLine } from '../wire/hook/tools.ts';
import { callDigest, spokenIn } from './call-mandate.ts';
import { talliesOf } from './effect-tally.ts';
import { footprintOf } from './effect-within.ts';
import type {
  Answer,
  ArmedPolicy,
  Envelope,
  GuardEnvelope,
  MediationPorts,
  Passage,
  Redirection,
} from './mediation.ts';
import { effectsPart, identityPart } from './record.ts';
import { MAX_RUNNING, type Session } from './session-store.ts';
import { accumulate, denial, factsNow, noteReads, receiptBody, record } from './stages.ts';

/** What happened to an action before the decision at hand. */
export interface Trail {
  /** What was decided first; STEP_UP and DEFER end as something else. */
  readonly decided: Decision['result'];
  /** Kind of the receipt that ends it. */
  readonly finalKind: ReceiptKind;
  /** Parts of the final receipt: `approval`, `deferral`, links to earlier receipts. */
  readonly extra: JsonObject;
  /** What runs in place of what was asked, when MODIFY or a person changed it. */
  readonly rewritten: {
    readonly argv: readonly string[] | null;
    readonly commandLine: string | null;
    readonly redirection?: Redirection;
    readonly arguments?: JsonObject;
  } | null;
  /** How often it was deferred already. */
  readonly round: number;
}

/** An action at its first decision. */
export function freshTrail(decision: Decision): Trail {
  return { decided: decision.result, finalKind: 'decision', extra: {}, rewritten: null, round: 0 };
}

/** The switch over the five decisions, given to what must resume it. */
export type Enforce = (
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
) => Promise<Answer>;

/**
 * Ends an action: the final receipt is durable before the surface hears anything but DENY.
 * INVARIANT (record before reply): ALLOW and MODIFY are only ever returned from here, after `record` succeeded.
 */
export async function finish(
  ports: MediationPorts,
  passage: Passage,
  decision: Decision,
  result: 'ALLOW' | 'DENY',
  trail: Trail,
): Promise<Answer> {
  const { session, action } = passage;
  const final = result === 'DENY' ? 'DENY' : trail.rewritten === null ? 'ALLOW' : 'MODIFY';
  accumulate(ports, session, 'decision', { action: action.id, result: final, rule: decision.rule });
  const body = {
    ...receiptBody(passage, { ...decision, result: final }, ports.carriedBy?.(session, action)),
    decided: trail.decided,
    ...trail.extra,
  };
  const recorded = await record(ports, session, trail.finalKind, body);
  const redirection = trail.rewritten?.redirection ?? null;
  if (!recorded.ok) {
    redirection?.release();
    const reason = `denied because it could not be recorded: ${recorded.error}`;
    accumulate(ports, session, 'decision', { action: action.id, result: 'DENY', rule: null });
    return denial(action.id, reason, null, trail.decided);
  }
  const answer: Answer = {
    action: action.id,
    result: final,
    decided: trail.decided,
    rule: decision.rule,
    reason: decision.reason,
    instead: decision.instead,
    commandLine: final === 'MODIFY' ? (trail.rewritten?.commandLine ?? null) : null,
    argv: final === 'MODIFY' ? (trail.rewritten?.argv ?? null) : null,
    path: final === 'MODIFY' ? (redirection?.path ?? null) : null,
    ...(final === 'MODIFY' && trail.rewritten?.arguments !== undefined
      ? { arguments: trail.rewritten.arguments }
      : {}),
    effect: false,
    receipt: recorded.value.id,
  };
  if (result === 'ALLOW') {
    // Closing a session settles what ran in it; what becomes durable after that has nobody left to run it.
    if (passage.cancelled() || session.endedAt !== null) {
      redirection?.release();
      return abandoned(ports, passage, answer);
    }
    const answered = trail.extra.approval !== undefined;
    const settled = answered ? decision.missing.map(({ path }) => path) : [];
    const asked = answered || isGranted(ports, session, action, decision);
    startRunning(ports, passage, recorded.value.id, asked, settled, redirection);
    expectCall(ports, passage, decision);
    // What it is about to read counts as read from now on: the next action is judged with it (R2.b).
    noteReads(ports, session, action, action.id);
  }
  return answer;
}

/** The submitter went away between decision and reply: nothing ran, and the ledger says so. */
function abandoned(ports: MediationPorts, passage: Passage, answer: Answer): Answer {
  const outcome = {
    result: 'not_executed',
    error: 'the surface went away before it heard the decision',
    ended_at: ports.clock.now(),
  };
  const body = {
    decision_receipt: answer.receipt,
    action_id: passage.action.id,
    identity: identityPart(passage.session.identity),
    outcome,
  };
  void record(ports, passage.session, 'outcome', body);
  return denial(passage.action.id, 'the surface went away', answer.receipt, answer.decided);
}

/** Whether nobody was asked because a person had answered for the session: then it was asked about all the same. */
function isGranted(ports: MediationPorts, session: Session, action: Action, decision: Decision): boolean {
  const policy = ports.policy();
  if (session.grants.length === 0 || decision.result !== 'ALLOW' || policy === null) return false;
  const facts = { ...factsNow(ports, session, action), grants: [] };
  return ports.evaluate(policy.compiled, facts).result === 'STEP_UP';
}

/** Opens the mandate of an action that was let through; `asked`: a person answered for it. */
function startRunning(
  ports: MediationPorts,
  passage: Passage,
  receipt: string,
  asked: boolean,
  settled: readonly string[],
  redirection: Redirection | null,
): void {
  const { session, action } = passage;
  session.running.set(action.id, {
    receipt,
    digest: action.digest,
    effects: new Map(),
    footprint: footprintOf(action, asked),
    asked,
    settled,
    redirection,
  });
  if (session.running.size > MAX_RUNNING) {
    const [oldest] = session.running;
    if (oldest !== undefined) {
      const [id, running] = oldest;
      session.running.delete(id);
      running.redirection?.release();
      const error = 'too many actions of this session run at once to wait for the outcome of the oldest';
      void record(ports, session, 'outcome', {
        decision_receipt: running.receipt,
        action_id: id,
        identity: identityPart(session.identity),
        outcome: {
          result: 'unknown',
          error,
          ended_at: ports.clock.now(),
          effects: effectsPart(talliesOf(running.effects)),
        },
      });
    }
  }
  // What a script's commands may do is decided when each is reached.
  // But a person who was asked about the whole was shown its commands, and is not asked again by the kernel guard.
  if (action.partsFollow && !(asked && action.surface === 'guard')) return;
  const commands: Digest[] = [];
  action.commands.forEach((command, index) => {
    // What a shim starts, or runs in place of what was asked, is met once more by the kernel guard, where there is one; else only what
    // it wraps will be.
    const met = session.guard !== null && (action.surface === 'shell' || action.modifiedFrom !== null);
    if (action.operation === 'exec' && command.via.length === 0 && !met) return;
    const text = ports.mandateText(action, index);
    if (text !== null) commands.push(ports.hasher.sha256(text));
  });
  openMandate(ports, session, action, commands);
}

/** What an agent's hook was allowed, the MCP bridge meets next. */
function expectCall(ports: MediationPorts, { session, action }: Passage, decision: Decision): void {
  const digest = action.surface === 'hook' ? callDigest(action, ports.hasher) : null;
  if (digest !== null) openMandate(ports, session, action, [digest], spokenIn(decision));
}

function openMandate(
  ports: MediationPorts,
  session: Session,
  action: Action,
  commands: readonly Digest[],
  answered?: readonly string[],
): void {
  if (commands.length === 0) return;
  const id = `mnd_${ports.random.token(9)}` as MandateId;
  session.mandates.set(id, {
    id,
    actionId: action.id,
    digest: action.digest,
    commands,
    ...(answered === undefined ? {} : { answered }),
    expiresAt: ports.clock.now() + ports.limits.mandateMs,
  });
  if (session.mandates.size > 256) {
    const oldest = session.mandates.keys().next().value;
    if (oldest !== undefined) session.mandates.delete(oldest);
  }
}

const ONLY_COMMANDS = 'only a command can be changed';

/** Builds the second action of a MODIFY or of a person's edit; its receipt binds both digests. */
export function rebuild(
  ports: MediationPorts,
  passage: Passage,
  instead: { readonly argv: readonly string[] | null; readonly commandLine: string | null },
): Result<Passage, string> {
  if (passage.envelope.surface === 'guard') return rebuildStart(ports, passage, passage.envelope, instead);
  const { surface } = passage.envelope;
  if (surface === 'file' || surface === 'http' || surface === 'mcp') return err(ONLY_COMMANDS);
  if (passage.envelope.surface === 'hook') {
    const { call } = passage.envelope;
    if (call.kind !== 'shell') return err(ONLY_COMMANDS);
    const commandLine = instead.commandLine ?? wordsAsLine(instead.argv ?? []);
    return rebuilt(ports, passage, { ...passage.envelope, call: { ...call, commandLine } });
  }
  const envelope = {
    ...passage.envelope,
    operation: instead.argv === null ? ('run' as const) : ('exec' as const),
    argv: instead.argv === null ? null : [...instead.argv],
    argv_base64: null,
    command_line: instead.commandLine,
    script: null,
    parts_follow: false,
  };
  return rebuilt(ports, passage, envelope);
}

/** A program start is changed as the kernel guard will carry it out; a change of a file or a connection cannot be. */
function rebuildStart(
  ports: MediationPorts,
  passage: Passage,
  envelope: GuardEnvelope,
  instead: NonNullable<GuardEnvelope['instead']>,
): Result<Passage, string> {
  if (envelope.question.kind !== 'exec') return err(ONLY_COMMANDS);
  return rebuilt(ports, passage, { ...envelope, script: null, instead });
}

/** Builds the second action of a MODIFY of an MCP call: the same call with other arguments. */
export function rebuildCall(
  ports: MediationPorts,
  passage: Passage,
  changed: JsonObject,
): Result<Passage, string> {
  const { envelope } = passage;
  if (envelope.surface !== 'mcp' || envelope.operation !== 'call') return err(ONLY_COMMANDS);
  return rebuilt(ports, passage, { ...envelope, arguments: changed });
}

function rebuilt(ports: MediationPorts, passage: Passage, envelope: Envelope): Result<Passage, string> {
  const id = `act_${ports.random.token(12)}` as ActionId;
  const { session, action } = passage;
  const built = ports.normalize({
    id,
    at: ports.clock.now(),
    session,
    envelope,
    modifiedFrom: action.digest,
  });
  if (!built.ok) return err(`the changed command could not be understood: ${built.error.message}`);
  return ok({ ...passage, action: built.value });
}

/** What was asked before it was changed, kept for the audit. */
export function originalOf(action: Action): JsonObject {
  return {
    id: action.id,
    tool: action.tool,
    operation: action.operation,
    parameters: action.parameters,
    digest: action.digest,
  };
}
