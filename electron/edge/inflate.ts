import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Inflate } from '../core/data/decode.ts';

/** Decompresses up to a limit (port `Inflate`): a stream that is cut gives what there is, one that is none or becomes longer null. */
export const inflate: Inflate = (bytes, format, maxBytes) => {
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
};
