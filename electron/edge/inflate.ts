import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Compression, Embedded, Inflate } from '../core/data/decode.ts';

/** Decompresses up to a limit: a stream that is cut gives what there is, one that is none or becomes longer null. */
function whole(bytes: Uint8Array, format: Compression, maxBytes: number): Uint8Array | null {
  const limit = { maxOutputLength: Math.max(1, maxBytes) };
  try {
    switch (format) {
      case 'gzip':
        return gunzipSync(bytes, { ...limit, finishFlush: constants.Z_SYNC_FLUSH });
      case 'zlib':
        return inflateSync(bytes, { ...limit, finishFlush: constants.Z_SYNC_FLUSH });
      case 'deflate':
        return inflateRawSync(bytes, { ...limit, finishFlush: constants.Z_SYNC_FLUSH });
      case 'brotli':
        return brotliDecompressSync(bytes, { ...limit, finishFlush: constants.BROTLI_OPERATION_FLUSH });
      case 'zstd':
        return zstdDecompressSync(bytes, limit);
    }
  } catch {
    return null;
  }
}

/** What `info: true` gives, which the types do not say. */
interface Informed {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Checksum and length behind each gzip stream. */
const GZIP_TAIL = 8;

/** Where the data of a gzip stream begins (RFC 1952). */
function gzipHead(bytes: Uint8Array): number {
  const flags = bytes[3] ?? 0;
  let at = 10;
  if ((flags & 4) !== 0) at += 2 + (bytes[at] ?? 0) + 256 * (bytes[at + 1] ?? 0);
  for (const text of [8, 16]) if ((flags & text) !== 0) at = bytes.indexOf(0, at) + 1 || bytes.length;
  return (flags & 2) !== 0 ? at + 2 : at;
}

/** A stream's ending tells where it ends; one that is cut gives what there is, and took all. */
function stream(
  bytes: Uint8Array,
  format: Embedded,
  maxBytes: number,
): { readonly bytes: Uint8Array; readonly taken: number } | null {
  const options = {
    maxOutputLength: Math.max(1, maxBytes),
    finishFlush: constants.Z_SYNC_FLUSH,
    info: true,
  };
  try {
    if (format === 'zlib') {
      const undone = inflateSync(bytes, options) as unknown as Informed;
      return { bytes: undone.buffer, taken: undone.engine.bytesWritten };
    }
    // By its parts: what follows a gzip stream would have to be another one.
    const head = gzipHead(bytes);
    const undone = inflateRawSync(bytes.subarray(head), options) as unknown as Informed;
    const taken = Math.min(bytes.length, head + undone.engine.bytesWritten + GZIP_TAIL);
    return { bytes: undone.buffer, taken };
  } catch {
    return null;
  }
}

/** Decompresses for `core/data/decode.ts` (port `Inflate`). */
export const inflate: Inflate = Object.assign(whole, { stream });
