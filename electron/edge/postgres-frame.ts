/** PostgreSQL's wire protocol, version 3: framing in both directions. Serves electron/proxy (both sides of it) and the minter (as a client). */

/** One message: its type (empty for what comes before the start-up) and its body. */
export interface Frame {
  readonly type: string;
  readonly body: Buffer;
  /** All of it, as it stood on the wire. */
  readonly raw: Buffer;
}

/** Bytes of one message that are held at most. */
export const MAX_FRAME = 64 * 1024 * 1024;

/** Gathers chunks into frames. `next` gives null until one is whole, and throws a RangeError for a length that cannot be. */
export interface FrameReader {
  push(chunk: Buffer): void;
  next(): Frame | null;
  /** A message without a type: the start-up packet and its kin. */
  nextStartup(): Buffer | null;
  /** What was read and not taken; nothing is left behind. */
  rest(): Buffer;
}

/** Makes a reader that refuses messages longer than `max` bytes. */
export function createFrameReader(max = MAX_FRAME): FrameReader {
  let chunks: Buffer[] = [];
  let held = 0;
  const gathered = (): Buffer => {
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(chunks);
    chunks = [whole];
    return whole;
  };
  const peek = (at: number): number | null => {
    if (held < at + 4) return null;
    const [first] = chunks;
    const bytes = first !== undefined && first.length >= at + 4 ? first : gathered();
    return bytes.readUInt32BE(at);
  };
  const take = (at: number): Buffer | null => {
    const length = peek(at);
    if (length === null) return null;
    if (length < 4 || length > max) throw new RangeError(`a message of ${length} bytes is not taken`);
    if (held < at + length) return null;
    const bytes = gathered();
    const frame = bytes.subarray(0, at + length);
    const left = bytes.subarray(at + length);
    chunks = left.length === 0 ? [] : [left];
    held = left.length;
    return frame;
  };
  return {
    push(chunk) {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      held += chunk.length;
    },
    next() {
      const bytes = take(1);
      return bytes === null
        ? null
        : { type: String.fromCharCode(bytes[0] ?? 0), body: bytes.subarray(5), raw: bytes };
    },
    nextStartup: () => take(0)?.subarray(4) ?? null,
    rest() {
      const bytes = gathered();
      chunks = [];
      held = 0;
      return bytes ?? Buffer.alloc(0);
    },
  };
}

/** Bytes of one message. */
export function frame(type: string, ...parts: readonly (Buffer | string | number)[]): Buffer {
  const body = Buffer.concat(parts.map(bytesOf));
  const head = Buffer.alloc(type.length + 4);
  head.write(type, 'latin1');
  head.writeUInt32BE(body.length + 4, type.length);
  return Buffer.concat([head, body]);
}

/** A text is written with a zero after it, a number as four bytes. */
function bytesOf(part: Buffer | string | number): Buffer {
  if (typeof part === 'string') return Buffer.from(`${part}\0`, 'utf8');
  if (typeof part !== 'number') return part;
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(part);
  return bytes;
}

/** Two bytes. */
export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

/** Reads texts that end with a zero, one after the other; throws a RangeError when there is no end. */
export function cursorOf(body: Buffer): {
  text(): string;
  int16(): number;
  int32(): number;
  bytes(count: number): Buffer;
  left(): number;
} {
  let at = 0;
  const need = (count: number): number => {
    if (count < 0 || at + count > body.length) throw new RangeError('a message ends too early');
    at += count;
    return at - count;
  };
  return {
    text() {
      const end = body.indexOf(0, at);
      if (end < 0) throw new RangeError('a text in a message has no end');
      const found = body.toString('utf8', at, end);
      at = end + 1;
      return found;
    },
    int16: () => body.readInt16BE(need(2)),
    int32: () => body.readInt32BE(need(4)),
    bytes: (count) => body.subarray(need(count), at),
    left: () => body.length - at,
  };
}

/** Fields of an ErrorResponse or NoticeResponse by their letters: `C` SQLSTATE, `M` message … */
export function readFields(body: Buffer): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  const at = cursorOf(body);
  while (at.left() > 1) {
    const text = at.text();
    if (text !== '') fields[text[0] ?? ''] = text.slice(1);
  }
  return fields;
}

/** An ErrorResponse or, with type `N`, a NoticeResponse. */
export function failure(
  fields: {
    readonly code: string;
    readonly message: string;
    readonly detail?: string | null;
    readonly hint?: string | null;
  },
  severity: 'ERROR' | 'FATAL' | 'NOTICE' = 'ERROR',
): Buffer {
  const clean = (text: string) => text.replaceAll('\0', '');
  const parts = [`S${severity}`, `V${severity}`, `C${fields.code}`, `M${clean(fields.message)}`];
  if (fields.detail !== undefined && fields.detail !== null) parts.push(`D${clean(fields.detail)}`);
  if (fields.hint !== undefined && fields.hint !== null) parts.push(`H${clean(fields.hint)}`);
  return frame(severity === 'NOTICE' ? 'N' : 'E', ...parts, Buffer.from([0]));
}
