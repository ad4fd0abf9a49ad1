import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { Hasher } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { ObjectSubmission } from '../wire/file-action.ts';
import type { ProxyOutcome, ProxyQuestion } from '../wire/proxy-message.ts';
import type { Session } from './session-store.ts';

/** What the proxy's door needs from the rest of the daemon; each is filled by its owner and joined in composition.ts. */

/** What came back, as far as it was looked at: classified and fingerprinted (T3), signals of untrusted content noted (T11). */
export interface ReturnPort {
  note(
    session: Session,
    action: ActionId,
    question: ProxyQuestion,
    outcome: ProxyOutcome,
    effects: Action['effects'],
  ): void;
}

/** What every action that the proxy saw is made with; `surface` is `http`, `by` null. */
export type ProxySubmission = ObjectSubmission & { readonly surface: 'http' };

type Of<K extends ProxyQuestion['kind']> = Extract<ProxyQuestion, { readonly kind: K }>;

/** wire/sql/statement-action.ts: tool `database`. */
export type BuildStatementAction = (
  submission: ProxySubmission & { readonly question: Of<'statement'> },
  knowledge: Knowledge,
  hasher: Hasher,
) => Action;

/** wire/ssh/sign-action.ts: tool `ssh`, operation `sign`. */
export type BuildSignAction = (
  submission: ProxySubmission & { readonly question: Of<'sign'> },
  knowledge: Knowledge,
  hasher: Hasher,
) => Action;
