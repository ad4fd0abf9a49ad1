import { unescapeText, unquotePrintable, unquoteUrl } from './escapes.ts';
import { decodeRadix85 } from './radix-85.ts';
import { decodeRuns, RUN_CODECS } from './runs.ts';

/** How something is compressed. `zip` is taken apart here; its entries are `deflate`. */
export type Compression = 'gzip' | 'zlib' | 'deflate' | 'brotli' | 'zstd';

/** Decompresses, what there is when the input is cut; null for what is none or becomes longer than `maxBytes`. Given from outside (edge/inflate.ts). */
export interface Inflate {
  (bytes: Uint8Array, format: Compression, maxBytes: number): Uint8Array | null;
  /** One stream at the beginning of `bytes` and how much of them it took, for what stands in between other bytes; null as above. */
  readonly stream?: (
    bytes: Uint8Array,
    format: Embedded,
    maxBytes: number,
  ) => { readonly bytes: Uint8Array; readonly taken: number } | null;
}

/** What tells where it begins and ends. */
export type Embedded = 'gzip' | 'zlib';

/** One way of reading some bytes: as they are (`text`), or decoded (`base64`, `gzip>base64`: outermost decoding last). */
export interface Layer {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Layers {
  readonly layers: readonly Layer[];
  /** False when a limit left something undecoded. */
  readonly whole: boolean;
}

/** Decodings are looked through this deep. */
const DEPTH = 3;
/** All layers together, in bytes; what is compressed more than this says is looked at up to here. */
const MOST_BYTES = 64 * 1024 * 1024;
/** A compressed piece may become this much larger, and at least this long. */
const MOST_RATIO = 100;
const INFLATED_LEAST = 1024 * 1024;
/** Shorter results say nothing. */
const SHORTEST = 8;
const MOST_LAYERS = 48;
const ZIP_ENTRIES = 1024;

/**
 * Every way of reading what is sent: itself, and what comes out of decompressing, base64, base32, hex, URL-encoding, escapes of JSON,
 * C and HTML, and quoted-printable, each within each other up to three deep. Work is bounded: each decoding but the compressed ones is shorter than
 * its source, and all together have at most 64 MiB (T3).
 */
export function layersOf(bytes: Uint8Array, inflate: Inflate): Layers {
  const layers: Layer[] = [{ name: 'text', bytes }];
  const state = { left: MOST_BYTES, whole: true };
  let level: readonly Layer[] = layers;
  for (let depth = 0; depth < DEPTH && level.length > 0; depth++) {
    const next: Layer[] = [];
    for (const layer of level) {
      for (const inner of decodingsOf(layer.bytes, inflate, state)) {
        if (inner.bytes.length < SHORTEST) continue;
        if (layers.length + next.length >= MOST_LAYERS || inner.bytes.length > state.left) {
          state.whole = false;
          continue;
        }
        state.left -= inner.bytes.length;
        next.push({
          name: layer.name === 'text' ? inner.name : `${inner.name}>${layer.name}`,
          bytes: inner.bytes,
        });
      }
    }
    layers.push(...next);
    level = next;
  }
  return { layers, whole: state.whole };
}

interface Budget {
  left: number;
  whole: boolean;
}

function decodingsOf(bytes: Uint8Array, inflate: Inflate, budget: Budget): readonly Layer[] {
  const inflated = decompressed(bytes, inflate, budget);
  if (inflated.length > 0) return inflated;
  const found: Layer[] = [...embedded(bytes, 0, inflate, budget)];
  for (const codec of RUN_CODECS) {
    const decoded = decodeRuns(bytes, codec);
    if (decoded !== null) found.push({ name: codec.name, bytes: decoded });
  }
  const radix = decodeRadix85(bytes);
  if (radix !== null) found.push({ name: 'base85', bytes: radix });
  const plain = escapesOf(bytes);
  if (plain !== null) found.push(plain);
  const url = unquoteUrl(bytes);
  if (url !== null) found.push({ name: 'url', bytes: url });
  const quoted = unquotePrintable(bytes);
  if (quoted !== null) found.push({ name: 'quoted-printable', bytes: quoted });
  return found;
}

function escapesOf(bytes: Uint8Array): Layer | null {
  const unescaped = unescapeText(bytes);
  return unescaped === null ? null : { name: 'escapes', bytes: unescaped };
}

function compressionOf(bytes: Uint8Array): Compression | null {
  if (!looksBinary(bytes)) return null;
  const [a, b, c, d] = bytes;
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  if (a === 0x78 && b !== undefined && (a * 256 + b) % 31 === 0 && (b & 0x20) === 0) return 'zlib';
  return null;
}

function decompressed(bytes: Uint8Array, inflate: Inflate, budget: Budget): readonly Layer[] {
  if (bytes.length < 12) return [];
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4) {
    const { layers, end } = zipEntries(bytes, inflate, budget);
    return [...layers, ...embedded(bytes, Math.max(4, end), inflate, budget)];
  }
  const most = Math.min(budget.left, Math.max(INFLATED_LEAST, bytes.length * MOST_RATIO));
  const format = compressionOf(bytes);
  if (inflate.stream !== undefined && (format === 'gzip' || format === 'zlib')) {
    const out = inflate.stream(bytes, format, most);
    if (out === null) budget.whole = false;
    // Its reader stops where the stream ends, and what is behind it leaves all the same.
    return out === null
      ? []
      : [{ name: format, bytes: out.bytes }, ...embedded(bytes, out.taken, inflate, budget)];
  }
  if (format !== null) {
    const out = inflate(bytes, format, most);
    // Broken, or larger than may be looked at: then it is not known what is in it.
    if (out === null) budget.whole = false;
    return out === null ? [] : [{ name: format, bytes: out }];
  }
  // Without a magic number they are only tried on what is no text; both fail at once on nearly everything else.
  if (!looksBinary(bytes)) return [];
  for (const bare of ['brotli', 'deflate'] as const) {
    const out = inflate(bytes, bare, most);
    if (out !== null && out.length > bytes.length / 2 && looksLikeText(out, 0, Math.min(out.length, 512)))
      return [{ name: bare, bytes: out }];
  }
  return [];
}

/** Beginnings that are none, and streams, of one layer: each costs about a tenth of a millisecond. A megabyte of noise has sixty of the first. */
const MOST_FALSE = 256;
const MOST_STREAMS = 2048;

/**
 * Compressed streams that stand in between other bytes: a file in a form, what follows a head, the objects of a git pack, one archive in
 * another. All of them as one text.
 */
function embedded(bytes: Uint8Array, from: number, inflate: Inflate, budget: Budget): readonly Layer[] {
  const parts: Uint8Array[] = [];
  let left = Math.min(budget.left, Math.max(INFLATED_LEAST, bytes.length * MOST_RATIO));
  let wrong = 0;
  const { stream } = inflate;
  if (stream === undefined) return [];
  for (let at = from; at + 12 <= bytes.length; at++) {
    const begins = beginsAt(bytes, at);
    if (begins === null) continue;
    // `x^` in a text are letters; the other beginnings are in none.
    const letters = begins === 'zlib' && bytes[at + 1] === 0x5e;
    if (letters && looksLikeText(bytes, at, Math.min(bytes.length, at + 24))) continue;
    if (wrong >= MOST_FALSE || parts.length >= MOST_STREAMS || left <= 0) {
      budget.whole = false;
      break;
    }
    if (begins === 'zip') {
      // An archive ends with its directory, which is passed over byte by byte.
      const archive = zipEntries(bytes.subarray(at), inflate, { ...budget, left });
      for (const { bytes: inner } of archive.layers) {
        parts.push(inner);
        left -= inner.length;
      }
      at += Math.max(3, archive.end - 1);
      continue;
    }
    const out = stream(bytes.subarray(at), begins, left);
    if (out === null || out.bytes.length === 0) {
      wrong += 1;
      continue;
    }
    parts.push(out.bytes);
    left -= out.bytes.length;
    at += Math.max(0, out.taken - 1);
  }
  return parts.length === 0 ? [] : [{ name: 'embedded', bytes: joined(parts) }];
}

function beginsAt(bytes: Uint8Array, at: number): Embedded | 'zip' | null {
  const second = bytes[at + 1];
  switch (bytes[at]) {
    case 0x78:
      return second === 0x01 || second === 0x5e || second === 0x9c || second === 0xda ? 'zlib' : null;
    case 0x1f:
      return second === 0x8b && bytes[at + 2] === 8 ? 'gzip' : null;
    case 0x50:
      return second === 0x4b && bytes[at + 2] === 3 && bytes[at + 3] === 4 ? 'zip' : null;
    default:
      return null;
  }
}

/** Entries of a zip archive by their local headers, joined; what is encrypted cannot be looked at. */
function zipEntries(
  bytes: Uint8Array,
  inflate: Inflate,
  budget: Budget,
): { readonly layers: readonly Layer[]; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let total = 0;
  let at = 0;
  for (let entries = 0; at + 30 <= bytes.length && entries < ZIP_ENTRIES; entries++) {
    if (view.getUint32(at, true) !== 0x04034b50) break;
    const flags = view.getUint16(at + 6, true);
    const method = view.getUint16(at + 8, true);
    const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
    let size = view.getUint32(at + 18, true);
    // Sizes that follow the data (bit 3): up to the next header.
    if ((flags & 8) !== 0 && size === 0) size = nextHeader(view, start) - start;
    const data = bytes.subarray(start, start + size);
    const most = Math.min(budget.left - total, Math.max(INFLATED_LEAST, data.length * MOST_RATIO));
    const out =
      (flags & 1) !== 0 ? null : method === 0 ? data : method === 8 ? inflate(data, 'deflate', most) : null;
    if (out === null) budget.whole = false;
    else {
      parts.push(out);
      total += out.length;
    }
    at = start + size;
    if ((flags & 8) !== 0) at = nextHeader(view, at);
  }
  return { layers: parts.length === 0 ? [] : [{ name: 'zip', bytes: joined(parts) }], end: at };
}

function nextHeader(view: DataView, from: number): number {
  for (let at = from; at + 4 <= view.byteLength; at++) {
    if (view.getUint8(at) !== 0x50) continue;
    const word = view.getUint32(at, true);
    if (word === 0x04034b50 || word === 0x02014b50 || word === 0x08074b50) {
      if (word !== 0x08074b50) return at;
      return at + 4 <= view.byteLength && from === at ? at + 16 : at;
    }
  }
  return view.byteLength;
}

/** Several pieces as one, each on a line of its own. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length + 1, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
    out[at++] = 0x0a;
  }
  return out;
}

function looksBinary(bytes: Uint8Array): boolean {
  return !looksLikeText(bytes, 0, Math.min(bytes.length, 256));
}

/**
 * True when nearly all bytes are printable ASCII, white space or well-formed UTF-8: what a decoding must be to be believed. A sequence cut at either end
 * does not count against it.
 */
export function looksLikeText(bytes: Uint8Array, start: number, end: number): boolean {
  let odd = 0;
  let i = start;
  while (i < end) {
    const byte = bytes[i] as number;
    i += 1;
    if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    const follow =
      byte >= 0xc2 && byte < 0xe0 ? 1 : byte >= 0xe0 && byte < 0xf0 ? 2 : byte >= 0xf0 && byte < 0xf5 ? 3 : 0;
    let valid = follow > 0;
    for (let j = 0; valid && j < follow && i + j < end; j++)
      valid = ((bytes[i + j] as number) & 0xc0) === 0x80;
    if (valid) i += follow;
    else odd += 1;
  }
  return odd * 12 <= end - start;
}

const MOVED: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) =>
  code >= 0x61 && code <= 0x7a ? ((code - 0x61 + 13) % 26) + 0x61 : code,
);

/** Text with each letter moved by 13 places, in normalised form: lower case only. */
export function rot13(normal: Uint8Array): Uint8Array {
  const out = new Uint8Array(normal.length);
  for (let i = 0; i < normal.length; i++) out[i] = MOVED[normal[i] as number] as number;
  return out;
}
