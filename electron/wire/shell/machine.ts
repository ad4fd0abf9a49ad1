import type { Function as FunctionNode, ParsedScript } from 'unbash';
import { type Command, type Redirect, UNKNOWN_TEXT, type Word, type Wrapper } from '../../core/command.ts';
import { programOf } from './program.ts';
import type { Scope, Value } from './scope.ts';

/** Why a command line is refused rather than read. */
export type ShellFault = {
  readonly code: 'too_long' | 'nul' | 'invalid_utf8' | 'too_deep' | 'too_many';
  readonly message: string;
};

/** A command while its neighbours in the pipeline are still being found. */
export type Draft = { -readonly [K in keyof Command]: Command[K] };

export type Origin = Command['origin'];
export type Code = NonNullable<Command['code']>;

/** What a command is known to print; `known` is false when the text is only part of the truth. Null: nothing is known. */
export interface Text {
  readonly text: string;
  readonly known: boolean;
}
export type Output = Text | null;

export const NO_OUTPUT: Text = { text: '', known: true };

/** Standard input: the terminal or whatever the caller had, a text, a pipe, a file. */
export type Input =
  | { readonly kind: 'inherited' }
  | { readonly kind: 'text'; readonly text: Text; readonly from: number | null }
  | { readonly kind: 'pipe'; readonly from: number | null }
  | { readonly kind: 'file' };

export const INHERITED: Input = { kind: 'inherited' };

/** One reading of one command line: what was found so far, and what it may still cost. */
export interface Machine {
  readonly commands: Draft[];
  readonly gaps: Set<string>;
  /** The substitution whose output a word is, by word. */
  readonly sources: WeakMap<Word, number>;
  /** Commands in `>(…)`, waiting to know the command that writes to them. */
  readonly feeds: Draft[];
  /** What `<(…)` is known to hold, by the command that writes it. */
  readonly contents: Map<number, string>;
  /** What `export A=b` gives, by its word. */
  readonly declared: WeakMap<Word, Value>;
  aliased: boolean;
  /** True when a function may have been undone under a name that we could not read. */
  unfunctioned: boolean;
  /** What the functions being read declared `local`, innermost last. */
  readonly locals: Set<string>[];
  /** How many loops are around, within the function being read. */
  loops: number;
  /** True when the function being read met a `return`. */
  returned: boolean;
  /** Every function definition, to read at the end the ones that nothing called. */
  readonly definitions: Definition[];
  readonly functionNames: Set<string>;
  /** How many times the commands here are read because of loops around. */
  unrolled: number;
  /** Names of the functions being walked, innermost last. */
  readonly calls: string[];
  fault: ShellFault | null;
  steps: number;
  characters: number;
  depth: number;
  /** How many scripts inside scripts. */
  nesting: number;
  readonly run: Runner;
}

export interface Definition {
  readonly name: string;
  readonly node: FunctionNode;
  readonly use: { called: boolean };
  readonly frame: Frame;
}

/** The parts of the reader that need one another, tied together once in `normalize.ts`. */
export interface Runner {
  readonly script: (m: Machine, f: Frame, script: ParsedScript) => Output;
  readonly code: (m: Machine, f: Frame, text: string) => Output;
  readonly call: (m: Machine, f: Frame, call: Call) => Output;
  readonly program: (m: Machine, f: Frame, call: Call) => Output;
  /** A program with no regard to builtins: what a wrapper process starts. */
  readonly process: (m: Machine, f: Frame, call: Call) => Output;
}

/** Where in the script we are. Frames are never changed, the scope in them is. */
export interface Frame {
  readonly scope: Scope;
  readonly via: readonly Wrapper[];
  readonly origin: Origin;
  /** What to add to a node's position, or null when the code is not part of the command line. */
  readonly offset: number | null;
  readonly input: Input;
  /** Redirects of the groups around. */
  readonly redirects: readonly Redirect[];
  /** Collects the commands of the pipeline stage being read. */
  readonly stage: Draft[] | null;
  /** True when the caller uses the output, so that it is worth working out. */
  readonly wanted: boolean;
  /** True inside a condition or list, where `set -e` does not end the shell. */
  readonly guarded: boolean;
}

/** A simple command whose words are expanded. */
export interface Call {
  readonly words: readonly Word[];
  readonly assignments: Command['assignments'];
  readonly redirects: readonly Redirect[];
  readonly span: Command['span'];
}

const MAX_COMMANDS = 10_000;
const MAX_STEPS = 400_000;
const MAX_CHARACTERS = 8_388_608;
export const MAX_DEPTH = 400;
export const MAX_TEXT = 65_536;

/** Counts work; false when the line costs more than any honest one, and `fault` says so. */
export function spend(m: Machine, steps: number, characters = 0): boolean {
  m.steps += steps;
  m.characters += characters;
  if (m.fault !== null) return false;
  if (m.steps > MAX_STEPS) refuse(m, 'too_many', `more than ${MAX_STEPS} steps to read the command line`);
  else if (m.characters > MAX_CHARACTERS)
    refuse(m, 'too_many', `expansions produce more than ${MAX_CHARACTERS} characters`);
  return m.fault === null;
}

/** Sets the fault, the first one staying. */
export function refuse(m: Machine, code: ShellFault['code'], message: string): void {
  m.fault ??= { code, message };
}

/** Notes something that could not be understood; bounded, because the line is hostile. */
export function note(m: Machine, gap: string): void {
  if (m.gaps.size < 64) m.gaps.add(gap);
}

/** Adds a command as it will run. */
export function emit(m: Machine, f: Frame, call: Call, code: Code | null): Draft {
  const index = m.commands.length;
  const name = call.words[0] ?? NO_NAME;
  const { directories } = f.scope;
  const draft: Draft = {
    index,
    program: call.words.length === 0 ? ':' : programIn(name),
    name,
    args: call.words.slice(1),
    redirects: f.redirects.length === 0 ? call.redirects : [...f.redirects, ...call.redirects],
    assignments: call.assignments,
    via: f.via,
    cwd: directories.length === 1 ? (directories[0] ?? null) : null,
    pipedFrom: f.input.kind === 'pipe' || f.input.kind === 'text' ? f.input.from : null,
    pipedTo: null,
    origin: f.origin,
    code,
    span: call.span,
  };
  if (directories.length > 1) draft.cwdCandidates = directories;
  m.commands.push(draft);
  if (index >= MAX_COMMANDS) refuse(m, 'too_many', `more than ${MAX_COMMANDS} commands`);
  f.stage?.push(draft);
  return draft;
}

/** The program a word names, `''` when that is unknown: `/???/rm` and `"$DIR"/rm` are still `rm`, `$DIR/rm` may be several words. */
export function programIn(name: Word): string {
  if (name.known && !name.glob) return programOf(name.text);
  const base = name.text.slice(name.text.lastIndexOf('/') + 1);
  if (base === name.text || base === '' || base.includes(UNKNOWN_TEXT) || /[*?[\](){}]/.test(base)) return '';
  // An unknown stretch that is not quoted may hold spaces, so that another word is the program.
  if (!name.known && /[$`]/.test(name.raw.replace(/"(?:[^"\\`]|\\.)*"/gs, ''))) return '';
  return programOf(base);
}

const NO_NAME: Word = { text: '', raw: '', known: true, glob: false };

/** The same frame one wrapper further in. */
export function through(f: Frame, program: string, detail: string, place: Wrapper['place']): Frame {
  return { ...f, via: [...f.via, { program, detail, place }] };
}
