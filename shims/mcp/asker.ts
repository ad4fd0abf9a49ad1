import type { Result } from '../../electron/core/result.ts';
import type { McpQuestion, Returned } from '../../electron/wire/mcp/envelope.ts';
import type { Decided, Waiting } from '../shell/answer.ts';

/** How something that was let through ended. */
export type CallEnding =
  | { readonly kind: 'answer'; readonly error: string | null }
  | { readonly kind: 'unknown'; readonly why: string };

/** A decision, and the way to say what came of it. */
export interface Ruling {
  readonly decision: Decided;
  /** Told once, best effort; only of what was let through. */
  readonly end: (ending: CallEnding, returned?: Returned) => void;
}

/** The way to the decider. Never rejects: what goes wrong is a refusal with its reason, and the bridge denies. */
export interface Asker {
  ask(
    question: McpQuestion,
    onWaiting: (waiting: Waiting) => void,
  ): { readonly ruled: Promise<Result<Ruling, string>>; cancel(): void };
}
