/** Hex and bytes, for a layer that has no platform. */

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Value of a lower-case hex digit's character code. */
function digit(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}

/** Reads lower-case hex into bytes; the caller has already checked the text's shape. */
export function bytesOfHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = (digit(hex.charCodeAt(at * 2)) << 4) | digit(hex.charCodeAt(at * 2 + 1));
  return bytes;
}

/** Writes bytes as lower-case hex. */
export function hexOfBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}
