import { randomBytes } from 'node:crypto';
import type { Clock, Hasher, Ledger, Random } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { environmentNames, isSealed, readProcess } from '../edge/process-tree.ts';
import { readScriptText } from '../edge/program-path.ts';
import { NONCE_BYTES } from '../wire/guard-frame.ts';
import type { GuardTables } from '../wire/guard-message.ts';
import { createGate, GUARD_GATE_LIMITS } from './gate.ts';
import { judgeGiven, type LatePort } from './guard-ask.ts';
import type { GuardDoorPorts } from './guard-door.ts';
import { programFor, signalName, tablesOf } from './guard-world.ts';
import { createLateWrites } from './late-writes.ts';
import type { MediationPorts } from './mediation.ts';
import type { RunningProxy } from './proxy-wiring.ts';
import { identityPart } from './record.ts';
import type { Session } from './session-store.ts';
import { record } from './stages.ts';
import type { Timers } from './timer.ts';

export interface GuardWiring {
  readonly mediation: MediationPorts;
  readonly knowledge: Knowledge;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly ledger: Ledger;
}

/**
 * The watch over files whose content acts later, judged through the one mediation. A session's first such file makes the session wait at its
 * end until all of them are settled.
 */
export function lateWritesFor(wiring: GuardWiring): LatePort {
  const { mediation } = wiring;
  const late = createLateWrites<Session>({
    knowledge: wiring.knowledge,
    hasher: wiring.hasher,
    clock: wiring.clock,
    random: wiring.random,
    timers: wiring.timers,
    judge: async (session, action, waiting) => {
      const answer = await judgeGiven(mediation, session, action, waiting);
      // A changed content is not what was written: only a plain ALLOW lets it stand.
      return answer.result === 'ALLOW' ? 'ALLOW' : 'DENY';
    },
    fault: (session, path, why) => {
      void record(mediation, session, 'session', {
        event: 'late_write_fault',
        identity: identityPart(session.identity),
        path,
        reason: why,
      });
    },
  });
  const known = new WeakSet<Session>();
  const touched = (session: Session) => {
    if (known.has(session)) return;
    known.add(session);
    session.farewells.add(() => late.end(session));
  };
  return {
    begin(session, path, hostPath) {
      touched(session);
      return late.begin(session, path, hostPath);
    },
    replace(session, path, hostPath, from) {
      touched(session);
      return late.replace(session, path, hostPath, from);
    },
    settle: (session) => (known.has(session) ? late.settle(session) : Promise.resolve()),
  };
}

const MOST_KEPT = 16;

/**
 * Tables of sessions, made once for each policy and set of places: making them asks policy about a few thousand names. `own` is where
 * Countersign keeps its files, `sessions` where sessions keep theirs.
 */
export function tableMaker(
  mediation: MediationPorts,
  knowledge: Knowledge,
  own: readonly string[],
  sessions: string,
): (session: Session) => GuardTables {
  const kept = new Map<string, Omit<GuardTables, 'sockets'> & { readonly sockets: readonly string[] }>();
  const PLACEHOLDER = '/\u0000session';
  return (session) => {
    const armed = mediation.policy();
    const directory = `${sessions}/${session.id}`;
    const { home, workspace, guard, identity, assurance } = session;
    // Of the private folder for temporary files only its being there matters, not its name.
    const bounds = guard === null ? null : { ...guard, temp: guard.temp === null ? null : '' };
    const key = JSON.stringify([armed?.set.hash ?? null, home, workspace, bounds, identity.human, assurance]);
    let tables = kept.get(key);
    if (tables === undefined) {
      tables = tablesOf(mediation, session, knowledge, own, PLACEHOLDER);
      kept.set(key, tables);
      const [oldest] = kept.keys();
      if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    }
    const sockets = tables.sockets.map((path) => path.replace(PLACEHOLDER, directory));
    return { ...tables, sockets };
  };
}

/** How long a guard may take to say who it is, and over one frame: whoever takes longer does not mean it to end. */
const GUARD_WAIT_MS = 5_000;

export interface GuardDoorWiring
  extends GuardWiring,
    Pick<GuardDoorPorts, 'sessions' | 'refusals' | 'guards' | 'tablesFor'> {
  /** Where sessions keep what is theirs. */
  readonly sessionsDirectory: string;
  readonly proxy: Pick<RunningProxy, 'wayFor' | 'isDatabase'>;
}

/** What the kernel guard's door needs, joined from the kernel's view of processes, the proxy and the watch over late files. */
export function guardDoorPorts(wiring: GuardDoorWiring): GuardDoorPorts {
  const { mediation, sessions, refusals, guards, tablesFor, proxy } = wiring;
  return {
    mediation,
    sessions,
    refusals,
    guards,
    tablesFor,
    gate: createGate(GUARD_GATE_LIMITS),
    nonce: () => Uint8Array.from(randomBytes(NONCE_BYTES)),
    processes: {
      startTicks: (pid) => readProcess(pid)?.startTicks ?? null,
      environmentNames,
      isSealed,
    },
    ownPrograms: (session) => `${wiring.sessionsDirectory}/${session.id}`,
    late: lateWritesFor(wiring),
    readScript: (operand, cwd) => (operand === null ? null : readScriptText(operand, cwd)),
    programFor,
    signalName,
    wayFor: proxy.wayFor,
    isDatabase: proxy.isDatabase,
    helloMs: GUARD_WAIT_MS,
    frameMs: GUARD_WAIT_MS,
  };
}
