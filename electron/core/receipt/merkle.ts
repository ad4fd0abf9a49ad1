import type { Digest } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { bytesOfHex } from './bytes.ts';

/**
 * The Merkle tree of RFC 6962 and RFC 9162. A receipt's leaf data is the text of its hash and then of its signature (UTF-8), so
 * that a signed root vouches for both.
 * Nodes are hex digests. A frontier is the roots of the complete subtrees of a tree, largest first: one per set bit of its size.
 */
export interface Frontier {
  readonly size: number;
  readonly roots: readonly Digest[];
}

/** The frontier of the tree without leaves. */
export const EMPTY_FRONTIER: Frontier = { size: 0, roots: [] };

/** The leaf data of a receipt. */
export function leafOf(receipt: { readonly hash: Digest; readonly signature: string }): string {
  return receipt.hash + receipt.signature;
}

/** Hash of a leaf: SHA-256(0x00 ‖ data). */
export function leafHash(leaf: string, hasher: Hasher): Digest {
  return hasher.sha256(`\0${leaf}`);
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Digest, right: Digest, hasher: Hasher): Digest {
  const data = new Uint8Array(65);
  data[0] = 1;
  data.set(bytesOfHex(left), 1);
  data.set(bytesOfHex(right), 33);
  return hasher.sha256(data);
}

/** Adds one leaf; amortised two hashes, never more than log2(size) (AARM R5). */
export function appendLeaf(frontier: Frontier, leaf: string, hasher: Hasher): Frontier {
  const roots = [...frontier.roots];
  let node = leafHash(leaf, hasher);
  // Each trailing set bit of the size is a complete subtree that now has a sibling of its own height.
  for (let rest = frontier.size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
    const left = roots.pop();
    if (left === undefined) throw new Error('a frontier must have one root for each set bit of its size');
    node = nodeHash(left, node, hasher);
  }
  roots.push(node);
  return { size: frontier.size + 1, roots };
}

/** The root of the whole tree; of the empty tree, the hash of nothing. */
export function rootOf(frontier: Frontier, hasher: Hasher): Digest {
  let root: Digest | null = null;
  for (const left of frontier.roots.toReversed()) root = root === null ? left : nodeHash(left, root, hasher);
  return root ?? hasher.sha256(new Uint8Array(0));
}

/** True when the frontier has one root for each set bit of its size, so that its root means something. */
export function isFrontier(frontier: Frontier): boolean {
  let bits = 0;
  for (let rest = frontier.size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return Number.isSafeInteger(frontier.size) && frontier.size >= 0 && bits === frontier.roots.length;
}

/** The largest power of two smaller than `size` (≥ 2): where RFC 9162 splits a tree. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** Root of the leaves in [from, to); given once per tree so that many proofs share their work. */
export type SubtreeRoot = (from: number, to: number) => Digest;

/** Gives subtree roots over leaves in memory, each computed once. `leaf(i)` is the hash of leaf `i`. */
export function subtreeRoots(leaf: (at: number) => Digest, hasher: Hasher): SubtreeRoot {
  const known = new Map<string, Digest>();
  const root: SubtreeRoot = (from, to) => {
    if (to - from === 1) return leaf(from);
    const key = `${from}-${to}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const middle = from + splitOf(to - from);
    const made = nodeHash(root(from, middle), root(middle, to), hasher);
    known.set(key, made);
    return made;
  };
  return root;
}

/** Proof that leaf `at` is in the tree of `size` leaves: siblings from the leaf upwards (RFC 9162 §2.1.3.1). */
export function inclusionProof(at: number, size: number, root: SubtreeRoot): readonly Digest[] {
  if (at < 0 || at >= size) throw new Error(`no leaf ${at} in a tree of ${size}`);
  const path = (index: number, from: number, to: number): readonly Digest[] => {
    if (to - from === 1) return [];
    const middle = from + splitOf(to - from);
    return index < middle
      ? [...path(index, from, middle), root(middle, to)]
      : [...path(index, middle, to), root(from, middle)];
  };
  return path(at, 0, size);
}

/** Root that an inclusion proof leads to, or null when its length fits no tree of that size (RFC 9162 §2.1.3.2). */
export function rootFromInclusion(
  place: { readonly at: number; readonly size: number },
  leaf: string,
  proof: readonly Digest[],
  hasher: Hasher,
): Digest | null {
  let { at } = place;
  let last = place.size - 1;
  if (!Number.isSafeInteger(at) || at < 0 || at > last) return null;
  let node = leafHash(leaf, hasher);
  for (const sibling of proof) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      node = nodeHash(sibling, node, hasher);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      node = nodeHash(node, sibling, hasher);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? node : null;
}

/** Proof that the tree of `first` leaves is a prefix of the tree of `second` (RFC 9162 §2.1.4.1). */
export function consistencyProof(first: number, second: number, root: SubtreeRoot): readonly Digest[] {
  if (first <= 0 || first > second) throw new Error(`no consistency between sizes ${first} and ${second}`);
  const subproof = (m: number, from: number, to: number, complete: boolean): readonly Digest[] => {
    const size = to - from;
    if (m === size) return complete ? [] : [root(from, to)];
    const middle = splitOf(size);
    return m <= middle
      ? [...subproof(m, from, from + middle, complete), root(from + middle, to)]
      : [...subproof(m - middle, from + middle, to, false), root(from, from + middle)];
  };
  return subproof(first, 0, second, true);
}

/** True when the proof shows that the second tree only added to the first (RFC 9162 §2.1.4.2). */
export function isConsistent(
  first: { readonly size: number; readonly root: Digest },
  second: { readonly size: number; readonly root: Digest },
  proof: readonly Digest[],
  hasher: Hasher,
): boolean {
  if (first.size <= 0 || first.size > second.size) return false;
  if (first.size === second.size) return proof.length === 0 && first.root === second.root;
  let at = first.size - 1;
  let last = second.size - 1;
  while (at % 2 === 1) {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  // When the first tree is complete its root is where both paths start, and the proof does not repeat it.
  const path = at === 0 ? [first.root, ...proof] : proof;
  const start = path[0];
  if (start === undefined) return false;
  let older = start;
  let newer = start;
  for (const node of path.slice(1)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      older = nodeHash(node, older, hasher);
      newer = nodeHash(node, newer, hasher);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      newer = nodeHash(newer, node, hasher);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && older === first.root && newer === second.root;
}
