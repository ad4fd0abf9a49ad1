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

/** True when a sorted list of marks (as in `Payload`) holds this one, by the 48 bits that count. */
export function holdsMark(marks: Uint8Array, bucket: number, rest: number): boolean {
  let low = 0;
  let high = Math.floor(marks.length / MARK_BYTES);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * MARK_BYTES;
    const first = ((marks[at] as number) << 8) | (marks[at + 1] as number);
    const second =
      (((marks[at + 2] as number) << 24) |
        ((marks[at + 3] as number) << 16) |
        ((marks[at + 4] as number) << 8) |
        (marks[at + 5] as number)) >>>
      0;
    if (first === bucket && second === rest) return true;
    if (first < bucket || (first === bucket && second < rest)) low = middle + 1;
    else high = middle;
  }
  return false;
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

/**
 * Marks that came since the sorted index was made: open addressing, at most half full, in parts by the first bits of the bucket, so that growing is a matter of one
 * part and never takes long.
 */
export interface MarkTable {
  count: number;
  readonly parts: (TablePart | null)[];
}

interface TablePart {
  count: number;
  /** Bucket + 1, so that 0 is an empty place. */
  bucket: Uint32Array;
  rest: Uint32Array;
  owner: Uint32Array;
}

const PARTS = 256;
const BUCKETS_OF_PART = BUCKETS / PARTS;

export function newTable(): MarkTable {
  return { count: 0, parts: new Array<TablePart | null>(PARTS).fill(null) };
}

function newPart(places: number): TablePart {
  return {
    count: 0,
    bucket: new Uint32Array(places),
    rest: new Uint32Array(places),
    owner: new Uint32Array(places),
  };
}

function placeOf(part: TablePart, bucket: number, rest: number): number {
  const mask = part.rest.length - 1;
  let at = (Math.imul(rest ^ (bucket << 7), 0x9e3779b1) >>> 8) & mask;
  while (part.bucket[at] !== 0 && (part.bucket[at] !== bucket + 1 || part.rest[at] !== rest))
    at = (at + 1) & mask;
  return at;
}

/** The owner of a mark, or -1. */
export function ownerInTable(table: MarkTable, bucket: number, rest: number): number {
  const part = table.parts[bucket >>> 8];
  if (part === null || part === undefined) return -1;
  const at = placeOf(part, bucket, rest);
  return part.bucket[at] === 0 ? -1 : (part.owner[at] as number);
}

function setInPart(part: TablePart, bucket: number, rest: number, owner: number): void {
  const at = placeOf(part, bucket, rest);
  if (part.bucket[at] === 0) part.count += 1;
  part.bucket[at] = bucket + 1;
  part.rest[at] = rest;
  part.owner[at] = owner;
}

export function setOwner(table: MarkTable, bucket: number, rest: number, owner: number): void {
  const number = bucket >>> 8;
  let part = table.parts[number] ?? null;
  if (part === null || part.count * 2 >= part.rest.length) {
    const larger = newPart(part === null ? 64 : part.rest.length * 2);
    if (part !== null)
      for (let i = 0; i < part.rest.length; i++) {
        const one = part.bucket[i] as number;
        if (one !== 0) setInPart(larger, one - 1, part.rest[i] as number, part.owner[i] as number);
      }
    part = larger;
    table.parts[number] = part;
  }
  const before = part.count;
  setInPart(part, bucket, rest, owner);
  table.count += part.count - before;
}

/** Visits the owner of each mark of a table. */
export function eachOwner(table: MarkTable, visit: (owner: number) => void): void {
  for (const part of table.parts)
    part?.bucket.forEach((bucket, i) => {
      if (bucket !== 0) visit(part.owner[i] as number);
    });
}

/** Places of one part, in order of their marks. */
function ordered(part: TablePart): Uint32Array {
  const places = new Uint32Array(part.count);
  let n = 0;
  part.bucket.forEach((bucket, i) => {
    if (bucket !== 0) places[n++] = i;
  });
  return places.sort(
    (a, b) =>
      (part.bucket[a] as number) - (part.bucket[b] as number) ||
      (part.rest[a] as number) - (part.rest[b] as number),
  );
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
  for (let number = 0; number < PARTS; number++) {
    const part = table.parts[number] ?? null;
    const places = part === null ? new Uint32Array(0) : ordered(part);
    let next = 0;
    for (let bucket = number * BUCKETS_OF_PART; bucket < (number + 1) * BUCKETS_OF_PART; bucket++) {
      joined.offsets[bucket] = n;
      let i = index.offsets[bucket] as number;
      const end = index.offsets[bucket + 1] as number;
      for (; part !== null && part.bucket[places[next] ?? -1] === bucket + 1; next++) {
        const place = places[next] as number;
        const rest = part.rest[place] as number;
        for (; i < end && (index.rest[i] as number) < rest; i++)
          put(index.rest[i] as number, ownerAt(index, i));
        if (i < end && index.rest[i] === rest) i += 1;
        put(rest, part.owner[place] as number);
      }
      for (; i < end; i++) put(index.rest[i] as number, ownerAt(index, i));
    }
    yield;
  }
  joined.offsets[BUCKETS] = n;
  // Cutting would copy all of it at once.
  return {
    offsets: joined.offsets,
    rest: joined.rest.subarray(0, n),
    ownerLow: joined.ownerLow.subarray(0, n),
    ownerHigh: joined.ownerHigh.subarray(0, n),
  };
}
