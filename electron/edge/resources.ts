import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Finds `resources/` of this installation, from the sources and from the built files alike. */
export function resourcesDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < 6; up += 1) {
    const candidate = join(directory, 'resources');
    if (existsSync(join(candidate, 'policies'))) return candidate;
    directory = dirname(directory);
  }
  throw new Error('this installation is incomplete: its `resources` directory is missing');
}

/** Reads every file of a directory with the given ending, sorted by name. */
export function readTexts(
  directory: string,
  ending: string,
): readonly { readonly name: string; readonly text: string }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(directory, name), 'utf8') }));
}
