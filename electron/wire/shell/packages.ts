import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { emit, type Frame, type Machine, type Output } from './machine.ts';
import { hasOption, type OptionShape, optionValue, scanOptions } from './options.ts';
import { type Handler, plain, wrapped } from './plain.ts';
import { shellText } from './shells.ts';
import { textAt } from './word.ts';

/** A runner that fetches a package and starts a program of it. */
interface Runner extends OptionShape {
  /** The words that make it a runner; none for `npx`. */
  readonly verbs?: string;
  /** Options that name the package when the word is the program. */
  readonly packages?: readonly string[];
  /** Option whose value is shell code. */
  readonly code?: readonly string[];
}

const NPX: Runner = {
  short: 'pcw',
  long: 'package call workspace registry cache userconfig node-options shell',
  packages: ['p', 'package'],
  code: ['c', 'call'],
};
const UVX: Runner = {
  short: 'pwf',
  long: 'from with with-editable with-requirements python index index-url default-index extra-index-url find-links directory project config-file refresh-package',
  packages: ['from', 'w', 'with'],
};

const RUNNERS: Readonly<Record<string, readonly Runner[]>> = {
  npx: [NPX],
  pnpx: [NPX],
  bunx: [{ ...NPX, code: [] }],
  npm: [{ ...NPX, verbs: 'exec x' }],
  pnpm: [
    { ...NPX, verbs: 'dlx', short: 'pCF', long: 'package filter dir', code: [] },
    { verbs: 'exec', short: 'CFc', long: 'filter dir', code: ['c'] },
  ],
  yarn: [{ ...NPX, verbs: 'dlx', code: [] }, { verbs: 'exec' }],
  bun: [{ ...NPX, verbs: 'x', code: [] }],
  deno: [],
  uvx: [UVX],
  uv: [{ ...UVX, verbs: 'run' }],
  pipx: [{ verbs: 'run', short: '', long: 'spec python index-url pip-args', packages: ['spec'] }],
  'nix-shell': [],
  nix: [],
};

/** `npx pkg`, `npm exec`, `pnpm dlx`, `uvx`, `uv run`, `pipx run`: the runner itself and the program it starts (AARM R3.k). */
export const packageRunner: Handler = (m, f, call, program) => {
  const runners = RUNNERS[program] ?? [];
  for (const runner of runners) {
    let from = 1;
    if (runner.verbs !== undefined) {
      const verb = scanOptions(m, call.words, 1, GLOBAL).at;
      if (!` ${runner.verbs} `.includes(` ${textAt(call.words, verb)} `) || textAt(call.words, verb) === '')
        continue;
      from = verb + 1;
      // `uv tool run` is `uvx`.
    }
    return run(m, f, call, program, runner, from);
  }
  if (program === 'uv' && textAt(call.words, 1) === 'tool' && textAt(call.words, 2) === 'run')
    return run(m, f, call, program, UVX, 3);
  if (program === 'nix' || program === 'nix-shell') return nix(m, f, call, program);
  return plain(m, f, call);
};

const GLOBAL: OptionShape = { short: 'CF', long: 'filter dir prefix cwd cache directory project' };

function run(
  m: Machine,
  f: Frame,
  call: Parameters<Handler>[2],
  program: string,
  runner: Runner,
  from: number,
): Output {
  const scanned = scanOptions(m, call.words, from, runner);
  const named = optionValue(scanned, ...(runner.packages ?? []));
  const code = optionValue(scanned, ...(runner.code ?? []));
  let words = call.words.slice(scanned.at);
  if (textAt(words, 0) === '--') words = words.slice(1);
  if (code !== undefined && code !== null) {
    emit(m, f, call, null);
    return shellText(m, { ...f, redirects: [] }, { ...call, redirects: [], assignments: [] }, code.text, {
      program,
      words: [code],
      detail: named?.text ?? '',
      known: code.known,
    });
  }
  const [first, ...rest] = words;
  if (first === undefined || hasOption(scanned, 'help', 'version')) return plain(m, f, call);
  const fetches = runner.packages !== undefined && program !== 'uv';
  const name = fetches && named === undefined ? binaryOf(first) : first;
  return wrapped(m, f, call, program, [name, ...rest], {
    detail: named?.text ?? (fetches ? first.text : ''),
    own: true,
  });
}

/** The program of a package: `@scope/pkg@1.2` → `pkg`, `ruff==0.4` → `ruff`. */
function binaryOf(word: Word): Word {
  if (!word.known) return word;
  const { text } = word;
  const scoped = text.startsWith('@') ? text.slice(text.indexOf('/') + 1) : text;
  const bare = scoped.replace(/(?:@|==|>=|~=|<=).*$/s, '').replace(/\[.*\]$/, '');
  const plain = /^(?:[a-z+]+:|git@)/.test(text) ? UNKNOWN_TEXT : bare === '' ? text : bare;
  return { text: plain, raw: word.raw, known: plain !== UNKNOWN_TEXT, glob: false };
}

/** `nix-shell --run code`, `nix develop -c cmd`, `nix shell pkgs -c cmd`, `nix run pkg -- args`. */
function nix(m: Machine, f: Frame, call: Parameters<Handler>[2], program: string): Output {
  const { words } = call;
  for (let i = 1; i < words.length; i++) {
    const text = textAt(words, i);
    if (program === 'nix-shell' && (text === '--run' || text === '--command')) {
      const code = words[i + 1];
      if (code === undefined) break;
      emit(m, f, call, null);
      return shellText(m, { ...f, redirects: [] }, { ...call, redirects: [], assignments: [] }, code.text, {
        program,
        words: [code],
        known: code.known,
      });
    }
    if (program === 'nix' && (text === '-c' || text === '--command'))
      return wrapped(m, f, call, program, words.slice(i + 1), { own: true, detail: textAt(words, 1) });
  }
  const ref = words[2];
  if (program === 'nix' && textAt(words, 1) === 'run' && ref !== undefined) {
    const dashes = words.findIndex((word) => word.text === '--');
    const hash = ref.text.lastIndexOf('#');
    // Without a fragment the flake itself says what runs.
    const name = hash < 0 ? UNKNOWN_TEXT : ref.text.slice(hash + 1);
    const started: Word = { text: name, raw: ref.raw, known: ref.known && hash >= 0, glob: false };
    return wrapped(m, f, call, program, [started, ...(dashes < 0 ? [] : words.slice(dashes + 1))], {
      own: true,
      detail: ref.text,
    });
  }
  return plain(m, f, call);
}
