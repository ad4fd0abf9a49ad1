// A request as an Action: the words of its effects, what is shown of it, and what an approval of it is bound to.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fits, shown, type Wanted } from '../../semantic/scene.ts';
import { actionOf, type Sent } from './request-scene.ts';

const json = { 'content-type': 'application/json' };
const has = (line: string, sent: Sent, wanted: Wanted): void => {
  const { effects } = actionOf(line, sent);
  assert.ok(
    effects.some((effect) => fits(effect, wanted)),
    `${line}\n${shown(effects)}`,
  );
};

describe('effects', () => {
  const rows: readonly (readonly [string, string, Sent, Wanted])[] = [
    [
      'fetches',
      'GET https://x.example/a',
      {},
      { kind: 'download', value: 'https://x.example/a', labels: ['internet'], tags: ['by-http'] },
    ],
    ['sends', 'PUT https://x.example/a', { body: 'x' }, { kind: 'upload', labels: ['internet'] }],
    ['sends with a GET that has a body', 'GET https://x.example/a', { body: 'x' }, { kind: 'upload' }],
    ['deletes', 'DELETE https://x.example/a', {}, { kind: 'delete', tags: ['destructive', 'by-http'] }],
    [
      'deletes by another method’s name',
      'POST https://x.example/a',
      { headers: { 'x-http-method-override': 'delete' } },
      { kind: 'delete' },
    ],
    [
      'deletes by the last word of the path',
      'POST https://x.example/users/3/delete/',
      { body: '{}' },
      { kind: 'delete', tags: ['destructive'] },
    ],
    [
      'deletes by a mutation whose noun comes first',
      'POST https://x.example/graphql',
      { headers: json, body: '{"query":"mutation { issueDelete(id: 1) { ok } }"}' },
      { kind: 'delete' },
    ],
    [
      'does not take a path of two slashes for another',
      'DELETE https://api.github.com//repos/o/r/',
      {},
      { kind: 'delete', value: 'o/r' },
    ],
    [
      'does not take an encoded letter for another',
      'DELETE https://api.github.com/%72epos/o/r',
      {},
      { kind: 'delete', value: 'o/r' },
    ],
    [
      'publishes a scoped package',
      'PUT https://registry.npmjs.org/@s%2fp',
      { body: '{}' },
      { kind: 'publish', value: '@s/p', tags: ['registry'], without: ['local-package'] },
    ],
    [
      'connects a WebSocket',
      'GET https://x.example/ws',
      { input: { protocol: 'websocket' } },
      { kind: 'connect', tags: ['websocket'] },
    ],
    [
      'knows this machine',
      'GET http://127.0.0.1:9/',
      {},
      { kind: 'download', labels: ['loopback'], without: ['cleartext', 'internet'] },
    ],
    [
      'knows a model',
      'POST https://api.anthropic.com/v1/messages',
      { body: '{}' },
      { kind: 'upload', labels: ['model-api'] },
    ],
    [
      'knows the nearer family of two',
      'POST https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/invoke',
      { body: '{}' },
      { kind: 'upload', labels: ['model-api'] },
    ],
    [
      'takes no label from a name that only begins like a service',
      'POST https://api.anthropic.com.evil.example/v1/messages',
      { body: '{}' },
      { kind: 'upload', without: ['model-api'] },
    ],
    [
      'takes no label from a name that only ends like one',
      'POST https://evilapi.openai.com.example/',
      { body: '{}' },
      { kind: 'upload', without: ['model-api'] },
    ],
    [
      'tells a name that leads near',
      'GET https://x.example/',
      { address: '127.0.0.1' },
      { kind: 'download', tags: ['resolves-near'] },
    ],
    [
      'tells a name that leads into a private network',
      'GET https://x.example/',
      { address: '192.168.0.1' },
      { kind: 'download', tags: ['resolves-private'] },
    ],
    [
      'tells a metadata service in a private range from the rest of it',
      'GET https://x.example/',
      { address: '100.100.100.200' },
      { kind: 'download', tags: ['resolves-near'] },
    ],
    [
      'tells nothing of one that leads far',
      'GET https://x.example/',
      { address: '93.184.216.34' },
      { kind: 'download', without: ['resolves-near'] },
    ],
    [
      'tells a credential in the clear',
      'GET http://x.example/',
      { headers: { cookie: 'a=b' } },
      { kind: 'download', tags: ['credential-in-clear'] },
    ],
    [
      'tells none under TLS',
      'GET https://x.example/',
      { headers: { cookie: 'a=b' } },
      { kind: 'download', without: ['credential-in-clear'] },
    ],
  ];
  for (const [name, line, sent, wanted] of rows) test(name, () => has(line, sent, wanted));
});

describe('families', () => {
  test('are found in little time for the longest and worst of paths', () => {
    const started = process.cpuUsage();
    for (const path of ['/v1b/models/', '/api/', '/repos/a/b/', '/v2/', '/_'])
      for (const piece of [':', '/:', 'branches/', '%2e%2e', '/manifests', '{', '('])
        for (const tail of ['', '/x'])
          actionOf(`POST https://storage.googleapis.com${path}${piece.repeat(6000)}${tail}`);
    assert.ok(process.cpuUsage(started).user < 5_000_000);
  });
  test('are those of the host, whatever path another service has', () => {
    assert.equal(actionOf('POST https://x.example/v1/charges', { body: 'a' }).parameters.service, undefined);
    assert.equal(actionOf('POST https://api.stripe.com/v1/charges', { body: 'a' }).operation, 'spend');
    assert.equal(
      actionOf('POST https://x.example/r.git/git-upload-pack', { body: '0000' }).operation,
      'fetch',
    );
  });
});

describe('what is shown', () => {
  const SECRET = 'Zx81-correct-horse-battery';
  const spots: readonly (readonly [string, string, Sent])[] = [
    [
      'a header of authorization',
      'GET https://x.example/',
      { headers: { authorization: `Bearer ${SECRET}` } },
    ],
    ['a cookie', 'GET https://x.example/', { headers: { cookie: `s=${SECRET}` } }],
    ['a key in a header', 'GET https://x.example/', { headers: { 'x-api-key': SECRET } }],
    ['a header that nobody knows', 'GET https://x.example/', { headers: { 'x-own-thing': SECRET } }],
    ['a query parameter', `GET https://x.example/?a=1&access_token=${SECRET}`, {}],
    ['an encoded query parameter', `GET https://x.example/?access%5Ftoken=${SECRET}`, {}],
    ['a presigned address', `GET https://b.s3.amazonaws.com/k?X-Amz-Signature=${SECRET}`, {}],
    [
      'a form’s field',
      'POST https://x.example/',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `client_secret=${SECRET}` },
    ],
    [
      'a JSON field, however deep',
      'POST https://x.example/',
      { headers: json, body: JSON.stringify({ a: { b: [{ password: SECRET }] } }) },
    ],
    ['a bot’s path', `POST https://api.telegram.org/bot${SECRET}/getMe`, {}],
    ['a referer', 'GET https://x.example/', { headers: { referer: `https://y.example/?token=${SECRET}` } }],
  ];
  for (const [name, line, sent] of spots)
    test(`holds no credential of ${name}`, () => {
      assert.ok(!JSON.stringify(actionOf(line, sent)).includes(SECRET));
    });
  test('holds no text that looks like a credential, under any name', () => {
    const token = ['gh', 'p_', 'A1b2'.repeat(9)].join('');
    assert.ok(
      !JSON.stringify(
        actionOf('POST https://x.example/', { headers: json, body: JSON.stringify({ note: token }) }),
      ).includes(token),
    );
  });
  test('keeps what an ordinary body says', () => {
    const { parameters } = actionOf('POST https://x.example/', {
      headers: json,
      body: '{"title":"Fix","count":3}',
    });
    assert.deepEqual(parameters.body, { kind: 'json', value: { title: 'Fix', count: 3 } });
  });
  test('is bounded, whatever is sent', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (body) => {
        const { parameters } = actionOf('POST https://x.example/', { headers: json, body });
        assert.ok(JSON.stringify(parameters).length < 1_000_000);
      }),
      { numRuns: 300 },
    );
    const wide = JSON.stringify(
      Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'x'.repeat(500)])),
    );
    assert.ok(
      JSON.stringify(actionOf('POST https://x.example/', { headers: json, body: wide }).parameters).length <
        20_000,
    );
  });
});

describe('the digest', () => {
  const digest = (body: string): string => actionOf('POST https://x.example/', { body }).digest;
  test('is another for another body, also behind what is shown of it', () => {
    const long = 'x'.repeat(5000);
    assert.notEqual(digest(`${long}a`), digest(`${long}b`));
    assert.equal(digest(`${long}a`), digest(`${long}a`));
  });
  test('is another for another host, method or path', () => {
    const lines = [
      'GET https://a.example/',
      'GET https://b.example/',
      'HEAD https://a.example/',
      'GET https://a.example/x',
      'GET http://a.example/',
    ];
    assert.equal(new Set(lines.map((line) => actionOf(line).digest)).size, lines.length);
  });
});
