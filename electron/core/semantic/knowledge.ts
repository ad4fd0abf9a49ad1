import type { EffectKind, ObjectKind } from '../effect.ts';
import { type HttpFamily, type HttpIndex, indexFamilies } from './http-knowledge.ts';
import { indexPaths, type PathEntry, type PathIndex } from './path-index.ts';

/** Which words of a command an effect is about. */
export type Selector =
  | { readonly kind: 'operands'; readonly from: number; readonly to: number | null }
  | { readonly kind: 'value'; readonly group: string }
  | { readonly kind: 'cwd' }
  | { readonly kind: 'none' };

/** A test on one word (or any operand) of a command. */
export interface WordTest {
  readonly at: number | 'any' | { readonly value: string };
  readonly pattern: RegExp;
}

/** One thing a program does when the flags and words say so. */
export interface Deed {
  readonly effect: EffectKind;
  readonly on: Selector;
  readonly object: ObjectKind;
  /** Object name when no word gives it. */
  readonly value: string;
  readonly labels: readonly string[];
  readonly tags: readonly string[];
  /** At least one of these flag groups is given. */
  readonly with: readonly string[];
  /** All of these flag groups are given. */
  readonly withAll: readonly string[];
  /** None of these flag groups is given. */
  readonly without: readonly string[];
  readonly where: readonly WordTest[];
  readonly whereNot: readonly WordTest[];
  /** Only selected words that match become objects. */
  readonly each: RegExp | null;
  readonly operandsAtLeast: number;
  readonly operandsAtMost: number;
  readonly recursive: boolean | null;
  readonly force: boolean | null;
  readonly many: boolean;
  readonly reversible: 'yes' | 'no' | 'unknown';
}

/** Words of a `noun verb` command line whose verb says what is done. */
export interface VerbStyle {
  /** How many leading operands may hold the verb. */
  readonly depth: number;
  /** Whether `--delete` and the like are verbs too. */
  readonly flags: boolean;
  readonly object: ObjectKind;
  readonly labels: readonly string[];
}

/** How a command's arguments are read, and what they do. */
export interface Usage {
  /** Flag → group, for flags without a value. */
  readonly flags: ReadonlyMap<string, string>;
  /** Flag → group, for flags that take one. */
  readonly values: ReadonlyMap<string, string>;
  readonly does: readonly Deed[];
}

/** What is known of one program. */
export interface Program extends Usage {
  /** `-name` is one flag, never a cluster of letters. */
  readonly dashWords: boolean;
  /** Operands of the form `key=value` are values of the group `key`. */
  readonly keyed: boolean;
  /** Options end at the first operand. */
  readonly strictOrder: boolean;
  readonly subcommands: ReadonlyMap<string, Usage>;
  /** Longest subcommand, in words. */
  readonly depth: number;
  readonly verbs: VerbStyle | null;
  /** Named analyses that words alone cannot express: `find`, `sql`, `kill`, `chmod` … */
  readonly analyses: readonly string[];
}

/** What a verb of a `noun verb` program does. */
export interface VerbMeaning {
  readonly effect: EffectKind;
  readonly tags: readonly string[];
}

/** What a call in a program text does: `os.remove("/etc/passwd")`. */
export interface CallMeaning {
  readonly name: string;
  readonly languages: readonly string[];
  readonly effect: EffectKind | null;
  /** Its first literal is a shell command line (or a list of words). */
  readonly shell: boolean;
  readonly argument: number;
  readonly object: ObjectKind;
  readonly recursive: boolean;
  readonly labels: readonly string[];
  readonly tags: readonly string[];
  /** Only when the call's arguments match (file modes, HTTP methods). */
  readonly arguments: RegExp | null;
}

/** Everything the product knows of programs, paths, hosts and services; parsed once from resources/knowledge. */
export interface Knowledge {
  readonly programs: ReadonlyMap<string, Program>;
  readonly verbs: ReadonlyMap<string, VerbMeaning>;
  readonly calls: ReadonlyMap<string, readonly CallMeaning[]>;
  readonly paths: PathIndex;
  /** Service, process and host names → labels; a key ending in `*` covers a prefix. */
  readonly services: NameTable;
  readonly hosts: NameTable;
  readonly packages: NameTable;
  /** What requests to services mean. */
  readonly http: HttpIndex;
}

export interface NameTable {
  readonly exact: ReadonlyMap<string, readonly string[]>;
  readonly prefixes: readonly (readonly [string, readonly string[]])[];
  readonly suffixes: readonly (readonly [string, readonly string[]])[];
}

/** The parsed content of all knowledge files together, before it is indexed. */
export interface KnowledgeParts {
  readonly programs: readonly (readonly [string, Program])[];
  readonly verbs: readonly (readonly [string, VerbMeaning])[];
  readonly calls: readonly CallMeaning[];
  readonly paths: readonly PathEntry[];
  readonly services: readonly (readonly [string, readonly string[]])[];
  readonly hosts: readonly (readonly [string, readonly string[]])[];
  readonly packages: readonly (readonly [string, readonly string[]])[];
  readonly http: readonly HttpFamily[];
}

/** Builds the lookup structures once, so that judging one action costs a few map reads. */
export function indexKnowledge(parts: KnowledgeParts): Knowledge {
  const calls = new Map<string, CallMeaning[]>();
  for (const call of parts.calls) {
    const last = call.name.slice(call.name.lastIndexOf('.') + 1);
    const list = calls.get(last);
    if (list === undefined) calls.set(last, [call]);
    else list.push(call);
  }
  return {
    programs: new Map(parts.programs),
    verbs: new Map(parts.verbs),
    calls,
    paths: indexPaths(parts.paths),
    services: nameTable(parts.services),
    hosts: nameTable(parts.hosts),
    packages: nameTable(parts.packages),
    http: indexFamilies(parts.http),
  };
}

function nameTable(rows: readonly (readonly [string, readonly string[]])[]): NameTable {
  const exact = new Map<string, readonly string[]>();
  const prefixes: (readonly [string, readonly string[]])[] = [];
  const suffixes: (readonly [string, readonly string[]])[] = [];
  for (const [name, labels] of rows) {
    if (name.endsWith('*')) prefixes.push([name.slice(0, -1), labels]);
    else if (name.startsWith('*')) suffixes.push([name.slice(1), labels]);
    else exact.set(name, [...(exact.get(name) ?? []), ...labels]);
  }
  return { exact, prefixes, suffixes };
}

/** Labels of a service, process, host or package name; empty when nothing is known of it. */
export function labelsOfName(table: NameTable, name: string): readonly string[] {
  const key = name.toLowerCase();
  const found = table.exact.get(key);
  if (found !== undefined) return found;
  for (const [prefix, labels] of table.prefixes) if (key.startsWith(prefix)) return labels;
  for (const [suffix, labels] of table.suffixes) if (key.endsWith(suffix)) return labels;
  return NONE;
}

const NONE: readonly string[] = [];
