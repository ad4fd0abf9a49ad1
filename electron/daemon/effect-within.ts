import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import type { Effect, EffectKind } from '../core/effect.ts';
import { unreachable } from '../core/result.ts';
import { hostOf } from '../core/semantic/objects.ts';
import { isBelow } from '../wire/file-action.ts';
import { countEffect } from './effect-tally.ts';
import type { Answer, ArmedPolicy, MediationPorts } from './mediation.ts';
import { actionText } from './record.ts';
import { isRemote, isSaidElsewhere } from './remote-footprint.ts';
import type { RunningAction, Session } from './session-store.ts';
import { evaluateNow, noteReads } from './stages.ts';

/** Kinds of effect that doing what was said brings about in the kernel's terms. */
const BRINGS: Readonly<Partial<Record<EffectKind, readonly EffectKind[]>>> = {
  read: ['read'],
  write: ['write'],
  delete: ['delete'],
  move: ['move', 'write', 'delete'],
  permission: ['permission'],
  persist: ['write'],
  configure: ['write'],
  install: ['write', 'connect', 'download'],
  download: ['write', 'connect', 'download'],
  upload: ['read', 'connect', 'upload', 'download'],
  publish: ['connect', 'publish', 'upload', 'download'],
  send: ['connect', 'send', 'upload', 'download'],
  connect: ['connect'],
};
const MAX_FOOTPRINT = 256;
/** Said by a guess of ours about a program that nobody described: not what was judged as its doing. */
const GUESSED = 'assumed';

/**
 * What an action said it would do, by name, so that the kernel guard's and the proxy's questions about exactly that are not judged a second
 * time. A guess counts only where a person saw it.
 */
export function footprintOf(action: Action, asked: boolean): readonly Effect[] {
  // A script that was left to its parts was judged for none of them.
  if (action.partsFollow && !asked) return [];
  return action.effects.filter((effect) => isNamed(effect, asked)).slice(0, MAX_FOOTPRINT);
}

function isNamed(effect: Effect, asked: boolean): boolean {
  const { kind, object, tags } = effect;
  if (!object.known || (tags.includes(GUESSED) && !asked)) return false;
  if (isRemote(effect)) return true;
  const here = object.kind === 'path' || object.kind === 'host' || object.kind === 'url';
  return here && !object.many && BRINGS[kind] !== undefined;
}

/**
 * Inside a running action, what by itself would be allowed, or is what the action was judged to do, is an effect of it: counted in its
 * outcome, with no receipt of its own (AARM R5.g). Null where it must become an action of its own.
 * INVARIANT (deny wins): what policy denies is never covered by what was said before; nor what it cannot decide (R3.d), unless a person
 * settled that very doubt.
 */
export function effectWithin(
  ports: MediationPorts,
  policy: ArmedPolicy,
  session: Session,
  scope: ActionId | null,
  action: Action,
): Answer | null {
  const running = scope === null ? undefined : session.running.get(scope);
  if (scope === null || running === undefined || ports.deferrals.blockersOf(action).length > 0) return null;
  const decision = evaluateNow(ports, policy, session, action);
  const said = isCovered(decision, running) && wasSaid(ports, policy, session, running, action, decision);
  if (decision.result !== 'ALLOW' && !said) return null;
  countEffect(running.effects, ports.hasher, kindOf(action), effectName(action));
  noteReads(ports, session, action, scope);
  return {
    action: scope,
    result: 'ALLOW',
    decided: decision.result,
    rule: null,
    reason: said ? 'the action that it belongs to was judged to do this' : decision.reason,
    instead: null,
    commandLine: null,
    argv: null,
    path: null,
    effect: true,
    receipt: running.receipt,
  };
}

/** Facts of the session as a whole: what a person settled about them for a command, they settled for what it does. */
const SESSION_FACT = /^(?:request|alignment|environment|history|session|identity)\b/;

/** Whether what was said before may stand for an answer to this decision. */
function isCovered(decision: Decision, running: RunningAction): boolean {
  switch (decision.result) {
    case 'STEP_UP':
      return true;
    case 'MODIFY':
      // What a person was asked about is done as it was said; what nobody was asked about is still changed where policy changes it.
      return running.asked;
    case 'DEFER':
      return (
        decision.missing.length > 0 &&
        decision.missing.every(({ path }) => SESSION_FACT.test(path) && running.settled.includes(path))
      );
    case 'ALLOW':
    case 'DENY':
      return false;
    default:
      return unreachable(decision.result);
  }
}

function wasSaid(
  ports: MediationPorts,
  policy: ArmedPolicy,
  session: Session,
  running: RunningAction,
  action: Action,
  decision: Decision,
): boolean {
  const { footprint, asked } = running;
  if (action.surface !== 'http')
    return isSaid(footprint, action) || (asked && isConnection(action) && isSaidElsewhere(footprint, action));
  // What a command line says is not what its requests carry: they are covered only when somebody was asked.
  return (
    asked && isSaidElsewhere(footprint, action) && carriesNothing(ports, policy, session, action, decision)
  );
}

function isConnection({ tool, operation }: Action): boolean {
  return tool === 'network' && operation === 'connect';
}

/**
 * What a person allowed by its command line they allowed without seeing what it would carry: a request is covered only when what it carries
 * has no part in any of the questions that policy asks about it.
 */
function carriesNothing(
  ports: MediationPorts,
  policy: ArmedPolicy,
  session: Session,
  action: Action,
  decision: Decision,
): boolean {
  const { carries: _carries, data: _data, ...empty } = action;
  const without = evaluateNow(ports, policy, session, empty);
  const after = rulesOf(without);
  return without.result === decision.result && rulesOf(decision).every((rule) => after.includes(rule));
}

/** Every rule that spoke, not only the one that is named: behind it another may ask about what is carried. */
export function rulesOf({ rule, ranks }: Decision): readonly string[] {
  const spoken = ranks.filter(({ result }) => result !== 'silent').flatMap(({ rules }) => rules);
  return [...spoken, ...(rule === null ? [] : [rule])];
}

/** The tally that an action is counted in. */
function kindOf(action: Action): EffectKind {
  if (action.operation === 'exec') return 'execute';
  return action.effects[0]?.kind ?? 'execute';
}

/** The name under which an effect is counted. */
function effectName(action: Action): string {
  const { path, destination } = action.parameters;
  if (typeof path !== 'string' || action.surface === 'http') return actionText(action);
  return typeof destination === 'string' ? `${path} → ${destination}` : path;
}

function isSaid(footprint: readonly Effect[], action: Action): boolean {
  if (footprint.length === 0 || action.commands.length > 0 || action.gaps.length > 0) return false;
  return action.effects.every((effect) => footprint.some((said) => brings(said, effect)));
}

function brings(said: Effect, effect: Effect): boolean {
  if (BRINGS[said.kind]?.includes(effect.kind) !== true) return false;
  if (effect.object.kind === 'path')
    return (
      said.object.kind === 'path' &&
      (said.object.value === effect.object.value ||
        (said.recursive && isBelow(effect.object.value, said.object.value)))
    );
  if (said.object.kind !== 'host' && said.object.kind !== 'url') return false;
  const host = hostOf(said.object.value);
  return host !== '' && host === hostOf(effect.object.value);
}
