import type { Digest, Json, JsonObject, SessionId } from '../core/brand.ts';
import { hasIdShape, isDigest } from '../core/brand.ts';
import type { ContextEntry, ContextKind } from '../core/context.ts';
import type { BundleLine, BundleScope } from '../core/receipt/bundle.ts';
import { canonical, canonicalForm, describeFault } from '../core/receipt/canonical.ts';
import type { CheckpointBody } from '../core/receipt/checkpoint.ts';
import { isLedgerName } from '../core/receipt/key-epoch.ts';
import type { ContextReference, ReceiptBody, ReceiptKind } from '../core/receipt/receipt.ts';
import { err, ok, type Result } from '../core/result.ts';

/** Reading receipts, context entries and bundles from outside; nothing else makes these types of foreign bytes. */

/** Why a text is not what it should be. `place` is a dotted path; empty for the whole. */
export interface ReceiptFileFault {
  readonly code: 'too_long' | 'not_json' | 'not_canonical' | 'malformed' | 'unsupported';
  readonly place: string;
  readonly message: string;
}

/** Longer lines are refused unread. */
export const MAX_LINE_CHARACTERS = 8 * 1024 * 1024;

/** log2 of more receipts than there will be. */
const MAX_PROOF = 64;

const RECEIPT_KINDS: ReadonlySet<string> = new Set<ReceiptKind>([
  'genesis',
  'session',
  'decision',
  'deferral',
  'approval',
  'outcome',
  'refusal',
  'policy',
  'key',
  'checkpoint',
  'lifecycle',
  'credential',
]);
const CONTEXT_KINDS: ReadonlySet<string> = new Set<ContextKind>([
  'session',
  'intent',
  'claim',
  'action',
  'decision',
  'approval',
  'outcome',
  'data',
  'environment',
]);
const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/;

type Parsed<T> = Result<T, ReceiptFileFault>;

function malformed(place: string, message: string): { readonly ok: false; readonly error: ReceiptFileFault } {
  return err({ code: 'malformed', place, message });
}

function objectOf(value: unknown): JsonObject | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** True when the object has these members, perhaps some of the optional ones, and no other. */
function hasMembers(
  object: JsonObject,
  required: readonly string[],
  optional: readonly string[] = [],
): boolean {
  const keys = Object.keys(object);
  return (
    required.every((key) => Object.hasOwn(object, key)) &&
    keys.every((key) => required.includes(key) || optional.includes(key))
  );
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isHash(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}

function isSessionId(value: unknown): value is SessionId {
  return typeof value === 'string' && hasIdShape('sess', value);
}

/**
 * Reads a text that must be in RFC 8785 form. One value has one such text, so duplicate members, other spellings of numbers or
 * escapes, white space and byte order marks are all refused at once: two readers cannot see two things.
 */
function canonicalValue(text: string): Parsed<JsonObject> {
  if (text.length > MAX_LINE_CHARACTERS)
    return err({ code: 'too_long', place: '', message: `longer than ${MAX_LINE_CHARACTERS} characters` });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: 'not_json', place: '', message: 'not JSON' });
  }
  const form = canonicalForm(value);
  if (!form.ok)
    return err({ code: 'not_canonical', place: form.error.path, message: describeFault(form.error.code) });
  if (form.value !== text)
    return err({ code: 'not_canonical', place: '', message: 'not in canonical form (RFC 8785)' });
  const object = objectOf(value);
  return object === null ? malformed('', 'not an object') : ok(object);
}

function contextReferenceOf(value: Json | undefined): Parsed<ContextReference> {
  const object = objectOf(value);
  if (object === null || !hasMembers(object, ['length', 'head']))
    return malformed('context', 'needs `length` and `head` and nothing else');
  const { length, head } = object;
  if (!isCount(length) || length === 0) return malformed('context.length', 'not a positive integer');
  if (!isHash(head)) return malformed('context.head', 'not a hash');
  return ok({ length, head });
}

const RECEIPT_MEMBERS = ['v', 'id', 'kind', 'seq', 'prev', 'at', 'session', 'key', 'body'];

/** Reads the signed part of a receipt from a value (docs/receipt-format.md). */
function receiptBodyOf(object: JsonObject): Parsed<ReceiptBody> {
  if (object.v !== 1) return err({ code: 'unsupported', place: 'v', message: 'the version is not 1' });
  if (!hasMembers(object, RECEIPT_MEMBERS, ['context']))
    return malformed('', 'a member is missing or unknown');
  const { id, kind, seq, prev, at, session, key } = object;
  if (typeof id !== 'string' || !hasIdShape('rct', id)) return malformed('id', 'not a receipt id');
  if (typeof kind !== 'string' || !RECEIPT_KINDS.has(kind)) return malformed('kind', 'not a kind of receipt');
  if (!isCount(seq)) return malformed('seq', 'not a place in a ledger');
  if (!isHash(prev)) return malformed('prev', 'not a hash');
  if (typeof at !== 'number') return malformed('at', 'not a time');
  if (session !== null && !isSessionId(session)) return malformed('session', 'not a session id');
  if (typeof key !== 'string' || !hasIdShape('key', key)) return malformed('key', 'not a key id');
  if (objectOf(object.body) === null) return malformed('body', 'not an object');
  if (object.context !== undefined) {
    const reference = contextReferenceOf(object.context);
    if (!reference.ok) return reference;
    if (session === null) return malformed('context', 'a context belongs to a session');
  }
  return ok(object as unknown as ReceiptBody);
}

/** Reads a receipt's signed part from its canonical text, as a ledger's file keeps it (AARM R5.j). */
export function parseReceiptText(text: string): Parsed<ReceiptBody> {
  const value = canonicalValue(text);
  return value.ok ? receiptBodyOf(value.value) : value;
}

function contextEntryOf(object: JsonObject): Parsed<ContextEntry> {
  if (!hasMembers(object, ['seq', 'prev', 'hash', 'at', 'kind', 'body']))
    return malformed('entry', 'a member is missing or unknown');
  const { seq, prev, hash, at, kind, body } = object;
  if (!isCount(seq)) return malformed('entry.seq', 'not a place in a context');
  if (!isHash(prev) || !isHash(hash)) return malformed('entry', '`prev` and `hash` must be hashes');
  if (typeof at !== 'number') return malformed('entry.at', 'not a time');
  if (typeof kind !== 'string' || !CONTEXT_KINDS.has(kind))
    return malformed('entry.kind', 'not a kind of entry');
  const content = objectOf(body);
  if (content === null) return malformed('entry.body', 'not an object');
  return ok({ seq, prev, hash, at, kind: kind as ContextKind, body: content });
}

/** Reads a context entry from its canonical text without the hash, and the hash beside it, as a ledger's file keeps them (R2.f). */
export function parseContextText(text: string, hash: Digest): Parsed<ContextEntry> {
  const value = canonicalValue(text);
  return value.ok ? contextEntryOf({ ...value.value, hash }) : value;
}

function checkpointBodyOf(value: Json | undefined): Parsed<CheckpointBody> {
  const object = objectOf(value);
  if (object === null || !hasMembers(object, ['v', 'type', 'ledger', 'size', 'root', 'head', 'at', 'key']))
    return malformed('checkpoint', 'a member is missing or unknown');
  const { v, type, ledger, size, root, head, at, key } = object;
  if (v !== 1 || type !== 'checkpoint')
    return err({ code: 'unsupported', place: 'checkpoint.v', message: 'not a checkpoint of version 1' });
  if (typeof ledger !== 'string' || !isLedgerName(ledger))
    return malformed('checkpoint.ledger', 'not the name of a ledger');
  if (!isCount(size) || size === 0) return malformed('checkpoint.size', 'not a positive integer');
  if (!isHash(root) || !isHash(head)) return malformed('checkpoint', '`root` and `head` must be hashes');
  if (typeof at !== 'number') return malformed('checkpoint.at', 'not a time');
  if (typeof key !== 'string' || !hasIdShape('key', key)) return malformed('checkpoint.key', 'not a key id');
  return ok({ v, type, ledger, size, root, head, at, key });
}

function scopeOf(value: Json | undefined): BundleScope | null {
  const object = objectOf(value);
  if (object === null) return null;
  if (object.kind === 'all' && hasMembers(object, ['kind'])) return { kind: 'all' };
  if (object.kind === 'session' && hasMembers(object, ['kind', 'session']) && isSessionId(object.session))
    return { kind: 'session', session: object.session };
  const { from, to } = object;
  if (object.kind === 'time' && hasMembers(object, ['kind', 'from', 'to']))
    if (typeof from === 'number' && typeof to === 'number') return { kind: 'time', from, to };
  return null;
}

function proofOf(value: Json | undefined): readonly Digest[] | null {
  if (!Array.isArray(value) || value.length > MAX_PROOF) return null;
  return value.every(isHash) ? value : null;
}

function receiptLineOf(object: JsonObject): Parsed<BundleLine> {
  if (!hasMembers(object, ['type', 'receipt', 'hash', 'signature'], ['proof']))
    return malformed('', 'a member is missing or unknown');
  const inner = objectOf(object.receipt);
  if (inner === null) return malformed('receipt', 'not an object');
  const receipt = receiptBodyOf(inner);
  if (!receipt.ok) return receipt;
  const { hash, signature } = object;
  if (!isHash(hash)) return malformed('hash', 'not a hash');
  if (typeof signature !== 'string' || !SIGNATURE.test(signature))
    return malformed('signature', 'not a signature');
  const line = { type: 'receipt', receipt: receipt.value, hash, signature } as const;
  if (object.proof === undefined) return ok(line);
  const proof = proofOf(object.proof);
  return proof === null ? malformed('proof', 'not a proof') : ok({ ...line, proof });
}

function headerOf(object: JsonObject): Parsed<BundleLine> {
  if (object.v !== 1) return err({ code: 'unsupported', place: 'v', message: 'the version is not 1' });
  if (!hasMembers(object, ['type', 'v', 'ledger', 'scope', 'context', 'openings']))
    return malformed('', 'a member is missing or unknown');
  const { ledger, context, openings } = object;
  const scope = scopeOf(object.scope);
  if (scope === null) return malformed('scope', 'not a scope');
  if (typeof ledger !== 'string' || !isLedgerName(ledger))
    return malformed('ledger', 'not the name of a ledger');
  if (typeof context !== 'boolean' || typeof openings !== 'boolean')
    return malformed('', '`context` and `openings` must be true or false');
  return ok({ type: 'header', v: 1, ledger, scope, context, openings });
}

/** Reads one line of a bundle, without its line end (docs/receipt-format.md). */
export function parseBundleLine(text: string): Parsed<BundleLine> {
  const value = canonicalValue(text);
  if (!value.ok) return value;
  const object = value.value;
  switch (object.type) {
    case 'header':
      return headerOf(object);
    case 'checkpoint': {
      const body = checkpointBodyOf(object.checkpoint);
      if (!body.ok) return body;
      const { signature } = object;
      if (!hasMembers(object, ['type', 'checkpoint', 'signature']))
        return malformed('', 'a member is unknown');
      if (typeof signature !== 'string' || !SIGNATURE.test(signature))
        return malformed('signature', 'not a signature');
      return ok({ type: 'checkpoint', checkpoint: body.value, signature });
    }
    case 'consistency': {
      const proof = proofOf(object.proof);
      const { size, root } = object;
      if (!hasMembers(object, ['type', 'size', 'root', 'proof']) || proof === null)
        return malformed('proof', 'not a proof');
      if (!isCount(size) || size === 0 || !isHash(root)) return malformed('', 'not a size and a root');
      return ok({ type: 'consistency', size, root, proof });
    }
    case 'receipt':
      return receiptLineOf(object);
    case 'context': {
      const inner = objectOf(object.entry);
      const { session } = object;
      if (!hasMembers(object, ['type', 'session', 'entry']) || inner === null || !isSessionId(session))
        return malformed('', 'not a session and an entry');
      const entry = contextEntryOf(inner);
      return entry.ok ? ok({ type: 'context', session, entry: entry.value }) : entry;
    }
    case 'opening': {
      const { commitment, salt } = object;
      if (!hasMembers(object, ['type', 'commitment', 'salt', 'value']))
        return malformed('', 'a member is unknown');
      if (!isHash(commitment) || typeof salt !== 'string')
        return malformed('', 'not a commitment and a salt');
      return ok({ type: 'opening', commitment, salt, value: object.value ?? null });
    }
    case 'end': {
      const { receipts, context, openings } = object;
      if (!hasMembers(object, ['type', 'receipts', 'context', 'openings']))
        return malformed('', 'a member is unknown');
      if (!isCount(receipts) || !isCount(context) || !isCount(openings)) return malformed('', 'not counts');
      return ok({ type: 'end', receipts, context, openings });
    }
    default:
      return malformed('type', 'not a type of line');
  }
}

/** Writes one line of a bundle, without its line end. */
export function bundleLine(line: BundleLine): string {
  return canonical(line as unknown as Json);
}
