import { UNKNOWN_TEXT } from '../command.ts';
import { collectLabels, collectNameLabels, type PathIndex } from './path-index.ts';

/** Where an action happens: what `~`, `.` and "the workspace" mean for it. Absolute paths without a trailing slash. */
export interface Place {
  readonly cwd: string | null;
  readonly home: string;
  readonly workspace: string | null;
  readonly user: string;
}

/** A path after everything that can be said about it without looking at a disk. */
export interface SeenPath {
  /** Canonical absolute path, or the best known pattern. */
  readonly value: string;
  readonly known: boolean;
  /** True when a pattern makes it many files. */
  readonly many: boolean;
  readonly labels: readonly string[];
}

const GLOB = /[*?[{]/;
/** The kernels' own names for disks, partitions and mapped volumes. */
export const BLOCK_DEVICE =
  /^\/dev\/(?:[shv]d[a-z*?X[]|xvd[a-z]|nvme|mmcblk|r?disk[\ds/]|md\d|dm-|mapper\/|block\/|ada\d|da\d|zd\d|ubi\d|mtdblock|nbd\d)/;
/** Dot files below a folder for temporary files, where nobody looks. */
export const HIDDEN =
  /^\/(?:var\/tmp|tmp|dev\/shm)\/(?:[^/]*\/)*\.(?!X11|XIM|ICE|font|Test|git|cache|config|local|npm|venv|env)[^/.]/;
/** A program that looks like a document, or like another program: `report.pdf.sh`, `init `. */
export const MASQUERADE =
  /\.(?:pdf|docx?|xlsx?|pptx?|jpe?g|png|gif|txt|csv|mp[34])\.(?:sh|exe|py|pl|rb|command|scpt|bat|cmd|js|app|desktop)$|^\S*[^\s/] +(?:\/|$)|\/\.{3,}\//;
const HOMES = /^\/(?:home|Users|export\/home|usr\/home)\/[^/]+(?=\/|$)/;
/** Ways in which the kernel lets the same file be named differently: a hostile spelling of `/etc/shadow`. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/^\/proc\/(?:self|\d+|thread-self|\uFFFC)\/root(?=\/|$)/, ''],
  [/^\/private(?=\/(?:etc|var|tmp)(?:\/|$))/, ''],
  [/^\/System\/Volumes\/Data(?=\/)/, ''],
  [/^\/var\/run(?=\/|$)/, '/run'],
  [/^\/usr\/home(?=\/)/, '/home'],
];

/**
 * Canonicalizes a path as the shell would open it from `place` and says what kind of place it is
 * (labels in docs/vocabulary.md). Symbolic links are not followed: that is the kernel guard's part.
 */
export function seePath(text: string, globbing: boolean, place: Place, index: PathIndex): SeenPath {
  const absolute = canonicalPath(text, place);
  const glob = globbing && GLOB.test(absolute);
  const labels = new Set<string>();
  if (absolute.startsWith(UNKNOWN_TEXT) || !absolute.startsWith('/')) {
    const names = absolute.split('/').filter(isNamed);
    labels.add('unknown');
    collectNameLabels(index, names, labels);
    if (names.includes('countersign')) labels.add('self');
    return { value: absolute, known: false, many: glob, labels: [...labels] };
  }
  const unknownAt = absolute.indexOf(UNKNOWN_TEXT);
  // `/proc/$pid/mem`, `/home/$user/.ssh/id_rsa`: the segment nobody knows may be any, the others still tell.
  // So do `~/.ssh/id_*` and `/proc/*/environ`.
  if (glob || unknownAt >= 0) {
    collectLabels(index, absolute.slice(1).split('/'), 'absolute', labels);
    addHome(absolute, place, index, labels, false);
  }
  let solid = glob ? beforePattern(absolute, GLOB) : absolute;
  if (unknownAt >= 0) {
    labels.add('unknown-part');
    if (solid.includes(UNKNOWN_TEXT)) solid = beforePattern(solid, /\uFFFC/);
    // `/$X` and `~/$X` are the whole tree when X is empty or `.`: an unknown tail right below a root is not "inside".
    if (solid === '/' || solid === place.home) labels.add('unknown');
  }
  // `dir/*` is all that `dir` holds; `dir/*.o` and `dir/a*` are some of it.
  const rest = absolute.slice(solid === '/' ? 1 : solid.length + 1);
  const whole =
    glob && /^(?:\*|\.\*|\{\*,\.\*\}|\.\[[^\]]*\]\*|\*\*|\*\/\*|\*\*\/\*|\.\?\?\*|\?\*)$/.test(rest);
  if (!glob && unknownAt < 0) addLabels(absolute, place, index, labels, true);
  else {
    addLabels(solid, place, index, labels, whole);
    if (!whole) {
      addInsideLabels(solid, absolute, index, labels);
      labels.delete('top-level');
      labels.delete('essential-tree');
    } else labels.add('whole-content');
  }
  // A known folder with an unknown tail is a pattern, like `dir/*`: what lies there is known as far as rules care.
  const bounded = unknownAt < 0 || !labels.has('unknown');
  return { value: absolute, known: bounded, many: glob || unknownAt >= 0, labels: [...labels] };
}

/** Absolute path with `~`, `.`, `..`, doubled slashes and kernel aliases folded; text with unknown stretches stays partly unknown. */
export function canonicalPath(text: string, place: Place): string {
  let path = text.startsWith('file://') ? text.slice(7) : text;
  if (path === '~' || path.startsWith('~/')) path = place.home + path.slice(1);
  else if (path.startsWith('~') && !path.includes(UNKNOWN_TEXT)) {
    const slash = path.indexOf('/');
    const user = path.slice(1, slash < 0 ? undefined : slash);
    if (user === '+') path = `${place.cwd ?? UNKNOWN_TEXT}${slash < 0 ? '' : path.slice(slash)}`;
    else if (/^[a-z_][\w-]*$/i.test(user))
      path = (user === 'root' ? '/root' : homeOf(user, place)) + (slash < 0 ? '' : path.slice(slash));
  }
  if (!path.startsWith('/')) {
    if (path.startsWith(UNKNOWN_TEXT)) return path;
    if (place.cwd === null) return `${UNKNOWN_TEXT}/${path}`;
    path = `${place.cwd}/${path}`;
  }
  return unalias(fold(path), place);
}

/** True when a word has the look of a path (and not of a name, a number or a URL). */
export function looksLikePath(text: string): boolean {
  if (text.includes('://')) return text.startsWith('file://');
  return /^(?:~|\.{0,2}\/|\.\.?$|\.[a-zA-Z])/.test(text) || /^[\w.@+-]+\//.test(text);
}

function homeOf(user: string, place: Place): string {
  if (user === place.user) return place.home;
  return place.home.startsWith('/Users/') ? `/Users/${user}` : `/home/${user}`;
}

function fold(path: string): string {
  if (!/\/\/|\/\.{1,2}(?:\/|$)|\/$/.test(path)) return path;
  const out: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') out.push(segment);
    else if (out[out.length - 1]?.includes(UNKNOWN_TEXT)) return `${UNKNOWN_TEXT}/${out.length}`;
    else out.pop();
  }
  return `/${out.join('/')}`;
}

function unalias(path: string, place: Place): string {
  if (path.startsWith('/proc/self/cwd')) return `${place.cwd ?? UNKNOWN_TEXT}${path.slice(14)}`;
  for (const [pattern, with_] of ALIASES)
    if (pattern.test(path)) return unalias(path.replace(pattern, with_) || '/', place);
  return path;
}

function beforePattern(path: string, pattern: RegExp): string {
  const segments = path.split('/');
  const first = segments.findIndex((segment) => pattern.test(segment));
  return first <= 1 ? '/' : segments.slice(0, first).join('/');
}

function isNamed(segment: string): boolean {
  return segment !== '' && segment !== UNKNOWN_TEXT;
}

/** `whole`: the object is the folder itself (or all of its content), so that wiping it wipes a root. */
function addLabels(path: string, place: Place, index: PathIndex, into: Set<string>, whole: boolean): void {
  const segments = path === '/' ? [] : path.slice(1).split('/');
  if (segments.length === 0) into.add(whole ? 'root' : 'outside');
  if (segments.length === 1 && whole) into.add('top-level');
  collectLabels(index, segments, 'absolute', into);
  addHome(path, place, index, into, whole);
  addWorkspace(path, place, into, whole);
  // Where the person's own folders lie says nothing about what is in them: a home below /tmp is a home.
  const own = [place.workspace, place.home].find(
    (folder) => folder !== null && folder !== '/' && (path === folder || path.startsWith(`${folder}/`)),
  );
  if (own) into.delete('temp');
  collectNameLabels(
    index,
    own
      ? path
          .slice(own.length + 1)
          .split('/')
          .filter(isNamed)
      : segments,
    into,
  );
  if (into.has('vcs-internal') && into.has('hooks-folder')) into.add('hooks');
  if (BLOCK_DEVICE.test(path)) into.add('block-device');
  if (into.has('temp') && HIDDEN.test(path)) into.add('hidden');
  if (MASQUERADE.test(path)) into.add('masquerade');
}

function addHome(path: string, place: Place, index: PathIndex, into: Set<string>, whole: boolean): void {
  const own = path === place.home || path.startsWith(`${place.home}/`);
  const base = own
    ? place.home
    : (HOMES.exec(path)?.[0] ?? (/^(?:\/var)?\/root(?=\/|$)/.exec(path)?.[0] || null));
  if (base === null || base === '') return;
  into.add('home');
  if (!own) into.add('other-home');
  if (path === base) {
    if (whole) into.add('home-root');
    return;
  }
  const inside = path.slice(base.length + 1).split('/');
  if (whole && inside.length === 1) into.add('home-top');
  collectLabels(index, inside, 'home', into);
}

function addWorkspace(path: string, place: Place, into: Set<string>, whole: boolean): void {
  const space = place.workspace;
  if (space === null) {
    if (!into.has('temp')) into.add('outside');
    return;
  }
  if (path === space) into.add(whole ? 'workspace-root' : 'workspace');
  if (path === space || path.startsWith(`${space}/`)) {
    into.add('workspace');
    return;
  }
  into.add('outside');
  if (whole && (path === '/' || space.startsWith(`${path}/`))) into.add('above-workspace');
}

/** For `dir/id_*` and `dir/$name`: the pattern's own names count too, wherever it may lead. */
function addInsideLabels(solid: string, pattern: string, index: PathIndex, into: Set<string>): void {
  collectNameLabels(index, pattern.slice(solid.length).split('/').filter(isNamed), into);
  if (BLOCK_DEVICE.test(pattern)) into.add('block-device');
}
