import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonical, canonicalForm } from '../../../../electron/core/receipt/canonical.ts';

const VECTORS = new URL('../../../vectors/jcs/', import.meta.url);

interface Case {
  readonly input?: string;
  readonly canonical?: string;
  readonly refused?: string;
  readonly numbers?: readonly { readonly ieee754: string; readonly canonical: string | null }[];
}

for (const name of readdirSync(VECTORS).filter((file) => file.endsWith('.json'))) {
  const vector = JSON.parse(readFileSync(new URL(name, VECTORS), 'utf8')) as Case;
  for (const row of vector.numbers ?? [])
    test(`writes the double ${row.ieee754} as ${row.canonical ?? 'nothing: it is refused'}`, () => {
      const form = canonicalForm(Buffer.from(row.ieee754, 'hex').readDoubleBE());
      assert.equal(form.ok ? form.value : null, row.canonical);
    });
  if (vector.input === undefined) continue;
  const { input } = vector;
  test(`vector ${name} has its canonical form`, () => {
    const form = canonicalForm(JSON.parse(input));
    if (vector.refused === undefined) assert.deepEqual(form, { ok: true, value: vector.canonical });
    else assert.equal(form.ok ? 'accepted' : form.error.code, vector.refused);
  });
}

const rows: readonly (readonly [string, () => unknown, string, string])[] = [
  ['undefined', () => undefined, 'not_json', ''],
  [
    'an undefined member, which would vanish from what is signed',
    () => ({ a: [{ b: undefined }] }),
    'not_json',
    '/a/0/b',
  ],
  ['a function', () => [() => 1], 'not_json', '/0'],
  ['a bigint', () => ({ n: 1n }), 'not_json', '/n'],
  ['a symbol', () => ({ s: Symbol('s') }), 'not_json', '/s'],
  ['a date, which would turn into text', () => ({ at: new Date(0) }), 'not_json', '/at'],
  ['an object that says itself what it is', () => ({ x: { toJSON: () => 1 } }), 'not_json', '/x/toJSON'],
  ['a map', () => new Map([['a', 1]]), 'not_json', ''],
  ['NaN', () => [Number.NaN], 'not_finite', '/0'],
  ['infinity', () => ({ 'a/b': Number.POSITIVE_INFINITY }), 'not_finite', '/a~1b'],
  ['a lone surrogate', () => ['ok', '\ud800'], 'lone_surrogate', '/1'],
  ['a hole in an array', () => new Array(1), 'not_json', '/0'],
];

for (const [name, value, code, path] of rows)
  test(`refuses ${name}`, () => {
    assert.deepEqual(canonicalForm(value()), { ok: false, error: { code, path } });
  });

test('refuses what is nested too deep, and what contains itself', () => {
  let deep: unknown = 1;
  for (let n = 0; n < 100_000; n += 1) deep = [deep];
  const form = canonicalForm(deep);
  assert.equal(form.ok ? null : form.error.code, 'too_deep');
  const ring: Record<string, unknown> = {};
  ring.self = ring;
  const ringed = canonicalForm(ring);
  assert.equal(ringed.ok ? null : ringed.error.code, 'too_deep');
});

test('throws when a value of our own is not JSON', () => {
  assert.throws(() => canonical({ a: Number.NaN }), /no canonical form at `\/a`/);
});

test('says the same value back, and the same text however the members were ordered', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (value) => {
      const text = canonical(value as never);
      assert.equal(canonical(JSON.parse(text)), text);
      const turned = JSON.parse(text, (_, inner) =>
        inner !== null && typeof inner === 'object' && !Array.isArray(inner)
          ? Object.fromEntries(Object.entries(inner).toReversed())
          : inner,
      );
      assert.equal(canonical(turned), text);
    }),
  );
});
