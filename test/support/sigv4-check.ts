import { createHash, createHmac } from 'node:crypto';

/**
 * Verifies AWS Signature Version 4 from the published description of the algorithm (docs.aws.amazon.com, "Create a signed request"), with no
 * code of the signer under test: what AWS would compute, from what arrived on the wire.
 */
export interface Arrived {
  readonly method: string;
  /** Path and query as on the request's first line. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Why the signature does not hold; null when it does. */
export function sigv4Fault(arrived: Arrived, secretOf: (keyId: string) => string | null): string | null {
  const [rawPath = '', rawQuery = ''] = arrived.url.split('?', 2);
  const query =
    rawQuery === '' ? [] : rawQuery.split('&').map((part) => part.split('=', 2) as [string, string?]);
  const decoded = query.map(
    ([name, value]) => [decodeURIComponent(name), decodeURIComponent(value ?? '')] as const,
  );
  const parameter = (name: string) => decoded.find(([key]) => key === name)?.[1];
  const authorization = arrived.headers['authorization'];
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  let at: string | undefined;
  if (authorization !== undefined) {
    const found =
      /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
        authorization,
      );
    [, credential, signedHeaders, signature] = found ?? [];
    at = arrived.headers['x-amz-date'];
  } else {
    credential = parameter('X-Amz-Credential');
    signedHeaders = parameter('X-Amz-SignedHeaders');
    signature = parameter('X-Amz-Signature');
    at = parameter('X-Amz-Date');
  }
  const scope = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/.exec(credential ?? '');
  if (scope === null || signedHeaders === undefined || signature === undefined || at === undefined)
    return 'it is not signed';
  const [, keyId = '', day = '', region = '', service = ''] = scope;
  const secret = secretOf(keyId);
  if (secret === null) return `the key \`${keyId}\` is not known here`;
  if (at.slice(0, 8) !== day) return 'its date and its scope disagree';
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = service === 's3' ? rawPath : rawPath.split('/').map(encode).join('/');
  const sorted = decoded
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort();
  const names = signedHeaders.split(';');
  if (!names.includes('host')) return 'it does not sign the host';
  const unsigned = Object.keys(arrived.headers).find(
    (name) => name.startsWith('x-amz-') && !names.includes(name),
  );
  if (unsigned !== undefined && authorization !== undefined) return `\`${unsigned}\` is not signed`;
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');
  const said = arrived.headers['x-amz-content-sha256'];
  const payload =
    authorization === undefined && said === undefined
      ? service === 's3'
        ? 'UNSIGNED-PAYLOAD'
        : sha(arrived.body)
      : (said ?? sha(arrived.body));
  if (/^[0-9a-f]{64}$/.test(payload) && payload !== sha(arrived.body))
    return 'its body is not the one that was hashed';
  const canonical = [
    arrived.method,
    path,
    sorted.join('&'),
    ...names.map((name) => `${name}:${(arrived.headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders,
    payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', at, `${day}/${region}/${service}/aws4_request`, sha(canonical)].join(
    '\n',
  );
  const mac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = mac(mac(mac(mac(`AWS4${secret}`, day), region), service), 'aws4_request');
  return mac(key, text).toString('hex') === signature ? null : 'its signature is wrong';
}
