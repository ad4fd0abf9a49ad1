/** Bytes of one message of either side. */
export const MAX_LINE = 64 * 1024 * 1024;

/**
 * Cuts bytes into lines and keeps them as they came: what is passed on is passed on to the byte. False once a line is longer than
 * `MAX_LINE`: whoever sends that is not listened to any more.
 */
export function lineReader(onLine: (line: Buffer) => void): (chunk: Buffer) => boolean {
  let held: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const last = chunk.subarray(from, at);
      const line = held.length === 0 ? last : Buffer.concat([...held, last]);
      held = [];
      size = 0;
      from = at + 1;
      if (line.length > MAX_LINE) return false;
      // A blank line, or the return of a line that ends in two characters, is no message.
      const end = line.length > 0 && line[line.length - 1] === 13 ? line.subarray(0, line.length - 1) : line;
      if (end.length > 0) onLine(end);
    }
    if (from < chunk.length) {
      held.push(chunk.subarray(from));
      size += chunk.length - from;
    }
    return size <= MAX_LINE;
  };
}
