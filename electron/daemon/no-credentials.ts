import { ok } from '../core/result.ts';
import type { CredentialService } from './credential-port.ts';

/** A daemon that keeps no credentials: no placeholder exists, so nothing is ever put in the place of one. */
export function noCredentials(): CredentialService {
  return {
    open: () => ({ environment: {}, warnings: [] }),
    placeholdersOf: () => [],
    forget: () => undefined,
    judge: () => null,
    swapsFor: async () => ok([]),
    used: async () => undefined,
    recordsOf: () => [],
  };
}
