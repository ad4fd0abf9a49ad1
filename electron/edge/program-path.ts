import { accessSync, constants, lstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';

/** The first executable file of this name in the given directories; null when there is none. */
export function findProgram(name: string, directories: readonly string[]): string | null {
  if (name === '' || name.includes('/')) return null;
  for (const directory of directories) {
    if (!isAbsolute(directory)) continue;
    const path = join(directory, name);
    try {
      if (!statSync(path).isFile()) continue;
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there, or not to be run: the next may be.
    }
  }
  return null;
}

const MAX_SCRIPT_BYTES = 256 * 1024;

/**
 * The text of a script, or null where it is no regular file of text of at most 256 KiB. What is read here may be changed before
 * its interpreter reads it: a hint for judgement, and what it starts is intercepted by itself.
 */
export function readScriptText(operand: string, cwd: string | null): string | null {
  if (!isAbsolute(operand) && cwd === null) return null;
  try {
    const path = realpathSync(resolve(cwd ?? '/', operand));
    const facts = lstatSync(path);
    if (!facts.isFile() || facts.size > MAX_SCRIPT_BYTES || /^\/(?:proc|dev|sys)\//.test(path)) return null;
    const bytes = readFileSync(path);
    return bytes.includes(0) ? null : bytes.toString('utf8');
  } catch {
    return null;
  }
}
