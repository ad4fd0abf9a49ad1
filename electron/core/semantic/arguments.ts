import { UNKNOWN_TEXT, type Word } from '../command.ts';
import type { Program, Usage } from './knowledge.ts';

/** A command's arguments, read the way its program reads them. */
export interface Arguments {
  /** Flag groups that were given (values' groups too). */
  readonly groups: ReadonlySet<string>;
  /** Values of flags that take one, by group. */
  readonly values: ReadonlyMap<string, readonly Word[]>;
  /** Words that are neither flags nor their values; after a subcommand, without it. */
  readonly operands: readonly Word[];
  /** The subcommand, words joined by a space, or `''`. */
  readonly subcommand: string;
  /** What the subcommand adds to the program's own usage. */
  readonly usage: Usage | null;
  /** Flags nobody described, as written. */
  readonly strange: readonly string[];
}

/**
 * Reads arguments by the program's table: clusters (`-rf`), `--flag=value`, unambiguous abbreviations
 * (`--recurs` is `--recursive` to GNU getopt, so an agent may write it), `--`, subcommands of several words.
 */
export function readArguments(args: readonly Word[], program: Program): Arguments {
  if (program.subcommands.size === 0) return collect(args, program, null, '', 0);
  const heads = leadingOperands(args, program);
  for (let length = Math.min(program.depth, heads.length); length > 0; length -= 1) {
    const name = heads.slice(0, length).join(' ');
    const usage = program.subcommands.get(name);
    if (usage !== undefined) return collect(args, program, usage, name, length);
  }
  return collect(args, program, null, '', 0);
}

function leadingOperands(args: readonly Word[], program: Program): readonly string[] {
  const heads: string[] = [];
  for (let at = 0; at < args.length && heads.length < program.depth; at += 1) {
    const text = args[at]?.text ?? '';
    if (text === '--') break;
    if (isFlag(text)) {
      if (program.values.has(text) && !text.includes('=')) at += 1;
    } else heads.push(text);
  }
  return heads;
}

function isFlag(text: string): boolean {
  return text.length > 1 && text.charCodeAt(0) === 45;
}

function collect(
  args: readonly Word[],
  program: Program,
  usage: Usage | null,
  subcommand: string,
  skip: number,
): Arguments {
  const groups = new Set<string>();
  const values = new Map<string, Word[]>();
  const operands: Word[] = [];
  const strange: string[] = [];
  let toSkip = skip;
  let ended = false;
  const give = (group: string, word: Word): void => {
    groups.add(group);
    const list = values.get(group);
    if (list === undefined) values.set(group, [word]);
    else list.push(word);
  };
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at];
    if (word === undefined) continue;
    const text = word.text;
    if (ended || !isFlag(text)) {
      const equals = program.keyed ? text.indexOf('=') : -1;
      if (equals > 0) give(text.slice(0, equals), tail(word, equals + 1));
      else if (toSkip > 0) toSkip -= 1;
      else {
        operands.push(word);
        if (program.strictOrder) ended = true;
      }
      continue;
    }
    if (text === '--') {
      ended = true;
      continue;
    }
    // What stands before the subcommand is the program's own: `git -c x=y commit` sets x, `git commit -c x` does not.
    const own = toSkip > 0 ? null : usage;
    const flag = own?.flags.get(text) ?? program.flags.get(text);
    if (flag !== undefined) {
      groups.add(flag);
      continue;
    }
    const value = own?.values.get(text) ?? program.values.get(text);
    if (value !== undefined) {
      const next = args[at + 1];
      if (next !== undefined) {
        give(value, next);
        at += 1;
      } else groups.add(value);
      continue;
    }
    if (text.startsWith('--') || program.dashWords) {
      const equals = text.indexOf('=');
      const name = equals < 0 ? text : text.slice(0, equals);
      const full = knownFlag(name, program, own);
      if (full === null) {
        strange.push(name);
        // A value behind an undescribed flag may still be an object: `--key=/home/u/.ssh/id_rsa`.
        if (equals > 0) give('?', tail(word, equals + 1));
      } else if (equals > 0) {
        // `--force=false` is a flag taken back.
        if (
          !/^(?:false|no|0|none|client|server)$/i.test(text.slice(equals + 1)) ||
          full.takesValue ||
          full.group === 'dry-run'
        )
          give(full.group, tail(word, equals + 1));
      } else if (full.takesValue && args[at + 1] !== undefined) {
        give(full.group, args[at + 1] as Word);
        at += 1;
      } else groups.add(full.group);
      continue;
    }
    // A cluster of letters; the first that takes a value takes the rest of the word, or the next word.
    for (let index = 1; index < text.length; index += 1) {
      const letter = `-${text[index] ?? ''}`;
      const plain = own?.flags.get(letter) ?? program.flags.get(letter);
      if (plain !== undefined) {
        groups.add(plain);
        continue;
      }
      const taking = own?.values.get(letter) ?? program.values.get(letter);
      if (taking === undefined) {
        strange.push(letter);
        continue;
      }
      const next = args[at + 1];
      if (index + 1 < text.length) give(taking, tail(word, index + (text[index + 1] === '=' ? 2 : 1)));
      else if (next !== undefined) {
        give(taking, next);
        at += 1;
      } else groups.add(taking);
      break;
    }
  }
  return { groups, values, operands, subcommand, usage, strange };
}

function knownFlag(
  name: string,
  program: Program,
  usage: Usage | null,
): { readonly group: string; readonly takesValue: boolean } | null {
  const plain = usage?.flags.get(name) ?? program.flags.get(name);
  if (plain !== undefined) return { group: plain, takesValue: false };
  const value = usage?.values.get(name) ?? program.values.get(name);
  if (value !== undefined) return { group: value, takesValue: true };
  if (!name.startsWith('--') || name.length < 5) return null;
  let found: { readonly group: string; readonly takesValue: boolean } | null = null;
  for (const table of [usage?.flags, program.flags])
    for (const [flag, group] of table ?? []) {
      if (!flag.startsWith(name)) continue;
      if (found !== null && found.group !== group) return null;
      found = { group, takesValue: false };
    }
  for (const table of [usage?.values, program.values])
    for (const [flag, group] of table ?? []) {
      if (!flag.startsWith(name)) continue;
      if (found !== null && found.group !== group) return null;
      found = { group, takesValue: true };
    }
  return found;
}

function tail(word: Word, from: number): Word {
  const text = word.text.slice(from);
  return { text, raw: text, known: !text.includes(UNKNOWN_TEXT), glob: word.glob };
}
