import type { Command, Word } from '../command.ts';

/** What a text in a small language of its own makes a shell do. */
export interface Held {
  /** Command lines that it hands to a shell. */
  readonly shell: readonly string[];
  /** Files that it writes. */
  readonly writes: readonly string[];
}

const NOTHING: Held = { shell: [], writes: [] };
const MAX_TEXT = 65_536;
const MAX_FOUND = 64;

/**
 * Commands and files inside the scripts of sed, awk, make, gdb, ed, vi, expect and Emacs, as far as literals tell (AARM R3.k).
 * `fed`: what the line itself is known to give the program on its input.
 */
export function heldIn(command: Command, fed: readonly string[]): Held {
  const { program, args, code } = command;
  switch (program) {
    case 'sed':
    case 'gsed':
    case 'ssed':
      return together(sedScripts(args).map((word) => readSed(word.text.slice(0, MAX_TEXT))));
    case 'awk':
    case 'gawk':
    case 'mawk':
    case 'nawk':
      return code === null ? NOTHING : readAwk(code.text.slice(0, MAX_TEXT));
    case 'make':
    case 'gmake':
      return together(
        [...optionValues(args, /^--eval(?:=|$)/, /^-E$/), ...makeInput(args, fed)].map(readMake),
      );
    case 'gdb':
    case 'lldb':
      return lines(texts(command, /^-{1,2}(?:i?ex|eval-command|o|O|one-line)(?:=|$)/, fed), GDB_SHELL);
    case 'ed':
    case 'red':
      return lines(fed, EDITOR_SHELL);
    case 'ex':
    case 'vi':
    case 'vim':
    case 'nvim':
    case 'view':
    case 'vimdiff':
      return lines([...texts(command, /^(?:-[a-zA-Z]*c|--cmd)$/, fed), ...plusWords(args)], EDITOR_SHELL);
    case 'expect':
    case 'tclsh':
      return lines(
        texts(command, /^-c$/, fed),
        /(?:^|[;{[\s])(?:spawn|exec|system)\s+(?:-\w+\s+)*([^\]\n;}]+)/g,
      );
    case 'emacs':
    case 'emacsclient':
      return lines(texts(command, /^-{1,2}(?:eval|e|execute)(?:=|$)/, fed), ELISP_SHELL);
    default:
      return NOTHING;
  }
}

const GDB_SHELL = /^[ \t]*(?:shell|!|pipe[^|\n]*\||make\s+-f)[ \t]*(.+)$/gm;
/** `:!cmd`, `r !cmd`, `w !cmd`, `%!cmd`, and what an editor's own languages call a shell. */
const EDITOR_SHELL =
  /^[ \t:%\d,$.]*(?:silent!?[ \t]+)?(?:[rwe][ \t]*)?![ \t]*(.+)$|(?:os\.execute|os\.system|io\.popen|systemlist|system)\(\s*["']([^"'\n]+)["']/gm;
const ELISP_SHELL =
  /\((?:async-)?(?:shell-command|eshell-command|start-process-shell-command|call-process-shell-command)(?:-to-string)?\s+"((?:[^"\\]|\\.)*)"/g;

function together(all: readonly Held[]): Held {
  return {
    shell: all.flatMap((held) => held.shell).slice(0, MAX_FOUND),
    writes: all.flatMap((held) => held.writes).slice(0, MAX_FOUND),
  };
}

function lines(all: readonly string[], pattern: RegExp): Held {
  const shell: string[] = [];
  for (const text of all)
    for (const match of text.slice(0, MAX_TEXT).matchAll(pattern)) {
      const found = match[1] ?? match[2] ?? '';
      if (found.trim() !== '' && shell.length < MAX_FOUND) shell.push(found);
    }
  return { shell, writes: [] };
}

/** Values of an option, joined (`--eval=x`) or separate (`--eval x`). */
function optionValues(args: readonly Word[], ...options: readonly RegExp[]): string[] {
  const found: string[] = [];
  args.forEach((word, at) => {
    for (const option of options) {
      const match = option.exec(word.text);
      if (match === null) continue;
      found.push(match[0].endsWith('=') ? word.text.slice(match[0].length) : (args[at + 1]?.text ?? ''));
    }
  });
  return found;
}

function texts(command: Command, option: RegExp, fed: readonly string[]): readonly string[] {
  const own = command.code === null ? [] : [command.code.text];
  return [...own, ...optionValues(command.args, option), ...fed];
}

function plusWords(args: readonly Word[]): readonly string[] {
  return args.filter((word) => /^\+./.test(word.text)).map((word) => word.text.slice(1));
}

function makeInput(args: readonly Word[], fed: readonly string[]): readonly string[] {
  const files = optionValues(args, /^-f$/, /^--(?:make)?file(?:=|$)/);
  return files.includes('-') || args.some((word) => word.text === '-f-') ? fed : [];
}

/** Recipes, `target: ; command`, `$(shell …)` and `x != command`. */
function readMake(text: string): Held {
  return lines(
    [text],
    /^(?:\t|[^\s#=:][^#=:\n]*::?(?!=)[^;\n]*;)[ \t]*[@+-]*(.+)$|\$[({]shell[ \t]+([^)}\n]+)|!=[ \t]*(.+)$/gm,
  );
}

function sedScripts(args: readonly Word[]): readonly Word[] {
  const scripts: Word[] = [];
  let first: Word | null = null;
  let file = false;
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at];
    if (word === undefined) break;
    const { text } = word;
    const joined = /^(?:-[nErsuz]*e|--expression=)(?=.)/.exec(text);
    if (/^(?:-[nErsuz]*e|--expression)$/.test(text)) {
      const value = args[at + 1];
      if (value !== undefined) scripts.push(value);
      at += 1;
    } else if (joined !== null) scripts.push({ ...word, text: text.slice(joined[0].length) });
    else if (/^(?:-[nErsuz]*f|--file|-l|--line-length)$/.test(text)) {
      file ||= !text.includes('l') || text.includes('f');
      at += 1;
    } else if (!text.startsWith('-') || text === '-') first ??= word;
  }
  return scripts.length > 0 || file || first === null ? scripts : [first];
}

/** Reads a sed script: `e`, `w`, and both as flags of `s`; everything else only as far as it has to be passed over. */
function readSed(text: string): Held {
  const shell: string[] = [];
  const writes: string[] = [];
  let at = 0;
  const restOfLine = (): string => {
    const end = text.indexOf('\n', at);
    const rest = text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
    return rest.trim();
  };
  const delimited = (mark: string): string => {
    const start = at;
    while (at < text.length && text[at] !== mark) at += text[at] === '\\' ? 2 : 1;
    const part = text.slice(start, Math.min(at, text.length));
    at += 1;
    return part;
  };
  while (at < text.length && shell.length + writes.length < MAX_FOUND) {
    const character = text[at] ?? '';
    at += 1;
    if (/[\s;{}!,+~\d$IM]/.test(character)) continue;
    if (character === '/') delimited('/');
    else if (character === '\\') {
      const mark = text[at] ?? '';
      at += 1;
      delimited(mark);
    } else if (character === 's' || character === 'y') {
      const mark = text[at] ?? '';
      at += 1;
      delimited(mark);
      const replacement = delimited(mark);
      if (character === 'y') continue;
      const flags = /^[gpiImMe\d]*/.exec(text.slice(at, at + 32))?.[0] ?? '';
      at += flags.length;
      // What was replaced is run: the replacement is its known part.
      if (flags.includes('e')) shell.push(replacement.replace(/\\(.)/g, '$1'));
      if (text[at] === 'w') {
        at += 1;
        writes.push(restOfLine());
      }
    } else if (character === 'e') shell.push(restOfLine());
    else if (character === 'w' || character === 'W') writes.push(restOfLine());
    else if (/[aicrR#:]/.test(character)) restOfLine();
    else if (/[btT]/.test(character)) while (at < text.length && !/[;\n}]/.test(text[at] ?? '')) at += 1;
  }
  return { shell: shell.filter((line) => line !== ''), writes: writes.filter((name) => name !== '') };
}

const AWK_TEXT = '"((?:[^"\\\\\\n]|\\\\.){0,300})"';
const AWK_PIPE_TO = new RegExp(`\\|&?[ \\t]{0,16}(?:${AWK_TEXT}|([A-Za-z_]\\w{0,63}))`, 'g');
const AWK_PIPE_FROM = new RegExp(
  `(?:${AWK_TEXT}|\\b([A-Za-z_]\\w{0,63}))[ \\t)]{0,16}\\|&?[ \\t]{0,16}getline`,
  'g',
);
const AWK_WRITE = new RegExp(`\\bprintf?\\b[^;}\\n]{0,200}?>>?[ \\t]*${AWK_TEXT}`, 'g');

/** `print | "command"`, `"command" | getline`, `print > "file"`; a name stands for the literal it was given. */
function readAwk(text: string): Held {
  const constants = new Map<string, string>();
  for (const match of text.matchAll(
    new RegExp(`\\b([A-Za-z_]\\w{0,63})[ \\t]{0,16}=[ \\t]{0,16}${AWK_TEXT}`, 'g'),
  ))
    constants.set(match[1] ?? '', match[2] ?? '');
  const shell: string[] = [];
  for (const pattern of [AWK_PIPE_TO, AWK_PIPE_FROM])
    for (const match of text.matchAll(pattern)) {
      const line = match[1] ?? constants.get(match[2] ?? '') ?? '';
      if (line !== '' && shell.length < MAX_FOUND) shell.push(line);
    }
  const writes = [...text.matchAll(AWK_WRITE)].map((match) => match[1] ?? '').slice(0, MAX_FOUND);
  return { shell, writes: writes.filter((name) => name !== '') };
}
