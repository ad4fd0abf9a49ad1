import { readFileSync, statSync } from 'node:fs';

const MAX_BYTES = 4 * 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Certificates in a text, one PEM block each, in order and without duplicates. Anything else in it is left out. */
export function certificatesIn(text: string): readonly string[] {
  const blocks = (text.match(CERTIFICATE) ?? []).map((block) => `${block.replace(/\r/g, '')}\n`);
  return [...new Set(blocks)];
}

/**
 * Roots that the person trusts beside the system's: the files that these variables of an environment name (lists of files are separated by
 * `:`). What cannot be read is told to `say` and left out.
 */
export function extraRoots(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
  say: (line: string) => void,
): readonly string[] {
  const files = new Set(names.flatMap((name) => (env[name] ?? '').split(':').filter((path) => path !== '')));
  const found = [...files].flatMap((path) => {
    try {
      if (statSync(path).size > MAX_BYTES) throw new Error('it is too large');
      return certificatesIn(readFileSync(path, 'utf8'));
    } catch (cause) {
      say(`the certificates in \`${path}\` are left out: ${(cause as Error).message}`);
      return [];
    }
  });
  return [...new Set(found)];
}
