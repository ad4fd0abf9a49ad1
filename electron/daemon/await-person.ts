import type { Approval, CommandPattern } from '../core/approval.ts';
import type { ApprovalId } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import { unreachable } from '../core/result.ts';
import type { FinalApprovalState } from './approval-service.ts';
import { approvalView } from './approval-view.ts';
import type { Carried } from './carried.ts';
import { finish, originalOf, rebuild, type Trail } from './finish.ts';
import type { Answer, ArmedPolicy, MediationPorts, Passage } from './mediation.ts';
import { approvalPart } from './record.ts';
import { identityFault } from './session-store.ts';
import { accumulate, denial, evaluateNow, receiptBody, record } from './stages.ts';

/** Opens an approval bound to the action's digest and the policy's hash. */
export function openApproval(
  ports: MediationPorts,
  passage: Passage,
  decision: Decision,
  origin: Approval['origin'],
  deadline: number,
): Approval {
  return {
    id: `apr_${ports.random.token(9)}` as ApprovalId,
    actionId: passage.action.id,
    digest: passage.action.digest,
    policyHash: decision.policy.hash,
    origin,
    approvers: decision.approvers.length > 0 ? decision.approvers : ['person'],
    createdAt: ports.clock.now(),
    deadline,
    state: { kind: 'pending' },
  };
}

/** A handle that a person can type, unlike any other pending one. */
export function freshHandle(ports: MediationPorts): string {
  const taken = new Set(ports.approvals.pending().map((view) => view.handle));
  for (;;) {
    const handle = ports.random
      .token(6)
      .toLowerCase()
      .replace(/[^a-z2-7]/g, '')
      .slice(0, 4);
    if (handle.length === 4 && !taken.has(handle)) return handle;
  }
}

/** STEP_UP: nothing runs until a person answers; no answer in time is DENY (AARM R4.s1–s5). */
export async function waitForPerson(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
): Promise<Answer> {
  const { session, action } = passage;
  const carried = ports.carriedBy?.(session, action);
  accumulate(ports, session, 'decision', { action: action.id, result: 'STEP_UP', rule: decision.rule });
  const asked = await record(ports, session, 'decision', {
    ...receiptBody(passage, decision, carried),
    decided: trail.decided,
    ...trail.extra,
  });
  if (!asked.ok)
    return denial(action.id, `denied because it could not be recorded: ${asked.error}`, null, trail.decided);
  const deadline = ports.clock.now() + (decision.timeoutMs ?? ports.limits.approvalMs);
  const approval = openApproval(ports, passage, decision, 'step_up', deadline);
  const pattern = withFlows(ports.patternFor(action, decision), carried ?? null);
  const view = approvalView(policy, passage, decision, approval, freshHandle(ports), pattern, carried);
  passage.onCancel(() => ports.approvals.withdraw(approval.id, 'the surface went away'));
  passage.notify({
    action: action.id,
    state: 'STEP_UP',
    reason: decision.reason,
    rule: decision.rule,
    approval: view.handle,
    deadline,
  });
  const state = await ports.approvals.ask(approval, view, session.id, pattern);
  const next: Trail = {
    ...trail,
    finalKind: 'approval',
    extra: { ...trail.extra, decision_receipt: asked.value.id },
  };
  return settle(ports, passage, decision, { ...approval, state }, state, next);
}

/** What it carries belongs to what is allowed; what may still turn out to be in it cannot be shown, and nobody allows that for a session. */
function withFlows(pattern: CommandPattern | null, carried: Carried | null): CommandPattern | null {
  if (pattern === null || carried === null) return pattern;
  if (carried.late) return null;
  const flows = carried.flows.map(({ source }) => source.name);
  return flows.length === 0 ? pattern : { ...pattern, flows };
}

/** Turns a person's final answer into what the surface must do, checking identity and policy again first (R4.s5). */
export async function settle(
  ports: MediationPorts,
  passage: Passage,
  decision: Decision,
  approval: Approval,
  state: FinalApprovalState,
  trail: Trail,
): Promise<Answer> {
  const { session, action } = passage;
  const answered: Trail = { ...trail, extra: { ...trail.extra, approval: approvalPart(approval) } };
  accumulate(ports, session, 'approval', { action: action.id, answer: state.kind });
  const deny = (reason: string) =>
    finish(ports, passage, { ...decision, result: 'DENY', reason }, 'DENY', answered);
  switch (state.kind) {
    case 'denied':
      return deny(
        state.note === null ? `denied by ${state.approver}` : `denied by ${state.approver}: ${state.note}`,
      );
    case 'timed_out':
      return deny(`nobody answered in time (${decision.reason})`);
    case 'withdrawn':
      return deny(`withdrawn: ${state.reason}`);
    case 'allowed': {
      const stale = staleness(ports, passage, approval);
      if (stale !== null) return deny(stale);
      if (state.scope.kind === 'session') session.grants.push(state.scope.pattern);
      const reason = `allowed by ${state.approver}${state.note === null ? '' : `: ${state.note}`}`;
      return finish(ports, passage, { ...decision, reason }, 'ALLOW', answered);
    }
    case 'edited': {
      const stale = staleness(ports, passage, approval);
      if (stale !== null) return deny(stale);
      return edited(ports, passage, decision, state.commandLine, state.approver, answered);
    }
    default:
      return unreachable(state);
  }
}

/** Why an approved action may not run any more, or null (R4.s5). */
export function staleness(ports: MediationPorts, passage: Passage, approval: Approval): string | null {
  const fault = identityFault(passage.session, ports.clock.now());
  if (fault !== null) return `the approval is stale: identity ${fault}`;
  const armed = ports.policy();
  if (armed === null || armed.set.hash !== approval.policyHash) {
    return 'the approval is stale: policy changed while it waited; run the command again';
  }
  return null;
}

/** A person's edit: a second action, evaluated once; policy's denials still stand above it. */
async function edited(
  ports: MediationPorts,
  passage: Passage,
  decision: Decision,
  commandLine: string,
  approver: string,
  trail: Trail,
): Promise<Answer> {
  const policy = ports.policy();
  const changed = rebuild(ports, passage, { argv: null, commandLine });
  if (policy === null || !changed.ok) {
    const reason = changed.ok ? 'no policy is armed' : changed.error;
    return finish(ports, passage, { ...decision, result: 'DENY', reason }, 'DENY', trail);
  }
  const second = evaluateNow(ports, policy, passage.session, changed.value.action);
  const next: Trail = {
    ...trail,
    rewritten: { argv: null, commandLine },
    extra: {
      ...trail.extra,
      modified: {
        from: passage.action.digest,
        to: changed.value.action.digest,
        by: approver,
        transform: 'edit',
        original: originalOf(passage.action),
      },
    },
  };
  switch (second.result) {
    case 'DENY':
      return finish(ports, changed.value, second, 'DENY', next);
    case 'MODIFY': {
      const reason = `policy would change the edited command again (${second.reason})`;
      return finish(ports, changed.value, { ...second, result: 'DENY', reason }, 'DENY', next);
    }
    case 'ALLOW':
    case 'STEP_UP':
    case 'DEFER':
      // The person who would be asked wrote it.
      return finish(
        ports,
        changed.value,
        { ...second, reason: `changed and allowed by ${approver}` },
        'ALLOW',
        next,
      );
    default:
      return unreachable(second.result);
  }
}
