import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { KeyId } from '../core/brand.ts';
import type { KeyKept, KeyRecord } from '../core/receipt/key-epoch.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import { type KeyPair, keyPairOf, newSeed } from './ed25519.ts';
import { type Keychain, openKeychain, type SecretStore } from './keychain.ts';
import { recordedKey } from './ledger-file.ts';
import { openSealedFile, readPassphrase, sealFile } from './passphrase-file.ts';

/** The signing key is not to be had, and no other may take its place. */
export interface KeyFault {
  readonly code: 'key_unavailable';
  readonly reason: 'locked' | 'missing' | 'passphrase' | 'unreadable' | 'io';
  readonly message: string;
}

/** A successor that is kept already; `settle` forgets the key it replaces, once the ledger says so. */
export interface StagedRotation {
  readonly next: SigningKeys;
  readonly settle: () => Promise<Result<null, KeyFault>>;
}

/** The key that signs receipts (AARM R5.i); its secret never leaves this module. */
export interface SigningKeys {
  readonly kind: KeyKept;
  readonly keyId: KeyId;
  /** base64url, raw 32 bytes. */
  readonly publicKey: string;
  /** Signs bytes; base64url, raw 64 bytes. */
  readonly sign: (bytes: Uint8Array) => string;
  /** Mints and keeps a successor of the same kind, beside this key (R5.k). */
  readonly stage: () => Promise<Result<StagedRotation, KeyFault>>;
  /** The keychain, when there is one that opens: where the ledger's head belongs too. */
  readonly keychain: SecretStore | null;
  /** Why the key is kept where it is, for people; null when it is in the keychain. */
  readonly notice: string | null;
}

export interface KeyOptions {
  /** Directory of the ledger; which key it already uses decides which key will do. */
  readonly dir: string;
  /** File with a passphrase, when the person chose a passphrase (COUNTERSIGN_PASSPHRASE_FILE). */
  readonly passphraseFile?: string | null;
  /** Asks the person for the passphrase instead. */
  readonly askPassphrase?: () => Promise<string | null>;
  /** Name under which the keychain keeps our secrets. */
  readonly service: string;
  /** The keychain, when it was opened already. */
  readonly keychain?: Keychain;
}

/** The seeds that a store keeps: during a rotation two, so that a crash on either side of its receipt loses neither. */
interface Kept {
  readonly current: Buffer;
  readonly next: Buffer | null;
}

interface KeptStore {
  readonly kind: KeyKept;
  readonly load: () => Promise<Result<Kept | null, KeyFault>>;
  readonly save: (kept: Kept) => Promise<Result<null, KeyFault>>;
}

function fault(reason: KeyFault['reason'], message: string): KeyFault {
  return { code: 'key_unavailable', reason, message };
}

function keptText(kept: Kept): string {
  const next = kept.next === null ? null : kept.next.toString('base64url');
  return JSON.stringify({ v: 1, current: kept.current.toString('base64url'), next });
}

function keptOf(text: string): Kept | null {
  try {
    const record: unknown = JSON.parse(text);
    if (record === null || typeof record !== 'object' || !('v' in record) || record.v !== 1) return null;
    const seed = (name: string) => {
      const value: unknown = Reflect.get(record, name);
      return typeof value === 'string' ? Buffer.from(value, 'base64url') : null;
    };
    const current = seed('current');
    const next = seed('next');
    if (current?.length !== 32 || (next !== null && next.length !== 32)) return null;
    return { current, next };
  } catch {
    return null;
  }
}

function readKept(text: string, place: string): Result<Kept, KeyFault> {
  const kept = keptOf(text);
  return kept === null ? err(fault('unreadable', `what is kept in ${place} is not a signing key`)) : ok(kept);
}

function keychainStore(store: SecretStore, dir: string): KeptStore {
  // One person may have several ledgers; each has its own entry.
  const account = `signing-key-${createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16)}`;
  return {
    kind: 'keychain',
    async load() {
      const read = await store.read(account);
      if (!read.ok) return err(fault('locked', `the keychain does not open: ${read.error.message}`));
      return read.value === null ? ok(null) : readKept(read.value, 'the keychain');
    },
    async save(kept) {
      const text = keptText(kept);
      const written = await store.write(account, text);
      if (!written.ok) return err(fault('locked', `the keychain does not open: ${written.error.message}`));
      const read = await store.read(account);
      if (!read.ok || read.value !== text)
        return err(fault('io', 'the keychain did not keep the signing key it was given'));
      return ok(null);
    },
  };
}

function passphraseStore(path: string, passphrase: string): KeptStore {
  return {
    kind: 'passphrase',
    async load() {
      const opened = await openSealedFile(path, passphrase);
      if (opened.ok) return readKept(opened.value, `\`${path}\``);
      switch (opened.error.code) {
        case 'missing':
          return ok(null);
        case 'wrong_passphrase':
          return err(fault('passphrase', opened.error.message));
        case 'malformed':
          return err(fault('unreadable', opened.error.message));
        case 'io':
          return err(fault('io', opened.error.message));
        default:
          return unreachable(opened.error.code);
      }
    },
    async save(kept) {
      const sealed = await sealFile(path, passphrase, keptText(kept));
      return sealed.ok ? ok(null) : err(fault('io', sealed.error.message));
    },
  };
}

/** Lives and dies with this process: nothing is written anywhere. */
function memoryStore(): KeptStore {
  return { kind: 'memory', load: async () => ok(null), save: async () => ok(null) };
}

interface Chosen {
  readonly store: KeptStore;
  readonly keychain: SecretStore | null;
  readonly notice: string | null;
}

function signingKeys(kept: Kept, chosen: Chosen): SigningKeys {
  const pair: KeyPair = keyPairOf(kept.current);
  return {
    kind: chosen.store.kind,
    keyId: pair.keyId,
    publicKey: pair.publicKey,
    sign: pair.sign,
    keychain: chosen.keychain,
    notice: chosen.notice,
    async stage() {
      const seed = newSeed();
      const saved = await chosen.store.save({ current: kept.current, next: seed });
      if (!saved.ok) return saved;
      const after: Kept = { current: seed, next: null };
      return ok({ next: signingKeys(after, chosen), settle: () => chosen.store.save(after) });
    },
  };
}

async function passphraseOf(options: KeyOptions): Promise<Result<string | null, KeyFault>> {
  if (options.passphraseFile !== undefined && options.passphraseFile !== null) {
    const read = await readPassphrase(options.passphraseFile);
    return read.ok ? read : err(fault('passphrase', read.error.message));
  }
  return ok((await options.askPassphrase?.()) ?? null);
}

const WITHOUT_KEYCHAIN =
  'this machine has no keychain, so the signing key is kept in memory and receipts of the next start are sealed by another key';

/** Chooses where a ledger without a key will keep one: keychain, then the passphrase a person chose, then memory. */
async function chooseFresh(options: KeyOptions, keychain: Keychain): Promise<Result<Chosen, KeyFault>> {
  if (keychain.state === 'ready')
    return ok({ store: keychainStore(keychain.store, options.dir), keychain: keychain.store, notice: null });
  const passphrase = await passphraseOf(options);
  if (!passphrase.ok) return passphrase;
  if (passphrase.value !== null) {
    const notice = 'the signing key is in a file that a passphrase opens, not in a keychain';
    return ok({
      store: passphraseStore(sealedKeyPath(options.dir), passphrase.value),
      keychain: null,
      notice,
    });
  }
  // A locked keychain may well hold our key: to begin anew beside it would change identity without a word.
  if (keychain.state === 'locked')
    return err(
      fault('locked', `the keychain is locked (${keychain.message}): unlock it, or choose a passphrase file`),
    );
  return ok({ store: memoryStore(), keychain: null, notice: WITHOUT_KEYCHAIN });
}

/** Finds the key that the ledger already uses, where the ledger says it is kept. Never another. */
async function chooseRecorded(
  options: KeyOptions,
  keychain: Keychain,
  recorded: KeyRecord,
): Promise<Result<Chosen, KeyFault>> {
  switch (recorded.kept) {
    case 'memory':
      return chooseFresh(options, keychain);
    case 'keychain':
      if (keychain.state === 'ready')
        return ok({
          store: keychainStore(keychain.store, options.dir),
          keychain: keychain.store,
          notice: null,
        });
      return err(
        fault(
          'locked',
          `the ledger's key is in the keychain, which is ${keychain.state} (${keychain.message}): unlock it`,
        ),
      );
    case 'passphrase': {
      const passphrase = await passphraseOf(options);
      if (!passphrase.ok) return passphrase;
      if (passphrase.value === null)
        return err(fault('passphrase', "the ledger's key is sealed by a passphrase, and none was given"));
      return ok({
        store: passphraseStore(sealedKeyPath(options.dir), passphrase.value),
        keychain: keychain.state === 'ready' ? keychain.store : null,
        notice: 'the signing key is in a file that a passphrase opens, not in a keychain',
      });
    }
    default:
      return unreachable(recorded.kept);
  }
}

function sealedKeyPath(dir: string): string {
  return join(dir, 'signing-key.sealed');
}

/** Of two kept seeds, the one the ledger uses; a crash in a rotation leaves both. */
function matching(kept: Kept, recorded: KeyRecord): Kept | null {
  if (keyPairOf(kept.current).keyId === recorded.id) return kept;
  if (kept.next !== null && keyPairOf(kept.next).keyId === recorded.id)
    return { current: kept.next, next: null };
  return null;
}

/**
 * Opens the key that signs receipts, minting one for a ledger that has none (AARM R5.i, R5.k).
 * INVARIANT (no silent change of identity): once the ledger records a key that outlives its process, that key or a refusal.
 */
export async function openKeys(options: KeyOptions): Promise<Result<SigningKeys, KeyFault>> {
  try {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
  } catch {
    return err(fault('io', `the directory \`${options.dir}\` cannot be made`));
  }
  const recorded = recordedKey(options.dir);
  if (!recorded.ok)
    return err(
      fault('unreadable', `the ledger in \`${options.dir}\` cannot be read: ${recorded.error.message}`),
    );
  const keychain = options.keychain ?? (await openKeychain({ service: options.service }));
  const binding = recorded.value === null || recorded.value.kept === 'memory' ? null : recorded.value;
  const chosen =
    binding === null
      ? await chooseFresh(options, keychain)
      : await chooseRecorded(options, keychain, binding);
  if (!chosen.ok) return chosen;
  const loaded = await chosen.value.store.load();
  if (!loaded.ok) return loaded;
  if (binding !== null) {
    const kept = loaded.value === null ? null : matching(loaded.value, binding);
    if (kept !== null) return ok(signingKeys(kept, chosen.value));
    return err(
      fault(
        'missing',
        `the ledger is sealed by key \`${binding.id}\`, which is not in the ${placeOf(binding.kept)}`,
      ),
    );
  }
  // A key that is kept but that no ledger records was minted by a start that ended before its first receipt.
  if (loaded.value !== null)
    return ok(signingKeys({ current: loaded.value.current, next: null }, chosen.value));
  const minted: Kept = { current: newSeed(), next: null };
  const saved = await chosen.value.store.save(minted);
  return saved.ok ? ok(signingKeys(minted, chosen.value)) : saved;
}

function placeOf(kept: KeyKept): string {
  return kept === 'keychain' ? 'keychain' : 'sealed file';
}
