import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { type HookQuestion, hookQuestionOf } from '../../electron/wire/hook/frame.ts';
import type { McpQuestion } from '../../electron/wire/mcp/envelope.ts';
import { MAX_COMMAND_LINE, type ShellEnvelope } from '../../electron/wire/submit.ts';
import { type FileQuestion, readConnectQuestion, readFileQuestion } from './file-question.ts';
import type { Field } from './frame.ts';
import { readMcpQuestion } from './mcp-host.ts';

/** What a shim asks, before the session adds its own part (session, sequence) and signs. */
export type ShellQuestion = Omit<ShellEnvelope, 'session' | 'sequence'>;
export type Question = ShellQuestion | FileQuestion | McpQuestion;

/** One message of a shim, understood. */
export type ShimMessage =
  | {
      readonly kind: 'ask';
      /** A program about to be executed, a shell's simple command, or a whole typed line. */
      readonly shape: 'exec' | 'command' | 'line';
      readonly question: ShellQuestion;
      /** How the same shell's previous command ended. */
      readonly previousStatus: number | null;
      /** The asker cannot say how it ended, and cannot run anything else in its place. */
      readonly unattended: boolean;
    }
  | { readonly kind: 'file'; readonly question: FileQuestion }
  | { readonly kind: 'hook'; readonly question: HookQuestion }
  | { readonly kind: 'mcp'; readonly question: McpQuestion }
  | { readonly kind: 'report'; readonly pid: number; readonly status: number }
  | { readonly kind: 'take'; readonly pid: number }
  | { readonly kind: 'init'; readonly pid: number };

const MAX_SCRIPT_BYTES = 256 * 1024;
/**
 * Text that takes the trap's own ground away: a function in place of a builtin that the trap calls, or a hand on its variables.
 * Defining a function is no command, so no later question would show it.
 */
const UNDERMINES =
  /__csn_|countersign-ask|(?<![\w.-])(?:function\s+(?:builtin|command|declare|eval|exit|history|kill|local|printf|return|set|shift|shopt|trap|ulimit|unset)(?![\w.-])|(?:builtin|command|declare|eval|exit|history|kill|local|printf|return|set|shift|shopt|trap|ulimit|unset)\s*\(\s*\))/;
const SHELLS: Readonly<Record<string, ShellEnvelope['dialect']>> = {
  bash: 'bash',
  sh: 'sh',
  dash: 'sh',
  zsh: 'zsh',
};

/** Reads a shim's frame (AARM R1, R2.a). Refuses what no shim of ours would send, and what is too large to be judged. */
export function readShimMessage(fields: readonly Field[]): Result<ShimMessage, string> {
  const kind = text(fields, 'k');
  const pid = number(fields, 'q');
  if (pid === null || pid <= 0) return err('the question has no process id');
  if (kind === 'hook') {
    const read = hookQuestionOf(fields);
    return read.ok ? ok({ kind, question: read.value }) : err(read.error.message);
  }
  const status = number(fields, 'r');
  if (kind === 'init') return ok({ kind, pid });
  if (kind === 'take') return ok({ kind, pid });
  if (kind === 'report') return status === null ? err('the report has no status') : ok({ kind, pid, status });
  if (kind === 'mcp') {
    const read = readMcpQuestion(fields);
    return read.ok ? ok({ kind, question: read.value }) : read;
  }
  if (kind === 'file' || kind === 'connect') {
    const read = kind === 'file' ? readFileQuestion(fields, pid) : readConnectQuestion(fields, pid);
    return read.ok ? ok({ kind: 'file', question: read.value }) : read;
  }
  const common = {
    surface: 'shell' as const,
    cwd: text(fields, 'c'),
    interactive: has(fields, 'I'),
    parts_follow: has(fields, 'f'),
    pid,
    claim: null,
    depends_on: [],
  };
  if (kind === 'exec') {
    const argv = readArgv(fields);
    if (!argv.ok) return argv;
    const name = argv.value.words[0] ?? '';
    const script = readScript(text(fields, 's'), common.cwd);
    return ok({
      kind: 'ask',
      shape: kind,
      previousStatus: null,
      unattended: has(fields, 'u'),
      question: {
        ...common,
        parts_follow: common.parts_follow && !undermines([...argv.value.words, script ?? '']),
        operation: 'exec',
        command_line: null,
        argv: argv.value.words,
        argv_base64: argv.value.base64,
        dialect: SHELLS[name] ?? 'unknown',
        variables: {},
        script,
      },
    });
  }
  if (kind === 'command' || kind === 'line') {
    const line = text(fields, 'l');
    if (line === null) return err('the question has no command line');
    if (line.length > MAX_COMMAND_LINE) return err(tooLarge(line.length));
    const variables = readVariables(fields);
    if (!variables.ok) return variables;
    return ok({
      kind: 'ask',
      shape: kind,
      previousStatus: status,
      unattended: false,
      question: {
        ...common,
        parts_follow: common.parts_follow && !undermines([line, ...Object.values(variables.value)]),
        operation: 'run',
        command_line: line,
        argv: null,
        argv_base64: null,
        dialect: 'bash',
        variables: variables.value,
        script: null,
      },
    });
  }
  return err('the question is of no known kind');
}

/** True when the parts of such a text may not be intercepted again: then it must not be left to them (AARM R1). */
function undermines(texts: readonly string[]): boolean {
  return texts.some((text) => UNDERMINES.test(text));
}

function tooLarge(size: number): string {
  return `the command is ${size} characters long; at most ${MAX_COMMAND_LINE} can be judged; put the data in a file`;
}

function bytesOf(fields: readonly Field[], tag: string): Buffer | null {
  return fields.find((f) => f.tag === tag)?.bytes ?? null;
}

function has(fields: readonly Field[], tag: string): boolean {
  return bytesOf(fields, tag) !== null;
}

function text(fields: readonly Field[], tag: string): string | null {
  return bytesOf(fields, tag)?.toString('utf8') ?? null;
}

function number(fields: readonly Field[], tag: string): number | null {
  const digits = text(fields, tag);
  return digits !== null && /^\d{1,9}$/.test(digits) ? Number(digits) : null;
}

interface Argv {
  readonly words: string[];
  readonly base64: string[] | null;
}

/** argv with the name called by in front. Bytes that are not UTF-8 are kept beside a lossy rendering, never dropped. */
function readArgv(fields: readonly Field[]): Result<Argv, string> {
  const name = bytesOf(fields, 'n');
  if (name === null || name.length === 0) return err('the question has no program name');
  const raw = [name, ...fields.filter((f) => f.tag === 'a').map((f) => f.bytes)];
  const words = raw.map((bytes) => bytes.toString('utf8'));
  const total = words.reduce((sum, word) => sum + word.length + 1, 0);
  if (total > MAX_COMMAND_LINE) return err(tooLarge(total));
  if (words.length > 100_000)
    return err(`the command has ${words.length} words; at most 100000 can be judged`);
  const exact = raw.every((bytes, i) => Buffer.from(words[i] ?? '', 'utf8').equals(bytes));
  return ok({ words, base64: exact ? null : raw.map((bytes) => bytes.toString('base64')) });
}

function readVariables(fields: readonly Field[]): Result<Record<string, string>, string> {
  const variables: Record<string, string> = Object.create(null);
  for (const { tag, bytes } of fields) {
    if (tag !== 'v') continue;
    const entry = bytes.toString('utf8');
    const equals = entry.indexOf('=');
    if (equals < 1) return err('a variable has no name');
    const value = entry.slice(equals + 1);
    if (value.length > MAX_COMMAND_LINE) return err(tooLarge(value.length));
    // Past 256 characters a name is nobody's: left out, it stays unknown.
    if (equals <= 256) variables[entry.slice(0, equals)] = value;
  }
  return ok({ ...variables });
}

/**
 * The text of the script that a shell was asked to run, or null where it cannot be read without taking it away from the
 * shell (a pipe, a descriptor) or is not text. What is read here may be changed before the shell reads it: a hint
 * for judgement, while each command of it is still intercepted by itself.
 */
function readScript(operand: string | null, cwd: string | null): string | null {
  if (operand === null || cwd === null || !isAbsolute(cwd)) return null;
  try {
    const path = realpathSync(resolve(cwd, operand));
    const facts = lstatSync(path);
    if (!facts.isFile() || facts.size > MAX_SCRIPT_BYTES || /^\/(proc|dev)\//.test(path)) return null;
    const bytes = readFileSync(path);
    return bytes.includes(0) ? null : bytes.toString('utf8');
  } catch {
    return null;
  }
}
