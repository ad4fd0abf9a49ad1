import { type Inflate, layersOf, rot13 } from './decode.ts';
import { detect } from './detect.ts';
import {
  addMade,
  addMarks,
  addWhole,
  bytesOf,
  type CommonText,
  keyWords,
  type MarkList,
  newMarkList,
  sortedMarks,
} from './fingerprint.ts';
import { latin1Of, normalizeBytes } from './normal.ts';
import type { Finding, Payload } from './payload.ts';
import type { Place } from './personal.ts';
import { settingValues } from './settings-text.ts';
import { addTokens } from './token.ts';

export interface ScanOptions {
  /** Key of the installation's fingerprints, 16 bytes (`ProxySettings.fingerprintKey`). */
  readonly key: Uint8Array;
  /** `edge/inflate.ts`. */
  readonly inflate: Inflate;
  /** Whether `bytes` is all there is. */
  readonly inspected: 'whole' | 'part';
  /** Text of the public world (`edge/common-text.ts`); none: nothing is taken for common. */
  readonly common?: CommonText | null;
}

/** Texts longer than this are not also looked at backwards and moved by 13 letters. */
const TURNED_MOST = 32 * 1024;

/**
 * Looks at what is about to leave or has come in (T3, T9): every decoding of it, secrets and personal data in each, and the fingerprints of each. Pure and
 * bounded; about 60 ms for 1 MB of text. No value is in the result.
 */
export function scanPayload(bytes: Uint8Array, options: ScanOptions): Payload {
  if (bytes.length === 0)
    return { bytes: 0, inspected: options.inspected, findings: [], marks: new Uint8Array(0) };
  const { layers, whole } = layersOf(bytes, options.inflate);
  const key = keyWords(options.key);
  const common = options.common ?? null;
  const list = newMarkList();
  const findings = new Map<string, Finding>();
  let looked = 0;
  for (const layer of layers) {
    looked += layer.bytes.length;
    const normal = normalizeBytes(layer.bytes);
    addMarks(list, normal, key, common);
    addTokens(list, layer.bytes, key);
    if (bytes.length <= TURNED_MOST && normal.length <= TURNED_MOST) addTurned(list, normal, key, common);
    for (const { kind, detector, count } of detect(layer.bytes)) {
      const name = `${detector} ${layer.name}`;
      const before = findings.get(name);
      findings.set(name, { kind, detector, count: count + (before?.count ?? 0), layer: layer.name });
    }
  }
  return {
    bytes: looked,
    inspected: whole ? options.inspected : 'part',
    findings: [...findings.values()].slice(0, 64),
    marks: sortedMarks(list),
  };
}

function addTurned(list: MarkList, normal: Uint8Array, key: Uint32Array, common: CommonText | null): void {
  addMarks(list, rot13(normal), key, common);
  addMarks(list, normal.slice().reverse(), key, common);
}

/**
 * Fingerprints of what was read, for `FlowStore.remember`: its fragments, and each secret in it whole, however short. A text that is itself one short value (a variable, a
 * password) is marked whole too.
 */
export function marksOf(
  text: string | Uint8Array,
  key: Uint8Array,
  common: CommonText | null = null,
): Uint8Array {
  const bytes = bytesOf(text);
  const words = keyWords(key);
  const list = newMarkList();
  addMarks(list, normalizeBytes(bytes), words, common);
  addSecrets(list, bytes, secretPlaces(bytes, false), words);
  if (bytes.length <= 128) addWhole(list, bytes, words);
  return sortedMarks(list);
}

/**
 * Fingerprints of the secrets in a text alone: what stands beside a key in a file is no secret for it. `settings`: the file is one of
 * settings, so that plain values count too (`settingValues`).
 */
export function secretMarksOf(bytes: Uint8Array, key: Uint8Array, settings: boolean): Uint8Array {
  const words = keyWords(key);
  const list = newMarkList();
  const places = secretPlaces(bytes, settings);
  for (const { start, end } of places)
    addMarks(list, normalizeBytes(bytes.subarray(start, end)), words, null);
  addSecrets(list, bytes, places, words);
  return sortedMarks(list);
}

function secretPlaces(bytes: Uint8Array, settings: boolean): readonly Place[] {
  const found = detect(bytes).flatMap(({ kind, places }) => (kind === 'secret' ? places : []));
  return settings ? [...found, ...settingValues(latin1Of(bytes))] : found;
}

function addSecrets(list: MarkList, bytes: Uint8Array, places: readonly Place[], key: Uint32Array): void {
  for (const { start, end } of places) {
    addWhole(list, bytes.subarray(start, end), key);
    addTokens(list, bytes.subarray(start, end), key);
  }
}

/** Several looks at one thing that is sent (its body, its head, what it completes) as one. */
export function joinedPayloads(payloads: readonly Payload[]): Payload {
  const [only, ...others] = payloads;
  if (only !== undefined && others.length === 0) return only;
  const list = newMarkList();
  const findings = new Map<string, Finding>();
  for (const payload of payloads) {
    addMade(list, payload.marks);
    for (const finding of payload.findings) {
      const name = `${finding.detector} ${finding.layer}`;
      const before = findings.get(name);
      if (before === undefined || before.count < finding.count) findings.set(name, finding);
    }
  }
  return {
    bytes: payloads.reduce((sum, { bytes }) => sum + bytes, 0),
    inspected: payloads.every(({ inspected }) => inspected === 'whole') ? 'whole' : 'part',
    findings: [...findings.values()].slice(0, 64),
    marks: sortedMarks(list),
  };
}
