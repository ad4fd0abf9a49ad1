import { join } from 'node:path';
import type { SessionId } from '../../electron/core/brand.ts';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import type { LedgerReader } from '../../electron/edge/ledger-reader.ts';
import type { Places } from '../../electron/wire/places.ts';
import { answeredBy, isWaiting, type Relatives, resultOf } from '../../electron/wire/receipt-view.ts';

/** Where the ledger of this installation is. */
export function ledgerDirectory(places: Places): string {
  return join(places.state, 'ledger');
}

/** How far after a deferral its end is looked for: a busy session writes a few hundred receipts in the minutes it may wait. */
const SEARCHED = 2000;
const PAGE = 200;

/** The receipt that followed a question or a deferral; null while it waits. */
function nextOf(reader: LedgerReader, asked: Receipt): Receipt | null {
  const { id, session, seq } = asked.receipt;
  const approval = reader.answers(id).find((r) => r.receipt.kind === 'approval');
  if (approval !== undefined) return approval;
  if (resultOf(asked) !== 'DEFER' || session === null) return null;
  let after = seq;
  for (let seen = 0; seen < SEARCHED; ) {
    const page = reader.list({ session }, { limit: PAGE, after });
    const found = page.find((r) => r.receipt.body.deferral_receipt === id);
    if (found !== undefined) return found;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return null;
    after = last.receipt.seq;
    seen += page.length;
  }
  return null;
}

/** A deferral may be asked about, and an answer may be deferred: no chain is longer than this, whatever a file says. */
const MAX_CHAIN = 16;

/** Finds what became of a receipt: the answers it waited for, and the outcome of what was let through. */
export function relativesOf(reader: LedgerReader, receipt: Receipt): Relatives {
  const endings: Receipt[] = [];
  let last = receipt;
  while (isWaiting(resultOf(last)) && endings.length < MAX_CHAIN) {
    const next = nextOf(reader, last);
    if (next === null) break;
    endings.push(next);
    last = next;
  }
  const outcome = reader.answers(last.receipt.id).findLast((r) => r.receipt.kind === 'outcome') ?? null;
  return { endings, outcome };
}

/** The receipts before this one that it answers, the oldest first. */
export function originsOf(reader: LedgerReader, receipt: Receipt): readonly Receipt[] {
  const origins: Receipt[] = [];
  let at: Receipt | null = receipt;
  while (at !== null && origins.length < MAX_CHAIN) {
    const id: string | null = answeredBy(at);
    at = id === null ? null : reader.show(id as Receipt['receipt']['id']);
    if (at !== null) origins.unshift(at);
  }
  return origins;
}

/** Finds a session by its id or an unmistakable beginning of it, with or without `sess_`. */
export function findSession(reader: LedgerReader, given: string): Result<SessionId, string> {
  const all = reader.sessions(1000).map((line) => line.session);
  const exact = all.find((id) => id === given);
  if (exact !== undefined) return ok(exact);
  const fitting = all.filter((id) => id.startsWith(given) || id.startsWith(`sess_${given}`));
  const [only] = fitting;
  if (only === undefined) return err(`no session \`${given.slice(0, 80)}\` is in the ledger`);
  return fitting.length === 1
    ? ok(only)
    : err(`\`${given.slice(0, 80)}\` begins ${fitting.length} sessions: ${fitting.slice(0, 5).join(', ')}`);
}
