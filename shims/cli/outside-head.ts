import { join } from 'node:path';
import type { Checkpoint } from '../../electron/core/receipt/checkpoint.ts';
import { fileHeadStore, keychainHeadStore } from '../../electron/edge/head-store.ts';
import { openKeychain } from '../../electron/edge/keychain.ts';
import { recordedKey } from '../../electron/edge/ledger-file.ts';
import type { Places } from '../../electron/wire/places.ts';
import { ledgerDirectory } from './ledger-view.ts';

/** The ledger's head as it is kept outside the database, where a rolled-back file does not bring its own. */
export type OutsideHead =
  | { readonly kind: 'found'; readonly head: Checkpoint; readonly place: string }
  /** Nothing is kept where the daemon keeps it. */
  | { readonly kind: 'absent'; readonly place: string }
  /** It could not be looked at: known is neither that it is there nor that it is not. */
  | { readonly kind: 'unreadable'; readonly place: string; readonly message: string };

/**
 * Looks for the head where the daemon keeps it: in the keychain when there is one that opens, else in the file. A head found
 * in either is the daemon's; the keychain's comes first, because a copied file cannot bring an old one back there.
 */
export async function outsideHead(places: Places): Promise<OutsideHead> {
  const dir = ledgerDirectory(places);
  const file = fileHeadStore(join(places.config, 'ledger-head.json'));
  const inFile = await file.read();
  const key = recordedKey(dir);
  const kept = key.ok ? (key.value?.kept ?? null) : null;
  // A key is kept in memory only where there is no keychain; a head in the file then settles it.
  const service = process.env['COUNTERSIGN_KEYCHAIN_SERVICE'] ?? 'countersign';
  const keychain =
    kept === 'memory' && inFile.ok && inFile.value !== null ? null : await openKeychain({ service });
  if (keychain?.state === 'ready') {
    const inKeychain = await keychainHeadStore(keychain.store, dir).read();
    if (!inKeychain.ok)
      return { kind: 'unreadable', place: 'the keychain', message: inKeychain.error.message };
    if (inKeychain.value !== null) return { kind: 'found', head: inKeychain.value, place: 'the keychain' };
    if (kept === 'keychain') return { kind: 'absent', place: 'the keychain' };
  } else if (keychain !== null && kept === 'keychain')
    return {
      kind: 'unreadable',
      place: 'the keychain',
      message: `the keychain is ${keychain.state} (${keychain.message})`,
    };
  if (!inFile.ok) return { kind: 'unreadable', place: file.place, message: inFile.error.message };
  return inFile.value === null
    ? { kind: 'absent', place: file.place }
    : { kind: 'found', head: inFile.value, place: file.place };
}
