import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ok } from '../../../electron/core/result.ts';
import { openCredentialStore } from '../../../electron/edge/credential-store.ts';
import { sealedSecretStore } from '../../../electron/edge/sealed-secrets.ts';
import { recordOf, testKeychain, testStore } from '../../support/credential-stage.ts';

const SECRET = { secret: 'ghp_thisIsTheRealSecretOfTheTest', sessionToken: null };

function folder() {
  const root = mkdtempSync(join(tmpdir(), 'csn-'));
  return {
    root,
    path: join(root, 'credentials.json'),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  };
}

test('keeps records in a file of its own and secrets in the keychain alone', async () => {
  using place = folder();
  const keychain = testKeychain();
  const store = await testStore(place.path, keychain);
  assert.ok((await store.add(recordOf({ name: 'github', env: ['GITHUB_TOKEN'] }), SECRET)).ok);
  const text = readFileSync(place.path, 'utf8');
  assert.ok(text.includes('github') && !text.includes(SECRET.secret));
  assert.equal(statSync(place.path).mode & 0o777, 0o600);
  const again = await testStore(place.path, keychain);
  assert.deepEqual(again.records(), store.records());
  assert.deepEqual(await again.secret('github'), ok(SECRET));
});

test('removes the secret with the record', async () => {
  using place = folder();
  const keychain = testKeychain();
  const store = await testStore(place.path, keychain);
  await store.add(recordOf({ name: 'github' }), SECRET);
  assert.ok((await store.remove('github')).ok);
  assert.deepEqual(store.records(), []);
  assert.ok([...keychain.kept.values()].every((text) => !text.includes(SECRET.secret)));
});

test('refuses a second credential of one name, and leaves the first as it was', async () => {
  using place = folder();
  const store = await testStore(place.path, testKeychain());
  await store.add(recordOf({ name: 'github' }), SECRET);
  const second = await store.add(recordOf({ name: 'github' }), {
    secret: 'another-secret',
    sessionToken: null,
  });
  assert.ok(!second.ok && second.error.code === 'exists');
  assert.deepEqual(await store.secret('github'), ok(SECRET));
});

test('refuses to add without a keychain, and says how to get one', async () => {
  using place = folder();
  const store = await testStore(place.path, null);
  const added = await store.add(recordOf({ name: 'github' }), SECRET);
  assert.ok(!added.ok && added.error.code === 'no_keychain');
  assert.match(added.error.message, /gnome-keyring.*passphrase/s);
  assert.equal(existsSync(place.path), false);
});

test('uses no credential when the file was widened by hand', async () => {
  using place = folder();
  const keychain = testKeychain();
  await (await testStore(place.path, keychain)).add(recordOf({ name: 'github' }), SECRET);
  const before = readFileSync(place.path, 'utf8');
  writeFileSync(place.path, before.replace('api.example', 'evil.example'));
  const store = await testStore(place.path, keychain);
  assert.deepEqual(store.records(), []);
  assert.equal(store.fault()?.code, 'tampered');
  const read = await store.secret('github');
  assert.ok(!read.ok && read.error.code === 'tampered');
  const added = await store.add(recordOf({ name: 'other' }), SECRET);
  assert.ok(!added.ok && added.error.code === 'tampered');
});

test('uses no credential when an older file was put back', async () => {
  using place = folder();
  const keychain = testKeychain();
  const first = await testStore(place.path, keychain);
  await first.add(recordOf({ name: 'github' }), SECRET);
  const wide = readFileSync(place.path, 'utf8');
  const [record] = first.records();
  assert.ok(record !== undefined);
  await first.replace({ ...record, limits: { ...record.limits, methods: ['GET'] } }, null);
  writeFileSync(place.path, wide);
  const store = await testStore(place.path, keychain);
  assert.equal(store.fault()?.code, 'tampered');
  assert.deepEqual(store.records(), []);
});

test('begins anew when the person deleted the file, and takes no older one after that', async () => {
  using place = folder();
  const keychain = testKeychain();
  await (await testStore(place.path, keychain)).add(recordOf({ name: 'github' }), SECRET);
  const old = readFileSync(place.path, 'utf8');
  rmSync(place.path);
  const store = await testStore(place.path, keychain);
  assert.equal(store.fault(), null);
  assert.ok((await store.add(recordOf({ name: 'other' }), SECRET)).ok);
  writeFileSync(place.path, old);
  assert.equal((await testStore(place.path, keychain)).fault()?.code, 'tampered');
});

test('reads either file when it was cut off between the two seals', async () => {
  using place = folder();
  const keychain = testKeychain();
  const first = await testStore(place.path, keychain);
  await first.add(recordOf({ name: 'github' }), SECRET);
  const old = readFileSync(place.path, 'utf8');
  // The keychain goes away after it learnt of the next seal: the file is written, the second word is not.
  let writes = 0;
  const dying = await openCredentialStore({
    path: place.path,
    secrets: {
      ...keychain,
      write: async (account, text) => {
        writes += 1;
        if (writes > 2) throw new Error('killed here');
        return keychain.write(account, text);
      },
    },
    opens: async () => ok(null),
  });
  await assert.rejects(dying.add(recordOf({ name: 'second' }), SECRET), /killed here/);
  const after = await testStore(place.path, keychain);
  assert.deepEqual([after.fault(), after.records().length], [null, 2]);
  writeFileSync(place.path, old);
  const before = await testStore(place.path, keychain);
  assert.deepEqual([before.fault(), before.records().length], [null, 1]);
});

test('says that the keychain is locked, and never that there is nothing', async () => {
  using place = folder();
  const keychain = testKeychain();
  const store = await testStore(place.path, keychain);
  await store.add(recordOf({ name: 'github' }), SECRET);
  keychain.locked = true;
  const read = await store.secret('github');
  assert.ok(!read.ok && read.error.code === 'locked');
  const started = await testStore(place.path, keychain);
  assert.equal(started.fault()?.code, 'locked');
  assert.deepEqual(started.records(), []);
  // Unlocked meanwhile: the next use finds it.
  keychain.locked = false;
  assert.deepEqual(await started.secret('github'), ok(SECRET));
});

test('keeps secrets in a file that a passphrase opens, and only that passphrase', async () => {
  using place = folder();
  const sealed = join(place.root, 'credentials.sealed');
  const open = (passphrase: string) =>
    openCredentialStore({
      path: place.path,
      secrets: sealedSecretStore(sealed, passphrase),
      opens: async () => ok(null),
    });
  const store = await open('correct horse');
  assert.ok((await store.add(recordOf({ name: 'github' }), SECRET)).ok);
  assert.ok(!readFileSync(sealed, 'utf8').includes(SECRET.secret));
  assert.deepEqual(await (await open('correct horse')).secret('github'), ok(SECRET));
  assert.equal((await open('wrong horse')).fault()?.code, 'locked');
});
