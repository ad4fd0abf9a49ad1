import type { Digest } from '../core/brand.ts';
import { hexOfBytes } from '../core/receipt/bytes.ts';
import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import { type Finding, faultAt, noteAt, type Place, type SignatureClaim } from '../core/receipt/finding.ts';
import type { KeyRecord } from '../core/receipt/key-epoch.ts';
import { rootOf } from '../core/receipt/merkle.ts';
import type { Receipt } from '../core/receipt/receipt.ts';
import { findingList, outcomeLinks, type SealReport } from '../core/receipt/report.ts';
import type { Expectations } from '../core/receipt/verify.ts';
import { placeReceipt, WALK_START, type Walk, type WalkStep } from '../core/receipt/walk.ts';
import { err, ok, type Result } from '../core/result.ts';
import { parseReceiptText } from '../wire/receipt-file.ts';
import { checkBundle } from './bundle-check.ts';
import { nodeHasher } from './hasher.ts';
import { checkOpenings, contextCheck } from './ledger-check-beside.ts';
import {
  columnsOf,
  type FileFault,
  type LedgerDatabase,
  openToRead,
  RECEIPT_COLUMNS,
  type ReceiptRow,
} from './ledger-file.ts';
import { type SignaturePool, signaturePool } from './signature-pool.ts';

/** What to check: a ledger's database file, or an exported bundle. */
export type LedgerSource =
  | { readonly kind: 'database'; readonly path: string }
  | { readonly kind: 'bundle'; readonly path: string };

export interface CheckOptions extends Expectations {
  /** The head that is kept outside, when the caller has it: truncation and rollback show only against it. */
  readonly head?: Checkpoint | null;
  /**
   * `each` (default) checks every signature. `checkpoints` lets a signed checkpoint vouch for those of its own key that its root covers:
   * it finds every change of every byte, and takes the signer's word that each signature was good when it was made.
   */
  readonly signatures?: 'each' | 'checkpoints';
  readonly threads?: number;
  /** Told now and then how much of the file is behind, from 0 to 1: a million receipts take a minute. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Checks a ledger or a bundle whole, and says what is wrong and where (AARM R5; one check for product, verifier and tests).
 * A file that is there and cannot be read is a broken seal; only one that is not there is a fault of the question.
 */
export async function checkLedger(
  source: LedgerSource,
  options: CheckOptions = {},
): Promise<Result<SealReport, FileFault>> {
  if (source.kind === 'bundle') return checkBundle(source.path, options);
  const opened = openToRead(source.path);
  if (!opened.ok) return opened.error.code === 'missing' ? opened : ok(unreadableReport(opened.error));
  const db = opened.value;
  try {
    return ok(await checkDatabase(db, options));
  } finally {
    db.close();
  }
}

/** The report on a file that does not open as what it should be. */
export function unreadableReport(fault: FileFault): SealReport {
  return {
    verdict: 'broken',
    ledger: null,
    receipts: 0,
    contextEntries: 0,
    size: null,
    keys: [],
    breaks: [],
    findings: [faultAt('format', { seq: null, id: null }, fault.message)],
    more: 0,
    signatures: 0,
    vouched: 0,
  };
}

/** Rows are read by pages, not in one long read: that would keep the write-ahead log of a running daemon from ever shrinking. */
const PAGE = 512;

const NOWHERE: Place = { seq: null, id: null };

async function checkDatabase(db: LedgerDatabase, options: CheckOptions): Promise<SealReport> {
  const found = findingList();
  const pool = signaturePool((claim) => found.add([falseClaim(claim)]), options.threads);
  const check = databaseCheck(db, options, pool);
  try {
    await check.run((findings) => found.add(findings));
  } catch (error) {
    // A page that SQLite cannot read is damage, and damage is a finding. What is not SQLite's is our bug, and breaks the seal as well.
    const message = error instanceof Error ? error.message : String(error);
    found.add([
      faultAt('format', { seq: check.size(), id: null }, `the database cannot be read (${message})`),
    ]);
  } finally {
    await pool.end();
  }
  return check.report(found.isBroken(), found.list(), found.more());
}

function falseClaim(claim: SignatureClaim): Finding {
  return faultAt(claim.step, { seq: claim.seq, id: claim.receipt }, claim.message);
}

interface DatabaseCheck {
  run(say: (findings: readonly Finding[]) => void): Promise<void>;
  size(): number;
  report(broken: boolean, findings: readonly Finding[], more: number): SealReport;
}

function databaseCheck(db: LedgerDatabase, options: CheckOptions, pool: SignaturePool): DatabaseCheck {
  const links = outcomeLinks();
  const keys: { key: KeyRecord; from: number }[] = [];
  const vouching = checkpointVouching(options.signatures ?? 'each');
  // What a daemon writes while this runs is left to the next check.
  const lastReceipt = Number(db.prepare('select max(seq) from receipts').pluck().get() ?? -1);
  const contexts = contextCheck(db, lastReceipt);
  const known = [...(options.known ?? []), ...(options.head == null ? [] : [options.head])];
  let walk: Walk = WALK_START;
  let receipts = 0;

  function takeRow(row: ReceiptRow): {
    readonly findings: readonly Finding[];
    readonly step: SignatureClaim[];
  } {
    receipts += 1;
    const read = receiptOfRow(row);
    if (!read.ok) {
      // What this row was cannot be known; the walk goes on behind it, as behind a missing one.
      walk = { ...walk, size: row.seq + 1, prev: null, frontier: null };
      return { findings: [read.error], step: [] };
    }
    const { receipt, findings } = read.value;
    const before = walk.keys.current;
    const step = placeReceipt(walk, receipt, nodeHasher, findings);
    walk = step.walk;
    if (walk.keys.current !== null && walk.keys.current !== before) {
      const { kind, key, seq } = receipt.receipt;
      keys.push({ key: walk.keys.current, from: kind === 'key' && key === before?.id ? seq + 1 : seq });
    }
    links.receipt(receipt);
    return {
      findings: [...step.findings, ...contexts.take(receipt), ...compareKnown(walk, known)],
      step: vouching.take(receipt, step),
    };
  }

  return {
    async run(say) {
      const integrity = db.pragma('integrity_check(10)') as readonly { readonly integrity_check: string }[];
      for (const { integrity_check: message } of integrity)
        if (message !== 'ok') say([faultAt('format', NOWHERE, `the database is damaged: ${message}`)]);
      const page = db.prepare(
        `select ${RECEIPT_COLUMNS} from receipts where seq between ? and ? order by seq limit ${PAGE}`,
      );
      for (let from = 0; ; ) {
        const rows = page.all(from, lastReceipt) as readonly ReceiptRow[];
        if (rows.length === 0) break;
        for (const row of rows) {
          const { findings, step } = takeRow(row);
          say(findings);
          if (step.length > 0) await pool.add(step);
        }
        from = (rows.at(-1)?.seq ?? from) + 1;
        options.onProgress?.(Math.min(1, from / (lastReceipt + 1)));
        // Lets a daemon that checks its own ledger answer in between.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await pool.add(vouching.rest());
      say(contexts.end());
      say(links.findings());
      say(checkOpenings(db));
      say(endFindings(walk, known, options));
    },
    size: () => walk.size,
    report: (broken, findings, more) => ({
      verdict: broken ? 'broken' : 'verified',
      ledger: walk.keys.ledger,
      receipts,
      contextEntries: contexts.count(),
      size: walk.size,
      keys,
      breaks: walk.keys.breaks,
      findings,
      more,
      signatures: pool.checked(),
      vouched: vouching.count(),
    }),
  };
}

/** Reads a row: its text is the truth, and every other column must say the same. */
function receiptOfRow(
  row: ReceiptRow,
): Result<{ readonly receipt: Receipt; readonly findings: readonly Finding[] }, Finding> {
  const place: Place = { seq: row.seq, id: null };
  const parsed = parseReceiptText(row.receipt);
  if (!parsed.ok) {
    const { place: member, message } = parsed.error;
    return err(faultAt('format', place, member === '' ? message : `\`${member}\`: ${message}`));
  }
  const receipt = parsed.value;
  const at: Place = { seq: row.seq, id: receipt.id };
  const findings: Finding[] = [];
  const columns = {
    seq: receipt.seq,
    id: receipt.id,
    kind: receipt.kind,
    session: receipt.session,
    at: receipt.at,
  };
  for (const [name, value] of Object.entries({ ...columns, ...columnsOf(receipt.body) }))
    if (Reflect.get(row, name) !== value)
      findings.push(faultAt('column', at, `column \`${name}\` does not say what the receipt says`));
  if (row.signature.length !== 64 || row.hash.length !== 32)
    findings.push(faultAt('format', at, 'the hash or the signature has a wrong length'));
  const hash = hexOfBytes(row.hash) as Digest;
  // The text is canonical, so hashing it is hashing the receipt's canonical form.
  if (nodeHasher.sha256(row.receipt) !== hash)
    findings.push(faultAt('hash', at, 'the receipt is not what was hashed'));
  const signature = Buffer.from(row.signature).toString('base64url');
  return ok({ receipt: { receipt, hash, signature }, findings });
}

function compareKnown(walk: Walk, known: readonly Checkpoint[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { checkpoint } of known) {
    if (walk.frontier === null || checkpoint.size !== walk.size) continue;
    if (rootOf(walk.frontier, nodeHasher) !== checkpoint.root)
      findings.push(
        faultAt(
          'head',
          { seq: walk.size - 1, id: null },
          `the first ${walk.size} receipts are not those known outside`,
        ),
      );
  }
  return findings;
}

function endFindings(walk: Walk, known: readonly Checkpoint[], options: CheckOptions): readonly Finding[] {
  const findings: Finding[] = [];
  if (walk.size === 0) findings.push(faultAt('sequence', NOWHERE, 'the ledger is empty'));
  for (const { checkpoint } of known) {
    if (checkpoint.ledger !== walk.keys.ledger)
      findings.push(faultAt('head', NOWHERE, `what is known outside is of ledger \`${checkpoint.ledger}\``));
    else if (checkpoint.size > walk.size)
      findings.push(
        faultAt(
          'head',
          NOWHERE,
          `receipts ${walk.size} to ${checkpoint.size - 1} are missing at the end: the ledger was truncated or rolled back`,
        ),
      );
  }
  if (options.head === undefined || options.head === null)
    findings.push(
      noteAt('head', NOWHERE, 'no head from outside was given, so a truncated end would not show'),
    );
  const { expectedKey } = options;
  if (
    expectedKey !== undefined &&
    walk.keys.current?.id !== expectedKey &&
    !walk.keys.retired.has(expectedKey)
  )
    findings.push(faultAt('key', NOWHERE, `no receipt was sealed by the expected key \`${expectedKey}\``));
  return findings;
}

interface Vouching {
  /** Takes a receipt's claims, and gives those that must be checked one by one now. */
  take(receipt: Receipt, step: WalkStep): SignatureClaim[];
  rest(): readonly SignatureClaim[];
  count(): number;
}

/** Holds back claims until a checkpoint of the same key covers them, or shows that it does not. */
function checkpointVouching(mode: 'each' | 'checkpoints'): Vouching {
  const held: SignatureClaim[] = [];
  let vouched = 0;
  if (mode === 'each') return { take: (_, { claims }) => [...claims], rest: () => [], count: () => 0 };
  return {
    take(receipt, { claims, findings, walk }) {
      if (receipt.receipt.kind !== 'checkpoint') {
        // Handing over to another key is checked for itself, always.
        if (receipt.receipt.kind === 'key' || receipt.receipt.kind === 'genesis') return [...claims];
        held.push(...claims);
        // Bounded: a ledger that has no checkpoints gets its signatures checked.
        return held.length > 8192 ? held.splice(0) : [];
      }
      // Its size, root and key were just compared; its own signature is among the claims.
      const covers = walk.frontier !== null && !findings.some(({ step }) => step === 'checkpoint');
      const key = walk.keys.current?.publicKey;
      const now = [...claims];
      for (const claim of held.splice(0))
        if (covers && claim.publicKey === key && claim.step === 'signature') vouched += 1;
        else now.push(claim);
      return now;
    },
    rest: () => held.splice(0),
    count: () => vouched,
  };
}
