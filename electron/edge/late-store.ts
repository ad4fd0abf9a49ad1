import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  watch,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Digest } from '../core/brand.ts';
import { err, ok, type Result } from '../core/result.ts';

/** What lay at a path at one moment. Digests of `none` and `other` are no hex and equal no file's. */
export type LateFile =
  | { readonly kind: 'none'; readonly digest: 'none'; readonly hollow: true }
  | {
      readonly kind: 'file';
      readonly digest: Digest;
      readonly hollow: boolean;
      readonly bytes: Uint8Array;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  /** Not a regular file, too large, or not to be read: cannot be judged and cannot be put back. */
  | { readonly kind: 'other'; readonly digest: string; readonly hollow: false; readonly why: string };

/** Bytes of a file that are kept to be put back; what is judged is at most 1 MiB of text. */
export const MAX_KEPT = 16 * 1024 * 1024;

export const NO_LATE_FILE: LateFile = { kind: 'none', digest: 'none', hollow: true };
const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | null)?.code ?? 'unknown error';

/**
 * Opens the folder of a path without following anything: what is opened must still have exactly this name. Every name below
 * it is then used through the open folder, so that exchanging the folder for a link changes nothing.
 */
function withFolder<T>(path: string, act: (folder: string) => T): Result<T, string> {
  const name = dirname(path);
  let descriptor: number;
  try {
    descriptor = openSync(name, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    return err(codeOf(cause));
  }
  try {
    const folder = `/proc/self/fd/${descriptor}`;
    if (readlinkSync(folder) !== name) return err('the folder is reached through a link');
    return ok(act(folder));
  } catch (cause) {
    return err(codeOf(cause));
  } finally {
    closeSync(descriptor);
  }
}

/** Reads what lies at an absolute, canonical path; follows no link, opens no device, waits for no pipe. */
export function readLateFile(path: string): LateFile {
  const read = withFolder(path, (folder) => readIn(`${folder}/${basename(path)}`));
  if (read.ok) return read.value;
  return read.error === 'ENOENT' ? NO_LATE_FILE : other(read.error);
}

function other(why: string): LateFile {
  return { kind: 'other', digest: `other:${why}`, hollow: false, why };
}

function readIn(path: string): LateFile {
  let descriptor: number;
  try {
    descriptor = openSync(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch (cause) {
    const code = codeOf(cause);
    return code === 'ENOENT' ? NO_LATE_FILE : other(code === 'ELOOP' ? 'a symbolic link lies there' : code);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) return other('it is not a regular file');
    if (stat.size > MAX_KEPT) return other(`it is larger than ${MAX_KEPT} bytes`);
    // One byte more than it said: a file that grows while it is read is too large or is read once more.
    const bytes = new Uint8Array(stat.size + 1);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, length);
      length += count;
      if (count === 0 || length === bytes.length) break;
    }
    const content = bytes.subarray(0, length);
    const digest = createHash('sha256').update(content).digest('hex') as Digest;
    return {
      kind: 'file',
      digest,
      hollow: length === 0,
      bytes: content,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
    };
  } finally {
    closeSync(descriptor);
  }
}

export type LateWriteFault =
  /** What lies there is not what was expected; nothing was done. */
  { readonly code: 'changed' } | { readonly code: 'failed'; readonly why: string };

/**
 * Puts a content at a path: as a new file that takes the name over, so that whoever still holds the old one open, or has it
 * mapped, writes to a file without a name. With `over`, only if that content lies there now. Follows no link.
 */
export function writeLateFile(
  path: string,
  content: LateFile,
  over: string | null = null,
): Result<void, LateWriteFault> {
  if (content.kind === 'other')
    return err({ code: 'failed', why: `the former content was not kept: ${content.why}` });
  const done = withFolder(path, (folder): Result<void, LateWriteFault> => {
    const target = `${folder}/${basename(path)}`;
    if (content.kind === 'none') {
      if (over !== null && readIn(target).digest !== over) return err({ code: 'changed' });
      return removeIn(folder, target);
    }
    const fresh = `${folder}/.countersign-${randomBytes(9).toString('base64url')}`;
    const descriptor = openSync(
      fresh,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      for (let at = 0; at < content.bytes.length; ) at += writeSync(descriptor, content.bytes, at);
      const own = fstatSync(descriptor);
      if (own.uid !== content.uid || own.gid !== content.gid) chown(descriptor, content.uid, content.gid);
      fchmodSync(descriptor, content.mode);
      fsyncSync(descriptor);
      if (over !== null && readIn(target).digest !== over) {
        unlinkSync(fresh);
        return err({ code: 'changed' });
      }
      takeName(folder, fresh, target);
      return ok(undefined);
    } catch (cause) {
      rmSync(fresh, { force: true });
      return err({ code: 'failed', why: codeOf(cause) });
    } finally {
      closeSync(descriptor);
    }
  });
  if (done.ok) return done.value;
  // No folder, no file: that is what was wanted.
  if (content.kind === 'none' && done.error === 'ENOENT') return ok(undefined);
  return err({ code: 'failed', why: done.error });
}

/** Another person's file cannot be given back to them without their rights; its content can. */
function chown(descriptor: number, uid: number, gid: number): void {
  try {
    fchownSync(descriptor, uid, gid);
  } catch (cause) {
    if (codeOf(cause) !== 'EPERM') throw cause;
  }
}

/** A folder in the way is moved beside: nothing of what is in it counts under its own name. */
function takeName(folder: string, fresh: string, target: string): void {
  try {
    renameSync(fresh, target);
  } catch (cause) {
    if (!['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(cause))) throw cause;
    renameSync(target, `${folder}/.countersign-aside-${randomBytes(9).toString('base64url')}`);
    renameSync(fresh, target);
  }
}

function removeIn(folder: string, target: string): Result<void, LateWriteFault> {
  try {
    unlinkSync(target);
    return ok(undefined);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'ENOENT') return ok(undefined);
    if (code !== 'EISDIR' && code !== 'EPERM') return err({ code: 'failed', why: code });
    renameSync(target, `${folder}/.countersign-aside-${randomBytes(9).toString('base64url')}`);
    return ok(undefined);
  }
}

/** Calls back with the names that change in a folder; null when the folder cannot be watched. */
export function watchLateFolder(folder: string, changed: (name: string | null) => void): (() => void) | null {
  try {
    const watcher = watch(folder, { persistent: false }, (_event, name) => changed(name));
    // A folder that is removed ends its watch; the next look at its files notices.
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return null;
  }
}
