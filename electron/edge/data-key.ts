import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import type { KeyFault, SigningKeys } from './keys.ts';
import { openSealedFile, readPassphrase, sealFile } from './passphrase-file.ts';

/** Keys of what is remembered of data: of its fingerprints (16 bytes), and of what stands for a redacted value (32 bytes). */
export interface DataKeys {
  readonly fingerprint: Uint8Array;
  readonly redaction: Uint8Array;
  /** False when they die with this process: what is remembered under them then says nothing to the next. */
  readonly kept: boolean;
}

/**
 * Opens the keys of what is remembered of data, minting them for an installation that has none; kept where the signing key is (AARM
 * R2.b, T9). Without them fingerprints can neither be made nor tried out by whoever has the disk only.
 */
export async function openDataKeys(options: {
  /** Directory of what is remembered; each has keys of its own. */
  readonly dir: string;
  readonly keys: SigningKeys;
  readonly passphraseFile: string | null;
}): Promise<Result<DataKeys, KeyFault>> {
  const { dir, keys } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch(() => undefined);
  switch (keys.kind) {
    case 'memory':
      return ok(derived(randomBytes(32), false));
    case 'keychain': {
      if (keys.keychain === null) throw new Error('a key kept in the keychain needs a keychain');
      const account = `data-key-${createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16)}`;
      const read = await keys.keychain.read(account);
      if (!read.ok) return err(fault('locked', `the keychain does not open: ${read.error.message}`));
      if (read.value !== null) return parsed(read.value, 'the keychain');
      const fresh = randomBytes(32);
      const written = await keys.keychain.write(account, fresh.toString('base64url'));
      if (!written.ok) return err(fault('locked', `the keychain does not open: ${written.error.message}`));
      return ok(derived(fresh, true));
    }
    case 'passphrase': {
      const passphrase = await readPassphrase(options.passphraseFile ?? '');
      if (!passphrase.ok) return err(fault('passphrase', passphrase.error.message));
      const path = join(dir, 'data-key.sealed');
      const opened = await openSealedFile(path, passphrase.value);
      if (opened.ok) return parsed(opened.value, `\`${path}\``);
      if (opened.error.code !== 'missing') return err(fault('unreadable', opened.error.message));
      const fresh = randomBytes(32);
      const sealed = await sealFile(path, passphrase.value, fresh.toString('base64url'));
      return sealed.ok ? ok(derived(fresh, true)) : err(fault('io', sealed.error.message));
    }
    default:
      return unreachable(keys.kind);
  }
}

function fault(reason: KeyFault['reason'], message: string): KeyFault {
  return { code: 'key_unavailable', reason, message };
}

function parsed(text: string, place: string): Result<DataKeys, KeyFault> {
  const key = Buffer.from(text, 'base64url');
  return key.length === 32
    ? ok(derived(key, true))
    : err(fault('unreadable', `what is kept in ${place} is not a data key`));
}

function derived(master: Uint8Array, kept: boolean): DataKeys {
  const part = (what: string, bytes: number) =>
    new Uint8Array(hkdfSync('sha256', master, new Uint8Array(0), `countersign ${what}`, bytes));
  return { fingerprint: part('fingerprint', 16), redaction: part('redaction', 32), kept };
}
