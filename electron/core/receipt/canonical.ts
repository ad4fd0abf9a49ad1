import serialize from 'canonicalize';
import type { Digest, Json } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { err, ok, type Result, unreachable } from '../result.ts';

/** Why a value has no canonical form. `path` is a JSON pointer to the place. */
export interface CanonicalFault {
  readonly code: 'not_json' | 'not_finite' | 'lone_surrogate' | 'too_deep';
  readonly path: string;
}

/** Deeper values are refused: no receipt needs them, and a hostile one must not cost more than its bytes. */
const MAX_DEPTH = 128;

function pointer(keys: readonly (string | number)[]): string {
  return keys.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function problem(
  value: unknown,
  depth: number,
): readonly [CanonicalFault['code'], (string | number)[]] | null {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? null : ['lone_surrogate', []];
    case 'number':
      return Number.isFinite(value) ? null : ['not_finite', []];
    case 'boolean':
      return null;
    case 'object':
      break;
    default:
      return ['not_json', []];
  }
  if (value === null) return null;
  if (depth >= MAX_DEPTH) return ['too_deep', []];
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) {
      const found = problem(value[at], depth + 1);
      if (found !== null) return [found[0], [at, ...found[1]]];
    }
    return null;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return ['not_json', []];
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) return ['lone_surrogate', [key.toWellFormed()]];
    const found = problem((value as Record<string, unknown>)[key], depth + 1);
    if (found !== null) return [found[0], [key, ...found[1]]];
  }
  return null;
}

/**
 * Gives the RFC 8785 form of a value from outside, or says what in it is not I-JSON (AARM R5.j).
 * Unlike the usual serialisers it drops nothing: `undefined`, functions, dates and class instances are refused,
 * because a member that silently vanished from a signature is a member that anybody may add.
 */
export function canonicalForm(value: unknown): Result<string, CanonicalFault> {
  const found = problem(value, 0);
  if (found !== null) return err({ code: found[0], path: pointer(found[1]) });
  const text = serialize(value);
  return text === undefined ? err({ code: 'not_json', path: '' }) : ok(text);
}

/** Gives the RFC 8785 form of a value that is ours; throws when it is not JSON, for that is a bug (AARM R5.j). */
export function canonical(value: Json): string {
  const form = canonicalForm(value);
  if (!form.ok)
    throw new Error(`no canonical form at \`${form.error.path}\`: ${describeFault(form.error.code)}`);
  return form.value;
}

/** Hashes the canonical form of a value that is ours: lower-case hex SHA-256 (AARM R5.j). */
export function digestOf(value: Json, hasher: Hasher): Digest {
  return hasher.sha256(canonical(value));
}

/** Says a canonical fault in words. */
export function describeFault(code: CanonicalFault['code']): string {
  switch (code) {
    case 'not_json':
      return 'not a JSON value';
    case 'not_finite':
      return 'not a finite number';
    case 'lone_surrogate':
      return 'text with a lone surrogate';
    case 'too_deep':
      return `nested deeper than ${MAX_DEPTH}`;
    default:
      return unreachable(code);
  }
}
