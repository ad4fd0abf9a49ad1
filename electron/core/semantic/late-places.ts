import type { LateKind } from './late-change.ts';
import type { Place } from './paths.ts';

/** By the last components of a path. A trailing `/` means everything below such a folder. Order: the first that fits. */
const NAMED: readonly (readonly [LateKind, readonly string[]])[] = [
  ['git-config', ['.git/config', '.git/config.worktree', '.gitconfig']],
  ['git-attributes', ['.git/info/attributes', '.gitattributes']],
  ['git-modules', ['.gitmodules']],
  ['git-link', ['.git', '.git/commondir']],
  ['git-hook', ['.git/hooks/']],
  ['hook-script', ['.husky/', '.githooks/']],
  [
    'hook-list',
    [
      '.pre-commit-config.yaml',
      '.pre-commit-config.yml',
      '.pre-commit-hooks.yaml',
      'lefthook.yml',
      'lefthook.yaml',
      '.lefthook.yml',
      'lefthook-local.yml',
      '.overcommit.yml',
    ],
  ],
  ['npm-manifest', ['package.json']],
  ['npm-settings', ['.npmrc']],
  ['yarn-settings', ['.yarnrc.yml', '.yarnrc']],
  ['package-hook', ['.pnpmfile.cjs', '.pnpmfile.mjs', 'pnpmfile.js']],
  ['native-build', ['binding.gyp']],
  ['makefile', ['Makefile', 'makefile', 'GNUmakefile']],
  ['justfile', ['justfile', 'Justfile', '.justfile']],
  ['task-list', ['Taskfile.yml', 'Taskfile.yaml', 'taskfile.yml', 'taskfile.yaml']],
  ['python-startup', ['sitecustomize.py', 'usercustomize.py']],
  ['python-build', ['setup.py', 'conftest.py', 'noxfile.py', 'tasks.py', 'fabfile.py']],
  ['python-project', ['pyproject.toml']],
  ['pip-settings', ['pip.conf', '.pip/pip.conf']],
  ['cargo-settings', ['.cargo/config.toml', '.cargo/config']],
  ['cargo-build', ['build.rs']],
  ['ci-workflow', ['.github/workflows/', '.forgejo/workflows/', '.gitea/workflows/']],
  [
    'ci-workflow',
    [
      '.gitlab-ci.yml',
      '.circleci/config.yml',
      'azure-pipelines.yml',
      'azure-pipelines.yaml',
      '.travis.yml',
      'bitbucket-pipelines.yml',
      '.drone.yml',
      '.woodpecker.yml',
      '.woodpecker/',
      '.buildkite/',
      'appveyor.yml',
      '.appveyor.yml',
      '.cirrus.yml',
      'cloudbuild.yaml',
      'action.yml',
      'action.yaml',
      '.semaphore/semaphore.yml',
    ],
  ],
  ['ci-script', ['Jenkinsfile']],
  [
    'compose',
    [
      'docker-compose.yml',
      'docker-compose.yaml',
      'compose.yml',
      'compose.yaml',
      'docker-compose.override.yml',
    ],
  ],
  ['editor-tasks', ['.vscode/tasks.json', '.zed/tasks.json']],
  ['editor-settings', ['.vscode/settings.json', '.zed/settings.json']],
  ['editor-launch', ['.vscode/launch.json']],
  [
    'agent-servers',
    [
      '.mcp.json',
      '.cursor/mcp.json',
      '.vscode/mcp.json',
      '.roo/mcp.json',
      '.amazonq/mcp.json',
      '.junie/mcp/mcp.json',
      '.kiro/settings/mcp.json',
      '.windsurf/mcp_config.json',
    ],
  ],
  [
    'editor-project',
    [
      '.idea/runConfigurations/',
      '.run/',
      '.idea/startup.xml',
      '.idea/watcherTasks.xml',
      '.idea/externalDependencies.xml',
      '.idea/tools/',
    ],
  ],
  ['dev-container', ['.devcontainer/devcontainer.json', '.devcontainer.json', 'devcontainer.json']],
  ['folder-startup', ['.envrc']],
  [
    'agent-settings',
    [
      '.claude/settings.json',
      '.claude/settings.local.json',
      '.claude/hooks.json',
      '.cursor/hooks.json',
      '.cursor/cli.json',
      '.cursor/permissions.json',
      '.gemini/settings.json',
      '.codex/hooks.json',
      '.github/hooks/',
      'opencode.json',
      'opencode.jsonc',
      '.qwen/settings.json',
    ],
  ],
  ['agent-settings-toml', ['.codex/config.toml']],
  ['agent-settings-yaml', ['.aider.conf.yml']],
  [
    'agent-instructions',
    [
      'CLAUDE.md',
      'CLAUDE.local.md',
      'AGENTS.md',
      'AGENTS.override.md',
      'AGENT.md',
      'GEMINI.md',
      'QWEN.md',
      '.cursorrules',
      '.windsurfrules',
      '.clinerules',
      '.clinerules/',
      '.cursor/rules/',
      '.cursor/commands/',
      '.windsurf/rules/',
      '.roo/rules/',
      '.github/copilot-instructions.md',
      '.github/instructions/',
      '.github/prompts/',
      '.junie/guidelines.md',
      '.claude/commands/',
      '.claude/agents/',
      '.claude/skills/',
      '.claude/rules/',
      '.codex/prompts/',
      '.gemini/commands/',
      '.amazonq/rules/',
      '.kiro/steering/',
    ],
  ],
];

/** Below a home. */
const AT_HOME: readonly (readonly [LateKind, readonly string[]])[] = [
  [
    'shell-startup',
    [
      '.bashrc',
      '.bash_profile',
      '.bash_login',
      '.bash_logout',
      '.bash_aliases',
      '.profile',
      '.zshrc',
      '.zprofile',
      '.zshenv',
      '.zlogin',
      '.zlogout',
      '.kshrc',
      '.config/fish/config.fish',
      '.config/fish/conf.d/',
      '.xprofile',
      '.xsession',
      '.xinitrc',
      '.config/environment.d/',
      '.pam_environment',
      '.tmux.conf',
      '.vimrc',
      '.config/nvim/',
      '.emacs',
      '.emacs.d/init.el',
      '.gdbinit',
      '.irbrc',
      '.inputrc',
      '.screenrc',
    ],
  ],
  ['git-config', ['.config/git/config']],
  ['git-attributes', ['.config/git/attributes']],
  ['pip-settings', ['.config/pip/pip.conf', '.pip/pip.conf']],
  ['unit', ['.config/systemd/user/', '.local/share/systemd/user/']],
  ['autostart', ['.config/autostart/', '.local/share/dbus-1/services/']],
  [
    'agent-servers',
    [
      '.claude.json',
      '.codeium/windsurf/mcp_config.json',
      '.config/mcp/',
      '.config/Claude/claude_desktop_config.json',
    ],
  ],
  ['agent-settings', ['.config/opencode/opencode.json', '.config/zed/settings.json', '.copilot/config.json']],
  [
    'editor-settings',
    [
      '.config/Code/User/settings.json',
      '.config/Cursor/User/settings.json',
      '.config/VSCodium/User/settings.json',
    ],
  ],
  ['editor-tasks', ['.config/Code/User/tasks.json']],
  ['agent-instructions', ['.config/opencode/AGENTS.md', '.codeium/windsurf/memories/']],
];

const ANYWHERE: readonly (readonly [LateKind, readonly string[]])[] = [
  ['schedule', ['/etc/crontab', '/etc/cron.d/', '/var/spool/cron/']],
  [
    'shell-startup',
    [
      '/etc/profile',
      '/etc/profile.d/',
      '/etc/bash.bashrc',
      '/etc/zsh/',
      '/etc/cron.daily/',
      '/etc/cron.hourly/',
      '/etc/cron.weekly/',
      '/etc/cron.monthly/',
      '/etc/rc.local',
    ],
  ],
  ['unit', ['/etc/systemd/']],
  ['autostart', ['/etc/xdg/autostart/']],
  ['git-config', ['/etc/gitconfig']],
];

/** Folders of those files, with what a file of theirs is: who puts a link in such a place decides which files those are. */
const FOLDERS: readonly (readonly [string, LateKind])[] = [
  ...new Map<string, LateKind>([
    ...['.git/info', '.git/modules', '.git/worktrees'].map((folder) => [folder, 'git-config'] as const),
    ...NAMED.flatMap(([kind, names]) =>
      names.flatMap((name) =>
        name
          .split('/')
          .slice(0, -1)
          .map((_, at, parts) => [parts.slice(0, at + 1).join('/'), kind] as const),
      ),
    ),
  ]),
].filter(([folder]) => folder !== '.git');

/** Folders whose files are made by package managers: what is installed was asked about when it was installed. */
const INSTALLED =
  /\/(?:node_modules|site-packages|dist-packages|\.venv|venv|\.tox|\.nox|\.pnpm-store|\.cargo\/registry|go\/pkg\/mod|vendor\/bundle|__pycache__)\//;
/** Other people's sources, copied in: no build server reads their files there. */
const COPIED = /\/(?:vendor|third_party|third-party)\//;
const SAMPLE = /\.sample$/;
/** Files beside hooks and rules that nothing runs. */
const BESIDE = /\/(?:\.gitignore|README(?:\.md)?|\.gitkeep|husky\.local\.sh)$/i;

/**
 * Rows in the pattern language of docs/guard-protocol.md of the files that `lateKind` may know; a few of them match more than
 * it knows (any `config`: a repository inside another has its settings below a name nobody can list). `home` adds what acts
 * in every session of that person.
 */
export function latePatterns(home: string | null = null): readonly string[] {
  const rows = new Set<string>();
  for (const [, names] of NAMED) for (const name of names) rows.add(`*/${name}`);
  rows.add('*/config').add('*/config.worktree').add('*/hooks/').add('*/info/attributes').add('*/commondir');
  for (const [, paths] of ANYWHERE) for (const path of paths) rows.add(path.replace(/\/$/, ''));
  if (home !== null)
    for (const [, paths] of AT_HOME) for (const path of paths) rows.add(`${home}/${path}`.replace(/\/$/, ''));
  return [...rows];
}

/** As `latePatterns`, of names under which a symbolic link makes another folder's files act later. */
export function lateFolderPatterns(): readonly string[] {
  return FOLDERS.map(([folder]) => `*/${folder}`);
}

/** What a file is, as far as it acts later; null when it does not. `path` is absolute and canonical. */
export function lateKind(path: string, place: Pick<Place, 'home'>): LateKind | null {
  const inner =
    /\/\.git\/(?:modules|worktrees)\/.+?\/(config|config\.worktree|commondir|info\/attributes|hooks\/[^/]+)$/.exec(
      path,
    )?.[1];
  if (inner !== undefined)
    return inner.startsWith('hooks/')
      ? SAMPLE.test(inner) || inner.endsWith('.lock')
        ? null
        : 'git-hook'
      : inner.startsWith('info')
        ? 'git-attributes'
        : inner === 'commondir'
          ? 'git-link'
          : 'git-config';
  for (const [kind, paths] of ANYWHERE) if (paths.some((one) => isAt(path, one))) return kind;
  if (path.startsWith(`${place.home}/`)) {
    const below = path.slice(place.home.length);
    for (const [kind, paths] of AT_HOME) if (paths.some((one) => isAt(below, `/${one}`))) return kind;
  }
  if (path.endsWith('.pth')) return 'python-path';
  const named = NAMED.find(([, names]) => names.some((name) => isNamed(path, name)))?.[0] ?? null;
  if (named === null)
    return INSTALLED.test(path)
      ? null
      : (FOLDERS.find(([folder]) => path.endsWith(`/${folder}`))?.[1] ?? null);
  switch (named) {
    case 'git-config':
    case 'git-hook':
      // git's own lock is renamed onto the file: then it is judged.
      return SAMPLE.test(path) || path.endsWith('.lock') ? null : named;
    case 'python-startup':
      return named;
    default:
      if (named.startsWith('ci-') && COPIED.test(path)) return null;
      return INSTALLED.test(path) || BESIDE.test(path) ? null : named;
  }
}

function isAt(path: string, row: string): boolean {
  return row.endsWith('/') ? path.startsWith(row) : path === row;
}

function isNamed(path: string, name: string): boolean {
  return name.endsWith('/') ? path.includes(`/${name}`) : path.endsWith(`/${name}`);
}
