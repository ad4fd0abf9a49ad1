import type { Action } from '../../electron/core/action.ts';
import type { ActionId, AgentId, Digest, Json, JsonObject, SessionId } from '../../electron/core/brand.ts';
import type { ContextSummary } from '../../electron/core/context.ts';
import { RANKS, type Rank, RESULTS, type Result5 } from '../../electron/core/decision.ts';
import type { Binding, Identity } from '../../electron/core/identity.ts';
import type { RecordedDecision } from '../../electron/core/policy/backtest.ts';
import { advanceSummary, emptySummary } from '../../electron/core/receipt/context-chain.ts';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import type { Knowledge } from '../../electron/core/semantic/knowledge.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import type { LedgerReader } from '../../electron/edge/ledger-reader.ts';
import { listAt, objectAt, textAt } from '../../electron/wire/receipt-view.ts';
import { buildShellAction } from '../../electron/wire/shell-action.ts';
import { factsWith } from './policy-facts.ts';

/** Why a recorded action cannot be judged again as it was. */
export type NotReplayed =
  /** Not a command: nothing here rebuilds its meaning. */
  | 'not_a_command'
  /** The receipt keeps less of it than was judged: it was too long. */
  | 'cut'
  /** Read today it means something else: it used variables, or the reader or the knowledge table changed. */
  | 'read_differently'
  /** The receipt or its context is not what the daemon writes. */
  | 'malformed';

/** A decision as it was given, with the facts of the moment rebuilt, and the set that gave it. */
export interface Replayable extends RecordedDecision {
  readonly seq: number;
  readonly policyHash: string;
}

/** True for the first receipt of an action: what a question or a deferral ended as is not policy's first word. */
export function isFirstWord({ receipt }: Receipt): boolean {
  const { kind, body } = receipt;
  if (kind !== 'decision' && kind !== 'deferral') return false;
  return (
    objectAt(body, 'action') !== null &&
    body.decision_receipt === undefined &&
    body.deferral_receipt === undefined
  );
}

/** Rebuilds recorded decisions; receipts must come in rising order. */
export interface Rebuilder {
  rebuild(receipt: Receipt): Result<Replayable, NotReplayed>;
}

interface SessionThread {
  readonly workspace: string | null;
  readonly assurance: 'enforced' | 'sandboxed' | 'cooperative';
  readonly startedAt: number;
  summary: ContextSummary;
  next: number;
  /** What the context was right after an action entered it: that is what it was judged with (AARM R2, R3.j). */
  readonly after: Map<string, ContextSummary>;
}

const PAGE = 500;
const MAX_PENDING = 4096;

/** Makes a rebuilder over one ledger. `home` is taken to be what it was; a receipt does not keep it. */
export function rebuilder(reader: LedgerReader, knowledge: Knowledge, home: string): Rebuilder {
  const threads = new Map<SessionId, SessionThread>();

  function threadOf(session: SessionId): SessionThread {
    const found = threads.get(session);
    if (found !== undefined) return found;
    const [opened] = reader.list({ session, kind: 'session' }, { limit: 1, after: -1 });
    const body = opened?.receipt.body ?? {};
    const said = textAt(body, 'assurance');
    const startedAt = opened?.receipt.at ?? 0;
    const thread: SessionThread = {
      workspace: textAt(body, 'workspace'),
      assurance: said === 'enforced' || said === 'sandboxed' ? said : 'cooperative',
      startedAt,
      summary: emptySummary(startedAt),
      next: 0,
      after: new Map(),
    };
    threads.set(session, thread);
    return thread;
  }

  function contextOf(session: SessionId, action: string, upTo: number): ContextSummary | null {
    const thread = threadOf(session);
    while (thread.next < upTo) {
      const entries = reader.context(session, thread.next, Math.min(PAGE, upTo - thread.next));
      if (entries.length === 0) break;
      for (const entry of entries) {
        thread.summary = advanceSummary(thread.summary, entry);
        thread.next = entry.seq + 1;
        const id = entry.kind === 'action' ? entry.body.id : undefined;
        if (typeof id === 'string') thread.after.set(id, thread.summary);
        // Actions that got no receipt leave theirs behind; what was decided is near.
        const [oldest] = thread.after.size > MAX_PENDING ? thread.after.keys() : [];
        if (oldest !== undefined) thread.after.delete(oldest);
      }
    }
    const found = thread.after.get(action) ?? null;
    thread.after.delete(action);
    return found;
  }

  return {
    rebuild(receipt) {
      const { session, body, at, seq, context } = receipt.receipt;
      const decision = objectAt(body, 'decision');
      const decided = decisionOf(body, decision);
      const identity = identityOf(objectAt(body, 'identity'));
      // A MODIFY's receipt is of what ran instead; what was asked first is kept beside it.
      const original = objectAt(objectAt(body, 'modified') ?? null, 'original');
      const ran = objectAt(body, 'action');
      if (session === null || decided === null || identity === null || ran === null) return err('malformed');
      const action = rebuildAction(
        original === null ? ran : { ...ran, ...original },
        { at, session, identity, home, thread: threadOf(session) },
        knowledge,
      );
      if (!action.ok) return action;
      if (original === null && !readsTheSame(action.value, ran)) return err('read_differently');
      const summary = contextOf(session, action.value.id, context?.length ?? 0);
      if (summary === null) return err('malformed');
      const { workspace, assurance, startedAt } = threadOf(session);
      const facts = factsWith(action.value, {
        identity,
        context: summary,
        session: { assurance, workspace, home, startedAt },
        now: at,
        environment: [],
      });
      return ok({ seq, facts, decision: decided, policyHash: textAt(decision, 'policy_hash') ?? '' });
    },
  };
}

interface ActionAround {
  readonly at: number;
  readonly session: SessionId;
  readonly identity: Identity;
  readonly home: string;
  readonly thread: SessionThread;
}

function rebuildAction(
  kept: JsonObject,
  around: ActionAround,
  knowledge: Knowledge,
): Result<Action, NotReplayed> {
  const parameters = objectAt(kept, 'parameters');
  const line = textAt(parameters, 'command');
  const argv = listAt(parameters, 'argv').filter((word): word is string => typeof word === 'string');
  const id = textAt(kept, 'id');
  if (textAt(kept, 'tool') !== 'shell' || (line === null && argv.length === 0)) return err('not_a_command');
  if (id === null) return err('malformed');
  const { at, session, identity, home, thread } = around;
  const built = buildShellAction(
    {
      id: id as ActionId,
      sessionId: session,
      at,
      surface: 'shell',
      operation: textAt(kept, 'operation') === 'exec' ? 'exec' : 'run',
      command: line === null ? { argv } : { line },
      script: textAt(parameters, 'script'),
      cwd: textAt(kept, 'cwd'),
      home,
      user: identity.human.name,
      workspace: thread.workspace,
      // What the surface said of variables is not kept; these it would have said, and a reading that differs is noticed.
      variables: { HOME: home, USER: identity.human.name },
      dialect: 'bash',
      partsFollow: kept.parts_follow === true,
      dependsOn: [],
      modifiedFrom: null,
    },
    knowledge,
    nodeHasher,
  );
  if (!built.ok) return err('read_differently');
  // The digest covers every word that was judged: a receipt that keeps only the beginning has another.
  return built.value.digest === textAt(kept, 'digest') ? built : err('cut');
}

/** Whether today's reading of an action is the one that the receipt keeps. */
function readsTheSame(action: Action, kept: JsonObject): boolean {
  const programs = listAt(kept, 'commands').map((command) => textAt(asObject(command), 'program'));
  const effects = listAt(kept, 'effects').map((effect) => {
    const { kind, object, value } = asObject(effect) ?? {};
    return JSON.stringify([kind, object, value]);
  });
  const now = action.effects
    .slice(0, effects.length)
    .map(({ kind, object }) => JSON.stringify([kind, object.kind, object.value]));
  return (
    action.commands.length === kept.command_count &&
    action.effects.length === kept.effect_count &&
    programs.every((program, index) => program === action.commands[index]?.program) &&
    effects.every((effect, index) => effect === now[index])
  );
}

function asObject(value: Json): JsonObject | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** What policy said first, as the receipt keeps it. */
function decisionOf(body: JsonObject, decision: JsonObject | null): RecordedDecision['decision'] | null {
  const said = textAt(body, 'decided') ?? textAt(decision, 'result');
  const result = RESULTS.find((known): known is Result5 => known === said);
  const rank = RANKS.find((known): known is Rank => known === textAt(decision, 'rank'));
  if (result === undefined || rank === undefined) return null;
  return { result, rank, rule: textAt(decision, 'policy_id') as RecordedDecision['decision']['rule'] };
}

const BINDINGS: readonly Binding[] = ['signed', 'attested', 'unverified'];

/** The identity as the receipt keeps it (R5.c); null when it is not one. */
function identityOf(kept: JsonObject | null): Identity | null {
  const human = objectAt(kept, 'human');
  const service = objectAt(kept, 'service');
  const agent = objectAt(kept, 'agent');
  const session = textAt(kept, 'session');
  const binding = BINDINGS.find((known) => known === textAt(kept, 'binding'));
  if (kept === null || human === null || agent === null || session === null || binding === undefined)
    return null;
  const number = (value: Json | undefined): number => (typeof value === 'number' ? value : 0);
  return {
    human: {
      name: textAt(human, 'name') ?? '',
      uid: typeof human.uid === 'number' ? human.uid : null,
      source: textAt(human, 'source') ?? '',
    },
    service: {
      name: textAt(service, 'name') ?? '',
      version: textAt(service, 'version') ?? '',
      installation: textAt(service, 'installation') ?? '',
    },
    agent: {
      id: (textAt(agent, 'id') ?? '') as AgentId,
      product: textAt(agent, 'product') ?? '',
      version: textAt(agent, 'version'),
      binaryHash: textAt(agent, 'binary_hash') as Digest | null,
      publicKey: textAt(agent, 'public_key') ?? '',
      mintedAt: number(agent.minted_at),
      expiresAt: number(agent.expires_at),
    },
    sessionId: session as SessionId,
    role: textAt(kept, 'role') ?? '',
    privileges: listAt(kept, 'privileges').filter((item): item is string => typeof item === 'string'),
    delegation: listAt(kept, 'delegation').flatMap((item) => {
      const link = asObject(item);
      if (link === null) return [];
      const until = link.expires_at;
      return [
        {
          from: textAt(link, 'from') ?? '',
          to: textAt(link, 'to') ?? '',
          scope: textAt(link, 'scope') ?? '',
          expiresAt: typeof until === 'number' ? until : null,
        },
      ];
    }),
    binding,
  };
}
