import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ok } from '../../../electron/core/result.ts';
import { type AuthorityOptions, openAuthority } from '../../../electron/edge/authority.ts';
import type { SecretStore } from '../../../electron/edge/keychain.ts';

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

function memoryKeychain(kept = new Map<string, string>()): SecretStore {
  return {
    read: async (account) => ok(kept.get(account) ?? null),
    write: async (account, secret) => {
      kept.set(account, secret);
      return ok(null);
    },
    remove: async (account) => {
      kept.delete(account);
      return ok(null);
    },
  };
}

describe('the session authority', () => {
  let dir = '';
  let base: AuthorityOptions;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'csn-authority-'));
    base = { dir, kept: 'keychain', keychain: memoryKeychain(), passphraseFile: null, now: Date.now() };
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

  async function opened(options: Partial<AuthorityOptions> = {}) {
    const result = await openAuthority({ ...base, ...options });
    assert.ok(result.ok, result.ok ? '' : result.error.message);
    return result.value;
  }

  test('signs hosts and no other authority, for ten years, by a name that people recognise', async () => {
    const authority = await opened();
    const certificate = new X509Certificate(authority.certificatePem);
    assert.ok(certificate.ca);
    assert.match(certificate.subject, /CN=Countersign session authority/);
    assert.match(certificate.toLegacyObject().subject.CN ?? '', /^Countersign session authority$/);
    assert.ok(certificate.checkPrivateKey(createPrivateKey(authority.keyPem)));
    assert.ok(Math.abs(authority.notAfter - base.now - 10 * YEAR_MS) < 5000);
    // Basic constraints: CA, path length 0, as DER says it.
    assert.ok(Buffer.from(certificate.raw).includes(Buffer.from('30060101ff020100', 'hex')));
  });

  test('stays the same from start to start', async () => {
    const first = await opened();
    assert.deepEqual(await opened(), first);
  });

  test('is made anew when its key is gone, when its certificate is gone, and before it ends', async () => {
    const first = await opened();
    const second = await opened({ keychain: memoryKeychain() });
    assert.notEqual(second.certificatePem, first.certificatePem);
    const keychain = memoryKeychain();
    const third = await opened({ keychain });
    rmSync(join(dir, 'session-authority.pem'));
    const fourth = await opened({ keychain });
    assert.notEqual(fourth.certificatePem, third.certificatePem);
    const later = await opened({ keychain, now: base.now + 9.8 * YEAR_MS });
    assert.notEqual(later.certificatePem, fourth.certificatePem);
    assert.ok(later.notAfter > base.now + 15 * YEAR_MS);
  });

  test('does not take a certificate that somebody put in the place of its own', async () => {
    const keychain = memoryKeychain();
    await opened({ keychain });
    const other = await openAuthority({ ...base, kept: 'memory' });
    assert.ok(other.ok);
    writeFileSync(join(dir, 'session-authority.pem'), other.value.certificatePem);
    const mine = await opened({ keychain });
    assert.notEqual(mine.certificatePem, other.value.certificatePem);
    assert.ok(new X509Certificate(mine.certificatePem).checkPrivateKey(createPrivateKey(mine.keyPem)));
  });

  test('writes its key nowhere in the clear', async () => {
    const passphraseFile = join(dir, 'passphrase');
    writeFileSync(passphraseFile, 'correct horse battery\n');
    chmodSync(passphraseFile, 0o600);
    const authority = await opened({ kept: 'passphrase', keychain: null, passphraseFile });
    assert.deepEqual(await opened({ kept: 'passphrase', keychain: null, passphraseFile }), authority);
    const body = authority.keyPem.split('\n')[1] ?? '';
    assert.ok(body.length > 20);
    for (const name of readdirSync(dir)) {
      assert.ok(!readFileSync(join(dir, name), 'utf8').includes(body), name);
      assert.equal(statSync(join(dir, name)).mode & 0o077, 0, name);
    }
    assert.ok(existsSync(join(dir, 'session-authority.pem')));
  });

  test('is a fault, and never another authority, when its key cannot be looked at', async () => {
    const passphraseFile = join(dir, 'passphrase');
    writeFileSync(passphraseFile, 'one\n', { mode: 0o600 });
    await opened({ kept: 'passphrase', keychain: null, passphraseFile });
    const before = readFileSync(join(dir, 'session-authority.pem'), 'utf8');
    writeFileSync(passphraseFile, 'two\n', { mode: 0o600 });
    const result = await openAuthority({ ...base, kept: 'passphrase', keychain: null, passphraseFile });
    assert.equal(result.ok, false);
    assert.equal(readFileSync(join(dir, 'session-authority.pem'), 'utf8'), before);
  });
});
