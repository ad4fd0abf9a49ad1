import { createHash } from 'node:crypto';
import { createReadStream, realpathSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** The file that a name on the command line starts, resolved; null when there is none. */
export function findOnPath(name: string): string | null {
  const candidates = name.includes('/')
    ? [isAbsolute(name) ? name : resolve(name)]
    : (process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin')
        .split(delimiter)
        .map((d) => join(d || '.', name));
  for (const candidate of candidates) {
    try {
      if (name !== '' && statSync(candidate).isFile()) return realpathSync(candidate);
    } catch {
      // Not there: the next directory.
    }
  }
  return null;
}

/** SHA-256 of the program's file; null when it cannot be read. */
export async function hashOf(path: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
    return hash.digest('hex');
  } catch {
    return null;
  }
}
