import type { Action } from '../../core/action.ts';
import type { ActionId, Digest, SessionId, TimeMs } from '../../core/brand.ts';
import type { Payload } from '../../core/data/payload.ts';
import type { HttpRequest } from '../../core/http.ts';
import type { Hasher } from '../../core/ports.ts';
import type { Knowledge } from '../../core/semantic/knowledge.ts';
import type { Place } from '../../core/semantic/paths.ts';

/** One request that is about to leave, with what it carries; as a `request` question of the proxy says it. */
export interface HttpSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  /** `cwd` is null: a request has none. */
  readonly place: Place;
  readonly request: HttpRequest;
  readonly payload: Payload;
  /** The address that the host resolves to, where the proxy knows it already. */
  readonly address: string | null;
  readonly modifiedFrom: Digest | null;
}

/** Builds the Action of one HTTP request (AARM R1, R3.k, R5.a): tool `http`, effects in the words of commands' effects. Pure. */
export function buildHttpAction(_submission: HttpSubmission, _knowledge: Knowledge, _hasher: Hasher): Action {
  throw new Error('requests are not understood yet');
}
