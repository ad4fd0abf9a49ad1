import type { ActionId, Digest, JsonObject, SessionId, TimeMs } from './brand.ts';

/** Kinds of credential, each with a minter of its own (AARM R9). */
export const CREDENTIAL_KINDS = ['token', 'postgres', 'ssh', 'aws', 'github-app'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/** What a credential may be used for; checked at each use, before policy's own rules and never in place of them. */
export interface CredentialLimits {
  /** Host names, exact or `*.example.org`, with `:port` when it is not the usual one. Never empty. */
  readonly hosts: readonly string[];
  /** HTTP methods; null: any. */
  readonly methods: readonly string[] | null;
  /** Path patterns of policy's glob form; null: any. */
  readonly paths: readonly string[] | null;
  /** GraphQL operations: `query`, `mutation:addComment`; null: any. */
  readonly graphql: readonly string[] | null;
  /** Seconds that what is minted lives. */
  readonly ttlSeconds: number;
}

/** A credential that the person gave: everything but its secret, which only the keychain holds. */
export interface CredentialRecord {
  readonly name: string;
  readonly kind: CredentialKind;
  /** Variables of the agent's environment that hold its placeholder. */
  readonly env: readonly string[];
  readonly limits: CredentialLimits;
  /** What the kind needs and is no secret: database, role, key id, region, application id. */
  readonly settings: JsonObject;
  /** `prefix` of the placeholder and its shape, so that clients that check accept it. */
  readonly shape: {
    readonly prefix: string;
    readonly length: number;
    readonly alphabet: 'alnum' | 'hex' | 'base64url' | 'upper';
    /** The last six characters are a CRC-32 in base 62, as GitHub and npm make them. */
    readonly checksum?: 'crc32' | undefined;
  };
  readonly createdAt: TimeMs;
  readonly rotatedAt: TimeMs | null;
  /** After it nothing is minted. */
  readonly expiresAt: TimeMs | null;
  readonly revoked: boolean;
}

/**
 * A credential minted for one action: single use, seconds long, bound to what was decided. `secret` stands in no receipt, log or
 * reply to an agent; the proxy holds it for this one action.
 */
export interface MintedCredential {
  readonly id: string;
  readonly credential: string;
  readonly session: SessionId;
  readonly action: ActionId;
  /** Digest of the action it may be used for. */
  readonly digest: Digest;
  readonly host: string;
  readonly expiresAt: TimeMs;
  readonly secret: string;
}
