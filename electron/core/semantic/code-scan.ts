import type { Word } from '../command.ts';
import { UNKNOWN_TEXT } from '../command.ts';
import type { CallMeaning, Knowledge } from './knowledge.ts';

/** One call of a program text that does something to the world. */
export interface SeenCall {
  readonly meaning: CallMeaning;
  /** The argument its object is in; unknown when it is no literal. */
  readonly word: Word;
}

const MAX_CODE = 65536;
const MAX_CALLS = 200;

/**
 * Finds calls with literal (or once-assigned literal) arguments in Python, JavaScript, Ruby, Perl, PHP.
 * It is a token scan, not an interpreter: computed names stay unknown. Bounded and linear in the text.
 */
export function scanCode(code: string, language: string, knowledge: Knowledge): readonly SeenCall[] {
  const text = unaliased(stripComments(code.slice(0, MAX_CODE), language), language);
  const constants = readConstants(text);
  const found: SeenCall[] = [];
  const calls = /([A-Za-z_$][\w$]*(?:(?:\.|::|->)[A-Za-z_$][\w$]*[!?]?)*|[`])\s*(\(|(?=["'[])|)/g;
  for (const match of text.matchAll(calls)) {
    if (found.length >= MAX_CALLS) break;
    const name = match[1] ?? '';
    const start = (match.index ?? 0) + match[0].length;
    if (name === '`') continue;
    const parenthesis = match[2] === '(';
    if (!parenthesis && !/^\s*(?:["'[$]|%[xqQ]|\{)/.test(text.slice(start, start + 4))) continue;
    const last = name.slice(
      Math.max(name.lastIndexOf('.'), name.lastIndexOf(':'), name.lastIndexOf('>')) + 1,
    );
    const meanings = knowledge.calls.get(last);
    if (meanings === undefined) continue;
    const chain = qualified(text, match.index ?? 0, name.replaceAll('::', '.').replaceAll('->', '.'));
    for (const meaning of meanings) {
      if (meaning.languages.length > 0 && !meaning.languages.includes(language)) continue;
      if (!fits(meaning.name, chain)) continue;
      const raw = parenthesis ? argumentText(text, start) : firstLine(text, start);
      if (meaning.arguments !== null && !meaning.arguments.test(raw)) continue;
      // `Path("/etc/group").unlink()`: the object is what the method is called on.
      const received = meaning.name.startsWith('*.') && meaning.effect === 'delete';
      const word = received
        ? receiverWord(text, match.index ?? 0, chain, constants)
        : argumentWord(raw, meaning, constants, language);
      found.push({ meaning, word });
      break;
    }
  }
  for (const match of text.matchAll(/`([^`\n]{1,2000})`|%x[({[]([^)}\]\n]{1,2000})[)}\]]/g)) {
    if (language !== 'ruby' && language !== 'perl' && language !== 'php') break;
    found.push({
      meaning: BACKTICK,
      word: literalWord(match[1] ?? match[2] ?? '', /[$#]\{?/.test(match[1] ?? '')),
    });
  }
  return found;
}

const BACKTICK: CallMeaning = {
  name: '`',
  languages: [],
  effect: null,
  shell: true,
  argument: 0,
  object: 'code',
  recursive: false,
  labels: [],
  tags: [],
  arguments: null,
};

/** `a.b.c` fits the table's `b.c`; a bare `system` fits only a bare call; `require('fs').rmSync` fits `fs.rmSync`. */
function fits(name: string, chain: string): boolean {
  if (name.startsWith('*.')) return chain.endsWith(name.slice(1)) || chain === name.slice(2);
  if (!name.includes('.')) return chain === name;
  return chain === name || chain.endsWith(`.${name}`);
}

/** `import os as o`, `from shutil import rmtree as r`, `const {rmSync: r} = require('fs')`: the names as the table knows them. */
function unaliased(text: string, language: string): string {
  const python =
    /\b(?:import\s+([\w.]{1,60})|import\s+(?:\w{1,40}\s*,\s*){0,8}(\w{1,40}))\s+as\s+([A-Za-z_]\w{0,40})/g;
  const destructured =
    /[{,]\s{0,8}([A-Za-z_]\w{0,40})\s{0,8}(?::|\bas\b)\s{0,8}([A-Za-z_]\w{0,40})\s{0,8}(?=[,}])/g;
  const pairs: [string, string][] = [];
  if (language === 'python')
    for (const match of text.matchAll(python)) pairs.push([match[3] ?? '', match[1] ?? match[2] ?? '']);
  else if (/^(?:javascript|typescript|node)$/.test(language) && /\brequire\(|\bimport\b/.test(text))
    for (const match of text.matchAll(destructured)) pairs.push([match[2] ?? '', match[1] ?? '']);
  let out = text;
  for (const [alias, name] of pairs.slice(0, 16))
    if (alias !== name) out = out.replace(new RegExp(`(?<![\\w.$])${alias}(?=[.(])`, 'g'), () => name);
  return out;
}

function receiverWord(text: string, at: number, chain: string, constants: ReadonlyMap<string, string>): Word {
  if (!chain.startsWith('?.')) return resolve(chain.slice(0, chain.lastIndexOf('.')), constants);
  const path = /Path\(\s*[rbu]?(["'])([^"'\n]{0,500})\1\s*\)\s*\.$/.exec(
    text.slice(Math.max(0, at - 600), at),
  );
  return path === null ? literalWord(UNKNOWN_TEXT, true) : literalWord(path[2] ?? '', false);
}

function qualified(text: string, at: number, name: string): string {
  const before = text.slice(Math.max(0, at - 80), at);
  const required = /(?:require|__import__|import_module)\(\s*["'](?:node:)?([\w./]+)["']\s*\)\s*\.?$/.exec(
    before,
  );
  if (required !== null) return `${(required[1] ?? '').replaceAll('/', '.')}.${name}`;
  const chained = /\)\s*\.$/.exec(before);
  return chained === null ? name : `?.${name}`;
}

function stripComments(text: string, language: string): string {
  if (language === 'python' || language === 'ruby' || language === 'perl')
    return text.replace(/(^|\s)#(?!\{)[^\n]*/g, '$1');
  return withoutBlocks(text).replace(/(^|[\s;])\/\/[^\n]*/g, '$1');
}

// By hand, because a pattern would go back over the text for every `/*` that nobody closes.
function withoutBlocks(text: string): string {
  let out = '';
  let at = 0;
  for (;;) {
    const open = text.indexOf('/*', at);
    const close = open < 0 ? -1 : text.indexOf('*/', open + 2);
    if (close < 0) return out + text.slice(at);
    out += `${text.slice(at, open)} `;
    at = close + 2;
  }
}

function readConstants(text: string): ReadonlyMap<string, string> {
  const constants = new Map<string, string>();
  const assigned =
    /(?:^|[\n;{]|\b(?:const|let|var|my|our)\s)[ \t]{0,40}\$?([A-Za-z_]\w{0,60})[ \t]{0,8}=[ \t]{0,8}(?:[rbuf]|(?:pathlib\.)?Path\()?(["'])((?:\\.|(?!\2)[^\\\n]){0,1000})\2\s*(?=[;\n)]|$)/g;
  for (const match of text.matchAll(assigned)) constants.set(match[1] ?? '', unescape_(match[3] ?? ''));
  // Literal arguments of the program's own functions: `def f(url): …; f("http://…")`.
  let functions = 0;
  for (const match of text.matchAll(/\b(?:def|function)[ \t]{1,8}(\w{1,60})\(([^()\n]{1,300})\)/g)) {
    functions += 1;
    if (functions > 20) break;
    const name = `${match[1] ?? ''}(`;
    let at = text.indexOf(name);
    while (at >= 0 && /(?:def|function)[ \t]+$/.test(text.slice(Math.max(0, at - 16), at)))
      at = text.indexOf(name, at + 1);
    if (at < 0) continue;
    const given = splitArguments(argumentText(text, at + name.length));
    (match[2] ?? '').split(',').forEach((parameter, index) => {
      const key = parameter
        .trim()
        .replace(/[:=][\s\S]*$/, '')
        .trim();
      const part = (given[index] ?? '').trim();
      const value = /^[rbuf]?(["'])([^"'\n]{0,500})\1$/.exec(part)?.[2] ?? constants.get(part);
      if (value !== undefined && !constants.has(key)) constants.set(key, value);
    });
  }
  return constants;
}

function argumentText(text: string, start: number): string {
  let depth = 1;
  let quote = '';
  const limit = Math.min(text.length, start + 2000);
  for (let at = start; at < limit; at += 1) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === '\\') at += 1;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'" || char === '`') quote = char;
    else if (char === '(' || char === '[' || char === '{') depth += 1;
    else if (char === ')' || char === ']' || char === '}') {
      depth -= 1;
      if (depth === 0) return text.slice(start, at);
    }
  }
  return text.slice(start, limit);
}

function firstLine(text: string, start: number): string {
  const end = text.slice(start, start + 1000).search(/[;\n]/);
  return text.slice(start, end < 0 ? start + 1000 : start + end);
}

function argumentWord(
  raw: string,
  meaning: CallMeaning,
  constants: ReadonlyMap<string, string>,
  language: string,
): Word {
  const parts = splitArguments(raw);
  const part = (parts[meaning.argument] ?? '').trim();
  // A list of words is the command line `rm -rf /`: `["rm", "-rf", "/"]`; so are `exec("rm", "-rf", "/")` and `spawn("rm", ["-rf"])`.
  if (meaning.shell) {
    const literals = [...raw.matchAll(/[rbf]*(["'`])((?:\\.|(?!\1)[^\\]){0,4000})\1/g)];
    const first = literals[0];
    if (first === undefined) return resolve(part, constants);
    if (
      part.startsWith('[') ||
      part.startsWith('(') ||
      (parts.length > 1 &&
        /^(?:execFile|execFileSync|spawn|spawnSync|execvp|execv|execl|execlp|system|exec|Popen)$/.test(
          lastOf(meaning.name),
        ) &&
        /^\s*["'[]/.test(parts[1] ?? ''))
    ) {
      const list = literals
        .filter((literal) => !/=\s*$/.test(raw.slice(0, literal.index)))
        .map((literal) => unescape_(literal[2] ?? ''));
      return literalWord(
        list
          .map((item) => (/^[\w./=:@%+,-]+$/.test(item) ? item : `'${item.replaceAll("'", "'\\''")}'`))
          .join(' '),
        false,
      );
    }
  }
  const word = literal(part, language);
  return word ?? resolve(part, constants);
}

function literal(part: string, language: string): Word | null {
  const match =
    /^([rbuf]{0,2})(["'`])((?:\\.|(?!\2)[^\\]){0,4000})\2/.exec(part) ??
    /^([rbuf]{0,2})("""|''')([\s\S]{0,4000}?)\2/.exec(part);
  if (match === null) return null;
  const body = unescape_(match[3] ?? '');
  const interpolates =
    (match[1] ?? '').includes('f') ||
    match[2] === '`' ||
    ((language === 'ruby' || language === 'perl' || language === 'php') && match[2] === '"');
  const concatenated =
    /^\s*[+.%]/.test(part.slice(match[0].length)) && part.slice(match[0].length).trim() !== '';
  if (interpolates && /\{|\$|#\{|@/.test(body))
    return literalWord(body.replace(/#?\$?\{[^}]*\}|\$\w+/g, UNKNOWN_TEXT), true);
  return literalWord(concatenated ? body + UNKNOWN_TEXT : body, concatenated);
}

function resolve(part: string, constants: ReadonlyMap<string, string>): Word {
  const call =
    /^(?:[\w.]*(?:expanduser|Path|abspath|normpath|join|resolve|homedir))\(\s*(?:(["'])([^"']*)\1)?/.exec(
      part,
    );
  if (call !== null) {
    if (/homedir/.test(part)) return literalWord('~', false);
    if (call[2] !== undefined)
      return literalWord(call[2] + (/,/.test(part) ? `/${UNKNOWN_TEXT}` : ''), /,/.test(part));
  }
  if (/environ(?:\.get)?[([]\s*["']HOME|process\.env\.HOME|ENV\[["']HOME|\$ENV\{["']?HOME/.test(part))
    return literalWord('~', false);
  const name = /^\$?([A-Za-z_]\w*)$/.exec(part)?.[1];
  const value = name === undefined ? undefined : constants.get(name);
  return value === undefined ? literalWord(UNKNOWN_TEXT, true) : literalWord(value, false);
}

function splitArguments(raw: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let at = 0; at < raw.length; at += 1) {
    const char = raw[at] ?? '';
    if (quote !== '') {
      if (char === '\\') at += 1;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'" || char === '`') quote = char;
    else if (char === '(' || char === '[' || char === '{') depth += 1;
    else if (char === ')' || char === ']' || char === '}') depth -= 1;
    else if (char === ',' && depth === 0) {
      parts.push(raw.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(raw.slice(start));
  return parts;
}

function lastOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function literalWord(text: string, unknown: boolean): Word {
  return { text, raw: text, known: !unknown, glob: false };
}

function unescape_(text: string): string {
  return text
    .replace(/\\(["'`\\/])/g, '$1')
    .replace(/\\n/g, '\n')
    .replace(/\\t/g, '\t');
}
