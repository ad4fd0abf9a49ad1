import type { TextStyle } from './approval-text.ts';
import { decisionText, type ReceiptRow } from './receipt-view.ts';
import { clip, visibleLine } from './terminal-text.ts';

/** Where lines are shown. INVARIANT (T9): nothing of a receipt reaches a line but through `visible` or `visibleLine`. */
export interface Screen {
  readonly style: TextStyle;
  /** Columns; null when lines are never cut. */
  readonly width: number | null;
  /** A moment in the reader's own time zone. */
  readonly clock: (at: number) => string;
}

const MIN_TEXT = 24;

/** The part of a session's id that tells it from others at a glance. */
function shortSession(session: string | null): string {
  return session === null ? '-' : session.replace(/^sess_/, '').slice(0, 6);
}

function coloured(text: string, row: ReceiptRow, style: TextStyle): string {
  if (row.result === 'DENY') return style.alarm(text);
  return row.result === 'ALLOW' && row.decided === 'ALLOW' ? text : style.bold(text);
}

/** One line of a listing: when, where, what was decided and ended as, what it was, by which rule, what came of it. */
export function rowLine(row: ReceiptRow, screen: Screen): string {
  const { style, width, clock } = screen;
  const tool =
    row.tool === null ? '-' : row.tool === row.surface ? row.tool : `${row.surface ?? '?'}/${row.tool}`;
  const head = [
    clock(row.at),
    String(row.seq).padStart(6),
    visibleLine(shortSession(row.session)).padEnd(6),
  ].join('  ');
  const decided = visibleLine(decisionText(row)).padEnd(13);
  const place = clip(visibleLine(tool), 16).padEnd(6);
  const rule = row.rule === null ? '' : `  [${visibleLine(row.rule)}]`;
  const waits = row.outcome === null && (row.result === 'ALLOW' || row.result === 'MODIFY');
  const outcome = row.outcome !== null ? `  ${visibleLine(row.outcome.text)}` : waits ? '  no outcome' : '';
  const room =
    width === null
      ? null
      : width - head.length - decided.length - place.length - 6 - rule.length - outcome.length;
  const text = visibleLine(row.text);
  const shown = room === null ? text : clip(text, Math.max(MIN_TEXT, room));
  const line = `${style.dim(head)}  ${coloured(decided, row, style)}  ${place}  ${shown}${style.dim(rule)}${outcome}`;
  return line;
}
