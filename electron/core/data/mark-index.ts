import { MARK_BYTES } from './fingerprint.ts';

/**
 * Marks in memory, each with a number that says whose it is. 48 of a mark's 64 bits are kept: with 8 million marks one of 30 million
 * foreign ones is taken for one of ours. Two forms: a sorted one of 7 bytes a mark that is never changed, and a growing table for what is new.
 */
export interface MarkIndex {
  /** Where the marks of each first 16 bits begin: 65 537 entries. */
  readonly offsets: Uint32Array;
  /** The 32 bits after them, rising within a bucket. */
  readonly rest: Uint32Array;
  readonly ownerLow: Uint16Array;
  readonly ownerHigh: Uint8Array;
}

export const BUCKETS = 65_536;
/** Owners are numbers below this. */
export const MOST_OWNERS = 1 << 24;

/** Visits the marks of `Payload.marks` as their first 16 bits and the 32 after; a torn last one is left out. */
export function eachMark(marks: Uint8Array, visit: (bucket: number, rest: number) => void): void {
  for (let i = 0; i + MARK_BYTES <= marks.length; i += MARK_BYTES)
    visit(
      ((marks[i] as number) << 8) | (marks[i + 1] as number),
      (((marks[i + 2] as number) << 24) |
        ((marks[i + 3] as number) << 16) |
        ((marks[i + 4] as number) << 8) |
        (marks[i + 5] as number)) >>>
        0,
    );
}

export function emptyIndex(count = 0): MarkIndex {
  return {
    offsets: new Uint32Array(BUCKETS + 1),
    rest: new Uint32Array(count),
    ownerLow: new Uint16Array(count),
    ownerHigh: new Uint8Array(count),
  };
}

/** The owner of a mark, or -1. */
export function ownerIn(index: MarkIndex, bucket: number, rest: number): number {
  let low = index.offsets[bucket] as number;
  let high = index.offsets[bucket + 1] as number;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = index.rest[middle] as number;
    if (value === rest) return ownerAt(index, middle);
    if (value < rest) low = middle + 1;
    else high = middle;
  }
  return -1;
}

export function ownerAt(index: MarkIndex, at: number): number {
  return (index.ownerLow[at] as number) | ((index.ownerHigh[at] as number) << 16);
}

/** Marks that came since the sorted index was made: open addressing, at most half full. */
export interface MarkTable {
  count: number;
  /** Bucket + 1, so that 0 is an empty place. */
  bucket: Uint32Array;
  rest: Uint32Array;
  owner: Uint32Array;
}

export function newTable(places = 4096): MarkTable {
  return {
    count: 0,
    bucket: new Uint32Array(places),
    rest: new Uint32Array(places),
    owner: new Uint32Array(places),
  };
}

function placeOf(table: MarkTable, bucket: number, rest: number): number {
  const mask = table.rest.length - 1;
  let at = (Math.imul(rest ^ (bucket << 7), 0x9e3779b1) >>> 8) & mask;
  while (table.bucket[at] !== 0 && (table.bucket[at] !== bucket + 1 || table.rest[at] !== rest))
    at = (at + 1) & mask;
  return at;
}

/** The owner of a mark, or -1. */
export function ownerInTable(table: MarkTable, bucket: number, rest: number): number {
  if (table.count === 0) return -1;
  const at = placeOf(table, bucket, rest);
  return table.bucket[at] === 0 ? -1 : (table.owner[at] as number);
}

export function setOwner(table: MarkTable, bucket: number, rest: number, owner: number): void {
  if (table.count * 2 >= table.rest.length) {
    const larger = newTable(table.rest.length * 2);
    for (let i = 0; i < table.rest.length; i++) {
      const one = table.bucket[i] as number;
      if (one !== 0) setOwner(larger, one - 1, table.rest[i] as number, table.owner[i] as number);
    }
    Object.assign(table, larger);
  }
  const at = placeOf(table, bucket, rest);
  if (table.bucket[at] === 0) table.count += 1;
  table.bucket[at] = bucket + 1;
  table.rest[at] = rest;
  table.owner[at] = owner;
}

/**
 * Joins a sorted index with a table into a new index, a piece at each step so that others may run between. `ownerOf` says whose a mark is now; below 0 it is
 * dropped. The table's owner of a mark counts before the index's.
 */
export function* joinIndex(
  index: MarkIndex,
  table: MarkTable,
  ownerOf: (owner: number) => number,
): Generator<undefined, MarkIndex> {
  // Places of the table by bucket, by counting.
  const starts = new Uint32Array(BUCKETS + 1);
  for (const bucket of table.bucket) if (bucket !== 0) starts[bucket] = (starts[bucket] as number) + 1;
  for (let i = 0; i < BUCKETS; i++) starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number);
  const places = new Uint32Array(table.count);
  const filled = starts.slice();
  for (let i = 0; i < table.bucket.length; i++) {
    const bucket = table.bucket[i] as number;
    if (bucket === 0) continue;
    const at = filled[bucket - 1] as number;
    places[at] = i;
    filled[bucket - 1] = at + 1;
  }
  yield;
  const joined = emptyIndex(index.rest.length + table.count);
  let n = 0;
  const put = (rest: number, before: number): void => {
    const owner = ownerOf(before);
    if (owner < 0) return;
    joined.rest[n] = rest;
    joined.ownerLow[n] = owner & 0xffff;
    joined.ownerHigh[n] = owner >>> 16;
    n += 1;
  };
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    joined.offsets[bucket] = n;
    const recent = places.subarray(starts[bucket], starts[bucket + 1]);
    recent.sort((a, b) => (table.rest[a] as number) - (table.rest[b] as number));
    let i = index.offsets[bucket] as number;
    const end = index.offsets[bucket + 1] as number;
    for (const place of recent) {
      const rest = table.rest[place] as number;
      for (; i < end && (index.rest[i] as number) < rest; i++)
        put(index.rest[i] as number, ownerAt(index, i));
      if (i < end && index.rest[i] === rest) i += 1;
      put(rest, table.owner[place] as number);
    }
    for (; i < end; i++) put(index.rest[i] as number, ownerAt(index, i));
    if (bucket % 1024 === 1023) yield;
  }
  joined.offsets[BUCKETS] = n;
  return {
    offsets: joined.offsets,
    rest: joined.rest.slice(0, n),
    ownerLow: joined.ownerLow.slice(0, n),
    ownerHigh: joined.ownerHigh.slice(0, n),
  };
}
