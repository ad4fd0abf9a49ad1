import type { Digest, Json, SessionId, TimeMs } from '../brand.ts';
import type { ContextEntry } from '../context.ts';
import type { CheckpointBody } from './checkpoint.ts';
import type { ReceiptBody } from './receipt.ts';

/**
 * A bundle: evidence that a stranger can verify alone (docs/receipt-format.md). Lines of canonical JSON, in this order:
 * header; checkpoint; consistency*; for each receipt in rising order its context* then the receipt then its openings*; end.
 */

/** What was asked for. `all` is the whole ledger; the others carry inclusion proofs. `from` and `to` are times, both included. */
export type BundleScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'session'; readonly session: SessionId }
  | { readonly kind: 'time'; readonly from: TimeMs; readonly to: TimeMs };

export interface HeaderLine {
  readonly type: 'header';
  readonly v: 1;
  readonly ledger: string;
  readonly scope: BundleScope;
  /** Whether context entries are in the bundle; when not, receipts still bind the context by hash. */
  readonly context: boolean;
  /** Whether openings of commitments are in the bundle. */
  readonly openings: boolean;
}

export interface CheckpointLine {
  readonly type: 'checkpoint';
  readonly checkpoint: CheckpointBody;
  readonly signature: string;
}

/** Shows that an earlier checkpoint, of `size` receipts and `root`, is a beginning of this ledger. */
export interface ConsistencyLine {
  readonly type: 'consistency';
  readonly size: number;
  readonly root: Digest;
  readonly proof: readonly Digest[];
}

export interface ReceiptLine {
  readonly type: 'receipt';
  readonly receipt: ReceiptBody;
  readonly hash: Digest;
  readonly signature: string;
  /** Siblings up to the checkpoint's root; absent in a bundle of the whole ledger, which needs none. */
  readonly proof?: readonly Digest[];
}

export interface ContextLine {
  readonly type: 'context';
  readonly session: SessionId;
  readonly entry: ContextEntry;
}

export interface OpeningLine {
  readonly type: 'opening';
  readonly commitment: Digest;
  readonly salt: string;
  readonly value: Json;
}

/** The last line: without it a bundle was cut short. */
export interface EndLine {
  readonly type: 'end';
  readonly receipts: number;
  readonly context: number;
  readonly openings: number;
}

export type BundleLine =
  | HeaderLine
  | CheckpointLine
  | ConsistencyLine
  | ReceiptLine
  | ContextLine
  | OpeningLine
  | EndLine;
