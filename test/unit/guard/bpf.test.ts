import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile, converse } from './guard-program.ts';

const lines = converse([compile('assembler')], []).map((line) => line.split(' '));
const outcomesOf = (name: string) =>
  lines.filter(([first]) => first === name).map(([, ...rest]) => rest.join(' '));

describe('the assembler', () => {
  for (const name of ['near', 'reach', 'past-reach', 'other-reach', 'other-past-reach', 'both-far'])
    test(`jumps where the label is when the distance is ${name}`, () => {
      const [outcome = ''] = outcomesOf(name);
      assert.match(outcome, /^\d+ 77 88$/);
    });

  test('adds no instruction when a jump reaches, and one for each that does not', () => {
    assert.deepEqual(outcomesOf('near'), ['25 77 88']);
    assert.deepEqual(outcomesOf('both-far'), ['1207 77 88']);
  });

  test('follows up when one far jump pushes another out of reach', () => {
    const outcomes = outcomesOf('pushed');
    assert.equal(outcomes.length, 21);
    for (const outcome of outcomes) assert.match(outcome, /^\d+ 77 88$/);
  });

  for (const [name, why] of [
    ['unplaced', 'a label was never placed'],
    ['backwards', 'a label lies behind its jump'],
    ['placed-at-the-end', 'a label has no instruction after it'],
    ['placed-twice', 'a label is placed twice'],
    ['unknown-label', 'a label was never made'],
    ['does-not-return', 'the last instruction does not return'],
    ['empty', 'there is no instruction'],
    ['no-such-test', 'a jump tests what filters cannot'],
    ['one-too-long', 'there is no room'],
    ['too-many-lines', 'there are too many lines'],
    ['too-many-labels', 'there are too many labels'],
  ] as const)
    test(`gives nothing when ${why}`, () => {
      assert.deepEqual(outcomesOf(name), ['refused']);
    });

  test('gives a program that fills its room exactly', () => {
    assert.deepEqual(outcomesOf('fits'), ['10 5 5']);
  });
});
