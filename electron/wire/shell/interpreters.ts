import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { linkSource } from './code.ts';
import { type Call, type Code, emit, type Frame, type Machine, type Output } from './machine.ts';
import { tail } from './options.ts';
import { type Handler, plain } from './plain.ts';

/** How an interpreter is given code in its own language. */
interface Interpreter {
  readonly language: string;
  /** Letters and long names whose value is code. */
  readonly code: string;
  readonly codeLong?: readonly string[];
  /** Letters that take a value; those of `rest` only an attached one, ending the cluster. */
  readonly short?: string;
  readonly rest?: string;
  readonly long?: readonly string[];
  /** Letters after which the words belong to a module. */
  readonly stop?: string;
  /** How many words that are no options come before code would be read from standard input; null: never read. */
  readonly stdin?: number | null;
  /** Which word that is no option is code: `awk 'program'`, `sqlite3 db 'sql'`. */
  readonly word?: number;
  /** True when options may follow other words. */
  readonly permutes?: boolean;
  /** Options that name a file of code, so that no word and no input is. */
  readonly file?: readonly string[];
}

const PYTHON: Interpreter = {
  language: 'python',
  code: 'c',
  short: 'WX',
  stop: 'm',
  long: ['check-hash-based-pycs'],
};
const NODE: Interpreter = {
  language: 'javascript',
  code: 'ep',
  codeLong: ['eval', 'print'],
  short: 'rC',
  long: ['require', 'import', 'loader', 'experimental-loader', 'conditions', 'env-file', 'input-type'],
};
const PERL: Interpreter = { language: 'perl', code: 'eE', short: 'IM', rest: 'imFDCxdV0l' };
const AWK: Interpreter = {
  language: 'awk',
  code: 'e',
  codeLong: ['source'],
  short: 'Fvfi',
  long: ['field-separator', 'assign', 'file'],
  word: 0,
  stdin: null,
  file: ['f', 'file'],
};
const LUA: Interpreter = { language: 'lua', code: 'e', short: 'l' };
const MYSQL: Interpreter = {
  language: 'sql',
  permutes: true,
  code: 'e',
  codeLong: ['execute'],
  short: 'huPDS',
  rest: 'p',
  long: ['host', 'user', 'port', 'database', 'socket', 'defaults-file', 'protocol'],
  stdin: 99,
};

const INTERPRETERS: Readonly<Record<string, Interpreter>> = {
  python: PYTHON,
  python2: PYTHON,
  python3: PYTHON,
  pypy: PYTHON,
  pypy3: PYTHON,
  ipython: PYTHON,
  ipython3: PYTHON,
  node: NODE,
  nodejs: NODE,
  bun: { ...NODE, short: 'r' },
  tsx: NODE,
  'ts-node': NODE,
  qjs: NODE,
  perl: PERL,
  ruby: { language: 'ruby', code: 'e', short: 'ICr', rest: 'iF0KExTWl' },
  php: {
    language: 'php',
    code: 'rBRE',
    codeLong: ['run', 'process-begin', 'process-code', 'process-end'],
    short: 'dfFzctS',
    file: ['f'],
  },
  lua: LUA,
  luajit: LUA,
  tclsh: { language: 'tcl', code: '' },
  expect: { language: 'tcl', code: 'c', short: 'f' },
  rscript: { language: 'r', code: 'e' },
  r: { language: 'r', code: 'e', short: 'fg' },
  julia: { language: 'julia', code: 'eE', codeLong: ['eval', 'print'], short: 'LJpt' },
  elixir: { language: 'elixir', code: 'e', codeLong: ['eval', 'rpc-eval'] },
  groovy: { language: 'groovy', code: 'e', short: 'cD' },
  scala: { language: 'scala', code: 'e' },
  ghc: { language: 'haskell', code: 'e' },
  swipl: { language: 'prolog', code: 'g' },
  osascript: { language: 'applescript', code: 'e', short: 'ls' },
  awk: AWK,
  gawk: AWK,
  mawk: AWK,
  nawk: AWK,
  psql: {
    language: 'sql',
    permutes: true,
    code: 'c',
    codeLong: ['command'],
    short: 'dfFhLoPRTUvp',
    long: ['dbname', 'file', 'host', 'port', 'username', 'output', 'set', 'variable', 'log-file', 'pset'],
    stdin: 99,
    file: ['f', 'file'],
  },
  mysql: MYSQL,
  mariadb: MYSQL,
  sqlite: { language: 'sql', code: '', word: 1, stdin: 2 },
  sqlite3: { language: 'sql', code: '', word: 1, stdin: 2 },
  duckdb: { language: 'sql', permutes: true, code: 'cs', word: 1, stdin: 2 },
  'clickhouse-client': {
    language: 'sql',
    permutes: true,
    code: 'q',
    codeLong: ['query'],
    long: ['host', 'user', 'password', 'port'],
    stdin: 99,
  },
  bq: { language: 'sql', code: '', stdin: null },
  sqlcmd: { language: 'sql', permutes: true, code: 'qQ', short: 'SUPdi', stdin: 99 },
  cqlsh: { language: 'sql', permutes: true, code: 'e', codeLong: ['execute'], short: 'upkf', stdin: 99 },
  mongosh: {
    language: 'javascript',
    permutes: true,
    code: '',
    codeLong: ['eval'],
    long: ['host', 'port', 'username', 'password', 'file'],
    stdin: 99,
  },
  mongo: {
    language: 'javascript',
    permutes: true,
    code: '',
    codeLong: ['eval'],
    long: ['host', 'port', 'username', 'password'],
    stdin: 99,
  },
  emacs: { language: 'elisp', permutes: true, code: '', codeLong: ['eval', 'execute'], stdin: null },
  emacsclient: { language: 'elisp', code: 'e', codeLong: ['eval'], stdin: null },
  gdb: {
    language: 'gdb',
    permutes: true,
    code: '',
    codeLong: ['eval-command', 'init-eval-command', 'ex', 'iex'],
    stdin: null,
  },
};

/** True for programs that are given code in a language of their own. */
export function isInterpreter(program: string): boolean {
  return Object.hasOwn(INTERPRETERS, program);
}

/** `python -c`, `node -e`, `psql -c`, `awk '…'`: the command keeps the code it was given (AARM R3.k). */
export const interpreter: Handler = (m, f, call, program) => {
  const shape = INTERPRETERS[program];
  if (shape === undefined) return plain(m, f, call);
  const found = readInterpreterWords(m, call.words, shape);
  if (found.code.length > 0) return withCode(m, f, call, shape.language, found.code, '\n');
  if (found.module) return plain(m, f, call);
  const at = shape.word;
  const word = at === undefined || found.fromFile ? undefined : found.words[at];
  if (word !== undefined)
    return withCode(
      m,
      f,
      call,
      shape.language,
      program.startsWith('sqlite') ? found.words.slice(at) : [word],
      '\n',
    );
  const limit = shape.stdin === undefined ? 0 : shape.stdin;
  const [script] = found.words;
  const dash = script !== undefined && /^(?:-|\/dev\/stdin|\/dev\/fd\/0)$/.test(script.text);
  if (limit !== null && !found.fromFile && (dash || found.words.length <= limit))
    return fromInput(m, f, call, shape.language);
  // `python <(curl …)`: the script is what another command writes.
  if (script !== undefined && m.sources.has(script) && script.text === UNKNOWN_TEXT)
    return withCode(m, f, call, shape.language, [script], '\n');
  return plain(m, f, call);
};

interface InterpreterWords {
  readonly code: readonly Word[];
  readonly words: readonly Word[];
  readonly module: boolean;
  readonly fromFile: boolean;
}

function readInterpreterWords(m: Machine, all: readonly Word[], shape: Interpreter): InterpreterWords {
  const code: Word[] = [];
  const words: Word[] = [];
  let fromFile = false;
  let i = 1;
  for (; i < all.length; i++) {
    const word = all[i];
    const text = word?.text ?? '';
    if (word === undefined) break;
    if (text.length < 2 || !text.startsWith('-')) {
      if (shape.permutes !== true) break;
      words.push(word);
      continue;
    }
    if (text === '--') {
      i++;
      break;
    }
    const single = text.startsWith('--') ? text.slice(2) : text.slice(1);
    const equals = single.indexOf('=');
    const name = equals < 0 ? single : single.slice(0, equals);
    const long = text.startsWith('--') || (name.length > 1 && shape.codeLong?.includes(name) === true);
    if (long) {
      const attached = equals < 0 ? undefined : tail(m, word, text.indexOf('=') + 1);
      if (shape.codeLong?.includes(name) === true) {
        const value = attached ?? all[++i];
        if (value !== undefined) code.push(value);
      } else if (attached === undefined && shape.long?.includes(name) === true) i++;
      if (shape.file?.includes(name) === true) fromFile = true;
      continue;
    }
    for (let j = 1; j < text.length; j++) {
      const letter = text[j] ?? '';
      if (shape.stop?.includes(letter) === true) return { code, words: [], module: true, fromFile };
      if (shape.code.includes(letter)) {
        const value = j + 1 < text.length && letter !== 'p' ? cluster(m, word, j, shape) : undefined;
        if (value === 'more') continue;
        const given = value ?? all[++i];
        if (given !== undefined) code.push(given);
        break;
      }
      if (shape.file?.includes(letter) === true) fromFile = true;
      if (shape.short?.includes(letter) === true) {
        if (j + 1 >= text.length) i++;
        break;
      }
      if (shape.rest?.includes(letter) === true) {
        // `-0777e`, `-lane`: digits belong to the letter, more letters do not.
        if (letter !== '0' && letter !== 'l') break;
        while (/[0-9a-fx]/i.test(text[j + 1] ?? ' ') && (letter === '0' || /\d/.test(text[j + 1] ?? ''))) {
          if (letter === '0' && /[a-f]/i.test(text[j + 1] ?? '') && !text.includes('0x')) break;
          j++;
        }
      }
    }
  }
  return { code, words: [...words, ...all.slice(i)], module: false, fromFile };
}

/** The rest of `-c'code'`; `'more'` for node's `-pe`, whose letters go together. */
function cluster(m: Machine, word: Word, at: number, shape: Interpreter): Word | 'more' {
  if (shape.language === 'javascript' && /^[ep]+$/.test(word.text.slice(at + 1))) return 'more';
  return tail(m, word, at + 1);
}

/** Emits a command with the code in some of its words. */
export function withCode(
  m: Machine,
  f: Frame,
  call: Call,
  language: string,
  words: readonly Word[],
  separator: string,
): Output {
  const text = words.map((word) => word.text).join(separator);
  const known = words.every((word) => word.known && !word.glob);
  const draft = emit(m, f, call, { language, text, known });
  linkSource(m, draft.index, words);
  return null;
}

/** Emits a command whose code is its standard input, if it has one we know of. */
export function fromInput(m: Machine, f: Frame, call: Call, language: string): Output {
  const { input } = f;
  if (input.kind === 'inherited') return plain(m, f, call);
  const code: Code =
    input.kind === 'text'
      ? {
          language,
          text: input.text.text,
          known: input.text.known && !input.text.text.includes(UNKNOWN_TEXT),
        }
      : { language, text: '', known: false };
  const draft = emit(m, f, call, code);
  const body = call.redirects.find((redirect) => redirect.body !== null)?.body;
  if (body !== undefined && body !== null) linkSource(m, draft.index, [body]);
  return null;
}

/** `pwsh -Command`, `-EncodedCommand`, `cmd /c`. */
export const windowsShell: Handler = (m, f, call, program) => {
  const { words } = call;
  const language = program === 'cmd' ? 'batch' : 'powershell';
  for (let i = 1; i < words.length; i++) {
    const text = (words[i]?.text ?? '').toLowerCase();
    if (program === 'cmd' ? /^\/[ckr]$/.test(text) : /^[-/]c(?:o(?:mmand)?|om.*)?$/.test(text))
      return words[i + 1]?.text === '-'
        ? fromInput(m, f, call, language)
        : withCode(m, f, call, language, words.slice(i + 1), ' ');
    if (program !== 'cmd' && /^[-/]e(?:c|nc.*|ncodedcommand)?$/.test(text)) {
      const draft = emit(m, f, call, { language, text: words[i + 1]?.text ?? '', known: false });
      linkSource(m, draft.index, words.slice(i + 1));
      return null;
    }
    if (program !== 'cmd' && !/^[-/]/.test(text)) return withCode(m, f, call, language, words.slice(i), ' ');
    if (program !== 'cmd' && /^[-/](?:ep|ex.*|file|f|v.*|w.*|inputformat|outputformat)$/.test(text)) i++;
    if (/^[-/]f(?:ile)?$/.test(text)) return plain(m, f, call);
  }
  return fromInput(m, f, call, language);
};
