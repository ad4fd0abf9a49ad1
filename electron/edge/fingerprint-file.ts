import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { constants, crc32, deflate, inflate, inflateSync, type ZlibOptions } from 'node:zlib';
import type { DataSource } from '../core/data/flow.ts';
import { BUCKETS, type MarkIndex } from '../core/data/mark-index.ts';
import { err, ok, type Result } from '../core/result.ts';

/** All that a base file holds. */
export interface Base {
  readonly sources: readonly DataSource[];
  readonly sets: readonly (readonly number[])[];
  readonly index: MarkIndex;
}

/*
 * A base file: `CSNFLOW1`, 16 bytes that name the key, then sections, each `u32 length, u32 crc32, bytes`: sources and owners as
 * deflated JSON, then planes of bytes, deflated: the counts of the buckets, the four bytes of the distances within a bucket, and the three of owners. A
 * distance has 25 bits or so: its lower bytes are noise and stay as long as they are, the others nearly vanish.
 */
const MAGIC = Buffer.from('CSNFLOW1', 'latin1');
export const KEY_NAME_BYTES = 16;

const deflated = promisify<Uint8Array, ZlibOptions, Buffer>(deflate);
const inflated = promisify<Uint8Array, ZlibOptions, Buffer>(inflate);
/** Buckets that are read or written at a time, and marks: a millisecond or two. */
const BUCKETS_AT_ONCE = 2048;
const MARKS_AT_ONCE = 1 << 18;
/** Large results come in few pieces. */
const CHUNK = 4 * 1024 * 1024;

/** Lets others run. */
const pause = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function* sectionsOf({ sources, sets, index }: Base): AsyncGenerator<Uint8Array> {
  yield await deflated(Buffer.from(JSON.stringify(sources)), { level: 6 });
  yield await deflated(Buffer.from(JSON.stringify(sets)), { level: 6 });
  const count = index.rest.length;
  const counts = new Uint32Array(BUCKETS);
  for (let i = 0; i < BUCKETS; i++)
    counts[i] = (index.offsets[i + 1] as number) - (index.offsets[i] as number);
  yield await deflated(new Uint8Array(counts.buffer), { level: 1 });
  for (let byte = 0; byte < 4; byte++) {
    const plane = new Uint8Array(count);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      let before = 0;
      for (let i = index.offsets[bucket] as number; i < (index.offsets[bucket + 1] as number); i++) {
        const rest = index.rest[i] as number;
        plane[i] = ((rest - before) >>> (byte * 8)) & 0xff;
        before = rest;
      }
      if (bucket % BUCKETS_AT_ONCE === 0) await pause();
    }
    yield await packed(plane);
  }
  const low = new Uint8Array(count);
  const middle = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const owner = index.ownerLow[i] as number;
    low[i] = owner & 0xff;
    middle[i] = owner >>> 8;
    if (i % MARKS_AT_ONCE === 0) await pause();
  }
  yield await packed(low);
  yield await packed(middle);
  yield await packed(index.ownerHigh);
}

/** Huffman codes only: there are no repetitions to look for, and it is five times as fast. */
const packed = (plane: Uint8Array): Promise<Uint8Array> =>
  deflated(plane, { strategy: constants.Z_HUFFMAN_ONLY, chunkSize: CHUNK });

/**
 * Writes a base file: stage (a temporary file beside it), commit (fsync), publish (rename, fsync of the folder). Others run between; a failure at any step leaves
 * the old file as it was.
 */
export async function writeBase(path: string, keyName: Uint8Array, base: Base): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(Buffer.concat([MAGIC, keyName]));
    for await (const section of sectionsOf(base)) {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(section.length, 0);
      head.writeUInt32LE(crc32(section), 4);
      await file.writeFile(head);
      await file.writeFile(section);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function syncFolder(folder: string): void {
  // A folder cannot be opened on every platform; the rename is then as durable as the platform makes it.
  try {
    const fd = openSync(folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    return;
  }
}

/** Whose a base file is, by its beginning. */
export function baseKind(path: string, keyName: Uint8Array): 'ours' | 'other_key' | 'corrupt' | 'missing' {
  const start = Buffer.alloc(MAGIC.length + KEY_NAME_BYTES);
  try {
    const fd = openSync(path, 'r');
    try {
      readSync(fd, start, 0, start.length, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'corrupt';
  }
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) return 'corrupt';
  return start.subarray(MAGIC.length).equals(keyName) ? 'ours' : 'other_key';
}

/** The sections of a base file, packed; null when they are not as they were written. */
function packedSections(bytes: Buffer): readonly Buffer[] | null {
  const sections: Buffer[] = [];
  let at = MAGIC.length + KEY_NAME_BYTES;
  while (at + 8 <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const section = bytes.subarray(at + 8, at + 8 + length);
    if (section.length !== length || crc32(section) !== bytes.readUInt32LE(at + 4)) return null;
    sections.push(section);
    at += 8 + length;
  }
  return at === bytes.length && sections.length === 10 ? sections : null;
}

/** What unpacked sections hold, a piece at each step; null when they do not fit together. */
function* unpackedBase(sections: readonly Buffer[]): Generator<undefined, Base | null> {
  const [sources, sets, counts, a, b, c, d, low, middle, high] = sections as readonly [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const offsets = new Uint32Array(BUCKETS + 1);
  for (let i = 0; i < BUCKETS; i++) offsets[i + 1] = (offsets[i] as number) + counts.readUInt32LE(i * 4);
  const count = offsets[BUCKETS] as number;
  if ([a, b, c, d, low, middle, high].some((plane) => plane.length !== count)) return null;
  const rest = new Uint32Array(count);
  const ownerLow = new Uint16Array(count);
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    let before = 0;
    for (let i = offsets[bucket] as number; i < (offsets[bucket + 1] as number); i++) {
      const distance =
        (a[i] as number) | ((b[i] as number) << 8) | ((c[i] as number) << 16) | ((d[i] as number) << 24);
      before = (before + distance) >>> 0;
      rest[i] = before;
      ownerLow[i] = (low[i] as number) | ((middle[i] as number) << 8);
    }
    if (bucket % BUCKETS_AT_ONCE === 0) yield;
  }
  return {
    sources: JSON.parse(sources.toString('utf8')) as readonly DataSource[],
    sets: JSON.parse(sets.toString('utf8')) as readonly (readonly number[])[],
    index: { offsets, rest, ownerLow, ownerHigh: high },
  };
}

/** Reads a small base file at once. `corrupt`: anything that is not as it was written. */
export function readBase(bytes: Buffer): Result<Base, 'corrupt'> {
  try {
    const sections = packedSections(bytes);
    if (sections === null) return err('corrupt');
    const steps = unpackedBase(sections.map((section) => inflateSync(section)));
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return step.value === null ? err('corrupt') : ok(step.value);
  } catch {
    return err('corrupt');
  }
}

/** Reads a large one while others run. */
export async function loadBase(path: string): Promise<Result<Base, 'corrupt'>> {
  try {
    const packedOnes = packedSections(await readFile(path));
    if (packedOnes === null) return err('corrupt');
    const sections: Buffer[] = [];
    for (const section of packedOnes) sections.push(await inflated(section, { chunkSize: CHUNK }));
    const steps = unpackedBase(sections);
    let step = steps.next();
    while (step.done !== true) {
      await pause();
      step = steps.next();
    }
    return step.value === null ? err('corrupt') : ok(step.value);
  } catch {
    return err('corrupt');
  }
}

/** One entry of the log: a source and the marks that became its own. */
export function logRecord(source: DataSource, marks: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify(source), 'utf8');
  const body = Buffer.alloc(4 + text.length + marks.length);
  body.writeUInt32LE(text.length, 0);
  text.copy(body, 4);
  body.set(marks, 4 + text.length);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([head, body]);
}

/** Reads a log up to its first torn or broken record; `good` is how far it was whole. */
export function readLog(
  bytes: Buffer,
  visit: (source: DataSource, marks: Uint8Array) => void,
): { readonly good: number } {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (length < 4 || body.length !== length || crc32(body) !== bytes.readUInt32LE(at + 4)) break;
    const end = 4 + body.readUInt32LE(0);
    if (end > body.length || (body.length - end) % 8 !== 0) break;
    try {
      visit(JSON.parse(body.toString('utf8', 4, end)) as DataSource, body.subarray(end));
    } catch {
      break;
    }
    at += 8 + length;
  }
  return { good: at };
}
