import type { Action, Surface } from '../core/action.ts';
import type { ActionId, Digest, JsonObject, SessionId, TimeMs } from '../core/brand.ts';
import { UNKNOWN_TEXT } from '../core/command.ts';
import type { Effect, EffectKind } from '../core/effect.ts';
import type { Hasher } from '../core/ports.ts';
import { unreachable } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { objectOf } from '../core/semantic/objects.ts';
import type { Place } from '../core/semantic/paths.ts';
import { actionDigest } from './shell-action.ts';
import type { FileEnvelope } from './submit.ts';

/** Everything about one file operation but its meaning. */
export interface FileSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly surface: Surface;
  readonly operation: FileEnvelope['operation'];
  readonly path: string;
  readonly destination: string | null;
  readonly recursive: boolean;
  /** Permission bits that `mode` sets. */
  readonly mode: number | null;
  readonly cwd: string | null;
  readonly home: string;
  readonly user: string;
  readonly workspace: string | null;
  readonly modifiedFrom: Digest | null;
}

/** Labels that are tags too, as for commands: rules about secrets and about our own files ask for the tag. */
const CERTAIN = ['secret', 'self'] as const;

/** Builds the Action of one file operation (AARM R1, R3.k, R5.a). The names are the kernel's or a program's, never patterns. */
export function buildFileAction(submission: FileSubmission, knowledge: Knowledge, hasher: Hasher): Action {
  const { id, sessionId, at, surface, cwd, operation, path, destination, modifiedFrom } = submission;
  const parameters: JsonObject = {
    path,
    ...(destination === null ? {} : { destination }),
    ...(submission.recursive ? { recursive: true } : {}),
    ...(submission.mode === null ? {} : { mode: submission.mode.toString(8) }),
  };
  return {
    id,
    sessionId,
    at,
    surface,
    tool: 'file',
    operation,
    parameters,
    cwd,
    commands: [],
    effects: effectsOfOperation(submission, knowledge),
    gaps: path.includes(UNKNOWN_TEXT) ? ['the path could not be read'] : [],
    digest: actionDigest({ tool: 'file', operation, parameters, cwd }, hasher),
    modifiedFrom,
    dependsOn: [],
    partsFollow: false,
  };
}

function effectsOfOperation(submission: FileSubmission, knowledge: Knowledge): readonly Effect[] {
  const { operation, path, destination } = submission;
  const place: Place = submission;
  const say = (kind: EffectKind, text: string, tags: readonly string[] = []): Effect => {
    const word = { text, raw: text, known: !text.includes(UNKNOWN_TEXT), glob: false };
    const object = objectOf(word, 'path', [], 'here', place, knowledge);
    return {
      kind,
      object,
      command: null,
      recursive: submission.recursive,
      force: false,
      reversible: 'unknown',
      tags: [...tags, ...CERTAIN.filter((label) => object.labels.includes(label))],
    };
  };
  switch (operation) {
    case 'write':
    case 'create':
    case 'mkdir':
    case 'symlink':
      return [say('write', path)];
    case 'truncate':
      return [say('write', path, ['truncate'])];
    case 'times':
      return [say('write', path, ['times'])];
    case 'delete':
    case 'rmdir':
      return [say('delete', path)];
    case 'rename':
      return [say('move', path), ...(destination === null ? [] : [say('write', destination)])];
    case 'link':
      // A second name gives what the first one gives: whoever may not read the one may not make the other.
      return [say('read', path), ...(destination === null ? [] : [say('write', destination)])];
    case 'mode':
      return [say('permission', path, modeTags(submission.mode))];
    case 'owner':
      return [say('permission', path)];
    case 'read':
      return [say('read', path)];
    default:
      return unreachable(operation);
  }
}

function modeTags(mode: number | null): readonly string[] {
  if (mode === null) return [];
  return [
    ...((mode & 0o4000) !== 0 ? ['setuid'] : []),
    ...((mode & 0o2000) !== 0 ? ['setgid'] : []),
    ...((mode & 0o002) !== 0 ? ['world-writable'] : []),
    ...((mode & 0o111) !== 0 ? ['executable'] : []),
    ...((mode & 0o777) === 0 ? ['no-access'] : []),
  ];
}
