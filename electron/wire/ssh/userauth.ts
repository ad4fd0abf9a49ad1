import { readSsh, SshMalformed, SshReader, sameBytes } from './bytes.ts';
import { readPublicKey, type SignatureType, signatureTypeOf } from './public-key.ts';

/** What a client wants signed to log in (RFC 4252, section 7; `publickey-hostbound-v00@openssh.com`). */
export interface UserAuth {
  readonly sessionId: Uint8Array;
  readonly user: string;
  /** `ssh-connection`, always. */
  readonly service: string;
  readonly algorithm: SignatureType;
  readonly key: Uint8Array;
  /** Key of the host that it is for, where the request itself names one. */
  readonly hostKey: Uint8Array | null;
}

const USERAUTH_REQUEST = 50;

/**
 * Reads the bytes that a login signs; null for everything else. INVARIANT (nothing but a login is signed): also a file, a certificate
 * or a git commit (`SSHSIG`) is bytes to sign, and none of them can be read as this.
 */
export function readUserAuth(data: Uint8Array, flags: number): UserAuth | null {
  return readSsh(() => {
    const reader = new SshReader(data);
    const sessionId = reader.string();
    if (reader.byte() !== USERAUTH_REQUEST) throw new SshMalformed('no request to log in');
    const user = reader.text();
    const service = reader.text();
    const method = reader.text();
    const bound = method === 'publickey-hostbound-v00@openssh.com';
    if (service !== 'ssh-connection' || (method !== 'publickey' && !bound) || !reader.flag())
      throw new SshMalformed('another way to log in');
    const algorithm = reader.text();
    const key = reader.string();
    const hostKey = bound ? reader.string() : null;
    reader.end();
    const parsed = readPublicKey(key);
    const made = parsed === null ? null : signatureTypeOf(parsed, flags);
    if (made === null || made !== algorithm) throw new SshMalformed('a signature that is not made');
    return { sessionId, user, service, algorithm: made, key, hostKey };
  });
}

/** Whether a request to log in is one of the session that was bound to a host: same session, same host where it names one, same key. */
export function fitsBind(
  auth: UserAuth,
  bind: { readonly hostKey: Uint8Array; readonly sessionId: Uint8Array },
  key: Uint8Array,
): boolean {
  return (
    sameBytes(auth.sessionId, bind.sessionId) &&
    sameBytes(auth.key, key) &&
    (auth.hostKey === null || sameBytes(auth.hostKey, bind.hostKey))
  );
}
