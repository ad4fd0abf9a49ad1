/**
 * The whole path of one action inside the daemon: normalize, accumulate, evaluate, sign, chain, make durable, answer.
 * Prints p50/p99 at one caller, throughput at 32, and the cost per action as a session grows. Sockets are not in it: bench/shim.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluate } from '../electron/core/policy/evaluate.ts';
import { transformNames } from '../electron/core/policy/transform.ts';
import { advanceSummary, appendEntry, emptySummary } from '../electron/core/receipt/context-chain.ts';
import { err } from '../electron/core/result.ts';
import { createApprovalService } from '../electron/daemon/approval-service.ts';
import { createDeferralService } from '../electron/daemon/deferral-service.ts';
import { mediate } from '../electron/daemon/mediate.ts';
import { DEFAULT_LIMITS, type MediationPorts } from '../electron/daemon/mediation.ts';
import { mandateText, normalizeEnvelope } from '../electron/daemon/normalize.ts';
import type { Session } from '../electron/daemon/session-store.ts';
import { platformTimers } from '../electron/daemon/timer.ts';
import { steadyClock } from '../electron/edge/clock.ts';
import { nodeHasher } from '../electron/edge/hasher.ts';
import { fileHeadStore } from '../electron/edge/head-store.ts';
import { openKeys } from '../electron/edge/keys.ts';
import { loadKnowledge } from '../electron/edge/knowledge-dir.ts';
import { openLedger } from '../electron/edge/ledger.ts';
import { loadPolicy } from '../electron/edge/policy-dir.ts';
import { systemRandom } from '../electron/edge/random.ts';
import { resourcesDirectory } from '../electron/edge/resources.ts';

const COMMANDS = [
  'git status --short',
  'npm test -- --watch=false',
  'cat src/index.ts | head -n 40',
  'grep -rn "TODO" src --include=*.ts',
  'sed -i s/foo/bar/ src/a.ts && git diff --stat',
  'find . -name "*.test.ts" -newer package.json',
  'mkdir -p build/out && cp dist/app.js build/out/',
  'python3 -m pytest -q tests/unit',
];

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;

async function main(): Promise<void> {
  const dir = mkdtempSync(join(process.env.CSN_BENCH_DIR ?? tmpdir(), 'csn-bench-'));
  const keys = await openKeys({
    dir: join(dir, 'ledger'),
    service: 'countersign-bench',
    keychain: { state: 'absent', message: 'bench' },
  });
  if (!keys.ok) throw new Error(keys.error.message);
  const clock = steadyClock();
  const ledger = await openLedger({
    dir: join(dir, 'ledger'),
    headStore: fileHeadStore(join(dir, 'head.json')),
    keys: keys.value,
    clock,
    hasher: nodeHasher,
    random: systemRandom,
  });
  if (!ledger.ok) throw new Error(ledger.error.message);
  const knowledge = loadKnowledge(join(resourcesDirectory(), 'knowledge'));
  if (!knowledge.ok) throw new Error(knowledge.error.message);
  const policy = await loadPolicy([{ directory: join(resourcesDirectory(), 'policies'), optional: false }], {
    transforms: transformNames(),
  });
  if (!policy.ok) throw new Error(policy.error.map((f) => f.message).join('; '));
  const timers = platformTimers();
  const ports: MediationPorts = {
    clock,
    random: systemRandom,
    hasher: nodeHasher,
    timers,
    ledger: ledger.value,
    policy: () => ({ set: policy.value.set, compiled: policy.value }),
    approvals: createApprovalService(clock, timers),
    deferrals: createDeferralService(clock, timers),
    normalize: ({ envelope, ...input }) =>
      envelope.surface === 'shell'
        ? normalizeEnvelope({ ...input, envelope }, knowledge.value, nodeHasher, '/nowhere')
        : err({ code: 'surface', message: 'only shells are measured here' }),
    mandateText,
    startTexts: () => [],
    environment: () => [],
    evaluate,
    patternFor: () => null,
    appendEntry: (summary, kind, body, at) => {
      const entry = appendEntry(
        { length: summary.length, head: summary.head },
        { at, kind, body },
        nodeHasher,
      );
      return { entry, summary: advanceSummary(summary, entry) };
    },
    replacements: {},
    redirections: { trash: () => err('no trash'), copy: () => err('no copy') },
    limits: DEFAULT_LIMITS,
  };
  let sequence = 0;
  const ask = async (session: Session, line: string): Promise<number> => {
    const start = performance.now();
    sequence += 1;
    const answer = await mediate(ports, {
      session,
      envelope: {
        session: session.id,
        sequence,
        surface: 'shell',
        operation: 'run',
        command_line: line,
        argv: null,
        argv_base64: null,
        dialect: 'bash',
        cwd: '/home/u/project',
        variables: {},
        script: null,
        parts_follow: false,
        interactive: false,
        pid: null,
        claim: null,
        depends_on: [],
      },
      notify: () => undefined,
      cancelled: () => false,
      onCancel: () => undefined,
    });
    if (answer.result !== 'ALLOW') throw new Error(`${line}: ${answer.result} (${answer.reason})`);
    return performance.now() - start;
  };
  const pick = (i: number): string => COMMANDS[i % COMMANDS.length] ?? '';

  const warm = sessionOf('sess_warmwarm');
  for (let i = 0; i < 500; i += 1) await ask(warm, pick(i));

  const one: number[] = [];
  const single = sessionOf('sess_single00');
  for (let i = 0; i < 2000; i += 1) one.push(await ask(single, pick(i)));
  one.sort((a, b) => a - b);
  console.log(
    `mediate, 1 caller, durable signed receipt: p50 ${quantile(one, 0.5).toFixed(3)} ms, p99 ${quantile(one, 0.99).toFixed(3)} ms`,
  );

  const total = 20_000;
  let next = 0;
  const start = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(
    Array.from({ length: 32 }, async (_, caller) => {
      const session = sessionOf(`sess_caller${String(caller).padStart(2, '0')}`);
      while (next < total) {
        next += 1;
        await ask(session, pick(next));
      }
    }),
  );
  console.log(`mediate, 32 callers: ${Math.round(total / ((performance.now() - start) / 1000))} actions/s`);

  const used = process.cpuUsage(cpu);
  console.log(
    `processor time per action at 32 callers: ${((used.user + used.system) / total).toFixed(0)} µs`,
  );

  const growing = sessionOf('sess_growing0');
  const costs: number[] = [];
  for (let i = 0; i < 520; i += 1) costs.push(await ask(growing, pick(i)));
  const at = (from: number, to: number) =>
    quantile(
      costs.slice(from, to).sort((a, b) => a - b),
      0.5,
    );
  const early = at(5, 45);
  const late = at(480, 520);
  console.log(
    `cost per action at 10 and at 500 actions of a session: ${early.toFixed(3)} ms, ${late.toFixed(3)} ms, ratio ${(late / early).toFixed(2)}`,
  );
  console.log(
    `resident memory with ${ledger.value.head().size} receipts: ${Math.round(process.memoryUsage.rss() / 1048576)} MB`,
  );
  await ledger.value.close();
  rmSync(dir, { recursive: true, force: true });
}

function sessionOf(id: string): Session {
  const now = Date.now();
  return {
    id: id as Session['id'],
    identity: {
      human: { name: 'u', uid: 1000, source: 'bench' },
      service: { name: 'countersign', version: '0', installation: 'bench' },
      agent: {
        id: 'agt_bench0000' as Session['identity']['agent']['id'],
        product: 'bash',
        version: null,
        binaryHash: null,
        publicKey: 'A'.repeat(43),
        mintedAt: now,
        expiresAt: now + 86_400_000,
      },
      sessionId: id as Session['id'],
      role: 'agent',
      privileges: [],
      delegation: [{ from: 'u', to: 'agt_bench0000', scope: 'session', expiresAt: null }],
      binding: 'signed',
    },
    assurance: 'cooperative',
    workspace: '/home/u/project',
    home: '/home/u',
    startedAt: now,
    runnerPid: process.pid,
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

await main();
