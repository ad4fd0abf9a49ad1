import { concat, readSsh, SshMalformed, SshReader, sshString, sshUint32 } from './bytes.ts';

/** What a client asks of an SSH agent (draft-miller-ssh-agent), as far as we hear it. */
export type AgentRequest =
  | { readonly kind: 'identities' }
  | { readonly kind: 'sign'; readonly key: Uint8Array; readonly data: Uint8Array; readonly flags: number }
  | {
      /** `session-bind@openssh.com`: which host the client talks to, proven by the host's own signature over the session's id. */
      readonly kind: 'bind';
      readonly hostKey: Uint8Array;
      readonly sessionId: Uint8Array;
      readonly signature: Uint8Array;
      readonly forwarding: boolean;
    }
  /** Understood, and never done: adding, removing and locking keys, and extensions. */
  | { readonly kind: 'refused'; readonly what: string };

/** A request is at most this long, in bytes: what is signed is far shorter. */
export const MAX_AGENT_MESSAGE = 64 * 1024;

const REQUEST_IDENTITIES = 11;
const SIGN_REQUEST = 13;
const EXTENSION = 27;
const REFUSED: ReadonlyMap<number, string> = new Map([
  [1, 'the identities of the first protocol'],
  [17, 'adding a key'],
  [18, 'removing a key'],
  [19, 'removing all keys'],
  [20, 'adding a key of a card'],
  [21, 'removing a key of a card'],
  [22, 'locking'],
  [23, 'unlocking'],
  [25, 'adding a key with constraints'],
  [26, 'adding a key of a card with constraints'],
]);

/** Reads one request, without the length before it; null when it is malformed or not known. */
export function readAgentRequest(message: Uint8Array): AgentRequest | null {
  return readSsh(() => {
    const reader = new SshReader(message);
    const type = reader.byte();
    const refused = REFUSED.get(type);
    if (refused !== undefined) return { kind: 'refused', what: refused };
    switch (type) {
      case REQUEST_IDENTITIES:
        reader.end();
        return { kind: 'identities' };
      case SIGN_REQUEST: {
        const key = reader.string();
        const data = reader.string();
        const flags = reader.uint32();
        reader.end();
        return { kind: 'sign', key, data, flags };
      }
      case EXTENSION: {
        const name = reader.text();
        return name === 'session-bind@openssh.com'
          ? bindOf(reader)
          : { kind: 'refused', what: `the extension ${name.slice(0, 64)}` };
      }
      default:
        throw new SshMalformed('a request that is not known');
    }
  });
}

function bindOf(reader: SshReader): AgentRequest {
  const hostKey = reader.string();
  const sessionId = reader.string();
  const signature = reader.string();
  const forwarding = reader.flag();
  reader.end();
  // A hash of the key exchange: SHA-1 to SHA-512.
  if (sessionId.length < 20 || sessionId.length > 64) throw new SshMalformed('no session id');
  return { kind: 'bind', hostKey, sessionId, signature, forwarding };
}

const framed = (body: Uint8Array): Uint8Array => concat(sshUint32(body.length), body);

export const AGENT_FAILURE: Uint8Array = framed(Uint8Array.of(5));
export const AGENT_SUCCESS: Uint8Array = framed(Uint8Array.of(6));

/** The list of keys, each a blob and a comment. */
export function identitiesAnswer(
  keys: readonly { readonly blob: Uint8Array; readonly comment: string }[],
): Uint8Array {
  const rows = keys.flatMap(({ blob, comment }) => [sshString(blob), sshString(comment)]);
  return framed(concat(Uint8Array.of(12), sshUint32(keys.length), ...rows));
}

export function signAnswer(signature: Uint8Array): Uint8Array {
  return framed(concat(Uint8Array.of(14), sshString(signature)));
}

/** A sign request to another agent. */
export function signRequest(key: Uint8Array, data: Uint8Array, flags: number): Uint8Array {
  return framed(concat(Uint8Array.of(SIGN_REQUEST), sshString(key), sshString(data), sshUint32(flags)));
}

/** The signature in an agent's answer, without the length before it; null when it refused or is malformed. */
export function readSignAnswer(message: Uint8Array): Uint8Array | null {
  return readSsh(() => {
    const reader = new SshReader(message);
    if (reader.byte() !== 14) throw new SshMalformed('no signature');
    const signature = reader.string();
    reader.end();
    return signature;
  });
}
