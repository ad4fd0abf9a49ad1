/** One line of the path table: which paths carry which labels. */
export interface PathEntry {
  readonly labels: readonly string[];
  /** These and everything beneath; `~` is any home, `*` one segment. */
  readonly under: readonly string[];
  /** These alone. */
  readonly exact: readonly string[];
  /** File names anywhere; one `*` allowed at either end. */
  readonly named: readonly string[];
  /** Any path with such a folder in it. */
  readonly folder: readonly string[];
  /** File names that are exempt from this entry. */
  readonly except: readonly string[];
}

interface Node {
  readonly children: Map<string, Node>;
  readonly under: PathEntry[];
  readonly exact: PathEntry[];
}

/** The path table, indexed by segment. */
export interface PathIndex {
  /** The lines themselves, for those who hand them on. */
  readonly entries: readonly PathEntry[];
  readonly absolute: Node;
  readonly home: Node;
  readonly names: ReadonlyMap<string, readonly PathEntry[]>;
  readonly patterns: readonly (readonly [(name: string) => boolean, PathEntry])[];
  readonly folders: ReadonlyMap<string, readonly PathEntry[]>;
}

/** Indexes the path table. */
export function indexPaths(entries: readonly PathEntry[]): PathIndex {
  const absolute = newNode();
  const home = newNode();
  const names = new Map<string, PathEntry[]>();
  const folders = new Map<string, PathEntry[]>();
  const patterns: (readonly [(name: string) => boolean, PathEntry])[] = [];
  for (const entry of entries) {
    for (const path of entry.under) nodeAt(path, absolute, home).under.push(entry);
    for (const path of entry.exact) nodeAt(path, absolute, home).exact.push(entry);
    for (const name of entry.named) {
      if (name.includes('*')) patterns.push([nameTest(name), entry]);
      else push(names, name.toLowerCase(), entry);
    }
    for (const name of entry.folder) push(folders, name, entry);
  }
  return { entries, absolute, home, names, patterns, folders };
}

/** Adds the labels of a path (segments of an absolute or home-relative path) to `into`. */
export function collectLabels(
  index: PathIndex,
  segments: readonly string[],
  from: 'absolute' | 'home',
  into: Set<string>,
): void {
  walk(from === 'home' ? index.home : index.absolute, segments, 0, segments[segments.length - 1] ?? '', into);
}

/** Adds the labels that a path's own names give it, wherever it lies. */
export function collectNameLabels(index: PathIndex, segments: readonly string[], into: Set<string>): void {
  const last = segments[segments.length - 1];
  if (last === undefined) return;
  const name = last.toLowerCase();
  for (const entry of index.names.get(name) ?? []) apply(entry, name, into);
  for (const [fits, entry] of index.patterns) if (fits(name)) apply(entry, name, into);
  for (const segment of segments) {
    const found = index.folders.get(segment);
    if (found !== undefined) for (const entry of found) apply(entry, name, into);
  }
}

function walk(node: Node, segments: readonly string[], depth: number, name: string, into: Set<string>): void {
  for (const entry of node.under) apply(entry, name, into);
  const segment = segments[depth];
  if (segment === undefined) {
    for (const entry of node.exact) apply(entry, name, into);
    return;
  }
  const next = node.children.get(segment);
  if (next !== undefined) walk(next, segments, depth + 1, name, into);
  const any = node.children.get('*');
  if (any !== undefined) walk(any, segments, depth + 1, name, into);
}

function apply(entry: PathEntry, name: string, into: Set<string>): void {
  for (const exempt of entry.except) if (nameFits(exempt, name.toLowerCase())) return;
  for (const label of entry.labels) into.add(label);
}

function nodeAt(path: string, absolute: Node, home: Node): Node {
  const inHome = path === '~' || path.startsWith('~/');
  let node = inHome ? home : absolute;
  for (const segment of (inHome ? path.slice(1) : path).split('/')) {
    if (segment === '') continue;
    let next = node.children.get(segment);
    if (next === undefined) {
      next = newNode();
      node.children.set(segment, next);
    }
    node = next;
  }
  return node;
}

function newNode(): Node {
  return { children: new Map(), under: [], exact: [] };
}

function push(map: Map<string, PathEntry[]>, key: string, entry: PathEntry): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [entry]);
  else list.push(entry);
}

function nameTest(pattern: string): (name: string) => boolean {
  const lower = pattern.toLowerCase();
  return (name) => nameFits(lower, name);
}

function nameFits(pattern: string, name: string): boolean {
  if (pattern.startsWith('*') && pattern.endsWith('*')) return name.includes(pattern.slice(1, -1));
  if (pattern.startsWith('*')) return name.endsWith(pattern.slice(1));
  if (pattern.endsWith('*')) return name.startsWith(pattern.slice(0, -1));
  return name === pattern;
}
