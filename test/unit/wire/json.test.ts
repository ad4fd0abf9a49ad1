import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStrictJson } from '../../../electron/wire/json.ts';

const refused: readonly (readonly [name: string, text: string, code: string])[] = [
  ['a duplicate key', '{"a":1,"a":2}', 'duplicate_key'],
  ['a duplicate key written with an escape', '{"a":1,"\\u0061":2}', 'duplicate_key'],
  ['a duplicate key in a nested object', '{"x":[{"b":1,"b":1}]}', 'duplicate_key'],
  ['a key called __proto__', '{"__proto__":{}}', 'forbidden_key'],
  ['nesting past the limit', '['.repeat(100) + ']'.repeat(100), 'too_deep'],
  ['a hundred thousand open brackets', '['.repeat(100_000), 'too_deep'],
  ['an integer that loses precision', '{"n":9007199254740993}', 'unsafe_number'],
  ['a number that overflows', '[1e999]', 'unsafe_number'],
  ['an unterminated string', '{"a":"b', 'malformed'],
  ['trailing text', '{} {}', 'malformed'],
  ['nothing', '', 'malformed'],
  ['a single quote', "{'a':1}", 'malformed'],
  ['a trailing comma', '{"a":1,}', 'malformed'],
  ['an unbalanced bracket', ']', 'malformed'],
];

for (const [name, text, code] of refused) {
  test(`refuses ${name}`, () => {
    const parsed = parseStrictJson(text);
    assert.equal(parsed.ok, false);
    assert.equal(parsed.ok ? null : parsed.error.code, code);
  });
}

test('refuses a text that is longer than the limit without reading it', () => {
  const parsed = parseStrictJson(`"${'x'.repeat(100)}"`, { maxLength: 50, maxDepth: 8 });
  assert.equal(parsed.ok ? null : parsed.error.code, 'too_long');
});

test('the same key in sibling objects is no duplicate', () => {
  assert.deepEqual(parseStrictJson('[{"a":1},{"a":2},{"b":{"a":3},"a":4}]'), {
    ok: true,
    value: [{ a: 1 }, { a: 2 }, { b: { a: 3 }, a: 4 }],
  });
});

test('reads whatever JSON.stringify writes, unchanged', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      if (text.includes('__proto__') || /\d{16,}/.test(text)) return;
      const parsed = parseStrictJson(text);
      assert.deepEqual(parsed, { ok: true, value: JSON.parse(text) });
    }),
  );
});

test('never throws on any text', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseStrictJson(text)));
});
