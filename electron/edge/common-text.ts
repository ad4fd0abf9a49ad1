import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../core/brand.ts';
import { parseCommonText } from '../core/data/common-text.ts';
import type { CommonText } from '../core/data/fingerprint.ts';
import { resourcesDirectory } from './resources.ts';

/** The filter of common text that comes with the installation, for `scanPayload` and `marksOf`, and its digest for the store. Throws when it is missing or damaged. */
export function readCommonText(): { readonly filter: CommonText; readonly digest: Digest } {
  const path = join(resourcesDirectory(), 'common-text.bin');
  const bytes = readFileSync(path);
  const filter = parseCommonText(bytes);
  if (filter === null) throw new Error(`this installation is incomplete: \`${path}\` is damaged`);
  return { filter, digest: hash('sha256', bytes, 'hex') as Digest };
}
