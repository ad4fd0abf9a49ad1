import type { ActionId } from '../core/brand.ts';
import { hexOfBytes } from '../core/receipt/bytes.ts';
import type { DaemonMessage, GuardQuestion, HowEnded, ReportedEffect } from '../wire/guard-message.ts';
import { hostAndPort } from '../wire/network-action.ts';
import { exactly, type Octets } from '../wire/octets.ts';
import { countEffect, talliesOf } from './effect-tally.ts';
import type { MediationPorts } from './mediation.ts';
import type { RunningAction, Session } from './session-store.ts';
import { noteReads } from './stages.ts';
import { recordOutcome } from './submit-door.ts';

/** What the daemon remembers of one session's guard while it is connected. */
export interface GuardSession {
  /** Sends to the guard's watch connection; null while there is none. */
  push: ((message: DaemonMessage) => void) | null;
  /** Nonces of the guard's hellos: each opens one connection. */
  readonly nonces: Set<string>;
  /** Actions whose end the guard was told to report. */
  readonly ends: Set<ActionId>;
  /** Processes whose program was started so that it cannot hand its own credentials on, and when each began (a number comes again). */
  readonly keepers: Map<number, number>;
  /** Answered questions whose report is still to come: they are counted already, or have a receipt of their own. */
  readonly answered: Map<string, { count: number; readonly actions: ActionId[] }>;
}

const MAX_ANSWERED = 4096;
/** A guard connects once for each worker and never this often: then its session has to be begun again. */
const MAX_NONCES = 65_536;
/** Kinds of the tallies, by what the guard calls them. */
const KINDS: Readonly<Record<ReportedEffect['operation'], string>> = {
  write: 'write',
  create: 'write',
  truncate: 'write',
  mkdir: 'write',
  node: 'write',
  link: 'write',
  symlink: 'write',
  times: 'write',
  delete: 'delete',
  rmdir: 'delete',
  rename: 'move',
  mode: 'permission',
  owner: 'permission',
  xattr: 'permission',
  exec: 'execute',
  connect: 'connect',
  read: 'read',
  dropped: 'dropped',
};

/** A guard that said nothing yet. */
export function newGuardSession(): GuardSession {
  return { push: null, nonces: new Set(), ends: new Set(), keepers: new Map(), answered: new Map() };
}

/** Takes a hello's nonce; false when it was taken before, or there were too many. */
export function takeNonce(guard: GuardSession, nonce: Uint8Array): boolean {
  const text = hexOfBytes(nonce);
  if (guard.nonces.has(text) || guard.nonces.size >= MAX_NONCES) return false;
  guard.nonces.add(text);
  return true;
}

/** Notes for a program that starts whether it may read its own credentials unasked; `startTicks` null: it may not. */
export function noteKeeper(guard: GuardSession, pid: number, startTicks: number | null): void {
  guard.keepers.delete(pid);
  if (startTicks === null) return;
  guard.keepers.set(pid, startTicks);
  const oldest = guard.keepers.keys().next().value;
  if (guard.keepers.size > MAX_ANSWERED && oldest !== undefined) guard.keepers.delete(oldest);
}

/** Notes that a question was answered, so that its report is not counted a second time. */
export function noteAnswered(guard: GuardSession, question: GuardQuestion, action: ActionId | null): void {
  const key = questionKey(question);
  const known = guard.answered.get(key) ?? { count: 0, actions: [] };
  known.count += 1;
  if (action !== null) known.actions.push(action);
  // To the end of the order: the oldest is forgotten first.
  guard.answered.delete(key);
  guard.answered.set(key, known);
  if (guard.answered.size > MAX_ANSWERED) {
    const oldest = guard.answered.keys().next().value;
    if (oldest !== undefined) guard.answered.delete(oldest);
  }
}

/**
 * Takes what the guard did into the outcome of its scope, or of the session where it has none (AARM R5.g). What was asked about is in it
 * already; where it was an action of its own, this is its outcome.
 */
export function takeEffects(
  ports: MediationPorts,
  session: Session,
  guard: GuardSession,
  effects: readonly ReportedEffect[],
): void {
  for (const effect of effects) {
    noteAttempt(session, effect);
    if (effect.operation === 'read' && effect.error === 0) noteRead(ports, session, effect);
    const key = `${effect.operation}\0${effect.scope ?? ''}\0${effect.path.text}`;
    const answered = guard.answered.get(key);
    if (answered !== undefined) {
      answered.count -= 1;
      if (answered.count === 0) guard.answered.delete(key);
      const action = answered.actions.shift();
      if (action !== undefined) void settleObject(ports, session, action, effect.error);
      continue;
    }
    const running = effect.scope === null ? undefined : session.running.get(effect.scope as ActionId);
    const kind = KINDS[effect.operation];
    countEffect(
      running?.effects ?? session.effects,
      ports.hasher,
      effect.error === 0 ? kind : `${kind}_failed`,
      shown(effect.path, effect.destination),
      effect.operation === 'dropped' ? Number(effect.path.text) : 1,
    );
  }
}

const MAX_ATTEMPTS = 256;
/** EACCES and EROFS: what a preview refuses of files. */
const REFUSED = new Set([13, 30]);

/** Keeps what a preview tried outside of it, for the person who looks at it. */
function noteAttempt(session: Session, { operation, path, destination, error }: ReportedEffect): void {
  const { attempts } = session;
  if (attempts === undefined || error === 0 || attempts.size >= MAX_ATTEMPTS) return;
  if (operation === 'connect' || REFUSED.has(error)) attempts.add(`${operation} ${shown(path, destination)}`);
}

/**
 * What was read without a question (classified files of the workspace) is in the session from now on: the next action is judged with it
 * (AARM R2.b). Only that it was read is known, not by whom.
 */
function noteRead(ports: MediationPorts, session: Session, effect: ReportedEffect): void {
  if (effect.path.exact && ports.reading?.isOurs(effect.path.text) === true) return;
  const id = `act_${ports.random.token(12)}` as ActionId;
  const question = {
    kind: 'read' as const,
    asker: { pid: 0, program: exactly(''), scope: effect.scope },
    path: effect.path,
  };
  const envelope = { surface: 'guard' as const, question, script: null, ownUse: false, instead: null };
  const action = ports.normalize({ id, at: ports.clock.now(), session, envelope, modifiedFrom: null });
  if (action.ok) noteReads(ports, session, action.value, (effect.scope as ActionId | null) ?? id);
}

/** Records how the program of a decision ended. */
export async function takeEnd(
  ports: MediationPorts,
  session: Session,
  guard: GuardSession,
  action: ActionId,
  how: HowEnded,
  signalName: (number: number) => string,
): Promise<void> {
  const running = session.running.get(action);
  if (!guard.ends.delete(action) || running === undefined) return;
  session.running.delete(action);
  const result =
    how.kind === 'unknown' ? how.kind : how.kind === 'exit' && how.code === 0 ? 'succeeded' : 'failed';
  await recordOutcome(ports, session, action, running.receipt, {
    ...ending(ports, running),
    result,
    exitCode: how.kind === 'exit' ? how.code : null,
    signal: how.kind === 'signal' ? signalName(how.number) : null,
  });
}

/** Records that an action that was allowed was never begun: there was nothing to carry it out with. */
export async function takeNothing(
  ports: MediationPorts,
  session: Session,
  action: ActionId,
  error: string,
): Promise<void> {
  const running = session.running.get(action);
  if (running === undefined) return;
  session.running.delete(action);
  await recordOutcome(ports, session, action, running.receipt, {
    ...ending(ports, running),
    result: 'not_executed',
    error,
  });
}

async function settleObject(
  ports: MediationPorts,
  session: Session,
  action: ActionId,
  error: number,
): Promise<void> {
  const running = session.running.get(action);
  if (running === undefined) return;
  session.running.delete(action);
  if (error !== 0) running.redirection?.release();
  await recordOutcome(ports, session, action, running.receipt, {
    ...ending(ports, running),
    result: error === 0 ? 'succeeded' : 'failed',
    error: error === 0 ? null : `errno ${error}`,
  });
}

function ending(ports: MediationPorts, running: RunningAction) {
  return {
    exitCode: null,
    signal: null,
    error: null,
    outputHash: null,
    bytes: null,
    startedAt: null,
    endedAt: ports.clock.now(),
    effects: talliesOf(running.effects),
  };
}

function questionKey(question: GuardQuestion): string {
  const scope = question.asker.scope ?? '';
  switch (question.kind) {
    case 'exec':
      return `exec\0${scope}\0${question.program.text}`;
    case 'file':
      return `${question.operation}\0${scope}\0${question.path.text}`;
    case 'late':
      return `${lateOperation(question.operation, question.from)}\0${scope}\0${question.path.text}`;
    case 'read':
      return `read\0${scope}\0${question.path.text}`;
    default: {
      const { to } = question;
      const name = to.kind === 'unix' ? to.path.text : hostAndPort(to.host, to.port);
      return `connect\0${scope}\0${name}`;
    }
  }
}

/** What a question about a file that acts later comes to, in the terms of other files. */
export function lateOperation(operation: 'write' | 'replace', from: Octets | null): 'write' | 'delete' {
  return operation === 'replace' && from === null ? 'delete' : 'write';
}

function shown(path: Octets, destination: Octets | null): string {
  return destination === null ? path.text : `${path.text} → ${destination.text}`;
}
