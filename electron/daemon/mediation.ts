import type { Action } from '../core/action.ts';
import type { CommandPattern } from '../core/approval.ts';
import type { ActionId, Digest, JsonObject, SessionId, TimeMs } from '../core/brand.ts';
import type { ContextEntry, ContextKind, ContextSummary } from '../core/context.ts';
import type { Decision } from '../core/decision.ts';
import type { EnvironmentFact, FactSet } from '../core/facts.ts';
import type { CompiledPolicy } from '../core/policy/compile.ts';
import type { PolicySet } from '../core/policy/rule.ts';
import type { Replacements } from '../core/policy/transform.ts';
import type { Clock, Hasher, Ledger, Random } from '../core/ports.ts';
import type { Result } from '../core/result.ts';
import type { ConnectQuestion, ExecQuestion, FileQuestion, ReadQuestion } from '../wire/guard-message.ts';
import type { ToolCall } from '../wire/hook/event.ts';
import type { McpEnvelope } from '../wire/mcp/envelope.ts';
import type { ProxyQuestion } from '../wire/proxy-message.ts';
import type { ConnectEnvelope, FileEnvelope, ShellEnvelope } from '../wire/submit.ts';
import type { TrashNote } from '../wire/trash-info.ts';
import type { ApprovalService } from './approval-service.ts';
import type { Carried } from './carried.ts';
import type { DeferralService } from './deferral-service.ts';
import type { Reading } from './reading.ts';
import type { Redactor } from './redaction.ts';
import type { Session } from './session-store.ts';
import type { Survey } from './survey.ts';
import type { Timers } from './timer.ts';

/** The armed policy: what is evaluated and what it came from, swapped whole on reload. */
export interface ArmedPolicy {
  readonly set: PolicySet;
  readonly compiled: CompiledPolicy;
}

export interface NormalizeFault {
  readonly code: string;
  readonly message: string;
}

/** What is not one system call and has its Action already: the content of a file that acts later. */
export interface GivenQuestion {
  readonly kind: 'given';
  readonly action: Action;
}

/** What the kernel guard intercepted, and for a MODIFY what is to be judged in its place. */
export interface GuardEnvelope {
  readonly surface: 'guard';
  readonly question: ExecQuestion | FileQuestion | ConnectQuestion | ReadQuestion | GivenQuestion;
  /** Text of the script that a shell was asked to run, where it could be read. */
  readonly script: string | null;
  /** For `read`: the program reads what belongs to it, and cannot hand it on (wire/own-use.ts). */
  readonly ownUse: boolean;
  readonly instead: { readonly argv: readonly string[] | null; readonly commandLine: string | null } | null;
}

/** What the proxy intercepted: a request, a database statement, a signature, bytes of an unknown protocol. */
export interface ProxyEnvelope {
  readonly surface: 'http';
  readonly question: ProxyQuestion;
  /** Facts `data.*` of this question alone: `placeholder`, as the credentials judge it. */
  readonly data?: JsonObject;
}

/** One thing that a tool call is about to do, as an agent's hook told of it. */
export interface HookEnvelope {
  readonly surface: 'hook';
  readonly call: ToolCall;
  readonly cwd: string | null;
  /** Which subagent does it; null for the agent itself. */
  readonly subagent: string | null;
  /** Of a file: whether it is there already. */
  readonly exists: boolean;
  /** Content that acts later has its Action already. */
  readonly given: Action | null;
}

/**
 * What was intercepted, whichever surface saw it: a shell or shim, the kernel guard, the file shim of a cooperative session, the
 * proxy, an agent's hook, or the MCP bridge.
 */
export type Envelope =
  | ShellEnvelope
  | GuardEnvelope
  | FileEnvelope
  | ConnectEnvelope
  | ProxyEnvelope
  | HookEnvelope
  | McpEnvelope;

/** What an action is made from, whichever way it arrived. */
export interface NormalizeInput {
  readonly id: ActionId;
  readonly at: TimeMs;
  readonly session: Session;
  readonly envelope: Envelope;
  readonly modifiedFrom: Digest | null;
}

/** What is known of what an action carries and of where it would go. */
export interface CarriedFacts {
  readonly data: JsonObject;
  readonly destination: JsonObject;
}

/** Everything that mediation needs from outside; filled by the composition root (daemon/main.ts) and by tests. */
export interface MediationPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly hasher: Hasher;
  readonly timers: Timers;
  readonly ledger: Ledger;
  /** Null while no policy is armed: everything is then denied. */
  readonly policy: () => ArmedPolicy | null;
  readonly approvals: ApprovalService;
  readonly deferrals: DeferralService;
  readonly normalize: (input: NormalizeInput) => Result<Action, NormalizeFault>;
  /** Text that two interceptions of the same simple command share (program and words, not redirections). */
  readonly mandateText: (action: Action, command: number) => string | null;
  /** The same text for a program start as the kernel saw it, once for each name that a line may have called it by. */
  readonly startTexts: (action: Action, envelope: Envelope) => readonly string[];
  readonly environment: (action: Action, now: TimeMs) => readonly EnvironmentFact[];
  /** Facts `data` and `destination` beside what the context says (docs/policy-format.md); absent: nothing is known of them. */
  readonly carried?: (session: Session, action: Action) => CarriedFacts;
  /** What an action takes out and where it was read, for receipts and people; absent: nothing is known of it. */
  readonly carriedBy?: (session: Session, action: Action) => Carried;
  /** Remembers what is read and finds it again in what is sent; absent: nothing is remembered. */
  readonly reading?: Reading;
  /** Has classified files known before they are read. */
  readonly survey?: Survey;
  /** Takes secrets out of what surfaces are told; absent: nothing is taken out. */
  readonly redactor?: Redactor;
  /** Remembers a host that something was sent to (`destination.first_seen`); absent: nothing is remembered. */
  readonly noteHost?: (host: string) => void;
  readonly evaluate: (policy: CompiledPolicy, facts: FactSet) => Decision;
  readonly patternFor: (action: Action, decision: Decision) => CommandPattern | null;
  readonly appendEntry: (
    summary: ContextSummary,
    kind: ContextKind,
    body: JsonObject,
    at: TimeMs,
  ) => {
    readonly entry: ContextEntry;
    readonly summary: ContextSummary;
  };
  readonly replacements: Replacements;
  readonly redirections: RedirectionPorts;
  readonly limits: MediationLimits;
}

/** Where a change of a file is carried out instead of where it was asked for (MODIFY of tool `file`). */
export interface Redirection {
  /** Absolute and canonical, on this machine. */
  readonly path: string;
  /** Takes back what was made for it, unless it is in use; called when the change was not carried out. */
  readonly release: () => void;
}

/** The places that a change of a file can be turned to; a fault is the reason why a person is asked instead. Paths are this machine's. */
export interface RedirectionPorts {
  readonly trash: (path: string, note: TrashNote) => Result<Redirection, string>;
  readonly copy: (path: string, session: SessionId) => Result<Redirection, string>;
}

export interface MediationLimits {
  /** How long a STEP_UP waits for a person. */
  readonly approvalMs: number;
  /** How long a DEFER waits for what it lacks. */
  readonly deferralMs: number;
  /** How long the ledger may take before the action is denied. */
  readonly ledgerMs: number;
  /** How often a deferral may be tried again before it is denied. */
  readonly deferralRounds: number;
  /** Lifetime of a mandate. */
  readonly mandateMs: number;
}

export const DEFAULT_LIMITS: MediationLimits = {
  approvalMs: 120_000,
  deferralMs: 120_000,
  ledgerMs: 5_000,
  deferralRounds: 3,
  mandateMs: 30_000,
};

/** What a surface is told while an action waits. */
export interface WaitingNotice {
  readonly action: ActionId;
  readonly state: 'STEP_UP' | 'DEFER';
  readonly reason: string;
  readonly rule: string | null;
  readonly approval: string | null;
  readonly deadline: TimeMs;
}

/** What a surface must now do. */
export interface Answer {
  readonly action: ActionId | null;
  readonly result: 'ALLOW' | 'DENY' | 'MODIFY';
  readonly decided: Decision['result'];
  readonly rule: string | null;
  readonly reason: string;
  readonly instead: string | null;
  readonly commandLine: string | null;
  readonly argv: readonly string[] | null;
  /** For a MODIFY of a change of a file: where it is carried out instead, on this machine. */
  readonly path: string | null;
  /** For a MODIFY of an MCP call: the arguments to call with. Absent elsewhere. */
  readonly arguments?: JsonObject;
  readonly effect: boolean;
  readonly receipt: string | null;
}

/** One submitted action on its way through mediation. */
export interface Passage {
  readonly session: Session;
  readonly envelope: Envelope;
  readonly action: Action;
  /** True when the person who waited for it went away. */
  readonly cancelled: () => boolean;
  /** Registers what to do when the submitter goes away while the action waits. */
  readonly onCancel: (callback: () => void) => void;
  readonly notify: (notice: WaitingNotice) => void;
}
