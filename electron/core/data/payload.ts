/**
 * What an outgoing action carries, found in its text without the text itself: secrets and personal data by detectors, and the
 * fingerprints of its fragments. Made where the bytes are (the proxy, a normalizer) and looked up by the daemon. No field holds a
 * found value.
 */
export interface Payload {
  /** Bytes looked at, after decoding. */
  readonly bytes: number;
  readonly inspected: 'whole' | 'part';
  readonly findings: readonly Finding[];
  /**
   * Fingerprints of the normalised text and of every decoding of it (core/data/fingerprint.ts): 8 bytes each, sorted, no duplicates.
   */
  readonly marks: Uint8Array;
}

/** One thing that a detector found. */
export interface Finding {
  /** `secret`: gives access; `personal`: about a person. */
  readonly kind: 'secret' | 'personal';
  /** The detector's name: `github-token`, `email-address`, `card-number`. */
  readonly detector: string;
  readonly count: number;
  /** Where it was found: `text`, `base64`, `gzip>base64` … */
  readonly layer: string;
}

/** Nothing to look at. */
export const EMPTY_PAYLOAD: Payload = {
  bytes: 0,
  inspected: 'whole',
  findings: [],
  marks: new Uint8Array(0),
};
