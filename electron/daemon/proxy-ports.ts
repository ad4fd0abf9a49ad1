import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { Hasher } from '../core/ports.ts';
import type { Result } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { ObjectSubmission } from '../wire/file-action.ts';
import type { DatabaseRoute, ProxyOutcome, ProxyQuestion, Swap } from '../wire/proxy-message.ts';
import type { Session } from './session-store.ts';

/** What the proxy's door needs from the rest of the daemon; each is filled by its owner and joined in composition.ts. */

/** A placeholder that stands in a question, verbatim, with where: `header:authorization`, `query:key`, `body`, `password`. */
export interface FoundPlaceholder {
  readonly value: string;
  readonly where: string;
}

/** Why a credential is not used; the reason is shown to the agent and holds no secret. */
export interface CredentialDenial {
  readonly code: string;
  readonly reason: string;
  readonly instead: string | null;
}

/** The credentials of sessions (AARM R9), as the proxy's door uses them: filled by credential-service.ts. */
export interface CredentialPort {
  /** Variables of a session's environment that hold placeholders, by name; made once when the session opens. */
  environment(session: Session): Readonly<Record<string, string>>;
  /** Placeholders of a session, for the proxy to find. */
  placeholders(session: Session): readonly string[];
  /** Databases whose wire protocol the proxy understands. */
  databases(): readonly DatabaseRoute[];
  /** Limits of the credentials themselves, checked before policy and never in its place: why this may not be asked at all, or null. */
  barred(
    session: Session,
    question: ProxyQuestion,
    placeholders: readonly FoundPlaceholder[],
  ): CredentialDenial | null;
  /**
   * Mints what takes the place of the placeholders, for this one action, after it was allowed; nothing is minted when there are none and
   * the question needs none. `running` is the action that its receipt and outcome belong to.
   */
  swapsFor(
    session: Session,
    action: Action,
    question: ProxyQuestion,
    placeholders: readonly FoundPlaceholder[],
    running: ActionId,
  ): Promise<Result<readonly Swap[], CredentialDenial>>;
  /** Told what became of minted credentials: `used` were really sent, the rest are revoked. */
  settle(session: Session, running: ActionId, used: readonly string[]): void;
  /** The session is over: its placeholders lead nowhere any more. */
  forget(session: Session): void;
  /** Calls back when placeholders or databases changed. */
  onChange(callback: () => void): void;
}

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
