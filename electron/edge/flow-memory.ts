import type { Digest } from '../core/brand.ts';
import { LEVELS } from '../core/context.ts';
import { MARK_BYTES } from '../core/data/fingerprint.ts';
import type { DataSource, Flow, FlowStore } from '../core/data/flow.ts';

const MAX_MARKS = 500_000;
const MAX_FLOWS = 16;

interface Remembered {
  readonly source: DataSource;
  readonly marks: readonly string[];
}

/**
 * A `FlowStore` that ends with its process: for an installation whose fingerprint key does, too. Bounded: what was read longest ago is
 * forgotten first.
 */
export function createFlowMemory(common: Digest): FlowStore {
  const remembered = new Map<string, Remembered>();
  const byMark = new Map<string, Set<string>>();
  let count = 0;

  const forget = (name: string) => {
    const gone = remembered.get(name);
    if (gone === undefined) return;
    remembered.delete(name);
    count -= gone.marks.length;
    for (const mark of gone.marks) {
      const names = byMark.get(mark);
      names?.delete(name);
      if (names?.size === 0) byMark.delete(mark);
    }
  };
  return {
    common,
    remember(source, marks) {
      const before = remembered.get(source.name);
      // Of what was read twice, both contents may be sent: the older one stays.
      const all = [...new Set([...(before?.marks ?? []), ...markTexts(marks)])];
      const level =
        before === undefined || LEVELS.indexOf(before.source.level) < LEVELS.indexOf(source.level)
          ? source.level
          : before.source.level;
      forget(source.name);
      remembered.set(source.name, { source: { ...source, level }, marks: all });
      count += all.length;
      for (const mark of all) {
        const names = byMark.get(mark) ?? new Set();
        names.add(source.name);
        byMark.set(mark, names);
      }
      for (const name of remembered.keys()) {
        if (count <= MAX_MARKS || name === source.name) break;
        forget(name);
      }
    },
    lookup(marks) {
      const matches = new Map<string, number>();
      for (const mark of markTexts(marks))
        for (const name of byMark.get(mark) ?? []) matches.set(name, (matches.get(name) ?? 0) + 1);
      const flows: Flow[] = [];
      for (const [name, found] of matches) {
        const source = remembered.get(name)?.source;
        if (source !== undefined) flows.push({ source, matches: found });
      }
      return flows
        .sort(
          (a, b) => LEVELS.indexOf(b.source.level) - LEVELS.indexOf(a.source.level) || b.matches - a.matches,
        )
        .slice(0, MAX_FLOWS);
    },
    close: async () => undefined,
  };
}

/** Each mark as a text of its bytes: what a map can find. */
function markTexts(marks: Uint8Array): readonly string[] {
  const texts: string[] = [];
  for (let at = 0; at + MARK_BYTES <= marks.length; at += MARK_BYTES)
    texts.push(String.fromCharCode(...marks.subarray(at, at + MARK_BYTES)));
  return texts;
}
