import { constants } from 'node:os';
import { delimiter } from 'node:path';
import type { ActionId } from '../core/brand.ts';
import { emptySummary } from '../core/receipt/context-chain.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { findProgram } from '../edge/program-path.ts';
import { buildFileAction, isBelow } from '../wire/file-action.ts';
import type { ExecQuestion, GuardTables } from '../wire/guard-message.ts';
import { exactly } from '../wire/octets.ts';
import { writableBy } from './guard-normalize.ts';
import { guardTables } from './guard-tables.ts';
import type { MediationPorts } from './mediation.ts';
import { shimmedPrograms } from './normalize.ts';
import type { Session } from './session-store.ts';
import { evaluateNow } from './stages.ts';

/** Where every system keeps its programs, whatever the environment says. */
const STANDARD_PATH = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** The tables of one session, by the policy that is armed now; without one, nothing but questions. */
export function tablesOf(
  mediation: MediationPorts,
  session: Session,
  knowledge: Knowledge,
  own: readonly string[],
  sessionDirectory: string,
): GuardTables {
  const armed = mediation.policy();
  if (armed === null || session.guard === null)
    return { programs: [], triggers: [], rows: [], sockets: [], hosts: [], everyExec: true };
  const { identity, workspace, home } = session;
  // Asked as if nothing had happened yet: what depends on that stays a question by itself.
  const fresh: Session = { ...session, context: emptySummary(session.startedAt), grants: [] };
  const place = { cwd: null, home, workspace, user: identity.human.name };
  return guardTables({
    policy: armed.set,
    knowledge,
    workspace,
    home,
    guard: session.guard,
    programs: shimmedPrograms(knowledge, armed),
    own,
    sessionDirectory,
    allows: (operation, path) => {
      const action = buildFileAction(
        {
          id: 'act_00000000' as ActionId,
          sessionId: session.id,
          at: session.startedAt,
          place,
          own,
          by: exactly('/'),
          modifiedFrom: null,
          operation,
          path: exactly(path),
          destination: operation === 'symlink' ? exactly('x') : null,
          flags: operation === 'write' ? O_CREAT_TRUNC : operation === 'mode' ? ORDINARY_MODE : null,
          veiled: [],
          byContent: () => false,
        },
        knowledge.paths,
        mediation.hasher,
      );
      return evaluateNow(mediation, armed, fresh, action).result === 'ALLOW';
    },
  });
}

const O_CREAT_TRUNC = 0o1100;
const ORDINARY_MODE = 0o644;

/**
 * Where the program of a changed command lies: our own interpreter, the program that was asked about, or one of that name outside what the
 * session can write. Null when nowhere: the change is then not carried out.
 */
export function programFor(name: string, session: Session, original: ExecQuestion): string | null {
  const writable = writableBy(session);
  const trusted = (path: string) =>
    path === process.execPath || !writable.some((folder) => isBelow(path, folder));
  if (name.startsWith('/')) return trusted(name) ? name : null;
  const { called } = original;
  if (!original.writable && called.exact && called.text.endsWith(`/${name}`) && trusted(called.text))
    return called.text;
  const path = [...(process.env.PATH ?? '').split(delimiter), ...STANDARD_PATH].filter(
    (directory) => directory.startsWith('/') && trusted(directory),
  );
  return findProgram(name, path);
}

/** A signal's name by its number, as this platform counts them. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}
