// What a body says: by its type, by what it is where the type lies, and nothing where it cannot be read.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { HttpBody } from '../../../../electron/core/http.ts';
import { describeRequest } from '../../../../electron/wire/http/request.ts';
import { inputOf, requestOf, type Sent } from './request-scene.ts';

const json = { 'content-type': 'application/json' };
const POST = 'POST https://api.example/v1';
const GRAPHQL = 'POST https://api.example/graphql';
const bodyOf = (line: string, sent: Sent): HttpBody => requestOf(line, sent).body;
const operations = (query: string, more: object = {}): HttpBody =>
  bodyOf(GRAPHQL, { headers: json, body: JSON.stringify({ query, ...more }) });

describe('a body of JSON', () => {
  test('is its value', () => {
    assert.deepEqual(bodyOf(POST, { headers: json, body: '{"a":[1,"b"]}' }), {
      kind: 'json',
      value: { a: [1, 'b'] },
    });
  });
  for (const type of [
    'application/json; charset=utf-8',
    'application/vnd.api+json',
    'application/x-amz-json-1.1',
    'text/json',
    'APPLICATION/JSON',
  ])
    test(`is read as ${type}`, () => {
      assert.equal(bodyOf(POST, { headers: { 'content-type': type }, body: '[]' }).kind, 'json');
    });
  test('keeps ids that are too long for a number', () => {
    assert.deepEqual(bodyOf(POST, { headers: json, body: '{"id":12345678901234567890}' }), {
      kind: 'json',
      value: { id: '12345678901234567890' },
    });
  });
  test('is malformed when it is none', () => {
    assert.equal(bodyOf(POST, { headers: json, body: '{"a":' }).kind, 'malformed');
  });
  test('is malformed and odd when a key is there twice, also behind an escape and a long number', () => {
    for (const body of [
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      '{"id":12345678901234567890,"a":1,"a":2}',
      '{"__proto__":1}',
    ]) {
      const request = requestOf(POST, { headers: json, body });
      assert.equal(request.body.kind, 'malformed', body);
    }
    assert.deepEqual(requestOf(POST, { headers: json, body: '{"a":1,"a":2}' }).oddities, ['duplicate-key']);
  });
  test('is malformed when it is nested beyond any use', () => {
    assert.equal(bodyOf(POST, { headers: json, body: '['.repeat(100_000) }).kind, 'malformed');
  });
  test('is text when only its beginning was looked at', () => {
    const input = { inspected: 'part' as const, length: 1e6 };
    assert.equal(bodyOf(POST, { headers: json, body: '{"a":"bcd', input }).kind, 'text');
  });
  test('is found without a type, as plain text, as a form and behind a lie', () => {
    assert.equal(requestOf(POST, { body: '{"a":1}' }).body.kind, 'json');
    assert.equal(
      requestOf(POST, { headers: { 'content-type': 'text/plain' }, body: '{"a":1}' }).body.kind,
      'json',
    );
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal(requestOf(POST, { headers: form, body: '{"a":1}' }).body.kind, 'json');
    const lie = requestOf(POST, { headers: { 'content-type': 'image/png' }, body: '{"a":1}' });
    assert.deepEqual([lie.body.kind, lie.oddities], ['json', ['type-mismatch']]);
  });
});

describe('a form', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  test('is its fields, decoded, in order', () => {
    assert.deepEqual(bodyOf(POST, { headers: form, body: 'a=1&b=x+y%21&a=2&c' }), {
      kind: 'form',
      fields: [
        ['a', '1'],
        ['b', 'x y!'],
        ['a', '2'],
        ['c', ''],
      ],
    });
  });
  test('keeps at most a thousand fields', () => {
    const read = bodyOf(POST, { headers: form, body: 'a=1&'.repeat(5000) });
    assert.equal(read.kind === 'form' && read.fields.length, 1000);
  });
  test('of parts comes parsed, and is malformed where it does not', () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const part = { name: 'f', filename: 'a.txt', contentType: 'text/plain', bytes: 3 };
    const read = bodyOf(POST, { headers, body: '--x', input: { multipart: [part] } });
    assert.deepEqual(read, { kind: 'multipart', parts: [part] });
    assert.equal(bodyOf(POST, { headers, body: '--x' }).kind, 'malformed');
  });
});

describe('GraphQL', () => {
  const fieldsOf = (body: HttpBody): unknown =>
    body.kind === 'graphql' ? body.operations.map(({ type, name, fields }) => [type, name, fields]) : body;
  test('says the fields at the top under their own names, not their aliases', () => {
    assert.deepEqual(fieldsOf(operations('query Q { mine: viewer { login } repository { id } }')), [
      ['query', 'Q', ['viewer', 'repository']],
    ]);
  });
  test('spreads fragments, also within fragments and inline, and ends when they turn in a circle', () => {
    const text =
      'mutation { ...A } fragment A on Mutation { ...B ... on Mutation { deleteUser } } fragment B on Mutation { ...A ping }';
    const read = operations(text);
    assert.ok(read.kind === 'graphql');
    assert.deepEqual([...(read.operations[0]?.fields ?? [])].sort(), ['deleteUser', 'ping']);
  });
  test('runs the operation that is named', () => {
    const text = 'query A { viewer } mutation B { deleteUser }';
    assert.deepEqual(fieldsOf(operations(text, { operationName: 'A' })), [['query', 'A', ['viewer']]]);
    assert.equal((fieldsOf(operations(text)) as unknown[]).length, 2);
    assert.equal((fieldsOf(operations(text, { operationName: 'C' })) as unknown[]).length, 2);
  });
  test('takes every entry of a batch', () => {
    const body = JSON.stringify([{ query: '{ a }' }, { query: 'mutation { b }' }]);
    assert.deepEqual(fieldsOf(bodyOf(GRAPHQL, { headers: json, body })), [
      ['query', null, ['a']],
      ['mutation', null, ['b']],
    ]);
  });
  test('does not know a persisted query', () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: 'x' } };
    const body = JSON.stringify({ operationName: 'Q', extensions });
    assert.deepEqual(fieldsOf(bodyOf(GRAPHQL, { headers: json, body })), [['unknown', 'Q', []]]);
  });
  test('is read from the query of an address, from a form and from its own type', () => {
    const mutation = 'mutation { deleteUser }';
    const wanted = [['mutation', null, ['deleteUser']]];
    assert.deepEqual(
      fieldsOf(bodyOf(`GET https://api.example/graphql?query=${encodeURIComponent(mutation)}`, {})),
      wanted,
    );
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.deepEqual(
      fieldsOf(bodyOf(GRAPHQL, { headers: form, body: `query=${encodeURIComponent(mutation)}` })),
      wanted,
    );
    assert.deepEqual(
      fieldsOf(bodyOf(POST, { headers: { 'content-type': 'application/graphql' }, body: mutation })),
      wanted,
    );
  });
  test('is found under another address by what it is, and a search is not taken for it', () => {
    const body = JSON.stringify({ query: 'mutation { deleteUser }' });
    assert.equal(bodyOf(POST, { headers: json, body }).kind, 'graphql');
    assert.equal(bodyOf(POST, { headers: json, body: '{"query":"query plans of postgres"}' }).kind, 'json');
  });
  test('is malformed where it cannot be read, however deep', () => {
    assert.equal(operations('mutation { deleteUser').kind, 'malformed');
    assert.equal(operations(`{${'a{'.repeat(9000)}b${'}'.repeat(9001)}`).kind, 'malformed');
    assert.equal(operations('{ a } '.repeat(30_000)).kind, 'malformed');
  });
});

describe('a push', () => {
  const headers = { 'content-type': 'application/x-git-receive-pack-request' };
  const PUSH = 'POST https://host.example/r.git/git-receive-pack';
  const [A, B, ZERO] = ['a'.repeat(40), 'b'.repeat(40), '0'.repeat(40)];
  const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
  test('is its refs, with nothing of the pack behind them', () => {
    const body = `${line(`${A} ${B} refs/heads/main\0 report-status side-band-64k`)}${line(`${A} ${ZERO} refs/tags/v1\n`)}0000PACK\u0000\u0001`;
    assert.deepEqual(bodyOf(PUSH, { headers, body }), {
      kind: 'git',
      service: 'receive-pack',
      updates: [
        { ref: 'refs/heads/main', before: A, after: B },
        { ref: 'refs/tags/v1', before: A, after: ZERO },
      ],
    });
  });
  test('is the same under SHA-256 and with shallow lines before', () => {
    const [C, D] = ['c'.repeat(64), 'd'.repeat(64)];
    const read = bodyOf(PUSH, {
      headers,
      body: `${line(`shallow ${A}`)}${line(`${C} ${D} refs/heads/x\0 x`)}0000`,
    });
    assert.deepEqual(read.kind === 'git' && read.updates, [{ ref: 'refs/heads/x', before: C, after: D }]);
  });
  for (const [name, body] of [
    ['is cut in a line', line(`${A} ${B} refs/heads/main`).slice(0, -4)],
    ['does not end', line(`${A} ${B} refs/heads/main`)],
    ['has no lengths', 'hello world'],
    ['says something else', `${line('delete everything, please!')}0000`],
  ] as const)
    test(`is malformed when its list ${name}`, () => {
      assert.equal(bodyOf(PUSH, { headers, body }).kind, 'malformed');
    });
  test('is told by its address when its type lies', () => {
    const read = requestOf(PUSH, {
      headers: { 'content-type': 'text/plain' },
      body: `${line(`${A} ${ZERO} refs/heads/x\0 x`)}0000`,
    });
    assert.deepEqual([read.body.kind, read.oddities], ['git', ['type-mismatch']]);
  });
});

describe('other bodies', () => {
  test('are none, text or binary', () => {
    assert.equal(bodyOf('GET https://a.example/', {}).kind, 'none');
    assert.equal(bodyOf(POST, { headers: { 'content-type': 'text/plain' }, body: 'hello' }).kind, 'text');
    assert.equal(bodyOf(POST, { body: new Uint8Array([1, 0, 255]) }).kind, 'binary');
    assert.equal(bodyOf(POST, { body: gzipSync('hello') }).kind, 'binary');
    assert.equal(gunzipSync(gzipSync('hello')).toString(), 'hello');
  });
  test('are odd when they say that they are text and are not', () => {
    const read = requestOf(POST, {
      headers: { 'content-type': 'text/plain' },
      body: new Uint8Array([1, 0, 2]),
    });
    assert.deepEqual([read.body.kind, read.oddities], ['binary', ['type-mismatch']]);
  });
  test('are malformed when they are said to be there and are not', () => {
    assert.equal(bodyOf(POST, { input: { length: 5 } }).kind, 'malformed');
  });
});

describe('a head', () => {
  const codeOf = (input: Parameters<typeof describeRequest>[0]): string => {
    const read = describeRequest(input);
    return read.ok ? 'ok' : read.error.code;
  };
  test('is refused for methods and headers that are none, and for two that contradict each other', () => {
    const input = inputOf('GET https://a.example/');
    assert.equal(codeOf({ ...input, method: 'GET /x' }), 'bad-method');
    assert.equal(codeOf({ ...input, method: 'CONNECT' }), 'bad-method');
    assert.equal(codeOf({ ...input, headers: [['a b', 'c']] }), 'bad-header');
    assert.equal(codeOf({ ...input, headers: [['a', 'b\r\nc: d']] }), 'bad-header');
    assert.equal(
      codeOf({
        ...input,
        headers: [
          ['content-type', 'text/plain'],
          ['content-type', 'application/json'],
        ],
      }),
      'bad-header',
    );
    assert.equal(
      codeOf({
        ...input,
        headers: [
          ['accept', 'a'],
          ['accept', 'b'],
        ],
      }),
      'ok',
    );
  });
  test('is refused when its host header names another host than it', () => {
    const input = inputOf('GET https://a.example/');
    assert.equal(codeOf({ ...input, headers: [['host', 'b.example']] }), 'host-mismatch');
    assert.equal(codeOf({ ...input, headers: [['host', 'a.example:8443']] }), 'host-mismatch');
    assert.equal(codeOf({ ...input, headers: [['host', 'b .example']] }), 'host-mismatch');
    assert.equal(codeOf({ ...input, headers: [['host', 'A.example:443']] }), 'ok');
  });
  test('loses what is for the next hop only', () => {
    const headers = {
      connection: 'close, x-internal',
      'x-internal': '1',
      'proxy-authorization': 'Basic x',
      te: 'trailers',
      accept: '*/*',
    };
    assert.deepEqual(requestOf('GET https://a.example/', { headers }).headers, [['accept', '*/*']]);
  });
});
