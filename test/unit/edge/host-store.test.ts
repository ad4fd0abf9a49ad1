import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type HostStore, openHostStore } from '../../../electron/edge/host-store.ts';

const root = mkdtempSync(join(tmpdir(), 'csn-hosts-'));
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
let count = 0;
const folder = () => mkdtempSync(join(root, `${count++}-`));

function open(directory: string, maxHosts?: number) {
  const pending: (() => void)[] = [];
  const said: string[] = [];
  const store: HostStore = openHostStore({
    directory,
    ...(maxHosts === undefined ? {} : { maxHosts }),
    after: (_delay, callback) => {
      pending.push(callback);
      return () => pending.splice(pending.indexOf(callback), 1);
    },
    say: (line) => said.push(line),
  });
  return { store, pending, said, directory };
}

test('remembers a host across openings, whatever its case', () => {
  const { store, directory } = open(folder());
  assert.equal(store.has('api.x.example'), false);
  store.add('API.x.example');
  assert.equal(store.has('api.X.example'), true);
  store.close();
  assert.equal(open(directory).store.has('api.x.example'), true);
  assert.equal(statSync(join(directory, 'hosts')).mode & 0o777, 0o600);
});

test('writes once for many hosts, and nothing for those that it knows', () => {
  const { store, pending, directory } = open(folder());
  for (const host of ['a.example', 'b.example', 'a.example']) store.add(host);
  assert.equal(pending.length, 1);
  pending[0]?.();
  assert.equal(readFileSync(join(directory, 'hosts'), 'utf8'), 'b.example\na.example\n');
  assert.deepEqual(readdirSync(directory), ['hosts']);
  store.add('b.example');
  assert.equal(pending.length, 0);
});

test('forgets the host that was used longest ago when there are too many', () => {
  const { store } = open(folder(), 2);
  for (const host of ['a.example', 'b.example', 'a.example', 'c.example']) store.add(host);
  assert.deepEqual(
    ['a.example', 'b.example', 'c.example'].map((host) => store.has(host)),
    [true, false, true],
  );
});

test('takes nothing that is no host, from whoever names it or from the file', () => {
  const directory = folder();
  writeFileSync(join(directory, 'hosts'), `good.example\n../../etc\n${'x'.repeat(300)}\n\n`);
  const { store } = open(directory);
  assert.equal(store.has('good.example'), true);
  store.add('evil\nother.example');
  assert.equal(store.has('other.example'), false);
  store.add('new.example');
  store.close();
  assert.equal(readFileSync(join(directory, 'hosts'), 'utf8'), 'good.example\nnew.example\n');
});

test('takes every host for new, and says so, when it cannot keep them', () => {
  const { store, said } = open(join(folder(), 'not', 'there'));
  assert.equal(store.has('a.example'), false);
  store.add('a.example');
  store.close();
  assert.match(said[0] ?? '', /cannot be written: ENOENT/);
});
