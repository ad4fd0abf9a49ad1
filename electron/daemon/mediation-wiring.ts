import { join } from 'node:path';
import type { Action } from '../core/action.ts';
import type { CommandPattern } from '../core/approval.ts';
import type { Decision } from '../core/decision.ts';
import { evaluate } from '../core/policy/evaluate.ts';
import { objectPatternFor, patternFor } from '../core/policy/grant.ts';
import type { PolicySet } from '../core/policy/rule.ts';
import type { Clock, Hasher, Ledger, Random } from '../core/ports.ts';
import { advanceSummary, appendEntry } from '../core/receipt/context-chain.ts';
import { ok, unreachable } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { readEnvironment } from '../edge/environment.ts';
import { homeTrash, trashPlace } from '../edge/trash-place.ts';
import { writeCopy } from '../edge/write-copy.ts';
import type { Places } from '../wire/places.ts';
import type { ApprovalService } from './approval-service.ts';
import type { DataParts } from './data-wiring.ts';
import { createDeferralService } from './deferral-service.ts';
import { normalizeFileShim } from './file-shim-normalize.ts';
import { normalizeGuarded, startTexts } from './guard-normalize.ts';
import { type HookNormalizing, normalizeHooked } from './hook-normalize.ts';
import type { McpKeeper } from './mcp-keeper.ts';
import { type ArmedPolicy, DEFAULT_LIMITS, type MediationLimits, type MediationPorts } from './mediation.ts';
import { mandateText, normalizeEnvelope } from './normalize.ts';
import { normalizeProxied } from './proxy-normalize.ts';
import type { Redactor } from './redaction.ts';
import type { Timers } from './timer.ts';

export interface MediationWiring {
  readonly clock: Clock;
  readonly random: Random;
  readonly hasher: Hasher;
  readonly timers: Timers;
  readonly ledger: Ledger;
  readonly places: Places;
  readonly home: string;
  readonly knowledge: Knowledge;
  /** Where Countersign keeps its files on this machine. */
  readonly own: readonly string[];
  readonly policy: () => ArmedPolicy | null;
  readonly approvals: ApprovalService;
  readonly redactor: Redactor;
  readonly data: DataParts;
  readonly mcp: McpKeeper;
  readonly limits: Partial<MediationLimits>;
  /** The command line's program of this installation. */
  readonly commandLine: string;
}

/** Joins what mediation needs (docs/architecture.md): the pure stages of the core, and the world behind them. */
export function mediationPorts(wiring: MediationWiring): MediationPorts {
  const { clock, random, hasher, timers, ledger, places, knowledge, own, policy, redactor } = wiring;
  const readsEnvironment = environmentReaders();
  const hookNormalizing: HookNormalizing = { knowledge, hasher, own, scan: wiring.data.scanPayload };
  return {
    clock,
    random,
    hasher,
    timers,
    ledger,
    policy,
    approvals: wiring.approvals,
    deferrals: createDeferralService(clock, timers),
    normalize: ({ envelope, ...input }) => {
      switch (envelope.surface) {
        case 'shell':
          return normalizeEnvelope({ ...input, envelope }, knowledge, hasher, places.sessions);
        case 'guard':
          return normalizeGuarded({ ...input, envelope }, knowledge, hasher, own);
        case 'file':
          return normalizeFileShim({ ...input, envelope }, knowledge, hasher, own);
        case 'http':
          return normalizeProxied({ ...input, envelope }, knowledge, hasher, own);
        case 'hook':
          return normalizeHooked({ ...input, envelope }, hookNormalizing);
        case 'mcp':
          return wiring.mcp.normalize({ ...input, envelope });
        default:
          return unreachable(envelope);
      }
    },
    mandateText,
    startTexts,
    environment: (action, now) => (readsEnvironment(policy()) ? readEnvironment(action.cwd, now) : []),
    evaluate,
    patternFor: sessionPattern,
    redactor,
    ...wiring.data.ports,
    appendEntry: (summary, kind, given, at) => {
      const body = redactor.json(given);
      const entry = appendEntry({ length: summary.length, head: summary.head }, { at, kind, body }, hasher);
      return { entry, summary: advanceSummary(summary, entry) };
    },
    replacements: { trash: [process.execPath, wiring.commandLine, 'trash'] },
    redirections: {
      trash: (path, note) => trashPlace(path, homeTrash(wiring.home, process.env.XDG_DATA_HOME), note),
      copy: (path, session) => {
        const copy = writeCopy(path, join(places.state, 'copies', session));
        // An unused one harms nobody, and another opening may be using it.
        return copy.ok ? ok({ path: copy.value, release: () => undefined }) : copy;
      },
    },
    limits: { ...DEFAULT_LIMITS, ...wiring.limits },
  };
}

/** Whether any rule of a policy looks at the environment: then it is read for each action, and else never. Looked up once a policy. */
function environmentReaders(): (armed: ArmedPolicy | null) => boolean {
  const known = new WeakMap<PolicySet, boolean>();
  return (armed) => {
    if (armed === null) return false;
    const { set } = armed;
    const found = known.get(set) ?? set.rules.some((rule) => rule.when?.includes('environment') ?? false);
    known.set(set, found);
    return found;
  };
}

/** What "allow for this session" would cover: one command that was spoken about, or what is none by its meaning. */
export function sessionPattern(action: Action, decision: Decision): CommandPattern | null {
  const wide = decision.risk === 'low' || decision.risk === 'medium';
  // What a tool is given is no object of its own: a dangerous call is allowed for these very arguments, which is once.
  if (action.tool === 'mcp' && !wide) return null;
  // What is dangerous is allowed for these very operands; the rest for the same flags on anything.
  const reach = wide ? 'free' : 'fixed';
  if (action.commands.length === 0) return objectPatternFor(action, decision.rule, reach);
  const index = decision.commands[0];
  const command = index === undefined ? undefined : action.commands[index];
  if (command === undefined || decision.commands.length !== 1 || decision.rule === null) return null;
  return patternFor(command, decision.rule, command.cwd, reach);
}
