import type { Socket } from 'node:net';
import type { ActionId, Digest } from '../core/brand.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Verifier } from '../core/ports.ts';
import { canonicalForm } from '../core/receipt/canonical.ts';
import { unreachable } from '../core/result.ts';
import { type LineConnection, serveLines } from '../edge/line-socket.ts';
import { macHex } from '../edge/mac.ts';
import {
  type ActionMessage,
  type HookMessage,
  MAX_HELLO_LINE,
  MAX_SUBMIT_LINE,
  type OutcomeMessage,
  parseLine,
  SUBMIT_VERSION,
  type SubmitReply,
  submitMessageSchema,
} from '../wire/submit.ts';
import { talliesOf } from './effect-tally.ts';
import type { Gate } from './gate.ts';
import type { HookService } from './hook-service.ts';
import type { McpKeeper } from './mcp-keeper.ts';
import { mediate } from './mediate.ts';
import type { Answer, MediationPorts, WaitingNotice } from './mediation.ts';
import { identityPart, outcomePart } from './record.ts';
import type { RefusalRecorder } from './refusals.ts';
import type { Scheduler } from './scheduler.ts';
import { identityFault, type Session, type SessionStore } from './session-store.ts';
import { accumulate, denial, record } from './stages.ts';

export interface SubmitDoorPorts {
  readonly mediation: MediationPorts;
  readonly sessions: SessionStore;
  readonly verifier: Verifier;
  readonly scheduler: Scheduler;
  readonly refusals: RefusalRecorder;
  readonly gate: Gate;
  /** Answers what hooks inside a session tell; absent: they are refused. */
  readonly hooks?: HookService;
  /** What the MCP bridge adds: pinned definitions, and what came back. */
  readonly mcp: McpKeeper;
  /** What a surface should wait for a first sign of life before it denies by itself. */
  readonly deadlineMs: number;
  readonly helloMs: number;
  /** Milliseconds that one line may take to arrive whole. */
  readonly lineMs: number;
}

/** One request that waits on a connection. */
interface Pending {
  cancelled: boolean;
  readonly callbacks: (() => void)[];
}

/**
 * Serves one connection of the submit door: anyone may knock, and nothing but submitting can be done (architecture.md).
 * What is malformed closes the connection and leaves a receipt; what is not signed by the session's agent instance is denied.
 */
export function serveSubmit(ports: SubmitDoorPorts, socket: Socket): void {
  const { mediation } = ports;
  let session: Session | null = null;
  let nonce = '';
  const pending = new Map<string, Pending>();

  const cancelAll = () => {
    for (const request of pending.values()) {
      request.cancelled = true;
      for (const callback of request.callbacks) callback();
    }
    pending.clear();
  };
  const visitor = ports.gate.arrive(() => socket.destroy());
  // A stranger has nothing long to say: memory is for those whose session is known.
  const limits = {
    maxLine: () => (session === null ? MAX_HELLO_LINE : MAX_SUBMIT_LINE),
    lineMs: ports.lineMs,
  };
  const line: LineConnection = serveLines(socket, limits, {
    onLine: (text) => onLine(text),
    onClose: () => {
      visitor.leave();
      cancelHello();
      cancelAll();
    },
    onBroken: (fault) => {
      ports.refusals.refuse('submit', fault.code, fault.message);
      reply({ v: SUBMIT_VERSION, type: 'refused', request: null, code: fault.code, message: fault.message });
    },
  });
  const cancelHello = mediation.timers.after(ports.helloMs, () => {
    if (session !== null) return;
    ports.refusals.refuse('submit', 'no_hello', 'a connection never said which session it speaks for');
    socket.destroy();
  });

  /** Sealed once a session is known; before that nobody could check a seal. */
  function reply(message: SubmitReply): void {
    const body = JSON.stringify(message);
    line.send(
      session === null ? body : JSON.stringify({ body, mac: macHex(session.secret, `${nonce}\n${body}`) }),
    );
  }

  function refuse(request: string | null, code: string, message: string): void {
    ports.refusals.refuse('submit', code, message);
    reply({ v: SUBMIT_VERSION, type: 'refused', request, code, message });
    line.end();
  }

  function onLine(text: string): void {
    const parsed = parseLine(text, submitMessageSchema);
    if (!parsed.ok) return refuse(null, parsed.error.code, parsed.error.message);
    const message = parsed.value;
    if (message.type === 'hello') {
      if (session !== null) return refuse(null, 'bad_order', 'hello came twice');
      const found = ports.sessions.get(message.session);
      if (found === undefined) {
        return refuse(
          null,
          'unknown_session',
          'this session is not known to the running daemon; start it again with `countersign run`',
        );
      }
      if (!visitor.introduce(found.id))
        return refuse(null, 'too_many_connections', 'this session has too many connections already');
      session = found;
      nonce = message.nonce;
      cancelHello();
      return reply({ v: SUBMIT_VERSION, type: 'welcome', deadline_ms: ports.deadlineMs });
    }
    if (session === null) return refuse(null, 'bad_order', 'the first line must be hello');
    const current = session;
    switch (message.type) {
      case 'cancel': {
        const request = pending.get(message.request);
        if (!request) return;
        request.cancelled = true;
        for (const callback of request.callbacks) callback();
        return;
      }
      case 'hook':
      case 'action':
      case 'outcome': {
        if (message.envelope.session !== current.id)
          return refuse(message.request, 'other_session', 'the envelope names another session');
        if (pending.has(message.request))
          return refuse(message.request, 'duplicate_request', 'this request id is in use on the connection');
        // Checked before it is queued: who only knows a session's name must not fill that session's queue.
        const fault = authenticate(ports, current, message.envelope, message.signature);
        if (fault !== null) return unauthentic(current, message, fault);
        const entry: Pending = { cancelled: false, callbacks: [] };
        if (message.type !== 'outcome') pending.set(message.request, entry);
        const queued = ports.scheduler.enqueue(current.id, () => {
          if (message.type === 'action') onAction(current, message, entry);
          else if (message.type === 'hook') onHook(current, message, entry);
          else void onOutcome(current, message);
        });
        if (queued) return;
        pending.delete(message.request);
        ports.refusals.refuse('submit', 'queue_full', `queue of ${current.id} is full`);
        if (message.type === 'action')
          answer(
            message.request,
            denial(null, 'the firewall is overloaded by this session; wait and try again', null),
          );
        else if (message.type === 'hook')
          reply({
            v: SUBMIT_VERSION,
            type: 'refused',
            request: message.request,
            code: 'queue_full',
            message: 'the firewall is overloaded by this session; wait and try again',
          });
        else reply({ v: SUBMIT_VERSION, type: 'recorded', request: message.request, receipt: null });
        return;
      }
      default:
        return unreachable(message);
    }
  }

  function answer(request: string, a: Answer, withheld: readonly string[] = []): void {
    reply({
      v: SUBMIT_VERSION,
      type: 'decision',
      request,
      action: a.action,
      result: a.result,
      decided: a.decided,
      rule: a.rule,
      reason: a.reason,
      instead: a.instead,
      command_line: a.commandLine,
      argv: a.argv === null ? null : [...a.argv],
      ...(a.arguments === undefined ? {} : { arguments: JSON.stringify(a.arguments) }),
      ...(withheld.length === 0 ? {} : { withheld: [...withheld] }),
      effect: a.effect,
      receipt: a.receipt,
    });
  }

  /** An identity that is over is told so; a line that the agent instance did not send ends the connection. */
  function unauthentic(
    current: Session,
    message: ActionMessage | OutcomeMessage | HookMessage,
    fault: Unauthentic,
  ): void {
    ports.refusals.refuse('submit', fault.code, `${current.id}: ${fault.message}`);
    if (message.type === 'action')
      answer(message.request, denial(null, `identity could not be verified: ${fault.message}`, null));
    else if (message.type === 'hook')
      reply({
        v: SUBMIT_VERSION,
        type: 'refused',
        request: message.request,
        code: fault.code,
        message: `identity could not be verified: ${fault.message}`,
      });
    else reply({ v: SUBMIT_VERSION, type: 'recorded', request: message.request, receipt: null });
    if (fault.code !== 'identity') line.end();
  }

  /** Who waits for one request of this connection; `withheld`: tools that nobody may use meanwhile. */
  function askerOf(request: string, entry: Pending, withheld: readonly string[] = []) {
    return {
      notify: (n: WaitingNotice) =>
        reply({
          v: SUBMIT_VERSION,
          type: 'waiting',
          request,
          action: n.action,
          state: n.state,
          reason: n.reason,
          rule: n.rule,
          approval: n.approval,
          deadline: n.deadline,
          ...(withheld.length === 0 ? {} : { withheld: [...withheld] }),
        }),
      cancelled: () => entry.cancelled,
      onCancel: (callback: () => void) => {
        if (entry.cancelled) callback();
        else entry.callbacks.push(callback);
      },
    };
  }

  function onHook(current: Session, message: HookMessage, entry: Pending): void {
    const { request, envelope } = message;
    if (ports.hooks === undefined) return refuse(request, 'no_hooks', 'hooks are not answered here');
    const { agent, event, payload, pid } = envelope;
    void ports.hooks
      .answer(current, { agent, event, payload, pid }, askerOf(request, entry))
      .then((answered) => {
        pending.delete(request);
        reply({ v: SUBMIT_VERSION, type: 'hooked', request, ...answered });
      });
  }

  function onAction(current: Session, message: ActionMessage, entry: Pending): void {
    const { request, envelope } = message;
    const findings = envelope.surface === 'mcp' ? ports.mcp.findings(current, envelope) : [];
    const withheld = [...new Set(findings.map(({ tool }) => tool))];
    const submission = { session: current, envelope, ...askerOf(request, entry, withheld) };
    const decided = mediate(mediation, submission);
    // Only the tools that are new or changed wait; the others are usable, and known from now on.
    if (envelope.surface === 'mcp' && withheld.length > 0) ports.mcp.accept(current, envelope, withheld);
    void decided.then((a) => {
      pending.delete(request);
      if (envelope.surface !== 'mcp' || a.result === 'DENY') return answer(request, a, withheld);
      if (ports.mcp.accept(current, envelope, [])) return answer(request, a);
      const reason = 'the definitions of these tools could not be pinned';
      answer(request, denial(a.action, reason, a.receipt, a.decided), withheld);
    });
  }

  async function onOutcome(current: Session, message: OutcomeMessage): Promise<void> {
    const { request, envelope } = message;
    const id = envelope.action as ActionId;
    const running = current.running.get(id);
    if (running === undefined) return reply({ v: SUBMIT_VERSION, type: 'recorded', request, receipt: null });
    current.running.delete(id);
    const { returned } = envelope;
    if (returned !== undefined) ports.mcp.returned(current, id, returned);
    const receipt = await recordOutcome(mediation, current, id, running.receipt, {
      result: envelope.result,
      exitCode: envelope.exit_code,
      signal: envelope.signal,
      error: envelope.error,
      outputHash: (returned?.digest ?? null) as Digest | null,
      bytes: returned?.bytes ?? null,
      startedAt: envelope.started_at,
      endedAt: envelope.ended_at,
      effects: talliesOf(running.effects),
    });
    reply({ v: SUBMIT_VERSION, type: 'recorded', request, receipt });
  }
}

/** Writes the second, linked receipt of an action (R5.g) and lets those that waited for it go on; its id, or null. */
export async function recordOutcome(
  mediation: MediationPorts,
  session: Session,
  action: ActionId,
  decisionReceipt: string,
  outcome: Outcome,
): Promise<string | null> {
  accumulate(mediation, session, 'outcome', { action, result: outcome.result, exit_code: outcome.exitCode });
  const recorded = await record(mediation, session, 'outcome', {
    decision_receipt: decisionReceipt,
    action_id: action,
    identity: identityPart(session.identity),
    outcome: outcomePart(outcome),
  });
  mediation.deferrals.factArrived(session.id, 'history', 'prior_action_finished');
  return recorded.ok ? recorded.value.id : null;
}

interface Unauthentic {
  readonly code: 'identity' | 'bad_signature' | 'replay';
  readonly message: string;
}

/**
 * Checks an envelope's signature and sequence (R6.g, R6.j); null when it is the agent instance's own next message.
 * The sequence only ever rises, so a recorded message cannot be played again.
 */
function authenticate(
  ports: SubmitDoorPorts,
  session: Session,
  envelope: { readonly sequence: number },
  signature: string,
): Unauthentic | null {
  const fault = identityFault(session, ports.mediation.clock.now());
  if (fault !== null) return { code: 'identity', message: fault };
  const canonical = canonicalForm(envelope);
  if (!canonical.ok) return { code: 'bad_signature', message: 'the envelope has no canonical form' };
  const digest: Digest = ports.mediation.hasher.sha256(canonical.value);
  if (!ports.verifier.verify(session.identity.agent.publicKey, bytesOfHex(digest), signature))
    return { code: 'bad_signature', message: 'bad signature' };
  if (envelope.sequence <= session.lastSequence)
    return { code: 'replay', message: 'this message was sent before' };
  session.gaps += envelope.sequence - session.lastSequence - 1;
  session.lastSequence = envelope.sequence;
  return null;
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
