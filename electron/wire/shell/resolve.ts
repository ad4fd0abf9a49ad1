import { at, codeOption, crontab, git, hasCodeOption, multiplexer, pager, vim } from './embedded.ts';
import { interpreter, isInterpreter, windowsShell } from './interpreters.ts';
import type { Call, Frame, Machine, Output } from './machine.ts';
import { MAX_DEPTH, refuse } from './machine.ts';
import { packageRunner } from './packages.ts';
import { type Handler, plain } from './plain.ts';
import { bwrap, command, env, exec, flock, loader, script, su, sudo, watch } from './privilege.ts';
import { programOf } from './program.ts';
import { copy, docker, kubectl, mosh, remoteOption, ssh } from './remote.ts';
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
  const name = call.words[0];
  if (name === undefined || !name.known || name.glob) return plain(m, f, call);
  const program = programOf(name.text);
  const handler = TABLE.get(program) ?? otherHandler(program);
  if (handler === null) return plain(m, f, call);
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
const bun: Handler = (m, f, call, program) =>
  call.words[1]?.text === 'x' ? packageRunner(m, f, call, program) : interpreter(m, f, call, program);
