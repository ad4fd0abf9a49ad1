import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CredentialRecord } from '../core/credential.ts';
import { err, ok, type Result } from '../core/result.ts';
import {
  type CredentialFile,
  credentialBody,
  credentialFileText,
  parseCredentialBody,
  parseCredentialFile,
} from '../wire/credential-file.ts';
import { parseStrictJson } from '../wire/json.ts';
import type { SecretStore } from './keychain.ts';
import { macEquals, macHex } from './mac.ts';
import { replaceFile } from './passphrase-file.ts';

/** What is kept secret of a credential. */
export interface KeptSecret {
  readonly secret: string;
  /** AWS: the token that goes with temporary keys. */
  readonly sessionToken: string | null;
}

/** `tampered`: the file of records is not the one that was written last. `locked`: the keychain does not open. */
export interface CredentialStoreFault {
  readonly code: 'no_keychain' | 'locked' | 'tampered' | 'missing' | 'exists' | 'io';
  readonly message: string;
}

/** Credentials of this installation (AARM R9): records in a sealed file, secrets in the keychain and nowhere else. */
export interface CredentialStore {
  records(): readonly CredentialRecord[];
  /** Why no record can be used or changed; null when all is well. */
  fault(): CredentialStoreFault | null;
  add(record: CredentialRecord, secret: KeptSecret): Promise<Result<null, CredentialStoreFault>>;
  /** Puts another record (and secret, when given) in the place of the one with its name. */
  replace(record: CredentialRecord, secret: KeptSecret | null): Promise<Result<null, CredentialStoreFault>>;
  remove(name: string): Promise<Result<null, CredentialStoreFault>>;
  /** Read anew at each use: a keychain that was locked since then is said, never got round. */
  secret(name: string): Promise<Result<KeptSecret, CredentialStoreFault>>;
}

export interface CredentialStoreOptions {
  readonly path: string;
  /** The keychain, or the sealed file that the person chose; null: there is neither. */
  readonly secrets: SecretStore | null;
  /** Whether the keychain opens at this moment; a locked one answers reads with "nothing there". */
  readonly opens: () => Promise<Result<null, string>>;
}

/** What the keychain keeps of the file: the key of its seal, and which seals are right (two while it is being changed). */
interface Seal {
  readonly key: string;
  readonly current: string | null;
  readonly next: string | null;
}

const NO_KEYCHAIN =
  'this machine has no keychain, so a credential would not be safe here: install one (gnome-keyring, KWallet or another Secret Service) and start the daemon in your desktop session, or start it with a passphrase file (COUNTERSIGN_PASSPHRASE_FILE)';

/**
 * Opens the store. A file that is not the one that was written last is a fault of the whole store: no credential in it is used, so that
 * nobody widens limits, or brings old ones back, unseen.
 */
export async function openCredentialStore(options: CredentialStoreOptions): Promise<CredentialStore> {
  const { path, secrets } = options;
  const tag = createHash('sha256').update(resolve(path)).digest('hex').slice(0, 16);
  const sealAccount = `credentials-seal-${tag}`;
  const accountOf = (name: string) => `credential-${tag}-${name}`;
  let broken: CredentialStoreFault | null = null;
  let seal: Seal | null = null;
  let file: CredentialFile = { generation: 0, records: [] };
  let turn: Promise<unknown> = Promise.resolve();

  const locked = (why: string): CredentialStoreFault => ({
    code: 'locked',
    message: `the keychain does not open (${why}): unlock it and try again`,
  });

  async function load(): Promise<CredentialStoreFault | null> {
    if (secrets === null) return null;
    const kept = await secrets.read(sealAccount);
    if (!kept.ok) return locked(kept.error.message);
    const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) =>
      cause.code === 'ENOENT' ? null : undefined,
    );
    if (text === undefined) return { code: 'io', message: `\`${path}\` cannot be read` };
    if (kept.value === null) {
      if (text === null) return null;
      const opens = await options.opens();
      return opens.ok ? tampered('the keychain knows nothing of it') : locked(opens.error);
    }
    seal = sealOf(kept.value);
    if (seal === null)
      return { code: 'io', message: 'what the keychain keeps for the credentials is unreadable' };
    // Without the file there is nothing to use, and an older one put back later does not carry the last seal.
    if (text === null) return null;
    const outer = parseCredentialFile(text);
    if (!outer.ok) return tampered(outer.error);
    const { body, mac } = outer.value;
    const right =
      macEquals(macHex(seal.key, body), mac) &&
      [seal.current, seal.next].some((m) => m !== null && macEquals(m, mac));
    if (!right) return tampered('its seal is not the one that was put on it last');
    const parsed = parseCredentialBody(body);
    if (!parsed.ok) return tampered(parsed.error);
    file = parsed.value;
    return null;
  }

  function tampered(why: string): CredentialStoreFault {
    return {
      code: 'tampered',
      message: `the list of credentials \`${path}\` was changed by something else (${why}): no credential is used; put the right file back, or delete it and add them again`,
    };
  }

  /** Seal first, file next, then the seal again: after a crash at any place one of the two seals is right. */
  async function write(records: readonly CredentialRecord[]): Promise<Result<null, CredentialStoreFault>> {
    if (secrets === null) return err({ code: 'no_keychain', message: NO_KEYCHAIN });
    const before: Seal = seal ?? { key: randomBytes(32).toString('base64url'), current: null, next: null };
    const after: CredentialFile = { generation: file.generation + 1, records };
    const body = credentialBody(after);
    const mac = macHex(before.key, body);
    const staged = await keep({ ...before, next: mac });
    if (!staged.ok) return staged;
    const written = await replaceFile(path, credentialFileText(body, mac));
    if (!written.ok) return err({ code: 'io', message: written.error.message });
    seal = { ...before, next: mac };
    file = after;
    const settled = await keep({ key: before.key, current: mac, next: null });
    if (settled.ok) seal = { key: before.key, current: mac, next: null };
    return settled;
  }

  async function keep(next: Seal): Promise<Result<null, CredentialStoreFault>> {
    if (secrets === null) return err({ code: 'no_keychain', message: NO_KEYCHAIN });
    const text = JSON.stringify({ v: 1, ...next });
    const written = await secrets.write(sealAccount, text);
    if (!written.ok) return err(locked(written.error.message));
    const read = await secrets.read(sealAccount);
    return read.ok && read.value === text ? ok(null) : err(locked('it did not keep what it was given'));
  }

  async function keepSecret(name: string, kept: KeptSecret): Promise<Result<null, CredentialStoreFault>> {
    if (secrets === null) return err({ code: 'no_keychain', message: NO_KEYCHAIN });
    const text = JSON.stringify({ v: 1, secret: kept.secret, session_token: kept.sessionToken });
    const written = await secrets.write(accountOf(name), text);
    if (!written.ok) return err(locked(written.error.message));
    const read = await secrets.read(accountOf(name));
    return read.ok && read.value === text ? ok(null) : err(locked('it did not keep what it was given'));
  }

  function change<T>(
    act: () => Promise<Result<T, CredentialStoreFault>>,
  ): Promise<Result<T, CredentialStoreFault>> {
    const next = turn.then(async () => {
      // A keychain that was locked at the start may be open by now; a changed file stays one.
      if (broken?.code === 'locked') broken = await load();
      if (broken !== null) return err(broken);
      if (secrets === null) return err({ code: 'no_keychain' as const, message: NO_KEYCHAIN });
      return act();
    });
    turn = next.catch(() => undefined);
    return next;
  }
  const named = (name: string) => file.records.find((record) => record.name === name);
  const unknown = (name: string): CredentialStoreFault => ({
    code: 'missing',
    message: `there is no credential \`${name}\`; \`countersign credential list\` shows what there is`,
  });

  broken = await load();
  return {
    records: () => (broken === null ? file.records : []),
    fault: () => broken,
    add: (record, secret) =>
      change(async () => {
        if (named(record.name) !== undefined)
          return err({
            code: 'exists',
            message: `there is a credential \`${record.name}\` already: rotate it, or remove it first`,
          });
        const kept = await keepSecret(record.name, secret);
        if (!kept.ok) return kept;
        const written = await write([...file.records, record]);
        if (!written.ok) await secrets?.remove(accountOf(record.name));
        return written;
      }),
    replace: (record, secret) =>
      change(async () => {
        if (named(record.name) === undefined) return err(unknown(record.name));
        if (secret !== null) {
          const kept = await keepSecret(record.name, secret);
          if (!kept.ok) return kept;
        }
        return write(file.records.map((other) => (other.name === record.name ? record : other)));
      }),
    remove: (name) =>
      change(async () => {
        if (named(name) === undefined) return err(unknown(name));
        // The secret goes first: what is left after a failure leads nowhere.
        const removed = await secrets?.remove(accountOf(name));
        if (removed !== undefined && !removed.ok) return err(locked(removed.error.message));
        return write(file.records.filter((record) => record.name !== name));
      }),
    async secret(name) {
      await turn;
      if (broken?.code === 'locked') broken = await load();
      if (broken !== null) return err(broken);
      if (secrets === null) return err({ code: 'no_keychain', message: NO_KEYCHAIN });
      if (named(name) === undefined) return err(unknown(name));
      const read = await secrets.read(accountOf(name));
      if (!read.ok) return err(locked(read.error.message));
      if (read.value === null) {
        const opens = await options.opens();
        return err(
          opens.ok
            ? {
                code: 'missing',
                message: `the keychain no longer holds the secret of \`${name}\`: give it again with \`countersign credential rotate ${name}\``,
              }
            : locked(opens.error),
        );
      }
      const kept = keptOf(read.value);
      return kept === null
        ? err({ code: 'io', message: `what the keychain keeps for \`${name}\` is unreadable` })
        : ok(kept);
    },
  };
}

function sealOf(text: string): Seal | null {
  const json = parseStrictJson(text);
  if (!json.ok || json.value === null || typeof json.value !== 'object' || Array.isArray(json.value))
    return null;
  const { v, key, current, next } = json.value as Record<string, unknown>;
  const mac = (value: unknown) =>
    value === null || (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
  if (v !== 1 || typeof key !== 'string' || key.length < 40 || !mac(current) || !mac(next)) return null;
  return { key, current: current as string | null, next: next as string | null };
}

function keptOf(text: string): KeptSecret | null {
  const json = parseStrictJson(text);
  if (!json.ok || json.value === null || typeof json.value !== 'object' || Array.isArray(json.value))
    return null;
  const { v, secret, session_token: token } = json.value as Record<string, unknown>;
  if (v !== 1 || typeof secret !== 'string') return null;
  return { secret, sessionToken: typeof token === 'string' ? token : null };
}
