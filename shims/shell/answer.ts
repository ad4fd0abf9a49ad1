import { changedText, denialText, quoted, waitingText } from '../../electron/wire/answer-text.ts';
import type { SubmitReply } from '../../electron/wire/submit.ts';

import { type Field, field } from './frame.ts';

export type Decided = Extract<SubmitReply, { type: 'decision' }>;
export type Waiting = Extract<SubmitReply, { type: 'waiting' }>;

/** What a shell must run in place of what it asked about; for a MODIFY only. */
export function shellLine(decision: Decided): string {
  return decision.command_line ?? (decision.argv ?? []).map(quoted).join(' ');
}

/** The frame that tells a shim to run nothing, and why (R1.d). */
export function denial(
  reason: string,
  rule: string | null = null,
  instead: string | null = null,
): readonly Field[] {
  return [field('D', 'DENY'), field('m', denialText(reason, rule, instead))];
}

/** The frame for a final decision. A MODIFY without anything to run is a denial: never the original. */
export function answerTo(decision: Decided): readonly Field[] {
  switch (decision.result) {
    case 'ALLOW':
      return [field('D', 'ALLOW'), field('t', '1')];
    case 'DENY':
      return denial(decision.reason, decision.rule, decision.instead);
    case 'MODIFY': {
      const argv = decision.argv ?? [];
      if (decision.command_line === null && argv.length === 0)
        return denial('the decision was MODIFY, but it does not say what to run instead', decision.rule);
      const notice = changedText(shellLine(decision), decision.reason, decision.rule);
      return [
        field('D', 'MODIFY'),
        field('t', '1'),
        field('m', notice),
        ...(decision.command_line !== null
          ? [field('l', decision.command_line)]
          : argv.map((word) => field('a', word))),
      ];
    }
    default:
      return denial('the decision is of no known kind');
  }
}

/** The frame for an asker that can do what it asked about or nothing: a change is a denial that says what to do instead. */
export function plainAnswer(decision: Decided): readonly Field[] {
  switch (decision.result) {
    case 'ALLOW':
      return [field('D', 'ALLOW')];
    case 'MODIFY':
      return denial(decision.reason, decision.rule, shellLine(decision) || decision.instead);
    case 'DENY':
      return denial(decision.reason, decision.rule, decision.instead);
    default:
      return denial('the decision is of no known kind');
  }
}

/** The frame that keeps a shim waiting, and tells the person once how to answer. `leftMs`: until the deadline. */
export function waitingFor(waiting: Waiting, leftMs: number, named: boolean): readonly Field[] {
  return [
    field('w', named ? '' : waitingText(waiting, leftMs)),
    field('d', String(Math.max(1, Math.round(leftMs)))),
  ];
}
