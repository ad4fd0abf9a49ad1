import { ok } from '../core/result.ts';
import type { Minter } from './credential-minter.ts';

/**
 * A token is one value for everything, so nothing narrower can be made of it: it is released for one action, which was judged to be within
 * the record's limits, and the proxy holds it for that action only.
 */
export const tokenMinter: Minter = {
  kind: 'token',
  mint: async ({ record, secret }) =>
    ok({
      secret: secret.secret,
      use: { kind: 'replace' },
      expiresAt: null,
      scope: `the whole token, for one request to ${record.limits.hosts.join(', ')}`,
    }),
};
