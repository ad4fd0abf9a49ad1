import { hash } from 'node:crypto';
import type { Digest } from '../core/brand.ts';
import type { Hasher } from '../core/ports.ts';

/** SHA-256 by the platform (serves every digest of ours). */
export const nodeHasher: Hasher = {
  sha256: (data) => hash('sha256', data, 'hex') as Digest,
};
