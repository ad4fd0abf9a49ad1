import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionId } from '../../../electron/core/brand.ts';
import { ORIGIN } from '../../../electron/core/receipt/chain.ts';
import { commit } from '../../../electron/core/receipt/commitment.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { checkLedger } from '../../../electron/edge/ledger-check.ts';
import { openLedgerReader } from '../../../electron/edge/ledger-reader.ts';
import { systemRandom } from '../../../electron/edge/random.ts';
import {
  append,
  decision,
  fakeKeychain,
  fill,
  newPlace,
  newThread,
  open,
  outcome,
  type Place,
  SESSION,
  tryOpen,
} from '../../fixtures/ledger.ts';

async function sealOf(place: Place) {
  const report = await checkLedger({ kind: 'database', path: place.db });
  if (!report.ok) throw new Error(report.error.message);
  return report.value;
}

test('begins with a genesis receipt that names its key', async () => {
  using place = newPlace();
  const ledger = await open(place);
  const reader = openLedgerReader(place.dir);
  assert.equal(reader.ok, true);
  if (!reader.ok) return;
  const genesis = reader.value.show(0);
  assert.equal(genesis?.receipt.kind, 'genesis');
  assert.equal(genesis?.receipt.prev, ORIGIN);
  assert.equal(genesis?.receipt.key, ledger.status().keyId);
  reader.value.close();
  await ledger.close();
});

test('answers with a receipt that another process already reads', async () => {
  using place = newPlace();
  const ledger = await open(place);
  const receipt = await append(ledger, decision(1));
  const reader = openLedgerReader(place.dir);
  assert.ok(reader.ok);
  assert.deepEqual(reader.value.show(receipt.receipt.id), receipt);
  assert.deepEqual(ledger.head(), { size: 2, hash: receipt.hash });
  reader.value.close();
  await ledger.close();
});

test('gives many callers at once one place each, without gaps, in the order they came', async () => {
  using place = newPlace();
  const ledger = await open(place, { limits: { maxBatch: 16, checkpointEvery: 64 } });
  const made = await Promise.all(Array.from({ length: 300 }, (_, n) => append(ledger, decision(n + 1))));
  const places = made.map(({ receipt }) => receipt.seq);
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(places).size, 300);
  await ledger.close();
  assert.equal((await sealOf(place)).verdict, 'verified');
});

const unrecordable: readonly (readonly [string, Parameters<typeof append>[1]])[] = [
  ['text with a lone surrogate', { ...decision(1), body: { text: '\ud800' } }],
  ['a number that is none', { ...decision(1), body: { n: Number.NaN } }],
  ['a receipt larger than the limit', { ...decision(1), body: { text: 'x'.repeat(100_000) } }],
  ['a kind that is the ledger’s own', { ...decision(1), kind: 'checkpoint' }],
  ['a context entry that continues nothing', { ...decision(1), contextEntries: [{ seq: 4, prev: ORIGIN }] }],
  [
    'a context entry with a false hash',
    { ...decision(1), contextEntries: [{ ...newThread().entry(1, 'action', {}), hash: ORIGIN }] },
  ],
  [
    'context without a session',
    { ...decision(1), session: null, contextEntries: [newThread().entry(1, 'action', {})] },
  ],
  [
    'an opening that opens nothing',
    { ...decision(1), openings: [{ commitment: ORIGIN, salt: 'x', value: 1 }] },
  ],
];

for (const [name, draft] of unrecordable)
  test(`refuses ${name}, and records what stands beside it`, async () => {
    using place = newPlace();
    const ledger = await open(place, { limits: { maxReceiptBytes: 50_000 } });
    const [before, refused, after] = await Promise.all([
      ledger.append(decision(1)),
      ledger.append(draft),
      ledger.append(decision(2)),
    ]);
    assert.deepEqual([before.ok, refused.ok, after.ok], [true, false, true]);
    assert.equal(refused.ok ? null : refused.error.code, 'unrecordable');
    assert.equal(ledger.status().state, 'ready');
    await ledger.close();
    assert.equal((await sealOf(place)).verdict, 'verified');
  });

test('binds the context of each session into its receipts (R2.f, R5.b)', async () => {
  using place = newPlace();
  const ledger = await open(place);
  const thread = newThread();
  const first = thread.entry(1, 'action', { id: 'act_1' });
  const made = await append(ledger, { ...decision(1), contextEntries: [first] });
  assert.deepEqual(made.receipt.context, { length: 1, head: first.hash });
  const later = await append(ledger, decision(2));
  assert.deepEqual(later.receipt.context, { length: 1, head: first.hash });
  const elsewhere = await append(ledger, decision(3, 'sess_cccccccc' as SessionId));
  assert.equal('context' in elsewhere.receipt, false);
  await ledger.close();
  const again = await open(place, { missingHead: 'require' });
  const entry = thread.entry(4, 'outcome', { action: 'act_1', result: 'succeeded' });
  const resumed = await append(again, { ...outcome(4, made.receipt.id), contextEntries: [entry] });
  assert.equal(resumed.receipt.context?.length, 2);
  await again.close();
  assert.equal((await sealOf(place)).verdict, 'verified');
});

test('keeps openings beside receipts', async () => {
  using place = newPlace();
  const ledger = await open(place);
  const { commitment, opening } = commit('hunter2', systemRandom.token(16), nodeHasher);
  const made = await append(ledger, { ...decision(1), body: { secret: commitment }, openings: [opening] });
  assert.equal(JSON.stringify(made).includes('hunter2'), false);
  await ledger.close();
  assert.equal((await sealOf(place)).verdict, 'verified');
});

test('rotates its key, the old one signing the change (R5.k)', async () => {
  using place = newPlace();
  const keychain = fakeKeychain();
  const ledger = await open(place, { keychain: keychain.keychain() });
  const before = await append(ledger, decision(1));
  const rotated = await ledger.rotateKey();
  assert.ok(rotated.ok);
  assert.equal(rotated.value.receipt.key, before.receipt.key);
  const after = await append(ledger, decision(2));
  assert.notEqual(after.receipt.key, before.receipt.key);
  await ledger.close();
  const again = await open(place, { keychain: keychain.keychain() });
  assert.equal(again.status().keyId, after.receipt.key);
  await again.close();
  const report = await sealOf(place);
  assert.equal(report.verdict, 'verified');
  assert.deepEqual(
    report.keys.map(({ key, from }) => [key.id, from]),
    [
      [before.receipt.key, 0],
      [after.receipt.key, rotated.value.receipt.seq + 1],
    ],
  );
});

test('takes two rotations at once one after the other', async () => {
  using place = newPlace();
  const keychain = fakeKeychain();
  const ledger = await open(place, { keychain: keychain.keychain() });
  const made = await Promise.all([ledger.rotateKey(), ledger.rotateKey(), ledger.append(decision(1))]);
  assert.equal(
    made.every(({ ok }) => ok),
    true,
  );
  await ledger.close();
  const again = await open(place, { keychain: keychain.keychain() });
  await again.close();
  const report = await sealOf(place);
  assert.equal(report.verdict, 'verified');
  assert.equal(report.keys.length, 3);
});

test('begins a new seal, and says so, when the key had lived in memory only', async () => {
  using place = newPlace();
  const first = await open(place);
  assert.equal(first.status().keyKept, 'memory');
  assert.match(first.status().notice ?? '', /kept in memory/);
  await append(first, decision(1));
  await first.close();
  const second = await open(place);
  await append(second, decision(2));
  await second.close();
  const report = await sealOf(place);
  assert.equal(report.verdict, 'verified');
  assert.equal(report.breaks.length, 1);
  assert.equal(
    report.findings.some(
      ({ step, severity, message }) => step === 'key' && severity === 'note' && /begins anew/.test(message),
    ),
    true,
  );
});

test('moves from a key in memory to one in a keychain when there is one', async () => {
  using place = newPlace();
  const first = await open(place);
  await first.close();
  const keychain = fakeKeychain();
  const second = await open(place, { keychain: keychain.keychain() });
  const { keyId, keyKept } = second.status();
  assert.equal(keyKept, 'keychain');
  await second.close();
  const third = await open(place, { keychain: keychain.keychain() });
  assert.equal(third.status().keyId, keyId);
  await third.close();
  assert.deepEqual((await sealOf(place)).breaks.length, 1);
});

test('refuses a second opener, and lets it in when the first has closed', async () => {
  using place = newPlace();
  const first = await open(place);
  const second = await tryOpen(place);
  assert.equal(second.ok ? null : second.error.code, 'locked');
  await first.close();
  const third = await open(place);
  await third.close();
});

test('refuses after it was closed', async () => {
  using place = newPlace();
  const ledger = await open(place);
  const waiting = ledger.append(decision(1));
  await ledger.close();
  assert.equal((await waiting).ok, true);
  const late = await ledger.append(decision(2));
  assert.equal(late.ok ? null : late.error.code, 'closed');
  await ledger.close();
});

test('refuses when too many wait, and loses none of those that do', async () => {
  using place = newPlace();
  const ledger = await open(place, { limits: { maxQueue: 10 } });
  const results = await Promise.all(Array.from({ length: 25 }, (_, n) => ledger.append(decision(n + 1))));
  assert.equal(results.filter(({ ok }) => ok).length, 10);
  assert.equal(ledger.head().size, 11);
  await ledger.close();
});

test('keeps the whole ledger checked by checkpoints, or signature by signature, alike', async () => {
  using place = newPlace();
  const ledger = await open(place, { limits: { checkpointEvery: 32 } });
  await fill(ledger, 100);
  await ledger.rotateKey();
  await fill(ledger, 0);
  await append(ledger, decision(1_700_000_009_999));
  await ledger.close();
  const each = await sealOf(place);
  const sealed = await checkLedger({ kind: 'database', path: place.db }, { signatures: 'checkpoints' });
  assert.ok(sealed.ok);
  assert.equal(each.verdict, 'verified');
  assert.equal(sealed.value.verdict, 'verified');
  assert.equal(each.vouched, 0);
  assert.ok(sealed.value.vouched > 150);
  assert.equal(sealed.value.signatures + sealed.value.vouched, each.signatures);
});

test('notes decisions that were let through and never heard of again, without breaking the seal', async () => {
  using place = newPlace();
  const ledger = await open(place);
  const made = await append(ledger, decision(1));
  await append(ledger, outcome(2, made.receipt.id));
  const lost = await append(ledger, decision(3));
  await ledger.close();
  const report = await sealOf(place);
  assert.equal(report.verdict, 'verified');
  assert.deepEqual(
    report.findings.filter(({ step }) => step === 'outcome').map(({ receipt }) => receipt),
    [lost.receipt.id],
  );
});

test('lists, pages, filters and follows without the daemon', async () => {
  using place = newPlace();
  const ledger = await open(place);
  await fill(ledger, 20);
  const reader = openLedgerReader(place.dir);
  assert.ok(reader.ok);
  const newest = reader.value.list({}, { limit: 3 });
  assert.deepEqual(
    newest.map(({ receipt }) => receipt.seq),
    [40, 39, 38],
  );
  const older = reader.value.list({}, { limit: 2, before: 38 });
  assert.deepEqual(
    older.map(({ receipt }) => receipt.seq),
    [37, 36],
  );
  const of = reader.value.list(
    { session: SESSION, kind: 'decision', decision: 'ALLOW', tool: 'shell' },
    { limit: 100 },
  );
  assert.equal(of.length, 10);
  const since = reader.value.list({ since: 1_700_000_000_190 }, { limit: 100 });
  assert.equal(
    since.every(({ receipt }) => receipt.at >= 1_700_000_000_190),
    true,
  );
  assert.equal(reader.value.answers(of[0]?.receipt.id ?? ('' as never)).length, 1);
  assert.equal(reader.value.context(SESSION, 0, 100).length, 20);
  assert.equal(reader.value.sessions(10).length, 2);
  const stop = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    for await (const { receipt } of reader.value.follow(
      { kind: 'decision' },
      { after: 40, signal: stop.signal, pollMs: 5 },
    )) {
      seen.push(receipt.seq);
      if (seen.length === 2) stop.abort();
    }
  })();
  const a = await append(ledger, decision(1_700_000_001_000));
  await append(ledger, outcome(1_700_000_001_001, a.receipt.id));
  await append(ledger, decision(1_700_000_001_002));
  await following;
  assert.deepEqual(seen, [41, 43]);
  reader.value.close();
  await ledger.close();
});
