import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Assurance } from '../../electron/core/action.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { encodeFrame, field } from '../shell/frame.ts';
import type { Layout, LayoutWorld } from './guard-layout.ts';

/** How the kernel keeps a session's process tree from going round: the modes of countersign-guard. */
export type GuardMode = 'full' | 'landlock' | 'nested';

/** What a person may ask for: `auto` is the strongest that this machine can do. */
export type GuardChoice = 'auto' | 'off' | GuardMode;

/** One step of `countersign-guard --probe`. */
export interface ProbeStep {
  readonly name: string;
  readonly works: boolean;
  readonly detail: string;
}

export interface GuardProbe {
  /** The strongest mode that works here; null when none does. */
  readonly best: 'full' | 'landlock' | null;
  readonly steps: readonly ProbeStep[];
}

const PROBE_MS = 15_000;
const FULL = 0;
const LANDLOCK_ONLY = 2;

/**
 * Tries for real what the kernel lets the guard do (R1). The answer is kept for this boot and this guard in `cacheDir`, which
 * no session can write: trying takes some milliseconds.
 */
export function probeGuard(guard: string, cacheDir: string): GuardProbe {
  const kept = join(cacheDir, 'guard-probe.json');
  const key = probeKey(guard);
  const before = readKept(kept, key);
  if (before !== null) return before;
  const probe = runProbe(guard);
  const { best } = probe;
  // Only what works is kept: what does not may have been mended meanwhile.
  if (best === 'full') {
    try {
      mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
      writeFileSync(kept, JSON.stringify({ key, probe }), { mode: 0o600 });
    } catch {
      // Tried again next time.
    }
  }
  return probe;
}

/** Tries every step now. */
export function runProbe(guard: string): GuardProbe {
  const ran = spawnSync(guard, ['--probe'], { encoding: 'utf8', timeout: PROBE_MS });
  const steps = (ran.stdout ?? '')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((parts) => parts.length >= 2)
    .map(([name = '', works, detail = '']) => ({ name, works: works === 'ok', detail }));
  return { best: ran.status === FULL ? 'full' : ran.status === LANDLOCK_ONLY ? 'landlock' : null, steps };
}

function probeKey(guard: string): string {
  const facts = statSync(guard);
  let boot = '';
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Without it the key still names the binary.
  }
  return createHash('sha256')
    .update(`${boot}\n${guard}\n${facts.ino}\n${facts.mtimeMs}\n${facts.size}`)
    .digest('hex');
}

function readKept(path: string, key: string): GuardProbe | null {
  try {
    const kept: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof kept !== 'object' || kept === null || !('key' in kept) || kept.key !== key) return null;
    return { best: 'full', steps: [] };
  } catch {
    return null;
  }
}

/** How a session will be run. */
export interface GuardPlan {
  readonly mode: GuardMode | null;
  readonly assurance: Assurance;
  /** Said to the person when it is less than the best. */
  readonly notice: string | null;
}

/** Steps without which a mode cannot be; the others only make it faster or better. */
const NEEDED = [
  'user-namespace',
  'mounts',
  'proc',
  'temporary-folder',
  'network',
  'filter-listener',
  'descriptors',
  'trace-exec',
  'landlock',
];

/** What stands in the way, and not what was therefore never tried. */
function whatFails(steps: readonly ProbeStep[]): string {
  const failed = steps.filter(
    ({ name, works, detail }) => !works && NEEDED.includes(name) && !detail.startsWith('not tried'),
  );
  return failed.length === 0
    ? 'the probe did not end well'
    : failed.map(({ name, detail }) => `${name}: ${detail}`).join('; ');
}

/** Settles how a session is kept, from what was asked for and what works here; a choice that does not work is refused. */
export function planGuard(
  choice: GuardChoice,
  guard: string | null,
  probe: () => GuardProbe,
): Result<GuardPlan, string> {
  const cooperative = (notice: string | null): GuardPlan => ({
    mode: null,
    assurance: 'cooperative',
    notice,
  });
  if (choice === 'off') return ok(cooperative('the guard is off: a determined agent could go round'));
  if (guard === null) {
    const why = 'the guard is not built (it needs Linux and a C compiler at install)';
    return choice === 'auto'
      ? ok(cooperative(`${why}; a determined agent could go round`))
      : err(`${why}; leave \`--guard\` out to run without it`);
  }
  const { best, steps } = probe();
  const failed = whatFails(steps);
  switch (choice) {
    case 'auto':
      if (best === 'full') return ok({ mode: 'full', assurance: 'enforced', notice: null });
      if (best === 'landlock')
        return ok({
          mode: 'landlock',
          assurance: 'sandboxed',
          notice: `namespaces are not available here (${failed}); the session is sandboxed with Landlock, and its network is TCP only; \`countersign guard\` says more`,
        });
      return ok(
        cooperative(`the kernel gives the guard no hold (${failed}); a determined agent could go round`),
      );
    case 'full':
    case 'nested':
      if (best !== 'full') return err(`the guard cannot run as \`${choice}\` here: ${failed}`);
      return ok(
        choice === 'full'
          ? { mode: 'full', assurance: 'enforced', notice: null }
          : {
              mode: 'nested',
              assurance: 'sandboxed',
              notice:
                'programs in this session may make sandboxes of their own; rules by file name inside the workspace do not bind them there',
            },
      );
    case 'landlock':
      if (best === null) return err(`the guard cannot run as \`landlock\` here: ${failed}`);
      return ok({ mode: 'landlock', assurance: 'sandboxed', notice: null });
    default:
      return err(`unknown guard mode \`${String(choice)}\``);
  }
}

export interface GuardSession {
  readonly mode: GuardMode;
  readonly session: string;
  /** MAC key of the session, base64url. */
  readonly key: string;
  readonly daemonSocket: string;
  readonly terminal: boolean;
  readonly cwd: string;
  readonly layout: Layout;
  /** Folder that is /tmp inside; in mode `landlock` it is where it lies, and TMPDIR names it. */
  readonly temp: string;
  /** Where a preview's layers go, in the order of the writable places; null: the session works on the places themselves. */
  readonly overlay?: string | null;
  readonly command: readonly string[];
  /** Base names of files whose reading is told: classified data of the workspace. */
  readonly watched: readonly string[];
}

/**
 * Writes the configuration that one countersign-guard reads and removes (shims/guard/csrc/config.h), and the resolver's file beside it;
 * returns the configuration's path. The key in it never reaches the agent: the file is gone before the agent starts.
 */
export function writeGuardConfig(directory: string, session: GuardSession): string {
  const resolv = join(directory, 'resolv.conf');
  writeFileSync(resolv, 'nameserver 127.0.0.1\noptions timeout:2 attempts:1\n', { mode: 0o644 });
  const { layout } = session;
  const many = (tag: string, values: readonly string[]) => values.map((value) => field(tag, value));
  const frame = encodeFrame([
    field('S', session.session),
    field('K', session.key),
    field('D', session.daemonSocket),
    field('M', session.mode),
    field('R', '1'),
    ...(session.terminal ? [field('I', '1')] : []),
    field('c', session.cwd),
    field('T', session.temp),
    ...(session.mode === 'landlock' ? [] : [field('d', resolv)]),
    ...(session.overlay === undefined || session.overlay === null ? [] : [field('O', session.overlay)]),
    ...many('w', writablePlaces(layout)),
    ...many('b', layout.kept),
    ...many('v', layout.veiled),
    ...many('h', layout.hidden),
    ...many('x', layout.shown),
    ...many('r', session.watched),
    ...many('a', session.command),
  ]);
  const path = join(directory, 'guard.conf');
  writeFileSync(path, frame, { mode: 0o600, flag: 'wx' });
  return path;
}

/** What a session may write, in the order in which its guard is told. */
export function writablePlaces(layout: Layout): readonly string[] {
  return [...layout.workspace, ...layout.tools];
}

/**
 * Makes the folder for temporary files of a session: below `parent` where the session sees it as it lies (mode `landlock`), else one that is /tmp
 * inside. The caller removes it with `removeTemp` when the session is over.
 */
export function makeTemp(parent: string | null = null): string {
  if (parent !== null) mkdirSync(parent, { recursive: true, mode: 0o700 });
  const path = realpathSync(mkdtempSync(parent === null ? '/tmp/countersign-' : join(parent, 's-')));
  chmodSync(path, 0o700);
  return path;
}

/** Removes a session's /tmp with everything in it; folders that were made unreadable are opened first. */
export function removeTemp(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    spawnSync('chmod', ['-R', 'u+rwx', path], { stdio: 'ignore' });
    rmSync(path, { recursive: true, force: true });
  }
}

/** The real world for `layoutOf`. */
export function layoutWorld(home: string, uid: number): LayoutWorld {
  return {
    home,
    uid,
    real: (path) => {
      try {
        return realpathSync(path);
      } catch {
        return null;
      }
    },
    list: (path) => {
      try {
        return readdirSync(path);
      } catch {
        return [];
      }
    },
    read: (path) => {
      try {
        const facts = statSync(path);
        return facts.isFile() && facts.size <= 65536 ? readFileSync(path, 'utf8') : null;
      } catch {
        return null;
      }
    },
  };
}

/** Variables that lead to doors of other programs, which are not there inside. */
const DOORS = [
  'SSH_AUTH_SOCK',
  'SSH_AGENT_PID',
  'GPG_AGENT_INFO',
  'DBUS_SESSION_BUS_ADDRESS',
  'DBUS_SYSTEM_BUS_ADDRESS',
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'WAYLAND_SOCKET',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
  'SESSION_MANAGER',
  'DOCKER_HOST',
  'CONTAINER_HOST',
  'TMUX',
  'STY',
  'VSCODE_IPC_HOOK',
  'VSCODE_IPC_HOOK_CLI',
  'VSCODE_GIT_IPC_HANDLE',
  'VSCODE_GIT_ASKPASS_NODE',
  'GIT_ASKPASS',
  'SSH_ASKPASS',
] as const;

/** Where programs remember what was typed: the person's own histories are not there to be read or added to, and nobody is asked about it. */
const HISTORIES: readonly (readonly [string, string])[] = [
  ['HISTFILE', '.history'],
  ['LESSHISTFILE', '.lesshst'],
  ['NODE_REPL_HISTORY', '.node_repl_history'],
  ['PYTHON_HISTORY', '.python_history'],
  ['SQLITE_HISTORY', '.sqlite_history'],
  ['PSQL_HISTORY', '.psql_history'],
  ['MYSQL_HISTFILE', '.mysql_history'],
];

/**
 * The person's environment without the doors that a guarded session does not have. In mode `landlock` it also says what elsewhere mounts and
 * the network say: where temporary files go, and that names are to be asked for over TCP.
 */
export function guardedEnvironment(
  env: NodeJS.ProcessEnv,
  mode: GuardMode = 'full',
  temp = '/tmp',
): NodeJS.ProcessEnv {
  const inside: NodeJS.ProcessEnv = { ...env };
  for (const name of DOORS) delete inside[name];
  if (mode === 'landlock') {
    for (const name of ['TMPDIR', 'TMP', 'TEMP', 'TEMPDIR']) inside[name] = temp;
    // glibc then speaks TCP to its name server, where the guard can answer; datagrams it cannot hold.
    inside['RES_OPTIONS'] = [env['RES_OPTIONS'], 'use-vc'].filter((word) => word).join(' ');
  } else if (inside['TMPDIR'] !== undefined) inside['TMPDIR'] = '/tmp';
  for (const [name, file] of HISTORIES) inside[name] = join(mode === 'landlock' ? temp : '/tmp', file);
  return inside;
}

/** Hosts that the person configured by URL in the environment that the session starts with, as `host:port`. */
export function configuredHosts(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const hosts = new Set<string>();
  for (const value of Object.values(env)) {
    if (value === undefined || value.length > 2048 || !/^https?:\/\/\S+$/.test(value)) continue;
    try {
      const url = new URL(value);
      const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
      hosts.add(`${url.hostname.replace(/^\[|\]$/g, '')}:${port}`);
    } catch {
      // Not a URL after all.
    }
  }
  return [...hosts].slice(0, 64);
}
