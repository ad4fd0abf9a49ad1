import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CANARY_RULE, provesForbidden } from '../../../electron/core/policy/canary.ts';
import { loadPolicy, type PolicyStatus, watchPolicy } from '../../../electron/edge/policy-dir.ts';
import { policy } from '../policy/fixture.ts';

const PACK = `pack: base
version: 1.0.0
posture: {name: p, unmatched: ALLOW, why: w}
rules:
  - {id: base.a, title: t, why: w, class: deny, match: {tools: [a]}}
`;
const MORE =
  'pack: more\nversion: 1.0.0\nrules:\n  - {id: more.a, title: t, why: w, class: deny, match: {tools: [b]}}\n';

async function directory(
  t: TestContext,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'csn-policy-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return path;
}

const required = (path: string) => [{ directory: path, optional: false }];

test('loads packs and the rules of the person together', async (t) => {
  const packs = await directory(t, {
    'base.yaml': PACK,
    'notes.txt': 'not a policy',
    '.swap.yaml': 'junk: [',
  });
  const own = await directory(t, { 'mine.yml': MORE });
  const loaded = await loadPolicy([...required(packs), { directory: own, optional: true }]);
  assert.ok(loaded.ok);
  assert.deepEqual(
    loaded.value.set.rules.map(({ id }) => id),
    ['base.a', 'countersign.canary', 'more.a'],
  );
});

test('a missing directory of the person is no rules; a missing directory of packs is a fault', async (t) => {
  const packs = await directory(t, { 'base.yaml': PACK });
  const absent = join(packs, 'absent');
  assert.ok((await loadPolicy([...required(packs), { directory: absent, optional: true }])).ok);
  const refused = await loadPolicy(required(absent));
  assert.ok(!refused.ok);
  assert.equal(refused.error[0]?.code, 'unreadable');
});

test('one bad file refuses the whole set, and every fault of every file is named', async (t) => {
  const path = await directory(t, {
    'base.yaml': PACK,
    'bad.yaml': MORE.replace('class: deny', 'class: dney'),
    'worse.yaml': 'pack: [',
    'latin1.yaml': new Uint8Array([0x70, 0xe4]),
  });
  const refused = await loadPolicy(required(path));
  assert.ok(!refused.ok);
  // What cannot be read at all is named first; the rest is named once everything can be read.
  assert.deepEqual([...new Set(refused.error.map(({ code }) => code))], ['unreadable']);
  await rm(join(path, 'latin1.yaml'));
  const parsed = await loadPolicy(required(path));
  assert.ok(!parsed.ok);
  assert.deepEqual([...new Set(parsed.error.map(({ place }) => place?.file))].sort(), [
    join(path, 'bad.yaml'),
    join(path, 'worse.yaml'),
  ]);
});

test('a file that may not be read refuses the set', async (t) => {
  if (process.getuid?.() === 0) return;
  const path = await directory(t, { 'base.yaml': PACK, 'closed.yaml': MORE });
  await chmod(join(path, 'closed.yaml'), 0o000);
  assert.ok(!(await loadPolicy(required(path))).ok);
});

test('a directory in the place of a file refuses the set', async (t) => {
  const path = await directory(t, { 'base.yaml': PACK });
  await mkdir(join(path, 'folder.yaml'));
  assert.ok(!(await loadPolicy(required(path))).ok);
});

test('keeps the last good set while the files are refused, and arms them once they are good', async (t) => {
  const path = await directory(t, { 'base.yaml': PACK });
  const told: PolicyStatus[] = [];
  const watched = await watchPolicy(required(path), (status) => told.push(status));
  t.after(() => watched.close());
  const first = watched.status();
  assert.equal(first.kind, 'armed');

  await writeFile(join(path, 'base.yaml'), PACK.replace('class: deny', 'class: dney'));
  const stale = await watched.reload();
  assert.ok(stale.kind === 'armed_stale' && first.kind === 'armed');
  assert.equal(stale.policy, first.policy);
  assert.match(stale.faults[0]?.message ?? '', /dney/);

  await writeFile(join(path, 'base.yaml'), PACK.replace('class: deny', 'class: step_up'));
  const armed = await watched.reload();
  assert.ok(armed.kind === 'armed');
  assert.notEqual(armed.policy.set.hash, first.policy.set.hash);
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ['armed_stale', 'armed'],
  );
});

test('files that vanish do not disarm', async (t) => {
  const path = await directory(t, { 'base.yaml': PACK });
  const watched = await watchPolicy(required(path), () => {});
  t.after(() => watched.close());
  await rename(path, `${path}-gone`);
  t.after(() => rm(`${path}-gone`, { recursive: true, force: true }));
  const status = await watched.reload();
  assert.equal(status.kind, 'armed_stale');
});

test('says nothing when only a comment changes', async (t) => {
  const path = await directory(t, { 'base.yaml': PACK });
  let told = 0;
  const watched = await watchPolicy(required(path), () => {
    told += 1;
  });
  t.after(() => watched.close());
  const before = watched.status();
  await writeFile(join(path, 'base.yaml'), `# a comment\n${PACK}`);
  const after = await watched.reload();
  assert.ok(before.kind === 'armed' && after.kind === 'armed');
  assert.equal(after.policy, before.policy);
  assert.equal(told, 0);
});

test('notices a change by itself', { timeout: 20_000 }, async (t) => {
  const path = await directory(t, { 'base.yaml': PACK });
  const changed = Promise.withResolvers<PolicyStatus>();
  const watched = await watchPolicy(required(path), (status) => changed.resolve(status));
  t.after(() => watched.close());
  await writeFile(join(path, 'more.yaml'), MORE);
  const keepAlive = setInterval(() => {}, 1000);
  const status = await changed.promise;
  clearInterval(keepAlive);
  assert.ok(status.kind === 'armed');
  assert.equal(status.policy.set.version, 'base 1.0.0, more 1.0.0');
});

test('is unarmed when nothing was ever good', async (t) => {
  const path = await directory(t, { 'base.yaml': 'pack: [' });
  const watched = await watchPolicy(required(path), () => {});
  t.after(() => watched.close());
  assert.equal(watched.status().kind, 'unarmed');
});

test('the self-test needs the built-in rule itself to deny', () => {
  assert.equal(provesForbidden(policy([])), null);
  assert.equal(provesForbidden(policy([{ ...CANARY_RULE, class: 'deny' }])), null);
  assert.equal(provesForbidden(policy([CANARY_RULE]))?.result, 'DENY');
});
