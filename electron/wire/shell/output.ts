import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { decodeBase32, decodeBase64, decodeHex, unescapeText, utf8 } from './codec.ts';
import { type Call, type Frame, MAX_TEXT, NO_OUTPUT, type Output, type Text } from './machine.ts';
import { programOf } from './program.ts';

/**
 * What a command prints, for the few whose output follows from their words and input alone, so that code hidden by
 * `base64 -d`, `rev`, `tr` or `printf '\x72m'` is seen (AARM R3.k). Null when it cannot be known.
 */
export function printed(f: Frame, call: Call): Output {
  const [name] = call.words;
  if (name === undefined || !name.known) return null;
  const filter = FILTERS[programOf(name.text)];
  if (filter === undefined) return null;
  const input: Output = f.input.kind === 'text' ? f.input.text : null;
  const output = filter(f, call.words.slice(1), input);
  return output !== null && output.text.length > MAX_TEXT ? null : output;
}

type Filter = (f: Frame, args: readonly Word[], input: Output) => Output;

const FILTERS: Readonly<Record<string, Filter>> = {
  echo,
  printf: format,
  cat: (_f, args, input) => (args.every((arg) => /^-u?$/.test(arg.text)) ? input : null),
  tee: (_f, _args, input) => input,
  pwd: (f) => {
    const [only] = f.scope.directories;
    return only !== undefined && f.scope.directories.length === 1 ? exact(`${only}\n`) : null;
  },
  basename: (_f, args) => {
    const [path, suffix = ''] = texts(args) ?? [];
    if (path === undefined || path.startsWith('-') || args.length > 2) return null;
    const base = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
    return exact(
      `${suffix !== '' && base !== suffix && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base}\n`,
    );
  },
  dirname: (_f, args) => {
    const [path] = texts(args) ?? [];
    if (path === undefined || args.length !== 1) return null;
    const cut = path.replace(/\/+$/, '').lastIndexOf('/');
    return exact(`${cut < 0 ? '.' : cut === 0 ? '/' : path.slice(0, cut)}\n`);
  },
  base64: (_f, args, input) => (decodes(args) ? decoded(input, decodeBase64) : null),
  base32: (_f, args, input) => (decodes(args) ? decoded(input, decodeBase32) : null),
  openssl: (_f, args, input) => {
    const known = texts(args);
    return known?.includes('-d') &&
      known.some((arg) => /^-?(?:base64|a)$/.test(arg)) &&
      !known.some((arg) => /^-(?:in|aes.*|des.*|k|K|pass)$/.test(arg))
      ? decoded(input, decodeBase64)
      : null;
  },
  xxd: (_f, args, input) => {
    const flags = (texts(args) ?? []).join('');
    return /^(?:-[rp]{1,2}|-r|-p|-ps|-plain)+$/.test(flags) && /r/.test(flags) && /-.*p/.test(flags)
      ? decoded(input, decodeHex)
      : null;
  },
  rev: (_f, args, input) =>
    args.length === 0 ? eachLine(input, (line) => [...line].reverse().join('')) : null,
  tac: (_f, args, input) =>
    args.length === 0 && input !== null ? some(lines(input.text).reverse(), input) : null,
  tr: translate,
  sed: substitute,
  head: subset('c', 0),
  tail: subset('cfF', 0),
  grep: subset('ocqlLnHbZTABCf', 1),
  egrep: subset('ocqlLnHbZTABCf', 1),
  fgrep: subset('ocqlLnHbZTABCf', 1),
  sort: subset('oczkt', 0),
  uniq: subset('cDdu', 0),
  find: roots,
  yes: (_f, args) => ({
    text: `${args.length === 0 ? 'y' : args.map((arg) => arg.text).join(' ')}\n`,
    known: false,
  }),
  true: () => NO_OUTPUT,
  ':': () => NO_OUTPUT,
};

function exact(text: string): Text {
  return { text, known: !text.includes(UNKNOWN_TEXT) };
}

function texts(args: readonly Word[]): string[] | null {
  return args.every((arg) => arg.known && !arg.glob) ? args.map((arg) => arg.text) : null;
}

function lines(text: string): string[] {
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

function some(all: readonly string[], input: Text): Text {
  return { text: `${all.join('\n')}\n`, known: input.known };
}

function eachLine(input: Output, change: (line: string) => string): Output {
  return input === null ? null : some(lines(input.text).map(change), input);
}

/** Prints some lines of its input, nobody knows which; null when `no` is among its flags, or it reads files. */
function subset(no: string, operands: number): Filter {
  return (_f, args, input) => {
    let words = 0;
    for (const { text } of args) {
      if (text.startsWith('--')) return null;
      if (!text.startsWith('-')) words += /^\d+$/.test(text) ? 0 : 1;
      else for (const c of text.slice(1)) if (no.includes(c)) return null;
    }
    return input === null || words > operands ? null : { text: input.text, known: false };
  };
}

function echo(f: Frame, args: readonly Word[]): Output {
  let i = 0;
  let newline = true;
  const { dialect } = f.scope.surroundings;
  let escapes = dialect === 'sh' || dialect === 'zsh';
  for (; /^-[neE]+$/.test(args[i]?.text ?? ''); i++) {
    const flags = args[i]?.text ?? '';
    if (flags.includes('n')) newline = false;
    if (flags.includes('e')) escapes = true;
    if (flags.includes('E')) escapes = false;
  }
  const text = args
    .slice(i)
    .map((arg) => (arg.glob ? UNKNOWN_TEXT : arg.text))
    .join(' ');
  if (!escapes) return exact(newline ? `${text}\n` : text);
  const read = unescapeText(text, true);
  if (read === null) return null;
  return exact(newline && !read.stop ? `${read.text}\n` : read.text);
}

function format(_f: Frame, args: readonly Word[]): Output {
  let [template, ...rest] = args;
  if (template?.text === '--') [template, ...rest] = rest;
  if (template === undefined || template.text.startsWith('-') || template.glob) return null;
  let text = '';
  let next = 0;
  do {
    const before = next;
    const pattern = /%(%|-?\d*(?:\.\d+)?[sbdiq])|%|\\.|[^%\\]+/gs;
    let piece = '';
    for (const [match, kind] of template.text.matchAll(pattern)) {
      if (kind === undefined) {
        if (match === '%') return null;
        piece += match;
      } else if (kind === '%') piece += '%';
      else if (kind.length > 1 || kind === 'q') return null;
      else {
        const arg = rest[next++];
        const value = arg === undefined ? '' : arg.glob ? UNKNOWN_TEXT : arg.text;
        if (kind === 'd' || kind === 'i') piece += /^-?\d+$/.test(value) ? value : UNKNOWN_TEXT;
        // What is put in is not read for escapes, except by %b.
        else piece += kind === 'b' ? value : value.replaceAll('\\', '\\\\');
      }
    }
    const read = unescapeText(piece, false);
    if (read === null) return null;
    text += read.text;
    if (next === before || read.stop || text.length > MAX_TEXT) break;
  } while (next < rest.length);
  return exact(text);
}

function decodes(args: readonly Word[]): boolean {
  const known = texts(args);
  return (
    known !== null &&
    known.length > 0 &&
    known.every((arg) => /^(?:-[dDi]+|--decode|--ignore-garbage|-)$/.test(arg)) &&
    known.some((arg) => /d/i.test(arg))
  );
}

function decoded(input: Output, decode: (text: string) => string | null): Output {
  if (input === null || input.text.includes(UNKNOWN_TEXT)) return null;
  const bytes = decode(input.text);
  const text = bytes === null ? null : utf8(bytes);
  return text === null ? null : { text, known: input.known };
}

function translate(_f: Frame, args: readonly Word[], input: Output): Output {
  const known = texts(args);
  if (known === null || input === null) return null;
  const [first = '', second = '', third] = known;
  if (first === '-d' && third === undefined) {
    const gone = characterSet(second);
    return gone === null
      ? null
      : { text: [...input.text].filter((c) => !gone.includes(c)).join(''), known: input.known };
  }
  if (first.startsWith('-') && first.length > 1) return null;
  const from = characterSet(first);
  const to = characterSet(second);
  if (from === null || to === null || to.length === 0 || third !== undefined) return null;
  const map = new Map<string, string>();
  for (const [i, c] of from.entries()) map.set(c, to[Math.min(i, to.length - 1)] ?? c);
  return { text: [...input.text].map((c) => map.get(c) ?? c).join(''), known: input.known };
}

function characterSet(text: string): string[] | null {
  const read = unescapeText(
    text.replace(/\[:(lower|upper|digit|space):\]/g, (_, name: string) => CLASSES[name] ?? ''),
    false,
  );
  if (read === null || read.text.includes('[:')) return null;
  const all = [...read.text];
  const out: string[] = [];
  for (let i = 0; i < all.length; i++) {
    const from = all[i] ?? '';
    const to = all[i + 2];
    if (all[i + 1] !== '-' || to === undefined) {
      out.push(from);
      continue;
    }
    for (let code = from.charCodeAt(0); code <= to.charCodeAt(0) && out.length < 512; code++)
      out.push(String.fromCharCode(code));
    i += 2;
  }
  return out;
}

const CLASSES: Readonly<Record<string, string>> = {
  lower: 'a-z',
  upper: 'A-Z',
  digit: '0-9',
  space: ' \\t\\n',
};

/** `s/plain/plain/g`: enough to undo a disguise. */
function substitute(_f: Frame, args: readonly Word[], input: Output): Output {
  const known = texts(args);
  const script = known?.filter((arg) => arg !== '-e') ?? [];
  const [only = ''] = script;
  if (known === null || input === null || script.length !== 1 || only[0] !== 's' || only.length > 1024)
    return null;
  const parts = only.slice(2).split(only[1] ?? '/');
  const [pattern = '', replacement = '', flags = ''] = parts;
  if (parts.length !== 3 || pattern === '' || /[\\^$.*[\]+?(){}|]/.test(pattern) || /[\\&]/.test(replacement))
    return null;
  if (flags !== '' && flags !== 'g') return null;
  return eachLine(input, (line) =>
    flags === 'g' ? line.split(pattern).join(replacement) : line.replace(pattern, () => replacement),
  );
}

/** `find` prints paths below its roots: which ones is unknown, where is not. */
function roots(_f: Frame, args: readonly Word[]): Output {
  // With `-printf` and its like it prints something else.
  if (args.some((arg) => /^-(?:printf|fprintf|fprint|fprint0|fls|ls|exec|execdir|ok|okdir)$/.test(arg.text)))
    return null;
  const found = searchRoots(args);
  return { text: found.roots.map((root) => `${below(root.text)}\n`).join(''), known: false };
}

/** The starting points of a `find` and where its expression begins. */
export function searchRoots(args: readonly Word[]): { readonly roots: readonly Word[]; readonly at: number } {
  let i = 0;
  for (; /^(?:-[HLP]|-D|-O\d?)$/.test(args[i]?.text ?? ''); i++) if (args[i]?.text === '-D') i++;
  const start = i;
  while (i < args.length && !/^(?:[-(!,)])/.test(args[i]?.text ?? '')) i++;
  const given = args.slice(start, i);
  return { roots: given.length > 0 ? given : [{ text: '.', raw: '', known: true, glob: false }], at: i };
}

/** Something unknown below a directory. */
export function below(root: string): string {
  return root.endsWith('/') ? `${root}${UNKNOWN_TEXT}` : `${root}/${UNKNOWN_TEXT}`;
}
