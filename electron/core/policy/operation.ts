import {
  equalValues,
  fault,
  isAbsent,
  isList,
  isObject,
  isUnknown,
  joinAbsent,
  unknownAt,
  type Value,
} from './fact-value.ts';
import { absolutePath, globMatches, pathUnder } from './pattern.ts';

/** Where relative paths start from; the rest of the facts is not for functions to read. */
export interface Surroundings {
  /** Null when it is not known; a relative path is then not known either. */
  readonly cwd: string | null;
  /** The path of the fact that `cwd` is, for what is missing when it is null. */
  readonly cwdPath: string;
  readonly home: string;
}

/** A pure operation on one or two computed values (`b` is null for one). Absent operands never reach it. */
export type Operation = (a: Value, b: Value, around: Surroundings) => Value;

/** Longest text or list a `+` may build, so that no predicate can exhaust memory. */
const MAX_SIZE = 1_000_000;

const kindOf = (value: Value): string =>
  value === null ? 'nothing' : isList(value) ? 'a list' : isObject(value) ? 'an object' : `a ${typeof value}`;

const mismatch = (operator: string, a: Value, b: Value): Value =>
  fault(`\`${operator}\` cannot be applied to ${kindOf(a)} and ${kindOf(b)}`);

function arithmetic(operator: string, compute: (a: number, b: number) => number): Operation {
  return (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? compute(a, b) : mismatch(operator, a, b);
}

function ordering(operator: string, holds: (order: number) => boolean): Operation {
  return (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') {
      return Number.isNaN(a) || Number.isNaN(b) ? false : holds(a < b ? -1 : a > b ? 1 : 0);
    }
    if (typeof a === 'string' && typeof b === 'string') return holds(a < b ? -1 : a > b ? 1 : 0);
    return mismatch(operator, a, b);
  };
}

/** Three-valued membership: found is true; not found beside an unknown element is unknown. */
function contains(list: readonly Value[], item: Value): Value {
  let absent: Value = false;
  for (const element of list) {
    const same = equalValues(element, item);
    if (same === true) return true;
    if (same !== false) absent = isAbsent(absent) ? joinAbsent(absent, same) : same;
  }
  return absent;
}

const plus: Operation = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (typeof a === 'string' && typeof b === 'string')
    return a.length + b.length > MAX_SIZE ? fault('the text becomes too long') : a + b;
  if (isList(a) && isList(b))
    return a.length + b.length > MAX_SIZE ? fault('the list becomes too long') : [...a, ...b];
  return mismatch('+', a, b);
};

/** Binary operators that need both operands. `&&`, `||`, `==` and `!=` are three-valued and live in the tree. */
export const OPERATORS: Readonly<Record<string, Operation>> = {
  '+': plus,
  '-': arithmetic('-', (a, b) => a - b),
  '*': arithmetic('*', (a, b) => a * b),
  '<': ordering('<', (order) => order < 0),
  '<=': ordering('<=', (order) => order <= 0),
  '>': ordering('>', (order) => order > 0),
  '>=': ordering('>=', (order) => order >= 0),
  in: (a, b) => {
    if (b === null) return false;
    if (isList(b)) return contains(b, a);
    if (isObject(b)) return typeof a === 'string' && Object.hasOwn(b, a);
    return mismatch('in', a, b);
  },
};

/** A test of two texts; what is not applicable matches nothing. */
function textTest(
  name: string,
  holds: (text: string, other: string, around: Surroundings) => Value,
): Operation {
  return (text, other, around) => {
    if (text === null || other === null) return false;
    if (typeof text !== 'string' || typeof other !== 'string') return mismatch(name, text, other);
    return holds(text, other, around);
  };
}

/** Length in code points, as CEL counts. An unknown element may stand for any number of words. */
const size: Operation = (value) => {
  if (typeof value === 'string') {
    let count = 0;
    for (const _ of value) count += 1;
    return count;
  }
  if (isList(value)) return value.find(isUnknown) ?? value.length;
  if (isObject(value)) return Object.keys(value).length;
  return fault(`\`size\` cannot be applied to ${kindOf(value)}`);
};

const hasAny: Operation = (a, b) => {
  if (a === null || b === null) return false;
  if (!isList(a) || !isList(b)) return mismatch('has_any', a, b);
  let absent: Value = false;
  for (const item of b) {
    const found = isAbsent(item) ? item : contains(a, item);
    if (found === true) return true;
    if (isAbsent(found)) absent = isAbsent(absent) ? joinAbsent(absent, found) : found;
  }
  return absent;
};

const under = textTest('under', (path, directory, { cwd, cwdPath, home }) => {
  const base = absolutePath(directory, cwd, home);
  const inner = absolutePath(path, cwd, home);
  return base === null || inner === null ? unknownAt(cwdPath) : pathUnder(inner, base);
});

/** Functions called as `name(a, b)`, by name and number of arguments. `has` and `matches` live in the tree. */
export const FUNCTIONS: Readonly<Record<string, { readonly arity: number; readonly apply: Operation }>> = {
  glob: { arity: 2, apply: textTest('glob', globMatches) },
  under: { arity: 2, apply: under },
  has_any: { arity: 2, apply: hasAny },
  size: { arity: 1, apply: size },
};

/** Functions called as `a.name(b)`; the receiver is the first argument. */
export const METHODS: Readonly<Record<string, { readonly arity: number; readonly apply: Operation }>> = {
  startsWith: { arity: 1, apply: textTest('startsWith', (text, other) => text.startsWith(other)) },
  endsWith: { arity: 1, apply: textTest('endsWith', (text, other) => text.endsWith(other)) },
  contains: { arity: 1, apply: textTest('contains', (text, other) => text.includes(other)) },
  lowerAscii: {
    arity: 0,
    apply: (text) =>
      typeof text === 'string'
        ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
        : text === null
          ? null
          : fault(`\`lowerAscii\` cannot be applied to ${kindOf(text)}`),
  },
  size: { arity: 0, apply: size },
};

/** `value[index]`: past the end there is nothing (not applicable), unless an unknown element could reach there. */
export function readIndex(value: Value, index: Value, missing: Value): Value {
  if (value === null) return null;
  if (isList(value)) {
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0)
      return fault('a list is indexed by a whole number from 0');
    return value.slice(0, index + 1).find(isUnknown) ?? value[index] ?? null;
  }
  if (isObject(value)) {
    if (typeof index !== 'string') return fault('an object is indexed by text');
    return Object.hasOwn(value, index) ? (value[index] ?? null) : missing;
  }
  return fault(`${kindOf(value)} cannot be indexed`);
}
