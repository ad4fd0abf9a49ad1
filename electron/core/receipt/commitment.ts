import type { Digest, Json, JsonObject } from '../brand.ts';
import { isDigest } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { canonical, canonicalForm } from './canonical.ts';

/** What stands in a receipt in place of a sensitive value: `{"$commit": sha256(salt ‖ "." ‖ canonical(value))}`. */
export interface Commitment {
  readonly $commit: Digest;
}

/** What opens a commitment; kept beside the receipt, never in it. */
export interface Opening {
  readonly commitment: Digest;
  /** base64url, at least 16 random bytes: without it a short value could be guessed from its hash. */
  readonly salt: string;
  readonly value: Json;
}

/** Short enough to be guessed is no salt: 16 bytes are 22 base64url characters. */
const SALT = /^[A-Za-z0-9_-]{22,128}$/;

/** The point is in no salt: without it, salt `…1` with value `2` would open what salt `…` with value `12` committed to. */
function committedText(salt: string, canonicalValue: string): string {
  return `${salt}.${canonicalValue}`;
}

/** Commits to a value that is ours (requirement: shown without it, a receipt still verifies). `salt` is base64url of ≥ 16 random bytes. */
export function commit(
  value: Json,
  salt: string,
  hasher: Hasher,
): { readonly commitment: Commitment & JsonObject; readonly opening: Opening } {
  if (!SALT.test(salt)) throw new Error('a commitment needs a salt of 16 bytes or more');
  const digest = hasher.sha256(committedText(salt, canonical(value)));
  return { commitment: { $commit: digest }, opening: { commitment: digest, salt, value } };
}

/** True when the opening is what was committed to. The salt's text, not its decoded bytes, is hashed. */
export function opens(opening: Opening, hasher: Hasher): boolean {
  const form = canonicalForm(opening.value);
  return (
    form.ok &&
    SALT.test(opening.salt) &&
    hasher.sha256(committedText(opening.salt, form.value)) === opening.commitment
  );
}

/** Lists the commitments in a receipt's body, wherever they stand. */
export function commitmentsIn(value: Json): readonly Digest[] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.flatMap((item: Json) => commitmentsIn(item));
  const object = value as JsonObject;
  const digest = object.$commit;
  if (typeof digest === 'string' && Object.keys(object).length === 1 && isDigest(digest)) return [digest];
  return Object.values(object).flatMap((item) => commitmentsIn(item));
}
