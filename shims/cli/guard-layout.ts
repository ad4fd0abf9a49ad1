import { basename, dirname, join, resolve } from 'node:path';

/** What the layout looks up in the world; filled by `guard-launch.ts` and by tests. */
export interface LayoutWorld {
  readonly home: string;
  readonly uid: number;
  /** Canonical path, or null when nothing is there. */
  readonly real: (path: string) => string | null;
  /** Text of a small file, or null. */
  readonly read: (path: string) => string | null;
  /** Names in a folder; none when there is no such folder. */
  readonly list: (path: string) => readonly string[];
}

/** What a session sees of the files, as the guard's configuration names it (shims/guard/csrc/config.h). All canonical. */
export interface Layout {
  /** What the session works on. */
  readonly workspace: readonly string[];
  /** Caches and state of tools that work needs. */
  readonly tools: readonly string[];
  /** Asked about before it is read; elsewhere refused. */
  readonly veiled: readonly string[];
  /** Not there at all. */
  readonly hidden: readonly string[];
  /** Below something veiled or hidden, and yet there. */
  readonly shown: readonly string[];
  /** Below /tmp outside, and there inside too, read-only. */
  readonly kept: readonly string[];
}

export interface LayoutRequest {
  readonly workspace: string;
  /** Our own folders: state, configuration, sockets. */
  readonly own: readonly string[];
  readonly installation: string;
  /** Environment of the person, for where tools keep their caches. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Caches that tools fill while they work, below the home; each by its variable where the person moved it. */
const TOOLS: readonly (readonly [string, string | null])[] = [
  ['.npm', 'npm_config_cache'],
  ['.cache', 'XDG_CACHE_HOME'],
  ['.yarn', null],
  ['.local/share/pnpm', 'PNPM_HOME'],
  ['.bun/install/cache', null],
  ['.deno', 'DENO_DIR'],
  ['.cargo/registry', null],
  ['.cargo/git', null],
  ['go/pkg', null],
  ['.gradle', 'GRADLE_USER_HOME'],
  ['.m2/repository', null],
  ['.ivy2', null],
  ['.sbt', null],
  ['.nuget/packages', null],
  ['.gem', null],
  ['.bundle/cache', null],
  ['.cabal/packages', null],
  ['.stack', null],
  ['.hex', null],
  ['.julia', null],
  ['.conan2', null],
  ['.ccache', 'CCACHE_DIR'],
  ['.terraform.d/plugin-cache', null],
  // What agents keep of themselves. What in it steers a later session is asked about by its content.
  ['.claude', 'CLAUDE_CONFIG_DIR'],
  ['.codex', 'CODEX_HOME'],
  ['.gemini', null],
  ['.copilot', null],
  ['.config/opencode', null],
  ['.local/share/opencode', null],
  ['.local/state/opencode', null],
  ['.local/share/claude', null],
  ['.local/state/claude', null],
];

/** Keys, tokens and passwords, below the home. */
const VEILED: readonly string[] = [
  '.ssh',
  '.gnupg',
  '.aws',
  '.azure',
  '.oci',
  '.kube',
  '.docker',
  '.config/gcloud',
  '.config/gh',
  '.config/hub',
  '.config/glab-cli',
  '.config/doctl',
  '.config/containers',
  '.config/rclone',
  '.config/sops',
  '.config/op',
  '.config/filezilla',
  '.netrc',
  '.git-credentials',
  '.config/git/credentials',
  '.pypirc',
  '.pgpass',
  '.my.cnf',
  '.vault-token',
  '.terraform.d/credentials.tfrc.json',
  '.terraformrc',
  '.cargo/credentials.toml',
  '.cargo/credentials',
  '.gem/credentials',
  '.m2/settings.xml',
  '.m2/settings-security.xml',
  '.password-store',
  '.local/share/password-store',
];

/** No secret: which hosts are known, and how they are reached. */
const PLAIN_OF_SSH: readonly string[] = ['known_hosts', 'known_hosts.old', 'config'];

/** Nobody's work needs these, and what reads them reads all of them. */
const HIDDEN_AT_HOME: readonly string[] = [
  '.local/share/keyrings',
  '.local/share/kwalletd',
  '.mozilla',
  '.thunderbird',
  '.config/google-chrome',
  '.config/chromium',
  '.config/BraveSoftware',
  '.config/microsoft-edge',
  '.config/vivaldi',
  '.config/Signal',
  '.config/Slack',
  '.config/discord',
  '.config/1Password',
  '.config/Bitwarden',
  '.config/KeePassXC',
  '.bash_history',
  '.zsh_history',
  '.python_history',
  '.node_repl_history',
  '.psql_history',
  '.mysql_history',
  '.sqlite_history',
  '.lesshst',
];

/** Doors of other programs: each of them does what it is told with more than the session's powers. */
const HIDDEN_DOORS: readonly string[] = [
  '/run/docker.sock',
  '/run/docker',
  '/run/podman',
  '/run/containerd',
  '/run/crio',
  '/run/dbus',
  '/run/libvirt',
  '/run/lxd.socket',
  '/run/incus',
  '/run/snapd.socket',
  '/run/snapd-snap.socket',
  '/run/postgresql',
  '/run/mysqld',
  '/run/gdm',
  '/run/screen',
  '/run/tmux',
  '/run/cups',
  '/run/avahi-daemon',
  '/run/pcscd',
  '/run/secrets',
  '/var/lib/docker',
];

/** Where agents keep their own state, by the name they are started by. */
const STATE_OF_AGENTS: Readonly<Record<string, string>> = {
  claude: '.claude',
  codex: '.codex',
  gemini: '.gemini',
  copilot: '.copilot',
  opencode: '.local/share/opencode',
};

/** The folder that a known agent makes for itself at its first start, below the home; null for others. */
export function stateOfAgent(command: string): string | null {
  const name = basename(command);
  return Object.hasOwn(STATE_OF_AGENTS, name) ? (STATE_OF_AGENTS[name] ?? null) : null;
}

const TEMPS = ['/tmp', '/var/tmp'];

/** Says what a session may see and change, before any rule speaks: what is not here is there to be read (docs/security.md). */
export function layoutOf(request: LayoutRequest, world: LayoutWorld): Layout {
  const existing = (paths: readonly string[]): string[] => [
    ...new Set(paths.map(world.real).filter((path): path is string => path !== null)),
  ];
  const atHome = (name: string) => join(world.home, name);
  const workspace = existing([request.workspace, ...repositoryOf(request.workspace, world)]);
  const tools = existing(
    TOOLS.map(([name, variable]) => {
      const moved = variable === null ? undefined : request.env[variable];
      return moved?.startsWith('/') ? moved : atHome(name);
    }),
  ).filter((path) => path !== '/' && path !== world.real(world.home));
  const hidden = existing([
    ...request.own,
    ...HIDDEN_DOORS,
    `/run/user/${world.uid}`,
    request.env['XDG_RUNTIME_DIR'] ?? `/run/user/${world.uid}`,
  ]);
  // What holds the work cannot be hidden from it.
  const holds = (path: string) => workspace.some((place) => isBelow(place, path));
  const kept = existing([world.home, request.installation]).filter(
    (path) => inTemp(path) && !workspace.includes(path),
  );
  // A place where nothing lies yet is veiled too: what is put there while the session runs is a secret all the same.
  const maybe = (path: string): string | null => {
    const folder = world.real(dirname(path));
    return world.real(path) ?? (folder === null ? null : join(folder, basename(path)));
  };
  const veiled = [
    ...new Set(
      VEILED.map(atHome)
        .map(maybe)
        .filter((path) => path !== null),
    ),
  ];
  const unseen = HIDDEN_AT_HOME.map(atHome)
    .map(maybe)
    .filter((path) => path !== null);
  const ssh = atHome('.ssh');
  const plain = world
    .list(ssh)
    .filter((name) => name.endsWith('.pub') || PLAIN_OF_SSH.includes(name))
    .map((name) => join(ssh, name));
  return {
    workspace,
    tools,
    veiled: outermost(veiled.filter((path) => !holds(path))),
    hidden: outermost([...hidden, ...unseen].filter((path) => !holds(path))),
    // A link to another secret would show that one.
    shown: existing(plain).filter((path) => path.startsWith(`${world.real(ssh) ?? ssh}/`)),
    kept: outermost(kept),
  };
}

/** True when `path` is `parent` or lies below it. */
export function isBelow(path: string, parent: string): boolean {
  return path === parent || parent === '/' || path.startsWith(`${parent}/`);
}

function inTemp(path: string): boolean {
  return TEMPS.some((temp) => isBelow(path, temp) && path !== temp);
}

function outermost(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => other !== path && isBelow(path, other)));
}

/** Where the repository of a worktree or submodule keeps what it shares: work that commits writes there too. */
function repositoryOf(workspace: string, world: LayoutWorld): readonly string[] {
  const link = /^gitdir: (.+)$/m.exec(world.read(join(workspace, '.git')) ?? '')?.[1]?.trim();
  if (link === undefined || link === '') return [];
  const gitDir = resolve(workspace, link);
  const common = world.read(join(gitDir, 'commondir'))?.trim();
  const shared = common === undefined || common === '' ? gitDir : resolve(gitDir, common);
  // A hostile `.git` file could name any folder: only what looks like a repository's own folder is taken.
  return [gitDir, shared].filter(
    (path) =>
      (path.includes('/.git/') || path.endsWith('/.git')) &&
      world.read(join(path, 'HEAD')) !== null &&
      dirname(path) !== '/',
  );
}
