// What a proxy that was taken over could say to the daemon: none of it is believed because of who says it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseProxyMessage } from '../../electron/wire/proxy.ts';

const payload = { bytes: 3, inspected: 'whole', findings: [], marks: new Uint8Array(16) };
const request = {
  method: 'GET',
  target: {
    url: 'https://a.example/x',
    scheme: 'https',
    host: 'a.example',
    port: 443,
    path: '/x',
    query: [['a', 'b']],
  },
  protocol: 'http/1.1',
  headers: [['accept', '*/*']],
  contentType: null,
  body: { kind: 'none' },
  length: null,
  inspected: 'whole',
  oddities: [],
};
const ask = (question: unknown, more: object = {}) => ({
  kind: 'ask',
  id: 1,
  session: 'sess_aaaaaaaa',
  scope: null,
  question,
  placeholders: [],
  ...more,
});
const asked = { kind: 'request', request, payload, address: null, hop: 0 };
const outcome = {
  result: 'succeeded',
  status: '200',
  error: null,
  sent: 1,
  received: 2,
  digest: null,
  contentType: 'text/plain',
  startedAt: 1,
  endedAt: 2,
  payload,
  signals: [],
  used: [],
};

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let at = 0; at < levels; at += 1) value = [value];
  return value;
}

describe('what the proxy says as it should', () => {
  for (const [name, message] of [
    ['ready', { kind: 'ready', port: 4040 }],
    ['a request', ask(asked)],
    [
      'a JSON body',
      ask({ ...asked, request: { ...request, body: { kind: 'json', value: { a: [null, 1, 'x'] } } } }),
    ],
    [
      'a push',
      ask({
        ...asked,
        request: {
          ...request,
          body: {
            kind: 'git',
            service: 'receive-pack',
            updates: [{ ref: 'refs/heads/x', before: '0'.repeat(40), after: 'a'.repeat(40) }],
          },
        },
      }),
    ],
    ['a stream', ask({ kind: 'stream', host: 'h', port: 22, protocol: 'ssh', payload })],
    ['a cancel', { kind: 'cancel', id: 7 }],
    ['an outcome', { kind: 'outcome', action: 'act_aaaaaaaa', outcome }],
    ['a refusal', { kind: 'refused', session: null, code: 'bad_token', reason: 'x', host: null }],
  ] as const)
    test(`is taken: ${name}`, () => {
      const parsed = parseProxyMessage(structuredClone(message));
      assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.message);
      assert.deepEqual(parsed.value, message);
    });
});

describe('what the proxy says is refused', () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  for (const [name, message] of [
    ['nothing', undefined],
    ['a text', 'ready'],
    ['another kind', { kind: 'allow', id: 1 }],
    ['an answer, which is the daemon’s', { kind: 'answer', id: 1, result: 'ALLOW' }],
    ['a field too many', { kind: 'ready', port: 1, extra: true }],
    ['a port that is none', { kind: 'ready', port: 0 }],
    ['a port that is no whole number', { kind: 'ready', port: 80.5 }],
    ['an id that is not a number', ask(asked, { id: '1' })],
    ['a number that is none', ask(asked, { id: Number.NaN })],
    ['a session that is an object', ask(asked, { session: { toString: () => 'x' } })],
    ['a header’s name in upper case', ask({ ...asked, request: { ...request, headers: [['Host', 'x']] } })],
    ['too many headers', ask({ ...asked, request: { ...request, headers: Array(1025).fill(['a', 'b']) } })],
    ['a method with a space', ask({ ...asked, request: { ...request, method: 'GET /' } })],
    ['a map', ask({ ...asked, request: { ...request, body: { kind: 'json', value: new Map() } } })],
    ['a date', ask({ ...asked, request: { ...request, body: { kind: 'json', value: new Date(0) } } })],
    ['a big integer', ask({ ...asked, request: { ...request, body: { kind: 'json', value: 1n } } })],
    [
      'nothing for a JSON body',
      ask({ ...asked, request: { ...request, body: { kind: 'json', value: undefined } } }),
    ],
    ['fingerprints that are cut', ask({ ...asked, payload: { ...payload, marks: new Uint8Array(7) } })],
    ['fingerprints in a list', ask({ ...asked, payload: { ...payload, marks: [1, 2, 3] } })],
    [
      'a nesting without end',
      ask({ ...asked, request: { ...request, body: { kind: 'json', value: deep(5000) } } }),
    ],
    ['a ring', ask({ ...asked, request: { ...request, body: { kind: 'json', value: cyclic } } })],
    [
      'too many things',
      ask({ ...asked, request: { ...request, body: { kind: 'json', value: Array(600_000).fill(0) } } }),
    ],
    [
      'too much text',
      ask({ ...asked, request: { ...request, body: { kind: 'text', text: 'x'.repeat(70_000_000) } } }),
    ],
    ['a code that is a sentence', { kind: 'refused', session: null, code: 'a b', reason: '', host: null }],
    ['a digest that is none', { kind: 'outcome', action: 'a', outcome: { ...outcome, digest: 'AA' } }],
    [
      'a result that is not its own',
      { kind: 'outcome', action: 'a', outcome: { ...outcome, result: 'not_executed' } },
    ],
  ] as const)
    test(`because it is ${name}`, () => {
      assert.equal(parseProxyMessage(message).ok, false);
    });

  test('and no value of it is repeated', () => {
    const parsed = parseProxyMessage(ask({ ...asked, address: 7, secret: 'hunter2' }));
    assert.ok(!parsed.ok);
    assert.ok(!parsed.error.message.includes('hunter2'));
  });

  test('because it names a prototype', () => {
    const parsed = parseProxyMessage(JSON.parse('{"kind":"ready","port":1,"__proto__":{"x":1}}'));
    assert.equal(parsed.ok, false);
  });
});
