import type { Action } from '../../electron/core/action.ts';
import type { ActionId, AgentId, SessionId, TimeMs } from '../../electron/core/brand.ts';
import type { ContextKind, ContextSummary, Level } from '../../electron/core/context.ts';
import { higherLevel } from '../../electron/core/data/classification.ts';
import type { EnvironmentFact, FactSet } from '../../electron/core/facts.ts';
import type { Identity } from '../../electron/core/identity.ts';
import { advanceSummary, appendEntry, emptySummary } from '../../electron/core/receipt/context-chain.ts';
import { literalAlignment } from '../../electron/core/semantic/alignment.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';

/** Ids of an action that nobody submitted. */
export const NO_ACTION = 'act_explained0' as ActionId;
export const NO_SESSION = 'sess_explained0' as SessionId;

/** What stands around an action that is judged without a session. */
export interface Surroundings {
  readonly intent: string | null;
  readonly workspace: string | null;
  readonly home: string;
  readonly user: string;
  readonly uid: number | null;
  readonly at: TimeMs;
  readonly environment: readonly EnvironmentFact[];
}

/** The facts of the first action of a session: what the daemon would gather, without a daemon. */
export function firstFacts(action: Action, around: Surroundings): FactSet {
  const { at, intent, workspace, home, user, uid } = around;
  const say = (summary: ContextSummary, kind: ContextKind, body: Parameters<typeof appendEntry>[1]['body']) =>
    advanceSummary(summary, appendEntry(summary, { at, kind, body }, nodeHasher));
  const opened = say(emptySummary(at), 'session', { session: action.sessionId });
  const asked = intent === null ? opened : say(opened, 'intent', { text: intent, source: 'launcher' });
  const context = say(asked, 'action', {
    id: action.id,
    tool: action.tool,
    operation: action.operation,
    summary: '',
  });
  const identity: Identity = {
    human: { name: user, uid, source: 'operating system account' },
    service: { name: 'countersign', version: 'explain', installation: '' },
    agent: {
      id: 'agt_explained0' as AgentId,
      product: 'explained',
      version: null,
      binaryHash: null,
      publicKey: '',
      mintedAt: at,
      expiresAt: at + 1,
    },
    sessionId: action.sessionId,
    role: 'agent',
    privileges: uid === 0 ? ['root'] : [],
    delegation: [],
    binding: 'signed',
  };
  return factsWith(action, {
    identity,
    context,
    session: { assurance: 'cooperative', workspace, home, startedAt: at },
    now: at,
    environment: around.environment,
  });
}

/** What a session brings to each of its actions. */
export type SessionFacts = Pick<FactSet, 'identity' | 'context' | 'session' | 'now' | 'environment'>;

/** Completes the facts of one action from those of its session, as the daemon does. */
export function factsWith(action: Action, facts: SessionFacts): FactSet {
  const { classes, request } = facts.context;
  const level = classes.reduce<Level | null>((a, b) => (a === null ? b : higherLevel(a, b)), null);
  return {
    ...facts,
    action,
    alignment: literalAlignment(request, action),
    data: { classes, level },
    destination: {},
    grants: [],
  };
}
