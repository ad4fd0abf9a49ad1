import type { JsonObject } from '../core/brand.ts';
import type { HttpRequest } from '../core/http.ts';

/** What one request to AWS does, as the names of IAM have it. */
export interface AwsScope {
  /** `s3:GetObject`; several where one request needs several. */
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Whether all of it only reads; false where that is not known. */
  readonly reads: boolean;
}

const READS = /^(?:Get|List|Describe|Head|BatchGet|Query|Scan|Search|Lookup|Check|Validate|Simulate)/;

/** Reads what a request does from where AWS's protocols say it: `X-Amz-Target`, the form's `Action`, or S3's method and path. */
export function awsScope(request: HttpRequest, service: string): AwsScope {
  if (service === 's3') return s3Scope(request);
  const operation = operationOf(request);
  if (operation === null)
    // The other protocols name the operation by method and path, differently for each service: no more is known than the service.
    return { actions: [`${prefixOf(service)}:*`], resources: ['*'], reads: false };
  return {
    actions: [`${prefixOf(service)}:${operation}`],
    resources: ['*'],
    // Credentials of others are no mere reading.
    reads: READS.test(operation) && service !== 'sts',
  };
}

/** The session policy that allows a scope and nothing else. */
export function awsPolicy(scope: AwsScope): JsonObject {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: [...scope.actions], Resource: [...scope.resources] }],
  };
}

/** IAM's prefix where it is not the service's name in a signature. */
function prefixOf(service: string): string {
  const others: Readonly<Record<string, string>> = {
    monitoring: 'cloudwatch',
    email: 'ses',
    'cognito-identity': 'cognito-identity',
  };
  return others[service] ?? service;
}

function operationOf(request: HttpRequest): string | null {
  const target = request.headers.find(([name]) => name === 'x-amz-target')?.[1];
  if (target !== undefined) return /^[\w.-]+\.([A-Za-z][A-Za-z0-9]{0,127})$/.exec(target)?.[1] ?? null;
  const said = [
    ...request.target.query.filter(([name]) => name === 'Action'),
    ...(request.body.kind === 'form' ? request.body.fields.filter(([name]) => name === 'Action') : []),
  ];
  // Two that disagree could be read either way.
  const names = new Set(said.map(([, value]) => value));
  const [only] = names;
  return names.size === 1 && only !== undefined && /^[A-Za-z][A-Za-z0-9]{0,127}$/.test(only) ? only : null;
}

/** Parameters of S3 that say *how* and not *what*. */
const S3_PLAIN =
  /^(?:x-id|list-type|prefix|delimiter|marker|max-keys|encoding-type|continuation-token|start-after|fetch-owner|versionid|partnumber|uploadid|response-.*|x-amz-.*)$/i;

function s3Scope(request: HttpRequest): AwsScope {
  const { host, path, query } = request.target;
  const hosted = /^(.+)\.s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?$/.exec(host)?.[1];
  const segments = path.split('/').slice(1);
  const bucket = hosted ?? (segments[0] ? segments[0] : null);
  const key = (hosted === undefined ? segments.slice(1) : segments).join('/');
  const partition = host.endsWith('.cn') ? 'aws-cn' : 'aws';
  if (bucket === null)
    return request.method === 'GET'
      ? { actions: ['s3:ListAllMyBuckets'], resources: ['*'], reads: true }
      : { actions: ['s3:CreateBucket'], resources: ['*'], reads: false };
  const arn = `arn:${partition}:s3:::${bucket}`;
  const object = `${arn}/${plainKey(key)}`;
  const part = query.find(([name]) => !S3_PLAIN.test(name))?.[0].toLowerCase() ?? null;
  const reading = request.method === 'GET' || request.method === 'HEAD';
  if (reading) {
    if (part !== null)
      return {
        actions: ['s3:Get*', 's3:List*'],
        resources: [arn, ...(key === '' ? [] : [object])],
        reads: true,
      };
    return key === ''
      ? { actions: ['s3:ListBucket'], resources: [arn], reads: true }
      : { actions: ['s3:GetObject', 's3:GetObjectVersion'], resources: [object], reads: true };
  }
  const writes = (actions: readonly string[], resources: readonly string[]): AwsScope => ({
    actions,
    resources,
    reads: false,
  });
  if (request.method === 'POST' && part === 'delete')
    return writes(['s3:DeleteObject', 's3:DeleteObjectVersion'], [`${arn}/*`]);
  if (part !== null && part !== 'uploads') {
    const verb = request.method === 'DELETE' ? 's3:Delete*' : 's3:Put*';
    return writes([verb], [arn, ...(key === '' ? [] : [object])]);
  }
  if (key === '') return writes([request.method === 'DELETE' ? 's3:DeleteBucket' : 's3:CreateBucket'], [arn]);
  if (request.method === 'DELETE')
    return writes(['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:AbortMultipartUpload'], [object]);
  const source = request.headers.find(([name]) => name === 'x-amz-copy-source')?.[1];
  if (source === undefined) return writes(['s3:PutObject'], [object]);
  const from = `arn:${partition}:s3:::${plainKey(source.replace(/^\//, '').split('?')[0] ?? '')}`;
  return writes(['s3:PutObject', 's3:GetObject'], [object, from]);
}

/** A key as IAM matches it: decoded, and its own `*` and `?` not taken for patterns. */
function plainKey(key: string): string {
  let plain = key;
  try {
    plain = decodeURIComponent(key);
  } catch {
    // Not encoded at all: it stands as it is.
  }
  return plain.replace(/[*?$]/g, (c) => `\${${c}}`);
}
