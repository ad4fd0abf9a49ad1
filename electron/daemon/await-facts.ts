import type { ActionId, DeferralId } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import type { Deferral } from '../core/deferral.ts';
import { unreachable } from '../core/result.ts';
import type { FinalApprovalState } from './approval-service.ts';
import { approvalView } from './approval-view.ts';
import { freshHandle, openApproval, settle, staleness } from './await-person.ts';
import { MAX_DEFERRAL_DEPTH, MAX_PARKED_PER_SESSION } from './deferral-service.ts';
import { type Enforce, finish, type Trail } from './finish.ts';
import type { Answer, ArmedPolicy, MediationPorts, Passage } from './mediation.ts';
import { deferralPart } from './record.ts';
import { accumulate, denial, evaluateNow, receiptBody, record } from './stages.ts';

/** Resolvers that need no person; everything else is asked. */
const UNATTENDED = new Set(['prior_action', 'environment']);
/** A fact that can be fetched without anybody gets this long before a person is asked instead. */
const ESCALATE_MS = 3000;
const FIRST_REREAD_MS = 50;
const SLOWEST_REREAD_MS = 1000;

type Blocker = { readonly id: ActionId; readonly depth: number };

/**
 * DEFER: parks the action with the facts it lacks and starts the resolvers that can fetch them; resumes by evaluating
 * again. Two receipts: one now, one when it ends (AARM R4.d1–d8).
 */
export async function waitForFacts(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
  again: Enforce,
  blockers: readonly Blocker[],
): Promise<Answer> {
  const { session, action } = passage;
  const now = ports.clock.now();
  const depth = Math.max(0, ...blockers.map((b) => b.depth + 1));
  const deny = (reason: string, extra = trail.extra) =>
    finish(ports, passage, { ...decision, result: 'DENY', reason }, 'DENY', {
      ...trail,
      finalKind: 'decision',
      extra,
    });
  if (trail.round >= ports.limits.deferralRounds)
    return deny(`still undecidable after ${trail.round} tries: ${decision.reason}`);
  if (depth > MAX_DEFERRAL_DEPTH)
    return deny(`too many deferred actions stand before it (more than ${MAX_DEFERRAL_DEPTH} deep)`);
  if (ports.deferrals.parkedIn(session.id) >= MAX_PARKED_PER_SESSION) {
    return deny(`too many actions of this session are deferred already (${MAX_PARKED_PER_SESSION})`);
  }

  const parked: Deferral = {
    id: `dfr_${ports.random.token(9)}` as DeferralId,
    actionId: action.id,
    reason: decision.reason,
    missing: decision.missing,
    dependsOn: blockers.map((b) => b.id),
    depth,
    createdAt: now,
    deadline: now + (decision.timeoutMs ?? ports.limits.deferralMs),
    state: { kind: 'parked' },
  };
  // Parked before its receipt is awaited: what arrives in between must already find it.
  const settled = ports.deferrals.park(parked, action);
  accumulate(ports, session, 'decision', { action: action.id, result: 'DEFER', rule: decision.rule });
  const body = {
    ...receiptBody(passage, decision, ports.carriedBy?.(passage.session, passage.action)),
    decided: trail.decided,
    ...trail.extra,
    deferral: deferralPart(parked),
  };
  const recorded = await record(ports, session, 'deferral', body);
  if (!recorded.ok) {
    ports.deferrals.cancel(action.id, 'could not be recorded');
    return denial(action.id, `denied because it could not be recorded: ${recorded.error}`, null, 'DEFER');
  }

  passage.onCancel(() => ports.deferrals.cancel(action.id, 'the surface went away'));
  let person: PersonAsked | null = null;
  const tell = () =>
    passage.notify({
      action: action.id,
      state: 'DEFER',
      reason: decision.reason,
      rule: decision.rule,
      approval: person?.handle ?? null,
      deadline: parked.deadline,
    });
  const asks = startResolvers(ports, passage, decision, parked, blockers);
  if (asks === 'now') person = askPerson(ports, policy, passage, decision, parked);
  if (asks === 'later') {
    ports.timers.after(ESCALATE_MS, () => {
      if (!ports.deferrals.isParked(action.id)) return;
      person = askPerson(ports, policy, passage, decision, parked);
      tell();
    });
  }
  tell();
  const state = await settled;
  const asked = person as PersonAsked | null;
  const answer = asked?.answered() ?? null;
  if (asked !== null && answer === null)
    ports.approvals.withdraw(asked.approval.id, 'it needs no answer any more');

  const extra = {
    ...trail.extra,
    deferral_receipt: recorded.value.id,
    deferral: deferralPart({ ...parked, state }),
  };
  const next: Trail = { ...trail, finalKind: 'decision', extra, round: trail.round + 1 };
  switch (state.kind) {
    case 'timed_out':
      return deny(`what it lacks did not arrive in time: ${decision.reason}`, extra);
    case 'cascade_bound':
      return deny('too many deferred actions stand before it', extra);
    case 'cancelled':
      if (asked !== null && answer !== null)
        return settle(ports, passage, decision, { ...asked.approval, state: answer }, answer, next);
      return deny(state.reason, extra);
    case 'resolved': {
      if (state.method === 'person' && asked !== null && answer !== null)
        return byPerson(ports, passage, decision, asked, answer, next);
      const armed = ports.policy();
      if (armed === null) return deny('no policy is armed', extra);
      return again(ports, armed, passage, evaluateNow(ports, armed, session, action), next);
    }
    default:
      return unreachable(state);
  }
}

interface PersonAsked {
  readonly handle: string;
  readonly approval: ReturnType<typeof openApproval>;
  readonly answered: () => FinalApprovalState | null;
}

/** Starts whatever can fetch what is missing by itself, and says when a person is to be asked. */
function startResolvers(
  ports: MediationPorts,
  passage: Passage,
  decision: Decision,
  parked: Deferral,
  blockers: readonly Blocker[],
): 'now' | 'later' | 'never' {
  const { action } = passage;
  if (blockers.length > 0) {
    void Promise.all(blockers.map((b) => ports.deferrals.settled(b.id))).then(() =>
      ports.deferrals.resolve(action.id, 'dependency_resolved'),
    );
  }
  const { missing } = decision;
  if (missing.some((m) => m.resolvers.includes('environment')))
    rereadEnvironment(ports, passage, parked, FIRST_REREAD_MS);
  const wantsPerson =
    missing.length === 0 || missing.some((m) => m.resolvers.some((name) => !UNATTENDED.has(name)));
  if (!wantsPerson || (blockers.length > 0 && decision.rule === null)) return 'never';
  const attended =
    missing.length === 0 || missing.some((m) => m.resolvers.every((name) => !UNATTENDED.has(name)));
  return attended ? 'now' : 'later';
}

/** Puts the one missing question to a person; their answer ends the deferral. */
function askPerson(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  parked: Deferral,
): PersonAsked {
  const { action, session } = passage;
  const approval = openApproval(ports, passage, decision, 'deferral', parked.deadline);
  const handle = freshHandle(ports);
  const carried = ports.carriedBy?.(passage.session, passage.action);
  const view = approvalView(policy, passage, decision, approval, handle, null, carried);
  let answer: FinalApprovalState | null = null;
  void ports.approvals.ask(approval, view, session.id, null).then((state) => {
    if (state.kind === 'withdrawn' || state.kind === 'timed_out') return;
    answer = state;
    if (state.kind === 'denied') ports.deferrals.cancel(action.id, `denied by ${state.approver}`);
    else ports.deferrals.resolve(action.id, 'person');
  });
  return { handle, approval, answered: () => answer };
}

/** Reads the environment again, ever more slowly, until a missing fact is there. */
function rereadEnvironment(ports: MediationPorts, passage: Passage, parked: Deferral, delayMs: number): void {
  ports.timers.after(delayMs, () => {
    if (!ports.deferrals.isParked(passage.action.id)) return;
    const known = new Set(
      ports.environment(passage.action, ports.clock.now()).map((fact) => `environment.${fact.name}`),
    );
    if (parked.missing.some((m) => known.has(m.path)))
      ports.deferrals.resolve(passage.action.id, 'fact_read');
    else rereadEnvironment(ports, passage, parked, Math.min(delayMs * 2, SLOWEST_REREAD_MS));
  });
}

/** A person settled what nothing else could: policy's denials still stand above the answer. */
async function byPerson(
  ports: MediationPorts,
  passage: Passage,
  decision: Decision,
  person: PersonAsked,
  answer: FinalApprovalState,
  trail: Trail,
): Promise<Answer> {
  const armed = ports.policy();
  const stale = staleness(ports, passage, person.approval);
  if (armed === null || stale !== null) {
    return finish(
      ports,
      passage,
      { ...decision, result: 'DENY', reason: stale ?? 'no policy is armed' },
      'DENY',
      trail,
    );
  }
  const second = evaluateNow(ports, armed, passage.session, passage.action);
  if (second.result === 'DENY') return finish(ports, passage, second, 'DENY', trail);
  return settle(ports, passage, decision, { ...person.approval, state: answer }, answer, trail);
}
