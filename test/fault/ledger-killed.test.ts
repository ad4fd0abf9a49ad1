import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '../../electron/core/receipt/checkpoint.ts';
import { checkLedger } from '../../electron/edge/ledger-check.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import { append, decision, newPlace, open, type Place } from '../fixtures/ledger.ts';

const CHILD = fileURLToPath(new URL('../fixtures/ledger-child.ts', import.meta.url));

function start(place: Place, callers: number): ChildProcess {
  return spawn(process.execPath, [CHILD, place.root, String(callers)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Kills the child with SIGKILL once it acknowledged so many receipts; gives all that it acknowledged, whole lines only. */
async function killAfter(child: ChildProcess, acknowledged: number): Promise<ReadonlyMap<number, string>> {
  let text = '';
  child.stdout?.setEncoding('utf8');
  child.stdout?.on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length - 2 >= acknowledged) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const lines = text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== 'ready');
  return new Map(
    lines.map((line) => {
      const [seq = '', hash = ''] = line.split(' ');
      return [Number(seq), hash];
    }),
  );
}

async function assertWhole(place: Place, acknowledged: ReadonlyMap<number, string>): Promise<void> {
  const head = JSON.parse(readFileSync(place.headPath, 'utf8')) as Checkpoint;
  const report = await checkLedger({ kind: 'database', path: place.db }, { head });
  assert.ok(report.ok);
  assert.equal(report.value.verdict, 'verified', JSON.stringify(report.value.findings));
  const reader = openLedgerReader(place.dir);
  assert.ok(reader.ok);
  for (const [seq, hash] of acknowledged) assert.equal(reader.value.show(seq)?.hash, hash, `receipt ${seq}`);
  reader.value.close();
}

// 7, 8 and 9 are around a checkpoint, 49 to 51 around a rotation of the key.
for (const [callers, points] of [
  [1, [0, 1, 7, 8, 9, 49, 50, 51]],
  [32, [0, 1, 33, 200, 1000]],
] as const)
  for (const acknowledged of points)
    test(`keeps all it answered when killed after ${acknowledged} answers to ${callers} callers`, async () => {
      using place = newPlace();
      const seen = await killAfter(start(place, callers), acknowledged);
      assert.ok(seen.size >= acknowledged);
      await assertWhole(place, seen);
      const again = await open(place);
      const after = await append(again, decision(Date.now()));
      assert.ok(after.receipt.seq > Math.max(-1, ...seen.keys()));
      await again.close();
      await assertWhole(place, seen);
    });

test('keeps all it answered over many lives and deaths', async () => {
  using place = newPlace();
  const seen = new Map<number, string>();
  for (const acknowledged of [3, 17, 60, 5, 120]) {
    for (const [seq, hash] of await killAfter(start(place, 4), acknowledged)) {
      assert.equal(seen.has(seq), false, `receipt ${seq} was given twice`);
      seen.set(seq, hash);
    }
    await assertWhole(place, seen);
  }
});

test('is opened by the next when its holder was killed, and not before', async () => {
  using place = newPlace();
  const child = start(place, 1);
  await once(child.stdout ?? child, 'data');
  await assert.rejects(open(place), /locked/);
  child.kill('SIGKILL');
  await once(child, 'close');
  const ledger = await open(place);
  await ledger.close();
});
