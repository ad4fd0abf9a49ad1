import { concat, fromBase64, readSsh, SshMalformed, SshReader, sshString, textOf } from './bytes.ts';

/** A public key that we can check with and sign for; the fields are big-endian numbers and points as SSH has them. */
export type SshPublicKey =
  | { readonly type: 'ssh-ed25519'; readonly point: Uint8Array }
  | { readonly type: 'ssh-rsa'; readonly exponent: Uint8Array; readonly modulus: Uint8Array }
  | { readonly type: EcdsaType; readonly point: Uint8Array };

export type EcdsaType = 'ecdsa-sha2-nistp256' | 'ecdsa-sha2-nistp384' | 'ecdsa-sha2-nistp521';

/** Bytes of one coordinate. */
export const ECDSA_BYTES: Readonly<Record<EcdsaType, number>> = {
  'ecdsa-sha2-nistp256': 32,
  'ecdsa-sha2-nistp384': 48,
  'ecdsa-sha2-nistp521': 66,
};

/** Bits below which an RSA key is no key; above which signing with it would take seconds. */
const RSA_BYTES = { least: 256, most: 2048 };

/** Reads a public key's blob; null when it is malformed, too weak or of a kind that is not signed for here (certificates, `sk-`, DSA). */
export function readPublicKey(blob: Uint8Array): SshPublicKey | null {
  return readSsh(() => {
    const reader = new SshReader(blob);
    const key = keyOf(reader.text(), reader);
    reader.end();
    return key;
  });
}

function keyOf(type: string, reader: SshReader): SshPublicKey {
  switch (type) {
    case 'ssh-ed25519': {
      const point = reader.string();
      if (point.length !== 32) throw new SshMalformed('no key of 32 bytes');
      return { type, point };
    }
    case 'ssh-rsa': {
      const exponent = magnitude(reader.string());
      const modulus = magnitude(reader.string());
      if (modulus.length < RSA_BYTES.least || modulus.length > RSA_BYTES.most || exponent.length > 8)
        throw new SshMalformed('a size that is none');
      return { type, exponent, modulus };
    }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521': {
      if (reader.text() !== type.slice('ecdsa-sha2-'.length)) throw new SshMalformed('another curve');
      const point = reader.string();
      if (point.length !== 1 + 2 * ECDSA_BYTES[type] || point[0] !== 4)
        throw new SshMalformed('no point of the curve');
      return { type, point };
    }
    default:
      throw new SshMalformed('a kind of key that is not known');
  }
}

/** A number as it stands in a key: not negative, written in one way only. */
export function magnitude(bytes: Uint8Array): Uint8Array {
  const [first = 0, second = 0] = bytes;
  if (bytes.length === 0 || first > 127) throw new SshMalformed('no positive number');
  if (first !== 0) return bytes;
  if (bytes.length === 1 || second < 128) throw new SshMalformed('a number written too long');
  return bytes.subarray(1);
}

/** The blob of a key: what `readPublicKey` reads. */
export function publicKeyBlob(key: SshPublicKey): Uint8Array {
  switch (key.type) {
    case 'ssh-ed25519':
      return concat(sshString(key.type), sshString(key.point));
    case 'ssh-rsa':
      return concat(sshString(key.type), positive(key.exponent), positive(key.modulus));
    default:
      return concat(
        sshString(key.type),
        sshString(key.type.slice('ecdsa-sha2-'.length)),
        sshString(key.point),
      );
  }
}

function positive(bytes: Uint8Array): Uint8Array {
  return sshString((bytes[0] ?? 0) > 127 ? concat(Uint8Array.of(0), bytes) : bytes);
}

/** A line of `authorized_keys` or of a `.pub` file without options: its blob and comment; null when it is none. */
export function readPublicKeyLine(
  line: string,
): { readonly blob: Uint8Array; readonly key: SshPublicKey; readonly comment: string } | null {
  const found = /^\s*([a-z0-9@.-]+)\s+([A-Za-z0-9+/=]+)(?:[ \t]+(.*?))?\s*$/.exec(line);
  const blob = found === null ? null : fromBase64(found[2] ?? '');
  const key = blob === null ? null : readPublicKey(blob);
  if (found === null || blob === null || key === null || key.type !== found[1]) return null;
  return { blob, key, comment: found[3] ?? '' };
}

/** Names of signatures that a key of a kind can make. */
export type SignatureType = 'ssh-ed25519' | 'rsa-sha2-256' | 'rsa-sha2-512' | EcdsaType;

export interface SshSignature {
  readonly type: SignatureType;
  readonly bytes: Uint8Array;
}

/** Reads a signature's blob; null when it is malformed or of a kind that is not taken (SHA-1 of RSA). */
export function readSignature(blob: Uint8Array): SshSignature | null {
  return readSsh(() => {
    const reader = new SshReader(blob);
    const type = textOf(reader.string());
    const bytes = reader.string();
    reader.end();
    if (!isSignatureType(type)) throw new SshMalformed('a signature that is not taken');
    return { type, bytes };
  });
}

function isSignatureType(type: string): type is SignatureType {
  return (
    type === 'ssh-ed25519' ||
    type === 'rsa-sha2-256' ||
    type === 'rsa-sha2-512' ||
    Object.hasOwn(ECDSA_BYTES, type)
  );
}

/** Which signature a key makes, by the flags of the agent's request; null when it is asked for one that is not made (SHA-1). */
export function signatureTypeOf(key: SshPublicKey, flags: number): SignatureType | null {
  if (key.type !== 'ssh-rsa')
    return flags === 0 || flags === 2 || flags === 4 || flags === 6 ? key.type : null;
  if ((flags & 4) !== 0) return (flags & ~6) === 0 ? 'rsa-sha2-512' : null;
  return flags === 2 ? 'rsa-sha2-256' : null;
}
