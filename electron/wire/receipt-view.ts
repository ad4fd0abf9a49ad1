import type { Json, JsonObject } from '../core/brand.ts';
import type { Receipt, ReceiptKind } from '../core/receipt/receipt.ts';
import { objectText } from './object-text.ts';
import { shellWords } from './shell-words.ts';

/** A receipt's relatives, which stand elsewhere in the ledger. */
export interface Relatives {
  /** Receipts that answered it one after another, the last of them final; empty when it was final itself or still waits. */
  readonly endings: readonly Receipt[];
  /** The outcome of what was let through (R5.g); null when none arrived. */
  readonly outcome: Receipt | null;
}

/** One line of a listing, as data (`receipts list --json`). */
export interface ReceiptRow {
  readonly seq: number;
  readonly id: string;
  readonly kind: ReceiptKind;
  readonly at: number;
  readonly session: string | null;
  /** What was decided at first: the specification's five strings; null where nothing was decided. */
  readonly decided: string | null;
  /** What it ended as; null while it waits. */
  readonly result: string | null;
  readonly surface: string | null;
  readonly tool: string | null;
  /** The command, or what the receipt says in few words. */
  readonly text: string;
  readonly rule: string | null;
  readonly reason: string | null;
  readonly outcome: { readonly receipt: string; readonly result: string; readonly text: string } | null;
}

/** The object at a member; null when it is not one. Receipts are read leniently here: what is odd is shown, not hidden. */
export function objectAt(value: Json | undefined, key: string): JsonObject | null {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const member = (value as JsonObject)[key];
  return member !== undefined && member !== null && typeof member === 'object' && !Array.isArray(member)
    ? (member as JsonObject)
    : null;
}

/** The text at a member; null when it is not one. */
export function textAt(value: JsonObject | null, key: string): string | null {
  const member = value?.[key];
  return typeof member === 'string' ? member : null;
}

/** The list at a member; empty when it is not one. */
export function listAt(value: JsonObject | null, key: string): readonly Json[] {
  const member = value?.[key];
  return Array.isArray(member) ? (member as readonly Json[]) : [];
}

/** What a receipt itself says was decided. */
export function resultOf(receipt: Receipt): string | null {
  return textAt(objectAt(receipt.receipt.body, 'decision'), 'result');
}

/** Whether a result leaves the action waiting for somebody. */
export function isWaiting(result: string | null): boolean {
  return result === 'STEP_UP' || result === 'DEFER';
}

/** The receipt that this one answers: an approval its question, an outcome its decision, a decision its deferral. */
export function answeredBy(receipt: Receipt): string | null {
  const { body } = receipt.receipt;
  return textAt(body, 'decision_receipt') ?? textAt(body, 'deferral_receipt');
}

/** What an action was, on one line or several as it was written. */
export function actionTextOf(action: JsonObject): string {
  const parameters = objectAt(action, 'parameters');
  const command = textAt(parameters, 'command');
  if (command !== null) return command;
  const words = listAt(parameters, 'argv').filter((word): word is string => typeof word === 'string');
  if (words.length > 0) return shellWords(words);
  const object = parameters === null ? null : objectText(textAt(action, 'operation') ?? '', parameters);
  if (object !== null) return object;
  return `${textAt(action, 'tool') ?? 'unknown tool'} ${textAt(action, 'operation') ?? ''}`.trimEnd();
}

/** What came of an action, in a word or two. */
export function outcomeText(outcome: JsonObject): string {
  const { exit_code: code } = outcome;
  const signal = textAt(outcome, 'signal');
  const result = textAt(outcome, 'result');
  if (result === 'not_executed') return 'not run';
  if (signal !== null) return signal;
  if (typeof code === 'number') return `exit ${code}`;
  const status = textAt(outcome, 'status');
  if (status !== null) return status;
  return result ?? 'unknown';
}

const inWords = (...parts: readonly (string | null)[]): string =>
  parts.filter((part): part is string => part !== null && part !== '').join(' ');

/** What a receipt that is about no action says, in few words. */
function eventText(kind: ReceiptKind, body: JsonObject): string {
  switch (kind) {
    case 'session': {
      const product = textAt(objectAt(objectAt(body, 'identity'), 'agent'), 'product');
      const words = listAt(body, 'argv').filter((word): word is string => typeof word === 'string');
      return inWords(
        textAt(body, 'event'),
        textAt(body, 'step'),
        product,
        words.length > 0 ? `(${words.join(' ')})` : null,
      );
    }
    case 'refusal': {
      const refusal = objectAt(body, 'refusal');
      return inWords('refused at the', textAt(refusal, 'door'), 'door:', textAt(refusal, 'reason'));
    }
    case 'outcome':
      return inWords('of', textAt(body, 'decision_receipt'));
    case 'key':
      return inWords(textAt(body, 'event'), textAt(objectAt(body, 'key'), 'id'));
    case 'genesis':
      return inWords('ledger', textAt(body, 'ledger'), 'begins');
    case 'checkpoint':
      return `of ${String(objectAt(objectAt(body, 'checkpoint'), 'checkpoint')?.size ?? '?')} receipts`;
    case 'policy': {
      const policy = objectAt(body, 'policy');
      return inWords(
        textAt(body, 'event'),
        textAt(policy, 'version'),
        textAt(policy, 'hash')?.slice(0, 12) ?? null,
      );
    }
    default:
      return inWords(textAt(body, 'event'), textAt(body, 'reason'));
  }
}

/** Puts a receipt and its relatives on one line, as data. */
export function receiptRow(receipt: Receipt, relatives: Relatives): ReceiptRow {
  const { seq, id, kind, at, session, body } = receipt.receipt;
  const action = objectAt(body, 'action');
  const decision = objectAt(body, 'decision');
  const last = relatives.endings.at(-1) ?? receipt;
  const now = resultOf(last);
  const own = relatives.outcome ?? (kind === 'outcome' ? receipt : null);
  const outcome = own === null ? null : objectAt(own.receipt.body, 'outcome');
  return {
    seq,
    id,
    kind,
    at,
    session,
    decided: textAt(body, 'decided') ?? textAt(decision, 'result'),
    result: isWaiting(now) ? null : now,
    surface: textAt(action, 'surface'),
    tool: textAt(action, 'tool'),
    text: action === null ? eventText(kind, body) : actionTextOf(action),
    rule: textAt(decision, 'policy_id') ?? textAt(decision, 'rule'),
    reason: textAt(objectAt(last.receipt.body, 'decision'), 'reason') ?? textAt(decision, 'reason'),
    outcome:
      own === null || outcome === null
        ? null
        : {
            receipt: own.receipt.id,
            result: textAt(outcome, 'result') ?? 'unknown',
            text: outcomeText(outcome),
          },
  };
}

/** `STEP_UP→ALLOW`: what was decided, and what it ended as; `…` while it waits. */
export function decisionText(row: ReceiptRow): string {
  if (row.decided === null) return row.kind;
  if (!isWaiting(row.decided))
    return row.result === null || row.result === row.decided ? row.decided : `${row.decided}→${row.result}`;
  return `${row.decided}→${row.result ?? '…'}`;
}
