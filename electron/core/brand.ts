/** Identifiers that cannot be mistaken for one another, and plain JSON values. */

type Brand<T, B extends string> = T & { readonly __brand: B };

export type ActionId = Brand<string, 'act'>;
export type ReceiptId = Brand<string, 'rct'>;
export type RuleId = Brand<string, 'pol'>;
export type SessionId = Brand<string, 'sess'>;
export type AgentId = Brand<string, 'agt'>;
export type ApprovalId = Brand<string, 'apr'>;
export type DeferralId = Brand<string, 'dfr'>;
export type MandateId = Brand<string, 'mnd'>;
export type KeyId = Brand<string, 'key'>;

/** Lower-case hex SHA-256, 64 characters. */
export type Digest = Brand<string, 'sha256'>;

/** Milliseconds since the Unix epoch, by the daemon's clock. */
export type TimeMs = number;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const PREFIXED = /^(act|rct|pol|sess|agt|apr|dfr|mnd|key)_[A-Za-z0-9_-]{8,64}$/;
const HEX64 = /^[0-9a-f]{64}$/;

/** True when `text` has the shape of one of our identifiers with the given prefix. */
export function hasIdShape(prefix: string, text: string): boolean {
  return PREFIXED.test(text) && text.startsWith(`${prefix}_`);
}

/** True when `text` is a lower-case hex SHA-256. */
export function isDigest(text: string): text is Digest {
  return HEX64.test(text);
}
