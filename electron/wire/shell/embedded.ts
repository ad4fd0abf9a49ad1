import type { Word } from '../../core/command.ts';
import { fromInput, interpreter } from './interpreters.ts';
import { type Call, emit, type Frame, INHERITED, type Machine, type Output } from './machine.ts';
import { type OptionShape, optionValue, scanOptions, tail } from './options.ts';
import { type Handler, plain, wrapped } from './plain.ts';
import { shellText } from './shells.ts';
import { joinText, literalWord, textAt } from './word.ts';

/** Reads code that a program was given in an option and will hand to a shell; the program itself was emitted. */
function embedded(m: Machine, f: Frame, program: string, code: Word, detail: string): void {
  const inner: Frame = { ...f, stage: null, redirects: [], wanted: false };
  shellText(m, inner, { words: [code], assignments: [], redirects: [], span: null }, code.text, {
    program,
    words: [code],
    detail,
    known: code.known,
    input: INHERITED,
  });
}

const GIT_CODE_KEYS =
  /^(?:core\.(?:pager|editor|sshcommand|fsmonitor|askpass|gitproxy)|sequence\.editor|diff\.external|diff\..*\.(?:command|textconv)|difftool\..*\.cmd|mergetool\..*\.cmd|merge\..*\.driver|filter\..*\.(?:clean|smudge|process)|gpg\.program|gpg\..*\.program|pager\..*|credential\.helper|credential\..*\.helper|interactive\.difffilter|uploadpack\.packobjectshook|remote\..*\.(?:uploadpack|receivepack|vcs)|web\.browser|browser\..*\.cmd|man\..*\.cmd|sendemail\.(?:smtpserver|tocmd|cccmd))$/i;

/** `git -c core.pager=code`, `git -c alias.x='!code'`, `git config`, `rebase -x`, `bisect run`, `submodule foreach` … */
export const git: Handler = (m, f, call, program) => {
  const output = plain(m, f, call);
  const { words } = call;
  const scanned = scanOptions(m, words, 1, {
    short: 'Cc',
    long: 'git-dir work-tree namespace exec-path super-prefix config-env',
  });
  for (const { name, value } of scanned.options)
    if (name === 'c' && value !== null) configured(m, f, program, value, value.text.indexOf('='));
  const verb = textAt(words, scanned.at);
  const args = words.slice(scanned.at + 1);
  switch (verb) {
    case 'config':
      args.forEach((word, i) => {
        const value = args[i + 1];
        if (value !== undefined && !word.text.startsWith('-'))
          configuredPair(m, f, program, word.text, value);
      });
      break;
    case 'rebase':
      for (const value of valuesOf(m, args, { short: 'xsXC', long: 'exec strategy onto' }, 'x', 'exec'))
        embedded(m, f, program, value, verb);
      break;
    case 'bisect':
      if (textAt(args, 0) === 'run' && args.length > 1) embeddedWords(m, f, call, args.slice(1), verb);
      break;
    case 'submodule':
      if (textAt(args, 0) === 'foreach') {
        const code = args
          .slice(1)
          .filter((word) => word.text !== '--recursive' && word.text !== '--quiet' && word.text !== '-q');
        if (code.length > 0) embedded(m, f, program, joined(code), verb);
      }
      break;
    case 'filter-branch':
      args.forEach((word, i) => {
        const value = args[i + 1];
        if (/^--(?:env|tree|index|parent|msg|commit|tag-name)-filter$/.test(word.text) && value !== undefined)
          embedded(m, f, program, value, verb);
      });
      break;
    case 'difftool':
      for (const value of valuesOf(m, args, { short: 'xt', long: 'extcmd tool' }, 'x', 'extcmd'))
        embedded(m, f, program, value, verb);
      break;
    case 'grep':
      for (const word of args) {
        const option = /^(?:-O|--open-files-in-pager=)(?=.)/.exec(word.text);
        if (option !== null) embedded(m, f, program, tail(m, word, option[0].length), verb);
      }
      break;
    case 'clone':
    case 'fetch':
    case 'pull':
    case 'push':
    case 'ls-remote':
    case 'archive':
    case 'send-pack':
    case 'fetch-pack':
      transport(m, f, program, args, verb);
      break;
    default:
      break;
  }
  return output;
};

function embeddedWords(m: Machine, f: Frame, call: Call, words: readonly Word[], detail: string): void {
  const inner: Frame = {
    ...f,
    stage: null,
    redirects: [],
    wanted: false,
    via: [...f.via, { program: 'git', detail, place: 'here' }],
  };
  m.run.process(m, inner, { words, assignments: [], redirects: [], span: call.span });
}

function transport(m: Machine, f: Frame, program: string, args: readonly Word[], verb: string): void {
  for (const word of args) {
    const option = /^--(?:upload-pack|receive-pack|exec)=/.exec(word.text);
    if (option !== null) embedded(m, f, program, tail(m, word, option[0].length), verb);
    if (word.text.startsWith('ext::')) embedded(m, f, program, tail(m, word, 5), 'ext');
  }
  args.forEach((word, i) => {
    const value = args[i + 1];
    if (/^(?:-u|--upload-pack|--receive-pack)$/.test(word.text) && value !== undefined && verb === 'clone')
      embedded(m, f, program, value, verb);
    if (word.text === '-c' && value !== undefined && verb === 'clone')
      configured(m, f, program, value, value.text.indexOf('='));
  });
}

function configured(m: Machine, f: Frame, program: string, setting: Word, equals: number): void {
  if (equals > 0) configuredPair(m, f, program, setting.text.slice(0, equals), tail(m, setting, equals + 1));
}

function configuredPair(m: Machine, f: Frame, program: string, key: string, value: Word): void {
  const bang = value.text.startsWith('!');
  if (bang && /^(?:alias\.|credential\.|submodule\.)/i.test(key))
    embedded(m, f, program, tail(m, value, 1), key);
  else if (
    GIT_CODE_KEYS.test(key) &&
    !bang &&
    value.text !== '' &&
    !/^(?:true|false|cat|\d+)$/.test(value.text) &&
    !isHelper(key, value)
  )
    embedded(m, f, program, value, key);
}

/** `credential.helper store` names a helper of git, not a command. */
function isHelper(key: string, value: Word): boolean {
  return /helper$/i.test(key) && !value.text.startsWith('/');
}

function joined(words: readonly Word[]): Word {
  const text = joinText(words, 0);
  return { text, raw: text, known: words.every((word) => word.known), glob: false };
}

function valuesOf(
  m: Machine,
  args: readonly Word[],
  shape: OptionShape,
  ...names: readonly string[]
): Word[] {
  const found: Word[] = [];
  let at = 0;
  for (let rounds = 0; rounds < 64 && at < args.length; rounds++) {
    const scanned = scanOptions(m, args, at, shape);
    for (const { name, value } of scanned.options)
      if (names.includes(name) && value !== null) found.push(value);
    at = scanned.at + 1;
  }
  return found;
}

/** Options of other programs whose value is a command: by program, a test of the option and its place in the word. */
const CODE_OPTIONS: Readonly<Record<string, RegExp>> = {
  tar: /^(?:--checkpoint-action=exec=|--to-command(?:=|$)|--use-compress-program(?:=|$)|--rsh-command(?:=|$)|--info-script(?:=|$)|--new-volume-script(?:=|$)|-I$|-F$)/,
  bsdtar: /^--use-compress-program(?:=|$)/,
  rsync: /^(?:-[a-df-zA-Z]*e$|--rsh(?:=|$)|--rsync-path(?:=|$))/,
  man: /^(?:-P$|-P(?=.)|--pager(?:=|$)|-H(?=.)|--html(?:=)|--browser(?:=|$))/,
  zip: /^(?:-TT$|--unzip-command(?:=|$))/,
  sort: /^--compress-program(?:=|$)/,
  split: /^--filter(?:=|$)/,
  ag: /^--pager(?:=|$)/,
  rg: /^(?:--pre(?:=|$)|--hostname-bin(?:=|$))/,
  make: /^(?:SHELL=|\.SHELLFLAGS=)/,
  gmake: /^(?:SHELL=|\.SHELLFLAGS=)/,
  ansible: /^(?:-a$|--args(?:=|$))/,
  tcpdump: /^-z$/,
  nc: /^(?:-e$|-c$|--exec(?:=|$)|--sh-exec(?:=|$))/,
  ncat: /^(?:-e$|-c$|--exec(?:=|$)|--sh-exec(?:=|$))/,
  netcat: /^(?:-e$|-c$)/,
  fzf: /^(?:--preview(?:=|$))/,
  'start-stop-daemon': /^(?:-x$|--exec(?:=|$)|-a$|--startas(?:=|$))/,
  hg: /^--config=(?:alias\.\w+=!|ui\.editor=|hooks\.[\w-]+=)/,
  wget: /^--use-askpass(?:=|$)/,
  nodemon: /^(?:-x$|--exec(?:=|$))/,
  chokidar: /^(?:-c$|--command(?:=|$))/,
};

/** Variables whose value some program hands to a shell. */
const CODE_VARIABLES =
  /^(?:GIT_(?:SSH_COMMAND|EXTERNAL_DIFF|PAGER|EDITOR|SEQUENCE_EDITOR|ASKPASS|PROXY_COMMAND)|PAGER|EDITOR|VISUAL|MANPAGER|LESSOPEN|LESSCLOSE|PROMPT_COMMAND|RSYNC_RSH|CVS_RSH|SUDO_EDITOR|BROWSER)$/;

/** `GIT_SSH_COMMAND='…' git fetch`: code in a variable that a program will run. A bare program name says nothing new. */
export function readAssignedCode(m: Machine, f: Frame, name: string, value: Word): void {
  if (!CODE_VARIABLES.test(name) || value.text === '' || /^[\w.-]+$/.test(value.text)) return;
  embedded(m, f, name, value.text.startsWith('|') ? tail(m, value, 1) : value, 'variable');
}

/** True for programs with an option that holds a command. */
export function hasCodeOption(program: string): boolean {
  return Object.hasOwn(CODE_OPTIONS, program);
}

/** `tar --checkpoint-action=exec=code`, `rsync -e code`, `man -P code`, `make SHELL=…`, `nc -e`. */
export const codeOption: Handler = (m, f, call, program) => {
  const output = plain(m, f, call);
  const test = CODE_OPTIONS[program];
  if (test === undefined) return output;
  const { words } = call;
  for (let i = 1; i < words.length; i++) {
    const word = words[i];
    if (word === undefined || word.text === '--') break;
    const match = test.exec(word.text);
    if (match === null || match[0] === '') continue;
    const code = match[0].length < word.text.length ? tail(m, word, match[0].length) : words[i + 1];
    // `rsync -e ssh`, `tar -I zstd`: the usual helper with no more words says nothing new.
    if (code !== undefined && !/^(?:ssh|g?zip|pigz|zstd|xz|lz4|bzip2|lzip|lzop|brotli)$/.test(code.text))
      embedded(m, f, program, code, match[0].replace(/=$/, ''));
  }
  return output;
};

/** `vim -c '!cmd'`, `vim +'!cmd'`: `!` is shell, the rest is the editor's own language. */
export const vim: Handler = (m, f, call) => {
  const { words } = call;
  const scripts: Word[] = [];
  for (let i = 1; i < words.length; i++) {
    const word = words[i];
    if (word === undefined) continue;
    const next = words[i + 1];
    if (/^(?:-c|--cmd)$/.test(word.text) && next !== undefined) {
      scripts.push(next);
      i++;
    } else if (word.text.startsWith('+') && word.text.length > 1) scripts.push(tail(m, word, 1));
  }
  if (scripts.length === 0) return plain(m, f, call);
  const text = scripts.map((word) => word.text).join('\n');
  emit(m, f, call, { language: 'vim', text, known: scripts.every((word) => word.known) });
  for (const word of scripts) {
    const bang = /^[:\s%]*(?:silent!?\s+|sil!?\s+|exe(?:cute)?\s+["'])*[:\s%]*(?:[rw]\s*)?!/.exec(word.text);
    if (bang !== null) embedded(m, f, 'vim', tail(m, word, bang[0].length), '!');
    const system = /(?:system|systemlist)\(\s*(["'])(.*?)\1/s.exec(word.text);
    if (system !== null) embedded(m, f, 'vim', literalWord(system[2] ?? ''), 'system');
  }
  return null;
};

/** `less +!cmd`, `more`. */
export const pager: Handler = (m, f, call, program) => {
  const output = plain(m, f, call);
  for (const word of call.words.slice(1))
    if (/^\+\+?!/.test(word.text)) embedded(m, f, program, tail(m, word, word.text.indexOf('!') + 1), '!');
  return output;
};

/** `crontab -` and `crontab file`: what is piped in is code that will run later. */
export const crontab: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, { short: 'u' });
  const reads =
    textAt(call.words, scanned.at) === '-' ||
    textAt(call.words, scanned.at) === '/dev/stdin' ||
    (scanned.at >= call.words.length && scanned.options.length === 0);
  if (!reads || f.input.kind !== 'text')
    return reads && f.input.kind !== 'inherited' ? fromInput(m, f, call, 'shell') : plain(m, f, call);
  const { text, known } = f.input.text;
  emit(m, f, call, null);
  for (const line of text.split('\n').slice(0, 256)) {
    const entry = /^\s*(?:@\w+|(?:[\d*/,A-Za-z-]+\s+){4}[\d*/,A-Za-z-]+)\s+(.*)$/.exec(line);
    if (entry === null) continue;
    embedded(
      m,
      f,
      program,
      { ...literalWord(entry[1] ?? ''), known: known && !line.includes('\uFFFC') },
      'schedule',
    );
  }
  return null;
};

/** `at`, `batch`: what is piped in is code that will run later. */
export const at: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, { short: 'qft' });
  if (optionValue(scanned, 'f') !== undefined || f.input.kind === 'inherited') return plain(m, f, call);
  if (f.input.kind !== 'text') return fromInput(m, f, call, 'shell');
  const { text, known } = f.input.text;
  emit(m, f, call, null);
  embedded(m, f, program, { ...literalWord(text), known }, 'schedule');
  return null;
};

/** `hyperfine a b`, `concurrently a b`: every word is code. */
export const eachWord: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, {
    short: 'wrmMPLDSpCcn',
    long: 'warmup runs min-runs max-runs setup prepare conclude cleanup shell export-json export-markdown export-csv parameter-list parameter-scan command-name names prefix prefix-colors max-processes restart-tries',
  });
  const output = plain(m, f, call);
  for (const { name, value } of scanned.options)
    if (/^(?:setup|prepare|conclude|cleanup)$/.test(name) && value !== null)
      embedded(m, f, program, value, name);
  for (const word of call.words.slice(scanned.at)) embedded(m, f, program, word, '');
  return output;
};

/** `gdb --args cmd`: the debugged program runs. */
export const debugged: Handler = (m, f, call, program) => {
  const dashes = call.words.findIndex((word) => /^(?:--?args|--)$/.test(word.text));
  if (dashes < 0) return interpreter(m, f, call, program);
  return wrapped(m, f, call, program, call.words.slice(dashes + 1), { own: true });
};

/** `tmux new-session cmd`, `send-keys`, `screen -dm cmd`: code for another terminal. */
export const multiplexer: Handler = (m, f, call, program) => {
  const output: Output = plain(m, f, call);
  const { words } = call;
  if (program === 'screen') {
    const scanned = scanOptions(m, words, 1, { short: 'SceghpstTXx' });
    const rest = words.slice(scanned.at);
    const stuff = words.findIndex((word) => word.text === 'stuff');
    const typed = words[stuff + 1];
    if (stuff > 0 && typed !== undefined) embedded(m, f, program, typed, 'stuff');
    else if (rest.length > 0 && !scanned.options.some(({ name }) => name === 'X'))
      m.run.process(
        m,
        { ...f, stage: null, redirects: [], via: [...f.via, { program, detail: '', place: 'here' }] },
        { words: rest, assignments: [], redirects: [], span: call.span },
      );
    return output;
  }
  const verb = words.findIndex((word) =>
    /^(?:new|new-session|neww|new-window|splitw|split-window|respawn-pane|respawnp|run|run-shell|send|send-keys|if-shell|popup|display-popup)$/.test(
      word.text,
    ),
  );
  if (verb < 0) return output;
  const name = textAt(words, verb);
  const scanned = scanOptions(m, words, verb + 1, { short: 'tcnsxyeFlpN' });
  const rest = words.slice(scanned.at);
  if (rest.length === 0) return output;
  const keys = /^send/.test(name)
    ? rest.filter((word) => !/^(?:Enter|C-m|C-c|KPEnter|Escape|Tab|Space)$/.test(word.text))
    : rest;
  if (keys.length > 0) embedded(m, f, program, joined(keys), name);
  return output;
};
