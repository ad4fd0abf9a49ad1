import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { JsonObject } from '../core/brand.ts';
import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import { checkpointIn } from '../core/receipt/walk.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { SecretStore } from './keychain.ts';
import { replaceFile } from './passphrase-file.ts';

/** The newest checkpoint, kept outside the database, so that a rolled-back or truncated file is noticed. */
export interface HeadStore {
  /** Where it is, for people. */
  readonly place: string;
  /** The stored head; null when none was ever stored there. */
  read(): Promise<Result<Checkpoint | null, HeadFault>>;
  write(head: Checkpoint): Promise<Result<null, HeadFault>>;
}

export interface HeadFault {
  readonly code: 'unreadable' | 'io';
  readonly message: string;
}

function headOf(text: string, place: string): Result<Checkpoint, HeadFault> {
  try {
    const head = checkpointIn({ checkpoint: JSON.parse(text) as JsonObject });
    if (head !== null) return ok(head);
  } catch {
    // Falls through: what does not parse is as unreadable as what parses to something else.
  }
  return err({ code: 'unreadable', message: `what is kept in ${place} is not a ledger's head` });
}

/** Keeps the head in a 0600 file, which belongs in another directory than the ledger. */
export function fileHeadStore(path: string): HeadStore {
  const place = `\`${path}\``;
  return {
    place,
    async read() {
      try {
        return headOf(await readFile(path, 'utf8'), place);
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ok(null);
        return err({ code: 'io', message: `${place} cannot be read` });
      }
    },
    async write(head) {
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      } catch {
        return err({ code: 'io', message: `the directory of ${place} cannot be made` });
      }
      const written = await replaceFile(path, `${JSON.stringify(head)}\n`);
      return written.ok ? written : err({ code: 'io', message: written.error.message });
    },
  };
}

/** Keeps the head in the keychain, where a copied file cannot bring an old one back. `dir` is the ledger's directory. */
export function keychainHeadStore(store: SecretStore, dir: string): HeadStore {
  const account = `ledger-head-${createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16)}`;
  const place = 'the keychain';
  return {
    place,
    async read() {
      const found = await store.read(account);
      if (!found.ok)
        return err({ code: 'io', message: `the keychain does not open: ${found.error.message}` });
      return found.value === null ? ok(null) : headOf(found.value, place);
    },
    async write(head) {
      const written = await store.write(account, JSON.stringify(head));
      return written.ok
        ? ok(null)
        : err({ code: 'io', message: `the keychain does not open: ${written.error.message}` });
    },
  };
}
