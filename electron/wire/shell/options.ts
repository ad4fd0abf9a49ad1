import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import type { Machine } from './machine.ts';

/** Which options of a wrapper take a separate argument. */
export interface OptionShape {
  /** Letters. */
  readonly short?: string;
  /** Names without dashes, separated by spaces. */
  readonly long?: string;
}

export interface Options {
  /** Where the first word stands that is no option. */
  readonly at: number;
  readonly options: readonly { readonly name: string; readonly value: Word | null }[];
}

/** Reads the options of a wrapper from `from` on, up to its first other word or `--`. */
export function scanOptions(m: Machine, words: readonly Word[], from: number, shape: OptionShape): Options {
  const options: { name: string; value: Word | null }[] = [];
  const short = shape.short ?? '';
  let at = from;
  for (; at < words.length; at++) {
    const word = words[at];
    if (word === undefined) break;
    const { text } = word;
    if (text.length < 2 || text.charCodeAt(0) !== 45) break;
    if (text === '--') {
      at++;
      break;
    }
    if (text.charCodeAt(1) === 45) {
      const equals = text.indexOf('=');
      const name = equals < 0 ? text.slice(2) : text.slice(2, equals);
      if (equals >= 0) options.push({ name, value: tail(m, word, equals + 1) });
      else if (hasName(shape.long, name)) options.push({ name, value: words[++at] ?? null });
      else options.push({ name, value: null });
      continue;
    }
    for (let i = 1; i < text.length; i++) {
      const letter = text[i] ?? '';
      if (!short.includes(letter)) {
        options.push({ name: letter, value: null });
        continue;
      }
      const value = i + 1 < text.length ? tail(m, word, i + 1) : (words[++at] ?? null);
      options.push({ name: letter, value });
      break;
    }
  }
  return { at: Math.min(at, words.length), options };
}

function hasName(names: string | undefined, name: string): boolean {
  return names !== undefined && ` ${names} `.includes(` ${name} `);
}

/** The part of a word after `from`, as a word. */
export function tail(m: Machine, word: Word, from: number): Word {
  const text = word.text.slice(from);
  const rest: Word = { text, raw: text, known: !text.includes(UNKNOWN_TEXT), glob: word.glob };
  const source = m.sources.get(word);
  if (source !== undefined) m.sources.set(rest, source);
  return rest;
}

/** The value given to the last of the named options; undefined when none was given. */
export function optionValue(options: Options, ...names: readonly string[]): Word | null | undefined {
  let found: Word | null | undefined;
  for (const option of options.options) if (names.includes(option.name)) found = option.value;
  return found;
}

/** True when one of the named options was given. */
export function hasOption(options: Options, ...names: readonly string[]): boolean {
  return options.options.some((option) => names.includes(option.name));
}
