import type { JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { isJsonObject, parseStrictJson } from '../json.ts';
import { type HookFault, MAX_HOOK_BYTES } from './event.ts';

const LIMITS = { maxLength: MAX_HOOK_BYTES, maxDepth: 128 };

/** Parses what an agent wrote to its hook, strictly: one JSON object, no duplicate keys, bounded in size and depth. */
export function readPayload(text: string): Result<JsonObject, HookFault> {
  const parsed = parseStrictJson(text, LIMITS);
  if (!parsed.ok) return err({ code: parsed.error.code, message: parsed.error.message });
  return isJsonObject(parsed.value)
    ? ok(parsed.value)
    : err({ code: 'bad_shape', message: 'the payload is not an object' });
}

/** The object that a JSON text holds; null when it holds none. */
export function objectIn(text: string): JsonObject | null {
  const read = readPayload(text);
  return read.ok ? read.value : null;
}
