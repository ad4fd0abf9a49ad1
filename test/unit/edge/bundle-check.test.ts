import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkLedger } from '../../../electron/edge/ledger-check.ts';
import { newPlace } from '../../fixtures/ledger.ts';

const VECTORS = fileURLToPath(new URL('../../vectors/bundle/', import.meta.url));
const HOSTILE = fileURLToPath(new URL('../../hostile/receipt-file/', import.meta.url));

async function seal(path: string) {
  const report = await checkLedger({ kind: 'bundle', path });
  if (!report.ok) throw new Error(report.error.message);
  return report.value;
}

for (const name of readdirSync(VECTORS).filter((file) => file.endsWith('.jsonl')))
  test(`verifies the bundle ${name} of the vectors`, async () => {
    const report = await seal(join(VECTORS, name));
    assert.equal(report.verdict, 'verified', JSON.stringify(report.findings));
    assert.equal(report.keys.length, 2);
  });

for (const name of readdirSync(HOSTILE).filter((file) => file.endsWith('.jsonl')))
  test(`calls the hostile bundle ${name} broken, and says why`, async () => {
    const report = await seal(join(HOSTILE, name));
    assert.equal(report.verdict, 'broken');
    const fault = report.findings.find(({ severity }) => severity === 'fault');
    assert.notEqual(fault, undefined);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

const made: readonly (readonly [string, () => string])[] = [
  ['a line of 40 MB', () => `{"type":"${'x'.repeat(40_000_000)}"}\n`],
  ['40 MB without a line end', () => 'x'.repeat(40_000_000)],
  ['a line nested a million deep', () => `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}\n`],
  ['a million empty lines', () => '\n'.repeat(1_000_000)],
];
for (const [name, text] of made)
  test(`calls ${name} broken, with few words`, async () => {
    using place = newPlace();
    const path = join(place.root, 'bundle');
    writeFileSync(path, text());
    const report = await seal(path);
    assert.equal(report.verdict, 'broken');
    assert.ok(report.findings.length <= 200);
  });

test('says that a bundle is missing, which is not the same as broken', async () => {
  const report = await checkLedger({ kind: 'bundle', path: '/nonexistent/bundle' });
  assert.equal(report.ok ? null : report.error.code, 'missing');
});

test('gives a directory back as a fault of the question', async () => {
  const report = await checkLedger({ kind: 'bundle', path: HOSTILE });
  assert.equal(report.ok ? null : report.error.code, 'io');
});
