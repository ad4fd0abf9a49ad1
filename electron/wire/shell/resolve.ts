import {
  at,
  codeOption,
  crontab,
  debugged,
  eachWord,
  git,
  hasCodeOption,
  multiplexer,
  pager,
  vim,
} from './embedded.ts';
import { interpreter, isInterpreter, windowsShell, withCode } from './interpreters.ts';
import type { Call, Frame, Machine, Output } from './machine.ts';
import { MAX_DEPTH, programIn, refuse, spend } from './machine.ts';
import { packageRunner } from './packages.ts';
import { type Handler, plain } from './plain.ts';
import { bwrap, command, env, exec, flock, loader, script, su, sudo, watch } from './privilege.ts';
import { android, copy, docker, kubectl, mosh, remoteOption, ssh } from './remote.ts';
import { entr, fd, find, parallel, xargs } from './search.ts';
import { byShape, SHAPES } from './shapes.ts';
import { shell } from './shells.ts';

const HANDLERS: Readonly<Record<string, Handler>> = {
  sudo,
  doas: sudo,
  su,
  runuser: su,
  env,
  genv: env,
  exec,
  command,
  builtin: command,
  flock,
  bwrap,
  watch,
  script,
  xargs,
  gxargs: xargs,
  parallel,
  find,
  gfind: find,
  fd,
  fdfind: fd,
  entr,
  ssh,
  autossh: ssh,
  rsh: mosh,
  mosh,
  scp: copy,
  sftp: copy,
  vagrant: remoteOption,
  gcloud: remoteOption,
  fly: remoteOption,
  flyctl: remoteOption,
  docker,
  podman: docker,
  nerdctl: docker,
  'docker-compose': docker,
  'podman-compose': docker,
  kubectl,
  oc: kubectl,
  git,
  vim,
  vi: vim,
  nvim: vim,
  view: vim,
  ex: vim,
  gvim: vim,
  vimdiff: vim,
  less: pager,
  more: pager,
  crontab,
  at,
  batch: at,
  tmux: multiplexer,
  hyperfine: eachWord,
  concurrently: eachWord,
  gdb: debugged,
  lldb: debugged,
  adb: android,
  screen: multiplexer,
  npx: packageRunner,
  pnpx: packageRunner,
  bunx: packageRunner,
  npm: packageRunner,
  pnpm: packageRunner,
  yarn: packageRunner,
  uvx: packageRunner,
  uv: packageRunner,
  pipx: packageRunner,
  'nix-shell': packageRunner,
  nix: packageRunner,
  pwsh: windowsShell,
  powershell: windowsShell,
  cmd: windowsShell,
  deno: (m, f, call, program) => deno(m, f, call, program),
};

const SHELLS = new Set([
  'bash',
  'sh',
  'zsh',
  'dash',
  'ksh',
  'mksh',
  'ash',
  'fish',
  'rbash',
  'oksh',
  'yash',
  'csh',
  'tcsh',
  'hush',
  'rsh',
]);

/** Every program that needs more than its words, by name; one look-up per command. */
const TABLE: ReadonlyMap<string, Handler> = new Map([
  ...Object.keys(SHAPES).map((name): [string, Handler] => [name, byShape]),
  ...[...SHELLS].map((name): [string, Handler] => [name, shell]),
  ...Object.entries(HANDLERS),
]);

/** Finds what a command really runs (AARM R3.k): emits it, its wrappers in `via`, or the command itself. */
export function resolve(m: Machine, f: Frame, call: Call): Output {
  const [name] = call.words;
  const program = name === undefined ? '' : programIn(name);
  const handler = program === '' ? null : (TABLE.get(program) ?? otherHandler(program));
  if (handler === null) return plain(m, f, call);
  // Each wrapper copies the words after it.
  if (!spend(m, 1 + (call.words.length >> 3))) return null;
  if (m.depth >= MAX_DEPTH) {
    refuse(m, 'too_deep', 'wrappers are nested too deeply');
    return null;
  }
  m.depth += 1;
  const output = handler(m, f, call, program);
  m.depth -= 1;
  return output;
}

function otherHandler(program: string): Handler | null {
  if (isInterpreter(program)) return program === 'bun' ? bun : interpreter;
  if (hasCodeOption(program)) return codeOption;
  return /^ld(?:-linux|-musl|64|\.so)/.test(program) ? loader : null;
}

/** `bun x pkg` runs a package, `bun -e` code. */
const deno: Handler = (m, f, call) => {
  const code = call.words.slice(2).filter((word) => !word.text.startsWith('-'));
  return call.words[1]?.text === 'eval' && code.length > 0
    ? withCode(m, f, call, 'javascript', code.slice(0, 1), '\n')
    : plain(m, f, call);
};

const bun: Handler = (m, f, call, program) =>
  call.words[1]?.text === 'x' ? packageRunner(m, f, call, program) : interpreter(m, f, call, program);
