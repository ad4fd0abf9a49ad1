import type { ActionId, Digest, SessionId, TimeMs } from '../brand.ts';
import type { Level } from '../context.ts';

/** Something classified that was read: what a fingerprint leads back to. Kept across sessions. */
export interface DataSource {
  /** `path:/home/u/customers.csv`, `host:crm.example`, `table:shop.public.customers`, `credential:github`, `environment:OPENAI_API_KEY`. */
  readonly name: string;
  readonly level: Level;
  /** What said so: a rule, a label, a detector. */
  readonly because: string;
  readonly session: SessionId;
  /** The action that read it; null when it was read outside any. */
  readonly action: ActionId | null;
  readonly at: TimeMs;
}

/** A fragment of something that was read, met again in what an action carries (AARM R2.b, T3). */
export interface Flow {
  readonly source: DataSource;
  /** How many fingerprints of the payload lead to it. */
  readonly matches: number;
}

/** Fingerprints of what was read, kept across sessions (edge/fingerprint-store.ts). Looking up is synchronous and never waits for a disk. */
export interface FlowStore {
  /** Remembers text that was read; `marks` as in `Payload`. Durable a little later. */
  remember(source: DataSource, marks: Uint8Array): void;
  /** Sources met again, the highest level first, at most 16. */
  lookup(marks: Uint8Array): readonly Flow[];
  /** Text of the public world, never a flow: licences, boilerplate. */
  readonly common: Digest;
  close(): Promise<void>;
}
