import type { Digest, TimeMs } from './brand.ts';

/** What happened after the decision (AARM R5.g). */
export interface Outcome {
  readonly result: 'succeeded' | 'failed' | 'not_executed' | 'unknown';
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** What a service answered with: an HTTP status, an SQLSTATE; absent or null where there is none. */
  readonly status?: string | null;
  readonly error: string | null;
  readonly outputHash: Digest | null;
  readonly bytes: number | null;
  readonly startedAt: TimeMs | null;
  readonly endedAt: TimeMs;
  /** Effects seen inside the mandate, counted; names only as digests past the first few. */
  readonly effects: readonly {
    readonly kind: string;
    readonly count: number;
    readonly sample: readonly string[];
    /** Chain of SHA-256 over all names in order: each is the hash of the one before it, a newline, and the name. */
    readonly digest?: Digest;
  }[];
}
