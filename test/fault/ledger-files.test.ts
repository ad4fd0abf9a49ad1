import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import Database from 'better-sqlite3';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { fileHeadStore } from '../../electron/edge/head-store.ts';
import { checkLedger } from '../../electron/edge/ledger-check.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import {
  append,
  copyPlace,
  decision,
  fakeKeychain,
  fill,
  newPlace,
  open,
  type Place,
  tryOpen,
} from '../fixtures/ledger.ts';

/** What the next start finds when files were cut, replaced, taken away or flipped (failure table: ledger corrupt, truncated, rolled back). */

let sound: Place;
let receipts: readonly Receipt[];
const keychain = fakeKeychain();
const options = { keychain: keychain.keychain(), limits: { checkpointEvery: 16 } };

before(async () => {
  sound = newPlace();
  const ledger = await open(sound, options);
  await fill(ledger, 30);
  await ledger.close();
  const reader = openLedgerReader(sound.dir);
  if (!reader.ok) throw new Error(reader.error.message);
  receipts = reader.value.list({}, { limit: 1000, after: -1 });
  reader.value.close();
});
after(() => sound[Symbol.dispose]());

/** The sound ledger again, in the same place: keychain entries go by the path. */
async function withCopy(act: (place: Place) => Promise<void>): Promise<void> {
  const kept = newPlace();
  cpSync(sound.root, kept.root, { recursive: true });
  try {
    await act(sound);
  } finally {
    rmSync(sound.root, { recursive: true });
    cpSync(kept.root, sound.root, { recursive: true });
    kept[Symbol.dispose]();
  }
}

async function codeOfOpening(place: Place): Promise<string> {
  try {
    const opened = await tryOpen(place, options);
    if (!opened.ok) return opened.error.code;
    await opened.value.close();
    return 'opened';
  } catch (error) {
    return error instanceof Error ? error.message : 'thrown';
  }
}

function edit(place: Place, sql: string): void {
  const db = new Database(place.db);
  for (const trigger of ['receipts_keep', 'receipts_stay', 'context_keep', 'context_stay'])
    db.exec(`drop trigger ${trigger}`);
  db.exec(sql);
  db.close();
}

const last = () => receipts.length - 1;
const cases: readonly (readonly [string, (place: Place) => void, RegExp])[] = [
  [
    'its last receipt was removed',
    (p) => edit(p, `delete from receipts where seq = ${last()}`),
    /rolled_back/,
  ],
  [
    'its last twenty receipts were removed',
    (p) => edit(p, `delete from receipts where seq > ${last() - 20}`),
    /rolled_back/,
  ],
  [
    'a receipt since the checkpoint was changed',
    (p) => edit(p, `update receipts set receipt = replace(receipt, '"at":', '"at":1') where seq = ${last()}`),
    /tampered|unreadable/,
  ],
  [
    'a receipt since the checkpoint has another signature',
    (p) => edit(p, `update receipts set signature = zeroblob(64) where seq = ${last()}`),
    /tampered/,
  ],
  [
    'a tree kept for the next start was changed',
    (p) =>
      edit(p, "update frontiers set roots = replace(replace(replace(roots, 'a', 'x'), 'b', 'a'), 'x', 'b')"),
    /tampered/,
  ],
  ['a tree kept for the next start was removed', (p) => edit(p, 'delete from frontiers'), /tampered/],
  [
    'the file was cut in half',
    (p) => truncateSync(p.db, readFileSync(p.db).length >> 1),
    /unreadable|is not known|cannot be read/,
  ],
  ['the file is empty', (p) => writeFileSync(p.db, ''), /missing/],
  ['the file is text', (p) => writeFileSync(p.db, 'x'.repeat(9000)), /unreadable|not a database/],
  [
    'the file is another database',
    (p) => {
      unlinkSync(p.db);
      const db = new Database(p.db);
      db.exec('create table t (a)');
      db.close();
    },
    /unreadable|not a ledger/,
  ],
  ['the file is gone', (p) => unlinkSync(p.db), /missing/],
  ['the head is gone', (p) => unlinkSync(p.headPath), /head_missing/],
  ['the head is no head', (p) => writeFileSync(p.headPath, '{}'), /head_unreadable/],
  ['the head is empty', (p) => writeFileSync(p.headPath, ''), /head_unreadable/],
  [
    'the head is a directory',
    (p) => {
      unlinkSync(p.headPath);
      mkdirSync(p.headPath);
    },
    /head_unreadable/,
  ],
  [
    'the head has another root',
    (p) => writeFileSync(p.headPath, readFileSync(p.headPath, 'utf8').replace(/"root":"../, '"root":"00')),
    /tampered/,
  ],
  [
    'the head says fewer receipts than were signed',
    (p) => writeFileSync(p.headPath, readFileSync(p.headPath, 'utf8').replace(/"size":\d+/, '"size":3')),
    /tampered/,
  ],
];

for (const [name, ruin, code] of cases)
  test(`does not open when ${name}`, () =>
    withCopy(async (place) => {
      ruin(place);
      assert.match(await codeOfOpening(place), code);
    }));

test('does not open a copy from yesterday put back in its place', () =>
  withCopy(async (place) => {
    const yesterday = newPlace();
    mkdirSync(yesterday.dir, { recursive: true });
    copyPlace(place, yesterday);
    const today = await open(place, options);
    await append(today, decision(1_700_000_009_000));
    await today.close();
    copyPlace(yesterday, place);
    yesterday[Symbol.dispose]();
    assert.equal(await codeOfOpening(place), 'rolled_back');
  }));

test('does not open a ledger of another installation put in its place', () =>
  withCopy(async (place) => {
    using other = newPlace();
    const ledger = await open(other);
    await fill(ledger, 40);
    await ledger.close();
    copyPlace(other, place);
    assert.match(await codeOfOpening(place), /tampered|key_unavailable/);
  }));

test('goes on without a head only when told to, and records that it did', () =>
  withCopy(async (place) => {
    unlinkSync(place.headPath);
    const ledger = await open(place, { ...options, missingHead: 'reset' });
    await ledger.close();
    const reader = openLedgerReader(place.dir);
    assert.ok(reader.ok);
    const [reset] = reader.value.list({ kind: 'lifecycle' }, { limit: 1 });
    assert.equal(reset?.receipt.body.event, 'head_reset');
    reader.value.close();
    assert.equal(await codeOfOpening(place), 'opened');
  }));

test('leaves no ledger behind when it refuses to begin one in place of a missing one', () =>
  withCopy(async (place) => {
    unlinkSync(place.db);
    await codeOfOpening(place);
    assert.equal(existsSync(place.db), false);
  }));

test('breaks, and stays broken, when its file is taken away while it runs', async () => {
  using place = newPlace();
  const ledger = await open(place, { limits: { headEveryMs: 1, retryMs: 1 } });
  await append(ledger, decision(1));
  unlinkSync(place.db);
  while (ledger.status().state === 'ready') {
    await ledger.append(decision(2));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const refused = await ledger.append(decision(3));
  assert.equal(refused.ok ? null : refused.error.code, 'ledger_broken');
  await ledger.close();
});

test('breaks, and stays broken, when another process writes into it', async () => {
  using place = newPlace();
  const ledger = await open(place, { limits: { retryMs: 1 } });
  await append(ledger, decision(1));
  const db = new Database(place.db);
  db.exec(
    "insert into receipts select seq + 1, 'rct_forged0000', kind, session, at, decision, tool, action, answers, receipt, hash, signature from receipts where seq = 1",
  );
  db.close();
  for (let n = 0; n < 3; n += 1) {
    const refused = await ledger.append(decision(2 + n));
    assert.equal(refused.ok ? null : refused.error.code, 'ledger_broken');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await ledger.close();
});

test('refuses while another process holds the file, and goes on when it lets go', async () => {
  using place = newPlace();
  const ledger = await open(place, { limits: { retryMs: 1 } });
  const db = new Database(place.db);
  db.exec('begin immediate');
  const refused = await ledger.append(decision(1));
  assert.equal(refused.ok, false);
  db.exec('rollback');
  db.close();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await append(ledger, decision(2));
  await ledger.close();
  const report = await checkLedger({ kind: 'database', path: place.db });
  assert.ok(report.ok && report.value.verdict === 'verified');
});

test('reports a head that cannot be written outside, and goes on recording', async () => {
  using place = newPlace();
  const store = fileHeadStore(place.headPath);
  const ledger = await open(place, { headStore: store, limits: { headEveryMs: 1 } });
  rmSync(dirname(place.headPath), { recursive: true });
  writeFileSync(dirname(place.headPath), 'in the way');
  while (ledger.status().headProblem === null) {
    await append(ledger, decision(1));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(ledger.status().state, 'ready');
  await ledger.close();
});

/** A flip is either found, or in a byte that no receipt, context entry or column depends on. */
test('finds every flipped byte that changes anything a reader could see', () =>
  withCopy(async (place) => {
    const bytes = readFileSync(place.db);
    const expected = JSON.stringify(receipts);
    let found = 0;
    let harmless = 0;
    // A prime stride visits every kind of page and cell, in a time that a test may take.
    for (let at = 16; at < bytes.length; at += 397) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(place.db, flipped);
      const report = await checkLedger({ kind: 'database', path: place.db }, { threads: 1 });
      if (!report.ok || report.value.verdict === 'broken') {
        found += 1;
        continue;
      }
      harmless += 1;
      const reader = openLedgerReader(place.dir);
      assert.ok(reader.ok);
      const read = JSON.stringify(reader.value.list({}, { limit: 1000, after: -1 }));
      reader.value.close();
      assert.equal(read, expected, `byte ${at}`);
    }
    assert.ok(found > harmless, `${found} found, ${harmless} harmless`);
  }));
