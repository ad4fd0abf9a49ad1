import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the built parts of this installation are. */
export interface Installation {
  readonly root: string;
  readonly daemon: string;
  /** The static shim; null where no compiler was found at build time. */
  readonly shim: string | null;
  /** What connected agents run at their events; null where no compiler was found. */
  readonly hook: string | null;
  /** The shim in Node, for machines without a compiler. */
  readonly shimFallback: string;
  readonly bashIntegration: string;
  /** countersign-guard; null where it was not built (not Linux, or no compiler). */
  readonly guard: string | null;
  /** The file shim's preloads, for Node and for Python. */
  readonly fileShim: string;
}

/** Finds the installation this file belongs to, run from `build/` or from source. */
export function findInstallation(from: string = import.meta.dirname): Installation {
  let root = from;
  while (!existsSync(join(root, 'package.json'))) {
    const parent = dirname(root);
    if (parent === root) throw new Error(`no installation around ${from}`);
    root = parent;
  }
  const shell = join(root, 'build/shims/shell');
  const shim = join(shell, 'countersign-shim');
  const guard = join(root, 'build/shims/guard/countersign-guard');
  return {
    root,
    daemon: join(root, 'build/electron/daemon/main.js'),
    shim: existsSync(shim) ? shim : null,
    hook: existsSync(join(shell, 'countersign-hook')) ? join(shell, 'countersign-hook') : null,
    shimFallback: join(shell, 'shim-fallback.js'),
    bashIntegration: join(shell, 'bash-integration.bash'),
    guard: existsSync(guard) ? guard : null,
    fileShim: join(root, 'build/shims/file'),
  };
}

/** The version in package.json. */
export function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(findInstallation().root, 'package.json'), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : 'unknown';
}
