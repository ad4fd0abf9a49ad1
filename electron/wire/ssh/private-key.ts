import { writeText } from '../octets.ts';
import { concat, fromBase64, readSsh, SshMalformed, SshReader, sameBytes } from './bytes.ts';
import { magnitude, publicKeyBlob, readPublicKey, type SshPublicKey } from './public-key.ts';

/** A private key of OpenSSH's own format; the numbers are those that JSON Web Key names. */
export type SshPrivateKey = { readonly public: SshPublicKey } & (
  | { readonly kind: 'ed25519'; readonly seed: Uint8Array }
  | { readonly kind: 'ecdsa'; readonly scalar: Uint8Array }
  | {
      readonly kind: 'rsa';
      readonly d: Uint8Array;
      readonly p: Uint8Array;
      readonly q: Uint8Array;
      readonly inverse: Uint8Array;
    }
);

/** Why a private key cannot be used; `encrypted`: it has a passphrase. */
export type PrivateKeyFault = 'encrypted' | 'malformed';

const MAGIC = writeText('openssh-key-v1\0');

/** True for what begins as OpenSSH's own format does; other PEM is for the platform to read. */
export function isOpensshKey(pem: string): boolean {
  return pem.includes('-----BEGIN OPENSSH PRIVATE KEY-----');
}

/** Reads a private key without a passphrase. */
export function readPrivateKey(pem: string): SshPrivateKey | PrivateKeyFault {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/.exec(
    pem,
  );
  const bytes = body === null ? null : fromBase64((body[1] ?? '').replace(/\s+/g, ''));
  if (bytes === null) return 'malformed';
  return readSsh(() => keyIn(bytes)) ?? 'malformed';
}

function keyIn(bytes: Uint8Array): SshPrivateKey | PrivateKeyFault {
  if (!sameBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return 'malformed';
  const reader = new SshReader(bytes.subarray(MAGIC.length));
  if (reader.text() !== 'none') return 'encrypted';
  if (reader.text() !== 'none' || reader.string().length !== 0 || reader.uint32() !== 1) return 'malformed';
  const shown = reader.string();
  const inner = new SshReader(reader.string());
  reader.end();
  const check = inner.uint32();
  if (inner.uint32() !== check) return 'malformed';
  const key = secretOf(inner.text(), inner);
  // What the file says of itself in the clear must be what is in it.
  return sameBytes(publicKeyBlob(key.public), shown) && readPublicKey(shown) !== null ? key : 'malformed';
}

function secretOf(type: string, reader: SshReader): SshPrivateKey {
  switch (type) {
    case 'ssh-ed25519': {
      const point = reader.string();
      const secret = reader.string();
      if (point.length !== 32 || secret.length !== 64) throw new SshMalformed('no key');
      return { kind: 'ed25519', public: { type, point }, seed: secret.subarray(0, 32) };
    }
    case 'ssh-rsa': {
      const [modulus, exponent, d, inverse, p, q] = Array.from({ length: 6 }, () =>
        magnitude(reader.string()),
      );
      if (!modulus || !exponent || !d || !inverse || !p || !q) throw new SshMalformed('no key');
      return { kind: 'rsa', public: { type, exponent, modulus }, d, p, q, inverse };
    }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521': {
      reader.string();
      const point = reader.string();
      return { kind: 'ecdsa', public: { type, point }, scalar: magnitude(reader.string()) };
    }
    default:
      throw new SshMalformed('a kind of key that is not known');
  }
}

/** Fills a number up to `size` bytes from the left, as JSON Web Key wants it. */
export function padded(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.length >= size ? bytes : concat(new Uint8Array(size - bytes.length), bytes);
}
