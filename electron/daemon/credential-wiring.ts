import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { err, ok, type Result } from '../core/result.ts';
import { openCredentialStore } from '../edge/credential-store.ts';
import { loadCredentialTable } from '../edge/credential-table.ts';
import { openKeychain, type SecretStore } from '../edge/keychain.ts';
import { readPassphrase } from '../edge/passphrase-file.ts';
import { sealedSecretStore } from '../edge/sealed-secrets.ts';
import type { Places } from '../wire/places.ts';
import { createMinterRegistry } from './credential-minter.ts';
import type { CredentialRequestPorts } from './credential-requests.ts';
import { createCredentialService } from './credential-service.ts';
import type { MediationPorts } from './mediation.ts';
import { awsMinter } from './mint-aws.ts';
import { githubAppMinter } from './mint-github-app.ts';
import { createPostgresMinter } from './mint-postgres.ts';
import { createSshMinter } from './mint-ssh.ts';
import { tokenMinter } from './mint-token.ts';

export interface CredentialWiring {
  readonly places: Places;
  readonly mediation: MediationPorts;
  /** Null where there is none, or it does not open. */
  readonly keychain: SecretStore | null;
  readonly keychainService: string;
  /** Where the person put the passphrase, when they chose one. */
  readonly passphraseFile: string | null;
  /** Further certificate authorities that a database's is checked against, PEM. */
  readonly roots: readonly string[];
  readonly changed: () => void;
}

/**
 * Opens the credentials of this installation: in the keychain, in the file that the person's passphrase opens when there is no keychain and they
 * chose that, and else nowhere: then none can be added, and sessions still get placeholders for what their environment holds.
 */
export async function openCredentials(
  wiring: CredentialWiring,
): Promise<Result<CredentialRequestPorts, string>> {
  const { places, mediation, keychain, keychainService } = wiring;
  const table = loadCredentialTable();
  if (!table.ok) return err(`the table of known credentials is unreadable: ${table.error}`);
  const passphrase =
    keychain === null && wiring.passphraseFile !== null ? await readPassphrase(wiring.passphraseFile) : null;
  if (passphrase !== null && !passphrase.ok) return err(passphrase.error.message);
  const store = await openCredentialStore({
    path: join(places.state, 'credentials.json'),
    secrets:
      passphrase === null
        ? keychain
        : sealedSecretStore(join(places.state, 'credentials.sealed'), passphrase.value),
    opens: async () => {
      if (passphrase !== null) return ok(null);
      const found = await openKeychain({ service: keychainService });
      return found.state === 'ready' ? ok(null) : err(`it is ${found.state}: ${found.message}`);
    },
  });
  const minters = createMinterRegistry([
    tokenMinter,
    awsMinter,
    githubAppMinter,
    createSshMinter(),
    createPostgresMinter(() => wiring.roots),
  ]);
  const service = createCredentialService({
    mediation,
    store,
    minters,
    table: table.value,
    randomBytes: (count) => Uint8Array.from(randomBytes(count)),
  });
  return ok({
    mediation,
    store,
    service,
    minters,
    table: table.value,
    kept: keychain !== null ? 'keychain' : passphrase !== null ? 'passphrase' : 'none',
    changed: wiring.changed,
  });
}
