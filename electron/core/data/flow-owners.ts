import { LEVELS, type Level } from '../context.ts';
import type { DataSource, Flow } from './flow.ts';
import { MOST_OWNERS } from './mark-index.ts';

/**
 * Whose a mark is: an owner is one source, or up to eight that share the text. Owners are numbers, so that a mark costs three bytes for it; texts that
 * share one mark mostly share many, so that there are few owners.
 */
export interface FlowOwners {
  readonly sources: DataSource[];
  readonly byName: Map<string, number>;
  /** Numbers of sources, rising. */
  readonly sets: (readonly number[])[];
  readonly bySet: Map<string, number>;
  /** Owners whose text stands in so many places that it says nothing. */
  readonly common: Set<number>;
}

/** Text that so many different folders of at most INTERNAL have is common. A higher level is never common: copying it eight times must not free it. */
const FOLDERS = 8;
const MOST_IN_SET = 8;
export const MOST_FLOWS = 16;

export function newOwners(): FlowOwners {
  return { sources: [], byName: new Map(), sets: [], bySet: new Map(), common: new Set() };
}

const rank = (level: Level): number => LEVELS.indexOf(level);

/** The number of a source; one of the same name is brought up to date, at the higher of both levels. */
export function sourceNumber(owners: FlowOwners, source: DataSource): number {
  const before = owners.byName.get(source.name);
  if (before === undefined) {
    owners.byName.set(source.name, owners.sources.length);
    return owners.sources.push(source) - 1;
  }
  const old = owners.sources[before];
  owners.sources[before] =
    old !== undefined && rank(old.level) > rank(source.level)
      ? { ...source, level: old.level, because: old.because }
      : source;
  return before;
}

function folderOf(name: string): string {
  const slash = name.lastIndexOf('/');
  return slash < 0 ? name : name.slice(0, slash);
}

/** The owner that is exactly these sources; -1 when there is no room for another. */
export function ownerOfSet(owners: FlowOwners, numbers: readonly number[]): number {
  const name = numbers.join(' ');
  const before = owners.bySet.get(name);
  if (before !== undefined) return before;
  if (owners.sets.length >= MOST_OWNERS) return -1;
  const owner = owners.sets.push(numbers) - 1;
  owners.bySet.set(name, owner);
  const sources = numbers.flatMap((number) => owners.sources[number] ?? []);
  if (
    new Set(sources.map((source) => folderOf(source.name))).size >= FOLDERS &&
    sources.every(({ level }) => rank(level) <= rank('INTERNAL'))
  )
    owners.common.add(owner);
  return owner;
}

/** The owner of a mark that one more source has; `owner` -1 when nobody had it. The lowest level makes room where there are too many. */
export function ownerWith(owners: FlowOwners, owner: number, source: number): number {
  const set = owners.sets[owner];
  if (set === undefined) return ownerOfSet(owners, [source]);
  if (set.includes(source)) return owner;
  const level = (number: number): number => rank(owners.sources[number]?.level ?? 'RESTRICTED');
  if (set.length < MOST_IN_SET)
    return ownerOfSet(
      owners,
      [...set, source].sort((a, b) => a - b),
    );
  const lowest = set.reduce((a, b) => (level(b) < level(a) ? b : a));
  if (level(lowest) >= level(source)) return owner;
  return ownerOfSet(
    owners,
    [...set.filter((number) => number !== lowest), source].sort((a, b) => a - b),
  );
}

/** The most sensitive source of an owner, the latest of equals; null for common text. */
export function bestSource(owners: FlowOwners, owner: number): number | null {
  const set = owners.sets[owner];
  if (set === undefined) return null;
  let best: number | null = null;
  for (const number of set) {
    const one = owners.sources[number];
    const other = best === null ? undefined : owners.sources[best];
    if (one === undefined) continue;
    if (
      other === undefined ||
      rank(one.level) > rank(other.level) ||
      (one.level === other.level && one.at > other.at)
    )
      best = number;
  }
  const level = best === null ? undefined : owners.sources[best]?.level;
  // A source may have been raised since its set was found common.
  if (owners.common.has(owner) && level !== undefined && rank(level) <= rank('INTERNAL')) return null;
  return best;
}

/** Flows from how many marks each owner has: the highest level first, then the most matches. */
export function flowsOf(owners: FlowOwners, counts: ReadonlyMap<number, number>): readonly Flow[] {
  const bySource = new Map<number, number>();
  for (const [owner, count] of counts) {
    const best = bestSource(owners, owner);
    if (best !== null) bySource.set(best, (bySource.get(best) ?? 0) + count);
  }
  return [...bySource]
    .flatMap(([number, matches]) => {
      const source = owners.sources[number];
      return source === undefined ? [] : [{ source, matches }];
    })
    .sort((a, b) => rank(b.source.level) - rank(a.source.level) || b.matches - a.matches)
    .slice(0, MOST_FLOWS);
}
