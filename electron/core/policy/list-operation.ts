import { fault, isAbsent, isList, joinAbsent, type Value } from './fact-value.ts';

/** How a list operation ends: given each element and what the inner expression says of it. */
export type ListStep = (items: readonly Value[], inner: (item: Value) => Value) => Value;

const truth = (value: Value): Value =>
  typeof value === 'boolean' || isAbsent(value) ? value : fault('a condition needs true or false');

/** Three-valued: one deciding element outweighs any number of unknown ones. */
function quantified(decisive: boolean): ListStep {
  return (items, inner) => {
    let absent: Value = null;
    for (const item of items) {
      const value = isAbsent(item) ? item : truth(inner(item));
      if (value === decisive) return decisive;
      if (isAbsent(value)) absent = isAbsent(absent) ? joinAbsent(absent, value) : value;
    }
    return absent ?? !decisive;
  };
}

/** Keeps the elements for which the inner expression is true, or what it makes of each; an absent makes the whole absent. */
function collected(keep: 'elements' | 'results'): ListStep {
  return (items, inner) => {
    const out: Value[] = [];
    for (const item of items) {
      const value = isAbsent(item) ? item : keep === 'elements' ? truth(inner(item)) : inner(item);
      if (isAbsent(value)) return value;
      if (keep === 'results') out.push(value);
      else if (value === true) out.push(item);
    }
    return out;
  };
}

/** The operations that bind a variable, by name. */
export const LIST_STEPS: Readonly<Record<string, ListStep>> = {
  exists: quantified(true),
  all: quantified(false),
  filter: collected('elements'),
  map: collected('results'),
  exists_one: (items, inner) => {
    const kept = collected('elements')(items, inner);
    return isList(kept) ? kept.length === 1 : kept;
  },
};
