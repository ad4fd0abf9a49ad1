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

/** How much of the agent's text is shown, on lines of how many columns: broken by us, or the terminal would go on past our bar. */
export interface TextExtent {
  readonly whole: boolean;
  readonly columns: number;
}

const USUAL: TextExtent = { whole: false, columns: 80 };
const HEAD_LINES = 18;
const TAIL_LINES = 6;

/** Lines that show one approval whole (AARM R4.s4): what, why, for whom, after what, and until when. */
export function approvalLines(
  view: ApprovalView,
  now: number,
  style: TextStyle,
  extent: TextExtent = USUAL,
): readonly string[] {
  const kind = view.origin === 'step_up' ? 'STEP_UP' : 'DEFER → asks you';
  const left = Math.max(0, Math.ceil((view.deadline - now) / 1000));
  const lines = [
    `${style.bold(`[${view.handle}] ${kind}`)}  ${view.risk} risk, ${left} s until it is denied`,
    '',
    ...quoted(view, style, extent),
    // A request comes from no directory.
    ...(view.action.surface === 'http' && view.action.cwd === null
      ? []
      : [`  in ${visibleLine(view.action.cwd ?? 'an unknown directory')}`]),
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
    lines.push(`${style.bold('Part')}     ${flagged.map((c) => visibleLine(ends(c.text, 100))).join(' · ')}`);
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
  for (const { source, level } of view.flows.slice(0, 4))
    lines.push(
      `${style.bold('Carries')}  ${style.alarm(`a value read from ${visibleLine(source)} (${level})`)}`,
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

/**
 * The agent's own text. What does not fit is left out of the middle, never off the end, and said aloud: a dangerous tail must not
 * hide behind a long harmless line.
 */
function quoted(view: ApprovalView, style: TextStyle, extent: TextExtent): readonly string[] {
  const lines = visible(view.action.text)
    .split('\n')
    .flatMap((line) => broken(line, Math.max(20, extent.columns - 6)));
  const bar = (line: string) => `  │ ${style.alarm(line)}`;
  const left = lines.length - HEAD_LINES - TAIL_LINES;
  if (extent.whole || left <= 1) return lines.map(bar);
  return [
    ...lines.slice(0, HEAD_LINES).map(bar),
    `  ┆ ${style.bold(`${left} lines are not shown here; see them all: countersign approve ${view.handle}`)}`,
    ...lines.slice(-TAIL_LINES).map(bar),
  ];
}

function broken(line: string, columns: number): readonly string[] {
  const pieces: string[] = [];
  let piece = '';
  let width = 0;
  for (const character of line.replaceAll('\t', '    ')) {
    // Hangul, Han and most of what is newer may take two columns.
    const own = (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
    if (width + own > columns) {
      pieces.push(piece);
      piece = '';
      width = 0;
    }
    piece += character;
    width += own;
  }
  return [...pieces, piece];
}

/** Both ends of a text of more than `width` columns. */
function ends(text: string, width: number): string {
  const points = [...text];
  if (points.length <= width) return text;
  const half = Math.floor((width - 3) / 2);
  return `${points.slice(0, half).join('')} … ${points.slice(-half).join('')}`;
}
