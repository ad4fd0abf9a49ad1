import type { TimeMs } from './brand.ts';

/** Who said what the session is for. What an agent says of its own intent is a claim and never raises alignment. */
export type IntentSource = 'launcher' | 'prompt' | 'app';

/** What the person asked, verbatim (AARM R2.d). */
export interface Intent {
  readonly text: string;
  readonly source: IntentSource;
  readonly at: TimeMs;
}

/** An agent's own statement, kept apart. */
export interface Claim {
  readonly text: string;
  readonly at: TimeMs;
}
