import type { Action } from '../core/action.ts';
import type { ActionId, Digest, JsonObject } from '../core/brand.ts';
import type { ContextKind, Level } from '../core/context.ts';
import { type ClassifyRows, classifyReads, higherLevel } from '../core/data/classification.ts';
import type { Decision } from '../core/decision.ts';
import type { FactSet } from '../core/facts.ts';
import type { ReceiptKind } from '../core/receipt/receipt.ts';
import { err, ok, type Result } from '../core/result.ts';
import { literalAlignment } from '../core/semantic/alignment.ts';
import { type Carried, carriedText, dataPart } from './carried.ts';
import type { Answer, ArmedPolicy, MediationPorts } from './mediation.ts';
import type { ReadNews } from './reading.ts';
import { actionPart, contextPart, decisionPart, identityPart, intentPart } from './record.ts';
import { MAX_SEEN_READS, type Session } from './session-store.ts';

/** Evaluates an action against what is known at this moment (AARM R3); facts are gathered first, then nothing is fetched. */
export function evaluateNow(
  ports: MediationPorts,
  policy: ArmedPolicy,
  session: Session,
  action: Action,
): Decision {
  const decision = ports.evaluate(policy.compiled, factsNow(ports, session, action));
  return explained(decision, session, action, ports.carriedBy?.(session, action) ?? null);
}

/** A decision that stops something for what was read says where it was read: a person cannot judge it else. */
function explained(decision: Decision, session: Session, action: Action, carried: Carried | null): Decision {
  if (decision.result === 'ALLOW' || decision.rule === null) return decision;
  const { untrusted } = session.context;
  const said =
    untrusted !== null && decision.rule.startsWith('untrusted.')
      ? [`signs of ${untrusted.kinds.join(', ')} were in ${untrusted.source}`]
      : [];
  // An agent corrects what it is told: no value is in it, only names.
  const { faults } = action.parameters;
  const wrong =
    action.surface === 'mcp' && Array.isArray(faults) ? faults.filter((one) => typeof one === 'string') : [];
  const why = [...said, ...wrong, ...(carried === null ? [] : carriedText(carried))];
  return why.length === 0 ? decision : { ...decision, reason: `${decision.reason} (${why.join('; ')})` };
}

/** Gathers the facts for one evaluation; what is absent reads as unknown. */
export function factsNow(ports: MediationPorts, session: Session, action: Action): FactSet {
  const now = ports.clock.now();
  const carried = ports.carried?.(session, action);
  return {
    action,
    identity: session.identity,
    session: {
      assurance: session.assurance,
      workspace: session.workspace,
      home: session.home,
      startedAt: session.startedAt,
    },
    now,
    context: session.context,
    environment: ports.environment(action, now),
    alignment: literalAlignment(session.context.request, action),
    data: {
      classes: session.context.classes,
      level: session.context.classes.reduce<Level | null>(
        (a, b) => (a === null ? b : higherLevel(a, b)),
        null,
      ),
      // Only a request can hold one, and then it says so.
      ...(carried === undefined ? {} : { placeholder: null }),
      ...carried?.data,
      ...action.data,
    },
    destination: carried?.destination ?? {},
    grants: session.grants,
  };
}

/** Appends one entry to the session's context; it becomes durable with the next receipt (AARM R2). */
export function accumulate(
  ports: MediationPorts,
  session: Session,
  kind: ContextKind,
  body: JsonObject,
): void {
  const { entry, summary } = ports.appendEntry(session.context, kind, body, ports.clock.now());
  session.context = summary;
  session.unflushed.push(entry);
}

/** What policy itself says of how sensitive things are, for one session. */
export function classifyRowsFor(armed: ArmedPolicy | null, session: Session): ClassifyRows | null {
  const rows = armed?.set.classify ?? [];
  return rows.length === 0 ? null : { rows, home: session.home };
}

/** Puts what an action is about to read into the session's context (AARM R2.b); once for each thing. */
export function noteReads(ports: MediationPorts, session: Session, action: Action, under: ActionId): void {
  for (const { level, source, because } of classifyReads(
    action.effects,
    classifyRowsFor(ports.policy(), session),
  )) {
    const seen = `${level} ${source}`;
    if (session.seenReads.has(seen)) continue;
    if (session.seenReads.size >= MAX_SEEN_READS) session.seenReads.clear();
    session.seenReads.add(seen);
    accumulate(ports, session, 'data', { class: level, source, because, action: under });
  }
  ports.reading?.noteFiles(session, action.effects, under, (news) => noteNews(ports, session, news, under));
}

/** What was found in something that was read is in the session's context from now on (R2.b, T11). */
export function noteNews(ports: MediationPorts, session: Session, news: ReadNews, under: ActionId): void {
  const { raised, signals, source } = news;
  const fresh = (name: string) => {
    if (session.endedAt !== null || session.seenReads.has(name)) return false;
    if (session.seenReads.size >= MAX_SEEN_READS) session.seenReads.clear();
    session.seenReads.add(name);
    return true;
  };
  if (raised !== null && fresh(`${raised.level} ${raised.source}`))
    accumulate(ports, session, 'data', {
      class: raised.level,
      source: raised.source,
      because: raised.because,
      action: under,
    });
  if (signals.length === 0) return;
  const kinds = signals.map(({ kind, detector }) => `${kind}/${detector}`).join(' ');
  if (fresh(`untrusted ${source} ${kinds}`))
    accumulate(ports, session, 'data', {
      untrusted: signals.map(({ kind, detector, count }) => ({ kind, detector, count })),
      source,
      action: under,
    });
}

/** Makes a receipt durable, or says why not in time. The context entries gathered so far ride on the same commit. */
export async function record(
  ports: MediationPorts,
  session: Session,
  kind: ReceiptKind,
  body: JsonObject,
): Promise<Result<{ readonly id: string; readonly hash: Digest }, string>> {
  const entries = session.unflushed;
  session.unflushed = [];
  const contextEntries = entries.map((entry) => ({ ...entry, session: session.id }));
  const appended = ports.ledger.append({
    kind,
    session: session.id,
    at: ports.clock.now(),
    body,
    contextEntries,
  });
  let cancel: () => void = () => undefined;
  const late = new Promise<'late'>((resolve) => {
    cancel = ports.timers.after(ports.limits.ledgerMs, () => resolve('late'));
  });
  const result = await Promise.race([appended, late]);
  cancel();
  if (result === 'late') {
    // The append may still succeed: then the ledger would say ALLOW for something that was denied. Say so beside it.
    void appended.then((r) => {
      if (!r.ok || kind === 'outcome' || kind === 'refusal') return;
      const outcome = {
        result: 'not_executed',
        error: 'the receipt became durable too late; the surface was told DENY',
        ended_at: ports.clock.now(),
      };
      void ports.ledger.append({
        kind: 'outcome',
        session: session.id,
        at: ports.clock.now(),
        body: { decision_receipt: r.value.receipt.id, outcome },
      });
    });
    return err(`the ledger did not answer within ${ports.limits.ledgerMs} ms`);
  }
  if (!result.ok) {
    session.unflushed = [...entries, ...session.unflushed];
    return err(`the ledger cannot record: ${result.error.message}`);
  }
  return ok({ id: result.value.receipt.id, hash: result.value.hash });
}

/** The body that every receipt about an action shares. */
export function receiptBody(
  passage: { readonly session: Session; readonly action: Action },
  decision: Decision,
  carried: Carried | null = null,
): JsonObject {
  const { session, action } = passage;
  const data = carried === null ? null : dataPart(carried);
  return {
    action: actionPart(action),
    context: contextPart(session.context),
    identity: identityPart(session.identity),
    request: intentPart(session.intent),
    claim: session.claim?.text ?? null,
    ...(data === null ? {} : { data }),
    decision: decisionPart(decision),
  };
}

/** A DENY that no rule made. */
export function denial(
  action: ActionId | null,
  reason: string,
  receipt: string | null,
  decided: Decision['result'] = 'DENY',
): Answer {
  return {
    action,
    result: 'DENY',
    decided,
    rule: null,
    reason,
    instead: null,
    commandLine: null,
    argv: null,
    path: null,
    effect: false,
    receipt,
  };
}
