import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applySwaps, findPlaceholders, makeScrubber, scrubsOf } from '../../../electron/proxy/swap.ts';
import type { Swap } from '../../../electron/wire/proxy-message.ts';

const swap = (secret: string, expiresAt = 100): Swap => ({
  minted: 'mnt_1',
  placeholder: 'csnph_abc',
  secret,
  use: { kind: 'replace' },
  expiresAt,
});
const on = (more: Partial<Parameters<typeof applySwaps>[0]>) => ({
  target: '/',
  headers: [],
  body: Buffer.alloc(0),
  contentType: null,
  ...more,
});

describe('a placeholder', () => {
  test('is found wherever it stands', () => {
    const basic = `Basic ${Buffer.from('u:csnph_abc').toString('base64')}`;
    const uses = findPlaceholders(
      ['csnph_abc', 'csnph_other'],
      on({
        target: '/p/csnph_abc?k=csnph_abc&l=1',
        headers: [
          ['authorization', basic],
          ['x-key', 'csnph_abc'],
          ['y', 'no'],
        ],
        body: Buffer.from('{"a":"csnph_abc"}'),
      }),
    );
    assert.deepEqual(
      uses.map((use) => use.where),
      ['path', 'query:k', 'header:authorization', 'header:x-key', 'body'],
    );
  });

  test('becomes the secret, written as its place wants it', () => {
    const json = applySwaps(
      on({ body: Buffer.from('{"a":"csnph_abc"}'), contentType: 'application/json' }),
      [swap('a"b')],
      0,
    );
    assert.equal(json.ok && json.value.body.toString(), '{"a":"a\\"b"}');
    const form = applySwaps(
      on({ body: Buffer.from('a=csnph_abc'), contentType: 'application/x-www-form-urlencoded' }),
      [swap('a&b')],
      0,
    );
    assert.equal(form.ok && form.value.body.toString(), 'a=a%26b');
    const dollar = applySwaps(on({ headers: [['x', 'csnph_abc']] }), [swap('$&$1')], 0);
    assert.equal(dollar.ok && dollar.value.headers[0]?.[1], '$&$1');
  });

  test('stays when its secret is too old, empty, or would break the head', () => {
    const header = on({ headers: [['x', 'csnph_abc']] });
    assert.equal(applySwaps(header, [swap('s', 5)], 5).ok, false);
    assert.equal(applySwaps(header, [swap('')], 0).ok, false);
    assert.equal(applySwaps(header, [swap('a\r\nhost: b')], 0).ok, false);
  });

  test('that does not stand there is not counted as used', () => {
    const made = applySwaps(on({ headers: [['x', 'y']] }), [swap('s')], 0);
    assert.deepEqual(made.ok && made.value.used, []);
  });
});

describe('the scrubber', () => {
  const secret = 'aab-secret-aabaa';
  test('takes a secret out, however the stream is cut', () => {
    const text = Buffer.from(`x${secret}y aab-secr ${secret}${secret} aab`);
    for (let first = 0; first <= text.length; first += 1)
      for (const second of [first, Math.min(text.length, first + 1), Math.min(text.length, first + 7)]) {
        const scrubber = makeScrubber(scrubsOf(secret, 'PH'));
        const out = Buffer.concat([
          scrubber.push(text.subarray(0, first)),
          scrubber.push(text.subarray(first, second)),
          scrubber.push(text.subarray(second)),
          scrubber.end(),
        ]);
        assert.equal(out.toString(), 'xPHy aab-secr PHPH aab');
      }
  });

  test('holds back nothing that cannot be the beginning of a secret', () => {
    const scrubber = makeScrubber(scrubsOf(secret, 'PH'));
    assert.equal(scrubber.push(Buffer.from('data: one\n\n')).toString(), 'data: one\n\n');
    assert.equal(scrubber.hit(), false);
  });
});
