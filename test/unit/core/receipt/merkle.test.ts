import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../../../electron/core/brand.ts';
import {
  appendLeaf,
  consistencyProof,
  EMPTY_FRONTIER,
  type Frontier,
  inclusionProof,
  isConsistent,
  isFrontier,
  leafHash,
  nodeHash,
  rootFromInclusion,
  rootOf,
  subtreeRoots,
} from '../../../../electron/core/receipt/merkle.ts';
import { nodeHasher } from '../../../../electron/edge/hasher.ts';

/** RFC 6962's definition, word for word and without any cleverness. */
function naiveRoot(leaves: readonly string[]): Digest {
  if (leaves.length === 0) return nodeHasher.sha256('');
  if (leaves.length === 1) return leafHash(leaves[0] ?? '', nodeHasher);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)), nodeHasher);
}

const leavesOf = (size: number) => Array.from({ length: size }, (_, at) => `leaf ${at}`);
const frontierOf = (leaves: readonly string[]): Frontier =>
  leaves.reduce((frontier, leaf) => appendLeaf(frontier, leaf, nodeHasher), EMPTY_FRONTIER);
const treeOf = (leaves: readonly string[]) =>
  subtreeRoots((at) => leafHash(leaves[at] ?? '', nodeHasher), nodeHasher);

// The leaves and roots that the Certificate Transparency projects test their trees with.
const CT_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const CT_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

for (const [size, root] of CT_ROOTS.entries())
  test(`has the known root of ${size} leaves`, () => {
    const leaves = CT_LEAVES.slice(0, size).map((hex) => Buffer.from(hex, 'hex').toString('latin1'));
    assert.equal(rootOf(frontierOf(leaves), nodeHasher), root);
  });

test('has the root of the definition at every size', () => {
  let frontier = EMPTY_FRONTIER;
  for (const [at, leaf] of leavesOf(70).entries()) {
    frontier = appendLeaf(frontier, leaf, nodeHasher);
    assert.equal(isFrontier(frontier), true);
    assert.equal(rootOf(frontier, nodeHasher), naiveRoot(leavesOf(at + 1)));
  }
});

test('proves every leaf of every small tree, and nothing else', () => {
  for (let size = 1; size <= 33; size += 1) {
    const leaves = leavesOf(size);
    const tree = treeOf(leaves);
    const root = naiveRoot(leaves);
    for (const [at, leaf] of leaves.entries()) {
      const proof = inclusionProof(at, size, tree);
      assert.equal(rootFromInclusion({ at, size }, leaf, proof, nodeHasher), root);
      assert.notEqual(rootFromInclusion({ at, size }, `${leaf}!`, proof, nodeHasher), root);
      if (at + 1 < size)
        assert.notEqual(rootFromInclusion({ at: at + 1, size }, leaf, proof, nodeHasher), root);
      assert.equal(rootFromInclusion({ at, size }, leaf, [...proof, root], nodeHasher), null);
      if (proof.length > 0)
        assert.notEqual(rootFromInclusion({ at, size }, leaf, proof.slice(1), nodeHasher), root);
    }
    assert.equal(rootFromInclusion({ at: size, size }, 'x', [], nodeHasher), null);
    assert.equal(rootFromInclusion({ at: -1, size }, 'x', [], nodeHasher), null);
  }
});

test('proves that every smaller tree is a beginning of every larger one', () => {
  for (let second = 1; second <= 33; second += 1) {
    const leaves = leavesOf(second);
    const tree = treeOf(leaves);
    for (let first = 1; first <= second; first += 1) {
      const older = { size: first, root: naiveRoot(leaves.slice(0, first)) };
      const newer = { size: second, root: naiveRoot(leaves) };
      const proof = consistencyProof(first, second, tree);
      assert.equal(isConsistent(older, newer, proof, nodeHasher), true, `${first} to ${second}`);
      const other = { size: first, root: nodeHasher.sha256('another') };
      assert.equal(isConsistent(other, newer, proof, nodeHasher), false);
      assert.equal(isConsistent(older, { ...newer, root: other.root }, proof, nodeHasher), false);
      assert.equal(isConsistent(older, newer, [...proof, newer.root], nodeHasher), false);
      if (first !== second) assert.equal(isConsistent(newer, older, proof, nodeHasher), false);
    }
  }
});

test('holds for large random trees and places', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.nat(), fc.nat(), (size, a, b) => {
      const leaves = leavesOf(size);
      const tree = treeOf(leaves);
      const root = rootOf(frontierOf(leaves), nodeHasher);
      const at = a % size;
      const proof = inclusionProof(at, size, tree);
      assert.equal(rootFromInclusion({ at, size }, leaves[at] ?? '', proof, nodeHasher), root);
      const first = (b % size) + 1;
      const older = { size: first, root: rootOf(frontierOf(leaves.slice(0, first)), nodeHasher) };
      assert.equal(
        isConsistent(older, { size, root }, consistencyProof(first, size, tree), nodeHasher),
        true,
      );
    }),
    { numRuns: 60 },
  );
});

test('does not take a frontier whose roots do not fit its size', () => {
  const { roots } = frontierOf(leavesOf(5));
  assert.equal(isFrontier({ size: 5, roots }), true);
  assert.equal(isFrontier({ size: 7, roots }), false);
  assert.equal(isFrontier({ size: -1, roots }), false);
  assert.equal(isFrontier({ size: 1.5, roots }), false);
});
