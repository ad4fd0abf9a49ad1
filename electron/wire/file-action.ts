import type { Action } from '../core/action.ts';
import type { ActionId, Digest, Json, JsonObject, SessionId, TimeMs } from '../core/brand.ts';
import type { Effect, EffectObject } from '../core/effect.ts';
import type { Hasher } from '../core/ports.ts';
import { unreachable } from '../core/result.ts';
import type { PathIndex } from '../core/semantic/path-index.ts';
import { type Place, seePath } from '../core/semantic/paths.ts';
import type { FileOperation } from './guard-message.ts';
import type { Octets } from './octets.ts';
import { actionDigest } from './shell-action.ts';

/** What every action that is no command is made with: a file's or a connection's, seen by the kernel guard or by the file shim. */
export interface ObjectSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly surface: 'guard' | 'file' | 'http' | 'hook' | 'mcp';
  /** `cwd` is null where the surface names everything from the root and nothing else. */
  readonly place: Place;
  /** Countersign's own directories on this machine, wherever the person put them. */
  readonly own: readonly string[];
  /** Program or script that asks: canonical from the guard, as it says from the file shim; null where nothing says. */
  readonly by: Octets | null;
  readonly modifiedFrom: Digest | null;
}

export interface FileSubmission extends ObjectSubmission {
  readonly operation: FileOperation | 'read';
  readonly path: Octets;
  readonly destination: Octets | null;
  /** Of the call: flags of an open, bits of a mode. Null where the surface does not say. */
  readonly flags: number | null;
  /** Everything below the path is meant too. */
  readonly recursive: boolean;
  /** For `read`: the paths that the session's tree may not read without a word of policy. */
  readonly veiled: readonly string[];
  /** For `read`: the program reads what belongs to it, and cannot hand it on (own-use.ts). */
  readonly ownUse: boolean;
  /** Whether what a path will then hold is judged by itself, after this. */
  readonly byContent: (path: string) => boolean;
}

const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const NOT_TEXT = 'its name is not valid UTF-8';

/**
 * Builds the Action of one change (or read) of a file that is about to be made (AARM R1, R3.k, R5.a): tool `file`, the operation as the
 * guard names it, effects as a command that does the same would have. Names are the kernel's or a program's, never patterns.
 */
export function buildFileAction(submission: FileSubmission, index: PathIndex, hasher: Hasher): Action {
  const { operation, path, destination, flags, by } = submission;
  const parameters: Record<string, Json> = { path: path.text };
  if (by !== null) parameters.by = by.text;
  if (destination !== null) parameters.destination = destination.text;
  if (flags !== null) parameters.flags = flags.toString(8);
  if (submission.recursive) parameters.recursive = true;
  const exact = path.exact && (by?.exact ?? true) && (destination?.exact ?? true);
  if (!exact) parameters.escaped = true;
  const effects = effectsOf(submission, index).map((effect) =>
    submission.recursive ? { ...effect, recursive: true } : effect,
  );
  return objectAction(submission, { tool: 'file', operation, parameters, effects }, exact, hasher);
}

/** The Action of what is not a command: no commands, nothing that follows. */
export function objectAction(
  submission: ObjectSubmission,
  meaning: {
    readonly tool: string;
    readonly operation: string;
    readonly parameters: JsonObject;
    readonly effects: readonly Effect[];
  },
  exact: boolean,
  hasher: Hasher,
): Action {
  const { tool, operation, parameters } = meaning;
  const { cwd } = submission.place;
  return {
    ...meaning,
    id: submission.id,
    sessionId: submission.sessionId,
    at: submission.at,
    surface: submission.surface,
    cwd,
    commands: [],
    gaps: exact ? [] : [NOT_TEXT],
    digest: actionDigest({ tool, operation, parameters, cwd }, hasher),
    modifiedFrom: submission.modifiedFrom,
    dependsOn: [],
    partsFollow: false,
  };
}

/** A path that the kernel or a program named: what it is called is what it is, star and all. */
export function pathObject(
  path: string,
  submission: Pick<ObjectSubmission, 'place' | 'own'>,
  index: PathIndex,
): EffectObject {
  const seen = seePath(path, false, submission.place, index);
  const labels = submission.own.some((folder) => isBelow(seen.value, folder))
    ? [...new Set([...seen.labels, 'self'])]
    : seen.labels;
  return { kind: 'path', value: seen.value, known: seen.known, many: false, labels };
}

/** True when `path` is `folder` or lies in it; both canonical. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder || folder === '/' || path.startsWith(`${folder}/`);
}

/** An effect without a command. Labels that are certain are tags too, as for commands. */
export function effectOn(
  kind: Effect['kind'],
  object: EffectObject,
  tags: readonly string[],
  reversible: Effect['reversible'],
): Effect {
  const certain = ['secret', 'self'].filter((label) => object.labels.includes(label));
  return {
    kind,
    object,
    command: null,
    recursive: false,
    force: false,
    reversible,
    tags: [...new Set([...tags, ...certain])],
  };
}

function effectsOf(submission: FileSubmission, index: PathIndex): readonly Effect[] {
  const { operation, destination } = submission;
  const flags = submission.flags ?? 0;
  const object = pathObject(submission.path.text, submission, index);
  const other = destination === null ? null : () => pathObject(destination.text, submission, index);
  const judgedLater = destination !== null && submission.byContent(destination.text) ? ['by-content'] : [];
  switch (operation) {
    case 'write':
      return [effectOn('write', object, openTags(flags), 'unknown')];
    case 'create':
      return [effectOn('write', object, ['create'], 'yes')];
    case 'mkdir':
    case 'node':
      return [effectOn('write', object, ['create'], 'yes')];
    case 'symlink':
      return [effectOn('write', object, ['create', 'link'], 'yes')];
    case 'link':
      // Whoever has the new name reads and writes the old file by it: a link gives both.
      return [
        effectOn('read', object, ['link'], 'yes'),
        effectOn('write', object, ['link'], 'unknown'),
        ...(other === null ? [] : [effectOn('write', other(), ['create', 'link', ...judgedLater], 'yes')]),
      ];
    case 'truncate':
      return [effectOn('write', object, ['truncate'], 'no')];
    case 'times':
      return [effectOn('write', object, ['times'], 'unknown')];
    case 'delete':
      return [effectOn('delete', object, [], 'no')];
    case 'rmdir':
      return [effectOn('delete', object, ['empty-only'], 'yes')];
    case 'rename':
      return [
        effectOn('move', object, judgedLater, 'yes'),
        ...(other === null ? [] : [effectOn('write', other(), ['replace', ...judgedLater], 'unknown')]),
      ];
    case 'mode':
      return [effectOn('permission', object, modeTags(flags), 'yes')];
    case 'owner':
      return [effectOn('permission', object, ['owner'], 'unknown')];
    case 'xattr':
      return [effectOn('permission', object, ['xattr'], 'unknown')];
    case 'read':
      return [effectOn('read', veiled(object, submission), submission.ownUse ? ['own-use'] : [], 'yes')];
    default:
      return unreachable(operation);
  }
}

function openTags(flags: number): readonly string[] {
  const tags: string[] = [];
  if ((flags & O_CREAT) !== 0) tags.push('create');
  if ((flags & O_TRUNC) !== 0) tags.push('truncate');
  if ((flags & O_APPEND) !== 0) tags.push('append');
  return tags;
}

function modeTags(mode: number): readonly string[] {
  const tags: string[] = [];
  if ((mode & 0o4000) !== 0) tags.push('setuid');
  if ((mode & 0o2000) !== 0) tags.push('setgid');
  if ((mode & 0o002) !== 0) tags.push('world-writable');
  if ((mode & 0o111) !== 0) tags.push('executable');
  if ((mode & 0o777) === 0) tags.push('no-access');
  return tags;
}

/**
 * What was veiled is a secret, whatever the table of paths says of it; only below a folder of credentials does the table know
 * better (`~/.ssh/known_hosts`).
 */
function veiled(object: EffectObject, submission: FileSubmission): EffectObject {
  const { text } = submission.path;
  const named = submission.veiled.includes(text);
  const { labels } = object;
  // Of the work also what policy classifies, and what only looks like settings (`.env.example`), is reported: their names and rows speak.
  const below = named || submission.veiled.some((veil) => text.startsWith(`${veil}/`));
  if (!below && labels.includes('workspace') && !labels.includes('env-file')) return object;
  if (labels.includes('secret') || (!named && labels.includes('credential-folder'))) return object;
  return { ...object, labels: [...labels, 'secret'] };
}
