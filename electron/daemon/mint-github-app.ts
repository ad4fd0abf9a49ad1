import { createPrivateKey, sign } from 'node:crypto';
import type { CredentialRecord } from '../core/credential.ts';
import { err, ok, type Result } from '../core/result.ts';
import { callIssuer } from '../edge/issuer-http.ts';
import { parseStrictJson } from '../wire/json.ts';
import type { CredentialSecret, Minter, MintFault } from './credential-minter.ts';
import { githubScope } from './github-scope.ts';

/** A word for GitHub's clock, which may be behind ours. */
const SKEW_SECONDS = 60;
const JWT_SECONDS = 300;

type Permissions = Readonly<Record<string, 'read' | 'write'>>;

/**
 * An installation of a GitHub app (AARM R9.a, R9.b): for each action a token of its own, for the one repository and the one permission that the
 * action needs, never more than `settings.permissions` (when the person set them), and ended as soon as the action is over.
 */
export const githubAppMinter: Minter = {
  kind: 'github-app',
  async mint({ record, secret, question, now }) {
    if (question.kind !== 'request')
      return fault('unsupported', 'a GitHub app makes tokens for requests, and this is none');
    const { owner, repository, permission, access } = githubScope(question.request);
    const most = permissionsOf(record);
    let permissions: Permissions;
    if (permission !== null) {
      const allowed = most === null ? access : permission === 'metadata' ? 'read' : most[permission];
      if (allowed === undefined || (access === 'write' && allowed === 'read'))
        return fault('exceeds', `this needs ${permission}:${access}, which it does not have`);
      permissions = { [permission]: access };
    } else if (access === 'read' && most !== null)
      permissions = Object.fromEntries(Object.keys(most).map((name) => [name, 'read' as const]));
    else if (question.request.body.kind === 'graphql' && most !== null) permissions = most;
    else
      return fault(
        'exceeds',
        'it is not known which permission this needs, and all of them are more than it may have',
      );
    const account = record.settings['account'];
    if (typeof account === 'string' && owner !== null && owner.toLowerCase() !== account.toLowerCase())
      return fault('exceeds', `it is installed for \`${account}\`, not \`${owner}\``);
    const minted = await installationToken(record, secret, now, permissions, repository);
    if (!minted.ok) return minted;
    const { token, expiresAt } = minted.value;
    const listed = Object.entries(permissions).map(([name, level]) => `${name}:${level}`);
    return ok({
      secret: token,
      use: { kind: 'replace' },
      expiresAt,
      scope: `${listed.join(', ')} on ${repository === null ? 'the repositories it is installed for' : `${owner}/${repository}`}`,
      end: () => endToken(record, token),
    });
  },
  async test(record, secret, now) {
    const minted = await installationToken(record, secret, now, { metadata: 'read' }, null);
    if (!minted.ok) return minted;
    await endToken(record, minted.value.token);
    return ok('GitHub made a token that may read metadata, and ended it again');
  },
};

function fault(code: MintFault['code'], message: string): { readonly ok: false; readonly error: MintFault } {
  return err({ code, message });
}

/** The most that the person lets its tokens do; null when they did not say. */
function permissionsOf(record: CredentialRecord): Permissions | null {
  const said = record.settings['permissions'];
  if (said === null || said === undefined || typeof said !== 'object' || Array.isArray(said)) return null;
  return Object.fromEntries(
    Object.entries(said).filter((e): e is [string, 'read' | 'write'] => e[1] === 'read' || e[1] === 'write'),
  );
}

function baseOf(record: CredentialRecord): string {
  const said = record.settings['api_base'];
  return (typeof said === 'string' ? said : 'https://api.github.com').replace(/\/+$/, '');
}

const HEADERS = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };

async function installationToken(
  record: CredentialRecord,
  secret: CredentialSecret,
  now: number,
  permissions: Permissions,
  repository: string | null,
): Promise<Result<{ readonly token: string; readonly expiresAt: number }, MintFault>> {
  const { app_id: app, installation_id: installation } = record.settings;
  if (!isNumber(app) || !isNumber(installation))
    return fault('settings', 'its `app_id` and `installation_id` are not set');
  const jwt = appToken(String(app), secret.secret, now);
  if (!jwt.ok) return jwt;
  const called = await callIssuer({
    url: `${baseOf(record)}/app/installations/${installation}/access_tokens`,
    method: 'POST',
    headers: { ...HEADERS, authorization: `Bearer ${jwt.value}`, 'content-type': 'application/json' },
    body: JSON.stringify({ permissions, ...(repository === null ? {} : { repositories: [repository] }) }),
  });
  if (!called.ok) return fault('issuer', called.error);
  if (called.value.status !== 201)
    return fault(
      'issuer',
      `GitHub refused a token (${called.value.status}): is the app installed there, with these permissions?`,
    );
  const json = parseStrictJson(called.value.body);
  const reply =
    json.ok && json.value !== null && typeof json.value === 'object' && !Array.isArray(json.value)
      ? (json.value as Readonly<Record<string, unknown>>)
      : {};
  const { token, expires_at: end } = reply;
  const expiresAt = typeof end === 'string' ? Date.parse(end) : Number.NaN;
  if (typeof token !== 'string' || token === '' || Number.isNaN(expiresAt))
    return fault('issuer', 'GitHub answered with no token');
  return ok({ token, expiresAt });
}

/** Ends a token before its hour is over; one that cannot be ended ends by itself. */
async function endToken(record: CredentialRecord, token: string): Promise<void> {
  await callIssuer({
    url: `${baseOf(record)}/installation/token`,
    method: 'DELETE',
    headers: { ...HEADERS, authorization: `Bearer ${token}` },
    body: null,
  });
}

function isNumber(value: unknown): value is string | number {
  return (typeof value === 'number' || typeof value === 'string') && /^\d{1,20}$/.test(String(value));
}

/** A JSON Web Token by which an app says that it is itself, RS256. */
function appToken(app: string, pem: string, now: number): Result<string, MintFault> {
  const seconds = Math.floor(now / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = part({ alg: 'RS256', typ: 'JWT' });
  const text = `${head}.${part({ iat: seconds - SKEW_SECONDS, exp: seconds + JWT_SECONDS, iss: app })}`;
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== 'rsa') return fault('settings', 'its private key is not an RSA key');
    return ok(`${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`);
  } catch {
    // The library's words may quote the key.
    return fault('settings', 'its private key cannot be read: give the PEM file that GitHub made');
  }
}
