import type { Action } from '../core/action.ts';
import type { PolicySet, Rule } from '../core/policy/rule.ts';
import { isAboutCarried, readsContext } from '../core/policy/rule-reading.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { lateFolderPatterns, latePatterns } from '../core/semantic/late-files.ts';
import type { PathEntry } from '../core/semantic/path-index.ts';
import type { FileOperation, FileRow, GuardTables } from '../wire/guard-message.ts';
import { startsWithoutQuestion } from './guard-programs.ts';
import type { GuardBounds } from './session-store.ts';

/** What the tables of one session are made from. */
export interface TableTerms {
  readonly policy: PolicySet;
  readonly knowledge: Knowledge;
  readonly workspace: string | null;
  readonly home: string;
  readonly guard: GuardBounds;
  /** Names of the programs whose every start is intercepted. */
  readonly programs: readonly string[];
  /** Where Countersign keeps its files on this machine. */
  readonly own: readonly string[];
  /** The session's own directory, where its surface listens. */
  readonly sessionDirectory: string;
  /** Whether policy would let this be done to this path by itself, in a session that did nothing before. */
  readonly allows: (operation: FileOperation, path: string) => boolean;
}

/** What runs programs that only running names, under the names they are installed by. */
const INTERPRETERS: readonly string[] = [
  ...[
    'sh',
    'bash',
    'dash',
    'zsh',
    'ksh',
    'mksh',
    'fish',
    'tcsh',
    'csh',
    'rbash',
    'busybox',
    'toybox',
    'coreutils',
  ],
  ...[
    'python',
    'python2',
    'python2.7',
    'python3',
    'pypy',
    'pypy3',
    'ipython',
    'node',
    'nodejs',
    'bun',
    'deno',
    'tsx',
  ],
  ...[
    'perl',
    'ruby',
    'php',
    'lua',
    'luajit',
    'tclsh',
    'expect',
    'Rscript',
    'julia',
    'elixir',
    'groovy',
    'gdb',
    'awk',
  ],
  ...['gawk', 'mawk', 'nawk', 'osascript', 'qjs', 'psql', 'mysql', 'sqlite3'],
  ...versions('python3.', 6, 20),
  ...versions('lua5.', 1, 5),
  ...versions('php8.', 0, 9),
  ...versions('ruby3.', 0, 9),
  // The dynamic loader runs the program that its first word names.
  ...['ld.so', 'ld-linux.so.2', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'],
];

/** Labels whose names in an argument make any program a question. */
const TRIGGERING = new Set([
  'secret',
  'private-key',
  'env-file',
  'credential-folder',
  'self',
  'process-memory',
  'browser-data',
]);
/** Shorter ones are in every other argument. */
const MIN_TRIGGER = 4;
const OTHER_PLATFORM =
  /^(?:\/(?:Library|System|Applications|var\/db|Volumes)|~\/(?:Library|AppData))(?:\/|$)/;

/** The operations that stand for each class of a file row when policy is asked beforehand. */
const PROBES: readonly (readonly [string, readonly FileOperation[]])[] = [
  ['w', ['write', 'create', 'truncate']],
  ['d', ['delete']],
  ['c', ['mkdir', 'symlink']],
  ['m', ['mode', 'owner']],
];
/**
 * Compiles what the kernel guard may decide by itself (docs/guard-protocol.md, `tables`): pure. Whatever policy might not simply allow stays a
 * question; where two rows match, the first wins.
 */
export function guardTables(terms: TableTerms): GuardTables {
  const { guard, workspace, own } = terms;
  const places = [
    ...new Set([
      ...(workspace === null ? [] : [workspace]),
      ...guard.writable,
      ...guard.tools,
      // With mounts of its own a session has both for itself.
      ...(guard.temp === null ? [] : ['/tmp', '/dev/shm']),
    ]),
  ];
  const { entries } = terms.knowledge.paths;
  const free = startsWithoutQuestion(terms.policy, terms.knowledge, TRIGGERING);
  return {
    programs: [...new Set([...terms.programs.filter((name) => !free.has(name)), ...INTERPRETERS])].sort(),
    triggers: triggersFrom(entries, own),
    rows: rowsFrom(terms, entries, places),
    // Sockets in the session's own places are its own only when it listens there itself, which the guard sees.
    sockets: [`${terms.sessionDirectory}/`],
    // None: a connection that passes without a question would go round the proxy (configured-hosts.ts).
    hosts: [],
    everyExec: terms.policy.posture.unmatched !== 'ALLOW' || terms.policy.rules.some(isAboutAnyStart),
  };
}

/**
 * Whether an ALLOW about this kind of change may stand for the session: no restricting rule that could speak about it looks at what
 * happened before, or at how the change is made.
 */
export function standsForSession(policy: PolicySet, action: Action): boolean {
  const { operation, effects } = action;
  if (operation === 'mode' || operation === 'owner' || operation === 'xattr' || operation === 'times')
    return false;
  // It is the program's alone: what stands for the session stands for every program in it.
  if (effects.some(({ tags }) => tags.includes('own-use'))) return false;
  return !policy.rules.some((rule) => {
    const { match } = rule;
    if (rule.class === 'allow' || match.programs !== undefined || !speaksToGuard(rule)) return false;
    const fitting = effects.some(
      ({ kind, object }) =>
        (match.effects?.includes(kind) ?? true) &&
        (match.labels?.some((label) => object.labels.includes(label)) ?? true),
    );
    if (!fitting) return false;
    if (match.tags === undefined) return readsContext(rule);
    return match.tags.some((tag) => HOW.has(tag));
  });
}

/** In the folders of tools: what every later use of the tool runs, or is told by. */
const STEERING: readonly string[] = [
  ...['.gradle/init.d/', '.gradle/init.gradle', '.gradle/init.gradle.kts', '.gradle/gradle.properties'],
  ...[
    '.sbt/0.13/global.sbt',
    '.sbt/1.0/global.sbt',
    '.sbt/1.0/plugins/',
    '.sbt/repositories',
    '.sbt/sbtopts',
  ],
  ...['.stack/config.yaml', '.stack/hooks/', '.julia/config/', '.ccache/ccache.conf', '.conan2/profiles/'],
  ...['.conan2/extensions/', '.copilot/config.json', '.copilot/mcp-config.json', '.m2/extensions.xml'],
  ...['.config/opencode/plugin/', '.config/opencode/plugins/'],
];

const patternsOf = new Map<string, readonly string[]>();

/** Whether every change of this path is judged by its content afterwards: a `late` row speaks of it. */
export function isJudgedByContent(path: string, home: string): boolean {
  const patterns = patternsOf.get(home) ?? latePatterns(home);
  patternsOf.set(home, patterns);
  return patterns.some((pattern) => {
    if (!pattern.startsWith('*/'))
      return path === pattern || path.startsWith(pattern.endsWith('/') ? pattern : `${pattern}/`);
    const tail = pattern.slice(1);
    return tail.endsWith('/') ? path.includes(tail) : path.endsWith(tail);
  });
}

/** Tags that tell two changes of one object apart. */
const HOW: ReadonlySet<string> = new Set(['create', 'truncate', 'append', 'link', 'replace']);

function versions(stem: string, from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => `${stem}${from + at}`);
}

/** A rule without any test but on the surface is about every program there is. */
function isAboutAnyStart(rule: Rule): boolean {
  const { match } = rule;
  return (
    rule.class !== 'allow' &&
    !isAboutCarried(rule) &&
    match.programs === undefined &&
    match.effects === undefined &&
    match.labels === undefined &&
    match.tags === undefined &&
    (match.surfaces?.includes('guard') ?? true) &&
    (match.tools?.includes('shell') ?? true) &&
    (match.operations?.includes('exec') ?? true)
  );
}

function speaksToGuard(rule: Rule): boolean {
  const { match } = rule;
  const mine = ['file', 'network'];
  return (
    !isAboutCarried(rule) &&
    (match.surfaces?.includes('guard') ?? true) &&
    (match.tools?.some((tool) => mine.includes(tool)) ?? true)
  );
}

function triggersFrom(entries: readonly PathEntry[], own: readonly string[]): readonly string[] {
  const triggers = new Set<string>(own);
  const add = (text: string) => {
    if (text.length >= MIN_TRIGGER) triggers.add(text);
  };
  for (const entry of entries) {
    if (!entry.labels.some((label) => TRIGGERING.has(label))) continue;
    for (const name of entry.named) add(longest(name));
    for (const folder of entry.folder) add(folder);
    for (const path of [...entry.under, ...entry.exact])
      if (!OTHER_PLATFORM.test(path)) add(longest(path.startsWith('~/') ? path.slice(2) : path));
  }
  // What contains another trigger adds nothing to it.
  const sorted = [...triggers].sort((a, b) => a.length - b.length);
  return sorted.filter((text, at) => !sorted.slice(0, at).some((shorter) => text.includes(shorter))).sort();
}

/** The longest stretch of a pattern that is certain. */
function longest(pattern: string): string {
  return pattern.split('*').reduce((best, part) => (part.length > best.length ? part : best), '');
}

function rowsFrom(
  terms: TableTerms,
  entries: readonly PathEntry[],
  places: readonly string[],
): readonly FileRow[] {
  const all = (verdict: FileRow['verdict'], pattern: string): FileRow => ({
    operations: 'wdcm',
    verdict,
    pattern,
  });
  const rows: FileRow[] = terms.own.map((folder) => all('deny', folder));
  // Its directory is below one of ours, but what listens there is only connected to.
  const late = latePatterns(terms.home).map(
    (pattern): FileRow => ({ operations: 'wdc', verdict: 'late', pattern }),
  );
  const inFolders = late.filter(({ pattern }) => pattern.slice(2).includes('/'));
  // A link in the place of such a folder: `l`, for folders themselves come and go.
  for (const pattern of lateFolderPatterns()) rows.push({ operations: 'l', verdict: 'late', pattern });
  rows.push(...inFolders);
  const asked = askedNames(terms, entries, places);
  // Thousands of installed packages bring a manifest each; they run when they are imported, with or without it.
  for (const place of places) rows.push(all('allow', `${place === '/' ? '' : place}/node_modules`));
  rows.push(...late.filter((row) => !inFolders.includes(row)), ...asked);
  for (const pattern of STEERING) rows.push({ operations: 'wdc', verdict: 'ask', pattern: `*/${pattern}` });
  const generic = genericOperations(terms, places);
  for (const place of places) {
    if (generic !== '') rows.push({ operations: generic, verdict: 'ask', pattern: place });
    rows.push(all('allow', place));
  }
  return rows;
}

/** Names and folders inside the session's own places that policy would not simply let be changed. */
function askedNames(
  terms: TableTerms,
  entries: readonly PathEntry[],
  places: readonly string[],
): readonly FileRow[] {
  const [place] = places;
  if (place === undefined) return [];
  const restricting = terms.policy.rules.filter(
    (rule) => rule.class !== 'allow' && rule.match.programs === undefined && speaksToGuard(rule),
  );
  const named = new Set(restricting.flatMap(({ match }) => [...(match.labels ?? []), ...(match.tags ?? [])]));
  const contextual = new Set(
    restricting.flatMap((rule) => (readsContext(rule) ? (rule.match.labels ?? []) : [])),
  );
  const rows = new Map<string, FileRow>();
  const ask = (entry: PathEntry, name: string, pattern: string) => {
    const always = entry.labels.some((label) => contextual.has(label));
    const operations = PROBES.filter(
      ([, probes]) => always || probes.some((operation) => !terms.allows(operation, `${place}/x/${name}`)),
    )
      .map(([letter]) => letter)
      .join('');
    if (operations !== '') rows.set(pattern, { operations, verdict: 'ask', pattern });
  };
  for (const entry of entries) {
    if (!entry.labels.some((label) => named.has(label))) continue;
    // The guard's rows know no patterns inside a name: those are judged where a program is started with them.
    for (const name of entry.named) if (!name.includes('*')) ask(entry, name, `*/${name}`);
    for (const folder of entry.folder) ask(entry, `${folder}/x`, `*/${folder}/`);
  }
  return [...rows.values()];
}

/** Classes of change that policy would not simply allow to any file of the session's own places. */
function genericOperations(terms: TableTerms, places: readonly string[]): string {
  const [place] = places;
  if (place === undefined) return '';
  const contextual = terms.policy.rules.some(
    (rule) =>
      rule.class !== 'allow' &&
      rule.match.programs === undefined &&
      (rule.match.labels === undefined || rule.match.labels.includes('workspace')) &&
      rule.match.tags === undefined &&
      speaksToGuard(rule) &&
      readsContext(rule) &&
      (rule.match.effects?.some((kind) => ['write', 'delete', 'move', 'permission'].includes(kind)) ?? true),
  );
  return PROBES.filter(
    ([, probes]) => contextual || probes.some((operation) => !terms.allows(operation, `${place}/x/ordinary`)),
  )
    .map(([letter]) => letter)
    .join('');
}
