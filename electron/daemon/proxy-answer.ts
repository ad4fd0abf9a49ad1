import type { TimeMs } from '../core/brand.ts';
import { denialText, waitingText } from '../wire/answer-text.ts';
import type { DaemonToProxy, Swap } from '../wire/proxy-message.ts';
import type { Answer, WaitingNotice } from './mediation.ts';

export type ProxyReply = Extract<DaemonToProxy, { readonly kind: 'answer' }>;

/** The answer that lets one question of the proxy go out; its end is owed. `action` is the question's own, also where it is an effect of another. */
export function allowText(id: number, answer: Answer, action: string, swaps: readonly Swap[]): ProxyReply {
  const { rule, receipt } = answer;
  return {
    kind: 'answer',
    id,
    result: 'ALLOW',
    message: '',
    action,
    rule,
    receipt,
    reportEnd: true,
    swaps,
  };
}

/** The answer that stops one question of the proxy, with the reason in the words of every other surface. */
export function denyText(
  id: number,
  reason: string,
  rule: string | null,
  instead: string | null,
  action: string | null,
  receipt: string | null,
): ProxyReply {
  const message = denialText(reason, rule, instead);
  return { kind: 'answer', id, result: 'DENY', message, action, rule, receipt, reportEnd: false, swaps: [] };
}

/** What the proxy is told while a question waits. */
export function waitText(id: number, notice: WaitingNotice, now: TimeMs): DaemonToProxy {
  const leftMs = Math.max(1, notice.deadline - now);
  return { kind: 'waiting', id, message: waitingText(notice, leftMs), leftMs };
}
