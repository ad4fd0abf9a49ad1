import type { Word } from '../../core/command.ts';
import { linkSource, readCode } from './code.ts';
import { type Call, emit, type Frame, INHERITED, type Machine, type Output } from './machine.ts';
import { tail } from './options.ts';
import { type Handler, plain } from './plain.ts';
import { childScope, type Scope, textValue, UNKNOWN_VALUE, type Value } from './scope.ts';
import { textAt } from './word.ts';

interface ShellWords {
  readonly code: Word | null;
  /** Words after the code or script: `$0`, `$1` … */
  readonly rest: readonly Word[];
  readonly script: Word | null;
  /** True for `-s`, which reads standard input even with arguments. */
  readonly reads: boolean;
}

const LONG_WITH_VALUE = new Set([
  '--rcfile',
  '--init-file',
  '--init-command',
  '--emulate',
  '--debug-output',
  '--profile',
]);

function readShellWords(m: Machine, words: readonly Word[]): ShellWords {
  let coded = false;
  let reads = false;
  let i = 1;
  for (; i < words.length; i++) {
    const word = words[i];
    const text = word?.text ?? '';
    if (word === undefined || text.length < 2 || !/^[-+]/.test(text)) break;
    if (text === '--') {
      i++;
      break;
    }
    if (text.startsWith('--')) {
      if (text === '--command')
        return { code: words[i + 1] ?? null, rest: words.slice(i + 2), script: null, reads };
      if (text.startsWith('--command='))
        return { code: tail(m, word, 10), rest: words.slice(i + 1), script: null, reads };
      if (LONG_WITH_VALUE.has(text)) i++;
      continue;
    }
    for (let j = 1; j < text.length; j++) {
      if (text[j] === 'c' && text.startsWith('-')) coded = true;
      else if (text[j] === 's') reads = true;
      else if (text[j] === 'o' || text[j] === 'O' || text[j] === 'C') i++;
    }
  }
  // A lone `-` also ends the options.
  if (textAt(words, i) === '-' && i < words.length) i++;
  if (coded) return { code: words[i] ?? null, rest: words.slice(i + 1), script: null, reads };
  return { code: null, rest: words.slice(i), script: reads ? null : (words[i] ?? null), reads };
}

const STANDARD_INPUT = /^(?:\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/;

/** `bash`, `sh` and kin: `-c`, a script on standard input, or a file, which stays a command (AARM R3.k). */
export const shell: Handler = (m, f, call, program) => {
  const found = readShellWords(m, call.words);
  const wrapper = { program, detail: '', place: 'here' as const };
  if (found.code !== null) {
    const child = speaking(childScope(f.scope, positional(m, found.rest, program), 'child'), program);
    for (const { name, value } of call.assignments)
      child.variables.set(name, { ...textValue(value.text, true), many: value.glob });
    carryEnvironment(m, f, call);
    const inner = merged(f, call.redirects);
    return readCode(m, inner, call, {
      text: found.code.text,
      words: [found.code],
      origin: 'argument',
      scope: child,
      wrapper,
      known: found.code.known && !found.code.glob,
    });
  }
  const { script } = found;
  if (script !== null && !STANDARD_INPUT.test(script.text)) {
    const from = m.sources.get(script);
    if (from === undefined || script.text !== '\uFFFC') return plain(m, f, call);
    // `bash <(…)`: the script is what another command writes.
    const text = m.contents.get(from);
    if (text !== undefined) {
      const child = speaking(childScope(f.scope, positional(m, found.rest, program), 'child'), program);
      return readCode(m, merged(f, call.redirects), call, {
        text,
        words: [script],
        origin: 'argument',
        scope: child,
        wrapper,
      });
    }
    const draft = emit(m, f, call, { language: 'shell', text: '', known: false });
    linkSource(m, draft.index, [script]);
    return null;
  }
  const rest = script === null ? found.rest : found.rest.slice(1);
  if (f.input.kind === 'inherited') return plain(m, f, call);
  if (f.input.kind !== 'text') return plain(m, f, call, { language: 'shell', text: '', known: false });
  const source = call.redirects.find((redirect) => redirect.body !== null)?.body;
  carryEnvironment(m, f, call);
  return readCode(m, merged(f, call.redirects), call, {
    text: f.input.text.text,
    words: source === undefined || source === null ? [] : [source],
    origin: 'heredoc',
    scope: speaking(childScope(f.scope, [textValue(program), ...values(m, rest)], 'child'), program),
    wrapper,
    known: f.input.text.known,
    input: INHERITED,
  });
};

/** Variables that a loader, a shell or an interpreter acts on by itself, whatever the code says. */
const ACTED_ON = /^(?:LD_|DYLD_|BASH_ENV$|ENV$|HIST|PROMPT_COMMAND$|GIT_|GCONV_|PYTHON|PERL|RUBY|NODE_)/;

/** `LD_PRELOAD=x bash -c code`: the shell is resolved away, what it was given for its environment is not. */
function carryEnvironment(m: Machine, f: Frame, call: Call): void {
  const assignments = call.assignments.filter(({ name }) => ACTED_ON.test(name));
  if (assignments.length > 0)
    m.run.call(m, { ...f, stage: null }, { words: [], assignments, redirects: [], span: call.span });
}

/** The child reads its own dialect. */
function speaking(scope: Scope, program: string): Scope {
  const dialect =
    program === 'bash' || program === 'zsh'
      ? program
      : program === 'sh' || program === 'dash'
        ? 'sh'
        : 'unknown';
  return { ...scope, surroundings: { ...scope.surroundings, dialect } };
}

/** The redirects of a shell are those of what runs in it; the text it read is not. */
function merged(f: Frame, redirects: Frame['redirects']): Frame {
  const kept = redirects.filter((redirect) => redirect.body === null);
  return kept.length === 0 ? f : { ...f, redirects: [...f.redirects, ...kept] };
}

function values(m: Machine, words: readonly Word[]): Value[] {
  return words.map((word) => ({ ...textValue(word.text), many: word.glob, from: m.sources.get(word) ?? -1 }));
}

/** `$0`, `$1` …; null (unknown) when some word may be several. */
function positional(m: Machine, words: readonly Word[], program: string): readonly Value[] | null {
  if (words.length === 0) return [textValue(program)];
  const all = values(m, words);
  const last = all.at(-1);
  if (all.slice(0, -1).some((value) => value.many)) return null;
  // What comes last may be many: it is then every parameter from there on.
  if (last?.many === true && all.length < 10)
    return [...all, ...Array.from({ length: 10 - all.length }, () => last)];
  return all.length === 0 ? [UNKNOWN_VALUE] : all;
}

/** Shell code in a word handed to a wrapper that runs it with a shell of its own (`su -c`, `watch`, `flock -c`). */
export function shellText(
  m: Machine,
  f: Frame,
  call: Parameters<Handler>[2],
  text: string,
  options: {
    readonly program: string;
    readonly words?: readonly Word[];
    readonly detail?: string;
    readonly place?: 'here' | 'root' | 'remote' | 'container';
    readonly distance?: 'child' | 'other' | 'away';
    readonly input?: Frame['input'];
    readonly origin?: Frame['origin'];
    readonly known?: boolean;
    readonly sealed?: boolean;
  },
): Output {
  return readCode(m, f, call, {
    text,
    words: options.words ?? [],
    origin: options.origin ?? 'argument',
    scope: childScope(f.scope, null, options.distance ?? 'child'),
    wrapper: { program: options.program, detail: options.detail ?? '', place: options.place ?? 'here' },
    known: options.known ?? true,
    sealed: options.sealed ?? false,
    input: options.input ?? f.input,
  });
}
