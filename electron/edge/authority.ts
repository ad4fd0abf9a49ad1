import 'reflect-metadata';
import { createHash, createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as x509 from '@peculiar/x509';
import type { KeyKept } from '../core/receipt/key-epoch.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import type { SecretStore } from './keychain.ts';
import { openSealedFile, readPassphrase, replaceFile, sealFile } from './passphrase-file.ts';

/**
 * The certificate authority of this installation: sessions trust it, and nothing else on the machine does. It is never added to a system
 * store. Its key leaves this process only for the proxy.
 */
export interface SessionAuthority {
  readonly certificatePem: string;
  /** PKCS#8. */
  readonly keyPem: string;
  readonly kept: KeyKept;
  /** Epoch milliseconds at which it ends. */
  readonly notAfter: number;
}

export interface AuthorityFault {
  readonly code: 'authority';
  readonly message: string;
}

export interface AuthorityOptions {
  /** Directory of the state: the certificate lies there. */
  readonly dir: string;
  /** How this installation keeps its keys (edge/keys.ts); the authority's is kept the same way. */
  readonly kept: KeyKept;
  readonly keychain: SecretStore | null;
  readonly passphraseFile: string | null;
  /** Epoch milliseconds. */
  readonly now: number;
}

const NAME = 'Countersign session authority';
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const LIFETIME_MS = 10 * YEAR_MS;
/** What it signs lives for days: well before the end a new one is made. */
const RENEW_BEFORE_MS = YEAR_MS / 2;
/** Clocks of containers and of what was frozen lag. */
const BACKDATED_MS = 24 * 60 * 60 * 1000;
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

/**
 * Opens the authority, making a new one where there is none, where it nears its end, or where its key is gone. A key that cannot be
 * looked at (a locked keychain, a wrong passphrase) is a fault and never a new authority.
 */
export async function openAuthority(
  options: AuthorityOptions,
): Promise<Result<SessionAuthority, AuthorityFault>> {
  const store = await keyStore(options);
  if (!store.ok) return store;
  const key = await store.value.load();
  if (!key.ok) return key;
  const path = join(options.dir, 'session-authority.pem');
  if (key.value !== null) {
    const certificate = await readFile(path, 'utf8').catch(() => null);
    const known = certificate === null ? null : matching(certificate, key.value, options.now);
    if (known !== null) return ok({ ...known, kept: options.kept });
  }
  const made = await mint(options.now);
  // The key first: a certificate without its key would be made anew, a key without a certificate only lies there.
  const saved = await store.value.save(made.keyPem);
  if (!saved.ok) return saved;
  try {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
  } catch {
    return err(fault(`the directory \`${options.dir}\` cannot be made`));
  }
  const written = await replaceFile(path, made.certificatePem);
  return written.ok ? ok({ ...made, kept: options.kept }) : err(fault(written.error.message));
}

type Made = Omit<SessionAuthority, 'kept'>;

async function mint(now: number): Promise<Made> {
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  // Certificates count in seconds.
  const notAfter = Math.floor((now + LIFETIME_MS) / 1000) * 1000;
  // Two installations, or two authorities of one, must not pass for one another where a client looks names up.
  const serialNumber = `01${randomBytes(15).toString('hex')}`;
  const name = [{ CN: [NAME] }, { O: ['Countersign'] }, { OU: [serialNumber.slice(2, 14)] }];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    name,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(notAfter),
    keys,
    signingAlgorithm: SIGNING,
    extensions: [
      // Path length 0: it signs certificates of hosts and no other authority.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    keyPem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    notAfter,
  };
}

/** The authority of a certificate and a key that belong together and last a while yet; null when they do not. */
function matching(certificatePem: string, keyPem: string, now: number): Made | null {
  try {
    const certificate = new x509.X509Certificate(certificatePem);
    const publicKey = createPublicKey(keyPem).export({ format: 'der', type: 'spki' });
    if (!publicKey.equals(Buffer.from(certificate.publicKey.rawData))) return null;
    const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
    if (constraints?.ca !== true || constraints.pathLength !== 0) return null;
    const notAfter = certificate.notAfter.getTime();
    if (notAfter - RENEW_BEFORE_MS <= now || certificate.notBefore.getTime() > now) return null;
    return { certificatePem, keyPem, notAfter };
  } catch {
    return null;
  }
}

interface KeyStore {
  /** Null: there is none. */
  readonly load: () => Promise<Result<string | null, AuthorityFault>>;
  readonly save: (pem: string) => Promise<Result<null, AuthorityFault>>;
}

function fault(message: string): AuthorityFault {
  return { code: 'authority', message: `the session authority: ${message}` };
}

async function keyStore(options: AuthorityOptions): Promise<Result<KeyStore, AuthorityFault>> {
  switch (options.kept) {
    case 'keychain':
      return options.keychain === null
        ? err(fault('its key belongs in the keychain, which is not open'))
        : ok(inKeychain(options.keychain, options.dir));
    case 'passphrase': {
      if (options.passphraseFile === null)
        return err(fault('its key is sealed by a passphrase, and none was given'));
      const passphrase = await readPassphrase(options.passphraseFile);
      return passphrase.ok
        ? ok(inSealedFile(join(options.dir, 'session-authority-key.sealed'), passphrase.value))
        : err(fault(passphrase.error.message));
    }
    case 'memory':
      return ok({ load: async () => ok(null), save: async () => ok(null) });
    default:
      return unreachable(options.kept);
  }
}

function inKeychain(store: SecretStore, dir: string): KeyStore {
  const account = `session-authority-${createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16)}`;
  return {
    async load() {
      const read = await store.read(account);
      return read.ok ? read : err(fault(`the keychain does not open: ${read.error.message}`));
    },
    async save(pem) {
      const written = await store.write(account, pem);
      if (!written.ok) return err(fault(`the keychain does not open: ${written.error.message}`));
      const read = await store.read(account);
      return read.ok && read.value === pem
        ? ok(null)
        : err(fault('the keychain did not keep the key it was given'));
    },
  };
}

function inSealedFile(path: string, passphrase: string): KeyStore {
  return {
    async load() {
      const opened = await openSealedFile(path, passphrase);
      if (opened.ok) return opened;
      return opened.error.code === 'missing' ? ok(null) : err(fault(opened.error.message));
    },
    async save(pem) {
      const sealed = await sealFile(path, passphrase, pem);
      return sealed.ok ? ok(null) : err(fault(sealed.error.message));
    },
  };
}
