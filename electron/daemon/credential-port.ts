import type { Action } from '../core/action.ts';
import type { JsonObject } from '../core/brand.ts';
import type { CredentialRecord } from '../core/credential.ts';
import type { Result } from '../core/result.ts';
import type { ProxyQuestion, Swap } from '../wire/proxy-message.ts';
import type { Session } from './session-store.ts';

/** A placeholder that the proxy found, verbatim, and where: `header:authorization`, `query:key`, `body`, `password` … */
export interface PlaceholderUse {
  readonly value: string;
  readonly where: string;
}

/** Why an action that was allowed gets no credential; the proxy must then deny it. */
export interface SwapFault {
  readonly message: string;
  /** `exfiltration`: the placeholder stood where it does not belong. `limits`: the credential may not be used so. */
  readonly finding: 'exfiltration' | 'limits' | 'revoked' | 'expired' | 'unavailable' | 'minter' | 'unknown';
}

/** A secret of the person's own environment, handed over for one session. */
export interface HandedSecret {
  /** The variable's name, or `npmrc:HOST` for a token of npm's configuration. */
  readonly name: string;
  readonly value: string;
}

/** What a session's environment gets in the place of secrets. */
export interface SessionPlaceholders {
  /** Variable (or `npmrc:HOST`) to the text that takes its place. */
  readonly environment: Readonly<Record<string, string>>;
  /** What to tell the person: a credential that could not be prepared. */
  readonly warnings: readonly string[];
}

/**
 * Credentials as the rest of the daemon meets them (AARM R9). The order for one question of the proxy:
 * 1. `judge` before evaluation: its value is fact `data.placeholder`, null when no placeholder stands in it;
 * 2. `swapsFor` after ALLOW and before the proxy is answered: a fault turns the answer into DENY;
 * 3. `used` with the proxy's outcome.
 */
export interface CredentialService {
  /**
   * Opens a session's placeholders: one for each credential of the store with `env`, and one for each handed secret whose variable is
   * known (resources/knowledge/credentials.yaml); `settings` are variables such as ANTHROPIC_BASE_URL that say where they belong.
   */
  open(
    session: Session,
    handed: readonly HandedSecret[],
    settings: Readonly<Record<string, string>>,
  ): SessionPlaceholders;
  /** All placeholders of a session, for the proxy's `placeholders` message. */
  placeholdersOf(session: string): readonly string[];
  /** Told when the placeholders of a session changed (a credential was removed or revoked keeps its placeholder: it must be found still). */
  forget(session: string): void;
  /** Facts about the placeholders in a question; synchronous, reads memory only. The worst one speaks. */
  judge(
    session: Session,
    question: ProxyQuestion,
    placeholders: readonly PlaceholderUse[],
  ): JsonObject | null;
  /** Mints for an action that was allowed; single use, bound to the action's digest and host. Each mint and each refusal is a receipt. */
  swapsFor(
    session: Session,
    action: Action,
    question: ProxyQuestion,
    placeholders: readonly PlaceholderUse[],
  ): Promise<Result<readonly Swap[], SwapFault>>;
  /** Records which of an action's minted credentials were really sent; the others are recorded as unused. */
  used(session: Session, action: string, used: readonly string[]): Promise<void>;
  /** Records of the credentials of a kind that may be used now (databases for the proxy's settings). */
  recordsOf(kind: CredentialRecord['kind']): readonly CredentialRecord[];
}
