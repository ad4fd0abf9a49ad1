import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { TimeMs } from '../core/brand.ts';
import type { Ledger, ReceiptDraft } from '../core/ports.ts';
import { type ChainHead, EMPTY_CHAIN, signedBytes } from '../core/receipt/chain.ts';
import type { Checkpoint } from '../core/receipt/checkpoint.ts';
import {
  beginningBody,
  genesisBody,
  type KeyKept,
  possessionHash,
  rotationBody,
} from '../core/receipt/key-epoch.ts';
import { EMPTY_FRONTIER } from '../core/receipt/merkle.ts';
import type { Receipt } from '../core/receipt/receipt.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { KeyFault } from './keys.ts';
import {
  type Begun,
  beginLedger,
  DEFAULT_LIMITS,
  type LedgerLimits,
  type LedgerOpenFault,
  type LedgerOptions,
} from './ledger-begin.ts';
import { type LedgerDatabase, ledgerPath, newestKey, openToWrite, writeFault } from './ledger-file.ts';
import { headKeeper } from './ledger-head.ts';
import { type LedgerLock, lockLedger } from './ledger-lock.ts';
import {
  type AppendFault,
  type BatchWriter,
  batchWriter,
  checkpointOf,
  contextHeads,
  type LedgerState,
  type StagedReceipt,
  stageCheckpoint,
  stageDraft,
  stageReceipt,
  type WriterParts,
} from './ledger-writer.ts';

export interface LedgerStatus {
  readonly state: 'ready' | 'broken' | 'closed';
  /** Why it is broken; null when it is not. */
  readonly fault: AppendFault | null;
  readonly ledger: string;
  readonly size: number;
  readonly keyId: string;
  readonly keyKept: KeyKept;
  /** Where the key is kept, when that is less than a keychain; shown wherever receipts are. */
  readonly notice: string | null;
  readonly waiting: number;
  /** Size of the newest head that is known to be outside the database. */
  readonly headSize: number;
  readonly headPlace: string;
  /** Why the head could not be written outside; null when it could. */
  readonly headProblem: string | null;
}

export interface OpenLedger extends Ledger {
  /** Replaces the signing key; the old one signs the change and stays in the ledger (AARM R5.k). */
  rotateKey(): Promise<Result<Receipt, AppendFault | KeyFault>>;
  /** How many receipts there are, and the newest one's hash. */
  head(): ChainHead;
  /** Signs what the ledger looks like now, for an export. */
  checkpoint(): Result<Checkpoint, AppendFault>;
  status(): LedgerStatus;
  /** Writes what waits, a last checkpoint and the head, and lets go. */
  close(): Promise<void>;
}

export type { LedgerLimits, LedgerOpenFault, LedgerOptions } from './ledger-begin.ts';

interface Waiting {
  readonly draft: ReceiptDraft;
  readonly settle: (result: Result<Receipt, AppendFault>) => void;
}

/** `broken` remembers the state a failed commit would have led to: the disk may have taken it all the same. */
type Condition =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'broken';
      readonly fault: AppendFault;
      readonly retryAtMs: number;
      readonly doubtful: { readonly state: LedgerState; readonly from: number } | null;
      readonly final: boolean;
    }
  | { readonly kind: 'closed' };

const OWN_KINDS: ReadonlySet<string> = new Set(['genesis', 'key', 'checkpoint']);

/**
 * Opens the ledger in `dir`, beginning it when there is none, after the quick check of what is there (AARM R5).
 * INVARIANT (durable before the reply): `append` resolves with a receipt only when a commit of it returned.
 */
export async function openLedger(options: LedgerOptions): Promise<Result<OpenLedger, LedgerOpenFault>> {
  try {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
  } catch {
    return err({ code: 'io', message: `the directory \`${options.dir}\` cannot be made` });
  }
  const lock = lockLedger(options.dir);
  if (!lock.ok) return lock;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const begun = await beginLedger(options, limits);
  if (!begun.ok) {
    lock.value.release();
    return begun;
  }
  const ledger = runLedger(options, limits, { ...begun.value, lock: lock.value });
  const opened = await ledger.begin();
  if (opened === null) return ok(ledger);
  await ledger.close();
  return err(opened);
}

interface Running extends Begun {
  readonly lock: LedgerLock;
}

interface RunningLedger extends OpenLedger {
  /** Writes what the start itself has to record; null when all is well. */
  begin(): Promise<LedgerOpenFault | null>;
}

function runLedger(options: LedgerOptions, limits: LedgerLimits, running: Running): RunningLedger {
  const { dir, headStore, clock, hasher, random } = options;
  const { walk, lock } = running;
  const path = ledgerPath(dir);
  let { db } = running;
  let writer: BatchWriter = batchWriter(db);
  let file = statSync(path).ino;
  let keys = options.keys;
  let condition: Condition = { kind: 'ready' };
  let state: LedgerState = {
    ledger: walk.keys.ledger ?? `ldg_${random.token(16)}`,
    chain: walk.size === 0 ? EMPTY_CHAIN : { size: walk.size, hash: walk.prev ?? EMPTY_CHAIN.hash },
    frontier: walk.frontier ?? EMPTY_FRONTIER,
    checkpointed: lastCheckpointed(db),
  };
  const queue: Waiting[] = [];
  const heads = contextHeads(() => db);
  let scheduled = false;
  let refused = 0;
  let brokenAt: TimeMs | null = null;
  let rotating: Promise<void> = Promise.resolve();

  const parts = (): WriterParts => ({ keys, hasher, random, maxReceiptBytes: limits.maxReceiptBytes });
  const outside = headKeeper({
    store: headStore,
    everyMs: limits.headEveryMs,
    size: running.outside?.checkpoint.size ?? 0,
    ledgerSize: () => state.chain.size,
    checkpoint: () => checkpointOf(state, clock.now(), parts()),
    isSound() {
      if (condition.kind !== 'ready') return false;
      if (isInPlace()) return true;
      breakDown({ code: 'ledger_broken', message: `\`${path}\` was taken away while in use` }, null, true);
      return false;
    },
  });

  /** The file must still be the one that is being written: an unlinked one takes receipts that nobody will ever find. */
  function isInPlace(): boolean {
    try {
      return statSync(path).ino === file;
    } catch {
      return false;
    }
  }

  /** Commits what was staged and publishes the state it leads to; on a failure nothing of it is published. */
  function commitStaged(batch: readonly StagedReceipt[], next: LedgerState): AppendFault | null {
    const from = state.chain.size;
    try {
      writer.commit(batch);
    } catch (error) {
      // The disk's state here: none of the batch, or (an error after the log was written) all of it. `recover` finds out.
      return breakDown(writeFault(error), { state: next, from });
    }
    state = next;
    outside.touch();
    return null;
  }

  function breakDown(
    fault: AppendFault,
    doubtful: { readonly state: LedgerState; readonly from: number } | null,
    final = false,
  ): AppendFault {
    // An outage lasts until a receipt is durable again, however often it is tried in between.
    brokenAt ??= clock.now();
    condition = {
      kind: 'broken',
      fault,
      retryAtMs: performance.now() + limits.retryMs,
      doubtful,
      final,
    };
    heads.forget();
    return fault;
  }

  /** Stages and commits one receipt of the ledger's own. */
  function record(
    kind: 'genesis' | 'key' | 'lifecycle',
    body: Receipt['receipt']['body'],
  ): Result<Receipt, AppendFault> {
    const step = stageReceipt(state, { kind, at: clock.now(), session: null, body, context: null }, parts());
    if (!step.ok) return step;
    const fault = commitStaged([step.value.staged], step.value.state);
    return fault === null ? ok(step.value.staged.receipt) : err(fault);
  }

  function flush(): void {
    scheduled = false;
    while (queue.length > 0 && condition.kind === 'ready') {
      const batch = queue.splice(0, limits.maxBatch);
      try {
        flushBatch(batch);
      } catch (error) {
        // Reading a context's head failed, or a bug: either way nobody waits for an answer that never comes. Answers stay what they were.
        const fault = breakDown(writeFault(error), null);
        for (const waiting of batch) waiting.settle(err(fault));
      }
    }
    if (condition.kind === 'broken') refuseAll(condition.fault);
  }

  function refuseAll(fault: AppendFault): void {
    for (const waiting of queue.splice(0)) {
      refused += 1;
      waiting.settle(err(fault));
    }
  }

  function flushBatch(batch: readonly Waiting[]): void {
    const staged: StagedReceipt[] = [];
    const answers: (() => void)[] = [];
    const accepted: Waiting[] = [];
    let next = state;
    for (const waiting of batch) {
      const step = stageDraft(next, waiting.draft, heads, parts());
      if (!step.ok) {
        waiting.settle(step);
        continue;
      }
      const { staged: one, state: after } = step.value;
      next = after;
      staged.push(one);
      accepted.push(waiting);
      answers.push(() => waiting.settle(ok(one.receipt)));
    }
    if (staged.length === 0) return;
    if (next.chain.size - next.checkpointed >= limits.checkpointEvery) {
      const step = stageCheckpoint(next, clock.now(), parts());
      next = step.state;
      staged.push(step.staged);
    }
    const fault = commitStaged(staged, next);
    if (fault === null) for (const answer of answers) answer();
    else
      for (const waiting of accepted) {
        refused += 1;
        waiting.settle(err(fault));
      }
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  }

  /** Tries a broken ledger again: it is well when the file ends where we know it to, and takes a receipt. */
  function recover(): boolean {
    if (condition.kind !== 'broken' || condition.final) return false;
    if (performance.now() < condition.retryAtMs) return false;
    const { fault, doubtful } = condition;
    try {
      db.close();
    } catch {
      // A connection that cannot be closed is left to the process's end; the new one does not depend on it.
    }
    const opened = openToWrite(path, limits.walBytes);
    if (!opened.ok) {
      const code = opened.error.code === 'disk_full' ? 'disk_full' : 'io';
      breakDown({ code, message: opened.error.message }, doubtful);
      return false;
    }
    db = opened.value;
    writer = batchWriter(db);
    const end = endOf(db);
    const persisted = doubtful !== null && isAt(end, doubtful.state.chain);
    if (!persisted && !isAt(end, state.chain)) {
      const message = 'the ledger no longer ends where it did: another process wrote to it or replaced it';
      breakDown({ code: 'ledger_broken', message }, null, true);
      return false;
    }
    const inUse = newestKey(db);
    if (!inUse.ok || inUse.value?.id !== keys.keyId) {
      // A rotation's commit failed and is on disk all the same; a start takes up the new key, which is kept.
      breakDown({ code: 'key_unavailable', message: 'the signing key was replaced: restart' }, null, true);
      return false;
    }
    // The commit that failed is on disk after all. Its callers were told that it is not, so their actions did not run: said below.
    if (persisted) state = doubtful.state;
    condition = { kind: 'ready' };
    const written = record('lifecycle', {
      event: 'ledger_recovered',
      fault: fault.code,
      since: brokenAt,
      refused,
      unacknowledged: persisted ? { from: doubtful.from, to: doubtful.state.chain.size - 1 } : null,
    });
    if (!written.ok) return false;
    file = statSync(path).ino;
    refused = 0;
    brokenAt = null;
    return true;
  }

  async function rotate(): Promise<Result<Receipt, AppendFault | KeyFault>> {
    if (condition.kind === 'closed') return err(closedFault());
    if (condition.kind === 'broken' && !recover()) return err(condition.fault);
    const rotation = await keys.stage();
    if (!rotation.ok) return rotation;
    const { next, settle } = rotation.value;
    flush();
    if (condition.kind !== 'ready') return err(condition.kind === 'broken' ? condition.fault : closedFault());
    const possession = next.sign(
      signedBytes(possessionHash(state.ledger, next.publicKey, keys.keyId, hasher)),
    );
    const successor = { id: next.keyId, publicKey: next.publicKey, kept: next.kind };
    const written = record('key', rotationBody(successor, keys.keyId, possession));
    if (!written.ok) return written;
    keys = next;
    // Not settled is not lost: the store keeps both keys, and the ledger says which one is in use.
    await settle();
    await outside.write();
    return written;
  }

  return {
    append(draft) {
      if (OWN_KINDS.has(draft.kind))
        return Promise.resolve(
          err({ code: 'unrecordable', message: `receipts of kind \`${draft.kind}\` are the ledger's own` }),
        );
      if (condition.kind === 'closed')
        return Promise.resolve(err({ code: 'closed', message: 'the ledger is closed' }));
      if (condition.kind === 'broken' && !recover()) {
        refused += 1;
        return Promise.resolve(err(condition.kind === 'broken' ? condition.fault : closedFault()));
      }
      if (queue.length >= limits.maxQueue)
        return Promise.resolve(
          err({ code: 'io', message: `${limits.maxQueue} receipts are waiting already` }),
        );
      return new Promise((settle) => {
        queue.push({ draft, settle });
        schedule();
      });
    },

    rotateKey() {
      // One at a time: two at once would each keep a successor, and only one of them stays kept.
      const rotated = rotating.then(rotate);
      rotating = rotated.then(() => undefined);
      return rotated;
    },

    head: () => state.chain,

    checkpoint() {
      if (condition.kind === 'closed') return err(closedFault());
      if (condition.kind === 'broken') return err(condition.fault);
      return ok(checkpointOf(state, clock.now(), parts()));
    },

    status: () => ({
      state: condition.kind,
      fault: condition.kind === 'broken' ? condition.fault : null,
      ledger: state.ledger,
      size: state.chain.size,
      keyId: keys.keyId,
      keyKept: keys.kind,
      notice: keys.notice,
      waiting: queue.length,
      headSize: outside.size(),
      headPlace: headStore.place,
      headProblem: outside.problem(),
    }),

    async begin() {
      const recorded = newestKey(db);
      const key = { id: keys.keyId, publicKey: keys.publicKey, kept: keys.kind };
      if (state.chain.size === 0) {
        const written = record('genesis', genesisBody(state.ledger, key));
        if (!written.ok) return openFault(written.error);
      } else if (recorded.ok && recorded.value !== null && recorded.value.id !== keys.keyId) {
        const written = record('key', beginningBody(key, recorded.value.id));
        if (!written.ok) return openFault(written.error);
      }
      if (running.reset) {
        const written = record('lifecycle', { event: 'head_reset', size: walk.size, place: headStore.place });
        if (!written.ok) return openFault(written.error);
      }
      await outside.write();
      const problem = outside.problem();
      return problem === null ? null : { code: 'io', message: problem };
    },

    async close() {
      if (condition.kind === 'closed') return;
      flush();
      if (condition.kind === 'ready' && state.chain.size > state.checkpointed + 1) {
        const step = stageCheckpoint(state, clock.now(), parts());
        commitStaged([step.staged], step.state);
      }
      if (condition.kind === 'ready') await outside.write();
      outside.stop();
      condition = { kind: 'closed' };
      refuseAll(closedFault());
      try {
        db.close();
      } finally {
        lock.release();
      }
    },
  };
}

function closedFault(): AppendFault {
  return { code: 'closed', message: 'the ledger is closed' };
}

function openFault(fault: AppendFault): LedgerOpenFault {
  return { code: fault.code === 'disk_full' ? 'disk_full' : 'io', message: fault.message };
}

function lastCheckpointed(db: LedgerDatabase): number {
  const seq = db.prepare("select max(seq) from receipts where kind = 'checkpoint'").pluck().get();
  return typeof seq === 'number' ? seq : 0;
}

function endOf(db: LedgerDatabase): ChainHead | null {
  const row = db.prepare('select seq, hash from receipts order by seq desc limit 1').get() as
    | { readonly seq: number; readonly hash: Uint8Array }
    | undefined;
  if (row === undefined) return null;
  return {
    size: row.seq + 1,
    hash: Buffer.from(row.hash).toString('hex') as ChainHead['hash'],
  };
}

function isAt(end: ChainHead | null, chain: ChainHead): boolean {
  return end === null ? chain.size === 0 : end.size === chain.size && end.hash === chain.hash;
}
