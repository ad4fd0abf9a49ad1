import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import Database from 'better-sqlite3';
import type { Digest, Json, JsonObject, KeyId } from '../../../electron/core/brand.ts';
import { bytesOfHex, hexOfBytes } from '../../../electron/core/receipt/bytes.ts';
import { canonical } from '../../../electron/core/receipt/canonical.ts';
import { signedBytes } from '../../../electron/core/receipt/chain.ts';
import type { Checkpoint } from '../../../electron/core/receipt/checkpoint.ts';
import { commit } from '../../../electron/core/receipt/commitment.ts';
import type { Step } from '../../../electron/core/receipt/finding.ts';
import { beginningBody, genesisBody, type KeyRecord } from '../../../electron/core/receipt/key-epoch.ts';
import type { ReceiptBody } from '../../../electron/core/receipt/receipt.ts';
import type { SealReport } from '../../../electron/core/receipt/report.ts';
import { type KeyPair, keyPairOf, newSeed } from '../../../electron/edge/ed25519.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { type CheckOptions, checkLedger } from '../../../electron/edge/ledger-check.ts';
import { columnsOf } from '../../../electron/edge/ledger-file.ts';
import { systemRandom } from '../../../electron/edge/random.ts';
import {
  append,
  copyPlace,
  decision,
  fakeKeychain,
  fill,
  newPlace,
  open,
  type Place,
} from '../../fixtures/ledger.ts';

/** One sound ledger, and everything that a local process could do to a copy of its file. */

let sound: Place;
let head: Checkpoint;
let retired: KeyPair;
/** Place of the receipt that retired the first key. */
let rotation = 0;

before(async () => {
  sound = newPlace();
  const keychain = fakeKeychain();
  const ledger = await open(sound, { keychain: keychain.keychain(), limits: { checkpointEvery: 16 } });
  await fill(ledger, 20);
  const { commitment, opening } = commit({ password: 'hunter2' }, systemRandom.token(16), nodeHasher);
  await append(ledger, { ...decision(1_700_000_000_500), body: { secret: commitment }, openings: [opening] });
  const kept = JSON.parse([...keychain.secrets.values()][0] ?? '{}') as { current: string };
  retired = keyPairOf(Buffer.from(kept.current, 'base64url'));
  const rotated = await ledger.rotateKey();
  rotation = rotated.ok ? rotated.value.receipt.seq : -1;
  for (let n = 0; n < 12; n += 1) await append(ledger, decision(1_700_000_001_000 + n));
  await ledger.close();
  head = JSON.parse(readFileSync(sound.headPath, 'utf8')) as Checkpoint;
});
after(() => sound[Symbol.dispose]());

async function seal(place: Place, options: CheckOptions = { head }): Promise<SealReport> {
  const report = await checkLedger({ kind: 'database', path: place.db }, options);
  if (!report.ok) throw new Error(report.error.message);
  return report.value;
}

/** Opens a copy as an attacker does: without our triggers. */
function attack(act: (db: Database.Database) => void): Place {
  const place = newPlace();
  mkdirSync(place.dir, { recursive: true });
  copyPlace(sound, place);
  const db = new Database(place.db);
  for (const trigger of ['receipts_keep', 'receipts_stay', 'context_keep', 'context_stay'])
    db.exec(`drop trigger ${trigger}`);
  act(db);
  db.close();
  return place;
}

const textAt = (db: Database.Database, seq: number) =>
  String(db.prepare('select receipt from receipts where seq = ?').pluck().get(seq));
const bodyAt = (db: Database.Database, seq: number) => JSON.parse(textAt(db, seq)) as ReceiptBody;
const setText = (db: Database.Database, seq: number, text: string) =>
  db.prepare('update receipts set receipt = ? where seq = ?').run(text, seq);

/** Writes a receipt where one is, hash and columns made to fit; signed when the attacker has a key. */
function forge(db: Database.Database, receipt: ReceiptBody, key?: KeyPair, row = receipt.seq): Digest {
  const text = canonical(receipt as unknown as Json);
  const hash = nodeHasher.sha256(text);
  const { seq, id, kind, session, at, body } = receipt;
  const columns = { seq, id, kind, session, at, ...columnsOf(body) };
  for (const [name, value] of Object.entries(columns))
    if (name !== 'seq') db.prepare(`update receipts set ${name} = ? where seq = ?`).run(value, row);
  db.prepare('update receipts set receipt = ?, hash = ? where seq = ?').run(text, bytesOfHex(hash), row);
  if (key !== undefined)
    db.prepare('update receipts set signature = ? where seq = ?').run(
      Buffer.from(key.sign(signedBytes(hash)), 'base64url'),
      row,
    );
  return hash;
}

/** Rewrites everything from `from` on so that the links fit, signing with what the attacker has. */
function relink(
  db: Database.Database,
  from: number,
  change: (receipt: ReceiptBody) => ReceiptBody,
  key?: KeyPair,
): void {
  const size = Number(db.prepare('select max(seq) + 1 from receipts').pluck().get());
  let prev =
    from === 0
      ? null
      : hexOfBytes(
          db
            .prepare('select hash from receipts where seq = ?')
            .pluck()
            .get(from - 1) as Uint8Array,
        );
  for (let seq = from; seq < size; seq += 1) {
    const receipt = bodyAt(db, seq);
    const changed = change(prev === null ? receipt : { ...receipt, prev: prev as Digest });
    prev = forge(db, changed, key);
  }
}

const edited = (receipt: ReceiptBody): ReceiptBody => ({
  ...receipt,
  body: { ...receipt.body, note: 'edited' },
});
const fields: readonly (readonly [string, (receipt: ReceiptBody) => ReceiptBody])[] = [
  ['id', (r) => ({ ...r, id: 'rct_00000000_forged' as ReceiptBody['id'] })],
  ['kind', (r) => ({ ...r, kind: 'refusal' })],
  ['prev', (r) => ({ ...r, prev: 'f'.repeat(64) as Digest })],
  ['time', (r) => ({ ...r, at: r.at + 1 })],
  ['session', (r) => ({ ...r, session: 'sess_zzzzzzzz' as ReceiptBody['session'] })],
  ['key', (r) => ({ ...r, key: 'key_00000000' })],
  ['context', (r) => ({ ...r, context: { length: 1, head: 'e'.repeat(64) as Digest } })],
  ['body', edited],
];

for (const [name, change] of fields) {
  test(`detects a changed ${name} under the old hash`, async () => {
    using place = attack((db) => setText(db, 7, canonical(change(bodyAt(db, 7)) as unknown as Json)));
    await breaks(place, 'hash', 7);
  });
  test(`detects a changed ${name} under a new hash`, async () => {
    using place = attack((db) => forge(db, change(bodyAt(db, 7))));
    await breaks(place, 'signature', 7, name === 'key' ? 'key' : undefined);
  });
}

async function breaks(place: Place, step: Step, seq: number | null, instead?: Step): Promise<void> {
  for (const signatures of ['each', 'checkpoints'] as const) {
    const report = await seal(place, { head, signatures });
    assert.equal(report.verdict, 'broken', `verified with signatures checked by ${signatures}`);
    if (signatures === 'checkpoints') continue;
    const faults = report.findings.filter(({ severity }) => severity === 'fault');
    const fits = faults.some((one) => one.step === (instead ?? step) && one.seq === seq);
    assert.equal(fits, true, `expected ${step} at ${seq}, found ${JSON.stringify(faults, null, 1)}`);
  }
}

const columns: readonly (readonly [string, string])[] = [
  ['id', "'rct_00000000_other'"],
  ['kind', "'refusal'"],
  ['session', "'sess_zzzzzzzz'"],
  ['session', 'null'],
  ['at', '1'],
  ['decision', "'DENY'"],
  ['tool', "'http'"],
  ['action', "'act_other000'"],
  ['answers', "'rct_00000000_other'"],
];
for (const [column, value] of columns)
  test(`detects a column \`${column}\` made to say ${value}, which would hide a receipt from a listing`, async () => {
    using place = attack((db) => db.exec(`update receipts set ${column} = ${value} where seq = 7`));
    await breaks(place, 'column', 7);
  });

const attacks: readonly (readonly [string, Step, number | null, (db: Database.Database) => void])[] = [
  ['a changed signature', 'signature', 7, (db) => flipBlob(db, 'signature', 7)],
  ['a changed hash', 'hash', 7, (db) => flipBlob(db, 'hash', 7)],
  [
    'a signature cut short',
    'format',
    7,
    (db) => db.exec("update receipts set signature = x'00' where seq = 7"),
  ],
  [
    'a signature taken from another receipt',
    'signature',
    7,
    (db) =>
      db.exec('update receipts set signature = (select signature from receipts where seq = 8) where seq = 7'),
  ],
  ['a missing receipt', 'sequence', 8, (db) => db.exec('delete from receipts where seq = 7')],
  ['a missing first receipt', 'sequence', 1, (db) => db.exec('delete from receipts where seq = 0')],
  [
    'a missing checkpoint',
    'sequence',
    null,
    (db) =>
      db.exec(
        "delete from receipts where kind = 'checkpoint' and seq = (select min(seq) from receipts where kind = 'checkpoint')",
      ),
  ],
  [
    'two receipts exchanged',
    'column',
    7,
    (db) =>
      db.exec(
        'update receipts set seq = -1 where seq = 7; update receipts set seq = 7 where seq = 8; update receipts set seq = 8 where seq = -1',
      ),
  ],
  [
    'a receipt written twice',
    'column',
    1000,
    (db) =>
      db.exec(
        "insert into receipts select 1000, 'rct_copy00000', kind, session, at, decision, tool, action, answers, receipt, hash, signature from receipts where seq = 7",
      ),
  ],
  [
    'a chain rewritten without the key',
    'signature',
    30,
    (db) => relink(db, 7, (r) => (r.seq === 7 ? edited(r) : r)),
  ],
  [
    'a chain rewritten with a key of the attacker',
    'signature',
    7,
    (db) => relink(db, 7, (r) => (r.seq === 7 ? edited(r) : r), keyPairOf(newSeed())),
  ],
  ['a retired key used again', 'key', null, (db) => useRetiredKey(db)],
  ['a seal begun anew though the key was kept', 'key', null, (db) => beginAnew(db)],
  [
    'a text that is the same and not canonical',
    'format',
    7,
    (db) => {
      const text = ` ${textAt(db, 7)}`;
      setText(db, 7, text);
      db.prepare('update receipts set hash = ? where seq = 7').run(bytesOfHex(nodeHasher.sha256(text)));
    },
  ],
  [
    'a member written twice',
    'format',
    7,
    (db) => {
      const text = textAt(db, 7).replace('{"at"', '{"at":1,"at"');
      setText(db, 7, text);
      db.prepare('update receipts set hash = ? where seq = 7').run(bytesOfHex(nodeHasher.sha256(text)));
    },
  ],
  ['a text that is no receipt', 'format', 7, (db) => setText(db, 7, '{}')],
  ['a text that is no JSON', 'format', 7, (db) => setText(db, 7, 'x')],
  [
    'an edited context entry',
    'context',
    7,
    (db) => db.exec(`update context set entry = replace(entry, 'echo', 'ECHO') where receipt = 7`),
  ],
  ['an edited context entry with its hash', 'context', 7, (db) => rehashEntry(db, 7)],
  ['a missing context entry', 'context', 7, (db) => db.exec('delete from context where receipt = 7')],
  [
    'the last context entry of a session missing',
    'context',
    null,
    (db) => db.exec('delete from context where rowid = (select max(rowid) from context)'),
  ],
  [
    'an added context entry',
    'context',
    7,
    (db) =>
      db.exec(`insert into context select session, 100, receipt, entry, hash from context where receipt = 7`),
  ],
  [
    'a context entry given to another session',
    'context',
    7,
    (db) => db.exec(`update context set session = 'sess_zzzzzzzz' where receipt = 7`),
  ],
  [
    'a context entry given to a later receipt',
    'context',
    7,
    (db) => db.exec('update context set receipt = 9 where receipt = 7'),
  ],
  [
    'an opening with another value',
    'commitment',
    null,
    (db) => db.exec(`update openings set value = '{"password":"other"}'`),
  ],
  [
    'an opening with another salt',
    'commitment',
    null,
    (db) => db.exec(`update openings set salt = 'AAAAAAAAAAAAAAAAAAAAAA'`),
  ],
  [
    'an opening that belongs to another receipt',
    'commitment',
    7,
    (db) => db.exec('update openings set receipt = 7'),
  ],
];

function flipBlob(db: Database.Database, column: string, seq: number): void {
  const blob = Buffer.from(
    db.prepare(`select ${column} from receipts where seq = ?`).pluck().get(seq) as Uint8Array,
  );
  blob[5] = (blob[5] ?? 0) ^ 1;
  db.prepare(`update receipts set ${column} = ? where seq = ?`).run(blob, seq);
}

function useRetiredKey(db: Database.Database): void {
  const seq = Number(db.prepare('select max(seq) from receipts').pluck().get());
  forge(db, { ...edited(bodyAt(db, seq - 1)), key: retired.keyId }, retired);
}

const recordOf = (pair: KeyPair): KeyRecord => ({
  id: pair.keyId,
  publicKey: pair.publicKey,
  kept: 'memory',
});

function beginAnew(db: Database.Database): void {
  const mine = keyPairOf(newSeed());
  const from = rotation + 3;
  const inUse = bodyAt(db, from).key as KeyId;
  relink(
    db,
    from,
    (r) =>
      r.seq === from
        ? { ...r, kind: 'key', session: null, key: mine.keyId, body: beginningBody(recordOf(mine), inUse) }
        : { ...r, key: mine.keyId },
    mine,
  );
}

function rehashEntry(db: Database.Database, receipt: number): void {
  const text = String(db.prepare('select entry from context where receipt = ?').pluck().get(receipt)).replace(
    'echo',
    'ECHO',
  );
  db.prepare('update context set entry = ?, hash = ? where receipt = ?').run(
    text,
    bytesOfHex(nodeHasher.sha256(text)),
    receipt,
  );
}

for (const [name, step, seq, act] of attacks)
  test(`detects ${name}`, async () => {
    using place = attack(act);
    if (seq !== null) {
      await breaks(place, step, seq);
      return;
    }
    const report = await seal(place);
    assert.equal(report.verdict, 'broken');
    assert.equal(
      report.findings.some((one) => one.step === step && one.severity === 'fault'),
      true,
      JSON.stringify(report.findings),
    );
  });

test('finds the sound ledger sound', async () => {
  const report = await seal(sound);
  assert.equal(report.verdict, 'verified', JSON.stringify(report.findings));
  assert.equal(report.keys.length, 2);
});

test('detects receipts cut off at the end, by the head outside', async () => {
  using place = attack((db) => {
    db.exec(`delete from receipts where seq > ${rotation + 2}`);
    db.exec(`delete from context where receipt > ${rotation + 2}`);
  });
  const report = await seal(place);
  assert.equal(report.verdict, 'broken');
  const fault = report.findings.find(({ severity }) => severity === 'fault');
  assert.equal(fault?.step, 'head');
  assert.match(fault?.message ?? '', /truncated or rolled back/);
  const blind = await seal(place, {});
  assert.equal(blind.verdict, 'verified');
  assert.equal(
    blind.findings.some(({ step, severity }) => step === 'head' && severity === 'note'),
    true,
  );
});

test('detects a whole ledger made again with a key of the attacker, by the head or the expected key', async () => {
  using place = attack((db) => {
    const mine = keyPairOf(newSeed());
    db.exec(`delete from receipts where kind in ('key', 'checkpoint') or seq >= ${rotation}`);
    const rows = db.prepare('select seq from receipts order by seq').pluck().all() as number[];
    for (const [at, seq] of rows.entries())
      if (at !== seq) db.prepare('update receipts set seq = ? where seq = ?').run(at, seq);
    db.exec('delete from context; delete from openings');
    relink(
      db,
      0,
      ({ context: _, ...r }) => ({
        ...r,
        seq: Number(db.prepare('select seq from receipts where id = ?').pluck().get(r.id)),
        key: mine.keyId,
        body:
          r.kind === 'genesis' ? genesisBody(String((r.body as JsonObject).ledger), recordOf(mine)) : r.body,
      }),
      mine,
    );
  });
  const blind = await seal(place, {});
  assert.equal(blind.verdict, 'verified', JSON.stringify(blind.findings));
  assert.equal((await seal(place)).verdict, 'broken');
  assert.equal((await seal(place, { expectedKey: retired.keyId })).verdict, 'broken');
});

test('detects the end of another sound ledger put in place of the own', async () => {
  using other = newPlace();
  const ledger = await open(other);
  await fill(ledger, 40);
  await ledger.close();
  using place = attack((db) => {
    db.exec(
      `attach '${other.db}' as other; delete from receipts where seq >= 30; delete from context where receipt >= 30`,
    );
    db.exec('insert into receipts select * from other.receipts where seq >= 30');
  });
  await breaks(place, 'key', 30);
});

const ruined: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
  ['nothing', () => Buffer.alloc(0)],
  [
    'text',
    () =>
      Buffer.from(
        'not a database at all, only text, and more of it than a header has in it, so that it looks long enough',
      ),
  ],
  ['half of it', (bytes) => bytes.subarray(0, bytes.length >> 1)],
  ['all but its last page', (bytes) => bytes.subarray(0, bytes.length - 4096)],
  ['its header only', (bytes) => bytes.subarray(0, 100)],
  [
    'zeros after the header',
    (bytes) => Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(bytes.length - 100)]),
  ],
];
for (const [name, ruin] of ruined)
  test(`calls a file of which ${name} is left broken, without an exception`, async () => {
    using place = attack(() => undefined);
    writeFileSync(place.db, ruin(readFileSync(place.db)));
    const report = await checkLedger({ kind: 'database', path: place.db }, { head });
    if (report.ok) assert.equal(report.value.verdict, 'broken');
    else assert.equal(report.error.code, 'missing');
  });

test('does not read a database that calls a view by the name of a table', async () => {
  using place = attack((db) => {
    db.exec('alter table openings rename to kept');
    db.exec(
      'create view openings as with recursive n(i) as (select 1 union all select i + 1 from n) select i as commitment, i as receipt, i as salt, i as value from n',
    );
  });
  const report = await seal(place);
  assert.equal(report.findings[0]?.message, 'the tables are not those of a ledger');
});

test('repeats nothing in its findings that a terminal would obey', async () => {
  using place = attack((db) =>
    db.exec(`update context set session = 'sess_' || char(27) || '[2Jaaaa' where receipt = 7`),
  );
  const report = await seal(place);
  assert.equal(report.verdict, 'broken');
  assert.equal(JSON.stringify(report.findings).includes('u001b'), false);
});

test('says that a file is missing, which is not the same as broken', async () => {
  const report = await checkLedger({ kind: 'database', path: '/nonexistent/ledger.db' });
  assert.equal(report.ok ? null : report.error.code, 'missing');
});
