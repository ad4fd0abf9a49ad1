import type { Command, Word } from '../command.ts';
import type { EffectObject } from '../effect.ts';
import type { Knowledge } from './knowledge.ts';
import { objectOf } from './objects.ts';
import { collectNameLabels } from './path-index.ts';
import type { Place } from './paths.ts';

/** Labels of a whole tree that a selection out of it does not deserve. */
const WHOLE = new Set([
  'root',
  'home-root',
  'home-top',
  'top-level',
  'essential-tree',
  'workspace-root',
  'above-workspace',
]);
const TESTS_THAT_NARROW =
  /^-(?:i?name|i?path|i?wholename|i?regex|size|[amc]?(?:time|min|newer)\w*|newer\w*|empty|perm|user|group|nouser|nogroup|inum|links|samefile|lname|ilname|xtype|fstype|used|uid|gid|executable|readable|writable)$/;

/** What `find` was told: where it starts, whether it picks some of what it meets, and what it does with it. */
export interface Search {
  readonly roots: readonly Word[];
  readonly narrowed: boolean;
  readonly deletes: boolean;
  readonly writes: readonly Word[];
  readonly maxDepth: boolean;
  /** Patterns that the files' names must fit. */
  readonly names: readonly string[];
}

const HERE: Word = { text: '.', raw: '.', known: true, glob: false };

/** Reads the arguments of `find`. */
export function readSearch(args: readonly Word[]): Search {
  const roots: Word[] = [];
  const writes: Word[] = [];
  const names: string[] = [];
  let narrowed = false;
  let deletes = false;
  let maxDepth = false;
  let at = 0;
  for (; at < args.length; at += 1) {
    const text = args[at]?.text ?? '';
    if (text === '-H' || text === '-L' || text === '-P' || /^-O\d/.test(text)) continue;
    if (text === '-D') {
      at += 1;
      continue;
    }
    if (text.startsWith('-') || text === '(' || text === '!' || text === '\\(') break;
    const word = args[at];
    if (word !== undefined) roots.push(word);
  }
  for (; at < args.length; at += 1) {
    const text = args[at]?.text ?? '';
    if (text === '-delete') deletes = true;
    else if (text === '-type' || text === '-mount' || text === '-xdev') continue;
    else if (text === '-maxdepth') maxDepth = true;
    else if (/^-f(?:print0?|printf|ls)$/.test(text)) {
      const target = args[at + 1];
      if (target !== undefined) writes.push(target);
    } else if (TESTS_THAT_NARROW.test(text)) {
      const value = args[at + 1]?.text ?? '';
      if (text === '-name' || text === '-iname') names.push(value);
      if (!/^-i?(?:name|path|wholename)$/.test(text) || !/^(?:\*|\*\/\*|\*\.\*)$/.test(value))
        narrowed = true;
    }
  }
  return { roots: roots.length > 0 ? roots : [HERE], narrowed, deletes, writes, maxDepth, names };
}

/** The roots of a search as objects: many files, and not the whole tree when the search picks some. */
export function searchObjects(search: Search, place: Place, knowledge: Knowledge): readonly EffectObject[] {
  // Editors' and compilers' leavings are the same all over one's own home.
  const remade = (): boolean =>
    search.names.length > 0 && search.names.every((name) => isRemade(name, knowledge));
  return search.roots.map((root) => {
    const object = objectOf(root, 'path', [], 'here', place, knowledge);
    const labels = search.narrowed
      ? [
          ...object.labels.filter((label) => !WHOLE.has(label)),
          'selection',
          ...(object.labels.some(
            (l) => l === 'root' || l === 'essential-tree' || (l === 'home-root' && !remade()),
          )
            ? ['sweeping']
            : []),
        ]
      : object.labels;
    return { ...object, many: true, labels };
  });
}

function isRemade(name: string, knowledge: Knowledge): boolean {
  const labels = new Set<string>();
  collectNameLabels(knowledge.paths, [name], labels);
  return labels.has('build-artifact');
}

/**
 * What another command hands to this one: the roots of the `find` that executes it, or of the command
 * whose output `xargs` turns into its arguments. Null when it gets nothing that way.
 */
export function fedObjects(
  command: Command,
  commands: readonly Command[],
  place: Place,
  knowledge: Knowledge,
): readonly EffectObject[] | null {
  let feeder: 'find' | 'xargs' | null = null;
  for (const wrapper of command.via) {
    if (wrapper.program === 'find' || wrapper.program === 'fd') feeder = 'find';
    else if (wrapper.program === 'xargs' || wrapper.program === 'parallel') feeder = 'xargs';
  }
  if (feeder === null) return null;
  if (feeder === 'find') {
    for (let at = command.index - 1; at >= 0 && at > command.index - 256; at -= 1) {
      const other = commands[at];
      if (other?.program === 'find') return searchObjects(readSearch(other.args), place, knowledge);
      if (other?.program === 'fd') return fdObjects(other, place, knowledge);
    }
    return [unknownObject()];
  }
  let from = command.pipedFrom;
  let filtered = false;
  for (let hops = 0; from !== null && hops < 16; hops += 1) {
    const source = commands[from];
    if (source === undefined) break;
    const objects = producedBy(source, filtered, place, knowledge);
    if (objects !== null) return objects;
    if (FILTERS.has(source.program)) filtered = true;
    from = source.pipedFrom;
  }
  return [unknownObject()];
}

const FILTERS = new Set([
  'grep',
  'egrep',
  'fgrep',
  'rg',
  'awk',
  'gawk',
  'sed',
  'head',
  'tail',
  'comm',
  'uniq',
  'cut',
  'jq',
  'perl',
  'fzf',
  'shuf',
  'join',
  'diff',
]);

function producedBy(
  source: Command,
  filtered: boolean,
  place: Place,
  knowledge: Knowledge,
): readonly EffectObject[] | null {
  const operands = source.args.filter((word) => !word.text.startsWith('-'));
  switch (source.program) {
    case 'find': {
      const search = readSearch(source.args);
      // What follows in the pipe (grep, head …) picks too, but `find . | xargs rm` is the whole tree.
      return searchObjects({ ...search, narrowed: search.narrowed || filtered }, place, knowledge);
    }
    case 'fd':
      return fdObjects(source, place, knowledge);
    case 'ls':
      return searchObjects(
        {
          roots: operands.length > 0 ? operands : [HERE],
          narrowed: true,
          deletes: false,
          writes: [],
          maxDepth: true,
          names: [],
        },
        place,
        knowledge,
      );
    case 'echo':
    case 'printf':
      return operands.map((word) => objectOf(word, 'path', [], 'here', place, knowledge));
    case 'git':
    case 'grep':
    case 'rg':
    case 'ag':
    case 'locate': {
      const object = objectOf(HERE, 'path', [], 'here', place, knowledge);
      if (source.program === 'locate') return [unknownObject()];
      return [
        {
          ...object,
          many: true,
          labels: [...object.labels.filter((label) => !WHOLE.has(label)), 'selection'],
        },
      ];
    }
    default:
      return null;
  }
}

function fdObjects(command: Command, place: Place, knowledge: Knowledge): readonly EffectObject[] {
  const operands = command.args.filter((word) => !word.text.startsWith('-'));
  const roots = operands.slice(1).filter((word) => word.text.includes('/'));
  return searchObjects(
    {
      roots: roots.length > 0 ? roots : [HERE],
      narrowed: operands.length > 0,
      deletes: false,
      writes: [],
      maxDepth: false,
      names: [],
    },
    place,
    knowledge,
  );
}

function unknownObject(): EffectObject {
  return { kind: 'path', value: '\uFFFC', known: false, many: true, labels: ['unknown', 'handed'] };
}
