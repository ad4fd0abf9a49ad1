import type { Action } from '../core/action.ts';
import type { Digest } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import type { Hasher } from '../core/ports.ts';
import { countEffect } from './effect-tally.ts';
import { rulesOf } from './effect-within.ts';
import type { Answer, ArmedPolicy, MediationPorts } from './mediation.ts';
import { actionText } from './record.ts';
import type { Session } from './session-store.ts';
import { evaluateNow } from './stages.ts';

/** What an agent's hook and the MCP bridge share of one call: its server, its tool and all of its arguments; null for anything else. */
export function callDigest({ tool, operation, parameters }: Action, hasher: Hasher): Digest | null {
  const { server, name, inside, arguments_digest: digest } = parameters;
  if (tool !== 'mcp' || operation !== 'call' || typeof server !== 'string' || typeof digest !== 'string')
    return null;
  return hasher.sha256(JSON.stringify([tool, server, name ?? null, inside ?? null, digest]));
}

/** What spoke in a decision: its rules, and the ranks that are none. */
export function spokenIn(decision: Decision): readonly string[] {
  const ranks = decision.ranks.filter(({ result }) => result !== 'silent').map(({ rank }) => `rank ${rank}`);
  return [...rulesOf(decision), ...ranks];
}

/**
 * At the bridge, a call that its agent's hook was just allowed is an effect of it, once (AARM R5.g).
 * INVARIANT (deny wins): the bridge knows what its server says of the tool, so it is judged all the same; only questions that a person
 * has answered are not asked again.
 */
export function callWithin(
  ports: MediationPorts,
  policy: ArmedPolicy,
  session: Session,
  action: Action,
): Answer | null {
  const digest = action.surface === 'mcp' ? callDigest(action, ports.hasher) : null;
  if (digest === null) return null;
  for (const [key, mandate] of session.mandates) {
    const running = session.running.get(mandate.actionId);
    if (!mandate.commands.includes(digest) || running === undefined) continue;
    session.mandates.delete(key);
    if (ports.clock.now() >= mandate.expiresAt || ports.deferrals.blockersOf(action).length > 0) continue;
    const decision = evaluateNow(ports, policy, session, action);
    const answered =
      decision.result === 'STEP_UP' &&
      running.asked &&
      spokenIn(decision).every((one) => mandate.answered?.includes(one) === true);
    if (decision.result !== 'ALLOW' && !answered) return null;
    countEffect(running.effects, ports.hasher, 'execute', actionText(action));
    return {
      action: mandate.actionId,
      result: 'ALLOW',
      decided: decision.result,
      rule: null,
      reason: 'covered by the decision that was just made for this call',
      instead: null,
      commandLine: null,
      argv: null,
      path: null,
      effect: true,
      receipt: running.receipt,
    };
  }
  return null;
}
