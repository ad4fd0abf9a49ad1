import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '../../../electron/core/action.ts';
import type { ActionId, Digest, JsonObject } from '../../../electron/core/brand.ts';
import type { Command, Word } from '../../../electron/core/command.ts';
import type { Decision, Result5 } from '../../../electron/core/decision.ts';
import type { Effect } from '../../../electron/core/effect.ts';
import type { CompiledPolicy } from '../../../electron/core/policy/compile.ts';
import type { ReceiptDraft } from '../../../electron/core/ports.ts';
import { advanceSummary, appendEntry, emptySummary } from '../../../electron/core/receipt/context-chain.ts';
import { err, ok } from '../../../electron/core/result.ts';
import { createApprovalService, type FinalApprovalState } from '../../../electron/daemon/approval-service.ts';
import { createDeferralService } from '../../../electron/daemon/deferral-service.ts';
import { mediate } from '../../../electron/daemon/mediate.ts';
import {
  type Answer,
  DEFAULT_LIMITS,
  type MediationPorts,
  type WaitingNotice,
} from '../../../electron/daemon/mediation.ts';
import type { Session } from '../../../electron/daemon/session-store.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { systemRandom } from '../../../electron/edge/random.ts';
import type { ShellEnvelope } from '../../../electron/wire/submit.ts';

/** A mediation whose clock, timers, ledger and judgement the test holds. The flow under test is the real one. */
function bench(judge: (action: Action, world: { intent: string | null }) => Partial<Decision>) {
  let now = 1_000_000;
  const timers: { at: number; callback: () => void }[] = [];
  const drafts: ReceiptDraft[] = [];
  let ledgerFault: string | null = null;
  let ledgerHangs = false;
  const hung: (() => void)[] = [];
  let policyHash = 'a'.repeat(64) as Digest;
  const facts = new Map<string, string>();
  const clock = { now: () => now };
  const timer = {
    after: (delayMs: number, callback: () => void) => {
      const entry = { at: now + delayMs, callback };
      timers.push(entry);
      return () => {
        const at = timers.indexOf(entry);
        if (at >= 0) timers.splice(at, 1);
      };
    },
  };
  const append = async (draft: ReceiptDraft) => {
    if (ledgerHangs) await new Promise<void>((resolve) => hung.push(resolve));
    if (ledgerFault !== null) return err({ code: 'disk_full', message: ledgerFault } as const);
    drafts.push(draft);
    const seq = drafts.length - 1;
    return ok({
      receipt: {
        v: 1,
        id: `rct_${String(seq).padStart(8, '0')}`,
        kind: draft.kind,
        seq,
        prev: policyHash,
        at: draft.at,
        session: draft.session,
        key: 'k',
        body: draft.body,
      },
      hash: policyHash,
      signature: '',
    } as never);
  };
  const decide = (action: Action): Decision => ({
    result: 'ALLOW',
    rank: 'posture',
    rule: null,
    reason: 'nothing speaks against it',
    instead: null,
    risk: 'low',
    confidence: 1,
    policy: { version: '1', hash: policyHash },
    ranks: [],
    commands: [0],
    modify: null,
    approvers: [],
    timeoutMs: null,
    missing: [],
    ...judge(action, { intent: session.context.request }),
  });
  const ports: MediationPorts = {
    clock,
    random: systemRandom,
    hasher: nodeHasher,
    timers: timer,
    ledger: { append },
    policy: () => ({
      set: {
        version: '1',
        hash: policyHash,
        rules: [],
        posture: { name: 'p', unmatched: 'ALLOW', why: 'x', minimumConfidence: 0 },
      },
      compiled: {} as CompiledPolicy,
    }),
    approvals: createApprovalService(clock, timer),
    deferrals: createDeferralService(clock, timer),
    normalize: ({ id, at, session: owner, envelope, modifiedFrom }) => {
      assert.ok(envelope.surface === 'shell');
      const line = envelope.command_line ?? (envelope.argv ?? []).join(' ');
      if (line === 'garbage') return err({ code: 'nul', message: 'a NUL byte' });
      return ok(actionOf(id, at, owner.id, line, envelope, modifiedFrom));
    },
    mandateText: (action, index) => action.commands[index]?.args.map((w) => w.text).join('\0') ?? null,
    startTexts: () => [],
    environment: (_action, readAt) =>
      [...facts].map(([name, value]) => ({ name, value, source: 'test', readAt })),
    evaluate: (_policy, set) => decide(set.action),
    patternFor: () => null,
    appendEntry: (summary, kind, body, at) => {
      const entry = appendEntry(
        { length: summary.length, head: summary.head },
        { at, kind, body },
        nodeHasher,
      );
      return { entry, summary: advanceSummary(summary, entry) };
    },
    replacements: { trash: ['trash'] },
    redirections: { trash: () => err('no trash'), copy: () => err('no copy') },
    limits: DEFAULT_LIMITS,
  };
  const session = sessionAt(now);
  const settle = async () => {
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    ports,
    session,
    drafts,
    settle,
    kinds: () => drafts.map((d) => d.kind),
    submit(line: string, options: { depends?: ActionId[]; argv?: boolean; parts?: boolean } = {}) {
      const notices: WaitingNotice[] = [];
      const cancels: (() => void)[] = [];
      let cancelled = false;
      const envelope: ShellEnvelope = {
        session: session.id,
        sequence: 1,
        surface: 'shell',
        operation: options.argv ? 'exec' : 'run',
        command_line: options.argv ? null : line,
        argv: options.argv ? line.split(' ') : null,
        argv_base64: null,
        dialect: 'bash',
        cwd: '/w',
        variables: {},
        script: null,
        parts_follow: options.parts === true,
        interactive: false,
        pid: null,
        claim: null,
        depends_on: options.depends ?? [],
      };
      const answer = mediate(ports, {
        session,
        envelope,
        notify: (n) => void notices.push(n),
        cancelled: () => cancelled,
        onCancel: (c) => void cancels.push(c),
      });
      return {
        answer,
        notices,
        leave: () => {
          cancelled = true;
          for (const cancel of cancels) cancel();
        },
      };
    },
    async pass(ms: number) {
      now += ms;
      for (const entry of [...timers].filter((t) => t.at <= now)) {
        timers.splice(timers.indexOf(entry), 1);
        entry.callback();
      }
      await settle();
    },
    answer(state: FinalApprovalState) {
      const view = ports.approvals.pending()[0];
      assert.ok(view, 'an approval is pending');
      // A person needs a moment: what is younger than that counts as not read.
      now += 500;
      return ports.approvals.answer(view.id, view.digest, now - 500, state);
    },
    breakLedger: (message: string | null) => {
      ledgerFault = message;
    },
    hangLedger: () => {
      ledgerHangs = true;
    },
    releaseLedger: () => {
      ledgerHangs = false;
      for (const release of hung.splice(0)) release();
    },
    changePolicy: () => {
      policyHash = 'b'.repeat(64) as Digest;
    },
    learn: (name: string, value: string) => facts.set(name, value),
    now: () => now,
  };
}

function word(text: string): Word {
  return { text, raw: text, known: true, glob: false };
}

function actionOf(
  id: ActionId,
  at: number,
  sessionId: Action['sessionId'],
  line: string,
  envelope: ShellEnvelope,
  modifiedFrom: Digest | null,
): Action {
  const [name = '', ...args] = line.split(' ');
  const command: Command = {
    index: 0,
    program: name,
    name: word(name),
    args: args.map(word),
    redirects:
      name === '{' ? [{ operator: '>', descriptor: null, target: word('f'), body: null, shared: true }] : [],
    assignments: [],
    via: [],
    pipedFrom: null,
    pipedTo: null,
    origin: 'line',
    code: null,
    cwd: '/w',
    span: null,
  } as Command;
  const effect: Effect = {
    kind: name === 'cat' ? 'read' : 'write',
    object: { kind: 'path', value: `/w/${args.at(-1) ?? ''}`, known: true, many: false, labels: [] },
    command: 0,
    recursive: false,
    force: false,
    reversible: 'no',
    tags: name === '{' ? ['redirect'] : [],
  };
  const parameters: JsonObject = envelope.argv === null ? { command: line } : { argv: envelope.argv };
  return {
    id,
    sessionId,
    at,
    surface: 'shell',
    tool: 'shell',
    operation: envelope.operation,
    parameters,
    cwd: '/w',
    commands: [command],
    effects: [effect],
    gaps: [],
    digest: nodeHasher.sha256(line),
    modifiedFrom,
    dependsOn: envelope.depends_on as ActionId[],
    partsFollow: envelope.parts_follow,
  };
}

function sessionAt(now: number): Session {
  return {
    id: 'sess_00000000' as Session['id'],
    identity: {
      human: { name: 'ada', uid: 1000, source: 'test' },
      service: { name: 'countersign', version: '0', installation: 'i' },
      agent: {
        id: 'agt_00000000' as Session['identity']['agent']['id'],
        product: 'bash',
        version: null,
        binaryHash: null,
        publicKey: 'x',
        mintedAt: now,
        expiresAt: now + 86_400_000,
      },
      sessionId: 'sess_00000000' as Session['id'],
      role: 'agent',
      privileges: [],
      delegation: [],
      binding: 'signed',
    },
    assurance: 'cooperative',
    workspace: '/w',
    home: '/home/ada',
    startedAt: now,
    runnerPid: 1,
    runnerStartTicks: null,
    secret: 's',
    intent: null,
    claim: null,
    context: emptySummary(now),
    lastSequence: 0,
    grants: [],
    mandates: new Map(),
    unflushed: [],
    running: new Map(),
    seenReads: new Set(),
    gaps: 0,
    revoked: null,
    endedAt: null,
    guard: null,
    effects: new Map(),
    endings: new Set(),
    farewells: new Set(),
  };
}

const always =
  (result: Result5, more: Partial<Decision> = {}) =>
  () => ({ result, ...more });
const allowed = (at: number): FinalApprovalState => ({
  kind: 'allowed',
  approver: 'ada',
  at,
  note: null,
  scope: { kind: 'once' },
});
/** One part of the n-th receipt's body; the test fails when it is not there. */
function part(b: ReturnType<typeof bench>, receipt: number, name: string): JsonObject {
  const value = b.drafts[receipt]?.body[name];
  assert.ok(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `receipt ${receipt} has ${name}`,
  );
  return value as JsonObject;
}

const results = (b: ReturnType<typeof bench>) =>
  b.drafts.map((d) => (d.body.decision as JsonObject | undefined)?.result);

test('ALLOW is heard only after its receipt is durable', async () => {
  const b = bench(always('ALLOW'));
  b.hangLedger();
  let heard: Answer | null = null;
  void b.submit('ls').answer.then((a) => {
    heard = a;
  });
  await b.settle();
  assert.equal(heard, null);
  b.releaseLedger();
  await b.settle();
  assert.equal((heard as Answer | null)?.result, 'ALLOW');
  assert.deepEqual(b.kinds(), ['decision']);
});

test('the context entries of an action are durable in its receipt’s commit', async () => {
  const b = bench(always('ALLOW'));
  await b.submit('ls').answer;
  assert.deepEqual(
    b.drafts[0]?.contextEntries?.map((e) => e.kind),
    ['action', 'decision'],
  );
});

test('denies when the ledger cannot record', async () => {
  const b = bench(always('ALLOW'));
  b.breakLedger('no space left');
  const answer = await b.submit('ls').answer;
  assert.equal(answer.result, 'DENY');
  assert.match(answer.reason, /no space left/);
});

test('what could not be recorded is recorded with the next receipt that can be', async () => {
  const b = bench(always('ALLOW'));
  b.breakLedger('no space left');
  await b.submit('one').answer;
  b.breakLedger(null);
  await b.submit('two').answer;
  assert.deepEqual(
    b.drafts[0]?.contextEntries?.map((e) => e.seq),
    [0, 1, 2, 3, 4],
  );
});

test('denies when the ledger hangs, and says so beside a receipt that becomes durable too late', async () => {
  const b = bench(always('ALLOW'));
  b.hangLedger();
  const { answer } = b.submit('ls');
  await b.pass(DEFAULT_LIMITS.ledgerMs);
  assert.equal((await answer).result, 'DENY');
  b.releaseLedger();
  await b.settle();
  assert.deepEqual(b.kinds(), ['decision', 'outcome']);
  assert.equal(part(b, 1, 'outcome').result, 'not_executed');
});

test('denies when evaluation throws, and records the refusal', async () => {
  const b = bench(() => {
    throw new Error('boom');
  });
  const answer = await b.submit('ls').answer;
  assert.equal(answer.result, 'DENY');
  assert.match(answer.reason, /boom/);
  assert.deepEqual(b.kinds(), ['refusal']);
});

test('denies what cannot be understood, and records the refusal', async () => {
  const b = bench(always('ALLOW'));
  assert.equal((await b.submit('garbage').answer).result, 'DENY');
  assert.deepEqual(b.kinds(), ['refusal']);
});

for (const [name, change] of [
  [
    'the session ended',
    (s: Session) => {
      s.endedAt = 1;
    },
  ],
  [
    'the agent was revoked',
    (s: Session) => {
      s.revoked = 'by ada';
    },
  ],
] as const) {
  test(`denies when ${name}`, async () => {
    const b = bench(always('ALLOW'));
    change(b.session);
    assert.equal((await b.submit('ls').answer).result, 'DENY');
  });
}

test('STEP_UP waits for a person and then allows, with two receipts', async () => {
  const b = bench(always('STEP_UP', { rule: 'r' as never }));
  const { answer, notices } = b.submit('rm x');
  await b.settle();
  assert.equal(notices[0]?.state, 'STEP_UP');
  assert.equal(b.answer(allowed(b.now())), null);
  assert.equal((await answer).result, 'ALLOW');
  assert.equal((await answer).decided, 'STEP_UP');
  assert.deepEqual(b.kinds(), ['decision', 'approval']);
  assert.deepEqual(results(b), ['STEP_UP', 'ALLOW']);
});

test('STEP_UP that nobody answers is a DENY', async () => {
  const b = bench(always('STEP_UP'));
  const { answer } = b.submit('rm x');
  await b.settle();
  await b.pass(DEFAULT_LIMITS.approvalMs);
  assert.equal((await answer).result, 'DENY');
  assert.equal(part(b, 1, 'approval').answer, 'timed_out');
});

test('an approval given after policy changed does not run', async () => {
  const b = bench(always('STEP_UP'));
  const { answer } = b.submit('rm x');
  await b.settle();
  b.changePolicy();
  b.answer(allowed(b.now()));
  assert.equal((await answer).result, 'DENY');
  assert.match((await answer).reason, /stale: policy changed/);
});

test('an approval given after the agent was revoked does not run', async () => {
  const b = bench(always('STEP_UP'));
  const { answer } = b.submit('rm x');
  await b.settle();
  b.session.revoked = 'by ada';
  b.answer(allowed(b.now()));
  assert.match((await answer).reason, /stale: identity revoked/);
});

test('an answer for another digest is refused and the question stays open', async () => {
  const b = bench(always('STEP_UP'));
  b.submit('rm x');
  await b.settle();
  const view = b.ports.approvals.pending()[0];
  assert.equal(
    b.ports.approvals.answer(view?.id ?? '', 'f'.repeat(64), 0, allowed(b.now()))?.code,
    'other_action',
  );
  assert.equal(b.ports.approvals.pending().length, 1);
});

test('an allow is measured from when the question arose, whatever the client says it showed', async () => {
  const b = bench(always('STEP_UP'));
  const { answer } = b.submit('rm x');
  await b.settle();
  const [view] = b.ports.approvals.pending();
  assert.equal(
    b.ports.approvals.answer(view?.id ?? '', view?.digest ?? '', 0, allowed(b.now()))?.code,
    'too_fast',
  );
  assert.equal(b.answer(allowed(b.now())), null);
  assert.equal((await answer).result, 'ALLOW');
});

test('an allow that came faster than a person reads is refused', async () => {
  const b = bench(always('STEP_UP'));
  b.submit('rm x');
  await b.settle();
  const view = b.ports.approvals.pending()[0];
  assert.equal(
    b.ports.approvals.answer(view?.id ?? '', view?.digest ?? '', b.now() - 100, allowed(b.now()))?.code,
    'too_fast',
  );
});

test('a question is withdrawn when the surface goes away', async () => {
  const b = bench(always('STEP_UP'));
  const { answer, leave } = b.submit('rm x');
  await b.settle();
  leave();
  assert.equal((await answer).result, 'DENY');
  assert.equal(b.ports.approvals.pending().length, 0);
});

test('an edit becomes MODIFY with the person’s words, both digests in the receipt', async () => {
  const b = bench((action) =>
    action.parameters.command === 'rm x' ? { result: 'STEP_UP' } : { result: 'ALLOW' },
  );
  const { answer } = b.submit('rm x');
  await b.settle();
  b.answer({ kind: 'edited', approver: 'ada', at: b.now(), note: null, commandLine: 'rm -i x' });
  const a = await answer;
  assert.equal(a.result, 'MODIFY');
  assert.equal(a.commandLine, 'rm -i x');
  const modified = part(b, b.drafts.length - 1, 'modified');
  assert.equal(modified.from, nodeHasher.sha256('rm x'));
  assert.equal(modified.to, nodeHasher.sha256('rm -i x'));
});

test('an edit into something that policy denies is denied', async () => {
  const b = bench((action) =>
    action.parameters.command === 'rm x' ? { result: 'STEP_UP' } : { result: 'DENY', reason: 'forbidden' },
  );
  const { answer } = b.submit('rm x');
  await b.settle();
  b.answer({ kind: 'edited', approver: 'ada', at: b.now(), note: null, commandLine: 'rm -rf /' });
  assert.equal((await answer).result, 'DENY');
});

test('DEFER waits for the request and is judged again when the person says it', async () => {
  const b = bench((_, { intent }) =>
    intent === null
      ? { result: 'DEFER', missing: [{ path: 'request.text', resolvers: ['intent'] }] }
      : { result: 'ALLOW' },
  );
  const { answer, notices } = b.submit('deploy it');
  await b.settle();
  assert.equal(notices[0]?.state, 'DEFER');
  const entry = b.ports.appendEntry(b.session.context, 'intent', { text: 'deploy' }, b.now());
  b.session.context = entry.summary;
  b.session.unflushed.push(entry.entry);
  b.ports.deferrals.factArrived(b.session.id, 'request', 'intent_supplied');
  assert.equal((await answer).result, 'ALLOW');
  assert.equal((await answer).decided, 'DEFER');
  assert.deepEqual(b.kinds(), ['deferral', 'decision']);
  const deferral = part(b, 1, 'deferral');
  assert.equal(deferral.method, 'intent_supplied');
  assert.equal(b.ports.approvals.pending().length, 0, 'the question closes itself');
});

test('DEFER re-reads the environment until the fact is there', async () => {
  let known = false;
  const b = bench(() =>
    known
      ? { result: 'ALLOW' }
      : { result: 'DEFER', missing: [{ path: 'environment.git_branch', resolvers: ['environment'] }] },
  );
  const { answer } = b.submit('push it');
  await b.settle();
  assert.equal(b.ports.approvals.pending().length, 0, 'nobody is asked');
  await b.pass(60);
  b.learn('git_branch', 'main');
  known = true;
  await b.pass(200);
  assert.equal((await answer).result, 'ALLOW');
  assert.equal(part(b, 1, 'deferral').method, 'fact_read');
});

test('DEFER whose fact never arrives is a DENY, with two receipts', async () => {
  const b = bench(always('DEFER', { missing: [{ path: 'environment.x', resolvers: ['environment'] }] }));
  const { answer } = b.submit('push it');
  await b.settle();
  await b.pass(DEFAULT_LIMITS.deferralMs);
  assert.equal((await answer).result, 'DENY');
  assert.deepEqual(b.kinds(), ['deferral', 'decision']);
});

test('a person settles what nothing else can, and policy’s denial still stands above the answer', async () => {
  let denied = false;
  const b = bench(() =>
    denied
      ? { result: 'DENY', reason: 'now forbidden' }
      : { result: 'DEFER', missing: [{ path: 'effect.value', resolvers: ['person'] }] },
  );
  const first = b.submit('rm a');
  await b.settle();
  b.answer(allowed(b.now()));
  assert.equal((await first.answer).result, 'ALLOW');
  const second = b.submit('rm b');
  await b.settle();
  denied = true;
  b.answer(allowed(b.now()));
  assert.equal((await second.answer).result, 'DENY');
});

test('what depends on a deferred action is deferred too, and what does not goes on', async () => {
  const b = bench((action) =>
    action.parameters.command === 'write x'
      ? { result: 'DEFER', missing: [{ path: 'effect.value', resolvers: ['person'] }] }
      : { result: 'ALLOW' },
  );
  const first = b.submit('write x');
  await b.settle();
  const dependent = b.submit('cat x');
  const independent = b.submit('cat y');
  assert.equal((await independent.answer).result, 'ALLOW');
  assert.equal(dependent.notices[0]?.state, 'DEFER');
  b.answer(allowed(b.now()));
  assert.equal((await first.answer).result, 'ALLOW');
  assert.equal((await dependent.answer).result, 'ALLOW');
  assert.equal((await dependent.answer).decided, 'ALLOW');
  const deferral = part(b, b.drafts.length - 1, 'deferral');
  assert.equal(deferral.method, 'dependency_resolved');
});

test('two reads of one thing do not wait for each other', async () => {
  const b = bench((action) =>
    action.parameters.command === 'cat x'
      ? { result: 'DEFER', missing: [{ path: 'request.text', resolvers: ['intent'] }] }
      : { result: 'ALLOW' },
  );
  b.submit('cat x');
  await b.settle();
  assert.equal((await b.submit('cat ./ x').answer).result, 'ALLOW');
});

test('a chain of dependents past the bound is denied', async () => {
  const b = bench((action) =>
    action.parameters.command === 'write x'
      ? { result: 'DEFER', missing: [{ path: 'effect.value', resolvers: ['person'] }] }
      : { result: 'ALLOW' },
  );
  b.submit('write x');
  await b.settle();
  const answers: Promise<Answer>[] = [];
  for (let i = 0; i < 12; i += 1) {
    answers.push(b.submit(`write${i} x`).answer);
    await b.settle();
  }
  const last = await (answers.at(-1) as Promise<Answer>);
  assert.equal(last.result, 'DENY');
  assert.match(last.reason, /deep/);
});

test('a deferral that stays undecidable is denied after a bounded number of tries', async () => {
  const b = bench(always('DEFER', { missing: [{ path: 'request.text', resolvers: ['intent'] }] }));
  const { answer } = b.submit('go');
  for (let i = 0; i < DEFAULT_LIMITS.deferralRounds; i += 1) {
    await b.settle();
    b.ports.deferrals.factArrived(b.session.id, 'request', 'intent_supplied');
  }
  assert.equal((await answer).result, 'DENY');
  assert.match((await answer).reason, /still undecidable/);
});

test('MODIFY runs the changed words, evaluated once more, both in the receipt', async () => {
  const b = bench((action) =>
    action.modifiedFrom === null
      ? { result: 'MODIFY', modify: { name: 'force-with-lease', arguments: {} } }
      : { result: 'ALLOW' },
  );
  const a = await b.submit('git push --force', { argv: true }).answer;
  assert.equal(a.result, 'MODIFY');
  assert.deepEqual(a.argv, ['git', 'push', '--force-with-lease']);
  assert.equal(part(b, 0, 'modified').transform, 'force-with-lease');
});

test('MODIFY into something that policy denies is denied', async () => {
  const b = bench((action) =>
    action.modifiedFrom === null
      ? { result: 'MODIFY', modify: { name: 'force-with-lease', arguments: {} } }
      : { result: 'DENY' },
  );
  assert.equal((await b.submit('git push -f', { argv: true }).answer).result, 'DENY');
});

test('MODIFY that would change a second time asks a person instead of going round', async () => {
  const b = bench(always('MODIFY', { modify: { name: 'force-with-lease', arguments: {} } }));
  const { answer, notices } = b.submit('git push -f', { argv: true });
  await b.settle();
  assert.equal(notices[0]?.state, 'STEP_UP');
  b.answer(allowed(b.now()));
  assert.deepEqual((await answer).argv, ['git', 'push', '--force-with-lease']);
});

test('MODIFY that cannot be carried out asks a person about the original', async () => {
  const b = bench(always('MODIFY', { modify: { name: 'force-with-lease', arguments: {} } }));
  const { answer, notices } = b.submit('git pull', { argv: true });
  await b.settle();
  assert.match(notices[0]?.reason ?? '', /could not be changed/);
  b.answer({ kind: 'denied', approver: 'ada', at: b.now(), note: 'no' });
  assert.equal((await answer).result, 'DENY');
});

test('the second interception of what was just decided is its effect, once', async () => {
  const b = bench(always('ALLOW'));
  const first = await b.submit('rm x').answer;
  const second = await b.submit('rm x', { argv: true }).answer;
  assert.equal(second.effect, true);
  assert.equal(second.action, first.action);
  const third = await b.submit('rm x', { argv: true }).answer;
  assert.equal(third.effect, false, 'a mandate is used up');
  assert.equal(b.drafts.length, 2);
});

test('a mandate does not cover other words', async () => {
  const b = bench(always('ALLOW'));
  await b.submit('rm x').answer;
  assert.equal((await b.submit('rm y', { argv: true }).answer).effect, false);
});

test('every final answer but a failure names its receipt', async () => {
  for (const result of ['ALLOW', 'DENY'] as const) {
    const a = await bench(always(result)).submit('ls').answer;
    assert.match(a.receipt ?? '', /^rct_/);
  }
});

test('leaves a question about a script to its commands when each is intercepted again', async () => {
  const b = bench(always('STEP_UP'));
  const answer = await b.submit('rm x', { parts: true }).answer;
  assert.deepEqual([answer.result, answer.decided], ['ALLOW', 'ALLOW']);
  assert.equal(b.session.mandates.size, 0);
});

test('denies a script as a whole although its commands are intercepted again', async () => {
  const b = bench(always('DENY'));
  assert.equal((await b.submit('rm x', { parts: true }).answer).result, 'DENY');
});

test('asks about the whole what no command of it would show: the shell opens a group’s file by itself', async () => {
  const b = bench(always('STEP_UP', { rule: 'r' as Decision['rule'] }));
  const { answer } = b.submit('{ x; } > f', { parts: true });
  await b.settle();
  assert.equal(b.answer({ kind: 'denied', approver: 'ada', at: b.now(), note: null }), null);
  const ended = await answer;
  assert.deepEqual([ended.result, ended.decided], ['DENY', 'STEP_UP']);
  assert.deepEqual(b.kinds(), ['decision', 'approval']);
});

test('judges only what the commands would not show when it asks about the whole', async () => {
  const b = bench((action) => ({
    result: action.effects.every((e) => e.tags.includes('redirect')) ? 'ALLOW' : 'STEP_UP',
  }));
  assert.equal((await b.submit('{ x; } > f', { parts: true }).answer).result, 'ALLOW');
});
