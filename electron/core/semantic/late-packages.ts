import type { Json } from '../brand.ts';
import {
  commandText,
  type LateEntry,
  type LateReader,
  lateEntry,
  lateScript,
  memberOf,
  membersOf,
  readJson,
} from './late-change.ts';
import { readToml } from './toml-text.ts';

/** Scripts that npm, pnpm and yarn run by themselves when the folder is installed. */
const ON_INSTALL =
  /^(?:preinstall|install|postinstall|prepublish|preprepare|prepare|postprepare|dependencies|pnpm:devPreinstall)$/;
const HOOK_TABLES: readonly (readonly string[])[] = [
  ['husky', 'hooks'],
  ['simple-git-hooks'],
  ['gitHooks'],
  ['git', 'hooks'],
  ['pre-commit'],
];
const SCRIPTS_ALLOWED: readonly (readonly string[])[] = [
  ['trustedDependencies'],
  ['pnpm', 'onlyBuiltDependencies'],
  ['lavamoat', 'allowScripts'],
  ['allowScripts'],
];
const DEPENDENCIES = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
  'overrides',
  'resolutions',
];

/** What a package.json runs: scripts, hooks of the tools that keep them there, and packages that come from an address. */
export const readLateManifest: LateReader = (text) => {
  const root = readJson(text);
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return null;
  const entries: LateEntry[] = [];
  for (const [name, value] of membersOf(memberOf(root, 'scripts'))) {
    if (typeof value !== 'string') continue;
    const unasked = ON_INSTALL.test(name);
    entries.push(
      unasked
        ? lateScript(name, value, 'on install', { outside: true, tags: ['install-script'] })
        : lateScript(name, value, 'when it is asked for'),
    );
  }
  for (const table of HOOK_TABLES)
    for (const [name, value] of membersOf(memberOf(root, ...table)))
      if (typeof value === 'string')
        entries.push(
          lateScript(`${table.join('.')}.${name}`, value, 'on commit and other git commands', {
            what: 'hook',
            outside: true,
            tags: ['hook'],
          }),
        );
  for (const [glob, value] of membersOf(memberOf(root, 'lint-staged')))
    for (const line of Array.isArray(value) ? value : [value])
      if (typeof line === 'string')
        entries.push(
          lateScript(`lint-staged ${glob}`, line, 'on commit and other git commands', { outside: true }),
        );
  for (const table of SCRIPTS_ALLOWED) entries.push(...allowed(table.join('.'), memberOf(root, ...table)));
  for (const table of DEPENDENCIES) entries.push(...dependencies(table, memberOf(root, table), 0));
  const manager = memberOf(root, 'packageManager');
  if (typeof manager === 'string' && manager.includes('://'))
    entries.push(source('packageManager', manager, ['other-source']));
  return entries;
};

function allowed(name: string, value: Json | undefined): readonly LateEntry[] {
  const names = Array.isArray(value)
    ? value.filter((one) => typeof one === 'string')
    : membersOf(value)
        .filter(([, on]) => on === true)
        .map(([key]) => key);
  return names.map((one) =>
    lateEntry({
      what: 'config-key',
      name: `${name}: ${one}`,
      value: one,
      when: 'on install',
      outside: true,
      tags: ['install-script'],
    }),
  );
}

function dependencies(table: string, value: Json | undefined, depth: number): readonly LateEntry[] {
  return membersOf(value).flatMap(([name, spec]) => {
    if (typeof spec !== 'string') return depth < 4 ? dependencies(`${table}.${name}`, spec, depth + 1) : [];
    // A forge over an encrypted connection is where ordinary dependencies come from, too.
    return /^(?:https?|git(?:\+\w+)?|ftp):/i.test(spec) &&
      !/^git\+(?:https|ssh):|^https:\/\/(?:codeload\.)?(?:github\.com|gitlab\.com|registry\.npmjs\.org)\//i.test(
        spec,
      )
      ? [source(`${table}.${name}`, spec, ['other-source'])]
      : [];
  });
}

function source(name: string, url: string, tags: readonly string[]): LateEntry {
  return lateEntry({ what: 'source', name, value: url, when: 'on install', outside: true, url, tags });
}

interface Line {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** `key = value` lines with sections, `#` and `;` comments: npm's, pip's and systemd's form. */
export function readIni(text: string): readonly Line[] {
  const lines: Line[] = [];
  let section = '';
  for (const raw of text.replace(/\\\r?\n/g, ' ').split(/\r?\n/)) {
    const line = raw.trim();
    const header = /^\[(.*)\]$/.exec(line);
    if (header !== null) section = header[1] ?? '';
    else if (line !== '' && !/^[#;]/.test(line)) {
      const equals = line.indexOf('=');
      const key = (equals < 0 ? line : line.slice(0, equals)).trim().replace(/^["']|["']$/g, '');
      const value = equals < 0 ? 'true' : line.slice(equals + 1).trim();
      lines.push({ section, key, value: value.replace(/^(["'])(.*)\1$/, '$2') });
    }
  }
  return lines;
}

const NPM_RUNS =
  /^(?:script-shell|shell|node-options|onload-script|git|init-module|init\.module|editor|viewer|globalconfig|userconfig|prefix|pnpmfile|global-pnpmfile|node-gyp|python|.*:tokenHelper)$/i;
const NPM_WAY = /^(?:proxy|https?-proxy|cafile|ca(?:\[\])?|cert)$/i;

/** npm's and pnpm's settings that run something or say where packages come from. */
export const readLateNpmSettings: LateReader = (text) =>
  readIni(text).flatMap(({ key, value }) => {
    if (/^(?:@[^:]+:)?registry$/i.test(key)) return [source(key, value, [])];
    const runs = NPM_RUNS.test(key);
    const off =
      (/^strict-ssl$/i.test(key) && value === 'false') ||
      (/^dangerously-allow-all-builds$/i.test(key) && value === 'true');
    return runs || off || NPM_WAY.test(key) ? [configKey(key, value, 'on install', runs ? value : null)] : [];
  });

function configKey(
  name: string,
  value: string,
  when: LateEntry['when'],
  runs: string | null = null,
): LateEntry {
  return lateEntry({ what: 'config-key', name, value, runs, when, outside: true, tags: ['config-runs'] });
}

/** yarn's settings: the yarn that runs instead, plugins, registries. */
export const readLateYarnSettings: LateReader = (text, ports) => {
  const root = ports.yaml(text);
  if (root === null) return text.trim() === '' ? [] : readLateOldYarn(text);
  const entries: LateEntry[] = [];
  for (const [key, value] of membersOf(root)) {
    if (key === 'yarnPath' && typeof value === 'string') {
      if (!/^\.yarn\/releases\/yarn-\d[\w.-]*\.cjs$/.test(value))
        entries.push(configKey(key, value, 'on install'));
    } else if (key === 'npmRegistryServer' && typeof value === 'string') entries.push(source(key, value, []));
    else if (key === 'npmScopes')
      for (const [scope, inner] of membersOf(value)) {
        const url = memberOf(inner, 'npmRegistryServer');
        if (typeof url === 'string') entries.push(source(`${key}.${scope}`, url, []));
      }
    else if (key === 'plugins')
      for (const plugin of Array.isArray(value) ? value : []) {
        const path = typeof plugin === 'string' ? plugin : String(memberOf(plugin, 'path') ?? '');
        if (!/^\.yarn\/plugins\/@yarnpkg\/plugin-[\w-]+\.cjs$/.test(path))
          entries.push(configKey(`plugins: ${path}`, path, 'on install'));
      }
    else if (
      /^(?:httpProxy|httpsProxy|caFilePath|httpsCaFilePath)$/.test(key) ||
      (key === 'enableStrictSsl' && value === false)
    )
      entries.push(configKey(key, String(value), 'on install'));
  }
  return entries;
};

const readLateOldYarn = (text: string): readonly LateEntry[] =>
  text.split('\n').flatMap((line) => {
    const [, key = '', value = ''] = /^\s*"?([\w-]+)"?\s+"?([^"]*)"?\s*$/.exec(line) ?? [];
    if (key === 'registry') return [source(key, value, [])];
    return /^(?:yarn-path|script-shell|strict-ssl|proxy|https-proxy)$/.test(key)
      ? [configKey(key, value, 'on install')]
      : [];
  });

/** pip's settings: where packages come from. */
export const readLatePipSettings: LateReader = (text) =>
  readIni(text).flatMap(({ section, key, value }) =>
    /^(?:extra-)?index-url$|^find-links$/.test(key)
      ? [source(`${section}.${key}`, value, [])]
      : /^(?:trusted-host|proxy|cert)$/.test(key)
        ? [configKey(`${section}.${key}`, value, 'on install')]
        : [],
  );

/** A program looked up by its name, or one that belongs to the usual tool chains. */
const PLAIN_TOOL = /^[A-Za-z][\w.+-]*$/;
const RUNS_WORDS = /^(?:(?:ba|da|z|k|fi)?sh|env|python[\d.]*|perl|node|ruby|curl|wget|nc|sudo|xargs|eval)$/;

/** cargo's settings that put another program in the place of the compiler, linker or runner. */
export const readLateCargoSettings: LateReader = (text) => {
  const settings = readToml(text);
  if (settings === null) return null;
  return settings.flatMap(({ path, value }) => {
    const name = path.join('.');
    const key = path[path.length - 1] ?? '';
    const command = commandText(value);
    if (
      command !== null &&
      (/^(?:runner|linker|rustc|rustc-wrapper|rustc-workspace-wrapper|rustdoc|credential-provider|ar|browser)$/.test(
        key,
      ) ||
        /^credential-alias\./.test(name))
    ) {
      const words = command.split(/\s+/);
      const harmless =
        words.every((word, at) => (at === 0 ? PLAIN_TOOL.test(word) : /^[\w=.,-]+$/.test(word))) &&
        !RUNS_WORDS.test(words[0] ?? '');
      return harmless || /^cargo:/.test(command) ? [] : [configKey(name, command, 'on build', command)];
    }
    if (/^(?:source|registries)\..*(?:registry|index)$/.test(name) && typeof value === 'string')
      return [source(name, value.replace(/^sparse\+/, ''), [])];
    if (/^env\.(?:LD_PRELOAD|RUSTC_WRAPPER|RUSTC|LD_LIBRARY_PATH)/.test(name))
      return [configKey(name, String(value), 'on build')];
    return [];
  });
};

/** A Python project's build backend in its own tree, build requirements from elsewhere, and task tables. */
export const readLatePythonProject: LateReader = (text) => {
  const settings = readToml(text);
  if (settings === null) return null;
  return settings.flatMap(({ path, value }) => {
    const name = path.join('.');
    if (name === 'build-system.backend-path') return [configKey(name, JSON.stringify(value), 'on install')];
    if (
      /^tool\.(?:poe\.tasks|taskipy\.tasks|pdm\.scripts|hatch\.envs\.[^.]+\.scripts|pixi\.tasks)\./.test(name)
    ) {
      const text = commandText(value) ?? '';
      return [lateScript(name, text, 'when it is asked for')];
    }
    if (/^tool\.hatch\.(?:build|metadata)\.(?:.*\.)?hooks\.custom/.test(name))
      return [lateScript(name, String(value), 'on install', { runs: null })];
    if (
      /^(?:tool\.(?:uv|poetry|pdm)\.)(?:.*\.)?(?:source|index|sources|index-url|extra-index-url)(?:\.\d+)?(?:\.url)?$/.test(
        name,
      )
    )
      return typeof value === 'string' && value.includes('://') ? [source(name, value, [])] : [];
    return (Array.isArray(value) ? value : [value]).flatMap((one) => {
      const url = typeof one === 'string' ? /@\s*((?:https?|git\+http):\/\/\S+)/.exec(one)?.[1] : undefined;
      return url === undefined ||
        /^https:\/\/(?:github\.com|files\.pythonhosted\.org|gitlab\.com)\//.test(url)
        ? []
        : [source(`${name}: ${String(one).slice(0, 60)}`, url, ['other-source'])];
    });
  });
};
