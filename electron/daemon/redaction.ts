import type { Json, JsonObject } from '../core/brand.ts';
import { type Redacted, redactJson, redactText } from '../core/data/redact.ts';
import type { Hasher, Ledger, Random, ReceiptDraft } from '../core/ports.ts';
import { commit, type Opening } from '../core/receipt/commitment.ts';
import { macHex } from '../edge/mac.ts';
import type { ApprovalView } from '../wire/control.ts';
import type { ApprovalService } from './approval-service.ts';
import type { Answer, WaitingNotice } from './mediation.ts';

/** Takes secrets out of everything that is shown, stored, logged or exported (T9). What is judged and digested stays as it was. */
export interface Redactor {
  text(text: string): string;
  json<T extends Json>(value: T): T;
  /** A receipt's draft: what was taken out is committed to in `body.redacted`. */
  draft(draft: ReceiptDraft): ReceiptDraft;
}

/** A value taken out lately is taken out wherever it stands alone, too: without the name before it nothing would tell. */
const MAX_RECENT = 128;
/** A word of a language is no secret by itself, whatever it once stood behind. */
const RECALLED = /^(?=.*\d)(?=.*[a-zA-Z]).{8,512}$|^\S{16,512}$/;
const MAX_COMMITTED = 32;

/**
 * Makes a redactor. `key` stands between a commitment's opening and the value: the opening that is kept beside a receipt holds the
 * value's HMAC under it, so that who has the key and the value can show that it was this one, and nobody can read it anywhere.
 */
export function createRedactor(key: Uint8Array, hasher: Hasher, random: Random): Redactor {
  const recent = new Map<string, string>();

  const remember = (redacted: readonly Redacted[]) => {
    for (const { value, detector } of redacted) {
      if (!RECALLED.test(value)) continue;
      recent.delete(value);
      recent.set(value, detector);
      const oldest = recent.keys().next().value;
      if (recent.size > MAX_RECENT && oldest !== undefined) recent.delete(oldest);
    }
  };
  const recalled = (given: string, into?: Redacted[]): string => {
    let shown = given;
    for (const [value, detector] of recent) {
      if (!shown.includes(value)) continue;
      shown = shown.replaceAll(value, `[redacted: ${detector}]`);
      into?.push({ detector, value });
    }
    return shown;
  };
  const everywhere = (value: Json, into: Redacted[]): Json => {
    if (typeof value === 'string') return recalled(value, into);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return (value as readonly Json[]).map((item) => everywhere(item, into));
    const out: Record<string, Json> = {};
    for (const [name, member] of Object.entries(value as JsonObject)) out[name] = everywhere(member, into);
    return out;
  };
  const taken = <T extends Json>(value: T): { readonly value: T; readonly redacted: readonly Redacted[] } => {
    const once = redactJson(value);
    remember(once.redacted);
    if (recent.size === 0) return once;
    const more: Redacted[] = [];
    const twice = everywhere(once.value, more) as T;
    return more.length === 0 ? once : { value: twice, redacted: [...once.redacted, ...more] };
  };

  return {
    text(given) {
      const once = redactText(given);
      remember(once.redacted);
      return recalled(once.value);
    },
    json: (value) => taken(value).value,
    draft(draft) {
      const { value: body, redacted } = taken(draft.body);
      if (redacted.length === 0) return draft;
      const openings: Opening[] = [...(draft.openings ?? [])];
      const values = new Map(redacted.map((one) => [one.value, one.detector]));
      const committed: JsonObject[] = [];
      for (const [value, detector] of [...values].slice(0, MAX_COMMITTED)) {
        const stands = { of: detector, hmac: macHex(key, value) };
        const { commitment, opening } = commit(stands, random.token(18), hasher);
        openings.push(opening);
        committed.push({ of: detector, value: commitment });
      }
      return { ...draft, body: { ...body, redacted: committed }, openings };
    },
  };
}

/** A ledger that keeps no secret, however it came into a receipt. */
export function redactedLedger<T extends Ledger>(ledger: T, redactor: Redactor): T {
  return { ...ledger, append: (draft: ReceiptDraft) => ledger.append(redactor.draft(draft)) };
}

/** Approvals that show no secret. What could be run for a preview would have to hold it: then there is none. */
export function redactedApprovals(approvals: ApprovalService, redactor: Redactor): ApprovalService {
  return {
    ...approvals,
    ask: (approval, view, session, pattern) =>
      approvals.ask(approval, redactedView(view, redactor), session, pattern),
  };
}

function redactedView(view: ApprovalView, redactor: Redactor): ApprovalView {
  const { preview, ...rest } = view;
  const shown = redactor.json(rest as unknown as JsonObject) as unknown as Omit<ApprovalView, 'preview'>;
  const words = preview === null ? [] : [...preview.argv];
  const secret = JSON.stringify(redactor.json(words)) !== JSON.stringify(words);
  return { ...shown, preview: secret ? null : preview };
}

/** What a surface is told: words to run stay as they are, words to read hold no secret. */
export function redactedAnswer(answer: Answer, redactor: Redactor | undefined): Answer {
  if (redactor === undefined) return answer;
  return {
    ...answer,
    reason: redactor.text(answer.reason),
    instead: answer.instead === null ? null : redactor.text(answer.instead),
  };
}

/** The same for what waits. */
export function redactedNotice(notice: WaitingNotice, redactor: Redactor | undefined): WaitingNotice {
  return redactor === undefined ? notice : { ...notice, reason: redactor.text(notice.reason) };
}
