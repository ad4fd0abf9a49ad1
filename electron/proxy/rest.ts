import type { Writable } from 'node:stream';
import type { Payload } from '../core/data/payload.ts';
import type { Header } from '../core/http.ts';
import { type BodyReader, streamDecoder } from './body-window.ts';
import type { Exchange } from './exchange.ts';
import { isTelling, OVERLAP_BYTES } from './inspection.ts';
import type { Sent } from './sender.ts';

/** Without a byte for so long a body is given up: of declared length, and of a conversation. */
const SLOW_MS = 30_000;
export const CONVERSATION_MS = 3_600_000;
/** What belongs together comes together: so long is waited for more before a window is judged. */
const GATHER_MS = 5;

/** What became of what went out in windows. */
export type RestEnd =
  | { readonly kind: 'sent'; readonly bytes: number }
  | { readonly kind: 'denied'; readonly bytes: number; readonly message: string }
  | { readonly kind: 'broken'; readonly bytes: number };

/** Bytes on their way out that are judged window by window. */
export interface Flow {
  readonly reader: BodyReader;
  readonly out: Writable;
  readonly windowBytes: number;
  readonly slowMs: number;
  /** What went out before, so that nothing hides at the seam. */
  readonly before: Buffer;
  /** What the bytes say; null: they are not what they must be, and are not sent. */
  plain(raw: Buffer): Promise<Buffer | null>;
  /** False while more must come before it can be judged well: within a frame. */
  complete(): boolean;
  trailers(): readonly Header[];
  end(trailers: readonly Header[]): void;
}

export type WindowScan = (bytes: Uint8Array) => Payload;
export type WindowAsk = (
  payload: Payload,
) => Promise<{ readonly result: 'ALLOW' | 'DENY'; readonly message: string }>;

/**
 * Sends bytes on. INVARIANT (nothing leaves unjudged): a window with a finding or a fingerprint leaves after an ALLOW of its own; when it is
 * denied, nothing more leaves.
 */
export async function sendJudged(flow: Flow, scan: WindowScan, ask: WindowAsk): Promise<RestEnd> {
  let tail = flow.before.subarray(-OVERLAP_BYTES);
  let bytes = 0;
  for (;;) {
    const chunks: Buffer[] = [];
    const said: Buffer[] = [];
    let size = 0;
    let ended = false;
    while (size < flow.windowBytes && !ended) {
      const taken = await flow.reader.take(size === 0 ? flow.slowMs : flow.complete() ? GATHER_MS : SLOW_MS);
      if (taken.state === 'data') {
        chunks.push(taken.chunk);
        size += taken.chunk.length;
        const plain = await flow.plain(taken.chunk);
        if (plain === null) return { kind: 'broken', bytes };
        said.push(plain);
      } else if (taken.state === 'end') {
        ended = true;
      } else if (taken.state === 'gone' || size === 0) {
        return { kind: 'broken', bytes };
      } else {
        break;
      }
    }
    const trailers = ended ? flow.trailers() : [];
    said.push(Buffer.from(trailers.map(([name, value]) => `${name}: ${value}\n`).join('')));
    if (said.some((part) => part.length > 0)) {
      const window = Buffer.concat([tail, ...said]);
      const payload = scan(window);
      if (isTelling(payload)) {
        const answer = await ask({ ...payload, inspected: 'part' });
        if (answer.result !== 'ALLOW') return { kind: 'denied', bytes, message: answer.message };
      }
      tail = Buffer.from(window.subarray(-OVERLAP_BYTES));
    }
    for (const chunk of chunks) if (!(await written(flow.out, chunk))) return { kind: 'broken', bytes };
    bytes += size;
    if (ended) {
      flow.end(trailers);
      return { kind: 'sent', bytes };
    }
  }
}

/** Sends the rest of a body that was too long to be held. */
export async function sendRest(
  rest: {
    readonly exchange: Exchange;
    readonly reader: BodyReader;
    readonly sent: Sent;
    /** What was held, raw. */
    readonly held: readonly Buffer[];
    readonly codings: readonly string[];
    readonly windowBytes: number;
  },
  scan: WindowScan,
  ask: WindowAsk,
): Promise<RestEnd> {
  const { exchange, reader, sent, held, windowBytes } = rest;
  const decoder = rest.codings.length > 0 ? streamDecoder(rest.codings) : null;
  let before = Buffer.concat(held.slice(-2));
  try {
    for (const chunk of decoder === null ? [] : held) {
      const plain = await decoder?.push(chunk);
      if (plain === null) return { kind: 'broken', bytes: 0 };
      if (plain !== undefined && plain.length > 0) before = Buffer.from(plain.subarray(-OVERLAP_BYTES));
    }
    return await sendJudged(
      {
        reader,
        out: sent.body,
        windowBytes,
        slowMs: exchange.length === null ? CONVERSATION_MS : SLOW_MS,
        before,
        plain: (raw) => (decoder === null ? Promise.resolve(raw) : decoder.push(raw)),
        complete: () => true,
        trailers: () => exchange.requestTrailers(),
        end: (trailers) => sent.end(trailers),
      },
      scan,
      ask,
    );
  } finally {
    decoder?.close();
  }
}

/** Writes with backpressure; false when the stream is gone. */
export function written(out: Writable, bytes: Buffer): Promise<boolean> {
  if (out.destroyed) return Promise.resolve(false);
  if (out.write(bytes)) return Promise.resolve(true);
  return new Promise((settle) => {
    const end = (alive: boolean) => () => {
      out.off('drain', drained);
      out.off('close', closed);
      settle(alive);
    };
    const drained = end(true);
    const closed = end(false);
    out.once('drain', drained);
    out.once('close', closed);
  });
}
