import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import zlib from 'node:zlib';
import type { Header } from '../core/http.ts';
import { codingsOf } from './body-window.ts';
import { type Exchange, headerOf } from './exchange.ts';
import type { Answered } from './sender.ts';
import { makeScrubber, type Scrub, scrubHeaders, scrubText } from './swap.ts';

/** What came back, as far as it was looked at. */
export interface Relayed {
  readonly received: number;
  /** SHA-256 of all that came, as it came from upstream; null when it was cut. */
  readonly digest: string | null;
  readonly complete: boolean;
  readonly contentType: string | null;
  /** The first bytes of a text, still encoded. */
  readonly window: Buffer;
  readonly codings: readonly string[] | null;
}

const TEXT =
  /^(?:text\/|multipart\/|message\/|application\/(?:[\w.+-]*(?:json|xml|javascript|yaml|graphql|sql|toml|html|rtf|csv)|x-www-form-urlencoded|x-sh|x-python|x-ndjson))/i;

/** True for a type whose content is looked at; a body without a type is. */
function isTextLike(contentType: string | null): boolean {
  return contentType === null || TEXT.test(contentType);
}

/**
 * Sends the answer on as it comes, with backpressure, and takes what must not come back out of it. Resolves when it has ended either way.
 */
export function relay(
  answered: Answered,
  exchange: Exchange,
  settings: { readonly windowBytes: number; readonly scrubs: readonly Scrub[] },
): Promise<Relayed> {
  const { scrubs } = settings;
  const contentType = headerOf(answered.headers, 'content-type');
  const codings = codingsOf(headerOf(answered.headers, 'content-encoding'));
  const bodyless =
    answered.ended || exchange.method === 'HEAD' || answered.status === 204 || answered.status === 304;
  const scrubbing = scrubs.length > 0 && !bodyless;
  let headers: readonly Header[] = scrubHeaders(answered.headers, scrubs);
  if (scrubbing)
    headers = headers.filter(([name]) => name !== 'content-length' && name !== 'content-encoding');
  const out = exchange.respond({
    status: answered.status,
    reason: scrubText(answered.reason, scrubs),
    headers,
    bodyless,
  });
  const source = scrubbing ? decoded(answered.body, codings) : answered.body;
  const scrubber = scrubbing ? makeScrubber(scrubs) : null;
  const hash = createHash('sha256');
  const looked: Buffer[] = [];
  let left = isTextLike(contentType) ? settings.windowBytes : 0;
  let received = 0;
  let wrote = false;

  return new Promise((settle) => {
    let done = false;
    const end = (complete: boolean): void => {
      if (done) return;
      done = true;
      exchange.gone.removeEventListener('abort', gone);
      if (!complete) {
        exchange.cut();
        answered.body.destroy();
      }
      settle({
        received,
        digest: complete ? hash.digest('hex') : null,
        complete,
        contentType,
        window: Buffer.concat(looked),
        // What was decoded for scrubbing is plain by now.
        codings: scrubbing ? [] : codings,
      });
    };
    const gone = (): void => end(false);
    const resume = (): void => {
      source.resume();
    };
    source.on('data', (chunk: Buffer) => {
      received += chunk.length;
      hash.update(chunk);
      if (left > 0) {
        const part = chunk.subarray(0, left);
        looked.push(part);
        left -= part.length;
      }
      wrote = true;
      const piece = scrubber === null ? chunk : scrubber.push(chunk);
      if (bodyless || piece.length === 0) return;
      const written = left === 0 && piece === chunk && isWhole(chunk) ? () => release(chunk) : undefined;
      if (!out.write(piece, written)) {
        source.pause();
        out.once('drain', resume);
      }
    });
    source.once('end', () => {
      if (done) return;
      const rest = scrubber?.end();
      if (rest !== undefined && rest.length > 0) out.write(rest);
      exchange.finish(scrubHeaders(answered.trailers(), scrubs));
      wrote = true;
      end(true);
    });
    source.once('error', () => end(false));
    answered.body.once('error', () => end(false));
    answered.body.once('close', () => {
      // The end of a stream that was read to its end comes first.
      if (!answered.body.readableEnded) end(false);
    });
    exchange.gone.addEventListener('abort', gone, { once: true });
    if (exchange.gone.aborted) end(false);
    setImmediate(() => {
      if (!wrote && !done) exchange.flush();
    });
  });
}

/** True for bytes that nobody else has a view of: what TLS or the socket read at once, with nothing of a head or a chunk's length in it. */
function isWhole(chunk: Buffer): boolean {
  return chunk.length >= RELEASED_BYTES && chunk.byteOffset === 0 && chunk.buffer.byteLength === chunk.length;
}

/** Smaller ones cost less than it takes to give them back. */
const RELEASED_BYTES = 4_096;

/**
 * Gives the memory of bytes back that were sent on. Left to the collector, a large download would keep tens of megabytes of what has long
 * been sent, and a quarter of its time would go into collecting it.
 */
function release(chunk: Buffer): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}

/** The body without its coding; with one that is not known it stays as it is, and a secret in it is not to be read by anybody either. */
function decoded(body: Readable, codings: readonly string[] | null): Readable {
  let now = body;
  for (const coding of [...(codings ?? [])].reverse()) {
    const next =
      coding === 'gzip'
        ? zlib.createGunzip()
        : coding === 'br'
          ? zlib.createBrotliDecompress()
          : coding === 'zstd'
            ? zlib.createZstdDecompress()
            : zlib.createInflate();
    const from = now;
    from.once('error', (error) => next.destroy(error));
    from.pipe(next);
    now = next;
  }
  return now;
}
