import type { JsonObject } from '../core/brand.ts';
import type { CredentialRecord } from '../core/credential.ts';
import { err, ok, type Result } from '../core/result.ts';
import { signWithAgent } from '../edge/ssh-agent-client.ts';
import { hashKnownName, loadSshKey, verifySsh } from '../edge/ssh-crypto.ts';
import type { DaemonToProxy, ProxyQuestion, SshAgentKey } from '../wire/proxy-message.ts';
import { fromBase64, sameBytes, toBase64 } from '../wire/ssh/bytes.ts';
import { hostOfKey, linesAbout, placeOfEntry, readKnownHosts } from '../wire/ssh/known-hosts.ts';
import { readPublicKey, readPublicKeyLine } from '../wire/ssh/public-key.ts';
import { fitsBind, readUserAuth } from '../wire/ssh/userauth.ts';
import type { Minter, MintFault } from './credential-minter.ts';

type SignQuestion = Extract<ProxyQuestion, { readonly kind: 'sign' }>;

/**
 * Signs one login (AARM R9.a, R9.b): what is minted is the signature, good for one session with one host. `settings`: `public_key` (a line of
 * `authorized_keys`), `known_hosts` (text of such a file), and `agent_socket` when the person's own agent signs in place of a key of the keychain.
 */
export function createSshMinter(): Minter {
  return {
    kind: 'ssh',
    async mint({ record, secret, question }) {
      if (question.kind !== 'sign') return fault('unsupported', 'an SSH key only signs logins');
      const seen = loginOf(record, question);
      if (!seen.ok) return seen;
      const { blob, data } = seen.value;
      const signed = await signatureOf(record, secret.secret, blob, data, question.flags);
      if (!signed.ok) return signed;
      if (!verifySsh(blob, data, signed.value)) return fault('issuer', 'the signature is not one of the key');
      return ok({
        secret: toBase64(signed.value),
        use: { kind: 'ssh' },
        expiresAt: null,
        scope: `one login to ${question.host} as ${question.user}`,
      });
    },
  };
}

/**
 * INVARIANT (the proxy is not believed): host, user and session are read once more out of what is signed and out of what the host signed;
 * a proxy that was taken over gets no signature that the question does not name.
 */
function loginOf(
  record: CredentialRecord,
  question: SignQuestion,
): Result<{ readonly blob: Uint8Array; readonly data: Uint8Array }, MintFault> {
  const own = keyOf(record);
  if (own === null) return fault('settings', 'its setting `public_key` is no public key');
  // Which repository is asked for is said after the login, where nothing is seen any more.
  if (record.limits.paths !== null)
    return fault(
      'settings',
      'a limit to paths cannot be kept for an SSH key; use a key that may only reach them',
    );
  const [key, data, hostKey, sessionId, signature] = [
    question.key,
    question.data,
    question.bind.hostKey,
    question.bind.sessionId,
    question.bind.signature,
  ].map(fromBase64);
  if (!key || !data || !hostKey || !sessionId || !signature)
    return fault('unsupported', 'the login cannot be read');
  if (!sameBytes(key, own)) return fault('unsupported', 'the login is with another key');
  const auth = readUserAuth(data, question.flags);
  if (auth === null || auth.user !== question.user)
    return fault('unsupported', 'what is to be signed is no login');
  if (!fitsBind(auth, { hostKey, sessionId }, key) || !verifySsh(hostKey, sessionId, signature))
    return fault('unsupported', 'the host did not prove that it is the one');
  const known = readKnownHosts(textSetting(record, 'known_hosts') ?? '');
  const host = hostOfKey(known, hostKey, record.limits.hosts, hashKnownName);
  if (host === null || host !== question.host)
    return fault('exceeds', 'the host is none of the credential’s');
  return ok({ blob: own, data });
}

async function signatureOf(
  record: CredentialRecord,
  pem: string,
  blob: Uint8Array,
  data: Uint8Array,
  flags: number,
): Promise<Result<Uint8Array, MintFault>> {
  const socket = textSetting(record, 'agent_socket');
  if (socket !== null) {
    const signed = await signWithAgent(socket, blob, data, flags);
    return signed.ok ? signed : fault('issuer', signed.error.message);
  }
  const signer = loadSshKey(pem);
  if (!signer.ok) return fault('settings', signer.error.message);
  if (!sameBytes(signer.value.blob, blob))
    return fault('settings', 'its private key does not belong to `public_key`');
  const signed = signer.value.sign(data, flags);
  return signed === null ? fault('unsupported', 'a signature that is not made (SHA-1)') : ok(signed);
}

function textSetting(record: CredentialRecord, name: string): string | null {
  const value = record.settings[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

function keyOf(record: CredentialRecord): Uint8Array | null {
  return readPublicKeyLine(textSetting(record, 'public_key') ?? '')?.blob ?? null;
}

function fault(code: MintFault['code'], message: string): Result<never, MintFault> {
  return err({ code, message });
}

/**
 * Settings of a new or rotated SSH credential, with what need not be said: the public half of its key, and the lines of the person's own
 * `known_hosts` about its hosts. The fault says what is missing, and nothing of the key.
 */
export function sshSettings(
  given: JsonObject,
  secret: string,
  hosts: readonly string[],
  ownKnownHosts: () => string,
): Result<JsonObject, string> {
  const unnamed = hosts.find((entry) => placeOfEntry(entry) === null);
  if (unnamed !== undefined)
    return err(`\`${unnamed}\` is no one host: an SSH key is for hosts by their names`);
  const settings: Record<string, JsonObject[string]> = { ...given };
  if (typeof given['agent_socket'] !== 'string') {
    const loaded = loadSshKey(secret);
    if (!loaded.ok) return err(loaded.error.message);
    const type = readPublicKey(loaded.value.blob)?.type ?? '';
    settings['public_key'] = `${type} ${toBase64(loaded.value.blob)}`;
  } else if (readPublicKeyLine(String(given['public_key'] ?? '')) === null)
    return err(
      'with `agent_socket`, `public_key` says which key of the agent it is: a line of its `.pub` file',
    );
  const said = given['known_hosts'];
  const known =
    typeof said === 'string' ? said : linesAbout(ownKnownHosts(), hosts, hashKnownName).join('\n');
  const stranger = hosts.find(
    (entry) =>
      !readKnownHosts(known).some(({ key }) => hostOfKey(readKnownHosts(known), key, [entry], hashKnownName)),
  );
  if (stranger !== undefined)
    return err(
      `no key of \`${stranger}\` is known; connect to it once yourself, or give its line with \`--set known_hosts=\``,
    );
  return ok({ ...settings, known_hosts: known });
}

/** What the proxy is told of a session's SSH keys. `records`: those that may be used now; others may have been removed since. */
export function sshAgentOf(
  session: string,
  socket: string,
  records: readonly CredentialRecord[],
): Extract<DaemonToProxy, { readonly kind: 'ssh-agent' }> {
  const keys = records.flatMap((record): readonly SshAgentKey[] => {
    const blob = record.kind === 'ssh' ? keyOf(record) : null;
    if (blob === null) return [];
    const knownHosts = textSetting(record, 'known_hosts') ?? '';
    const { name } = record;
    return [
      { credential: name, publicKey: toBase64(blob), comment: name, knownHosts, hosts: record.limits.hosts },
    ];
  });
  return { kind: 'ssh-agent', session, socket, keys };
}

/** A name in the file system that a socket can have everywhere, in bytes. */
const MAX_SOCKET_PATH = 103;

/** Where a session's agent listens, below the folder of sessions; null where the path would be too long for a socket. */
export function agentSocketOf(sessions: string, session: string): string | null {
  const path = `${sessions}/${session}/ssh-agent`;
  return Buffer.byteLength(path) > MAX_SOCKET_PATH ? null : path;
}
