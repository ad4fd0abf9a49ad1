import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { err, ok, type Result } from '../core/result.ts';
import { trashName } from '../wire/trash-info.ts';

/** Larger files are not copied to be written. */
export const MAX_COPY_BYTES = 64 * 1024 * 1024;
/** Copies of one session; past this many a person is asked. */
const MAX_COPIES = 256;
const CHUNK = 1024 * 1024;

/**
 * The copy of a file that a session writes to in its place, in `folder` (the session's own): the one it wrote to before, else a new one
 * with the same content and mode. `path` is absolute and canonical; nothing is followed. An error is the reason why there is none.
 */
export function writeCopy(path: string, folder: string, limit = MAX_COPY_BYTES): Result<string, string> {
  let from: number | null = null;
  let fresh: string | null = null;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const own = realpathSync(folder);
    const digest = createHash('sha256').update(path).digest('hex').slice(0, 16);
    const copy = join(own, `${digest}-${trashName(basename(path)).slice(0, 100).toWellFormed()}`);
    if (lstatSync(copy, { throwIfNoEntry: false })?.isFile() === true) return ok(copy);
    if (readdirSync(own).length >= MAX_COPIES) return err('this session has too many copies');
    from = openSync(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    // A folder on the way may have become a link to a file that was not asked about.
    if (readlinkSync(`/proc/self/fd/${from}`) !== path) return err('it is reached through a link');
    const facts = fstatSync(from);
    if (!facts.isFile()) return err('it is not a regular file');
    const tooLarge = `it is larger than ${limit} bytes`;
    if (facts.size > limit) return err(tooLarge);
    fresh = join(own, `.${randomBytes(9).toString('base64url')}`);
    const copied = fill(fresh, from, facts.mode & 0o777, limit);
    if (!copied) return err(tooLarge);
    renameSync(fresh, copy);
    fresh = null;
    return ok(copy);
  } catch (cause) {
    return err(`it cannot be copied: ${(cause as Error).message}`);
  } finally {
    if (from !== null) closeSync(from);
    if (fresh !== null) rmSync(fresh, { force: true });
  }
}

/** False when there is more than `limit` bytes of it by now. */
function fill(fresh: string, from: number, mode: number, limit: number): boolean {
  const to = openSync(fresh, 'wx', 0o600);
  try {
    const buffer = new Uint8Array(CHUNK);
    for (let at = 0; ; ) {
      const count = readSync(from, buffer, 0, CHUNK, at);
      if (count === 0) break;
      at += count;
      if (at > limit) return false;
      for (let sent = 0; sent < count; ) sent += writeSync(to, buffer, sent, count - sent);
    }
    fchmodSync(to, mode);
    return true;
  } finally {
    closeSync(to);
  }
}
