import type { TimeMs } from '../core/brand.ts';
import type { OpenLedger } from '../edge/ledger.ts';
import type { PolicyStatus } from '../edge/policy-dir.ts';
import type { DaemonStatus } from '../wire/control.ts';
import type { ApprovalService } from './approval-service.ts';
import type { ArmedPolicy } from './mediation.ts';
import type { Redactor } from './redaction.ts';
import type { Scheduler } from './scheduler.ts';
import type { SessionStore } from './session-store.ts';

export interface StatusWiring {
  readonly version: string;
  readonly startedAt: TimeMs;
  readonly ledgerPath: string;
  readonly ledger: Pick<OpenLedger, 'status' | 'head'>;
  readonly keys: DaemonStatus['keys'];
  readonly policy: () => ArmedPolicy | null;
  /** What lies in the policy directories now, armed or not. */
  readonly policyOnDisk: () => PolicyStatus;
  readonly proxyFault: () => string | null;
  readonly warnings: readonly string[];
  readonly sessions: SessionStore;
  readonly approvals: ApprovalService;
  readonly scheduler: Scheduler;
  readonly redactor: Redactor;
}

/** How the daemon is now: whether it arms and why not, and what runs under it (`countersign status`). */
export function daemonStatus(wiring: StatusWiring): DaemonStatus {
  const { ledger, sessions, approvals, scheduler, redactor } = wiring;
  const health = ledger.status();
  const head = ledger.head();
  const armed = wiring.policy();
  const reasons = [...wiring.warnings];
  if (health.fault !== null) reasons.unshift(`the ledger cannot record: ${health.fault.message}`);
  if (health.headProblem !== null)
    reasons.push(`the ledger's head cannot be kept outside: ${health.headProblem}`);
  const unproxied = wiring.proxyFault();
  if (unproxied !== null) reasons.push(`the proxy ${unproxied}: nothing can leave a session`);
  const onDisk = wiring.policyOnDisk();
  const fault = onDisk.kind === 'armed' ? null : policyFaultText(onDisk);
  if (fault !== null) reasons.unshift(`a changed policy was refused: ${fault}`);
  return {
    version: wiring.version,
    pid: process.pid,
    started_at: wiring.startedAt,
    state:
      health.state !== 'ready' || armed === null ? 'refusing' : reasons.length > 0 ? 'degraded' : 'armed',
    reasons,
    policy: {
      version: armed?.set.version ?? 'none',
      hash: armed?.set.hash ?? '',
      rules: armed?.set.rules.length ?? 0,
      fault,
    },
    keys: wiring.keys,
    ledger: {
      path: wiring.ledgerPath,
      receipts: head.size,
      head: head.hash,
      fault: health.fault?.message ?? null,
    },
    sessions: sessions.live().map((session) => ({
      id: session.id,
      agent: session.identity.agent.id,
      product: session.identity.agent.product,
      assurance: session.assurance,
      started_at: session.startedAt,
      request: session.intent === null ? null : redactor.text(session.intent.text),
      workspace: session.workspace,
      actions: session.context.actionCount,
      waiting: approvals.pending().filter((view) => view.session === session.id).length,
      notes: (session.notes ?? []).map((note) => redactor.text(note)),
    })),
    waiting: approvals.pending().length,
    queue: { depth: scheduler.depth, refused: scheduler.refused },
  };
}

/** The faults of a refused set, one a line, with their places. */
export function policyFaultText(status: PolicyStatus): string {
  if (status.kind === 'armed') return '';
  return status.faults
    .slice(0, 20)
    .map(
      (f) => `${f.place === null ? '' : `${f.place.file}:${f.place.line}:${f.place.column}: `}${f.message}`,
    )
    .join('\n');
}
