import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Header } from '../../../electron/core/http.ts';
import { resign, type SignedRequest } from '../../../electron/proxy/sigv4.ts';
import type { Swap } from '../../../electron/wire/proxy-message.ts';
import { sigv4Fault } from '../../support/sigv4-check.ts';

const PLACEHOLDER = 'AKIAPLACEHOLDER23456';
const REAL = { id: 'AKIAIOSFODNN7EXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

function swapFor(service: string, sessionToken: string | null = null): Swap {
  return {
    minted: 'mint_x',
    placeholder: PLACEHOLDER,
    secret: REAL.secret,
    use: { kind: 'sigv4', accessKeyId: REAL.id, sessionToken, region: 'eu-west-1', service },
    expiresAt: NOW + 60_000,
  };
}

const sha = (text: string) => createHash('sha256').update(text).digest('hex');

function signed(
  part: Partial<SignedRequest> & {
    readonly service?: string;
    readonly more?: readonly Header[];
    readonly sign?: string;
  },
): SignedRequest {
  const { service = 's3', more = [], sign = 'host;x-amz-content-sha256;x-amz-date' } = part;
  return {
    method: 'GET',
    host: 'bucket.s3.eu-west-1.amazonaws.com',
    path: '/',
    bodySha256: sha(''),
    headers: [
      ['host', part.host ?? 'bucket.s3.eu-west-1.amazonaws.com'],
      ['x-amz-date', '20260102T030405Z'],
      [
        'authorization',
        `AWS4-HMAC-SHA256 Credential=${PLACEHOLDER}/20260102/eu-west-1/${service}/aws4_request, SignedHeaders=${sign}, Signature=${'0'.repeat(64)}`,
      ],
      ...more,
    ],
    ...part,
  };
}

async function arrive(request: SignedRequest, swap: Swap, body = '') {
  const made = await resign(request, swap, NOW);
  assert.ok(made.ok, made.ok ? '' : made.error);
  const headers: Record<string, string> = {};
  for (const [name, value] of made.value.headers) {
    assert.ok(!(name in headers), `${name} twice`);
    headers[name] = value;
  }
  return { method: request.method, url: made.value.path, headers, body };
}
const known = (id: string) => (id === REAL.id ? REAL.secret : null);

describe('a request is signed anew', () => {
  for (const [what, request, service, body] of [
    [
      'for S3, with the hash of its body as the client said it',
      signed({ more: [['x-amz-content-sha256', sha('')]] }),
      's3',
      '',
    ],
    [
      'for S3 with an unsigned payload',
      signed({
        method: 'PUT',
        path: '/a%20b/c%2Bd',
        bodySha256: null,
        more: [['x-amz-content-sha256', 'UNSIGNED-PAYLOAD']],
      }),
      's3',
      'anything',
    ],
    [
      'for S3 with query parameters in any order',
      signed({ path: '/?prefix=a%2Fb&list-type=2&delimiter=%2F', more: [['x-amz-content-sha256', sha('')]] }),
      's3',
      '',
    ],
    [
      'for DynamoDB, whose clients do not say the hash',
      signed({
        method: 'POST',
        host: 'dynamodb.eu-west-1.amazonaws.com',
        service: 'dynamodb',
        bodySha256: sha('{"a":1}'),
        sign: 'host;x-amz-date;x-amz-target',
        more: [
          ['x-amz-target', 'DynamoDB_20120810.GetItem'],
          ['content-type', 'application/x-amz-json-1.0'],
        ],
      }),
      'dynamodb',
      '{"a":1}',
    ],
    [
      'for another service with an escaped path',
      signed({
        host: 'lambda.eu-west-1.amazonaws.com',
        service: 'lambda',
        path: '/2015-03-31/functions/arn%3Aaws%3Ax/invocations',
        method: 'POST',
        bodySha256: sha('x'),
      }),
      'lambda',
      'x',
    ],
  ] as const)
    test(what, async () => {
      const arrived = await arrive(request, swapFor(service), body);
      assert.equal(sigv4Fault(arrived, known), null);
      assert.ok(!JSON.stringify(arrived).includes(PLACEHOLDER));
    });

  test('with the session token of what was minted, in place of the placeholder’s', async () => {
    const request = signed({
      more: [
        ['x-amz-content-sha256', sha('')],
        ['x-amz-security-token', 'placeholder-token'],
      ],
      sign: 'host;x-amz-content-sha256;x-amz-date;x-amz-security-token',
    });
    const arrived = await arrive(request, swapFor('s3', 'real-token'));
    assert.equal(arrived.headers['x-amz-security-token'], 'real-token');
    assert.equal(sigv4Fault(arrived, known), null);
  });

  test('as a presigned URL, which lives for minutes whatever was asked for', async () => {
    const path = `/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${PLACEHOLDER}%2F20260102%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}&response-content-type=text%2Fplain`;
    const arrived = await arrive(
      signed({ path, headers: [['host', 'bucket.s3.eu-west-1.amazonaws.com']] }),
      swapFor('s3', 'real-token'),
    );
    assert.equal(sigv4Fault(arrived, known), null);
    const query = new URLSearchParams(arrived.url.split('?')[1]);
    assert.ok(Number(query.get('X-Amz-Expires')) <= 300);
    assert.deepEqual(
      [query.get('response-content-type'), query.get('X-Amz-Security-Token')],
      ['text/plain', 'real-token'],
    );
  });
});

describe('a request is not signed', () => {
  const base = signed({ more: [['x-amz-content-sha256', sha('')]] });
  for (const [what, request, swap, now, why] of [
    [
      'under another key than the placeholder',
      {
        ...base,
        headers: base.headers.map(([n, v]) => [n, v.replace(PLACEHOLDER, 'AKIASOMEBODYELSE2345')] as const),
      },
      swapFor('s3'),
      NOW,
      /another key/,
    ],
    ['for another service than was decided', base, swapFor('iam'), NOW, /another region or service/],
    ['once what was minted has expired', base, swapFor('s3'), NOW + 60_000, /expired/],
    [
      'when each part of its body is signed',
      signed({ more: [['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']] }),
      swapFor('s3'),
      NOW,
      /each part of its body/,
    ],
    [
      'when its body is too long and unhashed',
      signed({ service: 'dynamodb', bodySha256: null }),
      swapFor('dynamodb'),
      NOW,
      /too long/,
    ],
    [
      'when it carries two signatures',
      { ...base, path: `/?X-Amz-Credential=${PLACEHOLDER}%2F20260102%2Feu-west-1%2Fs3%2Faws4_request` },
      swapFor('s3'),
      NOW,
      /signed once/,
    ],
    [
      'with an asymmetric signature',
      {
        ...base,
        headers: base.headers.map(
          ([n, v]) => [n, v.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')] as const,
        ),
      },
      swapFor('s3'),
      NOW,
      /only signatures of the form/,
    ],
    [
      'without any',
      { ...base, headers: [['host', 'x']] as readonly Header[] },
      swapFor('s3'),
      NOW,
      /signed once/,
    ],
  ] as const)
    test(what, async () => {
      const made = await resign(request, swap, now);
      assert.ok(!made.ok);
      assert.match(made.error, why);
    });
});
