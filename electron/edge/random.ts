import { randomBytes } from 'node:crypto';
import type { Random } from '../core/ports.ts';

/** Unpredictable identifiers and salts from the operating system's generator. */
export const systemRandom: Random = {
  token: (bytes) => randomBytes(bytes).toString('base64url'),
};
