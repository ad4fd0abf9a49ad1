import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** One folder as it was when it was listed: its files, links included, and the folders in it. */
interface Listed {
  readonly stamp: string;
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

export interface WalkBounds {
  /** Entries that are looked at, of all folders together. */
  readonly maxEntries: number;
  readonly maxDepth: number;
  /** Names of folders that are not entered. */
  readonly skipped: ReadonlySet<string>;
}

export interface Walked {
  readonly files: readonly string[];
  /** A bound left something out. */
  readonly cut: boolean;
}

/** Folders kept from one walk to the next. */
const MAX_KEPT = 8192;

/**
 * Makes a walk over the files below a folder that yields between folders and asks those that did not change since the last time for
 * nothing but their state. What cannot be read is passed over; links are files, and are not followed.
 */
export function createTreeWalk(): (root: string, bounds: WalkBounds) => Promise<Walked> {
  const kept = new Map<string, Listed>();
  const list = async (folder: string): Promise<Listed | null> => {
    try {
      const facts = await stat(folder, { bigint: true });
      const stamp = `${facts.dev}:${facts.ino}:${facts.mtimeNs}:${facts.ctimeNs}`;
      const before = kept.get(folder);
      if (before?.stamp === stamp) return before;
      const entries = await readdir(folder, { withFileTypes: true });
      const names = (folders: boolean) =>
        entries
          .filter((entry) => (folders ? entry.isDirectory() : entry.isFile() || entry.isSymbolicLink()))
          .map(({ name }) => name);
      const listed = { stamp, files: names(false), folders: names(true) };
      if (kept.size >= MAX_KEPT) kept.clear();
      kept.set(folder, listed);
      return listed;
    } catch {
      return null;
    }
  };
  return async (root, { maxEntries, maxDepth, skipped }) => {
    const files: string[] = [];
    let left = maxEntries;
    let cut = false;
    // Nearer folders first: what a bound leaves out lies deep.
    const waiting: { readonly folder: string; readonly depth: number }[] = [{ folder: root, depth: 0 }];
    for (let next = 0; next < waiting.length; next++) {
      const { folder, depth } = waiting[next] as (typeof waiting)[number];
      if (left <= 0) {
        cut = true;
        break;
      }
      const listed = await list(folder);
      if (listed === null) continue;
      left -= listed.files.length + listed.folders.length;
      for (const name of listed.files) files.push(join(folder, name));
      for (const name of listed.folders)
        if (!skipped.has(name)) {
          if (depth < maxDepth) waiting.push({ folder: join(folder, name), depth: depth + 1 });
          else cut = true;
        }
    }
    return { files, cut };
  };
}
