import type { Json } from '../brand.ts';

/** What a file is, as far as it acts later than it is written. */
export type LateKind =
  | 'git-config'
  | 'git-hook'
  | 'git-link'
  | 'git-attributes'
  | 'git-modules'
  | 'hook-script'
  | 'hook-list'
  | 'npm-manifest'
  | 'npm-settings'
  | 'yarn-settings'
  | 'package-hook'
  | 'native-build'
  | 'makefile'
  | 'justfile'
  | 'task-list'
  | 'python-startup'
  | 'python-path'
  | 'python-build'
  | 'python-project'
  | 'pip-settings'
  | 'cargo-settings'
  | 'cargo-build'
  | 'ci-workflow'
  | 'ci-script'
  | 'compose'
  | 'editor-tasks'
  | 'editor-settings'
  | 'editor-launch'
  | 'editor-project'
  | 'dev-container'
  | 'shell-startup'
  | 'folder-startup'
  | 'unit'
  | 'schedule'
  | 'autostart'
  | 'agent-instructions'
  | 'agent-settings'
  | 'agent-servers'
  | 'agent-settings-toml'
  | 'agent-settings-yaml';

/** When something runs or counts, for people. */
export type LateWhen =
  | 'on commit and other git commands'
  | 'on install'
  | 'when it is asked for'
  | 'on build'
  | 'on push'
  | 'on test'
  | 'when the folder is entered'
  | 'when the folder is opened'
  | 'in every shell'
  | 'in every Python program'
  | 'next agent session'
  | 'at log-in'
  | 'by the clock';

export type LateWhat =
  | 'hook'
  | 'config-key'
  | 'script'
  | 'step'
  | 'task'
  | 'instruction'
  | 'startup'
  | 'server'
  | 'unit'
  | 'restraint'
  | 'source'
  | 'unknown';

/** One thing in a file that acts later. */
export interface LateEntry {
  readonly what: LateWhat;
  readonly name: string;
  /** All of it; two entries of one name are the same when this is. */
  readonly value: string;
  /** Program text that will run, or null when it is a setting or words. */
  readonly runs: string | null;
  readonly language: 'shell' | 'python' | 'node' | 'rust';
  readonly when: LateWhen;
  /** Runs outside the session, or without being asked for. */
  readonly outside: boolean;
  /** `elsewhere`: on a build machine or in a container, where this machine's files are not at stake. */
  readonly machine: 'here' | 'elsewhere';
  /** What makes it worth a question by itself (docs/vocabulary.md); empty for ordinary work. */
  readonly tags: readonly string[];
  /** A registry, server or package that it names. */
  readonly url: string | null;
}

/** What acts later now that did not before. */
export interface LateItem extends Omit<LateEntry, 'value'> {
  /** Bounded at `MAX_SHOWN` characters. */
  readonly before: string | null;
  readonly after: string | null;
  /** All of what ran under this name before: what it did then is not new. */
  readonly ran: string | null;
}
export type LateChange = readonly LateItem[];

/** What core cannot read by itself; null when it is not that. */
export interface LatePorts {
  yaml(text: string): Json | null;
}

/** Reads what acts later in a content; null when the content cannot be read as its format. */
export type LateReader = (text: string, ports: LatePorts, path: string) => readonly LateEntry[] | null;

export const MAX_SHOWN = 2000;
/** Larger contents are not read: everything in them counts as changed, kind of unknown. */
export const MAX_LATE_TEXT = 1024 * 1024;
/** A longer program text is not analysed; padding must not hide what follows it. */
export const MAX_LATE_PROGRAM = 64 * 1024;
const MAX_ITEMS = 200;

/** An entry that is ordinary unless more is said of it. */
export function lateEntry(
  said: Pick<LateEntry, 'what' | 'name' | 'value' | 'when'> & Partial<LateEntry>,
): LateEntry {
  return {
    runs: null,
    language: 'shell',
    outside: false,
    machine: 'here',
    tags: [],
    url: null,
    ...said,
  };
}

/** A command under a name. */
export function lateScript(
  name: string,
  text: string,
  when: LateWhen,
  more: Partial<LateEntry> = {},
): LateEntry {
  return lateEntry({ what: 'script', name, value: text, runs: text, when, ...more });
}

/** Everything in a content that could not be read. */
export function lateUnknown(value: string): LateEntry {
  return lateEntry({
    what: 'unknown',
    name: 'content that cannot be read',
    value,
    when: 'when it is asked for',
    outside: true,
    tags: ['unreadable'],
  });
}

/**
 * Compares two readings. Entries that were there with the same value are no change; a restraint counts when it is gone, all
 * else when it is there. What was before is taken from the entry of the same name.
 */
export function lateDifference(before: readonly LateEntry[], after: readonly LateEntry[]): LateChange {
  const key = (entry: LateEntry): string => `${entry.what}\n${entry.name}`;
  const full = (entry: LateEntry): string => `${key(entry)}\n${entry.value}\n${entry.tags.join()}`;
  const had = new Set(before.map(full));
  const has = new Set(after.map(full));
  const former = new Map(before.map((entry) => [key(entry), entry]));
  const latter = new Map(after.map((entry) => [key(entry), entry]));
  const items: LateItem[] = [];
  for (const entry of after) {
    if (entry.what === 'restraint' || had.has(full(entry))) continue;
    had.add(full(entry));
    items.push(itemOf(entry, former.get(key(entry)) ?? null, entry));
  }
  for (const entry of before)
    if (entry.what === 'restraint' && !has.has(full(entry)))
      items.push(itemOf(entry, entry, latter.get(key(entry)) ?? null));
  if (items.length <= MAX_ITEMS) return items;
  // Nobody reads 200 changes; that there are so many is what has to be said, beside the first of them.
  return [...items.slice(0, MAX_ITEMS), itemOf(lateUnknown(`${items.length} changes`), null, null)];
}

function itemOf(entry: LateEntry, before: LateEntry | null, after: LateEntry | null): LateItem {
  const { value: _, ...rest } = entry;
  const tooLong = entry.runs !== null && entry.runs.length > MAX_LATE_PROGRAM;
  return {
    ...rest,
    name: shown(entry.name, 200),
    runs: tooLong ? null : entry.runs,
    tags: tooLong ? [...entry.tags, 'unreadable'] : entry.tags,
    before: before === null ? null : shown(before.value, MAX_SHOWN),
    after: after === null ? null : shown(after.value, MAX_SHOWN),
    ran: before?.runs ?? null,
  };
}

function shown(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
}

/** Reads JSON, with the comments and trailing commas that editors accept; undefined when it is not that. */
export function readJson(text: string): Json | undefined {
  const bare = text.startsWith('\uFEFF') ? text.slice(1) : text;
  for (const candidate of [bare, plainJson(bare)]) {
    try {
      return JSON.parse(candidate) as Json;
    } catch {
      // The second candidate, or not JSON at all.
    }
  }
  return undefined;
}

/** Removes comments and trailing commas outside of strings. */
function plainJson(text: string): string {
  return text
    .replace(/"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|$)|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g, (found) =>
      found.startsWith('"') ? found : ' ',
    )
    .replace(/"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|$)|,(?=\s*[}\]])/g, (found) =>
      found.startsWith('"') ? found : '',
    );
}

/** The members of an object; none for anything else. */
export function membersOf(value: Json | undefined): readonly (readonly [string, Json])[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

/** A member of an object. */
export function memberOf(value: Json | undefined, ...names: readonly string[]): Json | undefined {
  let at = value;
  for (const name of names) at = membersOf(at).find(([key]) => key === name)?.[1];
  return at;
}

/** A command as settings write it: a text, a list of words, or `command` and `args`. */
export function commandText(value: Json | undefined, args?: Json): string | null {
  if (typeof value === 'string')
    return Array.isArray(args) ? [value, ...args.map((a) => quoted(String(a)))].join(' ') : value;
  if (Array.isArray(value) && value.length > 0) return value.map((word) => quoted(String(word))).join(' ');
  return null;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
