import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as noble from '@noble/ed25519';
import fc from 'fast-check';
import { hasIdShape } from '../../../electron/core/brand.ts';
import { isPublicKey } from '../../../electron/core/receipt/key-epoch.ts';
import { keyPairOf, newSeed, nodeVerifier, verifyOnPool } from '../../../electron/edge/ed25519.ts';
import { type EntryOpener, type Keychain, openKeychain } from '../../../electron/edge/keychain.ts';
import { type KeyOptions, openKeys } from '../../../electron/edge/keys.ts';
import { fakeKeychain, newPlace, open, type Place } from '../../fixtures/ledger.ts';

noble.hashes.sha512 = (message) => new Uint8Array(createHash('sha512').update(message).digest());

test('signs the very bytes that another implementation signs, and each verifies the other (R5.i)', () => {
  const verifier = nodeVerifier();
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 200 }),
      (seed, message) => {
        const pair = keyPairOf(seed);
        const theirs = Buffer.from(noble.sign(message, seed)).toString('base64url');
        const theirKey = Buffer.from(noble.getPublicKey(seed)).toString('base64url');
        assert.equal(pair.publicKey, theirKey);
        assert.equal(pair.sign(message), theirs);
        assert.equal(verifier.verify(theirKey, message, theirs), true);
        const bytes = Buffer.from(pair.sign(message), 'base64url');
        assert.equal(noble.verify(bytes, message, Buffer.from(pair.publicKey, 'base64url')), true);
      },
    ),
    { numRuns: 30 },
  );
});

test('verifies on the thread pool as it does on the spot', async () => {
  const pair = keyPairOf(newSeed());
  const message = Buffer.from('message');
  const signature = pair.sign(message);
  assert.equal(await verifyOnPool(pair.publicKey, message, signature), true);
  assert.equal(await verifyOnPool(pair.publicKey, Buffer.from('other'), signature), false);
  assert.equal(await verifyOnPool('x', message, signature), false);
});

test('takes one spelling of a key and of a signature only', () => {
  const verifier = nodeVerifier();
  const message = Buffer.from('message');
  const pair = keyPairOf(newSeed());
  const signature = pair.sign(message);
  assert.equal(isPublicKey(pair.publicKey), true);
  assert.equal(hasIdShape('key', pair.keyId), true);
  for (const [key, signed] of [
    [`${pair.publicKey}=`, signature],
    [pair.publicKey, `${signature}==`],
    [pair.publicKey, ` ${signature}`],
    [pair.publicKey, signature.slice(0, 85)],
    [pair.publicKey, Buffer.from(signature, 'base64url').toString('hex')],
    ['', signature],
    [pair.publicKey, ''],
  ] as const)
    assert.equal(verifier.verify(key, message, signed), false);
});

test('does not take a signature whose second half was moved by the order of the group', () => {
  const pair = keyPairOf(newSeed());
  const message = Buffer.from('message');
  const bytes = Buffer.from(pair.sign(message), 'base64url');
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let scalar = 0n;
  for (let at = 63; at >= 32; at -= 1) scalar = (scalar << 8n) | BigInt(bytes[at] ?? 0);
  let moved = scalar + order;
  for (let at = 32; at < 64; at += 1) {
    bytes[at] = Number(moved & 255n);
    moved >>= 8n;
  }
  assert.equal(nodeVerifier().verify(pair.publicKey, message, bytes.toString('base64url')), false);
});

const ABSENT: Keychain = { state: 'absent', message: 'none' };
const LOCKED: Keychain = { state: 'locked', message: 'locked' };

async function keysAt(place: Place, options: Partial<KeyOptions>) {
  return openKeys({ dir: place.dir, service: 'countersign-test', ...options });
}

function passphraseIn(place: Place, text: string, mode = 0o600): string {
  const path = join(place.root, 'passphrase');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('mints a key once in a keychain, and finds it again', async () => {
  using place = newPlace();
  const keychain = fakeKeychain();
  const first = await keysAt(place, { keychain: keychain.keychain() });
  const second = await keysAt(place, { keychain: keychain.keychain() });
  assert.ok(first.ok && second.ok);
  assert.equal(first.value.kind, 'keychain');
  assert.equal(first.value.notice, null);
  assert.equal(first.value.keyId, second.value.keyId);
  assert.deepEqual(readdirSync(place.dir), []);
});

test('keeps two ledgers of one person apart', async () => {
  using one = newPlace();
  using other = newPlace();
  const keychain = fakeKeychain();
  const first = await keysAt(one, { keychain: keychain.keychain() });
  const second = await keysAt(other, { keychain: keychain.keychain() });
  assert.ok(first.ok && second.ok);
  assert.notEqual(first.value.keyId, second.value.keyId);
});

test('keeps the key in memory, says so, and writes nothing, on a machine without a keychain', async () => {
  using place = newPlace();
  const keys = await keysAt(place, { keychain: ABSENT });
  assert.ok(keys.ok);
  assert.equal(keys.value.kind, 'memory');
  assert.match(keys.value.notice ?? '', /no keychain/);
  assert.deepEqual(readdirSync(place.dir), []);
});

test('refuses a locked keychain rather than begin another identity', async () => {
  using place = newPlace();
  const keys = await keysAt(place, { keychain: LOCKED });
  assert.deepEqual(keys.ok ? null : [keys.error.code, keys.error.reason], ['key_unavailable', 'locked']);
});

for (const [name, later] of [
  ['locked', LOCKED],
  ['gone', ABSENT],
] as const)
  test(`refuses when the ledger's key is in a keychain that is ${name}, whatever else is offered`, async () => {
    using place = newPlace();
    const keychain = fakeKeychain();
    const ledger = await open(place, { keychain: keychain.keychain() });
    await ledger.close();
    const passphraseFile = passphraseIn(place, 'correct horse');
    const keys = await keysAt(place, { keychain: later, passphraseFile });
    assert.equal(keys.ok ? null : keys.error.code, 'key_unavailable');
  });

test('does not take a null read for a missing key once the ledger has one', async () => {
  using place = newPlace();
  const keychain = fakeKeychain();
  const ledger = await open(place, { keychain: keychain.keychain() });
  await ledger.close();
  keychain.mode = 'null_reads';
  const keys = await keysAt(place, { keychain: keychain.keychain() });
  assert.deepEqual(keys.ok ? null : keys.error.reason, 'missing');
  keychain.mode = 'open';
  assert.equal((await keysAt(place, { keychain: keychain.keychain() })).ok, true);
});

test('does not mint into a keychain that does not keep what it is given', async () => {
  using place = newPlace();
  const keychain = fakeKeychain();
  keychain.mode = 'null_reads';
  const keys = await keysAt(place, { keychain: keychain.keychain() });
  assert.equal(keys.ok ? null : keys.error.reason, 'io');
});

test('refuses what is kept under our name and is not a key', async () => {
  using place = newPlace();
  const keychain = fakeKeychain();
  await keysAt(place, { keychain: keychain.keychain() });
  for (const [account] of keychain.secrets) keychain.secrets.set(account, '{"v":1,"current":"AAAA"}');
  const keys = await keysAt(place, { keychain: keychain.keychain() });
  assert.equal(keys.ok ? null : keys.error.reason, 'unreadable');
});

test('seals the key by a passphrase when the person chose one, 0600, and finds it again', async () => {
  using place = newPlace();
  const passphraseFile = passphraseIn(place, 'correct horse battery staple\n');
  const first = await keysAt(place, { keychain: ABSENT, passphraseFile });
  assert.ok(first.ok);
  assert.equal(first.value.kind, 'passphrase');
  const [file = ''] = readdirSync(place.dir);
  assert.equal(statSync(join(place.dir, file)).mode & 0o777, 0o600);
  const asked = await keysAt(place, {
    keychain: ABSENT,
    askPassphrase: async () => 'correct horse battery staple',
  });
  assert.ok(asked.ok);
  assert.equal(asked.value.keyId, first.value.keyId);
  const wrong = await keysAt(place, { keychain: ABSENT, askPassphrase: async () => 'wrong' });
  assert.equal(wrong.ok ? null : wrong.error.reason, 'passphrase');
  const text = readFileSync(join(place.dir, file), 'utf8');
  for (const [name, damaged] of [
    ['flipped', text.replace(/"sealed":"../, '"sealed":"AA')],
    ['another cost', text.replace('"v":1', '"v":2')],
    ['no JSON', 'x'],
    ['cut', text.slice(0, 50)],
    ['huge', text.padEnd(100_000)],
  ] as const) {
    writeFileSync(join(place.dir, file), damaged);
    const keys = await keysAt(place, { keychain: ABSENT, passphraseFile });
    assert.equal(keys.ok, false, name);
  }
});

test('asks for the passphrase again when the ledger’s key is sealed by one, and takes no keychain instead', async () => {
  using place = newPlace();
  const passphraseFile = passphraseIn(place, 'correct horse');
  const keys = await keysAt(place, { keychain: ABSENT, passphraseFile });
  assert.ok(keys.ok);
  const ledger = await open(place, { keys: keys.value });
  await ledger.close();
  const without = await keysAt(place, { keychain: fakeKeychain().keychain() });
  assert.equal(without.ok ? null : without.error.reason, 'passphrase');
  const again = await keysAt(place, { keychain: fakeKeychain().keychain(), passphraseFile });
  assert.ok(again.ok);
  assert.equal(again.value.keyId, keys.value.keyId);
  unlinkSync(join(place.dir, 'signing-key.sealed'));
  const gone = await keysAt(place, { keychain: ABSENT, passphraseFile });
  assert.equal(gone.ok ? null : gone.error.reason, 'missing');
  assert.equal(existsSync(join(place.dir, 'signing-key.sealed')), false);
});

for (const [name, text, mode] of [
  ['that others can read', 'secret', 0o644],
  ['that is empty', '\n', 0o600],
] as const)
  test(`refuses a passphrase file ${name}`, async () => {
    using place = newPlace();
    const keys = await keysAt(place, { keychain: ABSENT, passphraseFile: passphraseIn(place, text, mode) });
    assert.equal(keys.ok ? null : keys.error.reason, 'passphrase');
  });

for (const crash of ['before', 'after'] as const)
  test(`finds the right key when a rotation ended ${crash} its receipt was written`, async () => {
    using place = newPlace();
    const keychain = fakeKeychain();
    const ledger = await open(place, { keychain: keychain.keychain() });
    const used = ledger.status().keyId;
    if (crash === 'before') {
      const keys = await keysAt(place, { keychain: keychain.keychain() });
      assert.ok(keys.ok);
      await keys.value.stage();
    } else {
      // The keychain stops keeping things after the successor was staged: the settling never happens.
      const staged = new Map<string, string>();
      const set = keychain.secrets.set.bind(keychain.secrets);
      keychain.secrets.set = (account, secret) => {
        if (!account.startsWith('signing-key') || staged.has(account)) return keychain.secrets;
        staged.set(account, secret);
        return set(account, secret);
      };
      await ledger.rotateKey();
    }
    const now = ledger.status().keyId;
    await ledger.close();
    const again = await keysAt(place, { keychain: keychain.keychain() });
    assert.ok(again.ok);
    assert.equal(again.value.keyId, now);
    assert.equal(now === used, crash === 'before');
  });

const answers: readonly (readonly [string, EntryOpener, Keychain['state']])[] = [
  ['keeps secrets', entryOver(new Map()), 'ready'],
  [
    'has no service',
    () => {
      throw new Error('Platform failure: DBus error');
    },
    'absent',
  ],
  ['has a service without a keyring', failing('no result found'), 'absent'],
  ['is locked', failing('unlock prompt was dismissed'), 'locked'],
  ['fails in a way we do not know', failing('something else'), 'locked'],
  ['never answers', () => ({ getPassword: never, setPassword: never, deleteCredential: never }), 'locked'],
  ['answers every read with nothing, as a locked one does', { ...nullReads() }.open, 'locked'],
];

function never(): Promise<never> {
  return new Promise(() => undefined);
}

function entryOver(secrets: Map<string, string>): EntryOpener {
  return (service, account) => ({
    getPassword: async () => secrets.get(`${service}/${account}`) ?? null,
    setPassword: async (secret) => void secrets.set(`${service}/${account}`, secret),
    deleteCredential: async () => secrets.delete(`${service}/${account}`),
  });
}

function failing(message: string): EntryOpener {
  return () => ({
    getPassword: async () => null,
    setPassword: () => Promise.reject(new Error(`Couldn't access platform storage: ${message}`)),
    deleteCredential: async () => false,
  });
}

function nullReads(): { readonly open: EntryOpener } {
  return {
    open: () => ({
      getPassword: async () => null,
      setPassword: async () => undefined,
      deleteCredential: async () => true,
    }),
  };
}

for (const [name, opener, state] of answers)
  test(`calls a keychain that ${name} ${state}`, async () => {
    const keychain = await openKeychain({ service: 'countersign-test', open: opener, timeoutMs: 50 });
    assert.equal(keychain.state, state);
  });

test('leaves no canary behind', async () => {
  const secrets = new Map<string, string>();
  await openKeychain({ service: 'countersign-test', open: entryOver(secrets) });
  assert.equal(secrets.size, 0);
});
