import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { err, ok, type Result } from '../core/result.ts';

/** Why a sealed file could not be opened or written. */
export interface SealFault {
  readonly code: 'missing' | 'wrong_passphrase' | 'malformed' | 'io';
  readonly message: string;
}

// 32 MiB of memory per guess; the work is done once per start.
const COST = { N: 2 ** 15, r: 8, p: 3 } as const;
const MAX_FILE_BYTES = 64 * 1024;

function derive(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, 32, { ...COST, maxmem: 64 * 1024 * 1024 }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** Reads the passphrase a person put in a file of their own; refuses an empty one and one that others can read. */
export async function readPassphrase(path: string): Promise<Result<string, SealFault>> {
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      return err({
        code: 'io',
        message: `other users can read the passphrase file \`${path}\`: run \`chmod 600\` on it`,
      });
    const text = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
    return text === ''
      ? err({ code: 'missing', message: `the passphrase file \`${path}\` is empty` })
      : ok(text);
  } catch (error) {
    return err({
      code: 'missing',
      message: `the passphrase file \`${path}\` cannot be read (${codeOf(error)})`,
    });
  }
}

/** Writes a file whole or not at all, 0600, durable when it returns. */
export async function replaceFile(path: string, text: string): Promise<Result<null, SealFault>> {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(fresh, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
    await syncDirectory(dirname(path));
    return ok(null);
  } catch (error) {
    return err({ code: 'io', message: `\`${path}\` cannot be written (${codeOf(error)})` });
  }
}

/** A renamed file survives a power cut only when its directory does. Windows has no such call. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'error';
}

/** Seals a text with a passphrase: scrypt, AES-256-GCM, in a 0600 file. */
export async function sealFile(
  path: string,
  passphrase: string,
  secret: string,
): Promise<Result<null, SealFault>> {
  const salt = randomBytes(16);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', await derive(passphrase, salt), iv);
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  const record = {
    v: 1,
    kdf: 'scrypt',
    ...COST,
    cipher: 'aes-256-gcm',
    salt: salt.toString('base64url'),
    iv: iv.toString('base64url'),
    sealed: sealed.toString('base64url'),
    tag: cipher.getAuthTag().toString('base64url'),
  };
  return replaceFile(path, `${JSON.stringify(record)}\n`);
}

/** Opens what `sealFile` sealed. The cost is ours, not the file's: a planted file cannot make us derive for an hour. */
export async function openSealedFile(path: string, passphrase: string): Promise<Result<string, SealFault>> {
  let record: Record<string, unknown>;
  try {
    if ((await stat(path)).size > MAX_FILE_BYTES) return err(malformed(path));
    record = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? err({ code: 'missing', message: `there is no \`${path}\`` })
      : err(malformed(path));
  }
  const part = (name: string) => {
    const value = record?.[name];
    return typeof value === 'string' ? Buffer.from(value, 'base64url') : null;
  };
  const [salt, iv, sealed, tag] = [part('salt'), part('iv'), part('sealed'), part('tag')];
  if (salt === null || iv === null || sealed === null || tag === null) return err(malformed(path));
  if (record.v !== 1 || salt.length !== 16 || iv.length !== 12 || tag.length !== 16)
    return err(malformed(path));
  try {
    const decipher = createDecipheriv('aes-256-gcm', await derive(passphrase, salt), iv);
    decipher.setAuthTag(tag);
    return ok(Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8'));
  } catch {
    return err({ code: 'wrong_passphrase', message: `the passphrase does not open \`${path}\`` });
  }
}

function malformed(path: string): SealFault {
  return { code: 'malformed', message: `\`${path}\` is not a sealed key` };
}
