import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { removeTree } from './preview-commit.ts';

export const HELP = `countersign trash — move files to the trash instead of deleting them

  countersign trash PATH…          move to the trash (freedesktop.org layout, your file manager shows it)
  countersign trash list           what is in the trash (also --list)
  countersign trash restore NAME   put it back where it was, by its name in the trash or by its path (also --restore, and
                                   \`countersign restore NAME\`)
  countersign trash empty          remove for good what is in the trash
  countersign trash -- list        a file that is called \`list\`

Exit codes: 0 done, 1 something could not be moved (it is still where it was), 2 wrong use.`;

interface TrashPlace {
  readonly files: string;
  readonly info: string;
}

function place(root: string): TrashPlace {
  const made = { files: join(root, 'files'), info: join(root, 'info') };
  mkdirSync(made.files, { recursive: true, mode: 0o700 });
  mkdirSync(made.info, { recursive: true, mode: 0o700 });
  return made;
}

function homeTrash(): string {
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'Trash');
}

/** The trashes that this user's files may lie in: the home's, and those of the file systems that `path` and the working directory are on. */
function trashes(path: string): readonly string[] {
  const own = `.Trash-${process.getuid?.() ?? 0}`;
  const here = [path, process.cwd()].flatMap((from) => {
    try {
      return [join(mountOf(resolve(from)), own)];
    } catch {
      return [];
    }
  });
  // One that belongs to somebody else, or is a link, says what they like.
  const isOwn = (root: string) => {
    const facts = lstatSync(root, { throwIfNoEntry: false });
    return facts?.isDirectory() === true && (process.getuid === undefined || facts.uid === process.getuid());
  };
  return [...new Set([homeTrash(), ...here])].filter(isOwn);
}

function namesIn(trash: string): readonly string[] {
  return existsSync(join(trash, 'files')) ? readdirSync(join(trash, 'files')) : [];
}

/** The directory at which the file system of `path` is mounted: the highest one on the same device. */
function mountOf(path: string): string {
  let directory = dirname(path);
  const { dev } = lstatSync(directory);
  for (;;) {
    const parent = dirname(directory);
    if (parent === directory || lstatSync(parent).dev !== dev) return directory;
    directory = parent;
  }
}

/** Why a path is not moved, whoever asks; null when it may be. */
function refusal(path: string): string | null {
  const whole = resolve(path);
  const cwd = process.cwd();
  if (whole === '/' || whole === homedir()) return 'it is a whole tree of its own';
  if (cwd === whole || cwd.startsWith(`${whole}/`)) return 'the working directory is inside it';
  return null;
}

/** Reserves a name in the trash by creating its info file exclusively; the loser of a race takes the next name. */
function reserve(trash: TrashPlace, original: string): string {
  const text = `[Trash Info]\nPath=${encodeURI(original)}\nDeletionDate=${new Date().toISOString().slice(0, 19)}\n`;
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? basename(original) : `${basename(original)}.${n}`;
    try {
      writeFileSync(join(trash.info, `${name}.trashinfo`), text, { flag: 'wx', mode: 0o600 });
      return name;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
  }
}

/** Moves one path; throws with the reason when it stays where it was. */
function moveToTrash(path: string): void {
  // The directory may be reached through links; the last name is moved itself, never what it points to.
  const original = join(realpathSync(dirname(resolve(path))), basename(resolve(path)));
  lstatSync(original);
  const roots = [homeTrash(), join(mountOf(original), `.Trash-${process.getuid?.() ?? 0}`)];
  let last: unknown = null;
  for (const root of roots) {
    const trash = place(root);
    const name = reserve(trash, original);
    try {
      renameSync(original, join(trash.files, name));
      return;
    } catch (cause) {
      rmSync(join(trash.info, `${name}.trashinfo`), { force: true });
      last = cause;
      if ((cause as NodeJS.ErrnoException).code !== 'EXDEV') break;
    }
  }
  throw last;
}

function originalOf(trash: string, name: string): string | null {
  try {
    const match = /^Path=(.+)$/m.exec(readFileSync(join(trash, 'info', `${name}.trashinfo`), 'utf8'));
    return match?.[1] ? decodeURI(match[1]) : null;
  } catch {
    return null;
  }
}

function list(): number {
  const rows = trashes(process.cwd()).flatMap((trash) =>
    namesIn(trash).map(
      (name) => `${visibleLine(name)}\t${visibleLine(originalOf(trash, name) ?? 'unknown place')}\n`,
    ),
  );
  process.stdout.write(rows.length === 0 ? 'the trash is empty\n' : rows.join(''));
  return 0;
}

interface Found {
  readonly trash: string;
  readonly name: string;
  readonly original: string;
}

/** What a person means: a name in the trash, or the path where it was; of several under one path the latest. */
function find(wanted: string): Found | null {
  const whole = resolve(wanted);
  const found: (Found & { readonly at: number })[] = [];
  for (const trash of trashes(whole))
    for (const name of namesIn(trash)) {
      const original = originalOf(trash, name);
      if (original === null) continue;
      if (name === wanted) return { trash, name, original };
      const at = lstatSync(join(trash, 'info', `${name}.trashinfo`), { throwIfNoEntry: false })?.mtimeMs ?? 0;
      if (original === whole) found.push({ trash, name, original, at });
    }
  return found.sort((a, b) => b.at - a.at)[0] ?? null;
}

/** Puts one thing back; renaming keeps its mode and its times. */
function restoreOne(wanted: string): number {
  const found = find(wanted);
  const complain = (why: string) => {
    process.stderr.write(`countersign: ${why}\n`);
    return 1;
  };
  if (found === null)
    return complain(
      `nothing called \`${visibleLine(wanted)}\` is in the trash; \`countersign trash list\` shows what is`,
    );
  const { trash, name, original } = found;
  if (lstatSync(original, { throwIfNoEntry: false }))
    return complain(`\`${visibleLine(original)}\` exists again; move it away first`);
  try {
    mkdirSync(dirname(original), { recursive: true });
    renameSync(join(trash, 'files', name), original);
  } catch (cause) {
    return complain(`\`${visibleLine(original)}\` was not restored: ${(cause as Error).message}`);
  }
  rmSync(join(trash, 'info', `${name}.trashinfo`), { force: true });
  process.stdout.write(`restored ${visibleLine(original)}\n`);
  return 0;
}

function empty(): number {
  let failed = 0;
  for (const trash of trashes(process.cwd()))
    for (const name of namesIn(trash))
      try {
        removeTree(Buffer.from(join(trash, 'files', name)));
        rmSync(join(trash, 'info', `${name}.trashinfo`), { force: true });
      } catch (cause) {
        failed += 1;
        process.stderr.write(
          `countersign: \`${visibleLine(name)}\` is still in the trash: ${(cause as Error).message}\n`,
        );
      }
  return failed === 0 ? 0 : 1;
}

function restoreAll(names: readonly string[]): number {
  if (names.length === 0) {
    process.stderr.write(`${HELP}\n`);
    return 2;
  }
  return names.reduce((code, name) => Math.max(code, restoreOne(name)), 0);
}

/** Runs `countersign restore`: what is put back is what `trash` took. */
export async function restore(argv: readonly string[]): Promise<number> {
  return trash(argv.includes('--help') || argv.includes('-h') ? ['--help'] : ['restore', ...argv]);
}

/** Runs `countersign trash`; returns the exit code. */
export async function trash(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      list: { type: 'boolean' },
      restore: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (values.list) return list();
  if (values.restore !== undefined) return restoreOne(values.restore);
  // After `--` every word is a file, whatever it is called: that is how rules put `trash` in the place of `rm`.
  if (argv[0] !== '--') {
    const [verb, ...names] = positionals;
    if (verb === 'list' && names.length === 0) return list();
    if (verb === 'restore') return restoreAll(names);
    if (verb === 'empty' && names.length === 0) return empty();
  }
  if (positionals.length === 0) {
    process.stderr.write(`${HELP}\n`);
    return 2;
  }
  let failed = 0;
  for (const path of positionals) {
    try {
      const why = refusal(path);
      if (why !== null) throw new Error(why);
      moveToTrash(path);
    } catch (cause) {
      failed += 1;
      const code = (cause as NodeJS.ErrnoException).code;
      const why =
        code === 'ENOENT'
          ? 'no such file'
          : code === 'EXDEV'
            ? 'no trash on its file system'
            : (cause as Error).message;
      process.stderr.write(`countersign: \`${visibleLine(path)}\` was not moved to the trash: ${why}\n`);
    }
  }
  return failed === 0 ? 0 : 1;
}
