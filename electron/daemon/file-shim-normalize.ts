import type { Action } from '../core/action.ts';
import type { Hasher } from '../core/ports.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { buildFileAction, type ObjectSubmission } from '../wire/file-action.ts';
import { buildConnectAction } from '../wire/network-action.ts';
import { exactly } from '../wire/octets.ts';
import { scriptReadsItsOwn } from '../wire/own-use.ts';
import type { ConnectEnvelope, FileEnvelope } from '../wire/submit.ts';
import type { NormalizeFault, NormalizeInput } from './mediation.ts';

/**
 * Turns what the file shim of a cooperative session intercepted into an Action. What it says of its program is a program's word about
 * itself: it spares a question, where nothing else holds the program either.
 */
export function normalizeFileShim(
  input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: FileEnvelope | ConnectEnvelope },
  knowledge: Knowledge,
  hasher: Hasher,
  own: readonly string[],
): Result<Action, NormalizeFault> {
  const { session, envelope, id, at, modifiedFrom } = input;
  // There the kernel says who asks; what speaks here is something else, and may say it is anybody.
  if (session.guard !== null)
    return err({ code: 'no_file_shim', message: 'a session that the kernel guard holds has no file shim' });
  const submission: ObjectSubmission = {
    id,
    sessionId: session.id,
    at,
    surface: 'file',
    place: {
      cwd: envelope.cwd,
      home: session.home,
      workspace: session.workspace,
      user: session.identity.human.name,
    },
    own,
    by: null,
    modifiedFrom,
  };
  if (envelope.operation === 'connect') {
    const { host, port } = envelope;
    return ok(buildConnectAction({ ...submission, to: { kind: 'tcp', host, port } }, knowledge, hasher));
  }
  const { operation, path, destination, recursive, mode, program } = envelope;
  const action = buildFileAction(
    {
      ...submission,
      by: program === null ? null : exactly(program),
      operation,
      path: exactly(path),
      destination: destination === null ? null : exactly(destination),
      flags: mode,
      recursive,
      veiled: [],
      // Nothing watches there what a file's content does later.
      byContent: () => false,
      ownUse: program !== null && scriptReadsItsOwn(program, path, submission.place, knowledge.paths),
    },
    knowledge.paths,
    hasher,
  );
  return ok(action);
}
