import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { err, ok, type Result } from '../core/result.ts';
import { concat, readSsh, SshReader, sshMpint, sshString } from '../wire/ssh/bytes.ts';
import type { NameHash } from '../wire/ssh/known-hosts.ts';
import { isOpensshKey, padded, readPrivateKey, type SshPrivateKey } from '../wire/ssh/private-key.ts';
import {
  ECDSA_BYTES,
  type EcdsaType,
  magnitude,
  publicKeyBlob,
  readPublicKey,
  readSignature,
  type SignatureType,
  type SshPublicKey,
  signatureTypeOf,
} from '../wire/ssh/public-key.ts';

/** A private key that can sign; null from `sign` for a signature that is not made (SHA-1). */
export interface SshSigner {
  /** The public key's blob. */
  readonly blob: Uint8Array;
  sign(data: Uint8Array, flags: number): Uint8Array | null;
}

const url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const DIGESTS: Readonly<Record<SignatureType, string | null>> = {
  'ssh-ed25519': null,
  'rsa-sha2-256': 'sha256',
  'rsa-sha2-512': 'sha512',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};
const CURVES: Readonly<Record<EcdsaType, string>> = {
  'ecdsa-sha2-nistp256': 'P-256',
  'ecdsa-sha2-nistp384': 'P-384',
  'ecdsa-sha2-nistp521': 'P-521',
};

/** How `known_hosts` hides a name. */
export const hashKnownName: NameHash = (salt, name) => createHmac('sha1', salt).update(name).digest();

/** Whether a signature's blob is a key's own, over exactly these bytes. False for everything malformed, weak or unknown. */
export function verifySsh(keyBlob: Uint8Array, data: Uint8Array, signatureBlob: Uint8Array): boolean {
  const key = readPublicKey(keyBlob);
  const signature = readSignature(signatureBlob);
  if (key === null || signature === null) return false;
  const fits = key.type === 'ssh-rsa' ? signature.type.startsWith('rsa-') : signature.type === key.type;
  if (!fits) return false;
  const bytes = isEcdsa(key) ? flatOf(signature.bytes, ECDSA_BYTES[key.type]) : signature.bytes;
  if (bytes === null) return false;
  try {
    return verify(DIGESTS[signature.type], data, { key: publicOf(key), dsaEncoding: 'ieee-p1363' }, bytes);
  } catch {
    // A point that is not on its curve, for one.
    return false;
  }
}

/** Loads a private key without a passphrase: OpenSSH's own format, PKCS#8 or PKCS#1. The fault holds nothing of it. */
export function loadSshKey(
  pem: string,
): Result<SshSigner, { readonly code: string; readonly message: string }> {
  const fault = (code: string, message: string) => err({ code, message });
  try {
    if (isOpensshKey(pem)) {
      const read = readPrivateKey(pem);
      if (read === 'encrypted')
        return fault(
          'encrypted',
          'the private key has a passphrase; give one without, or name an agent that holds it',
        );
      if (read === 'malformed') return fault('malformed', 'the private key cannot be read');
      return signerOf(createPrivateKey({ key: privateJwk(read), format: 'jwk' }), read.public);
    }
    const key = createPrivateKey(pem);
    const parsed = publicOfJwk(createPublicKey(key).export({ format: 'jwk' }));
    return parsed === null
      ? fault('malformed', 'a private key of a kind that is not signed with')
      : signerOf(key, parsed);
  } catch {
    return fault('malformed', 'the private key cannot be read');
  }
}

function signerOf(key: KeyObject, shown: SshPublicKey): Result<SshSigner, { code: string; message: string }> {
  const blob = publicKeyBlob(shown);
  const signer: SshSigner = {
    blob,
    sign(data, flags) {
      const type = signatureTypeOf(shown, flags);
      if (type === null) return null;
      const bytes = sign(DIGESTS[type], data, { key, dsaEncoding: 'ieee-p1363' });
      return concat(sshString(type), sshString(isEcdsa(shown) ? numbersOf(bytes) : bytes));
    },
  };
  // A file whose halves do not belong together is no key.
  const trial = new Uint8Array(32);
  const signed = signer.sign(trial, 2);
  return signed !== null && verifySsh(blob, trial, signed)
    ? ok(signer)
    : err({ code: 'malformed', message: 'the private key does not fit its own public half' });
}

function isEcdsa(key: SshPublicKey): key is Extract<SshPublicKey, { readonly type: EcdsaType }> {
  return Object.hasOwn(ECDSA_BYTES, key.type);
}

function publicJwk(key: SshPublicKey): JsonWebKey {
  if (key.type === 'ssh-ed25519') return { kty: 'OKP', crv: 'Ed25519', x: url(key.point) };
  if (key.type === 'ssh-rsa') return { kty: 'RSA', n: url(key.modulus), e: url(key.exponent) };
  const size = ECDSA_BYTES[key.type];
  const [x, y] = [key.point.subarray(1, 1 + size), key.point.subarray(1 + size)];
  return { kty: 'EC', crv: CURVES[key.type], x: url(x), y: url(y) };
}

function publicOf(key: SshPublicKey): KeyObject {
  return createPublicKey({ key: publicJwk(key), format: 'jwk' });
}

function privateJwk(key: SshPrivateKey): JsonWebKey {
  const shown = publicJwk(key.public);
  if (key.kind === 'ed25519') return { ...shown, d: url(key.seed) };
  if (key.kind === 'ecdsa')
    return {
      ...shown,
      d: url(isEcdsa(key.public) ? padded(key.scalar, ECDSA_BYTES[key.public.type]) : key.scalar),
    };
  const big = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const rest = (prime: Uint8Array): string => {
    const hex = (big(key.d) % (big(prime) - 1n)).toString(16);
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
  };
  return {
    ...shown,
    d: url(key.d),
    p: url(key.p),
    q: url(key.q),
    dp: rest(key.p),
    dq: rest(key.q),
    qi: url(key.inverse),
  };
}

function publicOfJwk(jwk: JsonWebKey): SshPublicKey | null {
  const part = (text: string | undefined) => new Uint8Array(Buffer.from(text ?? '', 'base64url'));
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519') return { type: 'ssh-ed25519', point: part(jwk.x) };
  if (jwk.kty === 'RSA') return { type: 'ssh-rsa', modulus: part(jwk.n), exponent: part(jwk.e) };
  const type = (Object.keys(CURVES) as EcdsaType[]).find((name) => CURVES[name] === jwk.crv);
  if (jwk.kty !== 'EC' || type === undefined) return null;
  return { type, point: concat(Uint8Array.of(4), part(jwk.x), part(jwk.y)) };
}

/** Two numbers as SSH has them, of two of one size. */
function numbersOf(flat: Uint8Array): Uint8Array {
  const half = flat.length / 2;
  return concat(sshMpint(flat.subarray(0, half)), sshMpint(flat.subarray(half)));
}

function flatOf(numbers: Uint8Array, size: number): Uint8Array | null {
  const read = readSsh(() => {
    const reader = new SshReader(numbers);
    const both = [magnitude(reader.string()), magnitude(reader.string())] as const;
    reader.end();
    return both;
  });
  if (read === null || read[0].length > size || read[1].length > size) return null;
  return concat(padded(read[0], size), padded(read[1], size));
}
