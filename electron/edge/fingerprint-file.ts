import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { constants, crc32, deflateSync, inflateSync } from 'node:zlib';
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

function* sectionsOf({ sources, sets, index }: Base): Generator<Uint8Array> {
  yield deflateSync(JSON.stringify(sources), { level: 6 });
  yield deflateSync(JSON.stringify(sets), { level: 6 });
  const count = index.rest.length;
  const counts = new Uint32Array(BUCKETS);
  for (let i = 0; i < BUCKETS; i++)
    counts[i] = (index.offsets[i + 1] as number) - (index.offsets[i] as number);
  yield deflateSync(new Uint8Array(counts.buffer), { level: 1 });
  for (let byte = 0; byte < 4; byte++) {
    const plane = new Uint8Array(count);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      let before = 0;
      for (let i = index.offsets[bucket] as number; i < (index.offsets[bucket + 1] as number); i++) {
        const rest = index.rest[i] as number;
        plane[i] = ((rest - before) >>> (byte * 8)) & 0xff;
        before = rest;
      }
    }
    yield packed(plane);
  }
  const low = new Uint8Array(count);
  const middle = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const owner = index.ownerLow[i] as number;
    low[i] = owner & 0xff;
    middle[i] = owner >>> 8;
  }
  yield packed(low);
  yield packed(middle);
  yield packed(index.ownerHigh);
}

/** Huffman codes only: there are no repetitions to look for, and it is five times as fast. */
const packed = (plane: Uint8Array): Uint8Array => deflateSync(plane, { strategy: constants.Z_HUFFMAN_ONLY });

/**
 * Writes a base file: stage (a temporary file beside it), commit (fsync), publish (rename, fsync of the folder). One section at each step, so that
 * others may run between; a failure at any leaves the old file as it was.
 */
export function* writeBase(path: string, keyName: Uint8Array, base: Base): Generator<undefined, void> {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, Buffer.concat([MAGIC, keyName]));
    for (const section of sectionsOf(base)) {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(section.length, 0);
      head.writeUInt32LE(crc32(section), 4);
      writeAll(fd, head);
      writeAll(fd, section);
      yield;
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
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

/** Reads a base file whole. `other_key`: made under another key; `corrupt`: anything that is not as it was written. */
export function readBase(
  path: string,
  keyName: Uint8Array,
): Result<Base, 'other_key' | 'corrupt' | 'missing'> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return err((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'corrupt');
  }
  try {
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return err('corrupt');
    const start = MAGIC.length + KEY_NAME_BYTES;
    if (!bytes.subarray(MAGIC.length, start).equals(keyName)) return err('other_key');
    let at = start;
    const next = (): Buffer => {
      const length = bytes.readUInt32LE(at);
      const section = bytes.subarray(at + 8, at + 8 + length);
      if (section.length !== length || crc32(section) !== bytes.readUInt32LE(at + 4))
        throw new Error('checksum');
      at += 8 + length;
      return inflateSync(section);
    };
    const sources = JSON.parse(next().toString('utf8')) as readonly DataSource[];
    const sets = JSON.parse(next().toString('utf8')) as readonly (readonly number[])[];
    const counts = next();
    const offsets = new Uint32Array(BUCKETS + 1);
    for (let i = 0; i < BUCKETS; i++) offsets[i + 1] = (offsets[i] as number) + counts.readUInt32LE(i * 4);
    const planes = Array.from({ length: 7 }, next);
    const count = offsets[BUCKETS] as number;
    if (planes.some((plane) => plane.length !== count) || at !== bytes.length) return err('corrupt');
    const [a, b, c, d, low, middle, high] = planes as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
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
    }
    return ok({ sources, sets, index: { offsets, rest, ownerLow, ownerHigh: new Uint8Array(high) } });
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
