import type { Json, JsonObject } from '../core/brand.ts';
import { err, ok, type Result } from '../core/result.ts';

/** Why a text is not acceptable JSON; `at` is a character offset. */
export interface JsonFault {
  readonly code: 'too_long' | 'too_deep' | 'duplicate_key' | 'malformed' | 'unsafe_number' | 'forbidden_key';
  readonly message: string;
  readonly at: number;
}

export interface JsonLimits {
  readonly maxLength: number;
  readonly maxDepth: number;
  /** `any`: numbers that lose precision are let through; only for what is passed on as it came. Absent: `exact`. */
  readonly numbers?: 'exact' | 'any';
}

export const DEFAULT_JSON_LIMITS: JsonLimits = { maxLength: 4 * 1024 * 1024, maxDepth: 64 };

/**
 * Reads strict JSON from a hostile sender: size and depth bounded, duplicate keys refused (two parsers
 * would otherwise disagree on what was asked), numbers that lose precision refused, `__proto__` refused.
 */
export function parseStrictJson(
  text: string,
  limits: JsonLimits = DEFAULT_JSON_LIMITS,
): Result<Json, JsonFault> {
  if (text.length > limits.maxLength) {
    return err({ code: 'too_long', message: `message is longer than ${limits.maxLength} characters`, at: 0 });
  }
  const structural = scanStructure(text, limits.maxDepth, limits.numbers !== 'any');
  if (structural !== null) return err(structural);
  try {
    return ok(JSON.parse(text) as Json);
  } catch {
    return err({ code: 'malformed', message: 'not valid JSON', at: 0 });
  }
}

/** True for a JSON value that is an object (not an array, not null). */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Walks the text once, iteratively (a deep text must not overflow our stack before JSON.parse sees it), and reports
 * depth, duplicate keys and unsafe numbers. It need not validate the grammar: JSON.parse does.
 */
function scanStructure(text: string, maxDepth: number, exact: boolean): JsonFault | null {
  const keys: (Set<string> | null)[] = [];
  let expectKey = false;
  let i = 0;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      const end = endOfString(text, i);
      if (end < 0) return { code: 'malformed', message: 'unterminated string', at: i };
      const top = keys[keys.length - 1];
      if (expectKey && top) {
        const key = decodeKey(text.slice(i, end));
        if (key === null) return { code: 'malformed', message: 'malformed object key', at: i };
        if (key === '__proto__')
          return { code: 'forbidden_key', message: 'object key `__proto__` is refused', at: i };
        if (top.has(key))
          return { code: 'duplicate_key', message: `duplicate object key \`${key.slice(0, 64)}\``, at: i };
        top.add(key);
        expectKey = false;
      }
      i = end;
      continue;
    }
    if (c === 0x7b || c === 0x5b) {
      keys.push(c === 0x7b ? new Set() : null);
      expectKey = c === 0x7b;
      if (keys.length > maxDepth)
        return { code: 'too_deep', message: `nested deeper than ${maxDepth}`, at: i };
    } else if (c === 0x7d || c === 0x5d) {
      if (keys.length === 0) return { code: 'malformed', message: 'unbalanced bracket', at: i };
      keys.pop();
      expectKey = false;
    } else if (c === 0x2c) {
      expectKey = keys[keys.length - 1] instanceof Set;
    } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      const end = endOfNumber(text, i);
      const literal = text.slice(i, end);
      const value = Number(literal);
      const integral = !/[.eE]/.test(literal);
      if (exact && (!Number.isFinite(value) || (integral && !Number.isSafeInteger(value)))) {
        return { code: 'unsafe_number', message: 'number cannot be represented exactly', at: i };
      }
      i = end;
      continue;
    }
    i += 1;
  }
  return null;
}

function endOfString(text: string, start: number): number {
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return -1;
    let before = quote - 1;
    while (before > start && text.charCodeAt(before) === 0x5c) before -= 1;
    // An even run of backslashes escapes nothing but itself.
    if ((quote - 1 - before) % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function endOfNumber(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    const part =
      (c >= 0x30 && c <= 0x39) || c === 0x2e || c === 0x65 || c === 0x45 || c === 0x2b || c === 0x2d;
    if (!part) break;
    i += 1;
  }
  return i;
}

function decodeKey(literal: string): string | null {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}
