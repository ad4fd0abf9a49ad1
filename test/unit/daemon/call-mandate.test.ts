// One call of an MCP tool, met by its agent's hook and then by the bridge: a person is asked once (AARM R4, R5.g).
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Action } from '../../../electron/core/action.ts';
import type { JsonObject, SessionId } from '../../../electron/core/brand.ts';
import { EMPTY_PAYLOAD } from '../../../electron/core/data/payload.ts';
import type { CompiledPolicy } from '../../../electron/core/policy/compile.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import type { ReceiptDraft } from '../../../electron/core/ports.ts';
import { advanceSummary, appendEntry, emptySummary } from '../../../electron/core/receipt/context-chain.ts';
import { err, ok, type Result } from '../../../electron/core/result.ts';
import { createApprovalService, type FinalApprovalState } from '../../../electron/daemon/approval-service.ts';
import { createDeferralService } from '../../../electron/daemon/deferral-service.ts';
import { normalizeHooked } from '../../../electron/daemon/hook-normalize.ts';
import { mediate } from '../../../electron/daemon/mediate.ts';
import {
  DEFAULT_LIMITS,
  type Envelope,
  type MediationPorts,
  type NormalizeFault,
} from '../../../electron/daemon/mediation.ts';
import type { Session } from '../../../electron/daemon/session-store.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { systemRandom } from '../../../electron/edge/random.ts';
import type { ToolDefinition } from '../../../electron/wire/mcp/definition.ts';
import { buildMcpAction } from '../../../electron/wire/mcp/mcp-action.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { HOME, hasher, ROOT, WORKSPACE } from '../semantic/scene.ts';

const loaded = loadKnowledge(join(ROOT, 'resources/knowledge'));
assert.ok(loaded.ok);
const knowledge = loaded.value;
let packs: CompiledPolicy;
before(async () => {
  const choice = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(choice.ok);
  packs = choice.value;
});

const SESSION = `sess_${'a'.repeat(16)}` as SessionId;
const PLACE = { cwd: WORKSPACE, home: HOME, workspace: WORKSPACE, user: 'user' };
/** Its server says that a number is needed. */
const STRICT: JsonObject = { type: 'object', properties: { id: { type: 'number' } }, required: ['id'] };

/** A daemon's mediation with the packs that come with it; `listed`: the server has the tool among its definitions. */
function bench(listed = true) {
  let now = 1_000_000;
  const clock = { now: () => now };
  const timers = { after: () => () => undefined };
  const drafts: ReceiptDraft[] = [];
  const definition = (name: string): ToolDefinition => ({
    ...{ name, title: null, description: null, outputSchema: null, annotations: null },
    inputSchema: STRICT,
  });
  const ports: MediationPorts = {
    clock,
    random: systemRandom,
    hasher,
    timers,
    ledger: {
      append: async (draft: ReceiptDraft) => {
        drafts.push(draft);
        return ok({ receipt: { id: `rct_${drafts.length}` } } as never);
      },
    },
    policy: () => ({ set: packs.set, compiled: packs }),
    approvals: createApprovalService(clock, timers),
    deferrals: createDeferralService(clock, timers),
    normalize: ({ envelope, ...input }): Result<Action, NormalizeFault> => {
      if (envelope.surface === 'hook')
        return normalizeHooked(
          { ...input, envelope },
          { knowledge, hasher, own: [], scan: () => EMPTY_PAYLOAD },
        );
      assert.ok(envelope.surface === 'mcp' && envelope.operation === 'call');
      return buildMcpAction(
        {
          ...{ id: input.id, sessionId: SESSION, at: input.at, surface: 'mcp', envelope },
          ...{ withheld: false, findings: [], payload: null, place: PLACE, own: [] },
          pinned: listed ? definition(envelope.tool) : null,
          modifiedFrom: input.modifiedFrom,
        },
        knowledge,
        hasher,
      );
    },
    mandateText: () => null,
    startTexts: () => [],
    environment: () => [],
    evaluate,
    patternFor: () => null,
    appendEntry: (summary, kind, body, at) => {
      const entry = appendEntry({ length: summary.length, head: summary.head }, { at, kind, body }, hasher);
      return { entry, summary: advanceSummary(summary, entry) };
    },
    replacements: { trash: ['trash'] },
    redirections: { trash: () => err('no trash'), copy: () => err('no copy') },
    limits: DEFAULT_LIMITS,
  };
  const session = sessionAt(now);
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Meets one call, answers what is asked of a person, and says what came of it. */
  const meet = async (envelope: Envelope, says: 'allowed' | 'denied' = 'allowed') => {
    const notify = () => undefined;
    const answer = mediate(ports, {
      session,
      envelope,
      notify,
      cancelled: () => false,
      onCancel: () => undefined,
    });
    await settle();
    const [view] = ports.approvals.pending();
    if (view !== undefined) {
      now += 500;
      const said = { approver: 'ada', at: now, note: null };
      const state: FinalApprovalState =
        says === 'allowed' ? { ...said, kind: says, scope: { kind: 'once' } } : { ...said, kind: says };
      assert.equal(ports.approvals.answer(view.id, view.digest, now - 500, state), null);
    }
    const { result, effect, rule, receipt } = await answer;
    return { result, effect, asked: view !== undefined, rule, receipt };
  };
  return {
    drafts,
    pass: (ms: number) => {
      now += ms;
    },
    hook: (name: string, given: JsonObject, says?: 'allowed' | 'denied') =>
      meet(
        {
          ...{ surface: 'hook', cwd: WORKSPACE, subagent: null, exists: false, given: null },
          call: { kind: 'mcp', server: 'shop', name, given },
        },
        says,
      ),
    bridge: (name: string, given: JsonObject, server = 'shop') =>
      meet({
        ...{ session: SESSION, sequence: 1, surface: 'mcp', operation: 'call', cwd: WORKSPACE, pid: 7 },
        server: {
          name: server,
          command: ['/opt/shop'],
          package: null,
          version: null,
          build: null,
          url: null,
        },
        tool: name,
        arguments: given,
      }),
  };
}

function sessionAt(now: number): Session {
  return {
    id: SESSION,
    identity: {
      human: { name: 'user', uid: 1000, source: 'test' },
      service: { name: 'countersign', version: '0', installation: 'x' },
      agent: {
        ...{ id: 'agt_00000000' as Session['identity']['agent']['id'], product: 'x', version: null },
        ...{ binaryHash: null, publicKey: 'x', mintedAt: now, expiresAt: now + 86_400_000 },
      },
      sessionId: SESSION,
      ...{ role: 'agent', privileges: [], delegation: [], binding: 'signed' },
    },
    ...{ assurance: 'cooperative', workspace: WORKSPACE, home: HOME, startedAt: now, secret: 's' },
    ...{ runnerPid: 1, runnerStartTicks: null, intent: null, claim: null, context: emptySummary(now) },
    ...{ lastSequence: 0, grants: [], mandates: new Map(), unflushed: [], running: new Map() },
    ...{ seenReads: new Set(), gaps: 0, revoked: null, endedAt: null, guard: null },
    ...{ effects: new Map(), endings: new Set(), farewells: new Set() },
  };
}

describe('a call that its hook told of', () => {
  test('is asked about there, and at the bridge it is an effect of that, once', async () => {
    const { hook, bridge, drafts } = bench();
    const told = await hook('delete_account', { id: 7 });
    assert.deepEqual([told.result, told.asked], ['ALLOW', true]);
    const recorded = drafts.length;
    const met = await bridge('delete_account', { id: 7 });
    assert.deepEqual([met.result, met.effect, met.asked, met.receipt], ['ALLOW', true, false, told.receipt]);
    assert.equal(drafts.length, recorded);
    assert.equal((await bridge('delete_account', { id: 7 })).asked, true);
  });

  test('covers no other arguments, tool or server, and nothing later', async () => {
    const { hook, bridge, pass } = bench();
    await hook('delete_account', { id: 7 });
    assert.equal((await bridge('delete_account', { id: 8 })).asked, true);
    assert.equal((await bridge('delete_order', { id: 7 })).asked, true);
    assert.equal((await bridge('delete_account', { id: 7 }, 'bank')).asked, true);
    pass(DEFAULT_LIMITS.mandateMs);
    assert.equal((await bridge('delete_account', { id: 7 })).asked, true);
  });

  test('covers nothing when a person said no', async () => {
    const { hook, bridge } = bench();
    assert.equal((await hook('delete_account', { id: 7 }, 'denied')).result, 'DENY');
    assert.equal((await bridge('delete_account', { id: 7 })).asked, true);
  });

  test('is still denied at the bridge for what only the bridge knows, and still asked about it', async () => {
    const { hook, bridge } = bench();
    await hook('delete_account', { id: 'seven' });
    const denied = await bridge('delete_account', { id: 'seven' });
    assert.deepEqual([denied.result, denied.rule], ['DENY', 'mcp.invalid-arguments']);
    const unlisted = bench(false);
    await unlisted.hook('show_account', { id: 7 });
    assert.equal((await unlisted.bridge('show_account', { id: 7 })).asked, true);
  });
});
