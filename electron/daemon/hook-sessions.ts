import type { Result } from '../core/result.ts';
import { err } from '../core/result.ts';
import { type AgentBinary, type AgentProcessFacts, isAlive } from '../edge/agent-binary.ts';
import type { HookScene } from '../wire/hook/event.ts';
import type { HookQuestion } from '../wire/hook/frame.ts';
import type { MediationPorts } from './mediation.ts';
import { closeSession, type Household, openSession } from './session-opening.ts';
import type { Session, SessionStore } from './session-store.ts';

export interface HookSessionPorts {
  readonly mediation: MediationPorts;
  readonly sessions: SessionStore;
  readonly household: Household;
  readonly emptyContext: (startedAt: number) => Session['context'];
  /** The agent whose hook a process is; null when it cannot be seen. */
  readonly agentOf: (pid: number) => AgentProcessFacts | null;
  readonly binaryOf: (program: string) => Promise<AgentBinary>;
}

/** The sessions of agents that the person starts by themselves: one for each session of each agent process (AARM R6). */
export interface HookSessions {
  /** The session that a hook speaks for; opened when this is the first that is heard of it. */
  find(question: HookQuestion, scene: HookScene): Promise<Result<Session, string>>;
  end(session: Session, reason: string): Promise<void>;
}

/** How often it is looked whether an agent still lives. */
const LOOK_MS = 5_000;
const MAX_SESSIONS = 512;

/** Makes an empty set of them. */
export function createHookSessions(ports: HookSessionPorts): HookSessions {
  const { mediation, sessions } = ports;
  const open = new Map<string, Promise<Result<Session, string>>>();

  const watch = (key: string, session: Session, agent: AgentProcessFacts) => {
    const look = () => {
      if (session.endedAt !== null) return void open.delete(key);
      if (isAlive(agent.pid, agent.startTicks)) return void mediation.timers.after(LOOK_MS, look);
      open.delete(key);
      void closeSession(mediation, session, { exitCode: null, signal: null, reason: 'the agent is gone' });
    };
    mediation.timers.after(LOOK_MS, look);
  };

  const openFor = async (
    key: string,
    question: HookQuestion,
    scene: HookScene,
    agent: AgentProcessFacts,
  ): Promise<Result<Session, string>> => {
    const binary = await ports.binaryOf(agent.program);
    const opened = await openSession(
      mediation,
      ports.household,
      ports.emptyContext,
      {
        type: 'session.open',
        request: '',
        intent: null,
        workspace: scene.cwd,
        // Not its words: it was not us who started it, and they may hold what is nobody's business.
        argv: [agent.program],
        runner_pid: agent.pid,
        agent: {
          product: question.agent,
          version: binary.version,
          binary_hash: binary.hash,
          // Nobody signs for it: what it is, the system says.
          public_key: '',
        },
        assurance: 'cooperative',
        guard: null,
      },
      'attested',
    );
    if (!opened.ok) return opened;
    sessions.add(opened.value);
    watch(key, opened.value, agent);
    return opened;
  };

  return {
    async find(question, scene) {
      const agent = ports.agentOf(question.pid);
      if (agent === null)
        return err(
          'it cannot be seen which agent asks; is this hook the one that `countersign connect` wrote?',
        );
      const key = `${question.agent} ${scene.session ?? ''} ${agent.pid} ${agent.startTicks}`;
      // Several hooks of one agent may come at once: the first opens, the others wait for it.
      const had = open.get(key);
      if (had !== undefined) {
        const found = await had;
        if (found.ok && found.value.endedAt === null) {
          if (mediation.clock.now() < found.value.identity.agent.expiresAt) return found;
          // It is the same agent, who has outlived what was known of it: it is looked at again (R6.g).
          const reason = 'its identity is a day old and was established anew';
          await closeSession(mediation, found.value, { exitCode: null, signal: null, reason });
        }
        if (open.get(key) === had) open.delete(key);
        const again = open.get(key);
        if (again !== undefined) return again;
      }
      if (open.size >= MAX_SESSIONS) return err('too many agents at once; end some first');
      const opening = openFor(key, question, scene, agent);
      open.set(key, opening);
      const opened = await opening;
      if (!opened.ok && open.get(key) === opening) open.delete(key);
      return opened;
    },
    async end(session, reason) {
      await closeSession(mediation, session, { exitCode: null, signal: null, reason });
    },
  };
}
