import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';

/** A word of which nothing is known but that it may be there, once or many times (what `xargs` appends, `"$@"`). */
export const MANY: Word = { text: UNKNOWN_TEXT, raw: '', known: false, glob: true };

/** A word whose text is exactly `text`; a stretch that imitates the unknown mark makes it unknown, never the reverse. */
export function literalWord(text: string, raw: string = text): Word {
  return { text, raw, known: !text.includes(UNKNOWN_TEXT), glob: false };
}

/** The words as one text, separated by spaces, as `eval`, `ssh` and `watch` do. */
export function joinText(words: readonly Word[], from: number, to: number = words.length): string {
  let text = '';
  for (let i = from; i < to; i++) {
    const word = words[i];
    if (word !== undefined) text += i === from ? word.text : ` ${word.text}`;
  }
  return text;
}

/** The text at a position, `''` when there is none. */
export function textAt(words: readonly Word[], i: number): string {
  return words[i]?.text ?? '';
}

/** Joins a directory and a word, resolving `.` and `..` by name as a shell does; null when `base` is needed and unknown. */
export function resolvePath(base: string | null, path: string): string | null {
  if (!path.startsWith('/') && base === null) return null;
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${base}/${path}`).split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}
