import { ok } from '../core/result.ts';
import type { CredentialService } from './credential-service.ts';

/** A daemon that keeps no credentials: no placeholder exists, so nothing is ever put in the place of one. */
export function noCredentials(): CredentialService {
  return {
    open: () => undefined,
    environment: () => ({}),
    placeholders: () => [],
    databases: () => [],
    barred: () => null,
    factOf: () => null,
    swapsFor: async () => ok([]),
    settle: () => undefined,
    forget: () => undefined,
    onChange: () => undefined,
    lastUsed: () => null,
    changed: () => undefined,
  };
}
