import type { Payload } from '../core/data/payload.ts';
import type { HttpRequest } from '../core/http.ts';
import type { Result } from '../core/result.ts';
import type { RequestFault, RequestInput } from '../wire/http/request.ts';
import type { ProxySettings, UntrustedSignal } from '../wire/proxy-message.ts';
import type { Channel } from './channel.ts';
import type { HoldBudget } from './hold-budget.ts';
import type { ServePostgres } from './protocol-handler.ts';
import type { Routes } from './routes.ts';
import type { Upstream } from './upstream.ts';

/** What understands content. None of them decides, and none of them waits. */
export interface Inspection {
  describe(input: RequestInput): Result<HttpRequest, RequestFault>;
  scan(bytes: Uint8Array, key: Uint8Array, inspected: Payload['inspected']): Payload;
  /** Signs in text that somebody else wrote. */
  signals(text: string, contentType: string | null): readonly UntrustedSignal[];
}

/** Everything that serving one connection needs; put together in main.ts. */
export interface Workings {
  readonly channel: Channel;
  readonly routes: Routes;
  readonly upstream: Upstream;
  readonly inspection: Inspection;
  readonly held: HoldBudget;
  readonly servePostgres: ServePostgres | null;
  settings(): ProxySettings;
}

/** How far two windows of one body overlap, so that nothing hides at their seam. */
export const OVERLAP_BYTES = 4_096;

/** True when the daemon must hear of a later window: it holds a finding, or fingerprints that may lead to something that was read. */
export function isTelling(payload: Payload): boolean {
  return payload.findings.length > 0 || payload.marks.length > 0;
}
