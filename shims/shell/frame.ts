/**
 * The wire between a shim and the host of its session; csrc/frame.h is the other end. A frame is `CSN1`, a length
 * (u32 little endian) and fields of one tag byte, a size (u32 little endian) and bytes. Bytes, not text: an argument may hold
 * newlines and invalid UTF-8.
 *
 * Question: `k` kind (exec, command, line, report, take, init) · `n` name called by · `p` program found · `a` argument
 * (repeated, without argv[0]) · `c` cwd · `q` pid · `P` parent pid · `s` script operand · `i` kind of standard input ·
 * `I` interactive · `f` parts follow · `l` command line · `v` NAME=VALUE (repeated) · `r` status of the shell's previous command.
 * `exec` with `u`: whoever asks can neither report an outcome nor run a changed command; it is answered once, ALLOW or DENY.
 * Question of the file shim: `k` `file`: `O` operation (submit.ts, SHIM_OPERATIONS) · `p` path · `t` destination · `R` recursive · `M` permission
 * bits, octal · `e` script that the interpreter was started with · `c` · `q`; `k` `connect`: `h` host · `j` port · `c` · `q`. Answered once, ALLOW or DENY, after any number of `w`.
 * Question of an MCP bridge: `k` `mcp` · `q` · `J` the question as JSON (wire/mcp/envelope.ts). Each answer, and the outcome, is one `J`.
 * Answer: `D` ALLOW, DENY or MODIFY · `m` text for standard error · `a` argv (repeated) · `l` command line · `t` outcome wanted.
 * While waiting: `w` text for standard error · `d` milliseconds left. Outcome: `x` exit:N, signal:N, stopped:N · `q` pid.
 * To `init`: `g` signal number.
 */
export interface Field {
  readonly tag: string;
  readonly bytes: Buffer;
}

export const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const HEADER_BYTES = 8;
const MAGIC = Buffer.from('CSN1', 'latin1');

/** Makes one field; text is UTF-8. */
export function field(tag: string, value: string | Buffer): Field {
  return { tag, bytes: typeof value === 'string' ? Buffer.from(value, 'utf8') : value };
}

/** Encodes a frame. */
export function encodeFrame(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [Buffer.alloc(HEADER_BYTES)];
  let size = 0;
  for (const { tag, bytes } of fields) {
    const head = Buffer.alloc(5);
    head.write(tag, 0, 1, 'latin1');
    head.writeUInt32LE(bytes.length, 1);
    parts.push(head, bytes);
    size += 5 + bytes.length;
  }
  const frame = Buffer.concat(parts);
  MAGIC.copy(frame, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

/** Decodes the payload of a frame; null when malformed. */
export function decodeFields(payload: Buffer): readonly Field[] | null {
  const fields: Field[] = [];
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < 5) return null;
    const size = payload.readUInt32LE(at + 1);
    if (size > payload.length - at - 5) return null;
    fields.push({
      tag: payload.toString('latin1', at, at + 1),
      bytes: payload.subarray(at + 5, at + 5 + size),
    });
    at += 5 + size;
  }
  return fields;
}

export interface FrameReader {
  /** Takes bytes off the wire; calls back for each whole frame. False once the stream is malformed. */
  push(chunk: Buffer): boolean;
}

/** Cuts a byte stream into frames. A frame that announces more than `MAX_FRAME_BYTES` is malformed. */
export function createFrameReader(onFrame: (fields: readonly Field[]) => void): FrameReader {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wanted = HEADER_BYTES;
  let broken = false;
  return {
    push(chunk) {
      if (broken) return false;
      held.push(chunk);
      heldBytes += chunk.length;
      while (heldBytes >= wanted) {
        const all: Buffer = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
        held = [all];
        if (!all.subarray(0, 4).equals(MAGIC)) break;
        const size = all.readUInt32LE(4);
        if (size > MAX_FRAME_BYTES) break;
        wanted = HEADER_BYTES + size;
        if (heldBytes < wanted) return true;
        const fields = decodeFields(all.subarray(HEADER_BYTES, wanted));
        if (fields === null) break;
        const rest = all.subarray(wanted);
        held = rest.length > 0 ? [rest] : [];
        heldBytes = rest.length;
        wanted = HEADER_BYTES;
        onFrame(fields);
      }
      broken = heldBytes >= wanted;
      return !broken;
    },
  };
}
