import type { Action } from '../core/action.ts';
import type { ActionId, Digest } from '../core/brand.ts';
import type { Outcome } from '../core/outcome.ts';
import type { ProxyOutcome, ProxyQuestion } from '../wire/proxy-message.ts';
import { countEffect, talliesOf } from './effect-tally.ts';
import type { MediationPorts } from './mediation.ts';
import { actionText } from './record.ts';
import type { RunningAction, Session } from './session-store.ts';
import { recordOutcome } from './submit-door.ts';

/** Something that was let out and whose end has not been told. */
export interface Owed {
  readonly session: Session;
  readonly question: ProxyQuestion;
  readonly action: Action;
  /** The action whose receipt it belongs to: itself, or the one that it is an effect of. */
  readonly running: ActionId;
  /** It is an effect of a running action, whose end others tell. */
  readonly effect: boolean;
}

/** Takes what became of something that was let out: its own outcome receipt, or a count in the outcome that it is part of (AARM R5.g). */
export async function settleOutcome(ports: MediationPorts, owed: Owed, outcome: ProxyOutcome): Promise<void> {
  if (outcome.sent > 0 || outcome.status !== null) ports.noteHost?.(hostOfQuestion(owed.question));
  const running = runningOf(owed);
  if (running === undefined) return;
  for (const minted of outcome.used) countEffect(running.effects, ports.hasher, 'credential', minted);
  if (owed.effect) {
    if (outcome.result !== 'succeeded')
      countEffect(
        running.effects,
        ports.hasher,
        `request_${outcome.result}`,
        `${actionText(owed.action)}: ${outcome.error ?? outcome.status ?? 'no reason'}`,
      );
    return;
  }
  await end(ports, owed, running, {
    result: outcome.result,
    exitCode: null,
    signal: null,
    status: outcome.status,
    error: outcome.error,
    outputHash: outcome.digest as Digest | null,
    bytes: outcome.received,
    startedAt: Math.round(outcome.startedAt),
    endedAt: Math.round(outcome.endedAt),
    effects: [],
  });
}

/** Where a question would send something. */
export function hostOfQuestion(question: ProxyQuestion): string {
  return question.kind === 'request' ? question.request.target.host : question.host;
}

/** Records that the end of something that was let out will not be told. */
export function settleUnknown(ports: MediationPorts, owed: Owed, error: string): Promise<void> {
  return settleWithout(ports, owed, 'unknown', error);
}

/** Records that something that was allowed did not leave after all. */
export function takeBack(ports: MediationPorts, owed: Owed, error: string): Promise<void> {
  return settleWithout(ports, owed, 'not_executed', error);
}

async function settleWithout(
  ports: MediationPorts,
  owed: Owed,
  result: 'unknown' | 'not_executed',
  error: string,
): Promise<void> {
  const running = runningOf(owed);
  if (running === undefined) return;
  if (owed.effect) {
    countEffect(running.effects, ports.hasher, `request_${result}`, `${actionText(owed.action)}: ${error}`);
    return;
  }
  await end(ports, owed, running, {
    result,
    exitCode: null,
    signal: null,
    error,
    outputHash: null,
    bytes: null,
    startedAt: null,
    endedAt: ports.clock.now(),
    effects: [],
  });
}

function runningOf({ session, running }: Owed): RunningAction | undefined {
  return session.running.get(running);
}

async function end(
  ports: MediationPorts,
  owed: Owed,
  running: RunningAction,
  outcome: Outcome,
): Promise<void> {
  const { session } = owed;
  session.running.delete(owed.running);
  const effects = talliesOf(running.effects);
  await recordOutcome(ports, session, owed.running, running.receipt, { ...outcome, effects });
}
