import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { type Call, emit, type Frame, type Machine, type Output, spend, through } from './machine.ts';
import { hasOption, optionValue, scanOptions } from './options.ts';
import { below, searchRoots } from './output.ts';
import { type Handler, plain, withoutInput } from './plain.ts';
import { shellText } from './shells.ts';
import { joinText, literalWord, MANY, textAt } from './word.ts';

const MAX_FOUND = 16;

/** `find`: itself, and the command of each `-exec`, `-execdir`, `-ok`, whose `{}` is something below a root (AARM R3.k). */
export const find: Handler = (m, f, call, program) => {
  const output = plain(m, f, call);
  const args = call.words.slice(1);
  const { roots } = searchRoots(args);
  const found = roots.slice(0, MAX_FOUND).map((root) => pathBelow(root));
  if (roots.length > MAX_FOUND) found.push(MANY);
  for (let i = 0; i < args.length; i++) {
    const name = textAt(args, i);
    if (!/^-(?:exec|ok)(?:dir)?$/.test(name)) continue;
    let end = i + 1;
    while (end < args.length && !isEnd(args, end)) end++;
    if (!spend(m, end - i)) return null;
    start(m, f, call, program, args.slice(i + 1, end), found, '{}', name.endsWith('dir'));
    i = end;
  }
  return output;
};

/** `;`, or a `+` after `{}`. */
function isEnd(args: readonly Word[], at: number): boolean {
  const text = textAt(args, at);
  return text === ';' || (text === '+' && textAt(args, at - 1) === '{}');
}

function pathBelow(root: Word): Word {
  const text = below(root.text);
  return { text, raw: '{}', known: false, glob: true };
}

/** Starts a command once for whatever was found, `mark` standing for it. */
function start(
  m: Machine,
  f: Frame,
  call: Call,
  program: string,
  template: readonly Word[],
  found: readonly Word[],
  mark: string,
  elsewhere = false,
): Output {
  const words: Word[] = [];
  for (const word of template) {
    if (mark !== '' && word.text === mark) words.push(...found);
    else if (mark !== '' && word.text.includes(mark)) words.push(filled(word, mark, found));
    else words.push(word);
  }
  if (words.length === 0) return null;
  const inner = withoutInput(through(f, program, '', 'here'));
  const frame: Frame = elsewhere ? { ...inner, scope: { ...f.scope, directories: [] } } : inner;
  return m.run.process(
    m,
    { ...frame, stage: f.stage, redirects: [] },
    { words, assignments: [], redirects: [], span: call.span },
  );
}

function filled(word: Word, mark: string, found: readonly Word[]): Word {
  const [only] = found;
  const value = found.length === 1 && only !== undefined ? only : MANY;
  const text = word.text.replaceAll(mark, () => value.text);
  return { text, raw: word.raw, known: word.known && value.known, glob: word.glob || value.glob };
}

/** `fd pattern root -x cmd`, `-X cmd`. */
export const fd: Handler = (m, f, call, program) => {
  const output = plain(m, f, call);
  const at = call.words.findIndex((word) => /^(?:-x|-X|--exec|--exec-batch)$/.test(word.text));
  if (at < 0) return output;
  const before = scanOptions(m, call.words.slice(0, at), 1, {
    short: 'eEtdSoc',
    long: 'extension exclude type max-depth min-depth size owner color changed-within changed-before base-directory search-path',
  });
  const roots = call.words
    .slice(0, at)
    .slice(before.at + 1)
    .filter((word) => !word.text.startsWith('-'));
  const template = call.words.slice(at + 1).filter((word) => word.text !== ';');
  const found = (roots.length > 0 ? roots : [literalWord('.')]).slice(0, MAX_FOUND).map(pathBelow);
  const marked = template.some((word) => /\{(?:\/|\.|\/\.|\/\/)?\}/.test(word.text));
  start(
    m,
    f,
    call,
    program,
    marked ? template.map((w) => normalized(w)) : [...template, literalWord('{}')],
    found,
    '{}',
  );
  return output;
};

function normalized(word: Word): Word {
  return { ...word, text: word.text.replace(/\{(?:\/|\.|\/\.|\/\/)\}/g, '{}') };
}

/** `xargs cmd`: the words it appends come from its input, which is sometimes known (AARM R3.k). */
export const xargs: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, {
    short: 'IJLnPsEdaRS',
    long: 'replace max-lines max-args max-procs max-chars eof delimiter arg-file process-slot-var',
  });
  const template = call.words.slice(scanned.at);
  if (template.length === 0) return plain(m, f, call);
  const mark =
    optionValue(scanned, 'I', 'J', 'replace')?.text ?? (hasOption(scanned, 'i', 'replace') ? '{}' : '');
  const found = appended(
    m,
    f,
    scanned.options.some(({ name }) => /^(?:0|null|a|arg-file|d|delimiter|E|eof)$/.test(name)),
    mark !== '',
  );
  const words = mark === '' ? [...template, ...found] : template;
  const inner = {
    ...f,
    redirects: [...f.redirects, ...call.redirects.filter((redirect) => redirect.body === null)],
  };
  const frame: Frame = { ...inner, wanted: false };
  if (mark !== '' && found.length > 1 && found.length <= MAX_FOUND)
    for (const one of found) start(m, frame, call, program, words, [one], mark);
  else start(m, frame, call, program, words, found, mark);
  fedBy(m, f);
  return null;
};

/** What feeds `xargs` feeds its command as far as data flow goes, though not as its standard input. */
function fedBy(m: Machine, f: Frame): void {
  if (f.input.kind !== 'pipe' && f.input.kind !== 'text') return;
  const last = f.stage === null ? m.commands.at(-1) : f.stage.at(-1);
  if (last !== undefined && last.index !== f.input.from) last.pipedFrom ??= f.input.from;
}

function appended(m: Machine, f: Frame, delimited: boolean, lines: boolean): readonly Word[] {
  if (f.input.kind !== 'text') return [MANY];
  const { text, known } = f.input.text;
  // `find -print0 | xargs -0`: what is not known exactly is one path a line.
  const whole = delimited && known;
  const pieces = whole
    ? [text.replace(/[\n\0]$/, '')]
    : text
        .split(lines || delimited ? '\n' : /[ \t\n]+/)
        .map((piece) => piece.trim())
        .filter((piece) => piece !== '');
  // xargs reads quotes of its own.
  if (pieces.length > 256 || /["'\\]/.test(text) || (whole && /[\n\0,:;]/.test(pieces[0] ?? '')))
    return [MANY];
  if (!spend(m, pieces.length)) return [MANY];
  if (known) return pieces.map((piece) => literalWord(piece));
  return pieces.map((piece) => ({ text: piece, raw: '', known: false, glob: true }));
}

/** `parallel template ::: args`: the template is shell code, `{}` and its kin stand for the arguments. */
export const parallel: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, {
    short: 'jNnaPSIdEs',
    long: 'jobs max-args max-replace-args arg-file sshlogin delay timeout retries joblog results colsep delimiter tmpdir workdir halt load memfree basefile return',
  });
  const rest = call.words.slice(scanned.at);
  const at = rest.findIndex((word) => /^:::+\+?$/.test(word.text));
  const template = at < 0 ? rest : rest.slice(0, at);
  const args = at < 0 ? [] : rest.slice(at + 1);
  const remote = optionValue(scanned, 'S', 'sshlogin');
  const place = remote === undefined ? 'here' : 'remote';
  const options = {
    program,
    detail: remote?.text ?? '',
    place,
    distance: remote === undefined ? 'child' : 'away',
  } as const;
  const inner = withoutInput(f);
  if (template.length === 0) {
    // Its arguments, or the lines of its input, are whole commands.
    if (args.length > 0) {
      for (const arg of args)
        if (!/^:::/.test(arg.text))
          shellText(m, inner, call, arg.text, { ...options, words: [arg], known: arg.known });
      return null;
    }
    if (f.input.kind !== 'text') {
      const unread = f.input.kind !== 'inherited';
      emit(m, f, call, unread ? { language: 'shell', text: '', known: false } : null);
      return null;
    }
    return shellText(m, inner, call, f.input.text.text, {
      ...options,
      origin: 'heredoc',
      known: f.input.text.known,
    });
  }
  const { input } = f;
  const lines =
    input.kind === 'text' && at < 0 ? input.text.text.split('\n').filter((line) => line !== '') : [];
  const sources = args.some((arg) => /^:::+\+?$/.test(arg.text));
  const given = args.length > 0 ? args.map((arg) => arg.text) : lines;
  const values = given.length > 0 && given.length <= MAX_FOUND && !sources ? given : [UNKNOWN_TEXT];
  const text = joinText(template, 0);
  const marked = /\{[#%./]*\d*[./]*\}/.test(text);
  for (const raw of values) {
    // It quotes what it puts in, so that an argument can be no code.
    const value = /^[\w./:=@%+,\uFFFC-]*$/.test(raw) ? raw : `'${raw.replaceAll("'", "'\\''")}'`;
    const code = marked ? text.replace(/\{[#%./]*\d*[./]*\}/g, () => value) : `${text} ${value}`;
    shellText(m, inner, call, code, {
      ...options,
      words: template,
      known: template.every((w) => w.known),
      sealed: true,
    });
  }
  fedBy(m, f);
  return null;
};

/** `entr cmd`, `entr -s code`. */
export const entr: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, {});
  const words = call.words.slice(scanned.at);
  if (words.length === 0) return plain(m, f, call);
  const inner = withoutInput(f);
  if (hasOption(scanned, 's')) return shellText(m, inner, call, textAt(words, 0), { program, words });
  return start(m, inner, call, program, words, [MANY], '/_');
};
