/** What an entry of a file system is. */
export type EntryKind = 'file' | 'folder' | 'link' | 'fifo' | 'socket' | 'device';

/** An entry as it lies in the upper layer of a preview, or below it. */
export interface EntryFacts {
  readonly kind: EntryKind;
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** Nanoseconds since the epoch, in decimal: more than a number holds. */
  readonly mtimeNs: string;
  readonly inode: string;
  readonly links: number;
}

/** An entry of the place itself, as it was when the listing was made. */
export interface LowerFacts extends EntryFacts {
  readonly ctimeNs: string;
  readonly device: string;
}

/**
 * One row of a listing of layers. Paths are relative to the place, one character for each byte, so that no name is lost; the
 * place itself is ''.
 */
export interface LayerEntry {
  readonly path: string;
  readonly upper: EntryFacts | 'whiteout' | null;
  readonly lower: LowerFacts | null;
  /** The folder hides everything that lies below it in the place. */
  readonly opaque: boolean;
  /** Redirects, content that is not in the layer, another file system below: nothing that our overlays make. */
  readonly strange: string | null;
  /** Extended attributes that are not carried along. */
  readonly attributes: boolean;
  /** Of files in both layers: whether they hold the same bytes. */
  readonly content: 'same' | 'different' | 'unread';
}

/** One thing that a preview would do. */
export type PreviewEffect =
  | { readonly kind: 'created'; readonly path: string; readonly now: EntryFacts }
  | { readonly kind: 'changed'; readonly path: string; readonly was: LowerFacts; readonly now: EntryFacts }
  | {
      readonly kind: 'deleted';
      readonly path: string;
      readonly was: LowerFacts;
      /** Entries that go with a folder. */
      readonly below: number;
    }
  | { readonly kind: 'mode'; readonly path: string; readonly was: LowerFacts; readonly now: EntryFacts }
  | { readonly kind: 'times'; readonly path: string; readonly was: LowerFacts; readonly now: EntryFacts }
  | {
      readonly kind: 'moved';
      readonly from: string;
      readonly path: string;
      readonly was: LowerFacts;
      readonly now: EntryFacts;
    };

/** One step of a commit, at a name whose folder is there in the place. */
export type CommitStep =
  | { readonly kind: 'put'; readonly path: string; readonly was: LowerFacts | null }
  | { readonly kind: 'drop'; readonly path: string; readonly was: LowerFacts }
  | {
      readonly kind: 'attributes';
      readonly path: string;
      readonly was: LowerFacts;
      readonly now: EntryFacts;
    };

export interface Conflict {
  readonly path: string;
  readonly reason: string;
}

/** Byte order, which is the order of the characters here. */
const byPath = (a: { readonly path: string }, b: { readonly path: string }) =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0;

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** True when the upper layer shows a folder that is the one below, with changes. */
function isMerged(entry: LayerEntry): boolean {
  return (
    entry.upper !== null &&
    entry.upper !== 'whiteout' &&
    entry.upper.kind === 'folder' &&
    entry.lower?.kind === 'folder' &&
    !entry.opaque
  );
}

/** What one preview would do to its place, from the listing of its layers; ordered by path. Pure. */
export function effectsOf(entries: readonly LayerEntry[]): readonly PreviewEffect[] {
  const effects: PreviewEffect[] = [];
  const below = belowCounts(entries);
  const opaque = new Set(entries.filter((entry) => entry.opaque).map((entry) => entry.path));
  for (const entry of entries) {
    const { path, upper, lower } = entry;
    if (upper === null || upper === 'whiteout') {
      // What goes with a folder is said with the folder; what a folder that was made anew no longer has is said by itself.
      if (lower !== null && (upper === 'whiteout' || opaque.has(parentOf(path))))
        effects.push({ kind: 'deleted', path, was: lower, below: below.get(path) ?? 0 });
      continue;
    }
    if (lower === null) {
      effects.push({ kind: 'created', path, now: upper });
      continue;
    }
    if (upper.kind !== lower.kind) {
      effects.push({ kind: 'deleted', path, was: lower, below: below.get(path) ?? 0 });
      effects.push({ kind: 'created', path, now: upper });
      continue;
    }
    if (upper.kind !== 'folder' && entry.content !== 'same')
      effects.push({ kind: 'changed', path, was: lower, now: upper });
    else if (upper.mode !== lower.mode && upper.kind !== 'link')
      effects.push({ kind: 'mode', path, was: lower, now: upper });
    else if (upper.kind === 'file' && upper.mtimeNs !== lower.mtimeNs)
      effects.push({ kind: 'times', path, was: lower, now: upper });
  }
  return effects.sort(byPath);
}

/** How many entries lie below each folder that goes away. */
function belowCounts(entries: readonly LayerEntry[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { path, upper, lower } of entries) {
    if (upper !== null || lower === null) continue;
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent))
      counts.set(parent, (counts.get(parent) ?? 0) + 1);
  }
  return counts;
}

/**
 * Joins what was deleted and what was created with the same bytes into what was moved. `digestOf` is asked for pairs of one size alone; null: not
 * known.
 */
export function withMoves(
  effects: readonly PreviewEffect[],
  digestOf: (path: string, layer: 'upper' | 'lower') => string | null,
): readonly PreviewEffect[] {
  const gone = new Map<number, Extract<PreviewEffect, { kind: 'deleted' }>[]>();
  for (const effect of effects)
    if (effect.kind === 'deleted' && effect.was.kind === 'file' && effect.was.size > 0)
      gone.set(effect.was.size, [...(gone.get(effect.was.size) ?? []), effect]);
  const joined = new Set<PreviewEffect>();
  const moved: PreviewEffect[] = [];
  for (const effect of effects) {
    if (effect.kind !== 'created' || effect.now.kind !== 'file') continue;
    const candidates = (gone.get(effect.now.size) ?? []).filter((other) => !joined.has(other));
    if (candidates.length === 0) continue;
    const digest = digestOf(effect.path, 'upper');
    const from =
      digest === null ? undefined : candidates.find((other) => digestOf(other.path, 'lower') === digest);
    if (from === undefined) continue;
    joined.add(from).add(effect);
    moved.push({ kind: 'moved', from: from.path, path: effect.path, was: from.was, now: effect.now });
  }
  return [...effects.filter((effect) => !joined.has(effect)), ...moved].sort(byPath);
}

/**
 * The steps that bring a place to what its preview shows, each at a name of its own whose folder is there already; deletions last. Or why it
 * cannot be: `startedNs` is when the preview began, and what changed in the place since is not overwritten.
 * INVARIANT (all or nothing): with one conflict there are no steps.
 */
export function planCommit(
  entries: readonly LayerEntry[],
  startedNs: string,
):
  | { readonly ok: true; readonly steps: readonly CommitStep[] }
  | { readonly ok: false; readonly conflicts: readonly Conflict[] } {
  const started = BigInt(startedNs);
  const conflicts: Conflict[] = [];
  const puts: CommitStep[] = [];
  const drops: CommitStep[] = [];
  const byName = new Map(entries.map((entry) => [entry.path, entry]));
  const replaced = (path: string): boolean => {
    for (let parent = path; parent !== ''; ) {
      parent = parentOf(parent);
      const entry = byName.get(parent);
      // The folder comes or goes as a whole, with everything in it.
      if (entry !== undefined && !isMerged(entry)) return true;
    }
    return false;
  };
  for (const entry of [...entries].sort(byPath)) {
    const { path, upper, lower } = entry;
    const isNews = lower !== null && BigInt(lower.ctimeNs) >= started && !isUntouched(entry);
    if (entry.strange !== null) conflicts.push({ path, reason: entry.strange });
    else if (isNews) conflicts.push({ path, reason: 'it was changed in its place since the preview began' });
    else if (upper !== null && upper !== 'whiteout' && isUnwritable(upper))
      conflicts.push({ path, reason: `a ${upper.kind} cannot be committed` });
    if (replaced(path) || upper === null) continue;
    if (upper === 'whiteout') {
      if (lower !== null) drops.push({ kind: 'drop', path, was: lower });
    } else if (lower === null || upper.kind !== lower.kind || (upper.kind === 'folder' && entry.opaque)) {
      if (path !== '') puts.push({ kind: 'put', path, was: lower });
    } else if (upper.kind !== 'folder' && entry.content !== 'same')
      puts.push({ kind: 'put', path, was: lower });
    else if (upper.kind !== 'link' && isAttributeChange(upper, lower))
      puts.push({ kind: 'attributes', path, was: lower, now: upper });
  }
  // The deepest first: what lies in a folder goes before the folder.
  const steps = [...puts, ...drops.reverse()];
  return conflicts.length > 0 ? { ok: false, conflicts } : { ok: true, steps };
}

function isAttributeChange(upper: EntryFacts, lower: LowerFacts): boolean {
  return upper.mode !== lower.mode || (upper.kind === 'file' && upper.mtimeNs !== lower.mtimeNs);
}

/** A folder that the preview only passed through: others may have worked in it. */
function isUntouched(entry: LayerEntry): boolean {
  return (
    isMerged(entry) &&
    entry.upper !== null &&
    entry.upper !== 'whiteout' &&
    entry.upper.mode === entry.lower?.mode
  );
}

function isUnwritable(facts: EntryFacts): boolean {
  return facts.kind === 'device' || facts.kind === 'fifo' || facts.kind === 'socket';
}
