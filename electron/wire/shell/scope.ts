import type { Function as FunctionNode } from 'unbash';
import { UNKNOWN_TEXT } from '../../core/command.ts';

/**
 * What a shell knows at one point of a script. Scopes form a chain: a branch writes into its own, and `merge` brings back
 * only what all branches agree on, so that what we claim to know holds on every path (AARM R3.k).
 */
export interface Scope {
  readonly parent: Scope | null;
  /** True for another process: of what lies beyond, only the exported is seen. */
  readonly boundary: boolean;
  readonly surroundings: Surroundings;
  readonly variables: Map<string, Value>;
  readonly functions: Map<string, ShellFunction>;
  readonly aliases: Map<string, string>;
  /** True when anything outside `variables` may have been changed by code that nobody can see. */
  forgotten: boolean;
  /** `$0`, `$1` …; null when unknown. */
  positional: readonly Value[] | null;
  /** Directories the next command may run in; empty when unknown. */
  directories: readonly string[];
  /** The same if the last command succeeded, or failed: `cd x` is where they differ. */
  succeeded: readonly string[];
  failed: readonly string[];
  previous: readonly string[];
  /** True after `exit`, `return`, `exec`: no later command of this path runs. */
  ended: boolean;
  errexit: boolean;
  allexport: boolean;
}

/** What does not change while a script runs. */
export interface Surroundings {
  readonly dialect: 'bash' | 'sh' | 'zsh' | 'unknown';
  readonly home: string | null;
  readonly variables: Readonly<Record<string, string>>;
  /** True when every one of `variables` is known to be in the environment of child processes. */
  readonly exported: boolean;
}

export interface Value {
  /** Best known text, unknown stretches as U+FFFC. */
  readonly text: string;
  /** True when it stands for many values (a glob's matches). */
  readonly many: boolean;
  /** The command whose output it is, or -1. */
  readonly from: number;
  /** Elements of an array. */
  readonly items: readonly Value[] | null;
  readonly exported: boolean;
  /** False when the variable is known not to exist. */
  readonly set: boolean;
}

export interface ShellFunction {
  readonly node: FunctionNode;
  /** As the frame's `offset` where it was defined. */
  readonly offset: number | null;
  /** True when another definition, or none, may be in force. */
  readonly uncertain: boolean;
  /** Mutable: whether some command called it. */
  readonly use: { called: boolean };
}

export const UNKNOWN_VALUE: Value = {
  text: UNKNOWN_TEXT,
  many: false,
  from: -1,
  items: null,
  exported: false,
  set: true,
};
export const UNSET_VALUE: Value = {
  text: '',
  many: false,
  from: -1,
  items: null,
  exported: false,
  set: false,
};
const DEFAULT_IFS: Value = { ...UNKNOWN_VALUE, text: ' \t\n' };

/** Changed by the shell itself whatever was assigned. */
const VOLATILE = new Set([
  'RANDOM',
  'SECONDS',
  'LINENO',
  'EPOCHSECONDS',
  'EPOCHREALTIME',
  'SRANDOM',
  'BASHPID',
  'BASH_COMMAND',
  'HISTCMD',
  'FUNCNAME',
  'DIRSTACK',
  'PIPESTATUS',
  'GROUPS',
  'BASH_ARGV',
  'BASH_ARGC',
  'BASH_LINENO',
  'BASH_SUBSHELL',
  '_',
  'REPLY',
  'OPTARG',
  'OPTIND',
]);

/** Always in the environment of whatever a person or agent starts. */
const USUALLY_EXPORTED = new Set([
  'HOME',
  'PATH',
  'USER',
  'LOGNAME',
  'SHELL',
  'PWD',
  'TMPDIR',
  'LANG',
  'TERM',
]);

/** A known value. */
export function textValue(text: string, exported = false): Value {
  return { text, many: false, from: -1, items: null, exported, set: true };
}

/** The scope at the start of a script. */
export function rootScope(
  surroundings: Surroundings,
  cwd: string | null,
  positional: readonly Value[] | null,
): Scope {
  const directories = cwd === null ? [] : [cwd];
  return {
    parent: null,
    boundary: false,
    surroundings,
    variables: new Map(),
    functions: new Map(),
    aliases: new Map(),
    forgotten: false,
    positional,
    directories,
    succeeded: directories,
    failed: directories,
    previous: [],
    ended: false,
    errexit: false,
    allexport: false,
  };
}

/** A branch or subshell: sees everything, changes nothing outside itself until merged. */
export function fork(scope: Scope): Scope {
  return {
    ...scope,
    parent: scope,
    boundary: false,
    variables: new Map(),
    functions: new Map(),
    aliases: new Map(),
    forgotten: false,
    ended: false,
  };
}

/** The value of a variable here; `UNKNOWN_VALUE` when it cannot be known. */
export function lookUp(scope: Scope, name: string): Value {
  if (VOLATILE.has(name)) return UNKNOWN_VALUE;
  let inherited = false;
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const value = at.variables.get(name);
    if (value !== undefined) return inherited && !value.exported ? UNKNOWN_VALUE : value;
    if (at.forgotten) return UNKNOWN_VALUE;
    inherited ||= at.boundary;
  }
  const { variables, home, exported } = scope.surroundings;
  if (name === 'PWD') return directoryValue(scope.directories);
  if (name === 'OLDPWD') return directoryValue(scope.previous);
  if (name === 'IFS' && !Object.hasOwn(variables, 'IFS')) return DEFAULT_IFS;
  if (name === 'HOME' && home !== null) return textValue(home, true);
  if (!Object.hasOwn(variables, name)) return UNKNOWN_VALUE;
  const passed = exported || USUALLY_EXPORTED.has(name);
  return inherited && !passed ? UNKNOWN_VALUE : textValue(variables[name] ?? '', passed);
}

function directoryValue(directories: readonly string[]): Value {
  const [only] = directories;
  return directories.length === 1 && only !== undefined ? textValue(only, true) : UNKNOWN_VALUE;
}

/** Gives a variable a value in this scope. */
export function assign(scope: Scope, name: string, value: Value): void {
  const exported = value.exported || scope.allexport || lookUp(scope, name).exported;
  scope.variables.set(name, exported === value.exported ? value : { ...value, exported });
}

/** Makes every variable unknown, after code that nobody can see ran in this shell. */
export function forget(scope: Scope): void {
  scope.variables.clear();
  scope.forgotten = true;
}

/** The function a name stands for, or null. */
export function findFunction(scope: Scope, name: string): ShellFunction | null {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const found = at.functions.get(name);
    if (found !== undefined) return found;
    if (at.boundary) return null;
  }
  return null;
}

/** The text of an alias, or null. */
export function findAlias(scope: Scope, name: string): string | null {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const found = at.aliases.get(name);
    if (found !== undefined) return found;
    if (at.boundary) return null;
  }
  return null;
}

/**
 * Brings the outcomes of branches back into the scope they were forked from. INVARIANT (no guess): a variable stays known only
 * when every path that goes on agrees; `mayPass` says that taking none of the branches is also a path.
 */
export function merge(scope: Scope, branches: readonly Scope[], mayPass: boolean): void {
  const live = branches.filter((branch) => !branch.ended);
  if (live.length === 0 && !mayPass) {
    scope.ended = true;
    for (const branch of branches) keepFunctions(scope, branch);
    return;
  }
  const names = new Set<string>();
  for (const branch of live) for (const name of branch.variables.keys()) names.add(name);
  if (live.some((branch) => branch.forgotten)) forget(scope);
  const merged = new Map<string, Value>();
  for (const name of names) {
    const before = lookUp(scope, name);
    let agreed: Value | null = mayPass ? before : null;
    for (const branch of live) {
      const value = branch.variables.get(name) ?? (branch.forgotten ? UNKNOWN_VALUE : before);
      agreed = agreed === null || sameValue(agreed, value) ? value : UNKNOWN_VALUE;
      if (agreed === UNKNOWN_VALUE) break;
    }
    merged.set(name, agreed ?? UNKNOWN_VALUE);
  }
  for (const [name, value] of merged) scope.variables.set(name, value);
  let directories: readonly string[] | null = mayPass ? scope.directories : null;
  for (const branch of live) {
    directories = directories === null ? branch.directories : either(directories, branch.directories);
    if (branch.positional !== scope.positional) scope.positional = null;
    scope.errexit &&= branch.errexit;
  }
  for (const branch of branches) keepFunctions(scope, branch);
  stay(scope, directories ?? []);
}

function keepFunctions(scope: Scope, branch: Scope): void {
  for (const [name, value] of branch.functions) scope.functions.set(name, { ...value, uncertain: true });
  for (const [name, text] of branch.aliases) scope.aliases.set(name, text);
}

/** Takes over everything a fork did, when it certainly ran. */
export function adopt(scope: Scope, branch: Scope): void {
  if (branch.forgotten) forget(scope);
  for (const [name, value] of branch.variables) scope.variables.set(name, value);
  for (const [name, value] of branch.functions) scope.functions.set(name, value);
  for (const [name, text] of branch.aliases) scope.aliases.set(name, text);
  scope.directories = branch.directories;
  scope.succeeded = branch.succeeded;
  scope.failed = branch.failed;
  scope.previous = branch.previous;
  scope.positional = branch.positional;
  scope.errexit = branch.errexit;
  scope.allexport = branch.allexport;
  scope.ended = branch.ended;
}

function sameValue(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (a.text.includes(UNKNOWN_TEXT) || a.text !== b.text || a.many !== b.many || a.set !== b.set)
    return false;
  if (a.exported !== b.exported) return false;
  if (a.items === null || b.items === null) return a.items === b.items;
  const others = b.items;
  return (
    a.items.length === others.length &&
    a.items.every((item, i) => sameValue(item, others[i] ?? UNKNOWN_VALUE))
  );
}

const MAX_DIRECTORIES = 8;

/** The directories possible when either set is; unknown (empty) wins. */
export function either(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a === b) return a;
  if (a.length === 0 || b.length === 0) return [];
  const both = [...new Set([...a, ...b])];
  return both.length > MAX_DIRECTORIES ? [] : both;
}

/** Records that the last command left the shell in these directories whether or not it succeeded. */
export function stay(scope: Scope, directories: readonly string[]): void {
  scope.directories = directories;
  scope.succeeded = directories;
  scope.failed = directories;
}

/**
 * The scope of a child shell: `child` sees what is exported, `other` (`sudo`, `env -i`) shares only the directory,
 * `away` (`ssh`, a container) nothing.
 */
export function childScope(
  scope: Scope,
  positional: readonly Value[] | null,
  distance: 'child' | 'other' | 'away',
): Scope {
  if (distance === 'child')
    return { ...fork(scope), boundary: true, positional, errexit: false, allexport: false };
  const { dialect } = scope.surroundings;
  const child = rootScope({ dialect, home: null, variables: {}, exported: true }, null, positional);
  if (distance === 'other') stay(child, scope.directories);
  return child;
}
