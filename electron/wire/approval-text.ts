import type { ApprovalView } from './control.ts';
import { clip, visible, visibleLine } from './terminal-text.ts';

/** How an approval is shown on a terminal: every line of agent text stands behind a bar that we draw. */
export interface TextStyle {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly alarm: (text: string) => string;
}

export const PLAIN_STYLE: TextStyle = { bold: (t) => t, dim: (t) => t, alarm: (t) => t };

/** Colours for terminals. */
export const ANSI_STYLE: TextStyle = {
  bold: (t) => `\u001b[1m${t}\u001b[22m`,
  dim: (t) => `\u001b[2m${t}\u001b[22m`,
  alarm: (t) => `\u001b[1;31m${t}\u001b[22;39m`,
};

const MAX_TEXT_LINES = 24;

/** Lines that show one approval whole (AARM R4.s4): what, why, for whom, after what, and until when. */
export function approvalLines(view: ApprovalView, now: number, style: TextStyle): readonly string[] {
  const kind = view.origin === 'step_up' ? 'STEP_UP' : 'DEFER → asks you';
  const left = Math.max(0, Math.ceil((view.deadline - now) / 1000));
  const lines = [
    `${style.bold(`[${view.handle}] ${kind}`)}  ${view.risk} risk, ${left} s until it is denied`,
    '',
    ...quoted(view.action.text, style),
    `  in ${visibleLine(view.action.cwd ?? 'an unknown directory')}`,
    '',
    `${style.bold('Why')}      ${visibleLine(view.policy.reason)}`,
  ];
  if (view.question !== null)
    lines.push(`${style.bold('Question')} ${style.alarm(visibleLine(view.question))}`);
  if (view.policy.instead !== null)
    lines.push(`${style.bold('Instead')}  ${visibleLine(view.policy.instead)}`);
  if (view.policy.rule !== null) {
    const title = view.policy.title === null ? '' : ` — ${visibleLine(view.policy.title)}`;
    lines.push(`${style.bold('Rule')}     ${visibleLine(view.policy.rule)}${title}`);
  }
  const flagged = view.action.commands.filter((command) => command.flagged);
  if (flagged.length > 0 && view.action.commands.length > 1) {
    lines.push(`${style.bold('Part')}     ${flagged.map((c) => visibleLine(clip(c.text, 100))).join(' · ')}`);
  }
  const [first, ...rest] = view.action.effects;
  if (first !== undefined) lines.push(`${style.bold('Effects')}  ${visibleLine(first)}`);
  for (const effect of rest.slice(0, 7)) lines.push(`         ${visibleLine(effect)}`);
  if (rest.length > 7) lines.push(`         … and ${rest.length - 7} more`);
  lines.push(
    `${style.bold('Asked')}    ${view.request === null ? 'nobody said what this session is for' : `“${visibleLine(clip(view.request, 300))}”`}`,
  );
  if (view.claim !== null)
    lines.push(
      `${style.bold('Claims')}   ${style.dim(`the agent says: “${visibleLine(clip(view.claim, 200))}”`)}`,
    );
  lines.push(
    `${style.bold('Who')}      ${visibleLine(view.identity.agent)} for ${visibleLine(view.identity.human)} (${view.identity.binding}), session ${view.session}`,
    `${style.bold('Data')}     ${view.data_classes.length > 0 ? view.data_classes.join(', ') : 'nothing classified was read'}`,
    `${style.bold('Sure')}     confidence ${view.confidence}, distance ${view.distance ?? 'unknown'}, policy ${view.policy.version} ${view.policy.hash.slice(0, 12)}`,
  );
  const prior = view.prior_actions.slice(-5);
  if (prior.length > 0) lines.push(style.bold('Before'));
  for (const p of prior)
    lines.push(
      `         ${p.decision.padEnd(7)} ${visibleLine(clip(p.summary, 90))}${p.result === null ? '' : ` → ${p.result}`}`,
    );
  if (view.session_pattern !== null)
    lines.push(
      `${style.bold('Session')}  “for this session” would allow: ${visibleLine(view.session_pattern)}`,
    );
  return lines;
}

/** One line for a list. */
export function approvalLine(view: ApprovalView, now: number, width: number): string {
  const left = Math.max(0, Math.ceil((view.deadline - now) / 1000));
  return clip(
    `[${view.handle}] ${view.origin === 'step_up' ? 'STEP_UP' : 'DEFER  '} ${String(left).padStart(4)} s  ${visibleLine(view.action.text)}`,
    width,
  );
}

function quoted(text: string, style: TextStyle): readonly string[] {
  const lines = visible(text).split('\n');
  const shown = lines.slice(0, MAX_TEXT_LINES).map((line) => `  │ ${style.alarm(clip(line, 400))}`);
  return lines.length > MAX_TEXT_LINES
    ? [...shown, `  │ … ${lines.length - MAX_TEXT_LINES} more lines`]
    : shown;
}
