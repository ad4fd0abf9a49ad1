/** What a client's frames say, unmasked (RFC 6455, 5). */
export interface FrameReader {
  /** The content of what came; null: these are no frames of a client, or of an extension that was not agreed on. */
  push(chunk: Buffer): Buffer | null;
  /** True between two messages. */
  complete(): boolean;
}

const MAX_FRAME_BYTES = 2 ** 40;

/** Reads frames of a client, which are masked. Content comes out as it comes in; frames need not be whole. */
export function frameReader(): FrameReader {
  let head: Buffer = Buffer.alloc(0);
  let left = 0;
  let mask: Buffer = Buffer.alloc(4);
  let at = 0;
  let inMessage = false;

  /** Length of the head that begins here; null: not enough of it; 0: malformed. */
  const headLength = (bytes: Buffer): number | null => {
    if (bytes.length < 2) return null;
    const first = bytes[0] ?? 0;
    const second = bytes[1] ?? 0;
    const opcode = first & 0x0f;
    const control = opcode >= 8;
    const short = second & 0x7f;
    if ((first & 0x70) !== 0 || (second & 0x80) === 0) return 0;
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) return 0;
    if (control && (short > 125 || (first & 0x80) === 0)) return 0;
    if (!control && (opcode === 0) !== inMessage) return 0;
    const length = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + 4;
    return bytes.length < length ? null : length;
  };

  return {
    push: (chunk) => {
      const said: Buffer[] = [];
      let rest = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      head = Buffer.alloc(0);
      while (rest.length > 0) {
        if (left === 0) {
          const length = headLength(rest);
          if (length === 0) return null;
          if (length === null) {
            head = Buffer.from(rest);
            break;
          }
          const short = (rest[1] ?? 0) & 0x7f;
          const size =
            short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
          if (size > MAX_FRAME_BYTES) return null;
          if (((rest[0] ?? 0) & 0x0f) < 8) inMessage = ((rest[0] ?? 0) & 0x80) === 0;
          mask = Buffer.from(rest.subarray(length - 4, length));
          left = size;
          at = 0;
          rest = rest.subarray(length);
          continue;
        }
        const part = Buffer.from(rest.subarray(0, left));
        for (let i = 0; i < part.length; i += 1) part[i] = (part[i] ?? 0) ^ (mask[(at + i) & 3] ?? 0);
        at += part.length;
        left -= part.length;
        rest = rest.subarray(part.length);
        said.push(part);
      }
      return Buffer.concat(said);
    },
    complete: () => left === 0 && head.length === 0 && !inMessage,
  };
}
