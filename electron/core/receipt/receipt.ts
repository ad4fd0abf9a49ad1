import type { Digest, JsonObject, ReceiptId, SessionId, TimeMs } from '../brand.ts';

/**
 * What a receipt is about. `decision` is durable before its action runs; `outcome` is linked to it by `decision_receipt`.
 * `deferral` is the first of the two receipts of a DEFER (R4.d8); `refusal` is a message that never became an action.
 */
export type ReceiptKind =
  | 'genesis'
  | 'session'
  | 'decision'
  | 'deferral'
  | 'approval'
  | 'outcome'
  | 'refusal'
  | 'policy'
  | 'key'
  | 'checkpoint'
  | 'lifecycle'
  | 'credential';

/**
 * Where a session's context chain stands once the entries committed with this receipt are in it (R2.f, R5.b);
 * `length` entries, the last one's hash is `head`. It is what makes an edit of the context an edit of a receipt.
 */
export interface ContextReference {
  readonly length: number;
  readonly head: Digest;
}

/**
 * The signed body, snake_case because it is a wire format (docs/receipt-format.md); AARM R5.a–g live in `body`
 * under the names `action`, `context`, `identity`, `decision`, `approval`, `deferral`, `outcome`.
 */
export interface ReceiptBody {
  readonly v: 1;
  readonly id: ReceiptId;
  readonly kind: ReceiptKind;
  /** Position in the ledger, from 0, without gaps. */
  readonly seq: number;
  /** Hash of the receipt before it; 64 zeros for the first. */
  readonly prev: Digest;
  readonly at: TimeMs;
  readonly session: SessionId | null;
  /** Id of the signing key, itself recorded in a `genesis` or `key` receipt. */
  readonly key: string;
  /** Written by the ledger; absent when the session has no context yet, or there is no session. */
  readonly context?: ContextReference;
  readonly body: JsonObject;
}

/** A receipt: canonical body, its hash, its Ed25519 signature over the hash's 32 bytes (base64url, no padding). */
export interface Receipt {
  readonly receipt: ReceiptBody;
  readonly hash: Digest;
  readonly signature: string;
}
