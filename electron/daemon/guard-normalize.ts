import type { Action } from '../core/action.ts';
import type { Hasher } from '../core/ports.ts';
import { ok, type Result, unreachable } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { buildExecAction, startsOf } from '../wire/exec-action.ts';
import { buildFileAction, isBelow, type ObjectSubmission } from '../wire/file-action.ts';
import type { ExecQuestion } from '../wire/guard-message.ts';
import { buildConnectAction } from '../wire/network-action.ts';
import { buildShellAction } from '../wire/shell-action.ts';
import { isJudgedByContent } from './guard-tables.ts';
import type { Envelope, GuardEnvelope, NormalizeFault, NormalizeInput } from './mediation.ts';
import { mandateTextOf } from './normalize.ts';
import type { Session } from './session-store.ts';

/** Turns what the kernel guard intercepted into an Action. `own` is where Countersign keeps its files on this machine. */
export function normalizeGuarded(
  input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: GuardEnvelope },
  knowledge: Knowledge,
  hasher: Hasher,
  own: readonly string[],
): Result<Action, NormalizeFault> {
  const { session, envelope, id, at, modifiedFrom } = input;
  const { question } = envelope;
  if (question.kind === 'given') return ok({ ...question.action, id, at, modifiedFrom });
  const submission: ObjectSubmission = {
    id,
    sessionId: session.id,
    at,
    surface: 'guard',
    place: {
      cwd: null,
      home: session.home,
      workspace: session.workspace,
      user: session.identity.human.name,
    },
    own,
    by: question.asker.program,
    modifiedFrom,
  };
  switch (question.kind) {
    case 'exec':
      if (envelope.instead !== null)
        return normalizeChanged(submission, question, envelope.instead, knowledge, hasher);
      return buildExecAction(
        {
          ...submission,
          question,
          writable: writableBy(session),
          script: envelope.script,
        },
        knowledge,
        hasher,
      );
    case 'file':
      return ok(
        buildFileAction(
          {
            ...submission,
            ...question,
            recursive: false,
            veiled: [],
            ownUse: false,
            byContent: (path) => isJudgedByContent(path, session.home),
          },
          knowledge.paths,
          hasher,
        ),
      );
    case 'read':
      return ok(
        buildFileAction(
          {
            ...submission,
            operation: 'read',
            path: question.path,
            destination: null,
            flags: null,
            recursive: false,
            veiled: session.guard?.veiled ?? [],
            ownUse: envelope.ownUse,
            byContent: () => false,
          },
          knowledge.paths,
          hasher,
        ),
      );
    case 'connect':
      return ok(leftToRequests(buildConnectAction({ ...submission, to: question.to }, knowledge, hasher)));
    default:
      return unreachable(question);
  }
}

/**
 * A connection to another machine goes through the proxy, where each thing that it would send is a question before a byte leaves: nobody is
 * asked twice. What listens on this machine does so itself, and often acts on the connection alone.
 */
function leftToRequests(action: Action): Action {
  const outside = action.effects.every(
    ({ object, tags }) => !tags.includes('local-socket') && !object.labels.includes('loopback'),
  );
  return outside ? { ...action, partsFollow: true } : action;
}

/** What runs in place of a program start: words of ours, or a line that a person wrote. */
function normalizeChanged(
  submission: ObjectSubmission,
  question: ExecQuestion,
  instead: NonNullable<GuardEnvelope['instead']>,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<Action, NormalizeFault> {
  const { place, id, sessionId, at, modifiedFrom } = submission;
  return buildShellAction(
    {
      id,
      sessionId,
      at,
      surface: 'guard',
      operation: instead.argv === null ? 'run' : 'exec',
      command: instead.argv === null ? { line: instead.commandLine ?? '' } : { argv: instead.argv },
      script: null,
      cwd: question.cwd,
      home: place.home,
      user: place.user,
      workspace: place.workspace,
      variables: {},
      dialect: 'sh',
      partsFollow: false,
      dependsOn: [],
      modifiedFrom,
    },
    knowledge,
    hasher,
  );
}

/** Where a path of the session lies on this machine: its /tmp may be a folder of its own. */
export function hostPath(session: Session, path: string): string {
  const temp = session.guard?.temp ?? null;
  if (temp === null || (path !== '/tmp' && !path.startsWith('/tmp/'))) return path;
  // What lies below /tmp outside and belongs to the session is there inside too.
  const { guard, home } = session;
  if ([home, ...(guard?.writable ?? []), ...(guard?.tools ?? [])].some((place) => isBelow(path, place)))
    return path;
  return `${temp}${path.slice(4)}`;
}

/** Folders in which the session can write: a name in them says nothing about a program. */
export function writableBy(session: Session): readonly string[] {
  const { guard, workspace } = session;
  return [
    ...(workspace === null ? [] : [workspace]),
    ...(guard === null ? [] : [...guard.writable, ...guard.tools]),
    '/tmp',
    '/var/tmp',
    '/dev/shm',
  ];
}

/** What a mandate would call this program start, for each name that a line may have used (docs/architecture.md, mandates). */
export function startTexts(action: Action, envelope: Envelope): readonly string[] {
  if (envelope.surface !== 'guard' || envelope.question.kind !== 'exec' || envelope.instead !== null)
    return [];
  if (action.gaps.length > 0) return [];
  return startsOf(envelope.question).map((words) => mandateTextOf(action.cwd, words));
}
