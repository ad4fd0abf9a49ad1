import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { JsonObject } from '../core/brand.ts';
import { err, ok, type Result } from '../core/result.ts';
import { callIssuer } from './issuer-http.ts';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

export interface StsRequest {
  /** `https://sts.REGION.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  readonly keys: AwsKeys;
  /** Role to assume; null: GetFederationToken. */
  readonly role: string | null;
  /** Name of the session, as CloudTrail shows it. */
  readonly name: string;
  /** What the session may do at most; null: all that the role may. */
  readonly policy: JsonObject | null;
  readonly now: number;
}

/** The shortest that STS makes. */
const DURATION_SECONDS = 900;

/** Asks STS for keys of a session that may do what its policy says and no more (AARM R9.b). */
export async function mintSessionKeys(
  request: StsRequest,
): Promise<Result<AwsKeys & { readonly expiresAt: number }, string>> {
  const { role, policy, keys } = request;
  const fields: Record<string, string> = {
    Action: role === null ? 'GetFederationToken' : 'AssumeRole',
    Version: '2011-06-15',
    DurationSeconds: String(DURATION_SECONDS),
    ...(role === null
      ? { Name: request.name.slice(0, 32) }
      : { RoleArn: role, RoleSessionName: request.name.slice(0, 64) }),
    ...(policy === null ? {} : { Policy: JSON.stringify(policy) }),
  };
  const body = new URLSearchParams(fields).toString();
  let url: URL;
  try {
    url = new URL(request.endpoint);
  } catch {
    return err('the address of STS cannot be read');
  }
  const signer = new SignatureV4({
    service: 'sts',
    region: request.region,
    sha256: Sha256,
    credentials: {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKey,
      ...(keys.sessionToken === null ? {} : { sessionToken: keys.sessionToken }),
    },
  });
  const signed = await signer.sign(
    {
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: '/',
      headers: { host: url.host, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body,
    },
    { signingDate: new Date(request.now) },
  );
  const called = await callIssuer({ url: `${url.origin}/`, method: 'POST', headers: signed.headers, body });
  if (!called.ok) return called;
  const text = called.value.body;
  if (called.value.status !== 200)
    return err(`STS refused (${called.value.status} ${element(text, 'Code') ?? 'without a reason'})`);
  const [id, secret, token, end] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map(
    (name) => element(text, name),
  );
  const expiresAt = Date.parse(end ?? '');
  if (!id || !secret || !token || Number.isNaN(expiresAt)) return err('STS answered with no keys');
  return ok({ accessKeyId: id, secretAccessKey: secret, sessionToken: token, expiresAt });
}

/** Text of the first element of a name in a small XML document. */
function element(xml: string, name: string): string | null {
  const found = new RegExp(`<${name}>([^<]{1,8192})</${name}>`).exec(xml);
  return found === null
    ? null
    : (found[1] ?? '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&').trim();
}
