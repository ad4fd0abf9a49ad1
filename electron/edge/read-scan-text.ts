import type { CommonText } from '../core/data/fingerprint.ts';
import { marksOf, scanPayload, secretMarksOf } from '../core/data/scan.ts';
import { untrustedSignals } from '../core/data/untrusted.ts';
import { inflate } from './inflate.ts';
import { NOTHING_READ, type ReadScan } from './read-scan.ts';

const MAX_UNPACKED = 8 * 1024 * 1024;
/** A NUL in the beginning: no text, and nobody sends it on in words. */
const BEGINNING = 8 * 1024;
const FOR_FINDINGS = 256 * 1024;

/** Looks at bytes that were read: fingerprints, findings, signs of untrusted content. Binary is passed over, gzip read through. */
export function scanRead(bytes: Uint8Array, key: Uint8Array, common: CommonText, settings = false): ReadScan {
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = packed ? inflate(bytes, 'gzip', MAX_UNPACKED) : bytes;
  if (text === null || text.length === 0 || text.subarray(0, BEGINNING).includes(0)) return NOTHING_READ;
  const { findings } = scanPayload(text.subarray(0, FOR_FINDINGS), {
    key,
    inflate,
    inspected: 'part',
    common,
  });
  return {
    bytes: text.length,
    marks: marksOf(text, key, common),
    secrets: secretMarksOf(text.subarray(0, FOR_FINDINGS), key, settings),
    findings,
    signals: untrustedSignals(new TextDecoder().decode(text.subarray(0, 512 * 1024)), null),
  };
}
