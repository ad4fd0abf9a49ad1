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
  /** Real path of the script that asks, where a surface knows it. */
  readonly program: string | null;
  readonly cwd: string | null;
  readonly home: string;
  readonly user: string;
  readonly workspace: string | null;
  readonly modifiedFrom: Digest | null;
}

/** Labels that are tags too, as for commands: rules about secrets and about our own files ask for the tag. */
const CERTAIN = ['secret', 'self'] as const;

/** Package managers read their own settings at each start; the settings of another program are a credential like any other. */
const OWN_SETTINGS: readonly (readonly [RegExp, RegExp])[] = [
  [/\/(?:npm|pnpm|yarn|corepack)\/(?:[^/]+\/)*[\w.-]+\.c?js$/, /^\/\.(?:npmrc|yarnrc\.yml)$/],
  [/\/(?:pip|pip3|twine|uv)[\d.]*$/, /^\/\.(?:netrc|pypirc)$/],
  [/\/aws$/, /^\/\.aws\//],
];

/** True when an installed program reads what belongs to it. One that lies where the agent writes may only bear the name. */
function readsItsOwn(submission: FileSubmission, knowledge: Knowledge): boolean {
  const { operation, path, program, home } = submission;
  if (operation !== 'read' || program === null || !path.startsWith(`${home}/`)) return false;
  const lies = objectOf(
    { text: program, raw: program, known: true, glob: false },
    'path',
    [],
    'here',
    submission,
    knowledge,
  );
  if (lies.labels.some((label) => label === 'workspace' || label === 'temp')) return false;
  return OWN_SETTINGS.some(([who, what]) => who.test(program) && what.test(path.slice(home.length)));
}

/** Builds the Action of one file operation (AARM R1, R3.k, R5.a). The names are the kernel's or a program's, never patterns. */
export function buildFileAction(submission: FileSubmission, knowledge: Knowledge, hasher: Hasher): Action {
  const { id, sessionId, at, surface, cwd, operation, path, destination, modifiedFrom } = submission;
  const parameters: JsonObject = {
    path,
    ...(destination === null ? {} : { destination }),
    ...(submission.recursive ? { recursive: true } : {}),
    ...(submission.program === null ? {} : { program: submission.program }),
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
      return [say('read', path, readsItsOwn(submission, knowledge) ? ['own-use'] : [])];
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
