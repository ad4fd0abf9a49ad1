import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { err, ok, type Result } from '../core/result.ts';

/** What a compressed body may become: bytes, and how many times its own size (once it is large at all). */
export const MAX_DECODED_BYTES = 64 * 1024 * 1024;
export const MAX_RATIO = 1000;
const RATIO_FREE_BYTES = 1024 * 1024;

export type Taken =
  | { readonly state: 'data'; readonly chunk: Buffer }
  | { readonly state: 'end' | 'idle' | 'gone' };

/** Reads a body at the reader's pace: nothing is read ahead of what was asked for but the stream's own buffer. */
export interface BodyReader {
  /** The next bytes; `idle` when none came for `idleMs`. */
  take(idleMs: number): Promise<Taken>;
}

/** Reads from `stream`, whose errors are taken as `gone`. */
export function bodyReader(stream: Readable): BodyReader {
  let gone = false;
  let ended = false;
  let wake: (() => void) | null = null;
  const stir = (): void => wake?.();
  stream.on('readable', stir);
  stream.on('end', () => {
    ended = true;
    stir();
  });
  stream.on('error', () => {
    gone = true;
    stir();
  });
  stream.on('close', () => {
    gone = true;
    stir();
  });
  return {
    take: async (idleMs) => {
      const until = Date.now() + idleMs;
      for (;;) {
        const chunk = stream.read() as Buffer | null;
        if (chunk !== null) return { state: 'data', chunk };
        if (ended || stream.readableEnded) return { state: 'end' };
        if (gone || stream.destroyed) return { state: 'gone' };
        const left = until - Date.now();
        if (left <= 0) return { state: 'idle' };
        await new Promise<void>((settle) => {
          const timer = setTimeout(settle, left);
          wake = () => {
            clearTimeout(timer);
            wake = null;
            settle();
          };
        });
      }
    },
  };
}

/** What is held of a body before it is judged. */
export interface Held {
  readonly chunks: readonly Buffer[];
  readonly bytes: number;
  /** `end`: that was all of it. `more`: the rest follows. `full`: there is no room for more of it now. */
  readonly state: 'end' | 'more' | 'slow' | 'gone' | 'full';
}

/** In a conversation, what is there is judged after so long without more: the client may wait for an answer to it. */
const CONVERSATION_MS = 200;

/** Types whose body is a row of messages that answers may come between (gRPC and Connect). */
export function isConversation(contentType: string | null, length: number | null): boolean {
  return length === null && /^application\/(?:grpc|connect\+)/i.test(contentType ?? '');
}

/**
 * Reads up to `holdBytes`; `slowMs` without a byte is `slow`. Only a conversation is judged before its end: what any other body means may
 * stand in its last byte, and a pause must not hide that.
 */
export async function holdBody(
  reader: BodyReader,
  conversation: boolean,
  holdBytes: number,
  slowMs = 30_000,
  room: (bytes: number) => boolean = () => true,
): Promise<Held> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  while (bytes <= holdBytes) {
    const mayWait = conversation && bytes > 0;
    const taken = await reader.take(mayWait ? CONVERSATION_MS : slowMs);
    if (taken.state === 'data') {
      if (!room(taken.chunk.length)) return { chunks: [], bytes: 0, state: 'full' };
      chunks.push(taken.chunk);
      bytes += taken.chunk.length;
    } else if (taken.state === 'idle') {
      return { chunks, bytes, state: mayWait ? 'more' : 'slow' };
    } else {
      return { chunks, bytes, state: taken.state };
    }
  }
  return { chunks, bytes, state: 'more' };
}

export type DecodeFault = { readonly code: 'bomb' | 'bad-encoding'; readonly reason: string };

/** The codings of a body, outermost last; null: one that is not known, so that its content cannot be seen. */
export function codingsOf(header: string | null): readonly string[] | null {
  const words = (header ?? '')
    .toLowerCase()
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '' && word !== 'identity');
  const known = words.map((word) => (word === 'x-gzip' ? 'gzip' : word));
  return known.length <= 2 && known.every((word) => ['gzip', 'deflate', 'br', 'zstd'].includes(word))
    ? known
    : null;
}

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate);
const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);
const unbrotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress);
const unzstd = promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);

async function undo(bytes: Buffer, coding: string, whole: boolean, maxBytes: number): Promise<Buffer> {
  const { constants } = zlib;
  const maxOutputLength = maxBytes;
  const flush = whole ? {} : { finishFlush: constants.Z_SYNC_FLUSH };
  switch (coding) {
    case 'gzip':
      return await gunzip(bytes, { maxOutputLength, ...flush });
    case 'br':
      return await unbrotli(bytes, {
        maxOutputLength,
        ...(whole ? {} : { finishFlush: constants.BROTLI_OPERATION_FLUSH }),
      });
    case 'zstd':
      return await unzstd(bytes, {
        maxOutputLength,
        ...(whole ? {} : { finishFlush: constants.ZSTD_e_flush }),
      });
    default:
      // What is called deflate is zlib's format or the bare one: both are sent.
      return (bytes[0] ?? 0) % 16 === 8 && bytes.length > 1 && bytes.readUInt16BE(0) % 31 === 0
        ? await inflate(bytes, { maxOutputLength, ...flush })
        : await inflateRaw(bytes, { maxOutputLength, ...flush });
  }
}

/** Undoes the codings, bounded. `whole` false: bytes may be missing at the end. `maxBytes` bounds each step. */
export async function decodeBody(
  bytes: Buffer,
  codings: readonly string[],
  whole: boolean,
  maxBytes = MAX_DECODED_BYTES,
): Promise<Result<Buffer, DecodeFault>> {
  let now = bytes;
  for (const coding of [...codings].reverse()) {
    const before = now.length;
    try {
      now = await undo(now, coding, whole, maxBytes);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      return code === 'ERR_BUFFER_TOO_LARGE'
        ? err({
            code: 'bomb',
            reason: `the body is more than ${maxBytes} bytes once it is unpacked, too many to be looked at; send it in parts`,
          })
        : err({ code: 'bad-encoding', reason: `the body is not the \`${coding}\` that it claims to be` });
    }
    if (now.length > RATIO_FREE_BYTES && now.length > before * MAX_RATIO)
      return err({ code: 'bomb', reason: `the body grows more than ${MAX_RATIO} times when it is unpacked` });
  }
  return ok(now);
}

/** Undoes one coding as it streams. */
export interface StreamDecoder {
  /** What came out so far; null when it is malformed or grows too much. */
  push(chunk: Buffer): Promise<Buffer | null>;
  close(): void;
}

/** A decoder for the outermost of `codings`; null when there is none or they are two. */
export function streamDecoder(codings: readonly string[]): StreamDecoder | null {
  if (codings.length !== 1) return null;
  const coding = codings[0];
  const stream =
    coding === 'gzip'
      ? zlib.createGunzip()
      : coding === 'br'
        ? zlib.createBrotliDecompress()
        : coding === 'zstd'
          ? zlib.createZstdDecompress()
          : zlib.createInflate();
  let out: Buffer[] = [];
  let failed = false;
  let before = 0;
  let after = 0;
  stream.on('data', (chunk: Buffer) => {
    after += chunk.length;
    // Thrown away from here on: `push` says what that means.
    if (after <= before * MAX_RATIO + RATIO_FREE_BYTES) out.push(chunk);
  });
  stream.on('error', () => {
    failed = true;
  });
  return {
    push: (chunk) =>
      new Promise((settle) => {
        before += chunk.length;
        const done = (): void => {
          stream.off('error', done);
          const all = Buffer.concat(out);
          out = [];
          settle(failed || after > before * MAX_RATIO + RATIO_FREE_BYTES ? null : all);
        };
        if (failed || stream.destroyed) return settle(null);
        stream.once('error', done);
        stream.write(chunk, done);
      }),
    close: () => {
      stream.destroy();
    },
  };
}
