import { err, ok, type Result } from '../core/result.ts';
import { parseStrictJson } from '../wire/json.ts';
import type { KeychainFault, SecretStore } from './keychain.ts';
import { openSealedFile, sealFile } from './passphrase-file.ts';

/**
 * Named secrets in one file that a passphrase opens, for a machine without a keychain whose owner chose that. Read anew at each use: what is
 * decrypted is not kept. Changes follow one another.
 */
export function sealedSecretStore(path: string, passphrase: string): SecretStore {
  let turn: Promise<unknown> = Promise.resolve();
  async function load(): Promise<Result<Record<string, string>, KeychainFault>> {
    const opened = await openSealedFile(path, passphrase);
    if (!opened.ok)
      return opened.error.code === 'missing'
        ? ok({})
        : err({ code: 'locked', message: opened.error.message });
    const json = parseStrictJson(opened.value);
    if (!json.ok || json.value === null || typeof json.value !== 'object' || Array.isArray(json.value))
      return err({ code: 'locked', message: `\`${path}\` holds no secrets of ours` });
    const entries = Object.entries(json.value).filter((e): e is [string, string] => typeof e[1] === 'string');
    return ok(Object.fromEntries(entries));
  }
  function change(edit: (secrets: Record<string, string>) => void): Promise<Result<null, KeychainFault>> {
    const next = turn.then(async (): Promise<Result<null, KeychainFault>> => {
      const loaded = await load();
      if (!loaded.ok) return loaded;
      edit(loaded.value);
      const sealed = await sealFile(path, passphrase, JSON.stringify(loaded.value));
      return sealed.ok ? ok(null) : err({ code: 'unavailable', message: sealed.error.message });
    });
    turn = next.catch(() => undefined);
    return next;
  }
  return {
    async read(account) {
      await turn;
      const loaded = await load();
      return loaded.ok
        ? ok(Object.hasOwn(loaded.value, account) ? (loaded.value[account] ?? null) : null)
        : loaded;
    },
    write: (account, secret) =>
      change((secrets) => {
        secrets[account] = secret;
      }),
    remove: (account) =>
      change((secrets) => {
        delete secrets[account];
      }),
  };
}
