import { join } from 'node:path';
import type { ActionId, AgentId, JsonObject, ReceiptId, SessionId } from '../../electron/core/brand.ts';
import type { ContextKind, ContextSummary } from '../../electron/core/context.ts';
import type { FactSet } from '../../electron/core/facts.ts';
import type { Identity } from '../../electron/core/identity.ts';
import type { CompiledPolicy } from '../../electron/core/policy/compile.ts';
import { evaluate } from '../../electron/core/policy/evaluate.ts';
import { transformNames } from '../../electron/core/policy/transform.ts';
import { advanceSummary, appendEntry, emptySummary } from '../../electron/core/receipt/context-chain.ts';
import type { Receipt, ReceiptKind } from '../../electron/core/receipt/receipt.ts';
import { actionPart, contextPart, decisionPart, identityPart } from '../../electron/daemon/record.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import { fileHeadStore } from '../../electron/edge/head-store.ts';
import { openKeys } from '../../electron/edge/keys.ts';
import { loadKnowledge } from '../../electron/edge/knowledge-dir.ts';
import { type OpenLedger, openLedger } from '../../electron/edge/ledger.ts';
import { loadPolicy } from '../../electron/edge/policy-dir.ts';
import { systemRandom } from '../../electron/edge/random.ts';
import { resourcesDirectory } from '../../electron/edge/resources.ts';
import type { Places } from '../../electron/wire/places.ts';
import { buildShellAction } from '../../electron/wire/shell-action.ts';

/** A ledger of an installation, written as the daemon writes it and without one. */
export interface WrittenLedger {
  readonly ledger: OpenLedger;
  readonly session: SessionId;
  readonly policy: CompiledPolicy;
  /** Judges a command line by the shipped packs and records it; `more` is added to the body. */
  decide(line: string, more?: JsonObject): Promise<Receipt>;
  /** Records a receipt that repeats another's body but for what is given. */
  follow(of: Receipt, kind: ReceiptKind, change: JsonObject): Promise<Receipt>;
  outcome(of: ReceiptId, outcome?: JsonObject): Promise<Receipt>;
  append(kind: ReceiptKind, body: JsonObject, session?: SessionId | null): Promise<Receipt>;
  close(): Promise<void>;
}

const START = Date.UTC(2026, 10, 20, 9, 0, 0);

function must<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** Opens the ledger of an installation and begins a session in it. The time is fixed, one second a receipt. */
export async function writeLedger(places: Places, home: string, start = START): Promise<WrittenLedger> {
  const dir = join(places.state, 'ledger');
  let at = start;
  const clock = {
    now: () => {
      at += 1000;
      return at;
    },
  };
  const keys = must(
    await openKeys({
      dir,
      service: 'countersign-test',
      keychain: { state: 'absent', message: 'none in this test' },
    }),
  );
  const ledger = must(
    await openLedger({
      dir,
      headStore: fileHeadStore(join(places.config, 'ledger-head.json')),
      keys,
      clock,
      hasher: nodeHasher,
      random: systemRandom,
    }),
  );
  const policy = must(
    await loadPolicy([{ directory: join(resourcesDirectory(), 'policies'), optional: false }], {
      transforms: transformNames(),
    }),
  );
  const knowledge = must(loadKnowledge(join(resourcesDirectory(), 'knowledge')));
  const session = `sess_${systemRandom.token(9)}` as SessionId;
  const agent = 'agt_tester0000' as AgentId;
  const identity: Identity = {
    human: { name: 'tester', uid: 1000, source: 'operating system account' },
    service: { name: 'countersign', version: '0.1.0', installation: 'test' },
    agent: {
      id: agent,
      product: 'tester',
      version: '1.0',
      binaryHash: null,
      publicKey: 'A'.repeat(43),
      mintedAt: start,
      expiresAt: start + 86_400_000,
    },
    sessionId: session,
    role: 'agent',
    privileges: [],
    delegation: [{ from: 'tester', to: agent, scope: 'session', expiresAt: start + 86_400_000 }],
    binding: 'signed',
  };
  let summary: ContextSummary = emptySummary(start);
  let pending: JsonObject[] = [];
  const say = (kind: ContextKind, body: JsonObject) => {
    const entry = appendEntry(summary, { at, kind, body }, nodeHasher);
    summary = advanceSummary(summary, entry);
    pending.push({ ...entry, session });
  };
  const append: WrittenLedger['append'] = async (kind, body, of = session) => {
    const contextEntries = of === session ? pending : [];
    if (of === session) pending = [];
    return must(await ledger.append({ kind, session: of, at: clock.now(), body, contextEntries }));
  };
  const workspace = '/home/tester/project';
  say('session', { session, agent, workspace });
  await append('session', {
    event: 'opened',
    identity: identityPart(identity),
    workspace,
    assurance: 'cooperative',
    argv: ['tester'],
  });

  return {
    ledger,
    session,
    policy,
    append,
    async decide(line, more = {}) {
      const action = must(
        buildShellAction(
          {
            id: `act_${systemRandom.token(9)}` as ActionId,
            sessionId: session,
            at,
            surface: 'shell',
            command: { line },
            cwd: workspace,
            home,
            user: 'tester',
            workspace,
            variables: {},
            dialect: 'bash',
            partsFollow: false,
            dependsOn: [],
            modifiedFrom: null,
          },
          knowledge,
          nodeHasher,
        ),
      );
      say('action', {
        id: action.id,
        tool: action.tool,
        operation: action.operation,
        summary: line.slice(0, 200),
      });
      const facts: FactSet = {
        action,
        identity,
        session: { assurance: 'cooperative', workspace, home, startedAt: start },
        now: at,
        context: summary,
        environment: [],
        alignment: { scope: 'unknown', distance: null, drift: null, words: [] },
        data: { classes: summary.classes, level: null },
        destination: {},
        grants: [],
      };
      const decision = evaluate(policy, facts);
      say('decision', { action: action.id, result: decision.result, rule: decision.rule });
      return append(decision.result === 'DEFER' ? 'deferral' : 'decision', {
        action: actionPart(action),
        context: contextPart(summary),
        identity: identityPart(identity),
        request: null,
        claim: null,
        decision: decisionPart(decision),
        decided: decision.result,
        ...more,
      });
    },
    follow: (of, kind, change) => append(kind, { ...of.receipt.body, ...change }),
    outcome: (of, outcome = { result: 'succeeded', exit_code: 0, signal: null }) =>
      append('outcome', { decision_receipt: of, outcome }),
    close: () => ledger.close(),
  };
}
