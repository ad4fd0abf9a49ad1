import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { err, ok, type Result } from '../core/result.ts';
import { type TrashNote, trashName, writeTrashInfo } from '../wire/trash-info.ts';
import { mountOf } from './mount.ts';

/** A trash that exists, and is the person's own. */
export interface TrashFolder {
  readonly files: string;
  readonly info: string;
}

/** A name in a trash that nobody else gets. */
export interface TrashPlace {
  readonly path: string;
  /** Gives the name up, unless something lies there. */
  readonly release: () => void;
}

const MAX_TRIES = 200;
/** From here on numbers are taken by so many that chance finds a free name sooner. */
const COUNTED = 20;

/** The trash of a home, which every file manager shows. */
export function homeTrash(home: string, dataHome: string | undefined): string {
  return join(dataHome || join(home, '.local', 'share'), 'Trash');
}

/** The trash at the top of the mount that a directory lies on. Throws when there is no such directory. */
export function mountTrash(folder: string): string {
  return join(mountOf(folder).top, `.Trash-${process.getuid?.() ?? 0}`);
}

/** Makes a trash where there is none yet. Throws when it cannot be made, is reached through a link, or others could write to it. */
export function openTrash(root: string): TrashFolder {
  mkdirSync(dirname(root), { recursive: true, mode: 0o700 });
  const place = join(realpathSync(dirname(root)), basename(root));
  const made = { files: join(place, 'files'), info: join(place, 'info') };
  for (const folder of [place, made.files, made.info]) {
    makeFolder(folder);
    const facts = lstatSync(folder);
    if (!facts.isDirectory()) throw new Error('the trash is no folder');
    if (process.getuid !== undefined && facts.uid !== process.getuid())
      throw new Error('the trash is somebody else’s');
    if ((facts.mode & 0o022) !== 0) throw new Error('others can write to the trash');
  }
  return made;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  }
}

/** Takes a name by creating its info file exclusively; the loser of a race takes the next one. Throws when none can be made. */
export function reserveIn(trash: TrashFolder, original: string, note: TrashNote | null): TrashPlace {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  const text = writeTrashInfo(original, local, note);
  const base = trashName(basename(original));
  for (let n = 1; n <= MAX_TRIES; n += 1) {
    const suffix = n === 1 ? '' : `.${n <= COUNTED ? n : randomBytes(6).toString('hex')}`;
    const path = join(trash.files, `${base}${suffix}`);
    const info = join(trash.info, `${base}${suffix}.trashinfo`);
    // What lies there without an info file is somebody's too.
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    let descriptor: number;
    try {
      descriptor = openSync(info, 'wx', 0o600);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw cause;
    }
    try {
      writeFileSync(descriptor, text);
    } catch (cause) {
      rmSync(info, { force: true });
      throw cause;
    } finally {
      closeSync(descriptor);
    }
    return {
      path,
      release: () => {
        if (lstatSync(path, { throwIfNoEntry: false }) === undefined) rmSync(info, { force: true });
      },
    };
  }
  throw new Error('no name is free in the trash');
}

/**
 * Reserves a place that `path` (absolute and canonical) can be renamed to: in `home`, the home's trash, when that lies on the same mount,
 * else at the top of that mount, but never in a repository, where it would be work nobody did. An error is the reason why there is none.
 */
export function trashPlace(path: string, home: string, note: TrashNote): Result<TrashPlace, string> {
  try {
    const folder = dirname(path);
    const mount = mountOf(folder);
    const beside = mountTrash(folder);
    const own = tried(() => openTrash(home));
    const trashes = [home, beside, ...(own.ok ? [dirname(own.value.files)] : [])];
    if (trashes.some((trash) => path === trash || path.startsWith(`${trash}/`)))
      return err('it lies in the trash');
    if (mountOf(own.ok ? own.value.files : folderAbove(home)).id === mount.id)
      return own.ok ? ok(reserveIn(own.value, path, note)) : err(`the trash cannot be used: ${own.error}`);
    if (isInRepository(mount.top)) return err('the only trash for it would lie in a repository');
    const trash = openTrash(beside);
    if (mountOf(trash.files).id !== mount.id) return err('there is no trash on its file system');
    return ok(reserveIn(trash, path, note));
  } catch (cause) {
    return err(`there is no place in a trash for it: ${(cause as Error).message}`);
  }
}

function tried<T>(act: () => T): Result<T, string> {
  try {
    return ok(act());
  } catch (cause) {
    return err((cause as Error).message);
  }
}

/** The nearest directory above a path that is there. */
function folderAbove(path: string): string {
  const above = dirname(path);
  return above === path || statSync(above, { throwIfNoEntry: false })?.isDirectory() === true
    ? above
    : folderAbove(above);
}

/** True when a directory or one above it is a repository: a trash there would be work nobody did. */
export function isInRepository(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return true;
    if (at === dirname(at)) return false;
  }
}
