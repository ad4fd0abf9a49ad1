import { ancestorsOf, canSeeProcesses, carriesSession, isMarked, readProcess } from '../edge/process-tree.ts';
import type { SessionStore } from './session-store.ts';

/** Where a client of the control door stands. */
export type Presence = 'terminal' | 'none' | 'session' | 'unknown';

/**
 * Looks at a process: below an agent's session it may grant nothing, whatever it knows. The runner of a session itself is
 * the person's; everything under it is the agent's. `unknown` where processes cannot be looked at: no grants either.
 */
export function presenceOf(pid: number, sessions: SessionStore): Presence {
  if (!canSeeProcesses()) return 'unknown';
  const facts = readProcess(pid);
  if (facts === null) return 'unknown';
  if (isMarked(pid) || carriesSession(pid)) return 'session';
  const above = new Set(ancestorsOf(pid));
  for (const session of sessions.live()) {
    // An agent that no launcher of ours started is itself what its session is about.
    const isAgent = session.identity.binding === 'attested' && session.runnerPid === pid;
    if (!isAgent && !above.has(session.runnerPid)) continue;
    const runner = readProcess(session.runnerPid);
    // A reused pid is another process: the session's runner is gone and its tree with it.
    if (
      runner !== null &&
      (session.runnerStartTicks === null || runner.startTicks === session.runnerStartTicks)
    )
      return 'session';
  }
  return facts.tty === 0 ? 'none' : 'terminal';
}
