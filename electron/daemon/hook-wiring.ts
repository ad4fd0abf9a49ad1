import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { untrustedSignals } from '../core/data/untrusted.ts';
import { emptySummary } from '../core/receipt/context-chain.ts';
import { agentOfHook, createBinaryReader } from '../edge/agent-binary.ts';
import { resourcesDirectory } from '../edge/resources.ts';
import { createHookService, type HookService, type HookServicePorts } from './hook-service.ts';
import { createHookSessions, type HookSessionPorts } from './hook-sessions.ts';

export type HookWiring = Pick<HookServicePorts, 'mediation' | 'refusals' | 'knowledge' | 'hasher'> &
  Pick<HookSessionPorts, 'sessions' | 'household'>;

/** Joins what answers the hooks of connected agents (AARM R1): their sessions, and the programs that they run as. */
export function hookService(wiring: HookWiring): HookService {
  const { mediation, sessions, household, refusals, knowledge, hasher } = wiring;
  return createHookService({
    mediation,
    hookSessions: createHookSessions({
      mediation,
      sessions,
      household,
      emptyContext: emptySummary,
      agentOf: (pid) => agentOfHook(pid, hookProgram()),
      binaryOf: createBinaryReader(),
    }),
    refusals,
    knowledge,
    hasher,
    signalsOf: (text) => untrustedSignals(text, null),
  });
}

/** The hook that this installation's agents are connected with, as the kernel names its file. */
function hookProgram(): string {
  const path = join(dirname(resourcesDirectory()), 'build/shims/shell/countersign-hook');
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
