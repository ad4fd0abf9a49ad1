import type { Json } from '../brand.ts';

const ABSENT: unique symbol = Symbol('absent');

/** A value that could not be known; `paths` says what stands there. No JSON can imitate it. */
export interface Unknown {
  readonly [ABSENT]: 'unknown';
  readonly paths: readonly string[];
}

/** The outcome of an operation that makes no sense on what it was given. */
export interface Fault {
  readonly [ABSENT]: 'fault';
  readonly message: string;
}

/** What a predicate computes with; null is "not applicable" (or JSON null). */
export type Value =
  | null
  | boolean
  | number
  | string
  | Unknown
  | Fault
  | readonly Value[]
  | { readonly [key: string]: Value };

export type ValueObject = { readonly [key: string]: Value };

export function unknownAt(...paths: readonly string[]): Unknown {
  return { [ABSENT]: 'unknown', paths };
}

export function fault(message: string): Fault {
  return { [ABSENT]: 'fault', message };
}

export function isUnknown(value: Value): value is Unknown {
  return typeof value === 'object' && value !== null && (value as Unknown)[ABSENT] === 'unknown';
}

export function isFault(value: Value): value is Fault {
  return typeof value === 'object' && value !== null && (value as Fault)[ABSENT] === 'fault';
}

/** True for an unknown or a fault: what absorbs the operation that reads it. */
export function isAbsent(value: Value): value is Unknown | Fault {
  return typeof value === 'object' && value !== null && (value as Unknown)[ABSENT] !== undefined;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isObject(value: Value): value is ValueObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isAbsent(value);
}

/**
 * Joins two absents: a fault outweighs an unknown, since nothing that is still to be learned repairs it.
 */
export function joinAbsent(a: Unknown | Fault, b: Unknown | Fault): Unknown | Fault {
  if (a === b || isFault(a)) return a;
  if (isFault(b)) return b;
  const fresh = b.paths.filter((path) => !a.paths.includes(path));
  return fresh.length === 0 ? a : unknownAt(...a.paths, ...fresh);
}

/** Deep equality over JSON values; an unknown part makes the answer unknown unless another part differs. */
export function equalValues(a: Value, b: Value): boolean | Unknown | Fault {
  if (isAbsent(a)) return isAbsent(b) ? joinAbsent(a, b) : a;
  if (isAbsent(b)) return b;
  if (isList(a)) {
    if (!isList(b)) return false;
    // An unknown element may stand for any number of words, so lengths decide nothing once there is one.
    const gap = [...a, ...b].find(isUnknown);
    if (gap !== undefined) return gap;
    return a.length === b.length && everyEqual(a.map((item, i) => [item, b[i] ?? null]));
  }
  if (isObject(a)) {
    if (!isObject(b)) return false;
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    if (keys.some((key) => !Object.hasOwn(b, key))) return false;
    return everyEqual(keys.map((key) => [a[key] ?? null, b[key] ?? null]));
  }
  return a === b;
}

function everyEqual(pairs: readonly (readonly [Value, Value])[]): boolean | Unknown | Fault {
  let absent: Unknown | Fault | null = null;
  for (const [left, right] of pairs) {
    const same = equalValues(left, right);
    if (same === false) return false;
    if (same !== true) absent = absent === null ? same : joinAbsent(absent, same);
  }
  return absent ?? true;
}

/** A value as JSON for people and receipts; what is unknown inside it becomes null. */
export function valueToJson(value: Value): Json {
  if (isAbsent(value)) return null;
  if (isList(value)) return value.map(valueToJson);
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, valueToJson(inner)]));
  return value;
}
