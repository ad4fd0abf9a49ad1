import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionId } from '../electron/core/brand.ts';
import type { ReceiptDraft } from '../electron/core/ports.ts';
import {
  advanceSummary,
  appendEntry,
  EMPTY_CONTEXT,
  emptySummary,
  referenceAfter,
} from '../electron/core/receipt/context-chain.ts';
import { steadyClock } from '../electron/edge/clock.ts';
import { keyPairOf, newSeed, nodeVerifier } from '../electron/edge/ed25519.ts';
import { nodeHasher } from '../electron/edge/hasher.ts';
import { fileHeadStore } from '../electron/edge/head-store.ts';
import { openKeys } from '../electron/edge/keys.ts';
import { type OpenLedger, openLedger } from '../electron/edge/ledger.ts';
import { checkLedger } from '../electron/edge/ledger-check.ts';
import { ledgerPath } from '../electron/edge/ledger-file.ts';
import { openLedgerReader } from '../electron/edge/ledger-reader.ts';
import { systemRandom } from '../electron/edge/random.ts';

/**
 * The ledger's speed and size. `node bench/ledger.ts [--million]`. Times are medians of this machine at this moment; what holds elsewhere are
 * the ratios to its own signing and verifying, measured in the same run.
 */

interface Place {
  readonly root: string;
  readonly dir: string;
  readonly db: string;
}

function placeAt(root: string): Place {
  const dir = join(root, 'ledger');
  return { root, dir, db: ledgerPath(dir) };
}

async function open({ root, dir }: Place): Promise<OpenLedger> {
  const keychain = { state: 'absent', message: 'none in a bench' } as const;
  const keys = await openKeys({ dir, service: 'countersign-bench', keychain });
  if (!keys.ok) throw new Error(keys.error.message);
  const headStore = fileHeadStore(join(root, 'head', 'head.json'));
  const ports = { clock: steadyClock(), hasher: nodeHasher, random: systemRandom };
  const opened = await openLedger({ dir, headStore, keys: keys.value, ...ports });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

async function append(ledger: OpenLedger, what: ReceiptDraft): Promise<void> {
  const result = await ledger.append(what);
  if (!result.ok) throw new Error(result.error.message);
}

const SESSIONS = 8;
/** A receipt of about 1 kB, as a decision on a shell command is. */
function draft(n: number): ReceiptDraft {
  return {
    kind: 'decision',
    session: `sess_${String(n % SESSIONS).padStart(8, '0')}` as SessionId,
    at: Date.now(),
    body: {
      action: {
        id: `act_${String(n).padStart(12, '0')}`,
        tool: 'shell',
        operation: 'run',
        parameters: {
          command: `git commit -m "change ${n}" -- src/a.ts src/b.ts`,
          environment: ['PATH', 'HOME', 'LANG'],
        },
        digest: 'd'.repeat(64),
      },
      identity: {
        human: { name: 'person', uid: 1000 },
        agent: { id: 'agt_00000000', product: 'claude-code', publicKey: 'k'.repeat(43) },
        binding: 'attested',
      },
      decision: {
        result: 'ALLOW',
        rank: 'static',
        rule: 'pol_git-0003',
        reason: 'a commit stays on this machine',
        policy: { version: '2026.11', hash: 'e'.repeat(64) },
        confidence: 0.97,
      },
    },
  };
}

const line = (name: string, value: string) => process.stdout.write(`${name.padEnd(58)} ${value}\n`);
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const at99 = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN;

function timed(count: number, act: () => void): number {
  for (let n = 0; n < count / 10; n += 1) act();
  const from = performance.now();
  for (let n = 0; n < count; n += 1) act();
  return ((performance.now() - from) / count) * 1000;
}

/** CPU time of this process per receipt in us: what a busy machine does not disturb. */
async function cpuPerReceipt(ledger: OpenLedger, count: number): Promise<number> {
  const before = process.cpuUsage();
  await manyCallers(ledger, 32, count);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function oneCaller(ledger: OpenLedger, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const from = performance.now();
    await append(ledger, draft(n));
    times.push(performance.now() - from);
  }
  return times;
}

async function manyCallers(ledger: OpenLedger, callers: number, count: number): Promise<number> {
  let n = 0;
  const from = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (n < count) {
        n += 1;
        await append(ledger, draft(n));
      }
    }),
  );
  return count / ((performance.now() - from) / 1000);
}

async function growTo(ledger: OpenLedger, size: number): Promise<void> {
  while (ledger.head().size < size)
    await manyCallers(ledger, 512, Math.min(20_000, size - ledger.head().size));
}

interface Rate {
  readonly perSecond: number;
  readonly cpuUs: number;
}

async function verifyRate(place: Place, signatures: 'each' | 'checkpoints'): Promise<Rate> {
  const before = process.cpuUsage();
  const from = performance.now();
  const report = await checkLedger({ kind: 'database', path: place.db }, { signatures });
  if (!report.ok || report.value.verdict !== 'verified')
    throw new Error('the bench made a ledger that does not verify');
  const { receipts } = report.value;
  const perSecond = receipts / ((performance.now() - from) / 1000);
  const { user, system } = process.cpuUsage(before);
  return { perSecond, cpuUs: (user + system) / receipts };
}

/** Time per action of keeping the context, the session being `size` actions long already. */
function contextCost(size: number): number {
  let head = EMPTY_CONTEXT;
  let summary = emptySummary(0);
  const act = () => {
    const n = head.length;
    const body = {
      id: `act_${n}`,
      tool: 'shell',
      operation: 'run',
      summary: `npm test ${n}`,
      entities: [`/w/${n}`],
    };
    const entry = appendEntry(head, { at: n, kind: 'action', body }, nodeHasher);
    head = referenceAfter(entry);
    summary = advanceSummary(summary, entry);
  };
  const runs = Array.from({ length: 300 }, () => {
    head = EMPTY_CONTEXT;
    summary = emptySummary(0);
    for (let n = 0; n < size; n += 1) act();
    const from = performance.now();
    for (let n = 0; n < 10; n += 1) act();
    return ((performance.now() - from) / 10) * 1000;
  });
  return median(runs);
}

/** In a process of its own: what a daemon with this ledger keeps in memory. */
async function resident(root: string): Promise<void> {
  const ledger = await open(placeAt(root));
  await manyCallers(ledger, 32, 5000);
  const reader = openLedgerReader(placeAt(root).dir);
  if (reader.ok) reader.value.list({}, { limit: 200 });
  await ledger.close();
  process.stdout.write(String(Math.round(process.memoryUsage.rss() / 1e6)));
}

async function main(): Promise<void> {
  const pair = keyPairOf(newSeed());
  const message = new Uint8Array(32);
  const signature = pair.sign(message);
  const verifier = nodeVerifier();
  const signUs = timed(5000, () => pair.sign(message));
  const verifyUs = timed(5000, () => verifier.verify(pair.publicKey, message, signature));
  line('sign / verify one hash, one core', `${signUs.toFixed(1)} / ${verifyUs.toFixed(1)} us`);

  const place = placeAt(mkdtempSync(join(tmpdir(), 'csn-bench-')));
  const ledger = await open(place);
  await oneCaller(ledger, 500);
  const single = await oneCaller(ledger, 3000);
  line(
    'append, one caller, durable: p50 / p99',
    `${median(single).toFixed(3)} / ${at99(single).toFixed(3)} ms`,
  );
  const rates: number[] = [];
  for (let n = 0; n < 5; n += 1) rates.push(await manyCallers(ledger, 32, 6000));
  const rate = median(rates);
  line(
    'append, 32 callers, durable',
    `${Math.round(rate)} receipts/s (${(1e6 / rate / signUs).toFixed(2)} x the cost of signing)`,
  );

  const cpu = await cpuPerReceipt(ledger, 6000);
  line(
    'CPU per receipt, 32 callers',
    `${cpu.toFixed(0)} us (${(cpu / signUs).toFixed(2)} x the cost of signing)`,
  );

  const sizes = process.argv.includes('--million') ? [100_000, 1_000_000] : [100_000];
  for (const size of sizes) {
    await growTo(ledger, size);
    const times = await oneCaller(ledger, 3000);
    const many = await manyCallers(ledger, 32, 6000);
    const used = await cpuPerReceipt(ledger, 6000);
    line(
      `CPU per receipt at ${size} receipts, 32 callers`,
      `${used.toFixed(0)} us (${(used / cpu).toFixed(2)} x)`,
    );
    line(
      `append at ${size} receipts: p50, one caller / 32 callers`,
      `${median(times).toFixed(3)} ms (${(median(times) / median(single)).toFixed(2)} x) / ${Math.round(many)} receipts/s`,
    );
    if (size > 100_000) continue;
    const mb = (path: string) => (statSync(path).size / 1e6).toFixed(0);
    line(
      `file of ${ledger.head().size} receipts / write-ahead log`,
      `${mb(place.db)} MB / ${mb(`${place.db}-wal`)} MB`,
    );
    const cores = availableParallelism();
    for (const mode of ['each', 'checkpoints'] as const) {
      const { perSecond, cpuUs } = await verifyRate(place, mode);
      // Vouching leaves the work to one thread; signatures are spread over all.
      const free = Math.round(((mode === 'each' ? cores : 1) * 1e6) / cpuUs);
      line(
        `verify, signatures: ${mode}, ${cores} cores`,
        `${Math.round(perSecond)} receipts/s; CPU ${cpuUs.toFixed(0)} us each (${(cpuUs / verifyUs).toFixed(2)} x one verification), so ${free}/s with the cores free`,
      );
    }
  }
  const from = performance.now();
  await ledger.close();
  const closed = performance.now();
  const again = await open(place);
  line(
    `close / open at ${again.head().size} receipts`,
    `${(closed - from).toFixed(0)} / ${(performance.now() - closed).toFixed(0)} ms`,
  );
  await again.close();
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--resident', place.root], {
    encoding: 'utf8',
  });
  const bare = spawnSync(
    process.execPath,
    ['-e', 'console.log(Math.round(process.memoryUsage.rss() / 1e6))'],
    { encoding: 'utf8' },
  );
  line('resident memory of a writer of it / of bare node', `${child.stdout} / ${bare.stdout.trim()} MB`);
  const ten = contextCost(10);
  const five = contextCost(500);
  line(
    'context per action, at 10 / 500 actions',
    `${ten.toFixed(1)} / ${five.toFixed(1)} us (${(five / ten).toFixed(2)} x)`,
  );
  rmSync(place.root, { recursive: true });
}

const [, , flag, root] = process.argv;
if (flag === '--resident' && root !== undefined) await resident(root);
else await main();
