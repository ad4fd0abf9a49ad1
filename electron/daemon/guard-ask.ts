import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import { objectGrantCovers } from '../core/policy/grant.ts';
import { changedText, denialText, quoted, waitingText } from '../wire/answer-text.ts';
import { isShell, scriptOperand } from '../wire/exec-action.ts';
import { isBelow } from '../wire/file-action.ts';
import type {
  ConnectQuestion,
  DaemonMessage,
  ExecQuestion,
  FileQuestion,
  GuardAnswer,
  GuardQuestion,
  LateQuestion,
} from '../wire/guard-message.ts';
import { hostAndPort } from '../wire/network-action.ts';
import { keepsItsOwn, readsItsOwn } from '../wire/own-use.ts';
import { isConfiguredHost } from './configured-hosts.ts';
import { countEffect } from './effect-tally.ts';
import type { GuardDoorPorts } from './guard-door.ts';
import { hostPath, writableBy } from './guard-normalize.ts';
import { type GuardSession, lateOperation, noteAnswered, noteKeeper, takeNothing } from './guard-session.ts';
import { standsForSession } from './guard-tables.ts';
import { mediate } from './mediate.ts';
import type { Answer, GuardEnvelope, MediationPorts, WaitingNotice } from './mediation.ts';
import { identityFault, type Session } from './session-store.ts';
import { evaluateNow } from './stages.ts';

/** One question on its way, as the connection that asked it sees it. */
export interface Asking {
  readonly send: (message: DaemonMessage) => void;
  readonly cancelled: () => boolean;
  readonly onCancel: (callback: () => void) => void;
}

/**
 * The files whose content acts later (docs/guard-protocol.md, `late`): what lies there is noted before it is written, and a content
 * that is to take its place is judged first. `hostPath` is where the file lies on this machine.
 */
export interface LatePort {
  begin(session: Session, path: string, hostPath: string): 'noted' | 'refused';
  replace(session: Session, path: string, hostPath: string, from: string | null): Promise<'ALLOW' | 'DENY'>;
  /** Resolves when every file that was written is as somebody allowed it. */
  settle(session: Session): Promise<void>;
}

/** Answers one question of a guard: the same mediation as for every other surface, in the guard's terms. Never throws. */
export async function answerQuestion(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  question: GuardQuestion,
  asking: Asking,
): Promise<GuardAnswer> {
  if (question.kind === 'late' && ports.late !== null)
    return lateAnswer(ports.mediation, ports.late, session, guard, question);
  // What was written a moment ago may be what this program is about to run.
  if (question.kind === 'exec' && ports.late !== null) await ports.late.settle(session);
  const asked = question.kind === 'late' ? asFile(question) : question;
  if (asked.kind === 'exec' && isOurs(ports, session, asked)) return oursAnswer(ports, session, guard, asked);
  if (asked.kind === 'connect' && isConfigured(ports, session, asked))
    return configuredAnswer(ports, session, guard, asked);
  const script =
    asked.kind === 'exec' && isShell(asked)
      ? ports.readScript(scriptOperandOf(session, asked), asked.cwd)
      : null;
  const envelope: GuardEnvelope = {
    surface: 'guard',
    question: asked,
    script,
    ownUse: isOwnUse(ports, session, guard, asked),
    instead: null,
  };
  const keeper = asked.kind === 'exec' ? keeperSince(ports, session, asked) : null;
  const scope = asked.asker.scope as ActionId | null;
  const { notify, settled } = notices(ports.mediation, asking);
  let seen: Action | null = null;
  const answer = await mediate(ports.mediation, {
    session,
    envelope,
    scope,
    notify,
    cancelled: asking.cancelled,
    onCancel: asking.onCancel,
    onAction: (action) => {
      seen = action;
    },
  });
  settled();
  const own = answer.result !== 'DENY' && !answer.effect ? answer.action : null;
  if (asked.kind === 'exec') {
    noteKeeper(guard, asked.asker.pid, answer.result === 'ALLOW' ? keeper : null);
    noteAnswered(guard, question, null);
    return execAnswer(ports, session, guard, asked, answer);
  }
  noteAnswered(guard, question, own);
  if (asked.kind === 'connect' && asked.to.kind === 'tcp' && answer.result === 'ALLOW')
    return wayAnswer(ports, session, asked, answer.action, own);
  return objectAnswer(ports, session, guard, asked, answer, seen);
}

/** A host that the person configured, or a database that they gave a credential for, is connected to without a question; what is sent there is judged when it is sent. */
function isConfigured(ports: GuardDoorPorts, session: Session, { to }: ConnectQuestion): boolean {
  if (to.kind !== 'tcp') return false;
  return isConfiguredHost(session, to.host, to.port) || ports.isDatabase?.(to.host, to.port) === true;
}

async function configuredAnswer(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  question: ConnectQuestion,
): Promise<GuardAnswer> {
  const fault = identityFault(session, ports.mediation.clock.now());
  if (fault !== null) return denied(`identity is not valid now: ${fault}`);
  const scope = question.asker.scope as ActionId | null;
  const answer = await wayAnswer(ports, session, question, scope, null);
  if (answer.result === 'DENY') return answer;
  const { to } = question;
  const name = to.kind === 'tcp' ? hostAndPort(to.host, to.port) : to.path.text;
  const tallies = (scope === null ? undefined : session.running.get(scope))?.effects ?? session.effects;
  countEffect(tallies, ports.mediation.hasher, 'connect', name);
  noteAnswered(guard, question, null);
  return answer;
}

/**
 * A connection that is allowed goes through the proxy, where what it says is judged (docs/proxy-protocol.md). While the proxy is not there,
 * it is refused. `own` is the action that this connection is, null where it is part of another.
 */
async function wayAnswer(
  ports: GuardDoorPorts,
  session: Session,
  { to, asker }: ConnectQuestion,
  action: ActionId | null,
  own: ActionId | null,
): Promise<GuardAnswer> {
  const by = isRemoteShell(session, asker) ? 'ssh' : null;
  const way = to.kind === 'tcp' ? await ports.wayFor(session, to.host, to.port, asker.scope, by) : null;
  if (way !== null)
    return { ...NOTHING, result: 'MODIFY', action, path: `via:127.0.0.1:${way.port}`, argv: [way.token] };
  const reason = 'nothing can leave now: the proxy of the firewall does not run; try again in a moment';
  if (own !== null) await takeNothing(ports.mediation, session, own, reason);
  return denied(reason);
}

/** The machine's own ssh, by what the kernel says that runs: what it carries was judged as the command that it is. A name in a folder of the session's says nothing. */
function isRemoteShell(session: Session, { program }: ConnectQuestion['asker']): boolean {
  return (
    program.exact &&
    /^\/(?:[^/]+\/)*ssh$/.test(program.text) &&
    !writableBy(session).some((folder) => isBelow(program.text, folder))
  );
}

/** Sends one action that the guard's link did not ask about through mediation; for what watches files (`LatePort`). */
export async function judgeGiven(
  mediation: MediationPorts,
  session: Session,
  action: Action,
  waiting: () => void,
): Promise<Answer> {
  const envelope: GuardEnvelope = {
    surface: 'guard',
    question: { kind: 'given', action },
    script: null,
    ownUse: false,
    instead: null,
  };
  return mediate(mediation, {
    session,
    envelope,
    notify: waiting,
    cancelled: () => session.endedAt !== null,
    onCancel: () => undefined,
  });
}

/**
 * When the process began whose program is about to start as one that cannot hand its own credentials on; null where it can, or where
 * anything about it is not certain. Looked at while it stands before its first instruction: later it could say what it likes.
 */
function keeperSince(ports: GuardDoorPorts, session: Session, question: ExecQuestion): number | null {
  const { program, argv, asker } = question;
  // Where the session's programs can lay other files over names, a name says nothing.
  if (session.assurance !== 'enforced' || question.writable || question.script !== null) return null;
  if (!program.exact || argv.some((word) => !word.exact)) return null;
  if (writableBy(session).some((place) => isBelow(program.text, place))) return null;
  const startTicks = ports.processes.startTicks(asker.pid);
  const variables = ports.processes.environmentNames(asker.pid);
  if (startTicks === null || variables === null) return null;
  return keepsItsOwn({ program: program.text, argv: argv.map((word) => word.text), variables })
    ? startTicks
    : null;
}

/** True for a read of a program's own credential by that program, started so that it keeps it, with its memory closed to the others. */
function isOwnUse(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  question: Exclude<GuardQuestion, LateQuestion>,
): boolean {
  if (question.kind !== 'read' || !question.path.exact || !question.asker.program.exact) return false;
  const { pid, program } = question.asker;
  const since = guard.keepers.get(pid);
  return (
    since !== undefined &&
    since === ports.processes.startTicks(pid) &&
    readsItsOwn(program.text, question.path.text, session.home) &&
    ports.processes.isSealed(pid)
  );
}

/**
 * A shim asks about what it stands for before it starts it, and that start is a question again: judging the shim, too, would ask a
 * person twice. Only what lies where the session cannot write is one.
 */
function isOurs(ports: GuardDoorPorts, session: Session, question: ExecQuestion): boolean {
  const folder = ports.ownPrograms(session);
  return (
    !question.writable &&
    question.script === null &&
    isBelow(question.called.text, folder) &&
    !writableBy(session).some((place) => place !== '/tmp' && isBelow(question.called.text, place))
  );
}

function oursAnswer(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  question: ExecQuestion,
): GuardAnswer {
  const fault = identityFault(session, ports.mediation.clock.now());
  if (fault !== null) return denied(`identity is not valid now: ${fault}`);
  const scope = question.asker.scope as ActionId | null;
  const tallies = (scope === null ? undefined : session.running.get(scope))?.effects ?? session.effects;
  countEffect(tallies, ports.mediation.hasher, 'execute', question.called.text);
  noteAnswered(guard, question, null);
  return { ...NOTHING, result: 'ALLOW', action: scope };
}

/** Until files that act later are watched, touching one is a change like any other. */
function asFile(question: LateQuestion): FileQuestion {
  return {
    kind: 'file',
    asker: question.asker,
    operation: lateOperation(question.operation, question.from),
    path: question.path,
    destination: null,
    flags: null,
  };
}

/**
 * What policy says of such a change whatever its content is: rules that are content with `by-content` leave it to that. Null when nothing
 * is to be asked.
 */
async function byContent(
  mediation: MediationPorts,
  session: Session,
  question: LateQuestion,
): Promise<Answer | null> {
  const policy = mediation.policy();
  const envelope: GuardEnvelope = {
    surface: 'guard',
    question: asFile(question),
    script: null,
    ownUse: false,
    instead: null,
  };
  const id = `act_${mediation.random.token(12)}` as ActionId;
  const at = mediation.clock.now();
  const built = mediation.normalize({ id, at, session, envelope, modifiedFrom: null });
  if (policy === null || !built.ok) return judgeOriginal(mediation, session, envelope);
  const tagged = built.value.effects.map((e) => ({ ...e, tags: [...e.tags, 'by-content'] }));
  const action: Action = { ...built.value, effects: tagged };
  if (evaluateNow(mediation, policy, session, action).result === 'ALLOW') return null;
  return judgeGiven(mediation, session, action, () => undefined);
}

function judgeOriginal(
  mediation: MediationPorts,
  session: Session,
  envelope: GuardEnvelope,
): Promise<Answer> {
  return mediate(mediation, {
    session,
    envelope,
    notify: () => undefined,
    cancelled: () => session.endedAt !== null,
    onCancel: () => undefined,
  });
}

async function lateAnswer(
  mediation: MediationPorts,
  late: LatePort,
  session: Session,
  guard: GuardSession,
  question: LateQuestion,
): Promise<GuardAnswer> {
  const { path, from, operation } = question;
  const refused = 'what this file does later could not be judged; change another, or ask the person to';
  if (!path.exact || (from !== null && !from.exact)) return denied(refused);
  const host = hostPath(session, path.text);
  let result: 'ALLOW' | 'DENY';
  try {
    const before = await byContent(mediation, session, question);
    if (before !== null && before.result !== 'ALLOW') {
      noteAnswered(guard, question, null);
      return denied(before.reason, before.rule, before.instead);
    }
    result =
      operation === 'write'
        ? late.begin(session, path.text, host) === 'noted'
          ? 'ALLOW'
          : 'DENY'
        : await late.replace(session, path.text, host, from === null ? null : hostPath(session, from.text));
  } catch {
    result = 'DENY';
  }
  noteAnswered(guard, question, null);
  return result === 'ALLOW' ? { ...NOTHING, result: 'ALLOW' } : denied(refused);
}

function scriptOperandOf(session: Session, question: ExecQuestion): string | null {
  const operand = scriptOperand(question);
  return operand === null ? null : hostPath(session, operand);
}

const NOTHING: GuardAnswer = {
  kind: 'answer',
  result: 'DENY',
  message: '',
  action: null,
  reportEnd: false,
  remember: false,
  path: null,
  argv: [],
};

function denied(reason: string, rule: string | null = null, instead: string | null = null): GuardAnswer {
  return { ...NOTHING, message: denialText(reason, rule, instead) };
}

/** Tells the guard that its question waits, and of the deadline again while it does. */
function notices(ports: MediationPorts, asking: Asking) {
  let named: string | null = null;
  let over = false;
  const notify = (notice: WaitingNotice) => {
    if (over) return;
    const leftMs = Math.max(1, notice.deadline - ports.clock.now());
    const text = waitingText(notice, leftMs);
    // Once for each way of answering: a person reads it on a terminal.
    const told = `${notice.state} ${notice.approval}`;
    asking.send({ kind: 'waiting', message: named === told ? '' : text, leftMs });
    named = told;
  };
  return {
    notify,
    settled: () => {
      over = true;
    },
  };
}

async function execAnswer(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  question: ExecQuestion,
  answer: Answer,
): Promise<GuardAnswer> {
  if (answer.result === 'DENY' || answer.action === null)
    return denied(answer.reason, answer.rule, answer.instead);
  const { action } = answer;
  const allowed: GuardAnswer = { ...NOTHING, result: 'ALLOW', action, reportEnd: !answer.effect };
  if (answer.result === 'ALLOW') {
    if (!answer.effect) guard.ends.add(action);
    return allowed;
  }
  const argv = answer.commandLine === null ? answer.argv : ['sh', '-c', answer.commandLine];
  const [name = ''] = argv ?? [];
  const path = ports.programFor(name, session, question);
  if (argv === null || path === null) {
    const reason = `the decision was MODIFY, but \`${name}\` is not to be found outside what the agent can write`;
    await takeNothing(ports.mediation, session, action, reason);
    return denied(reason, answer.rule);
  }
  guard.ends.add(action);
  const line = answer.commandLine ?? argv.map(quoted).join(' ');
  return {
    ...allowed,
    result: 'MODIFY',
    message: changedText(line, answer.reason, answer.rule),
    path,
    argv,
  };
}

function objectAnswer(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  question: Exclude<GuardQuestion, ExecQuestion | LateQuestion>,
  answer: Answer,
  action: Action | null,
): GuardAnswer {
  if (answer.result === 'DENY') return denied(answer.reason, answer.rule, answer.instead);
  if (answer.result === 'MODIFY') {
    const { action: id, path } = answer;
    // Nothing else of ours changes a change of a file: what would need it was a person's question.
    if (question.kind !== 'file' || path === null)
      return denied('a change of a file or a connection cannot be changed', answer.rule);
    return { ...NOTHING, result: 'MODIFY', action: id, path };
  }
  const policy = ports.mediation.policy();
  const granted = action !== null && session.grants.some((grant) => objectGrantCovers(grant, action));
  if (granted && question.kind === 'read') guard.push?.({ kind: 'grant', path: question.path });
  const stands =
    policy !== null &&
    action !== null &&
    question.kind !== 'connect' &&
    (granted || answer.decided === 'ALLOW') &&
    standsForSession(policy.set, action);
  return { ...NOTHING, result: 'ALLOW', action: answer.action, remember: stands };
}
