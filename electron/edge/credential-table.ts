import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from '../core/result.ts';
import { type KnownCredential, parseCredentialTable } from '../wire/credential-table.ts';
import { resourcesDirectory } from './resources.ts';

/** Reads the table of variables that hold credentials, as this installation has it. */
export function loadCredentialTable(
  path: string = join(resourcesDirectory(), 'knowledge', 'credentials.yaml'),
): Result<readonly KnownCredential[], string> {
  return parseCredentialTable(readFileSync(path, 'utf8'));
}
