import { randomBytes } from 'node:crypto';
import { AsyncEntry } from '@napi-rs/keyring';
import { err, ok, type Result } from '../core/result.ts';

/** Why the keychain did not do what was asked. */
export interface KeychainFault {
  readonly code: 'locked' | 'unavailable';
  readonly message: string;
}

/** Named secrets of this installation. A `null` read is "nothing there", and after the canary only. */
export interface SecretStore {
  read(account: string): Promise<Result<string | null, KeychainFault>>;
  write(account: string, secret: string): Promise<Result<null, KeychainFault>>;
  remove(account: string): Promise<Result<null, KeychainFault>>;
}

/**
 * What the operating system has to offer. `absent`: no keychain on this machine (no service, or one without any keyring).
 * `locked`: there is one and it does not open; that is never the same as having none.
 */
export type Keychain =
  | { readonly state: 'ready'; readonly store: SecretStore }
  | { readonly state: 'absent'; readonly message: string }
  | { readonly state: 'locked'; readonly message: string };

/** One entry of the platform's keychain, as the library gives it. */
export interface KeychainEntry {
  getPassword(signal: AbortSignal): Promise<string | null>;
  setPassword(secret: string, signal: AbortSignal): Promise<void>;
  deleteCredential(signal: AbortSignal): Promise<boolean>;
}

/** Opens an entry; throws when the platform has no keychain service. */
export type EntryOpener = (service: string, account: string) => KeychainEntry;

/**
 * `store` is pinned: by default the library falls back to the kernel's keyring in silence, which forgets
 * everything at reboot, and an identity with it.
 */
const platformEntry: EntryOpener = (service, account) =>
  new AsyncEntry(service, account, { linux: { store: 'secret-service' } });

/** A prompt that nobody sees never returns. */
const TIMEOUT_MS = 5_000;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The service answers and has no keyring to keep anything in: to a person, a machine without a keychain. */
function isWithoutKeyring(message: string): boolean {
  return message.includes('no result found');
}

async function ask<T>(
  open: () => KeychainEntry,
  act: (entry: KeychainEntry, signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
): Promise<Result<T, KeychainFault>> {
  let entry: KeychainEntry;
  try {
    entry = open();
  } catch (error) {
    return err({ code: 'unavailable', message: messageOf(error) });
  }
  const gone = AbortSignal.timeout(timeoutMs);
  const late = new Promise<never>((_, reject) => {
    gone.addEventListener('abort', () => reject(new Error('no answer')), { once: true });
  });
  try {
    return ok(await Promise.race([act(entry, gone), late]));
  } catch (error) {
    const message = messageOf(error);
    // Whatever we do not know to be absence is a keychain that does not open: minting then would change identity in silence.
    return err({ code: isWithoutKeyring(message) ? 'unavailable' : 'locked', message });
  }
}

/** Named secrets under `service`; each call has a deadline. */
export function secretStore(
  service: string,
  open: EntryOpener = platformEntry,
  timeoutMs: number = TIMEOUT_MS,
): SecretStore {
  const at = (account: string) => () => open(service, account);
  return {
    read: (account) => ask(at(account), (entry, signal) => entry.getPassword(signal), timeoutMs),
    write: (account, secret) =>
      ask(at(account), (entry, signal) => entry.setPassword(secret, signal).then(() => null), timeoutMs),
    remove: (account) =>
      ask(at(account), (entry, signal) => entry.deleteCredential(signal).then(() => null), timeoutMs),
  };
}

/**
 * Finds out whether this machine keeps secrets, by keeping one: writes, reads and deletes a canary. A locked keyring answers every
 * read with "nothing there", so without the canary it would look like a fresh machine and the identity would change in silence.
 */
export async function openKeychain(options: {
  readonly service: string;
  readonly open?: EntryOpener;
  readonly timeoutMs?: number;
}): Promise<Keychain> {
  const store = secretStore(options.service, options.open, options.timeoutMs);
  const account = `canary-${randomBytes(8).toString('hex')}`;
  const secret = randomBytes(16).toString('base64url');
  const written = await store.write(account, secret);
  if (!written.ok) {
    const { code, message } = written.error;
    return { state: code === 'unavailable' ? 'absent' : 'locked', message };
  }
  const read = await store.read(account);
  const removed = await store.remove(account);
  if (!read.ok) return { state: 'locked', message: read.error.message };
  if (read.value !== secret)
    return { state: 'locked', message: 'a secret that was just written could not be read back' };
  if (!removed.ok) return { state: 'locked', message: removed.error.message };
  return { state: 'ready', store };
}
