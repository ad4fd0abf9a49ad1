import type { Action } from '../core/action.ts';
import type { ActionId, Digest, JsonObject } from '../core/brand.ts';
import { clipped } from '../core/data/clip.ts';
import { callWithin } from './call-mandate.ts';
import { takesOut } from './carried.ts';
import { countEffect } from './effect-tally.ts';
import { effectWithin } from './effect-within.ts';
import { enforce } from './enforce.ts';
import type { Answer, Envelope, MediationPorts, Passage, WaitingNotice } from './mediation.ts';
import { actionPart, actionText, identityPart } from './record.ts';
import { redactedAnswer, redactedNotice } from './redaction.ts';
import { identityFault, type Session } from './session-store.ts';
import { accumulate, denial, evaluateNow, record } from './stages.ts';

/** What the door gives for one submitted action. */
export interface Submission {
  readonly session: Session;
  readonly envelope: Envelope;
  /** The running action that this was met under, when the surface knows: what it covers is an effect of it. */
  readonly scope?: ActionId | null | ((action: Action) => ActionId | null);
  readonly notify: (notice: WaitingNotice) => void;
  readonly cancelled: () => boolean;
  readonly onCancel: (callback: () => void) => void;
  /** Told what it is about, once that is understood. */
  readonly onAction?: (action: Action) => void;
}

/**
 * Takes one intercepted action through all stages in order (docs/architecture.md): normalize, identify, accumulate, evaluate,
 * enforce, record, reply (AARM R1, R4).
 * INVARIANT (no fail-open): every throw, fault and timeout in here ends as DENY.
 */
export async function mediate(ports: MediationPorts, submission: Submission): Promise<Answer> {
  const id = `act_${ports.random.token(12)}` as ActionId;
  const told = (answer: Answer) => redactedAnswer(answer, ports.redactor);
  const notify = (notice: WaitingNotice) => submission.notify(redactedNotice(notice, ports.redactor));
  try {
    return told(await mediateOrThrow(ports, { ...submission, notify }, id));
  } catch (cause) {
    const reason = `denied because the firewall itself failed: ${cause instanceof Error ? cause.message : 'unknown failure'}`;
    await refuse(ports, submission.session, 'internal', reason, id).catch(() => undefined);
    return told(denial(id, reason, null));
  }
}

async function mediateOrThrow(ports: MediationPorts, submission: Submission, id: ActionId): Promise<Answer> {
  const { session, envelope } = submission;
  const now = ports.clock.now();

  // normalize
  const normalized = ports.normalize({ id, at: now, session, envelope, modifiedFrom: null });
  if (!normalized.ok) {
    const reason = `the command could not be understood: ${normalized.error.message}`;
    const receipt = await refuse(ports, session, normalized.error.code, reason, id);
    return denial(id, reason, receipt);
  }
  const action = normalized.value;
  submission.onAction?.(action);

  // identify
  const fault = identityFault(session, now);
  if (fault !== null) {
    const reason = `identity is not valid now: ${fault}`;
    const receipt = await refuse(ports, session, fault, reason, id, action);
    return denial(id, reason, receipt);
  }
  const policy = ports.policy();
  if (policy === null) {
    const reason = 'no policy is armed; run `countersign policy check` and fix what it names';
    return denial(id, reason, await refuse(ports, session, 'no_policy', reason, id, action));
  }

  // a second interception of what was just decided is an effect of it
  const mandated = takeMandate(ports, session, action, envelope);
  if (mandated !== null) return mandated;
  // What the session is reading just now belongs to what it is judged by; what it could have read unseen, too.
  if (takesOut(action)) ports.survey?.refresh(session);
  const settled = ports.reading?.settled(session) ?? null;
  if (settled !== null) await settled;
  const { scope = null } = submission;
  const within = typeof scope === 'function' ? scope(action) : scope;
  const effect = effectWithin(ports, policy, session, within, action);
  if (effect !== null) return effect;
  const told = callWithin(ports, policy, session, action);
  if (told !== null) return told;

  // accumulate
  const claim = envelope.surface === 'shell' ? envelope.claim : null;
  if (claim !== null && claim !== session.claim?.text) {
    session.claim = { text: claim, at: now };
    accumulate(ports, session, 'claim', { text: claim });
  }
  accumulate(ports, session, 'action', {
    id: action.id,
    tool: action.tool,
    operation: action.operation,
    summary: summaryOf(action),
    digest: action.digest,
    entities: entitiesOf(action),
  });

  // evaluate, enforce, record, reply
  const passage: Passage = {
    session,
    envelope,
    action,
    cancelled: submission.cancelled,
    onCancel: submission.onCancel,
    notify: submission.notify,
  };
  const decision = evaluateNow(ports, policy, session, action);
  return enforce(ports, policy, passage, decision);
}

/** Records something that never became a judged action (R1.d); null when even that failed. */
async function refuse(
  ports: MediationPorts,
  session: Session,
  code: string,
  reason: string,
  id: ActionId,
  action?: Action,
): Promise<string | null> {
  const body: JsonObject = {
    refusal: { code, reason, action: id },
    identity: identityPart(session.identity),
    ...(action ? { action: actionPart(action) } : {}),
    decision: { result: 'DENY', policy_id: null, reason },
  };
  const recorded = await record(ports, session, 'refusal', body);
  return recorded.ok ? recorded.value.id : null;
}

/**
 * Matches a second interception of a simple command against the mandates of its session: each judged command may
 * be met once more within the mandate's life, in the same directory, with the same words.
 */
function takeMandate(
  ports: MediationPorts,
  session: Session,
  action: Action,
  envelope: Envelope,
): Answer | null {
  if (action.operation !== 'exec' || session.mandates.size === 0) return null;
  const now = ports.clock.now();
  const texts = action.commands.map((_, index) => ports.mandateText(action, index));
  // Each reading of what starts: as it was judged, or as one start under another of its names.
  const readings = [texts, ...ports.startTexts(action, envelope).map((text) => [text])];
  for (const [key, mandate] of session.mandates) {
    if (now >= mandate.expiresAt) {
      session.mandates.delete(key);
      continue;
    }
    const running = session.running.get(mandate.actionId);
    const left = leftOf(ports, mandate.commands, readings);
    if (left === null) continue;
    if (left.length === 0) session.mandates.delete(key);
    else session.mandates.set(key, { ...mandate, commands: left });
    if (running !== undefined) countEffect(running.effects, ports.hasher, 'execute', action.digest);
    return {
      action: mandate.actionId,
      result: 'ALLOW',
      decided: 'ALLOW',
      rule: null,
      reason: 'covered by the decision that was just made for this command',
      instead: null,
      commandLine: null,
      argv: null,
      path: null,
      effect: true,
      receipt: running?.receipt ?? null,
    };
  }
  return null;
}

/** What a mandate has left once a reading was taken from it; null when it covers none. */
function leftOf(
  ports: MediationPorts,
  commands: readonly Digest[],
  readings: readonly (readonly (string | null)[])[],
): Digest[] | null {
  for (const texts of readings) {
    const left = [...commands];
    const covered = texts.every((text) => {
      if (text === null) return false;
      const at = left.indexOf(ports.hasher.sha256(text));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    });
    if (covered && texts.length > 0) return left;
  }
  return null;
}

const MAX_SUMMARY = 200;

/** One line for histories. */
function summaryOf(action: Action): string {
  const text = actionText(action).replace(/\s+/g, ' ').trim();
  return text.length > MAX_SUMMARY ? `${clipped(text, MAX_SUMMARY)}…` : text;
}

/** The things an action touches, named, bounded. */
function entitiesOf(action: Action): readonly string[] {
  const names = new Set<string>();
  for (const effect of action.effects) {
    if (effect.object.known && effect.object.value !== '' && names.size < 16)
      names.add(`${effect.object.kind}:${effect.object.value}`);
  }
  return [...names];
}
