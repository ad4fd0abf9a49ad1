import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Header } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { Swap } from '../wire/proxy-message.ts';

/** A request that was signed with a placeholder, as it is about to be sent. */
export interface SignedRequest {
  readonly method: string;
  /** Authority as it is sent, with the port where it is not the usual one. */
  readonly host: string;
  /** Path and query verbatim, as on the request's first line. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: readonly Header[];
  /** SHA-256 of the body, hex, when all of it is held; null when it streams. Needed where the client did not say it. */
  readonly bodySha256: string | null;
}

/** The same request under another signature. */
export interface ResignedRequest {
  readonly path: string;
  readonly headers: readonly Header[];
}

type Sigv4Use = Extract<Swap['use'], { readonly kind: 'sigv4' }>;

const ALGORITHM = 'AWS4-HMAC-SHA256';
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** What the signature itself puts into a presigned URL. */
const PRESIGN_PARAMETERS = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
]);

/** What stands in `Authorization` or in a presigned URL about who signed. */
interface Claim {
  readonly kind: 'header' | 'query';
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly date: Date;
}

/**
 * Signs a request anew with the credential that was minted for it (AARM R9.a). The placeholder's key id must be the one that it was signed with,
 * for the region and service that were decided on; hashes of the payload stay as the client made them. `now` bounds presigned URLs.
 */
export async function resign(
  request: SignedRequest,
  swap: Swap,
  now: number,
): Promise<Result<ResignedRequest, string>> {
  if (swap.use.kind !== 'sigv4') return err('this credential does not sign requests');
  if (now >= swap.expiresAt) return err('the credential that was made for this request has expired');
  const query = queryOf(request.path);
  const claim = claimOf(request, query);
  if (!claim.ok) return claim;
  const { accessKeyId, region, service } = claim.value;
  if (accessKeyId !== swap.placeholder)
    return err('it is signed with another key than the one it was allowed for');
  if (region !== swap.use.region || service !== swap.use.service)
    return err('it is signed for another region or service than it was allowed for');
  const payload = header(request.headers, 'x-amz-content-sha256');
  if (payload?.startsWith('STREAMING-AWS4-'))
    return err(
      'each part of its body is signed with the placeholder, which cannot be done anew: have the client send an unsigned payload (`payload_signing_enabled = false`)',
    );
  return claim.value.kind === 'header'
    ? signHeaders(request, query, claim.value, swap, swap.use)
    : presign(request, query, claim.value, swap, swap.use, now);
}

function signerOf(swap: Swap, use: Sigv4Use): SignatureV4 {
  const { accessKeyId, sessionToken, region, service } = use;
  return new SignatureV4({
    service,
    region,
    sha256: Sha256,
    applyChecksum: false,
    // S3 takes a path as it is; every other service wants it escaped once more.
    uriEscapePath: service !== 's3' && service !== 's3-object-lambda' && service !== 's3-outposts',
    credentials: {
      accessKeyId,
      secretAccessKey: swap.secret,
      ...(sessionToken === null ? {} : { sessionToken }),
    },
  });
}

async function signHeaders(
  request: SignedRequest,
  query: readonly (readonly [string, string])[],
  claim: Claim,
  swap: Swap,
  use: Sigv4Use,
): Promise<Result<ResignedRequest, string>> {
  const replaced = new Set(['authorization', 'x-amz-security-token', 'x-amz-date', 'host']);
  const kept = request.headers.filter(([name]) => !replaced.has(name));
  const saidHash = header(request.headers, 'x-amz-content-sha256');
  const hash = saidHash ?? request.bodySha256 ?? null;
  if (hash === null) return err('its signature covers a body that is too long to look at');
  const wanted = new Set([...claim.signedHeaders, 'x-amz-content-sha256']);
  // The proxy asks for plain text, whatever the client asked for.
  wanted.delete('accept-encoding');
  const signer = signerOf(swap, use);
  const signed = await signer.sign(
    {
      ...messageOf(request, query),
      headers: { ...bagOf(kept), host: request.host, 'x-amz-content-sha256': hash },
    },
    {
      signingDate: claim.date,
      signableHeaders: wanted,
      // What nobody signed, a hop in between may change.
      unsignableHeaders: new Set(
        kept.map(([name]) => name).filter((name) => !wanted.has(name) && !name.startsWith('x-amz-')),
      ),
    },
  );
  const made = [
    'authorization',
    'x-amz-date',
    'x-amz-security-token',
    ...(saidHash === null ? ['x-amz-content-sha256'] : []),
  ];
  const fresh = made.flatMap((name): Header[] => {
    const value = signed.headers[name];
    return value === undefined ? [] : [[name, value]];
  });
  // The Date header of a client that used it in place of X-Amz-Date stays unsigned: it is no part of the new signature.
  return ok({ path: request.path, headers: [['host', request.host], ...kept, ...fresh] });
}

/** Longest life of a presigned URL that we sign: it is used at once. */
const MAX_PRESIGNED_SECONDS = 300;

async function presign(
  request: SignedRequest,
  query: readonly (readonly [string, string])[],
  claim: Claim,
  swap: Swap,
  use: Sigv4Use,
  now: number,
): Promise<Result<ResignedRequest, string>> {
  const own = query.filter(([name]) => !PRESIGN_PARAMETERS.has(name.toLowerCase()));
  const kept = request.headers.filter(([name]) => name !== 'host');
  const wanted = new Set(claim.signedHeaders);
  const said = header(request.headers, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD';
  const names = new Set(kept.map(([name]) => name));
  const isS3 = use.service.startsWith('s3');
  const signer = signerOf(swap, use);
  const signed = await signer.presign(
    {
      ...messageOf(request, own),
      headers: {
        ...bagOf(kept),
        host: request.host,
        'x-amz-content-sha256': isS3 ? said : (request.bodySha256 ?? EMPTY_SHA256),
      },
    },
    {
      signingDate: new Date(now),
      expiresIn: MAX_PRESIGNED_SECONDS,
      signableHeaders: wanted,
      unsignableHeaders: new Set([...names, 'x-amz-content-sha256'].filter((name) => !wanted.has(name))),
      // Headers stay where the client put them.
      unhoistableHeaders: new Set([...names, 'x-amz-content-sha256']),
    },
  );
  const parameters = Object.entries(signed.query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? '']).map(
      (one) => `${percentEncode(name)}=${percentEncode(one)}`,
    ),
  );
  return ok({
    path: `${pathOf(request.path)}?${parameters.join('&')}`,
    headers: [['host', request.host], ...kept],
  });
}

/** A request as the signing library takes it. */
function messageOf(request: SignedRequest, query: readonly (readonly [string, string])[]) {
  const bag: Record<string, string | string[]> = {};
  for (const [name, value] of query) {
    const before = Object.hasOwn(bag, name) ? bag[name] : undefined;
    bag[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return {
    method: request.method,
    protocol: 'https:',
    hostname: request.host,
    path: pathOf(request.path),
    query: bag,
  };
}

function bagOf(headers: readonly Header[]): Record<string, string> {
  const bag: Record<string, string> = {};
  for (const [name, value] of headers) bag[name] = Object.hasOwn(bag, name) ? `${bag[name]},${value}` : value;
  return bag;
}

function pathOf(path: string): string {
  const mark = path.indexOf('?');
  return mark < 0 ? path : path.slice(0, mark);
}

/** Name and value, decoded, in order. A plus sign is a plus sign: the signature is over bytes, not over a form. */
function queryOf(path: string): readonly (readonly [string, string])[] {
  const mark = path.indexOf('?');
  if (mark < 0 || mark === path.length - 1) return [];
  return path
    .slice(mark + 1)
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
      return [decode(name), decode(value)] as const;
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Percent-encoding as RFC 3986 has it, which the signature wants. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function header(headers: readonly Header[], wanted: string): string | null {
  return headers.find(([name]) => name === wanted)?.[1] ?? null;
}

/** What a request says about its signature; two signatures, or half of one, are refused. */
function claimOf(
  request: SignedRequest,
  query: readonly (readonly [string, string])[],
): Result<Claim, string> {
  const authorizations = request.headers.filter(([name]) => name === 'authorization');
  const parameter = (wanted: string) =>
    query.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const credentials = parameter('x-amz-credential');
  if (authorizations.length + credentials.length !== 1) return err('it must be signed once');
  const authorization = authorizations[0]?.[1];
  if (authorization !== undefined) {
    const found = /^AWS4-HMAC-SHA256\s+(.*)$/.exec(authorization.trim());
    if (found === null) return err(`only signatures of the form ${ALGORITHM} can be made anew`);
    const fields = new Map(
      (found[1] ?? '').split(',').map((field) => {
        const equals = field.indexOf('=');
        return [field.slice(0, equals).trim(), field.slice(equals + 1).trim()] as const;
      }),
    );
    return claimFrom(
      'header',
      fields.get('Credential') ?? '',
      fields.get('SignedHeaders') ?? '',
      header(request.headers, 'x-amz-date') ?? header(request.headers, 'date'),
    );
  }
  if (parameter('x-amz-algorithm')[0] !== ALGORITHM)
    return err(`only signatures of the form ${ALGORITHM} can be made anew`);
  return claimFrom(
    'query',
    credentials[0] ?? '',
    parameter('x-amz-signedheaders')[0] ?? '',
    parameter('x-amz-date')[0] ?? null,
  );
}

function claimFrom(
  kind: Claim['kind'],
  credential: string,
  signedHeaders: string,
  at: string | null,
): Result<Claim, string> {
  const parts = /^([^/\s]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request$/.exec(credential);
  if (parts === null) return err('its signature names no key, region and service');
  const compact = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(at ?? '');
  const date =
    compact === null
      ? new Date(at ?? '')
      : new Date(`${compact[1]}-${compact[2]}-${compact[3]}T${compact[4]}:${compact[5]}:${compact[6]}Z`);
  if (Number.isNaN(date.getTime())) return err('its signature has no date');
  return ok({
    kind,
    accessKeyId: parts[1] ?? '',
    region: parts[3] ?? '',
    service: parts[4] ?? '',
    signedHeaders: signedHeaders
      .toLowerCase()
      .split(';')
      .filter((name) => name !== ''),
    date,
  });
}
