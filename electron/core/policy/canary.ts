import type { ActionId, AgentId, Digest, RuleId, SessionId } from '../brand.ts';
import type { Decision } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import type { CompiledPolicy } from './compile.ts';
import { evaluate } from './evaluate.ts';
import type { Rule } from './rule.ts';

/** The tool that no surface has; only the self-test speaks of it. */
export const CANARY_TOOL = 'countersign-canary';

/** Built into every set, so that no pack can be armed without something that must be denied. */
export const CANARY_RULE: Rule = {
  id: 'countersign.canary' as RuleId,
  title: 'The self-test action is always denied',
  why: 'the firewall proves with it that it can deny, before it is armed',
  class: 'forbidden',
  priority: 0,
  risk: 'low',
  subject: 'action',
  match: { tools: [CANARY_TOOL] },
  when: null,
  parameters: [],
  modify: null,
  approvers: [],
  timeoutMs: null,
  resolvers: [],
  instead: null,
  references: [],
  expiresAt: null,
  source: 'built in',
};

const NO_DIGEST = '0'.repeat(64) as Digest;

/** Everything known and harmless but the tool: only the forbidden rank can deny this. */
export const CANARY_FACTS: FactSet = {
  action: {
    id: 'act_canary00' as ActionId,
    sessionId: 'sess_canary00' as SessionId,
    at: 0,
    surface: 'sdk',
    tool: CANARY_TOOL,
    operation: 'prove',
    parameters: {},
    cwd: null,
    commands: [],
    effects: [],
    gaps: [],
    digest: NO_DIGEST,
    modifiedFrom: null,
    dependsOn: [],
    partsFollow: false,
  },
  identity: {
    human: { name: 'canary', uid: null, source: 'self-test' },
    service: { name: 'countersign', version: '0', installation: 'self-test' },
    agent: {
      id: 'agt_canary00' as AgentId,
      product: 'self-test',
      version: null,
      binaryHash: null,
      publicKey: '',
      mintedAt: 0,
      expiresAt: 0,
    },
    sessionId: 'sess_canary00' as SessionId,
    role: 'self-test',
    privileges: [],
    delegation: [],
    binding: 'attested',
  },
  session: { assurance: 'cooperative', workspace: null, home: '/', startedAt: 0 },
  now: 0,
  context: {
    length: 0,
    head: NO_DIGEST,
    startedAt: 0,
    request: 'self-test',
    actionCount: 0,
    counts: {},
    tools: [],
    entities: [],
    classes: [],
    recent: [],
    untrusted: null,
    recentTimes: [],
  },
  environment: [],
  alignment: { scope: 'in', distance: 0, drift: 0, words: [] },
  data: {},
  destination: {},
};

/**
 * The arming self-test: a known-forbidden action must be denied by the forbidden rank, and by the built-in rule.
 * Returns the decision that proves it, or null; a daemon that gets null refuses to arm.
 */
export function provesForbidden(policy: CompiledPolicy): Decision | null {
  const decision = evaluate(policy, CANARY_FACTS);
  const proven =
    decision.result === 'DENY' &&
    decision.rank === 'forbidden' &&
    decision.ranks.some((verdict) => verdict.rank === 'forbidden' && verdict.rules.includes(CANARY_RULE.id));
  return proven ? decision : null;
}
