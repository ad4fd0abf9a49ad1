import { clip, visibleLine } from './terminal-text.ts';

/** What a program's own terminal is told about a decision; every surface says it in the same words. */

const MAX_SHOWN = 2000;

/** Text from outside on one line of a terminal, bounded. */
export function shownLine(text: string): string {
  return clip(visibleLine(text), MAX_SHOWN);
}

/** A word quoted for a shell, so that it stays exactly this one word. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Why nothing runs, and what may be done instead (AARM R1.d). */
export function denialText(reason: string, rule: string | null, instead: string | null): string {
  const lines = [`countersign: denied: ${shownLine(reason)}${rule === null ? '' : ` [${shownLine(rule)}]`}`];
  if (instead !== null) lines.push(`countersign: instead: ${shownLine(instead)}`);
  return `${lines.join('\n')}\n`;
}

/** What runs in place of what was asked. */
export function changedText(line: string, reason: string, rule: string | null): string {
  return `countersign: changed to \`${shownLine(line)}\`: ${shownLine(reason)}${
    rule === null ? '' : ` [${shownLine(rule)}]`
  }\n`;
}

/** That an action waits, for what, and how a person answers it. `leftMs`: until the deadline, when it is denied. */
export function waitingText(
  waiting: {
    readonly state: 'STEP_UP' | 'DEFER';
    readonly reason: string;
    readonly rule: string | null;
    readonly approval: string | null;
  },
  leftMs: number,
): string {
  const what =
    waiting.state === 'STEP_UP' ? 'waits for your approval' : 'waits until a missing fact is known';
  const how = waiting.approval
    ? `; answer with \`countersign approve ${shownLine(waiting.approval)}\` in another terminal`
    : '; see `countersign approve` in another terminal';
  const rule = waiting.rule === null ? '' : ` [${shownLine(waiting.rule)}]`;
  return `countersign: ${what}: ${shownLine(waiting.reason)}${rule}${how}; denied in ${Math.ceil(leftMs / 1000)} s\n`;
}
