import { createHmac, timingSafeEqual } from 'node:crypto';

/** HMAC-SHA256 as lower-case hex; `key` is the text of a base64url secret or raw bytes. */
export function macHex(key: string | Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** Compares two hex MACs without telling by time where they differ. */
export function macEquals(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8');
  const right = Buffer.from(b, 'utf8');
  return left.length === right.length && timingSafeEqual(left, right);
}
