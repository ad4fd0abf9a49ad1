import type { Digest, JsonObject, SessionId, TimeMs } from '../core/brand.ts';
import type { Hasher, LedgerFault, Random, ReceiptDraft } from '../core/ports.ts';
import { bytesOfHex } from '../core/receipt/bytes.ts';
import { canonicalForm } from '../core/receipt/canonical.ts';
import { type ChainHead, linkReceipt, ORIGIN, signedBytes } from '../core/receipt/chain.ts';
import { type Checkpoint, type CheckpointBody, checkpointHash } from '../core/receipt/checkpoint.ts';
import { opens } from '../core/receipt/commitment.ts';
import { appendLeaf, type Frontier, leafOf, rootOf } from '../core/receipt/merkle.ts';
import type { ContextReference, Receipt, ReceiptKind } from '../core/receipt/receipt.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { SigningKeys } from './keys.ts';
import { contextHeadOf, type LedgerDatabase, type ReceiptRow, receiptIdOf, rowOf } from './ledger-file.ts';
import { frontierText } from './ledger-tail.ts';

/** Stage and commit: what a batch of receipts will be, and putting it on disk whole. */

/** Where a ledger stands. */
export interface LedgerState {
  readonly ledger: string;
  readonly chain: ChainHead;
  readonly frontier: Frontier;
  /** Size that the newest checkpoint receipt covers. */
  readonly checkpointed: number;
}

export interface WriterParts {
  readonly keys: SigningKeys;
  readonly hasher: Hasher;
  readonly random: Random;
  readonly maxReceiptBytes: number;
}

interface ContextRow {
  readonly session: string;
  readonly seq: number;
  readonly entry: string;
  readonly hash: Uint8Array;
}

/** One receipt with all that becomes durable with it. */
export interface StagedReceipt {
  readonly receipt: Receipt;
  readonly row: ReceiptRow;
  readonly context: readonly ContextRow[];
  readonly draft: ReceiptDraft | null;
  readonly frontier: Frontier | null;
}

export interface StagedStep {
  readonly staged: StagedReceipt;
  readonly state: LedgerState;
}

export interface AppendFault {
  readonly code: LedgerFault;
  readonly message: string;
}

/** Heads of the contexts a batch may continue; looked up once, kept while the batch is staged and after it is durable. */
export interface ContextHeads {
  get(session: SessionId): ContextReference | null;
  set(session: SessionId, head: ContextReference): void;
  forget(): void;
}

/** More sessions than this at once only cost a look-up each. */
const MAX_SESSIONS = 4096;

/** Context heads over the file, with a bounded memory. */
export function contextHeads(db: () => LedgerDatabase): ContextHeads {
  const known = new Map<SessionId, ContextReference | null>();
  return {
    get(session) {
      const found = known.get(session);
      if (found !== undefined) return found;
      const read = contextHeadOf(db(), session);
      if (known.size >= MAX_SESSIONS) known.clear();
      known.set(session, read);
      return read;
    },
    set: (session, head) => void known.set(session, head),
    forget: () => known.clear(),
  };
}

function unrecordable(message: string): { readonly ok: false; readonly error: AppendFault } {
  return err({ code: 'unrecordable', message });
}

/** Checks that entries continue their session's context, and gives their rows and the new head (R2.f). */
function stageContext(
  draft: ReceiptDraft,
  heads: ContextHeads,
  hasher: Hasher,
): Result<{ readonly rows: readonly ContextRow[]; readonly head: ContextReference | null }, AppendFault> {
  const { session, contextEntries = [] } = draft;
  if (session === null)
    return contextEntries.length === 0
      ? ok({ rows: [], head: null })
      : unrecordable('context entries belong to a session');
  let head = heads.get(session);
  const rows: ContextRow[] = [];
  for (const given of contextEntries) {
    const { seq, prev, hash, at, kind, body } = given;
    const expected = head ?? { length: 0, head: ORIGIN };
    if (seq !== expected.length || prev !== expected.head)
      return unrecordable(`context entry \`${String(seq)}\` does not continue session \`${session}\``);
    const form = canonicalForm({ seq, prev, at, kind, body });
    if (!form.ok) return unrecordable(`context entry ${seq} has no canonical form at \`${form.error.path}\``);
    const digest = hasher.sha256(form.value);
    if (digest !== hash) return unrecordable(`context entry ${seq} is not what was hashed`);
    rows.push({ session, seq: expected.length, entry: form.value, hash: bytesOfHex(digest) });
    head = { length: expected.length + 1, head: digest };
  }
  return ok({ rows, head });
}

/** Gives one draft its place, signature and rows; nothing is written. The reason of a refusal is the draft's own. */
export function stageDraft(
  state: LedgerState,
  draft: ReceiptDraft,
  heads: ContextHeads,
  parts: WriterParts,
): Result<StagedStep, AppendFault> {
  const openings = draft.openings ?? [];
  if (!openings.every((opening) => opens(opening, parts.hasher)))
    return unrecordable('an opening does not open its commitment');
  const context = stageContext(draft, heads, parts.hasher);
  if (!context.ok) return context;
  const { kind, at, session, body } = draft;
  const placed = stageReceipt(state, { kind, at, session, body, context: context.value.head }, parts);
  if (!placed.ok) return placed;
  const { staged, state: next } = placed.value;
  if (session !== null && context.value.head !== null && context.value.rows.length > 0)
    heads.set(session, context.value.head);
  return ok({ staged: { ...staged, context: context.value.rows, draft }, state: next });
}

interface Statement {
  readonly kind: ReceiptKind;
  readonly at: TimeMs;
  readonly session: SessionId | null;
  readonly body: JsonObject;
  readonly context: ContextReference | null;
}

/** Gives a statement of the ledger itself its place and signature. */
export function stageReceipt(
  state: LedgerState,
  statement: Statement,
  parts: WriterParts,
): Result<StagedStep, AppendFault> {
  const id = receiptIdOf(state.chain.size, parts.random.token(9));
  const linked = linkReceipt(state.chain, { ...statement, id, key: parts.keys.keyId }, parts.hasher);
  if (!linked.ok)
    return unrecordable(
      `the receipt has no canonical form at \`${linked.error.path}\` (${linked.error.code})`,
    );
  const { receipt, text, hash, head } = linked.value;
  if (Buffer.byteLength(text) > parts.maxReceiptBytes)
    return unrecordable(`the receipt is larger than ${parts.maxReceiptBytes} bytes`);
  const signature = parts.keys.sign(signedBytes(hash));
  const frontier = appendLeaf(state.frontier, leafOf({ hash, signature }), parts.hasher);
  return ok({
    staged: {
      receipt: { receipt, hash, signature },
      row: rowOf(receipt, text, hash, signature),
      context: [],
      draft: null,
      frontier: null,
    },
    state: { ...state, chain: head, frontier },
  });
}

/** Signs what the ledger looks like now (R5.h). Not of an empty ledger. */
export function checkpointOf(state: LedgerState, at: TimeMs, parts: WriterParts): Checkpoint {
  const checkpoint: CheckpointBody = {
    v: 1,
    type: 'checkpoint',
    ledger: state.ledger,
    size: state.chain.size,
    root: rootOf(state.frontier, parts.hasher),
    head: state.chain.hash,
    at,
    key: parts.keys.keyId,
  };
  const hash: Digest = checkpointHash(checkpoint, parts.hasher);
  return { checkpoint, signature: parts.keys.sign(signedBytes(hash)) };
}

/** Stages a checkpoint receipt over all that is there, with the tree's frontier beside it for the next start. */
export function stageCheckpoint(state: LedgerState, at: TimeMs, parts: WriterParts): StagedStep {
  const { checkpoint, signature } = checkpointOf(state, at, parts);
  const body: JsonObject = { checkpoint: { checkpoint: { ...checkpoint }, signature } };
  const step = stageReceipt(state, { kind: 'checkpoint', at, session: null, body, context: null }, parts);
  if (!step.ok) throw new Error(`a checkpoint cannot be staged: ${step.error.message}`);
  return {
    staged: { ...step.value.staged, frontier: state.frontier },
    state: { ...step.value.state, checkpointed: state.chain.size },
  };
}

/** Writes batches; one per connection, so that statements are prepared once. */
export interface BatchWriter {
  /** Commits a batch whole: when it returns it is durable, when it throws none of it is known to be. */
  commit(batch: readonly StagedReceipt[]): void;
}

/** Prepares the statements of a connection. */
export function batchWriter(db: LedgerDatabase): BatchWriter {
  const begin = db.prepare('begin immediate');
  const commit = db.prepare('commit');
  const rollback = db.prepare('rollback');
  const insertReceipt = db.prepare(
    `insert into receipts values (@seq, @id, @kind, @session, @at, @decision, @tool, @action, @answers,
     @receipt, @hash, @signature)`,
  );
  const insertContext = db.prepare('insert into context values (?, ?, ?, ?, ?)');
  const insertFrontier = db.prepare('insert into frontiers values (?, ?)');
  const insertOpening = db.prepare('insert or ignore into openings values (?, ?, ?, ?)');
  const insert = (one: StagedReceipt) => {
    const { seq } = one.row;
    insertReceipt.run(one.row);
    for (const entry of one.context)
      insertContext.run(entry.session, entry.seq, seq, entry.entry, entry.hash);
    if (one.frontier !== null) insertFrontier.run(one.frontier.size, frontierText(one.frontier));
    for (const { commitment, salt, value } of one.draft?.openings ?? []) {
      const form = canonicalForm(value);
      if (form.ok) insertOpening.run(commitment, seq, salt, form.value);
    }
  };
  return {
    commit(batch) {
      begin.run();
      try {
        for (const one of batch) insert(one);
        commit.run();
      } catch (error) {
        // SQLite has rolled back by itself after the graver errors; then there is nothing left to undo.
        if (db.inTransaction) rollback.run();
        throw error;
      }
    },
  };
}
