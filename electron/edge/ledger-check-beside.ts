import type { Digest, Json, SessionId } from '../core/brand.ts';
import { hasIdShape } from '../core/brand.ts';
import { hexOfBytes } from '../core/receipt/bytes.ts';
import { canonical } from '../core/receipt/canonical.ts';
import { commitmentsIn, opens } from '../core/receipt/commitment.ts';
import { EMPTY_CONTEXT, entryFault, referenceAfter } from '../core/receipt/context-chain.ts';
import { type Finding, faultAt, type Place } from '../core/receipt/finding.ts';
import type { ContextReference, Receipt } from '../core/receipt/receipt.ts';
import { parseContextText, parseReceiptText } from '../wire/receipt-file.ts';
import { nodeHasher } from './hasher.ts';
import type { LedgerDatabase } from './ledger-file.ts';

/** The part of the whole check that is about what stands beside receipts: context entries and openings. */

const PAGE = 512;

/** A session's name as it may reach a terminal: the column of a file from elsewhere can hold anything. */
function nameOf(session: string): string {
  return hasIdShape('sess', session) ? `session \`${session}\`` : 'a session without a proper name';
}

interface ContextRow {
  readonly rowid: number;
  readonly session: SessionId;
  readonly seq: number;
  readonly receipt: number;
  readonly entry: string;
  readonly hash: Uint8Array;
}

/** Follows the entries that came with each receipt, in the order in which both were written (R2.f). */
export function contextCheck(
  db: LedgerDatabase,
  lastReceipt: number,
): {
  take(receipt: Receipt): readonly Finding[];
  end(): readonly Finding[];
  count(): number;
} {
  const heads = new Map<SessionId, ContextReference>();
  const page = db.prepare(
    `select rowid, session, seq, receipt, entry, hash from context where rowid > ? and receipt <= ? order by rowid limit ${PAGE}`,
  );
  let rows: readonly ContextRow[] = [];
  let exhausted = false;
  let at = 0;
  let last = 0;
  let count = 0;

  function peek(): ContextRow | null {
    if (at >= rows.length && !exhausted) {
      rows = page.all(last, lastReceipt) as readonly ContextRow[];
      exhausted = rows.length < PAGE;
      at = 0;
    }
    return rows[at] ?? null;
  }

  function takeEntry(row: ContextRow): Finding | null {
    count += 1;
    const place: Place = { seq: row.receipt, id: null };
    const entry = parseContextText(row.entry, hexOfBytes(row.hash) as Digest);
    if (!entry.ok)
      return faultAt('context', place, `entry ${row.seq} of ${nameOf(row.session)}: ${entry.error.message}`);
    const head = heads.get(row.session) ?? EMPTY_CONTEXT;
    const wrong = entryFault(head, entry.value, nodeHasher);
    heads.set(row.session, referenceAfter(entry.value));
    if (wrong !== null) return faultAt('context', place, `${nameOf(row.session)}: ${wrong.message}`);
    if (entry.value.seq !== row.seq)
      return faultAt(
        'context',
        place,
        `entry ${row.seq} of ${nameOf(row.session)} says it is entry ${entry.value.seq}`,
      );
    return null;
  }

  return {
    take({ receipt }) {
      const findings: Finding[] = [];
      const place: Place = { seq: receipt.seq, id: receipt.id };
      for (let row = peek(); row !== null && row.receipt <= receipt.seq; row = peek()) {
        at += 1;
        last = row.rowid;
        const finding = takeEntry(row);
        if (finding !== null) findings.push(finding);
        if (row.receipt !== receipt.seq || row.session !== receipt.session)
          findings.push(
            faultAt(
              'context',
              place,
              `entry ${row.seq} of ${nameOf(row.session)} belongs to no such receipt`,
            ),
          );
      }
      if (receipt.session === null) return findings;
      const head = heads.get(receipt.session);
      if (receipt.context?.length !== head?.length || receipt.context?.head !== head?.head)
        findings.push(
          faultAt(
            'context',
            place,
            `its context is not the ${head?.length ?? 0} entries that are kept for it`,
          ),
        );
      return findings;
    },
    end() {
      const row = peek();
      return row === null
        ? []
        : [faultAt('context', { seq: row.receipt, id: null }, 'there are entries that no receipt covers')];
    },
    count: () => count,
  };
}

interface OpeningRow {
  readonly commitment: string;
  readonly receipt: number;
  readonly salt: string;
  readonly value: string;
}

/** Checks that every opening opens a commitment of the receipt it is kept for. */
export function checkOpenings(db: LedgerDatabase): readonly Finding[] {
  const findings: Finding[] = [];
  const receiptAt = db.prepare('select receipt from receipts where seq = ?').pluck();
  const entriesAt = db.prepare('select entry from context where session = ? and receipt = ?').pluck();
  const rows = db.prepare('select commitment, receipt, salt, value from openings').iterate();
  for (const row of rows as Iterable<OpeningRow>) {
    const place: Place = { seq: row.receipt, id: null };
    const value = openedValue(row.value);
    const commitment = row.commitment as Digest;
    if (value === undefined || !opens({ commitment, salt: row.salt, value }, nodeHasher))
      findings.push(faultAt('commitment', place, 'an opening does not open its commitment'));
    const text = receiptAt.get(row.receipt);
    const receipt = typeof text === 'string' ? parseReceiptText(text) : null;
    if (receipt === null || !receipt.ok) continue;
    const { body, session } = receipt.value;
    const inEntries = () =>
      session !== null &&
      entriesAt.all(session, row.receipt).some((entry) => String(entry).includes(row.commitment));
    if (!commitmentsIn(body).includes(commitment) && !inEntries())
      findings.push(faultAt('commitment', place, 'an opening is of no commitment in its receipt'));
  }
  return findings;
}

function openedValue(text: string): Json | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return canonical(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
