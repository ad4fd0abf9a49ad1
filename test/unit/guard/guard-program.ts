// Compiles the guard's C sources into small test programs, and reads what the filter is expected to answer.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after } from 'node:test';

export const ROOT = resolve(import.meta.dirname, '../../..');
const GUARD = join(ROOT, 'shims/guard');
const VECTORS = join(ROOT, 'test/vectors/guard-filter');

/** As the guard itself is compiled (scripts/build.mjs). */
const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion'];

const SOURCES = {
  verdicts: ['csrc/bpf.c', 'csrc/filter.c', 'csrc/syscalls.c', 'test-csrc/interpreter.c'],
  live: ['csrc/bpf.c', 'csrc/filter.c', 'csrc/syscalls.c'],
  assembler: ['csrc/bpf.c', 'test-csrc/interpreter.c'],
} as const;

const made: string[] = [];
after(() => {
  for (const directory of made)
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});

/** A directory that is removed when the test file is done; readable by everyone, because some programs run as another user. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'csn-guard-'));
  made.push(directory);
  return directory;
}

/** Compiles one of the test programs and returns its path; throws what the compiler said. */
export function compile(
  program: keyof typeof SOURCES,
  cc = process.env['CC'] ?? 'cc',
  flags: readonly string[] = [],
): string {
  const out = join(scratch(), program);
  const sources = [...SOURCES[program], `test-csrc/${program}.c`].map((file) => join(GUARD, file));
  const done = spawnSync(cc, [...FLAGS, ...flags, '-o', out, ...sources], { encoding: 'utf8' });
  if (done.status !== 0)
    throw new Error(`\`${cc}\` refused ${program}: ${done.error?.message ?? done.stderr}`);
  return out;
}

/** The lines that a program answers to lines of input. */
export function converse(command: readonly string[], input: readonly string[]): readonly string[] {
  const [program = '', ...words] = command;
  const done = spawnSync(program, words, {
    input: `${input.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (done.status !== 0)
    throw new Error(`${program} ended with ${done.status ?? done.signal}: ${done.stderr}`);
  return done.stdout.trimEnd().split('\n');
}

export const ARCHES = { x86_64: 0xc000_003e, aarch64: 0xc000_00b7 } as const;
export type Arch = keyof typeof ARCHES;

/** The kinds of filter that the tables have a column for. */
export const KINDS = {
  full: { mode: 0, abi: 7 },
  landlock: { mode: 1, abi: 6 },
  landlock5: { mode: 1, abi: 5 },
  nested: { mode: 2, abi: 7 },
} as const;
export type Kind = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly Kind[];

export type Answers = Readonly<Record<Kind, string>>;

export interface Verdict {
  readonly name: string;
  /** Null: not on that architecture. */
  readonly number: Readonly<Record<Arch, number | null>>;
  readonly answers: Answers;
}

export interface ArgumentCase {
  readonly name: string;
  readonly args: readonly bigint[];
  readonly reads: boolean;
  readonly answers: Answers;
  readonly why: string;
}

/** Rows below the heading; each must have the heading's columns. */
function rowsOf(file: string): readonly Readonly<Record<string, string>>[] {
  const lines = readFileSync(join(VECTORS, file), 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  const [heading = '', ...rest] = lines;
  const names = heading.split('\t');
  return rest.map((line) => {
    const cells = line.split('\t');
    if (cells.length !== names.length) throw new Error(`${file}: \`${line}\` has ${cells.length} columns`);
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
  });
}

function answersOf(row: Readonly<Record<string, string>>): Answers {
  const cell = (kind: Kind) => row[kind] ?? '';
  return {
    full: cell('full'),
    landlock: cell('landlock'),
    landlock5: cell('landlock5'),
    nested: cell('nested'),
  };
}

const numberOf = (cell: string | undefined) =>
  cell === undefined || cell === '-' ? null : Number.parseInt(cell, 10);

export const VERDICTS: readonly Verdict[] = rowsOf('verdicts.tsv').map((row) => ({
  name: row['name'] ?? '',
  number: { x86_64: numberOf(row['x86_64']), aarch64: numberOf(row['aarch64']) },
  answers: answersOf(row),
}));

/** One register: 64 bits; a minus sign is two's complement. */
export const register = (text: string): bigint =>
  BigInt.asUintN(64, text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text));

export const ARGUMENT_CASES: readonly ArgumentCase[] = rowsOf('arguments.tsv').map((row) => ({
  name: row['name'] ?? '',
  args: (row['args'] ?? '').split(' ').map(register),
  reads: row['reads'] === '1',
  answers: answersOf(row),
  why: row['why'] ?? '',
}));
