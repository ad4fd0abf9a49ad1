import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../electron/core/brand.ts';
import { checkConstraint, compileConstraint } from '../../../electron/core/policy/constraint.ts';
import type { ParameterConstraint } from '../../../electron/core/policy/rule.ts';

function check(constraint: ParameterConstraint, parameters: JsonObject): string {
  const compiled = compileConstraint(constraint, { rule: 'a.b', field: [] });
  if (!compiled.ok) throw new Error(compiled.error[0]?.message);
  const verdict = checkConstraint(compiled.value, parameters);
  return verdict.kind === 'violated' ? verdict.reason : verdict.kind;
}

const ROWS: readonly (readonly [name: string, ParameterConstraint, JsonObject, string])[] = [
  ['type: a fitting type holds', { path: 'a', type: 'integer' }, { a: 3 }, 'holds'],
  [
    'type: a number is no integer',
    { path: 'a', type: 'integer' },
    { a: 3.5 },
    'parameter `a` must be of type integer, it is `3.5`',
  ],
  [
    'type: text that looks like a number is text',
    { path: 'a', type: 'number' },
    { a: '3' },
    'parameter `a` must be of type number, it is `"3"`',
  ],
  [
    'type: a list is no object',
    { path: 'a', type: 'object' },
    { a: [] },
    'parameter `a` must be of type object, it is `[]`',
  ],
  [
    'type: null is of no type',
    { path: 'a', type: 'string' },
    { a: null },
    'parameter `a` must be of type string, it is `null`',
  ],
  ['range: the bounds themselves hold', { path: 'a', min: 1, max: 1 }, { a: 1 }, 'holds'],
  ['range: below', { path: 'a', min: 1 }, { a: 0 }, 'parameter `a` must be at least 1, it is `0`'],
  [
    'range: text does not slip past a bound',
    { path: 'a', max: 10 },
    { a: '5' },
    'parameter `a` must be at most 10, it is `"5"`',
  ],
  [
    'range: a list does not slip past a bound',
    { path: 'a', max: 10 },
    { a: [5] },
    'parameter `a` must be at most 10, it is `[5]`',
  ],
  ['length: counted in characters, not code units', { path: 'a', maxLength: 1 }, { a: '😀' }, 'holds'],
  [
    'length: of a list',
    { path: 'a', maxLength: 1 },
    { a: [1, 2] },
    'parameter `a` must have a length of at most 1, it is `[1,2]`',
  ],
  [
    'length: a number has none',
    { path: 'a', minLength: 1 },
    { a: 12 },
    'parameter `a` must have a length of at least 1, it is `12`',
  ],
  ['pattern: the whole value matches', { path: 'a', pattern: '[a-z]+' }, { a: 'abc' }, 'holds'],
  [
    'pattern: a part is not enough',
    { path: 'a', pattern: '[a-z]+' },
    { a: 'abc1' },
    'parameter `a` must match its pattern, it is `"abc1"`',
  ],
  [
    'pattern: a second line is not ignored',
    { path: 'a', pattern: '[a-z]+' },
    { a: 'abc\nrm' },
    'parameter `a` must match its pattern, it is `"abc\\nrm"`',
  ],
  [
    'pattern: a list of matching texts is no text',
    { path: 'a', pattern: '.*' },
    { a: ['x'] },
    'parameter `a` must match its pattern, it is `["x"]`',
  ],
  ['allow list: on it', { path: 'a', allow: ['x', { k: [1] }] }, { a: { k: [1] } }, 'holds'],
  [
    'allow list: not on it',
    { path: 'a', allow: ['x'] },
    { a: 'X' },
    'parameter `a` is not on its allow list, it is `"X"`',
  ],
  [
    'block list: on it',
    { path: 'a', block: ['x'] },
    { a: 'x' },
    'parameter `a` is on its block list, it is `"x"`',
  ],
  ['required: missing', { path: 'a.b', required: true }, { a: {} }, 'parameter `a.b` is required'],
  ['required: null is given', { path: 'a', required: true }, { a: null }, 'holds'],
  ['optional: missing', { path: 'a.b', type: 'string' }, {}, 'holds'],
  [
    'a path leads into lists',
    { path: 'a.1.b', max: 3 },
    { a: [0, { b: 9 }] },
    'parameter `a.1.b` must be at most 3, it is `9`',
  ],
  [
    'a path finds no inherited property',
    { path: 'constructor.name', required: true },
    {},
    'parameter `constructor.name` is required',
  ],
  [
    'a path does not find the length of a list',
    { path: 'a.length', required: true },
    { a: [1] },
    'parameter `a.length` is required',
  ],
  ['an unknown stretch is unknown', { path: 'a', allow: ['x'] }, { a: 'x\uFFFC' }, 'unknown'],
  [
    'a secret value is not repeated',
    { path: 'a', maxLength: 3, secret: true },
    { a: 'hunter2' },
    'parameter `a` must have a length of at most 3',
  ],
];

for (const [name, constraint, parameters, expected] of ROWS) {
  test(`R3.e ${name}`, () => assert.equal(check(constraint, parameters), expected));
}

test('R3.e a long value is cut in the reason', () => {
  assert.ok(check({ path: 'a', maxLength: 3 }, { a: 'x'.repeat(500) }).length < 150);
});

const REFUSED: readonly (readonly [ParameterConstraint, string])[] = [
  [{ path: 'a', min: 2, max: 1 }, 'min'],
  [{ path: 'a', minLength: 2, maxLength: 1 }, 'min_length'],
  [{ path: 'a', pattern: '(' }, 'pattern'],
  [{ path: 'a', pattern: '(?<=x)y' }, 'pattern'],
  [{ path: 'a..b' }, 'path'],
  [{ path: '' }, 'path'],
];
for (const [constraint, field] of REFUSED) {
  test(`R3.e refuses ${JSON.stringify(constraint)}, naming \`${field}\``, () => {
    const compiled = compileConstraint(constraint, { rule: 'a.b', field: ['parameters', 0] });
    assert.ok(!compiled.ok);
    assert.deepEqual(compiled.error[0]?.field, ['parameters', 0, field]);
  });
}
