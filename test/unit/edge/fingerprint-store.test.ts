import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Digest, SessionId } from '../../../electron/core/brand.ts';
import type { Level } from '../../../electron/core/context.ts';
import type { DataSource } from '../../../electron/core/data/flow.ts';
import { marksOf } from '../../../electron/core/data/scan.ts';
import {
  type FingerprintStore,
  type FingerprintStoreOptions,
  openFingerprintStore,
} from '../../../electron/edge/fingerprint-store.ts';

const KEY = new Uint8Array(16).fill(3);
const folders: string[] = [];
after(() => {
  for (const folder of folders)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'csn-flows-'));
  folders.push(made);
  return made;
}

function open(directory: string, more: Partial<FingerprintStoreOptions> = {}): FingerprintStore {
  const store = openFingerprintStore({ directory, key: KEY, common: 'c'.repeat(64) as Digest, ...more });
  if (!store.ok) throw new Error(store.error.message);
  return store.value;
}

const source = (name: string, level: Level = 'CONFIDENTIAL', at = 1000): DataSource => ({
  name,
  level,
  because: 'a test says so',
  session: 'sess_test0000' as SessionId,
  action: null,
  at,
});

const text = (seed: number): string =>
  Array.from({ length: 40 }, (_, i) => `w${Math.imul(seed * 40 + i + 1, 0x9e3779b1) >>> 0}x`).join(' ');
const marks = (seed: number): Uint8Array => marksOf(text(seed), KEY);
const names = (store: FingerprintStore, seed: number): readonly string[] =>
  store.lookup(marks(seed)).map((flow) => flow.source.name);

test('meets what was read again after a restart, from the log and from the base', async () => {
  const directory = folder();
  const first = open(directory);
  first.remember(source('path:/home/u/a.csv'), marks(1));
  assert.deepEqual(names(first, 1), ['path:/home/u/a.csv']);
  await first.close();
  const second = open(directory);
  assert.deepEqual(names(second, 1), ['path:/home/u/a.csv']);
  second.remember(source('path:/home/u/b.csv'), marks(2));
  await second.compact();
  second.remember(source('path:/home/u/c.csv'), marks(3));
  await second.close();
  const third = open(directory);
  assert.deepEqual(
    [1, 2, 3, 4].map((seed) => names(third, seed)),
    [['path:/home/u/a.csv'], ['path:/home/u/b.csv'], ['path:/home/u/c.csv'], []],
  );
  await third.close();
});

test('holds no text of what was read on disk', async () => {
  const directory = folder();
  const store = open(directory);
  store.remember(
    source('path:/x'),
    marksOf('the launch code is kept in the grey cabinet of the northern site', KEY),
  );
  await store.compact();
  await store.close();
  for (const name of readdirSync(directory))
    assert.ok(!readFileSync(join(directory, name)).includes('cabinet'), name);
});

test('a torn end of the log is dropped, and what was before it is kept', async () => {
  const directory = folder();
  const store = open(directory);
  store.remember(source('path:/a'), marks(1));
  store.flush();
  store.remember(source('path:/b'), marks(2));
  await store.close();
  const log = join(directory, 'flows.log');
  truncateSync(log, statSync(log).size - 5);
  const said: string[] = [];
  const again = open(directory, { say: (message) => said.push(message) });
  assert.deepEqual([names(again, 1), names(again, 2)], [['path:/a'], []]);
  assert.match(said.join(), /torn/);
  again.remember(source('path:/c'), marks(3));
  await again.close();
  const third = open(directory);
  assert.deepEqual([names(third, 1), names(third, 3)], [['path:/a'], ['path:/c']]);
  await third.close();
});

test('a flipped bit anywhere in the base sets it aside and says so; the log goes on', async () => {
  const directory = folder();
  const store = open(directory);
  store.remember(source('path:/a'), marks(1));
  await store.compact();
  store.remember(source('path:/b'), marks(2));
  await store.close();
  const path = join(directory, 'flows.base');
  const whole = readFileSync(path);
  for (const at of [3, 30, 60, whole.length >> 1, whole.length - 2]) {
    const broken = Buffer.from(whole);
    broken[at] = (broken[at] ?? 0) ^ 0x10;
    writeFileSync(path, broken);
    const said: string[] = [];
    const again = open(directory, { say: (message) => said.push(message) });
    assert.deepEqual([names(again, 1), names(again, 2)], [[], ['path:/b']], String(at));
    assert.match(said.join(), /damaged; it was set aside/);
    assert.ok(existsSync(`${path}.aside`));
    await again.close();
  }
});

test('any rubbish in place of its files is never a crash', async () => {
  for (const rubbish of ['', 'x', 'CSNFLOW1', '\0'.repeat(5000), 'CSNFLOW1'.repeat(100)]) {
    const directory = folder();
    writeFileSync(join(directory, 'flows.base'), rubbish);
    writeFileSync(join(directory, 'flows.log'), rubbish);
    const store = open(directory);
    store.remember(source('path:/a'), marks(1));
    await store.close();
    const again = open(directory);
    assert.deepEqual(names(again, 1), ['path:/a']);
    await again.close();
  }
});

test('a second daemon is refused while the first has it', async () => {
  const directory = folder();
  const store = open(directory);
  const second = openFingerprintStore({ directory, key: KEY, common: '' as Digest });
  assert.equal(second.ok ? 'opened' : second.error.code, 'locked');
  await store.close();
  await open(directory).close();
});

test('another key starts anew', async () => {
  const directory = folder();
  const store = open(directory);
  store.remember(source('path:/a'), marks(1));
  await store.compact();
  await store.close();
  const other = open(directory, { key: new Uint8Array(16).fill(4) });
  assert.equal(other.size().marks, 0);
  await other.close();
});

test('a full disk is said once, and memory goes on', async () => {
  const directory = folder();
  const said: string[] = [];
  const store = open(directory, { say: (message) => said.push(message), flushMs: 100_000 });
  // A base that cannot be made: its place is a folder.
  const { mkdirSync } = await import('node:fs');
  mkdirSync(join(directory, 'flows.base.new'));
  store.remember(source('path:/a'), marks(1));
  await store.compact();
  assert.deepEqual(names(store, 1), ['path:/a']);
  assert.equal(said.length, 1);
  rmSync(join(directory, 'flows.base.new'), { recursive: true, force: true });
  await store.close();
  const again = open(directory);
  assert.deepEqual(names(again, 1), ['path:/a']);
  await again.close();
});

test('what two sources share leads to the more sensitive one', async () => {
  const store = open(folder());
  store.remember(source('path:/w/notes.md', 'INTERNAL'), marks(1));
  store.remember(source('path:/home/u/.env', 'RESTRICTED'), marks(1));
  store.remember(source('path:/w/other.md', 'INTERNAL', 2000), marks(1));
  const [flow, ...others] = store.lookup(marks(1));
  assert.equal(flow?.source.name, 'path:/home/u/.env');
  assert.ok((flow?.matches ?? 0) > 10);
  assert.equal(others.length, 0);
  await store.close();
});

test('text of eight folders is common, but never that of a sensitive source', async () => {
  const store = open(folder());
  for (let i = 0; i < 8; i++) {
    store.remember(source(`path:/w/p${i}/LICENSE`, 'INTERNAL'), marks(1));
    store.remember(source(`path:/home/u/p${i}/key`, 'RESTRICTED'), marks(2));
  }
  assert.deepEqual(names(store, 1), []);
  assert.equal(names(store, 2).length, 1);
  await store.close();
});

test('what is public is not remembered', async () => {
  const store = open(folder());
  store.remember(source('host:example.org', 'PUBLIC'), marks(1));
  assert.equal(store.size().marks, 0);
  await store.close();
});

test('past its limit the lowest level goes first, and of it the oldest', async () => {
  const directory = folder();
  const count = marks(1).length / 8;
  const store = open(directory, { maxMarks: Math.ceil(count * 3.5) });
  store.remember(source('path:/secret', 'RESTRICTED', 1), marks(1));
  for (let seed = 2; seed < 8; seed++)
    store.remember(source(`path:/w/${seed}`, 'INTERNAL', seed), marks(seed));
  await store.compact();
  assert.deepEqual(names(store, 1), ['path:/secret']);
  assert.deepEqual(names(store, 7), ['path:/w/7']);
  assert.deepEqual(names(store, 2), []);
  assert.ok(store.size().marks <= count * 3.5);
  await store.close();
});

test('what is remembered while the base is made anew is kept', async () => {
  const directory = folder();
  const store = open(directory);
  for (let seed = 1; seed < 40; seed++) store.remember(source(`path:/w/${seed}`), marks(seed));
  const joining = store.compact();
  store.remember(source('path:/w/late'), marks(100));
  assert.deepEqual(names(store, 5), ['path:/w/5']);
  await joining;
  assert.deepEqual(names(store, 100), ['path:/w/late']);
  await store.close();
  appendFileSync(join(directory, 'flows.log'), 'torn');
  const again = open(directory);
  assert.deepEqual(
    [names(again, 5), names(again, 39), names(again, 100)],
    [['path:/w/5'], ['path:/w/39'], ['path:/w/late']],
  );
  await again.close();
});

/** Marks as of a megabyte of text, sorted: more than is read at once. */
function manyMarks(): Uint8Array {
  const values = BigUint64Array.from({ length: 150_000 }, (_, i) => {
    const spread = BigInt.asUintN(64, BigInt(i + 1) * 0x9e37_79b9_7f4a_7c15n);
    return BigInt.asUintN(64, (spread ^ (spread >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  }).sort();
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => void view.setBigUint64(i * 8, value));
  return bytes;
}

test('reads a large store in the background, finds what is remembered meanwhile, and forgets nothing of either', async () => {
  const directory = folder();
  const first = open(directory);
  const many = manyMarks();
  first.remember(source('path:/large'), many);
  first.remember(source('path:/one', 'RESTRICTED'), marks(1));
  assert.deepEqual(names(first, 1), ['path:/one'], 'what waits to be added is found');
  await first.compact();
  first.remember(source('path:/two'), marks(2));
  await first.close();

  const again = open(directory);
  assert.ok(again.loading());
  again.remember(source('path:/three'), marks(3));
  assert.deepEqual(names(again, 3), ['path:/three']);
  await again.loaded();
  assert.ok(!again.loading());
  assert.deepEqual(
    [1, 2, 3].flatMap((seed) => names(again, seed)),
    ['path:/one', 'path:/two', 'path:/three'],
  );
  assert.equal(again.lookup(many)[0]?.matches, 150_000);
  await again.close();

  // Closed before it was read: what was remembered is on the disk, and the base as it was.
  const third = open(directory);
  third.remember(source('path:/four'), marks(4));
  await third.close();
  const last = open(directory);
  await last.loaded();
  assert.deepEqual(
    [1, 2, 3, 4].flatMap((seed) => names(last, seed)),
    ['path:/one', 'path:/two', 'path:/three', 'path:/four'],
  );
  await last.close();
});

test('sets a large base aside that is damaged within, and keeps the log', async () => {
  const directory = folder();
  const first = open(directory);
  first.remember(source('path:/large'), manyMarks());
  await first.compact();
  first.remember(source('path:/kept'), marks(5));
  await first.close();
  const path = join(directory, 'flows.base');
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const said: string[] = [];
  const again = open(directory, { say: (message) => said.push(message) });
  await again.loaded();
  assert.match(said.join('\n'), /is damaged/);
  assert.ok(existsSync(`${path}.aside`));
  assert.deepEqual(names(again, 5), ['path:/kept']);
  await again.close();
});
