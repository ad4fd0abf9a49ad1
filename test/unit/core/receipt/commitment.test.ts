import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../../../../electron/core/brand.ts';
import { canonical } from '../../../../electron/core/receipt/canonical.ts';
import { commit, commitmentsIn, opens } from '../../../../electron/core/receipt/commitment.ts';
import { nodeHasher } from '../../../../electron/edge/hasher.ts';
import { systemRandom } from '../../../../electron/edge/random.ts';

const salt = systemRandom.token(16);

test('opens what was committed to, and nothing else', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const { opening } = commit(a as Json, salt, nodeHasher);
      assert.equal(opens(opening, nodeHasher), true);
      assert.equal(
        opens({ ...opening, value: b as Json }, nodeHasher),
        canonical(a as Json) === canonical(b as Json),
      );
    }),
  );
});

test('does not let a digit wander between salt and value', () => {
  const base = 'A'.repeat(22);
  const { opening } = commit(12, base, nodeHasher);
  assert.equal(opens({ ...opening, salt: `${base}1`, value: 2 }, nodeHasher), false);
});

test('refuses an opening with a salt that could be guessed', () => {
  const value = 'no';
  const commitment = nodeHasher.sha256(`.${JSON.stringify(value)}`);
  assert.equal(opens({ commitment, salt: '', value }, nodeHasher), false);
  assert.throws(() => commit('no', 'short', nodeHasher), /salt/);
});

test('finds commitments wherever they stand, and takes no look-alike', () => {
  const { commitment, opening } = commit('secret', salt, nodeHasher);
  assert.deepEqual(commitmentsIn({ a: [1, { b: commitment }] }), [opening.commitment]);
  assert.deepEqual(commitmentsIn({ $commit: opening.commitment, more: 1 }), []);
  assert.deepEqual(commitmentsIn({ $commit: 'not a hash' }), []);
});
