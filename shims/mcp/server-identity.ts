import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import type { McpServer } from '../../electron/wire/mcp/envelope.ts';

/** Programs that fetch and run a package, and the word that comes before it. */
const RUNNERS: Readonly<Record<string, readonly string[]>> = {
  npx: [],
  bunx: [],
  uvx: [],
  pnpx: [],
  npm: ['exec', 'x'],
  pnpm: ['dlx', 'exec'],
  yarn: ['dlx'],
  pipx: ['run'],
};
const PACKAGE = /^(@[a-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]*(?:@[^/\s]+|==[^\s]+)?$/;
const NAMES_PACKAGE = /^(?:-p|--package|--from)(?:=|$)/;
const MAX_BUILD = 256 * 1024 * 1024;

/**
 * Which server a command line starts, as far as it can be told without starting it. The words are the identity that pins are kept under:
 * a file by its real path, a package without its version, so that an update is a change and not a stranger.
 */
export function serverIdentity(
  words: readonly string[],
  cwd: string,
  path: string,
  name: string | null,
): McpServer {
  const found = packageIn(words);
  const files = words.map((word, at) => fileOf(word, at === 0, cwd, path));
  const command = words.map((word, at) =>
    found !== null && at === found.at ? word.replace(found.spec, found.package) : (files[at] ?? word),
  );
  const script = files.findLast(
    (file, at) => file !== null && at > 0 && /\.(?:[cm]?[jt]s|py|rb|jar|php)$/.test(file),
  );
  const started = script ?? files[0] ?? null;
  const manifest = found !== null || started === null ? null : manifestAbove(started);
  const own = found?.package ?? manifest?.name ?? null;
  return {
    name: cleanName(name ?? own ?? basename(started ?? words[0] ?? 'server').replace(/\.[a-z]+$/, '')),
    command,
    package: own,
    version: found?.version ?? manifest?.version ?? null,
    build: started === null || found !== null ? null : hashOf(started),
    url: null,
  };
}

interface FoundPackage {
  readonly at: number;
  readonly spec: string;
  readonly package: string;
  readonly version: string | null;
}

function packageIn(words: readonly string[]): FoundPackage | null {
  const before = RUNNERS[basename(words[0] ?? '').replace(/\.(?:cmd|exe)$/, '')];
  if (before === undefined) return null;
  let from = 1;
  if (before.length > 0) {
    if (!before.includes(words[1] ?? '')) return null;
    from = 2;
  }
  for (let at = from; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (NAMES_PACKAGE.test(word)) {
      const inline = word.indexOf('=');
      return inline > 0 ? parted(word.slice(inline + 1), at) : parted(words[at + 1] ?? '', at + 1);
    }
    if (!word.startsWith('-')) return parted(word, at);
  }
  return null;
}

function parted(spec: string, at: number): FoundPackage | null {
  if (!PACKAGE.test(spec)) return null;
  const cut = /^(@?[^@=]+)(?:@|==)(.+)$/.exec(spec);
  return { at, spec, package: cut?.[1] ?? spec, version: cut?.[2]?.slice(0, 128) ?? null };
}

/** The real path of a word that names a file here; a program also where PATH finds it. */
function fileOf(word: string, isProgram: boolean, cwd: string, path: string): string | null {
  const places =
    isProgram && !word.includes('/')
      ? path.split(delimiter).map((folder) => join(folder || '.', word))
      : [isAbsolute(word) ? word : resolve(cwd, word)];
  for (const place of places) {
    try {
      if (word !== '' && statSync(place).isFile()) return realpathSync(place);
    } catch {
      // Not there.
    }
  }
  return null;
}

/** Name and version that the package around a file gives itself. */
function manifestAbove(file: string): { readonly name: string; readonly version: string | null } | null {
  // Programs of the system belong to no package of this kind.
  for (
    let folder = dirname(file), depth = 0;
    depth < 8 && folder !== '/';
    folder = dirname(folder), depth += 1
  ) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
        string,
        unknown
      >;
      if (typeof manifest.name !== 'string') continue;
      const { name, version } = manifest;
      return {
        name: name.slice(0, 256),
        version: typeof version === 'string' ? version.slice(0, 128) : null,
      };
    } catch {
      // None here: the folder above.
    }
  }
  return null;
}

function hashOf(file: string): string | null {
  try {
    if (statSync(file).size > MAX_BUILD) return null;
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return null;
  }
}

function cleanName(name: string): string {
  const bare = name
    .replace(/^@[^/]*\//, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  return bare === '' ? 'server' : bare.slice(0, 64);
}
