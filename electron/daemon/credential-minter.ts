import type { Action } from '../core/action.ts';
import type { TimeMs } from '../core/brand.ts';
import type { CredentialKind, CredentialRecord } from '../core/credential.ts';
import type { Result } from '../core/result.ts';
import type { ProxyQuestion, Swap } from '../wire/proxy-message.ts';

/** What a credential keeps secret: the text the person gave, and for AWS the session token beside it. */
export interface CredentialSecret {
  readonly secret: string;
  readonly sessionToken: string | null;
}

/** What one minting is for; the limits of the record were checked before. */
export interface MintRequest {
  readonly record: CredentialRecord;
  readonly secret: CredentialSecret;
  readonly action: Action;
  readonly question: ProxyQuestion;
  readonly now: TimeMs;
}

/** What a minter made: the text that takes the placeholder's place and what to do with it. */
export interface Minted {
  readonly secret: string;
  readonly use: Swap['use'];
  /** Milliseconds since the epoch, when the issuer says that it ends before the record's own `ttlSeconds`. */
  readonly expiresAt: number | null;
  /** What it may do, in words, for the receipt: `contents:read on me/site`. Never the secret. */
  readonly scope: string;
  /** Ends it at its issuer, once the action is over or its seconds are; absent where an issuer knows no such thing. */
  readonly end?: () => Promise<void>;
}

/** Why nothing was minted; `message` is for people and agents and holds no secret. */
export interface MintFault {
  readonly code: 'unsupported' | 'exceeds' | 'issuer' | 'settings';
  readonly message: string;
}

/** Mints for one kind of credential (AARM R9.a, R9.b): seconds long, for one action, as narrow as the kind can be. */
export interface Minter {
  readonly kind: CredentialKind;
  mint(request: MintRequest): Promise<Result<Minted, MintFault>>;
  /** A harmless use, for `countersign credential test`: what happened, in words. Absent: there is none for this kind. */
  readonly test?: (
    record: CredentialRecord,
    secret: CredentialSecret,
    now: TimeMs,
  ) => Promise<Result<string, MintFault>>;
  /** Ends what still lives at the issuer, and connections to it; once, when the daemon stops. */
  readonly close?: () => Promise<void>;
}

/** The minters of a daemon, one a kind. */
export interface MinterRegistry {
  register(minter: Minter): void;
  find(kind: CredentialKind): Minter | null;
  /** Closes them all. */
  close(): Promise<void>;
}

/** Makes an empty registry; a second minter of one kind is our bug. */
export function createMinterRegistry(minters: readonly Minter[] = []): MinterRegistry {
  const byKind = new Map<CredentialKind, Minter>();
  const register = (minter: Minter): void => {
    if (byKind.has(minter.kind)) throw new Error(`two minters of kind ${minter.kind}`);
    byKind.set(minter.kind, minter);
  };
  for (const minter of minters) register(minter);
  const close = async (): Promise<void> => {
    for (const minter of byKind.values()) await minter.close?.();
  };
  return { register, find: (kind) => byKind.get(kind) ?? null, close };
}
