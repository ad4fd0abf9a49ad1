// A short way to write down what a command line is read as, so that tests are tables.
import type { Command, Word } from '../../../../electron/core/command.ts';
import {
  normalizeArgv,
  normalizeCommandLine,
  type ShellInput,
  type ShellMeaning,
} from '../../../../electron/wire/shell/normalize.ts';

export const SURROUNDINGS: Omit<ShellInput, 'commandLine'> = {
  dialect: 'bash',
  cwd: '/w',
  home: '/home/u',
  variables: { USER: 'u' },
};

/** Reads a line that must not be refused. */
export function meaning(commandLine: string, changes: Partial<ShellInput> = {}): ShellMeaning {
  const result = normalizeCommandLine({ ...SURROUNDINGS, commandLine, ...changes });
  if (!result.ok) throw new Error(`refused: ${result.error.code} ${result.error.message}`);
  return result.value;
}

/** Reads an argument vector that must not be refused. */
export function argvMeaning(argv: readonly string[]): ShellMeaning {
  const result = normalizeArgv(argv, SURROUNDINGS);
  if (!result.ok) throw new Error(`refused: ${result.error.code} ${result.error.message}`);
  return result.value;
}

/** `?` stands for each unknown stretch, `*` after a word for one that may be many; words with spaces are quoted. */
export function word(w: Word): string {
  const text = w.text.replaceAll('\uFFFC', '?');
  const shown = text === '' || /[\s'"]/.test(text) ? JSON.stringify(text) : text;
  return w.glob && !/[*?[{]/.test(w.text) ? `${shown}*` : shown;
}

/** `sudo(root)@root > bash: rm -rf /x` — wrappers, then the words. */
export function brief(c: Command): string {
  const via = c.via.map(
    (v) => v.program + (v.detail === '' ? '' : `(${v.detail})`) + (v.place === 'here' ? '' : `@${v.place}`),
  );
  const words = c.name.text === '' && c.program === ':' ? [] : [c.name, ...c.args].map(word);
  const assigned = c.assignments.map((a) => `${a.name}=${word(a.value)}`);
  const redirects = c.redirects.map(
    (r) =>
      `${r.descriptor ?? ''}${r.operator}${r.target !== null ? word(r.target) : JSON.stringify((r.body?.text ?? '').replaceAll('\uFFFC', '?'))}`,
  );
  return (via.length > 0 ? `${via.join(' > ')}: ` : '') + [...assigned, ...words, ...redirects].join(' ');
}

/** Every command of a line, briefly. */
export function read(commandLine: string, changes: Partial<ShellInput> = {}): readonly string[] {
  return meaning(commandLine, changes).commands.map(brief);
}
