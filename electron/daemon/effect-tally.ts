import type { Digest } from '../core/brand.ts';
import { clipped } from '../core/data/clip.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Hasher } from '../core/ports.ts';

/** Effects of one kind, counted: the first few by name, all of them in a running digest. */
export interface EffectTally {
  count: number;
  readonly sample: string[];
  digest: Digest;
}

/** By kind of effect. */
export type EffectTallies = Map<string, EffectTally>;

const MAX_SAMPLE = 8;
const MAX_NAME = 512;
/** Kinds are ours, so there are few; what is more is counted as one. */
const MAX_KINDS = 64;
const NOTHING = '0'.repeat(64) as Digest;

/**
 * Counts one effect (AARM R5.g). The digest is a chain, SHA-256 of the digest before, a newline and the name, so that who has all names in
 * order can prove them against the receipt.
 */
export function countEffect(
  tallies: EffectTallies,
  hasher: Hasher,
  kind: string,
  name: string,
  times = 1,
): void {
  const key = tallies.has(kind) || tallies.size < MAX_KINDS ? kind : 'other';
  let tally = tallies.get(key);
  if (tally === undefined) {
    tally = { count: 0, sample: [], digest: NOTHING };
    tallies.set(key, tally);
  }
  tally.count += times;
  tally.digest = hasher.sha256(`${tally.digest}\n${name}`);
  if (tally.sample.length < MAX_SAMPLE)
    tally.sample.push(name.length > MAX_NAME ? `${clipped(name, MAX_NAME)}…` : name);
}

/** The tallies as an outcome keeps them. */
export function talliesOf(tallies: EffectTallies): Outcome['effects'] {
  return [...tallies].map(([kind, { count, sample, digest }]) => ({ kind, count, sample, digest }));
}
