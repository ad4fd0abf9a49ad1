import { parse } from 'unbash';
import type { Command } from '../../core/command.ts';
import { err, ok, type Result } from '../../core/result.ts';
import {
  type Frame,
  INHERITED,
  type Machine,
  type Output,
  refuse,
  type ShellFault,
  spend,
  through,
} from './machine.ts';
import { resolve } from './resolve.ts';
import { forget, fork, rootScope, type Surroundings, stay } from './scope.ts';
import { runCall, runProgram } from './simple.ts';
import { runNode, runScript } from './walk.ts';
import { literalWord } from './word.ts';

export type { ShellFault } from './machine.ts';

/** A command line as a surface intercepted it. */
export interface ShellInput {
  readonly commandLine: string;
  readonly dialect: 'bash' | 'sh' | 'zsh' | 'unknown';
  readonly cwd: string | null;
  readonly home: string | null;
  /** Values of shell and environment variables that the surface knows at this moment. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What a command line will run. `gaps` says why not all of it could be understood; empty when all was. */
export interface ShellMeaning {
  readonly commands: readonly Command[];
  readonly gaps: readonly string[];
}

const MAX_LENGTH = 1_048_576;
/** Heredocs make the parser quadratic: each looks for its end in all that follows. */
const MAX_HEREDOC_WORK = 64_000_000;
const MAX_RESUMES = 16;

/** Turns a command line into the simple commands it will run (AARM R3.k). Total: any string gives a meaning or a fault. */
export function normalizeCommandLine(input: ShellInput): Result<ShellMeaning, ShellFault> {
  const fault = unreadable(input.commandLine);
  if (fault !== null) return err(fault);
  const m = newMachine();
  const f = newFrame(input, false);
  readText(m, { ...f, offset: 0 }, input.commandLine);
  return finish(m, input.commandLine.length);
}

/** Turns an exec's argument vector into the commands it will run: words are literal, wrappers are resolved (AARM R3.k). */
export function normalizeArgv(
  argv: readonly string[],
  input: Omit<ShellInput, 'commandLine'>,
): Result<ShellMeaning, ShellFault> {
  let length = 0;
  for (const word of argv) {
    length += word.length + 1;
    const fault = length > MAX_LENGTH ? tooLong(length) : unreadable(word);
    if (fault !== null) return err(fault);
  }
  const m = newMachine();
  const f = newFrame({ ...input, commandLine: '' }, true);
  const words = argv.map((word) => literalWord(word));
  if (words.length > 0) resolve(m, f, { words, assignments: [], redirects: [], span: null });
  return finish(m, 0);
}

/** The canonical text of what a mandate covers: program, arguments and redirects, nothing of how it was reached. */
export function commandDigestText(command: Command): string {
  return JSON.stringify([
    command.name.text,
    command.args.map((word) => word.text),
    command.redirects.map((redirect) => [
      redirect.operator,
      redirect.descriptor,
      redirect.target?.text ?? null,
      redirect.body?.text ?? null,
    ]),
    command.args.every((word) => word.known) && command.name.known,
  ]);
}

function tooLong(length: number): ShellFault {
  return {
    code: 'too_long',
    message: `command line of ${length} characters, at most ${MAX_LENGTH} are read`,
  };
}

function unreadable(text: string): ShellFault | null {
  if (text.length > MAX_LENGTH) return tooLong(text.length);
  const nul = text.indexOf('\0');
  if (nul >= 0) return { code: 'nul', message: `character 0 at ${nul}` };
  if (!text.isWellFormed()) return { code: 'invalid_utf8', message: 'text that is no valid unicode' };
  return null;
}

function newMachine(): Machine {
  return {
    commands: [],
    gaps: new Set(),
    sources: new WeakMap(),
    declared: new WeakMap(),
    feeds: [],
    contents: new Map(),
    definitions: [],
    functionNames: new Set(),
    calls: [],
    aliased: false,
    unfunctioned: false,
    locals: [],
    returned: false,
    loops: 0,
    unrolled: 1,
    fault: null,
    steps: 0,
    characters: 0,
    depth: 0,
    nesting: 0,
    run: RUNNER,
  };
}

function newFrame(input: ShellInput, exported: boolean): Frame {
  const surroundings: Surroundings = {
    dialect: input.dialect,
    home: input.home,
    variables: input.variables,
    exported,
  };
  return {
    scope: rootScope(surroundings, input.cwd, null),
    via: [],
    origin: 'line',
    offset: null,
    input: INHERITED,
    redirects: [],
    stage: null,
    wanted: false,
    guarded: false,
  };
}

const RUNNER: Machine['run'] = {
  script: runScript,
  code: runCode,
  call: runCall,
  program: runProgram,
  process: runProcess,
};

/** A wrapper process starts programs only: `sudo cd` changes no shell. */
function runProcess(m: Machine, f: Frame, call: Parameters<typeof resolve>[2]): Output {
  return resolve(m, f, call);
}

const MAX_NESTING = 32;

/** Reads code that was an argument, a heredoc, an `eval`: a script inside the script. */
function runCode(m: Machine, f: Frame, text: string): Output {
  if (m.nesting >= MAX_NESTING) {
    refuse(m, 'too_deep', `code inside code more than ${MAX_NESTING} deep`);
    return null;
  }
  if (!spend(m, 1, text.length)) return null;
  m.nesting += 1;
  const output = readText(m, f, text);
  m.nesting -= 1;
  return output;
}

function readText(m: Machine, f: Frame, text: string): Output {
  if (!heredocsAffordable(text)) {
    refuse(m, 'too_many', 'more heredocs than a text of this length may hold');
    return null;
  }
  let output: Output = null;
  let start = 0;
  for (let round = 0; round <= MAX_RESUMES; round++) {
    const source = start === 0 ? text : text.slice(start);
    const script = parse(source);
    output = runScript(m, f.offset === null || start === 0 ? f : { ...f, offset: f.offset + start }, script);
    const stopped = script.errors?.at(-1);
    const end = script.commands.at(-1)?.end ?? 0;
    // The parser gives up at a token that cannot stand there; what follows is read all the same.
    if (stopped === undefined || m.fault !== null || !stopped.message.startsWith('unexpected token')) break;
    const next = Math.max(stopped.pos, end) + 1;
    if (next >= source.length) break;
    start += next;
    output = null;
  }
  return output;
}

function heredocsAffordable(text: string): boolean {
  let count = 0;
  for (let at = text.indexOf('<<'); at >= 0; at = text.indexOf('<<', at + 2)) {
    count += 1;
    if (count * text.length > MAX_HEREDOC_WORK) return false;
  }
  return true;
}

/** Reads, once, the functions that were defined and never called: they may be, later and from anywhere. */
function readUncalled(m: Machine): void {
  for (let i = 0; i < m.definitions.length; i++) {
    const definition = m.definitions[i];
    if (definition === undefined || definition.use.called || m.fault !== null) continue;
    definition.use.called = true;
    const scope = fork(definition.frame.scope);
    scope.positional = null;
    forget(scope);
    stay(scope, []);
    const inner = through(
      {
        ...definition.frame,
        scope,
        origin: 'function',
        stage: null,
        wanted: false,
        input: INHERITED,
        redirects: [],
      },
      'function',
      definition.name,
      'here',
    );
    m.calls.push(definition.name);
    runNode(m, inner, definition.node.body);
    m.calls.pop();
  }
}

function finish(m: Machine, length: number): Result<ShellMeaning, ShellFault> {
  readUncalled(m);
  if (m.fault !== null) return err(m.fault);
  // The parser counts an unfinished last line as one longer.
  for (const draft of m.commands)
    if (draft.span !== null && draft.span.end > length)
      draft.span = { start: Math.min(draft.span.start, length), end: length };
  return ok({ commands: m.commands, gaps: [...m.gaps] });
}
