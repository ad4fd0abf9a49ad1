import { err, ok, type Result } from '../core/result.ts';

/**
 * Frames of the guard's link as bytes (docs/guard-protocol.md; shims/guard/csrc is the other end): `CSN1`, a length, fields of one tag
 * byte, a size and bytes, the last of them `Z`, the seal. Pure: who computes the seal is edge.
 */
export interface GuardField {
  readonly tag: string;
  readonly bytes: Uint8Array;
}

export interface GuardFault {
  readonly code: 'bad_frame' | 'bad_shape' | 'unknown_kind';
  readonly message: string;
}

export const MAX_GUARD_FRAME_BYTES = 16 * 1024 * 1024;
/** A guard that has not said hello has nothing long to say. */
export const MAX_GUARD_HELLO_BYTES = 1024;
export const GUARD_HEADER_BYTES = 8;
export const SEAL_BYTES = 32;
export const NONCE_BYTES = 32;
/** Tag and size of a field. */
const FIELD_HEAD = 5;
/** The seal's own field, at the end of every payload. */
const SEAL_FIELD_BYTES = FIELD_HEAD + SEAL_BYTES;
const MAGIC = [0x43, 0x53, 0x4e, 0x31];
const SEAL_TAG = 0x5a;

/** Payload size that a frame's header announces, or null when it is no header of ours. */
export function announcedSize(header: Uint8Array): number | null {
  for (let at = 0; at < MAGIC.length; at += 1) if (header[at] !== MAGIC[at]) return null;
  return readU32(header, 4);
}

/** The fields of a payload without its seal, one after the other. */
export function encodeGuardFields(fields: readonly GuardField[]): Uint8Array {
  let size = 0;
  for (const { bytes } of fields) size += FIELD_HEAD + bytes.length;
  const out = new Uint8Array(size);
  let at = 0;
  for (const { tag, bytes } of fields) {
    out[at] = tag.charCodeAt(0);
    writeU32(out, at + 1, bytes.length);
    out.set(bytes, at + FIELD_HEAD);
    at += FIELD_HEAD + bytes.length;
  }
  return out;
}

/** A whole frame: header, fields, seal. */
export function sealedFrame(body: Uint8Array, seal: Uint8Array): Uint8Array {
  const out = new Uint8Array(GUARD_HEADER_BYTES + body.length + SEAL_FIELD_BYTES);
  out.set(MAGIC, 0);
  writeU32(out, 4, body.length + SEAL_FIELD_BYTES);
  out.set(body, GUARD_HEADER_BYTES);
  const at = GUARD_HEADER_BYTES + body.length;
  out[at] = SEAL_TAG;
  writeU32(out, at + 1, SEAL_BYTES);
  out.set(seal, at + FIELD_HEAD);
  return out;
}

/** Splits a payload into what is sealed and the seal, or null when its last field is none. */
export function splitSeal(
  payload: Uint8Array,
): { readonly body: Uint8Array; readonly seal: Uint8Array } | null {
  const at = payload.length - SEAL_FIELD_BYTES;
  if (at < 0 || payload[at] !== SEAL_TAG || readU32(payload, at + 1) !== SEAL_BYTES) return null;
  return { body: payload.subarray(0, at), seal: payload.subarray(at + FIELD_HEAD) };
}

/** What the seal covers before the fields: direction, both nonces, and the counter of this direction. */
export function sealPrefix(
  direction: 'g' | 'd',
  guardNonce: Uint8Array,
  daemonNonce: Uint8Array,
  counter: number,
): Uint8Array {
  const out = new Uint8Array(1 + 2 * NONCE_BYTES + 8);
  out[0] = direction.charCodeAt(0);
  out.set(guardNonce, 1);
  out.set(daemonNonce, 1 + NONCE_BYTES);
  const at = 1 + 2 * NONCE_BYTES;
  writeU32(out, at, counter % 2 ** 32);
  writeU32(out, at + 4, Math.floor(counter / 2 ** 32));
  return out;
}

/** Cuts a body into fields; a seal inside is none of ours. */
export function decodeGuardFields(body: Uint8Array): Result<readonly GuardField[], GuardFault> {
  const fields: GuardField[] = [];
  let at = 0;
  while (at < body.length) {
    if (body.length - at < FIELD_HEAD) return err({ code: 'bad_frame', message: 'a field is cut short' });
    const size = readU32(body, at + 1);
    if (size > body.length - at - FIELD_HEAD)
      return err({ code: 'bad_frame', message: 'a field is longer than its frame' });
    if (body[at] === SEAL_TAG) return err({ code: 'bad_frame', message: 'a second seal' });
    fields.push({
      tag: String.fromCharCode(body[at] as number),
      bytes: body.subarray(at + FIELD_HEAD, at + FIELD_HEAD + size),
    });
    at += FIELD_HEAD + size;
  }
  return ok(fields);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}
