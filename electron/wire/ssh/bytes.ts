import { readOctets, writeText } from '../octets.ts';

/**
 * Values of the SSH protocol (RFC 4251, section 5): numbers of 32 bits and strings with a length before them. What reads hostile bytes
 * throws `SshMalformed` inside of this folder and answers `null` outside of it.
 */

/** Bytes that are not what they should be; caught by every exported reader of this folder. */
export class SshMalformed extends Error {}

/** Reads one message from its beginning to its end. */
export class SshReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  byte(): number {
    return this.#take(1)[0] ?? 0;
  }
  flag(): boolean {
    return this.byte() !== 0;
  }
  uint32(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#take(4);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }
  string(): Uint8Array {
    return this.#take(this.uint32());
  }
  /** A string that is text for people: UTF-8, no control characters. */
  text(): string {
    return textOf(this.string());
  }
  end(): void {
    if (this.left !== 0) throw new SshMalformed('bytes after the end');
  }
  #take(count: number): Uint8Array {
    if (count > this.left) throw new SshMalformed('ends too early');
    const taken = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return taken;
  }
}

export function textOf(bytes: Uint8Array): string {
  const { text, exact } = readOctets(bytes);
  if (!exact) throw new SshMalformed('no text');
  if (hasControls(text)) throw new SshMalformed('control characters');
  return text;
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || code === 127) return true;
  }
  return false;
}

/** Runs a reader; null for what is malformed. Our own bugs go on. */
export function readSsh<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SshMalformed) return null;
    throw error;
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function sshUint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** A string with its length before it. */
export function sshString(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? writeText(value) : value;
  return concat(sshUint32(bytes.length), bytes);
}

/** A number that is not negative, as SSH writes it: no leading zeros but one where the sign would be misread. */
export function sshMpint(value: Uint8Array): Uint8Array {
  let start = 0;
  while (start < value.length && value[start] === 0) start++;
  const bare = value.subarray(start);
  return sshString((bare[0] ?? 0) > 127 ? concat(Uint8Array.of(0), bare) : bare);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const word = (a << 16) | (b << 8) | c;
    const left = bytes.length - i;
    text += `${BASE64[word >> 18]}${BASE64[(word >> 12) & 63]}`;
    text += `${left > 1 ? BASE64[(word >> 6) & 63] : '='}${left > 2 ? BASE64[word & 63] : '='}`;
  }
  return text;
}

/** Bytes of base64 with padding; null for anything else, also for what another text would be the same as. */
export function fromBase64(text: string): Uint8Array | null {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  const bare = text.replace(/=+$/, '');
  const bytes = new Uint8Array(Math.floor((bare.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const letter of bare) {
    word = ((word << 6) | BASE64.indexOf(letter)) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (word >> bits) & 255;
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : null;
}
