import type { Command, Word, Wrapper } from '../../core/command.ts';
import type { OptionShape } from './options.ts';
import { hasOption, optionValue, scanOptions } from './options.ts';
import { type Handler, plain, wrapped } from './plain.ts';
import { shellText } from './shells.ts';

/** A wrapper whose command follows its options: `nohup cmd`, `timeout 5 cmd`. */
export interface WrapperShape extends OptionShape {
  /** Words between the options and the command: a duration, a mask, a container. */
  readonly skip?: number;
  readonly place?: Wrapper['place'];
  /** Options whose value is the wrapper's detail. */
  readonly detail?: readonly string[];
  /** True when the first skipped word is the detail. */
  readonly detailWord?: boolean;
  /** True when `NAME=value` words may come before the command. */
  readonly assigns?: boolean;
  readonly own?: boolean;
  readonly distance?: 'child' | 'other' | 'away';
  /** The subcommand it takes first: `conda run`, `perf record`. Without it the command is not a wrapper. */
  readonly verbs?: string;
  /** Options with which it only asks or changes a running process. */
  readonly asks?: readonly string[];
  /** Options whose value is shell code. */
  readonly code?: readonly string[];
  /** True when more options follow the skipped words. */
  readonly again?: boolean;
}

const CONTAINER = { place: 'container', distance: 'away', own: true, detailWord: true, skip: 1 } as const;
const HERE: WrapperShape = {};

/** Wrappers that need no more than a row (AARM R3.k). */
export const SHAPES: Readonly<Record<string, WrapperShape>> = {
  nohup: HERE,
  setsid: HERE,
  command: { short: '' },
  builtin: HERE,
  nice: { short: 'n', long: 'adjustment' },
  ionice: { short: 'cnpPu', long: 'class classdata pid' },
  ionize: { short: 'cn' },
  chrt: {
    short: 'TPD',
    long: 'sched-runtime sched-period sched-deadline',
    skip: 1,
    asks: ['p', 'pid', 'm', 'max'],
  },
  taskset: { skip: 1, asks: ['p', 'pid'] },
  numactl: { short: 'iNCmpP', long: 'interleave cpunodebind physcpubind membind preferred' },
  timeout: { short: 'ks', long: 'kill-after signal', skip: 1 },
  gtimeout: { short: 'ks', long: 'kill-after signal', skip: 1 },
  stdbuf: { short: 'ioe', long: 'input output error' },
  unbuffer: { short: '' },
  time: { short: 'fo', long: 'format output' },
  gtime: { short: 'fo', long: 'format output' },
  caffeinate: { short: 'tw' },
  arch: { short: '' },
  setarch: { skip: 1, again: true },
  linux32: HERE,
  linux64: HERE,
  strace: { short: 'abeoOpPsSuEIX', long: 'trace attach output user env string-limit' },
  ltrace: { short: 'aAbDeFlnopsuwx', long: 'output config library indent' },
  truss: { short: 'abdeEmosSuUvx' },
  valgrind: HERE,
  rr: { verbs: 'record' },
  perf: { verbs: 'record stat trace', short: 'eopFCgtm', long: 'event output pid freq' },
  heaptrack: { short: 'op' },
  fakeroot: { short: 'ls' },
  proot: { short: 'rbwRSq' },
  unshare: {
    short: 'SGRw',
    long: 'map-user map-group root wd setuid setgid propagation setgroups',
  },
  nsenter: {
    short: 'tSGNW',
    long: 'target setuid setgid',
    place: 'root',
    detail: ['t', 'target'],
    own: true,
  },
  chroot: { long: 'userspec groups', skip: 1, detailWord: true, place: 'root', distance: 'away' },
  'systemd-nspawn': {
    short: 'DiubM',
    long: 'directory image machine user bind',
    place: 'container',
    distance: 'away',
  },
  firejail: HERE,
  setpriv: { long: 'reuid regid groups inh-caps bounding-set securebits', place: 'root' },
  capsh: HERE,
  prlimit: { asks: ['p', 'pid'] },
  cgexec: { short: 'g' },
  chpst: { short: 'ueUbmofdcprtl', place: 'root', detail: ['u'] },
  gosu: { skip: 1, detailWord: true, place: 'root' },
  'su-exec': { skip: 1, detailWord: true, place: 'root' },
  pkexec: { long: 'user', short: 'u', detail: ['user', 'u'], place: 'root', distance: 'other' },
  'systemd-run': {
    short: 'pEutHM',
    long: 'property setenv unit uid gid slice description on-active on-boot on-calendar working-directory host machine nice',
    own: true,
    detail: ['unit', 'u'],
  },
  'systemd-inhibit': { long: 'what who why mode' },
  'systemd-cat': { short: 'tp', long: 'identifier priority stderr-priority' },
  'dbus-run-session': HERE,
  'dbus-launch': { short: '' },
  'xvfb-run': { short: 'enfpsw', long: 'server-num error-file auth-file server-args' },
  torsocks: { short: 'uPap' },
  torify: HERE,
  proxychains: { short: 'f' },
  proxychains4: { short: 'f' },
  tsocks: HERE,
  rlwrap: { short: 'abcCdfHiIlmnpPqrsStwz' },
  catchsegv: HERE,
  'dumb-init': { short: 'r' },
  tini: { short: 'pe' },
  sshpass: { short: 'fdpP' },
  'aws-vault': { verbs: 'exec', short: 'd', long: 'duration region mfa-token', skip: 1, detailWord: true },
  op: { verbs: 'run', long: 'env-file account' },
  doppler: { verbs: 'run', short: 'cp', long: 'config project token command', code: ['command'] },
  infisical: { verbs: 'run', long: 'env path projectId token' },
  chamber: { verbs: 'exec', skip: 1, detailWord: true },
  teller: { verbs: 'run' },
  envchain: { skip: 1, detailWord: true },
  dotenv: { short: 'fecpv', long: 'file' },
  'dotenv-cli': { short: 'fecpv' },
  'env-cmd': { short: 'fr' },
  'cross-env': { assigns: true },
  direnv: { verbs: 'exec', skip: 1, detailWord: true },
  bundle: { verbs: 'exec' },
  poetry: { verbs: 'run', short: 'CP', long: 'directory project' },
  pipenv: { verbs: 'run' },
  pdm: { verbs: 'run', short: 'p' },
  rye: { verbs: 'run' },
  hatch: { verbs: 'run', short: 'e', long: 'env' },
  pixi: { verbs: 'run', short: 'e', long: 'environment manifest-path' },
  conda: { verbs: 'run', short: 'np', long: 'name prefix cwd', detail: ['n', 'name', 'p', 'prefix'] },
  mamba: { verbs: 'run', short: 'np', long: 'name prefix cwd', detail: ['n', 'name', 'p', 'prefix'] },
  micromamba: { verbs: 'run', short: 'np', long: 'name prefix cwd', detail: ['n', 'name', 'p', 'prefix'] },
  mise: { verbs: 'exec x', short: 'cCEj', long: 'command cd env jobs', code: ['c', 'command'] },
  asdf: { verbs: 'exec' },
  rbenv: { verbs: 'exec' },
  pyenv: { verbs: 'exec' },
  nodenv: { verbs: 'exec' },
  volta: { verbs: 'run', long: 'node npm yarn pnpm' },
  fnm: { verbs: 'exec', long: 'using' },
  nvm: { verbs: 'exec run', skip: 1, detailWord: true },
  rustup: { verbs: 'run', skip: 1, detailWord: true },
  devbox: { verbs: 'run', short: 'ce' },
  distrobox: { verbs: 'enter', short: 'n', long: 'name', own: true },
  // A toolbox shares the home directory, so what it does there is done here.
  toolbox: {
    verbs: 'run',
    short: 'cdr',
    long: 'container distro release',
    own: true,
    detail: ['c', 'container'],
  },
  busybox: { short: '' },
  toybox: { short: '' },
  multipass: { ...CONTAINER, verbs: 'exec' },
  lxc: { ...CONTAINER, verbs: 'exec', long: 'mode env cwd user group' },
  incus: { ...CONTAINER, verbs: 'exec', long: 'mode env cwd user group' },
  'lxc-attach': {
    short: 'nesvgu',
    long: 'name',
    place: 'container',
    distance: 'away',
    own: true,
    detail: ['n', 'name'],
  },
  'lxc-execute': {
    short: 'nfsgu',
    long: 'name',
    place: 'container',
    distance: 'away',
    own: true,
    detail: ['n', 'name'],
  },
  machinectl: { ...CONTAINER, verbs: 'shell', long: 'uid setenv' },
  flatpak: {
    verbs: 'run',
    long: 'command branch arch',
    place: 'container',
    own: true,
    skip: 1,
    detailWord: true,
    distance: 'away',
  },
  wsl: {
    short: 'du',
    long: 'distribution user cd exec',
    place: 'container',
    own: true,
    detail: ['d', 'distribution'],
  },
  watchexec: {
    short: 'wefisndco',
    long: 'watch exts filter ignore signal debounce stop-signal poll workdir',
  },
};

const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;

/** Reads a wrapper by its row. */
export const byShape: Handler = (m, f, call, program) => {
  const shape = SHAPES[program];
  if (shape === undefined) return plain(m, f, call);
  const { words } = call;
  let from = 1;
  if (shape.verbs !== undefined) {
    // Global options may come before the verb.
    const verb = scanOptions(m, words, 1, shape).at;
    const text = words[verb]?.text ?? '';
    if (text === '' || !` ${shape.verbs} `.includes(` ${text} `)) return plain(m, f, call);
    from = verb + 1;
  }
  const scanned = scanOptions(m, words, from, shape);
  let { at } = scanned;
  let detail = shape.detail === undefined ? '' : (optionValue(scanned, ...shape.detail)?.text ?? '');
  if (detail === '' && shape.place === 'root') detail = 'root';
  if (shape.detailWord === true) detail = words[at]?.text ?? '';
  if (shape.asks !== undefined && hasOption(scanned, ...shape.asks)) return plain(m, f, call);
  const code = shape.code === undefined ? undefined : optionValue(scanned, ...shape.code);
  if (code !== undefined && code !== null)
    return shellText(m, f, call, code.text, { program, words: [code], detail, known: code.known });
  at += shape.skip ?? 0;
  if (shape.again === true) at = scanOptions(m, words, at, shape).at;
  if (shape.skip !== undefined && words[at]?.text === '--') at++;
  const assigned = shape.assigns === true ? takeAssignments(words, at) : null;
  if (assigned !== null) at += assigned.length;
  return wrapped(m, f, call, program, words.slice(at), {
    detail,
    place: shape.place ?? 'here',
    own: shape.own ?? false,
    distance: shape.distance ?? 'child',
    assignments: assigned ?? [],
  });
};

/** The `NAME=value` words from a position on, as assignments. */
export function takeAssignments(words: readonly Word[], from: number): Command['assignments'] {
  const found: { name: string; value: Word }[] = [];
  for (let i = from; i < words.length; i++) {
    const word = words[i];
    if (word === undefined || !ASSIGNMENT.test(word.text)) break;
    const at = word.text.indexOf('=');
    const text = word.text.slice(at + 1);
    found.push({
      name: word.text.slice(0, at),
      value: { text, raw: word.raw, known: word.known, glob: false },
    });
  }
  return found;
}
