import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { CommitStep, Conflict, EntryFacts, LowerFacts } from '../../electron/core/preview.ts';
import { err, ok, type Result, unreachable } from '../../electron/core/result.ts';
import { type PreviewFolder, parseJson, writeWhole } from './preview-folder.ts';
import { type Anchor, anchored, O_PATH, openAnchor } from './preview-tree.ts';

/*
 * A commit in three phases, each of which can be taken up again after a kill:
 *   staging   every new content lies beside its place, under a name of ours; the places are as they were
 *   swapping  name by name: what was there goes to a name of ours, what was staged takes its place; deletions last
 *   swapped   what was there before is removed
 * Until `swapped` everything can be undone, because nothing that was there is gone. (After a loss of power it is as good as the disk's own journal.)
 */
const number = z.string().regex(/^[0-9]{1,20}$/);
const factsShape = {
  kind: z.enum(['file', 'folder', 'link', 'fifo', 'socket', 'device']),
  mode: z.number().int().min(0).max(0o7777),
  size: z.number().nonnegative(),
  mtimeNs: number,
  inode: number,
  links: z.number(),
};
const upperSchema = z.strictObject(factsShape);
const lowerSchema = z.strictObject({ ...factsShape, ctimeNs: number, device: number });
const relative = z
  .string()
  .refine((path) => path === '' || path.split('/').every((p) => p !== '' && p !== '.' && p !== '..'));
const stepSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('put'),
    place: z.number().int(),
    path: relative,
    was: lowerSchema.nullable(),
    /** Inode of what was staged; null until it is. */
    staged: number.nullable(),
  }),
  z.strictObject({ kind: z.literal('drop'), place: z.number().int(), path: relative, was: lowerSchema }),
  z.strictObject({
    kind: z.literal('attributes'),
    place: z.number().int(),
    path: relative,
    was: lowerSchema,
    now: upperSchema,
  }),
]);
const journalSchema = z.strictObject({
  v: z.literal(1),
  phase: z.enum(['staging', 'swapping', 'swapped']),
  steps: z.array(stepSchema).max(400_000),
});
type Journal = z.infer<typeof journalSchema>;
type Step = Journal['steps'][number];

/** How a commit ended. `undone`: nothing of it is in the places. `torn`: it stands half, and why; the preview is kept. */
export type CommitEnd =
  | { readonly kind: 'done'; readonly steps: number }
  | { readonly kind: 'undone'; readonly conflicts: readonly Conflict[] }
  | { readonly kind: 'torn'; readonly conflicts: readonly Conflict[] };

/** What a test may break, between two steps. */
export interface CommitWatch {
  readonly beforeSwap?: (step: number) => void;
}

class Stopped extends Error {
  readonly path: string;
  constructor(path: string, reason: string) {
    super(reason);
    this.path = path;
  }
}

const journalPath = (folder: PreviewFolder) => join(folder.path, 'commit.json');

/** Brings the places to what their preview shows, or leaves them as they were (steps by place, from `planCommit`). */
export function commitPreview(
  folder: PreviewFolder,
  plans: readonly (readonly CommitStep[])[],
  watch: CommitWatch = {},
): CommitEnd {
  const steps = plans.flatMap((plan, place) =>
    plan.map((step): Step => (step.kind === 'put' ? { ...step, place, staged: null } : { ...step, place })),
  );
  let journal: Journal = { v: 1, phase: 'staging', steps: steps.sort((a, b) => rankOf(a) - rankOf(b)) };
  const strangers = strangePlaces(folder);
  if (strangers.length > 0) return { kind: 'undone', conflicts: strangers };
  save(folder, journal);
  try {
    const staged = journal.steps.map((step, n) =>
      step.kind === 'put' ? { ...step, staged: stage(folder, step, n) } : step,
    );
    journal = { ...journal, phase: 'swapping', steps: staged };
    save(folder, journal);
    for (const [n, step] of journal.steps.entries()) {
      watch.beforeSwap?.(n);
      swap(folder, step, n);
    }
  } catch (cause) {
    const undone = undo(folder, journal);
    const first = { path: pathOf(cause), reason: (cause as Error).message };
    return undone.length === 0
      ? { kind: 'undone', conflicts: [first] }
      : { kind: 'torn', conflicts: [first, ...undone] };
  }
  return clean(folder, journal);
}

/** Deletions come after what is made, and a folder's own mode last: it may forbid the rest. */
function rankOf(step: CommitStep): number {
  if (step.kind === 'put') return 0;
  if (step.kind === 'drop') return 2;
  return step.was.kind === 'folder' ? 3 : 1;
}

/** Takes up a commit that was killed, and completes it. */
export function finishCommit(folder: PreviewFolder): Result<CommitEnd, string> {
  const journal = load(folder);
  if (!journal.ok) return journal;
  if (journal.value.phase === 'staging')
    return err(
      'its commit had changed nothing yet; `undo` clears it away, and the preview can be committed again',
    );
  if (journal.value.phase === 'swapped') return ok(clean(folder, journal.value));
  try {
    for (const [n, step] of journal.value.steps.entries())
      if (!isSwapped(folder, step, n)) swap(folder, step, n);
  } catch (cause) {
    return ok({ kind: 'torn', conflicts: [{ path: pathOf(cause), reason: (cause as Error).message }] });
  }
  return ok(clean(folder, journal.value));
}

/** Takes back a commit that was killed: the places are as they were before it. */
export function undoCommit(folder: PreviewFolder): Result<CommitEnd, string> {
  const journal = load(folder);
  if (!journal.ok) return journal;
  if (journal.value.phase === 'swapped')
    return err('its commit is done, and what was there before is being removed; `finish` ends that');
  const left = undo(folder, journal.value);
  return ok(left.length === 0 ? { kind: 'undone', conflicts: [] } : { kind: 'torn', conflicts: left });
}

/** True while a commit of this preview is not over. */
export function hasCommit(folder: PreviewFolder): boolean {
  return existsSync(journalPath(folder));
}

function pathOf(cause: unknown): string {
  return cause instanceof Stopped ? cause.path : '';
}

function save(folder: PreviewFolder, journal: Journal): void {
  writeWhole(journalPath(folder), JSON.stringify(journal));
}

function load(folder: PreviewFolder): Result<Journal, string> {
  let text: string;
  try {
    text = readFileSync(journalPath(folder), 'utf8');
  } catch {
    return err('no commit of this preview was begun');
  }
  const parsed = journalSchema.safeParse(parseJson(text));
  if (!parsed.success || parsed.data.steps.some((step) => folder.places[step.place] === undefined))
    return err(
      `its journal \`${journalPath(folder)}\` is damaged; files of ours in the places are called \`.countersign-${folder.id}-*\``,
    );
  return ok(parsed.data);
}

/** Places that are not the folders any more that the preview began with. */
function strangePlaces(folder: PreviewFolder): readonly Conflict[] {
  return folder.places.flatMap(({ place, device, inode }) => {
    const facts = lstatSync(place, { bigint: true, throwIfNoEntry: false });
    return facts !== undefined && String(facts.dev) === device && String(facts.ino) === inode
      ? []
      : [{ path: place, reason: 'it is not the folder any more that the preview began with' }];
  });
}

/** Acts at the name of a step, in its folder that is held open. */
function at<T>(
  folder: PreviewFolder,
  step: Step,
  act: (name: Buffer, old: Buffer, fresh: Buffer) => T,
  n: number,
): T {
  const place = folder.places[step.place];
  if (place === undefined) throw new Error(`no place ${step.place}`);
  let anchor: Anchor;
  try {
    anchor = openAnchor(place.place, step.path);
  } catch (cause) {
    throw new Stopped(
      step.path,
      `its folder is not there any more (${(cause as NodeJS.ErrnoException).code})`,
    );
  }
  const own = (end: string) => anchored(anchor.fd, Buffer.from(`.countersign-${folder.id}-${n}.${end}`));
  const name = anchored(anchor.fd, step.path === '' ? Buffer.from('.') : anchor.name);
  try {
    return act(name, own('old'), own('new'));
  } finally {
    closeSync(anchor.fd);
  }
}

const factsAt = (path: Buffer): BigIntStats | undefined =>
  lstatSync(path, { bigint: true, throwIfNoEntry: false });

/** Copies what the layer has beside its place; the inode of the copy. */
function stage(folder: PreviewFolder, step: Extract<Step, { kind: 'put' }>, n: number): string {
  const upper = folder.places[step.place]?.upper ?? '';
  return at(
    folder,
    step,
    (_name, _old, fresh) => {
      const from = openAnchor(upper, step.path);
      try {
        copyTree(anchored(from.fd, from.name), fresh, step);
      } finally {
        closeSync(from.fd);
      }
      return String(factsAt(fresh)?.ino ?? '');
    },
    n,
  );
}

/** Copies an entry of the layer, which nobody else can reach, with everything in it: content, mode and times. */
function copyTree(from: Buffer, to: Buffer, step: Step): void {
  const facts = lstatSync(from, { bigint: true });
  const mode = Number(facts.mode & 0o7777n);
  if (facts.isSymbolicLink()) {
    symlinkSync(readlinkSync(from, 'buffer'), to);
    setTimes(to, facts);
    return;
  }
  if (facts.isFile()) {
    // A file that its own program made unreadable is still ours.
    if ((mode & 0o400) === 0) chmodSync(from, mode | 0o400);
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    if ((mode & 0o400) === 0) chmodSync(from, mode);
  } else if (facts.isDirectory()) {
    mkdirSync(to, { mode: 0o700 });
    if ((mode & 0o500) !== 0o500) chmodSync(from, mode | 0o500);
    const fromFd = openSync(from, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const toFd = openSync(to, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      for (const name of readdirSync(`/proc/self/fd/${fromFd}`, { encoding: 'buffer' })) {
        const child = anchored(fromFd, name);
        const { rdev, mode: childMode } = lstatSync(child);
        // A whiteout hides what is not there in the copy either.
        if ((childMode & constants.S_IFMT) === constants.S_IFCHR && rdev === 0) continue;
        copyTree(child, anchored(toFd, name), step);
      }
    } finally {
      closeSync(fromFd);
      closeSync(toFd);
    }
    if ((mode & 0o500) !== 0o500) chmodSync(from, mode);
  } else throw new Stopped(step.path, 'it holds what is no file, folder or link');
  chmodSync(to, mode);
  setTimes(to, facts);
}

function setTimes(
  path: Buffer,
  facts: { readonly atimeNs?: bigint; readonly mtimeNs: bigint | string },
): void {
  const seconds = secondsOf(BigInt(facts.mtimeNs));
  lutimesSync(path, seconds, seconds);
}

const secondsOf = (ns: bigint): number => Number(ns) / 1e9;

/** Stops when what is in the place is not what the preview was made of. */
function mustBe(name: Buffer, was: LowerFacts | null, step: Step): void {
  const now = factsAt(name);
  if (was === null) {
    if (now !== undefined) throw new Stopped(step.path, 'something is there by now');
    return;
  }
  // A folder whose mode changes got our own files meanwhile; a file with several names got a second one of ours.
  const isItself = now !== undefined && String(now.ino) === was.inode && String(now.dev) === was.device;
  const same =
    isItself &&
    ((step.kind === 'attributes' && was.kind === 'folder') ||
      (Number(now.size) === was.size &&
        String(now.mtimeNs) === was.mtimeNs &&
        (String(now.ctimeNs) === was.ctimeNs || was.links > 1)));
  if (!same) throw new Stopped(step.path, 'it was changed in its place meanwhile');
}

function swap(folder: PreviewFolder, step: Step, n: number): void {
  at(
    folder,
    step,
    (name, old, fresh) => {
      mustBe(name, step.was, step);
      switch (step.kind) {
        case 'put':
          if (step.was !== null) setAside(name, old, step.was.kind !== 'folder' && isNotFolder(fresh));
          renameSync(fresh, name);
          return;
        case 'drop':
          renameSync(name, old);
          return;
        case 'attributes':
          setAttributes(name, step.now);
          return;
        default:
          unreachable(step);
      }
    },
    n,
  );
}

const isNotFolder = (path: Buffer): boolean => factsAt(path)?.isDirectory() === false;

/** Keeps what is there under a name of ours; a file by a second name, so that its own is never missing. */
function setAside(name: Buffer, old: Buffer, byLink: boolean): void {
  if (byLink)
    try {
      linkSync(name, old);
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw cause;
      // A file system without hard links.
    }
  renameSync(name, old);
}

function setAttributes(name: Buffer, facts: EntryFacts): void {
  chmodSync(name, facts.mode);
  if (facts.kind === 'file') setTimes(name, facts);
}

/** Whether a step is done already; asked of the world, because the journal may be older. */
function isSwapped(folder: PreviewFolder, step: Step, n: number): boolean {
  return at(
    folder,
    step,
    (name, old, fresh) => {
      const now = factsAt(name);
      switch (step.kind) {
        case 'put':
          if (now !== undefined && String(now.ino) === step.staged) return true;
          // Killed between the two renames: what was there is aside, and its name is free.
          if (step.was !== null && factsAt(old) !== undefined && factsAt(fresh) !== undefined) {
            if (now === undefined) renameSync(old, name);
            else if (now.ino === factsAt(old)?.ino) unlinkSync(old);
          }
          return false;
        case 'drop':
          return factsAt(old) !== undefined && now === undefined;
        case 'attributes':
          return (
            now !== undefined &&
            Number(now.mode & 0o7777n) === step.now.mode &&
            (step.now.kind !== 'file' || isNear(now.mtimeNs, step.now.mtimeNs))
          );
        default:
          return unreachable(step);
      }
    },
    n,
  );
}

/** Times are set through a number of seconds, which keeps less than a microsecond. */
function isNear(a: bigint, b: string): boolean {
  const difference = a - BigInt(b);
  return difference < 2000n && difference > -2000n;
}

/** Takes back what was swapped, the last first; what could not be taken back. */
function undo(folder: PreviewFolder, journal: Journal): readonly Conflict[] {
  const left: Conflict[] = [];
  for (let n = journal.steps.length - 1; n >= 0; n -= 1) {
    const step = journal.steps[n];
    if (step === undefined) continue;
    try {
      at(folder, step, (name, old, fresh) => takeBack(step, name, old, fresh), n);
    } catch (cause) {
      // A folder that is gone holds nothing of ours either, unless somebody moved it.
      if (!(cause instanceof Stopped) || step.kind !== 'put' || step.staged !== null)
        left.push({ path: step.path, reason: (cause as Error).message });
    }
  }
  if (left.length === 0) rmSync(journalPath(folder), { force: true });
  return left;
}

function takeBack(step: Step, name: Buffer, old: Buffer, fresh: Buffer): void {
  const now = factsAt(name);
  const aside = factsAt(old);
  switch (step.kind) {
    case 'put':
      if (now !== undefined && step.staged !== null && String(now.ino) === step.staged) {
        if (aside !== undefined && !aside.isDirectory() && !now.isDirectory()) renameSync(old, name);
        else {
          renameSync(name, fresh);
          if (aside !== undefined) renameSync(old, name);
        }
      } else if (aside !== undefined) {
        if (now === undefined) renameSync(old, name);
        else if (now.ino === aside.ino) unlinkSync(old);
        else
          throw new Stopped(
            step.path,
            `somebody made another one; what was there is beside it as \`${lastOf(old)}\``,
          );
      }
      removeTree(fresh);
      return;
    case 'drop':
      if (aside === undefined) return;
      if (now !== undefined)
        throw new Stopped(
          step.path,
          `somebody made another one; what was there is beside it as \`${lastOf(old)}\``,
        );
      renameSync(old, name);
      return;
    case 'attributes':
      if (now !== undefined && String(now.ino) === step.was.inode) setAttributes(name, step.was);
      return;
    default:
      unreachable(step);
  }
}

const lastOf = (path: Buffer): string => path.subarray(path.lastIndexOf(0x2f) + 1).toString('utf8');

/** Removes what was there before; from here on there is no way back, and no need of one. */
function clean(folder: PreviewFolder, journal: Journal): CommitEnd {
  save(folder, { ...journal, phase: 'swapped' });
  const left: Conflict[] = [];
  for (const [n, step] of journal.steps.entries())
    try {
      if (step.kind !== 'attributes') at(folder, step, (_name, old) => removeTree(old), n);
    } catch (cause) {
      left.push({
        path: step.path,
        reason: `what was there before is left beside it: ${(cause as Error).message}`,
      });
    }
  if (left.length > 0) return { kind: 'torn', conflicts: left };
  rmSync(journalPath(folder), { force: true });
  return { kind: 'done', steps: journal.steps.length };
}

/** Removes a name with everything below it; no link is followed, whoever puts one there while it runs. */
export function removeTree(path: Buffer): void {
  const facts = factsAt(path);
  if (facts === undefined) return;
  if (!facts.isDirectory()) {
    unlinkSync(path);
    return;
  }
  const place = openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if ((facts.mode & 0o700n) !== 0o700n) chmodSync(`/proc/self/fd/${place}`, 0o700);
    for (const name of readdirSync(`/proc/self/fd/${place}`, { encoding: 'buffer' }))
      removeTree(anchored(place, name));
  } finally {
    closeSync(place);
  }
  rmdirSync(path);
}
