import type { Digest, ReceiptId } from '../brand.ts';

/** The steps of verification, in their order; a finding names the step that made it (docs/receipt-format.md). */
export const STEPS = [
  'format',
  'column',
  'hash',
  'sequence',
  'link',
  'key',
  'signature',
  'checkpoint',
  'context',
  'inclusion',
  'consistency',
  'commitment',
  'head',
  'outcome',
  'time',
] as const;
export type Step = (typeof STEPS)[number];

/** Something a verifier has to say. A `fault` breaks the seal; a `note` is for people and breaks nothing. */
export interface Finding {
  readonly step: Step;
  readonly severity: 'fault' | 'note';
  /** Where: the receipt's place, when there is one. */
  readonly seq: number | null;
  readonly receipt: ReceiptId | null;
  readonly message: string;
}

/** A signature that somebody has to check; kept apart from the rest because it is the costly part and needs no order. */
export interface SignatureClaim {
  readonly publicKey: string;
  readonly hash: Digest;
  readonly signature: string;
  readonly seq: number | null;
  readonly receipt: ReceiptId | null;
  /** What it means when the signature is wrong. */
  readonly step: Step;
  readonly message: string;
}

/** Where a finding is. */
export interface Place {
  readonly seq: number | null;
  readonly id: ReceiptId | null;
}

/** Makes a finding that breaks the seal. */
export function faultAt(step: Step, place: Place, message: string): Finding {
  return { step, severity: 'fault', seq: place.seq, receipt: place.id, message };
}

/** Makes a finding that breaks nothing. */
export function noteAt(step: Step, place: Place, message: string): Finding {
  return { step, severity: 'note', seq: place.seq, receipt: place.id, message };
}
