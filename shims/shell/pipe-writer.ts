import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { quoted } from '../../electron/wire/answer-text.ts';
import type { ShellQuestion } from './question.ts';

/** Programs that run what they read: what comes through their pipe is code. */
const INTERPRETERS = /^(?:(?:ba|da|z|k|a)?sh|python[\d.]*|node|perl|ruby|php|lua|psql|mysql|sqlite3)$/;
const SHELLS = /^-?(?:ba|da|z|k|a)?sh$/;
const MAX_PROCESSES = 20_000;

/**
 * A program that will run what is piped into it is judged together with what writes into that pipe: `curl … | sh` in a script
 * on standard input reaches us as two programs, and neither alone says what is about to happen. Returns the question as one
 * command line, or unchanged where there is no pipe, no writer to be seen, or the program was told what to run.
 */
export function withPipeWriter(question: ShellQuestion): ShellQuestion {
  const { argv, pid } = question;
  if (argv === null || argv.length === 0 || question.script !== null || pid === null) return question;
  if (
    !INTERPRETERS.test(argv[0] ?? '') ||
    argv.slice(1).some((word) => !/^-[a-z]*s?$/.test(word) || word.includes('c'))
  )
    return question;
  const writers = writersInto(pid);
  if (writers.length === 0) return question;
  const line = [...writers, argv].map((words) => words.map(quoted).join(' ')).join(' | ');
  return {
    ...question,
    operation: 'run',
    command_line: line,
    argv: null,
    argv_base64: null,
    dialect: 'bash',
  };
}

/** The command lines of the processes that hold the other end of this process's standard input, at most a few. */
function writersInto(pid: number): readonly (readonly string[])[] {
  let pipe: string;
  let processes: string[];
  try {
    pipe = readlinkSync(`/proc/${pid}/fd/0`);
    processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  if (!pipe.startsWith('pipe:') || processes.length > MAX_PROCESSES) return [];
  const found = new Map<string, readonly string[]>();
  for (const other of processes) {
    if (Number(other) === pid || Number(other) === process.pid || !writes(other, pipe)) continue;
    const words = commandLineOf(other);
    // A shell's own fork has the shell's command line, which says nothing of the one builtin that writes.
    if (words.length > 0 && !SHELLS.test(words[0] ?? '')) found.set(words.join('\0'), words);
    if (found.size >= 4) break;
  }
  return [...found.values()];
}

function writes(pid: string, pipe: string): boolean {
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== pipe) continue;
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & 3) === 1) return true;
    }
  } catch {
    // It ended, or it is not ours to look at.
  }
  return false;
}

function commandLineOf(pid: string): readonly string[] {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    const name = words[0]?.split('/').at(-1) ?? '';
    return words.length === 0 ? [] : [name, ...words.slice(1)];
  } catch {
    return [];
  }
}
