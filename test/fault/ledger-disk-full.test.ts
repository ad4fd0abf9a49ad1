import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '../../electron/core/receipt/checkpoint.ts';
import { checkLedger } from '../../electron/edge/ledger-check.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import { newPlace, placeAt } from '../fixtures/ledger.ts';

const CHILD = fileURLToPath(new URL('../fixtures/ledger-full-child.ts', import.meta.url));

/** A disk that can be filled and emptied again: a small file system where we may mount one, else a limit on the size of files. */
interface SmallDisk {
  readonly root: string;
  readonly start: () => ChildProcess;
  readonly fill: (child: ChildProcess) => void;
  readonly empty: (child: ChildProcess) => void;
  readonly remove: () => void;
  readonly code: string;
}

function smallFileSystem(root: string, head: string): SmallDisk | null {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]).status !== 0) return null;
  const ballast = join(disk, 'ballast');
  return {
    root: disk,
    code: 'disk_full',
    start: () => spawn(process.execPath, [CHILD, disk, head], { stdio: ['pipe', 'pipe', 'inherit'] }),
    fill() {
      try {
        for (;;) writeFileSync(ballast, Buffer.alloc(4096), { flag: 'a' });
      } catch {
        // Full: what was wanted.
      }
    },
    empty: () => rmSync(ballast),
    remove: () => void spawnSync('umount', ['-l', disk]),
  };
}

/** `ulimit -f` counts in KiB here; the signal of a write beyond it is ignored, so that the write itself fails. */
function limitedFiles(root: string, head: string): SmallDisk {
  const limit = (child: ChildProcess, bytes: string) =>
    spawnSync('prlimit', ['--pid', String(child.pid), `--fsize=${bytes}:unlimited`]);
  return {
    root,
    code: 'io',
    start: () =>
      spawn('bash', ['-c', 'trap "" XFSZ; exec "$@"', 'bash', process.execPath, CHILD, root, head], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    fill: (child) => void limit(child, '4096'),
    empty: (child) => void limit(child, 'unlimited'),
    remove: () => undefined,
  };
}

for (const means of ['a small file system', 'a limit on the size of files'] as const)
  test(`refuses while the disk is full, loses nothing, and goes on when there is space (${means})`, async () => {
    using place = newPlace();
    const head = join(place.root, 'elsewhere');
    const limited = limitedFiles(place.root, head);
    // Where nothing may be mounted, both tests limit the size of files: the same promise, by the means there is.
    const disk = means === 'a small file system' ? (smallFileSystem(place.root, head) ?? limited) : limited;
    try {
      const child = disk.start();
      const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
      const next = async () => String((await lines.next()).value);
      const ask = async (bytes: number) => {
        child.stdin?.write(`${bytes}\n`);
        return next();
      };
      assert.equal(await next(), 'ready');
      const before: string[] = [];
      for (let n = 0; n < 20; n += 1) before.push(await ask(500));
      assert.equal(
        before.every((line) => line.startsWith('ok ')),
        true,
      );
      disk.fill(child);
      let answer = await ask(20_000);
      for (let n = 0; answer.startsWith('ok ') && n < 500; n += 1) {
        before.push(answer);
        answer = await ask(20_000);
      }
      assert.equal(answer, `refused ${disk.code} broken`);
      for (let n = 0; n < 5; n += 1) assert.match(await ask(20_000), /^refused .* broken$/);
      disk.empty(child);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const after = await ask(20_000);
      assert.match(after, /^ok /);
      child.stdin?.end();
      assert.equal(await next(), 'closed');
      await once(child, 'close');
      const ledger = placeAt(disk.root);
      const outside = JSON.parse(readFileSync(join(head, 'head.json'), 'utf8')) as Checkpoint;
      const report = await checkLedger({ kind: 'database', path: ledger.db }, { head: outside });
      assert.ok(report.ok);
      assert.equal(report.value.verdict, 'verified', JSON.stringify(report.value.findings));
      const reader = openLedgerReader(ledger.dir);
      assert.ok(reader.ok);
      for (const line of [...before, after])
        assert.notEqual(reader.value.show(Number(line.split(' ')[1])), null, `lost: ${line}`);
      const [recovered] = reader.value.list({ kind: 'lifecycle' }, { limit: 1 });
      assert.equal(recovered?.receipt.body.event, 'ledger_recovered');
      assert.equal(recovered?.receipt.body.fault, disk.code);
      assert.ok(Number(recovered?.receipt.body.refused) >= 5);
      reader.value.close();
    } finally {
      disk.remove();
    }
  });
