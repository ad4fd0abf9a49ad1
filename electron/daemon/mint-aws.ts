import type { CredentialRecord } from '../core/credential.ts';
import type { HttpRequest } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';
import { type AwsKeys, mintSessionKeys } from '../edge/aws-sts.ts';
import { awsPolicy, awsScope } from './aws-scope.ts';
import type { CredentialSecret, Minter, MintFault } from './credential-minter.ts';

/**
 * Keys of AWS (AARM R9.a, R9.b). The proxy signs the request anew; with `settings.role` (or `settings.federation`) it does so with keys of a session
 * of STS whose policy allows this operation on this resource and nothing else, and else with the person's own keys. `settings.read_only`:
 * what is not known to only read is refused.
 */
export const awsMinter: Minter = {
  kind: 'aws',
  async mint({ record, secret, action, question, now }) {
    if (question.kind !== 'request')
      return fault('unsupported', 'keys of AWS sign requests, and this is none');
    const scope = signatureScope(question.request);
    if (scope === null)
      return fault(
        'unsupported',
        'it carries no signature of version 4 by which region and service are known',
      );
    const keys = keysOf(record, secret);
    if (!keys.ok) return keys;
    const does = awsScope(question.request, scope.service);
    const words = `${does.actions.join(', ')} on ${does.resources.join(', ')}`;
    if (record.settings['read_only'] === true && !does.reads)
      return fault('exceeds', `it only reads, and this is ${words}`);
    const { role, federation, sts_endpoint: endpoint } = record.settings;
    const narrowed = typeof role === 'string' || federation === true;
    if (!narrowed)
      return ok({
        secret: keys.value.secretAccessKey,
        use: {
          kind: 'sigv4',
          accessKeyId: keys.value.accessKeyId,
          sessionToken: keys.value.sessionToken,
          ...scope,
        },
        expiresAt: null,
        scope: `${words}, signed with the person's own keys`,
      });
    const region = typeof record.settings['region'] === 'string' ? record.settings['region'] : scope.region;
    const minted = await mintSessionKeys({
      endpoint: typeof endpoint === 'string' ? endpoint : `https://sts.${region}.amazonaws.com`,
      region,
      keys: keys.value,
      role: typeof role === 'string' ? role : null,
      name: `countersign-${action.id.replace(/[^A-Za-z0-9]/g, '').slice(-12)}`,
      policy: awsPolicy(does),
      now,
    });
    if (!minted.ok) return fault('issuer', minted.error);
    const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = minted.value;
    return ok({
      secret: secretAccessKey,
      use: { kind: 'sigv4', accessKeyId, sessionToken, ...scope },
      expiresAt,
      scope: words,
    });
  },
  async test(record, secret, now) {
    const keys = keysOf(record, secret);
    if (!keys.ok) return keys;
    const { role, federation, sts_endpoint: endpoint } = record.settings;
    if (typeof role !== 'string' && federation !== true)
      return fault(
        'unsupported',
        'without a role there is no use of these keys that is harmless for certain; none was made',
      );
    const region = typeof record.settings['region'] === 'string' ? record.settings['region'] : 'us-east-1';
    const minted = await mintSessionKeys({
      endpoint: typeof endpoint === 'string' ? endpoint : `https://sts.${region}.amazonaws.com`,
      region,
      keys: keys.value,
      role: typeof role === 'string' ? role : null,
      name: 'countersign-test',
      policy: awsPolicy({ actions: ['sts:GetCallerIdentity'], resources: ['*'], reads: true }),
      now,
    });
    return minted.ok
      ? ok('STS made keys for a session that may do nothing but ask who it is')
      : fault('issuer', minted.error);
  },
};

function fault(code: MintFault['code'], message: string): { readonly ok: false; readonly error: MintFault } {
  return err({ code, message });
}

function keysOf(record: CredentialRecord, secret: CredentialSecret): Result<AwsKeys, MintFault> {
  const id = record.settings['access_key_id'];
  return typeof id === 'string' && id !== ''
    ? ok({ accessKeyId: id, secretAccessKey: secret.secret, sessionToken: secret.sessionToken })
    : fault('settings', 'its key id is not set');
}

/** Region and service that a request was signed for, from its header or its presigned URL; null when there is no such signature, or two. */
export function signatureScope(
  request: HttpRequest,
): { readonly region: string; readonly service: string } | null {
  const said = [
    ...request.headers
      .filter(([name, value]) => name === 'authorization' && value.startsWith('AWS4-HMAC-SHA256'))
      .map(([, value]) => /Credential=([^,\s]+)/.exec(value)?.[1] ?? ''),
    ...request.target.query
      .filter(([name]) => name.toLowerCase() === 'x-amz-credential')
      .map(([, value]) => value),
  ];
  if (said.length !== 1) return null;
  const scope = /^[^/\s]+\/\d{8}\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request$/.exec(said[0] ?? '');
  return scope === null ? null : { region: scope[1] ?? '', service: scope[2] ?? '' };
}
