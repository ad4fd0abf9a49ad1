import { lstatSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { UntrustedSignal } from '../core/data/untrusted.ts';
import type { Hasher } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { lateKind } from '../core/semantic/late-files.ts';
import { readLateFile } from '../edge/late-store.ts';
import { denialText } from '../wire/answer-text.ts';
import { HOOK_ADAPTERS } from '../wire/hook/agents.ts';
import {
  type BeforeDeed,
  type FileChange,
  type HookEvent,
  type HookReply,
  type HookVerdict,
  SILENT,
  type ToolCall,
} from '../wire/hook/event.ts';
import type { HookQuestion } from '../wire/hook/frame.ts';
import { readPayload } from '../wire/hook/payload.ts';
import { wordsAsLine } from '../wire/hook/tools.ts';
import { buildLateAction, type LateContent } from '../wire/late-action.ts';
import type { HookSessions } from './hook-sessions.ts';
import { contentOf } from './late-writes.ts';
import { mediate } from './mediate.ts';
import type { Answer, HookEnvelope, MediationPorts, WaitingNotice } from './mediation.ts';
import { identityPart } from './record.ts';
import type { RefusalRecorder } from './refusals.ts';
import type { Session } from './session-store.ts';
import { accumulate, noteNews, record } from './stages.ts';
import { recordOutcome } from './submit-door.ts';

export interface HookServicePorts {
  readonly mediation: MediationPorts;
  readonly hookSessions: HookSessions;
  readonly refusals: RefusalRecorder;
  readonly knowledge: Knowledge;
  readonly hasher: Hasher;
  readonly signalsOf: (text: string) => readonly UntrustedSignal[];
}

/** Who waits for the answer. */
export interface HookAsker {
  readonly notify: (notice: WaitingNotice) => void;
  readonly cancelled: () => boolean;
  readonly onCancel: (callback: () => void) => void;
}

/** Answers hooks. `session` is the one that a surface proved; null: it is found, or opened, by the agent's process. */
export interface HookService {
  answer(session: Session | null, question: HookQuestion, asker: HookAsker): Promise<HookReply>;
}

/** Allowed calls whose outcome has not been heard; past this the oldest is forgotten, and recorded as unknown at the session's end. */
const MAX_CALLS = 4096;
const MAX_RETURNED = 8 * 1024 * 1024;

/**
 * Makes the service (AARM R1, R2.d, R4, R6). INVARIANT (no fail-open): whatever goes wrong about a call that is about to happen is answered
 * by a denial in the agent's own format.
 */
export function createHookService(ports: HookServicePorts): HookService {
  const { mediation } = ports;
  const calls = new WeakMap<Session, Map<string, readonly ActionId[]>>();

  async function answerOrThrow(
    given: Session | null,
    question: HookQuestion,
    asker: HookAsker,
  ): Promise<HookReply> {
    const payload = readPayload(question.payload);
    const event = payload.ok ? HOOK_ADAPTERS[question.agent].read(question.event, payload.value) : payload;
    if (!event.ok) {
      ports.refusals.refuse(
        'hook',
        event.error.code,
        `${question.agent} ${question.event}: ${event.error.message}`,
      );
      return denied(question, `what the agent says of it could not be understood: ${event.error.message}`);
    }
    const found =
      given === null
        ? await ports.hookSessions.find(question, event.value.scene)
        : { ok: true as const, value: given };
    if (!found.ok) {
      ports.refusals.refuse('hook', 'no_session', `${question.agent} ${question.event}: ${found.error}`);
      return denied(question, found.error);
    }
    return answerEvent(found.value, question, event.value, asker, given === null);
  }

  async function answerEvent(
    session: Session,
    question: HookQuestion,
    event: HookEvent,
    asker: HookAsker,
    ours: boolean,
  ): Promise<HookReply> {
    const { deed, scene } = event;
    switch (deed.kind) {
      case 'before': {
        const verdict = await judge(session, event, deed, asker);
        return HOOK_ADAPTERS[question.agent].answer(question.event, deed, verdict);
      }
      case 'after': {
        const key = keyOf(deed);
        const known = calls.get(session)?.get(key) ?? [];
        calls.get(session)?.delete(key);
        const returned = deed.returned.slice(0, MAX_RETURNED);
        const signals = ports.signalsOf(returned);
        const [first] = known;
        if (first !== undefined && signals.length > 0)
          noteNews(mediation, session, { raised: null, signals, source: `tool:${deed.tool}` }, first);
        for (const id of known) {
          const running = session.running.get(id);
          if (running === undefined) continue;
          session.running.delete(id);
          await recordOutcome(mediation, session, id, running.receipt, {
            result: deed.failed ? 'failed' : 'succeeded',
            exitCode: null,
            signal: null,
            error: null,
            outputHash: ports.hasher.sha256(deed.returned),
            bytes: deed.returned.length,
            startedAt: null,
            endedAt: mediation.clock.now(),
            effects: [],
          });
        }
        return SILENT;
      }
      case 'prompt':
        await notePrompt(session, deed.text, scene.subagent);
        return SILENT;
      case 'begin':
      case 'note':
        return SILENT;
      case 'end':
        if (ours) await ports.hookSessions.end(session, deed.reason ?? 'the agent ended its session');
        return SILENT;
      case 'subagent':
        accumulate(mediation, session, 'claim', { text: `subagent ${deed.name}: ${deed.state}` });
        await record(mediation, session, 'session', {
          event: 'subagent',
          identity: identityPart(session.identity),
          subagent: deed.name,
          state: deed.state,
        });
        return SILENT;
      default:
        return deed satisfies never;
    }
  }

  /**
   * What a person typed is what the session is for (R2.d); what a model wrote for a subagent is a claim. What the person said when the
   * session was begun, or in the app, stands above what an agent hands on.
   */
  async function notePrompt(session: Session, text: string, subagent: string | null): Promise<void> {
    const at = mediation.clock.now();
    if (subagent !== null || text.trim() === '') {
      accumulate(mediation, session, 'claim', { text });
      session.claim = { text, at };
      return;
    }
    const before = session.intent;
    if (before !== null && before.source !== 'prompt') return;
    session.intent = { text, source: 'prompt', at };
    accumulate(mediation, session, 'intent', { text, source: 'prompt' });
    const recorded = await record(mediation, session, 'session', {
      event: 'intent',
      identity: identityPart(session.identity),
      request: { text, source: 'prompt', at },
    });
    if (!recorded.ok) return;
    mediation.deferrals.factArrived(session.id, 'request', 'intent_supplied');
  }

  /** Every part of a call is judged, in order; the first that is denied denies all of it. */
  async function judge(
    session: Session,
    event: HookEvent,
    deed: BeforeDeed,
    asker: HookAsker,
  ): Promise<HookVerdict> {
    const running: ActionId[] = [];
    let changed: HookVerdict | null = null;
    for (const call of deed.calls) {
      for (const envelope of envelopesOf(session, event, call)) {
        const answer = await mediate(mediation, { session, envelope, ...asker });
        const verdict = verdictOf(answer);
        if (verdict.result === 'DENY' || (verdict.result === 'MODIFY' && deed.calls.length > 1)) {
          await takeBack(session, running);
          return verdict.result === 'DENY'
            ? verdict
            : {
                result: 'DENY',
                reason: 'a part of it would have to be changed, and it can only be let through whole',
              };
        }
        if (verdict.result === 'MODIFY') changed = verdict;
        if (answer.action !== null) running.push(answer.action);
      }
    }
    const of = calls.get(session) ?? new Map<string, readonly ActionId[]>();
    calls.set(session, of);
    of.set(keyOf(deed), running);
    if (of.size > MAX_CALLS) {
      const [oldest] = of.keys();
      if (oldest !== undefined) of.delete(oldest);
    }
    return changed ?? { result: 'ALLOW' };
  }

  /** Parts that were allowed before another was denied: the agent does none of it. */
  async function takeBack(session: Session, ids: readonly ActionId[]): Promise<void> {
    for (const id of ids) {
      const running = session.running.get(id);
      if (running === undefined) continue;
      session.running.delete(id);
      await record(mediation, session, 'outcome', {
        decision_receipt: running.receipt,
        action_id: id,
        identity: identityPart(session.identity),
        outcome: {
          result: 'not_executed',
          error: 'another part of the same tool call was denied',
          ended_at: mediation.clock.now(),
        },
      });
    }
  }

  /** A file whose content acts later is two questions: what the content will do, and the change itself. */
  function envelopesOf(session: Session, { scene }: HookEvent, call: ToolCall): readonly HookEnvelope[] {
    const common = { surface: 'hook', cwd: scene.cwd, subagent: scene.subagent } as const;
    const path = call.kind === 'file' ? resolve(scene.cwd ?? session.workspace ?? '/', call.path) : null;
    const exists = path !== null && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const plain: HookEnvelope = { ...common, call, exists, given: null };
    if (call.kind !== 'file' || path === null || call.operation === 'read') return [plain];
    const late = lateOf(session, call.change, path);
    return late === null ? [plain] : [{ ...common, call, exists, given: late }, plain];
  }

  function lateOf(session: Session, change: FileChange, path: string): Action | null {
    const kind = lateKind(path, session);
    if (kind === null) return null;
    const before = contentOf(readLateFile(path));
    return buildLateAction(
      {
        id: `act_${mediation.random.token(12)}` as ActionId,
        sessionId: session.id,
        at: mediation.clock.now(),
        kind,
        path,
        before,
        after: contentAfter(before, change, ports.hasher),
        home: session.home,
        user: session.identity.human.name,
        workspace: session.workspace,
      },
      ports.knowledge,
      ports.hasher,
    );
  }

  return {
    async answer(session, question, asker) {
      try {
        return await answerOrThrow(session, question, asker);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : 'unknown failure';
        ports.refusals.refuse('hook', 'internal', `${question.agent} ${question.event}: ${why}`);
        return denied(question, 'the firewall itself failed');
      }
    },
  };
}

/** What a file holds after a change, as far as it can be worked out. */
function contentAfter(before: LateContent, change: FileChange, hasher: Hasher): LateContent {
  const held = (text: string): LateContent => ({ kind: 'text', text, digest: hasher.sha256(text) });
  switch (change.kind) {
    case 'whole':
      return held(change.text);
    case 'edits': {
      if (before.kind === 'unread') return before;
      let text = before.kind === 'text' ? before.text : '';
      for (const { before: was, after, all } of change.edits) {
        if (was === '' && text === '') text = after;
        else if (!text.includes(was))
          return { kind: 'unread', why: 'what it replaces is not in the file', digest: null };
        else text = all ? text.replaceAll(was, () => after) : text.replace(was, () => after);
      }
      return held(text);
    }
    case 'unseen':
      return { kind: 'unread', why: change.why, digest: null };
    case 'none':
    case 'moved':
      return { kind: 'none' };
    default:
      return change satisfies never;
  }
}

function verdictOf(answer: Answer): HookVerdict {
  const reason = denialText(answer.reason, answer.rule, answer.instead).trimEnd();
  switch (answer.result) {
    case 'ALLOW':
      return { result: 'ALLOW' };
    case 'DENY':
      return { result: 'DENY', reason };
    case 'MODIFY': {
      const commandLine = answer.commandLine ?? (answer.argv === null ? null : wordsAsLine(answer.argv));
      return commandLine === null
        ? {
            result: 'DENY',
            reason: 'countersign: denied: it would have to be changed, and it is not said to what',
          }
        : { result: 'MODIFY', reason: answer.reason, commandLine };
    }
    default:
      return answer.result satisfies never;
  }
}

/** How an outcome is matched: by the call's id, or where an agent has none, by what was called. */
function keyOf(deed: Pick<BeforeDeed, 'call' | 'tool' | 'given'>): string {
  return deed.call ?? `${deed.tool} ${JSON.stringify(deed.given)}`;
}

/**
 * A denial of something that could not be understood. Where nothing was about to happen there is nothing to deny, and the agent goes on: its
 * next tool call is judged by itself.
 */
function denied(question: HookQuestion, why: string): HookReply {
  const deed: BeforeDeed = { kind: 'before', tool: '', given: {}, call: null, calls: [] };
  if (!isBlocking(question.event)) return { stdout: '', stderr: denialText(why, null, null), status: 0 };
  const reason = denialText(why, null, null).trimEnd();
  return HOOK_ADAPTERS[question.agent].answer(question.event, deed, { result: 'DENY', reason });
}

/** Events at which nothing is about to happen; every other name counts as one at which something is. The shim has the same list. */
const UNBLOCKING =
  /^(?:Session|session|Post|post|After|after|Notification|notification|Stop|stop|Subagent|subagent|UserPrompt|userPrompt|beforeSubmit|BeforeAgent|pre_user|Pre(?:Compact|Compress)|preCompact|agentStop|errorOccurred)/;

export function isBlocking(event: string): boolean {
  return !UNBLOCKING.test(event);
}
