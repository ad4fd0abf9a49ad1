import { lstatSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { TimeMs } from '../core/brand.ts';
import type { EnvironmentFact } from '../core/facts.ts';

/** How far up a repository is looked for. */
const MAX_UP = 32;

/**
 * Reads cheap facts about where an action runs, each with its source and the moment it was read (T10). A fact that
 * cannot be read is left out, and so is unknown to policy. No program is started for it.
 */
export function readEnvironment(cwd: string | null, now: TimeMs): readonly EnvironmentFact[] {
  if (cwd === null) return [];
  const root = repositoryOf(cwd);
  if (root === null) return [fact('git_repository', false, cwd, now)];
  const facts: EnvironmentFact[] = [
    fact('git_repository', true, root, now),
    fact('git_root', root, root, now),
  ];
  const git = gitDirectory(join(root, '.git'));
  if (git === null) return facts;
  const branch = branchOf(join(git, 'HEAD'));
  if (branch !== null) facts.push(fact('git_branch', branch, join(git, 'HEAD'), now));
  facts.push(fact('git_locked', exists(join(git, 'index.lock')), join(git, 'index.lock'), now));
  const operation = ['rebase-merge', 'rebase-apply', 'MERGE_HEAD', 'CHERRY_PICK_HEAD', 'BISECT_LOG'].find(
    (name) => exists(join(git, name)),
  );
  facts.push(fact('git_operation', operation ?? 'none', git, now));
  return facts;
}

function fact(name: string, value: string | boolean, source: string, readAt: TimeMs): EnvironmentFact {
  return { name, value, source, readAt };
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function repositoryOf(cwd: string): string | null {
  let directory = cwd;
  for (let up = 0; up < MAX_UP; up += 1) {
    if (exists(join(directory, '.git'))) return directory;
    const parent = dirname(directory);
    if (parent === directory) return null;
    directory = parent;
  }
  return null;
}

/** `.git` is a directory, or in a worktree a file that names one. */
function gitDirectory(path: string): string | null {
  try {
    if (lstatSync(path).isDirectory()) return path;
    const match = /^gitdir: (.+)$/m.exec(readFileSync(path, 'utf8').slice(0, 4096));
    return match?.[1] ? resolve(dirname(path), match[1]) : null;
  } catch {
    return null;
  }
}

function branchOf(head: string): string | null {
  try {
    const text = readFileSync(head, 'utf8').slice(0, 1024).trim();
    return text.startsWith('ref: refs/heads/') ? text.slice('ref: refs/heads/'.length) : 'HEAD';
  } catch {
    return null;
  }
}
