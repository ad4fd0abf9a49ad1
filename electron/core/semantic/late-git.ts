import { type GitSetting, readGitConfig } from './git-config-text.ts';
import { type LateEntry, type LateReader, lateEntry, lateScript } from './late-change.ts';

const WHEN = 'on commit and other git commands';

/** A program's name looked up on PATH, perhaps with plain options: `vim`, `code --wait`, `less -R`. */
const PLAIN_PROGRAM = /^[A-Za-z][\w.+-]*(?:\s+-{1,2}[A-Za-z][\w-]*(?:=[\w.-]+)?)*$/;
const INTERPRETER =
  /^(?:env|(?:ba|da|z|k|fi|c|tc)?sh|python[\d.]*|perl|ruby|node|php|xargs|sudo|eval|exec|source)\b/;
const OWN_HELPERS =
  /^(?:cache|store|osxkeychain|manager|manager-core|libsecret|wincred|oauth)(?:\s+--?[\w-]+(?:[= ]\d+)?)*$/;
const BOOLEAN = /^(?:true|false|yes|no|on|off|0|1|)$/i;
/** Hook folders of the project itself: what is written there is judged as a hook. */
const OWN_HOOKS = /^(?:\.\/)?(?:\.husky(?:\/_)?|\.githooks|\.git\/hooks)\/?$/;
const LFS: Readonly<Record<string, string>> = {
  clean: 'git-lfs clean -- %f',
  smudge: 'git-lfs smudge -- %f',
  process: 'git-lfs filter-process',
};

/**
 * Whether a setting makes git run a program, read other settings, or talk to another place than it says. Null when it does
 * not; else the program text, empty when there is none to analyse.
 */
export function gitRuns(setting: GitSetting): string | null {
  const { section, subsection, key } = setting;
  const value = setting.value ?? '';
  const dotted = subsection === null ? `${section}.${key}` : `${section}.*.${key}`;
  const plain = PLAIN_PROGRAM.test(value) && !INTERPRETER.test(value);
  switch (dotted) {
    case 'core.hookspath':
      return OWN_HOOKS.test(value) ? null : '';
    case 'core.fsmonitor':
      return BOOLEAN.test(value) ? null : value;
    case 'core.pager':
    case 'core.editor':
    case 'sequence.editor':
    case 'web.browser':
    case 'interactive.difffilter':
    case 'gpg.program':
    case 'gpg.*.program':
    case 'diff.external':
      return plain || value === '' ? null : value;
    case 'core.sshcommand':
      return value === '' || value === 'ssh' ? null : value;
    case 'core.askpass':
    case 'core.gitproxy':
    case 'core.alternaterefscommand':
    case 'core.notesref.command':
    case 'gpg.ssh.defaultkeycommand':
    case 'gpg.*.defaultkeycommand':
    case 'uploadpack.packobjectshook':
    case 'gc.recentobjectshook':
    case 'diff.*.command':
    case 'diff.*.textconv':
    case 'merge.*.driver':
    case 'mergetool.*.cmd':
    case 'mergetool.*.path':
    case 'difftool.*.cmd':
    case 'difftool.*.path':
    case 'guitool.*.cmd':
    case 'man.*.cmd':
    case 'man.*.path':
    case 'browser.*.cmd':
    case 'browser.*.path':
    case 'trailer.*.command':
    case 'trailer.*.cmd':
    case 'tar.*.command':
    case 'hook.*.command':
    case 'remote.*.uploadpack':
    case 'remote.*.receivepack':
    case 'sendemail.sendmailcmd':
    case 'sendemail.tocmd':
    case 'sendemail.cccmd':
    case 'sendemail.headercmd':
    case 'sendemail.smtpserver':
    case 'instaweb.httpd':
    case 'lfs.customtransfer.*.path':
    case 'lfs.standalonetransferagent':
      return value === '' || /^git-upload-pack$|^git-receive-pack$/.test(value) ? null : value;
    case 'remote.*.vcs':
      return '';
    case 'filter.*.clean':
    case 'filter.*.smudge':
    case 'filter.*.process':
      return value === '' || (subsection === 'lfs' && LFS[key] === value.replace(' --skip', ''))
        ? null
        : value;
    case 'submodule.*.update':
      return value.startsWith('!') ? value.slice(1) : null;
    case 'include.path':
    case 'includeif.*.path':
    case 'init.templatedir':
    case 'core.attributesfile':
      return '';
    case 'http.proxy':
    case 'http.*.proxy':
    case 'remote.*.proxy':
      return value === '' ? null : '';
    case 'http.sslverify':
    case 'http.*.sslverify':
      return /^(?:false|no|off|0)$/i.test(value) ? '' : null;
    case 'url.*.insteadof':
    case 'url.*.pushinsteadof':
      return sameHost(subsection ?? '', value) ? null : '';
    case 'protocol.allow':
    case 'protocol.*.allow':
      return /^(?:never)$/i.test(value) ? null : '';
    case 'credential.helper':
    case 'credential.*.helper':
      return value === '' || OWN_HELPERS.test(value) ? null : value.replace(/^!/, '');
    case 'remote.*.url':
    case 'remote.*.pushurl':
    case 'submodule.*.url':
      // `ext::sh -c …` is a transport that runs what it says; a leading `-` is an option.
      return /^\w[\w+.-]*::|^-/.test(value) ? value.replace(/^ext::/, '') : null;
    default:
      if (section === 'alias') return aliasRuns(value);
      if (section === 'pager') return BOOLEAN.test(value) || plain ? null : value;
      // No setting that git has today; a value of this form is a command wherever it is understood.
      return value.trimStart().startsWith('!') ? value.trimStart().slice(1) : null;
  }
}

/** `git@github.com:` for `https://github.com/`: another way to the same place. */
function sameHost(one: string, other: string): boolean {
  const host = (url: string): string =>
    /^(?:[a-z+]+:\/\/)?(?:[^@/]*@)?([\w.-]+\.[\w.-]+)(?=[:/]|$)/i
      .exec(url.slice(0, 300))?.[1]
      ?.toLowerCase() ?? '';
  return host(one) !== '' && host(one) === host(other) && !/^http:/i.test(one);
}

function aliasRuns(value: string): string | null {
  const text = value.trimStart();
  if (text.startsWith('!')) return text.slice(1);
  return /(?:^|\s)(?:-c\s|--config-env|--exec-path|-C\s|--exec\b|-x\s|--upload-pack|--receive-pack|--ext-diff)/.test(
    text,
  )
    ? ''
    : null;
}

/** Settings of a git config that act later than they are written. */
export const readLateGitConfig: LateReader = (text) => {
  const settings = readGitConfig(text);
  return settings === null ? null : settings.flatMap((setting) => entryOf(setting));
};

function entryOf(setting: GitSetting): readonly LateEntry[] {
  const runs = gitRuns(setting);
  if (runs === null) return [];
  const { section, subsection, key } = setting;
  return [
    lateEntry({
      what: 'config-key',
      name: subsection === null ? `${section}.${key}` : `${section}.${subsection}.${key}`,
      value: setting.value ?? '',
      runs: runs === '' ? null : runs,
      when: WHEN,
      outside: true,
      tags: ['config-runs'],
    }),
  ];
}

/** Submodules: a command as `update`, and addresses that run something. */
export const readLateGitModules: LateReader = readLateGitConfig;

/** Drivers that attributes name are settings' work: a driver that nobody configured does nothing, and a new one is a setting. */
export const readLateGitAttributes: LateReader = (text) =>
  text.split('\n').flatMap((line) => {
    if (line.trimStart().startsWith('#')) return [];
    const found = [...line.matchAll(/\s(filter|diff|merge)=([^\s]+)/g)];
    return found
      .filter(([, , driver]) => !/^(?:lfs|text|binary|union|ours)$/.test(driver ?? ''))
      .map(([, kind, driver]) =>
        lateEntry({
          what: 'config-key',
          name: `${kind}=${driver} for ${line.trim().split(/\s/)[0] ?? ''}`,
          value: line.trim(),
          when: WHEN,
          outside: true,
        }),
      );
  });

/** A `.git` file: where the repository really is. What lies there is configured and hooked by whoever owns it. */
export const readLateGitLink: LateReader = (text, _ports, path) => {
  if (path.endsWith('/commondir')) return readCommonFolder(text, path);
  const target = /^gitdir: (.+?)\s*$/.exec(text)?.[1];
  if (target === undefined) return null;
  const own =
    /(?:^|\/)\.git\/(?:modules|worktrees)\/[^\0]+$/.test(target) && !/\.git\/.*\/\.\.(?:\/|$)/.test(target);
  return own
    ? []
    : [
        lateEntry({
          what: 'config-key',
          name: 'gitdir',
          value: target,
          when: WHEN,
          outside: true,
          tags: ['config-runs'],
        }),
      ];
};

/** Whoever says which folder the worktrees share says where git finds its settings and hooks. */
function readCommonFolder(text: string, path: string): readonly LateEntry[] {
  const target = text.trim();
  if (target === '../..' && /\/\.git\/worktrees\/[^/]+\/commondir$/.test(path)) return [];
  const named = { what: 'config-key', name: 'commondir', value: target } as const;
  return [lateEntry({ ...named, when: WHEN, outside: true, tags: ['config-runs'] })];
}

/** A hook is one program, run by git. */
export const readLateHook: LateReader = (text, _ports, path) => [
  lateScript('the hook', text, WHEN, {
    what: 'hook',
    outside: true,
    tags: isForwarder(text, path) ? [] : ['hook'],
    language: languageOf(text),
  }),
];

/** husky's own forwarders to the hooks that the project keeps, which are judged where they lie. */
const FORWARDING: ReadonlySet<string> = new Set([
  '#!/usr/bin/env sh',
  '. "${0%/*}/h"',
  '. "$(dirname "$0")/h"',
  '. "$(dirname -- "$0")/_/husky.sh"',
  '[ "$HUSKY" = "2" ] && set -x',
  'n=$(basename "$0")',
  's=$(dirname "$(dirname "$0")")/$n',
  '[ ! -f "$s" ] && exit 0',
  'if [ -f "$HOME/.huskyrc" ]; then',
  'echo "husky - \'~/.huskyrc\' is DEPRECATED, please move your code to ~/.config/husky/init.sh"',
  'fi',
  'i="${XDG_CONFIG_HOME:-$HOME/.config}/husky/init.sh"',
  '[ -f "$i" ] && . "$i"',
  '[ "${HUSKY-}" = "0" ] && exit 0',
  'export PATH="node_modules/.bin:$PATH"',
  'sh -e "$s" "$@"',
  'c=$?',
  '[ $c != 0 ] && echo "husky - $n script failed (code $c)"',
  '[ $c = 127 ] && echo "husky - command not found in PATH=$PATH"',
  'exit $c',
]);

function isForwarder(text: string, path: string): boolean {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return path.includes('/.husky/_/') && lines.every((line) => FORWARDING.has(line.trim()));
}

/** The language that a program text's first line names. */
export function languageOf(text: string): LateEntry['language'] {
  const first = text.slice(0, 256).split('\n', 1)[0] ?? '';
  if (/^#!.*\bpython/.test(first)) return 'python';
  if (/^#!.*\b(?:node|deno|bun)\b/.test(first)) return 'node';
  return 'shell';
}

/** pre-commit, lefthook and their like: what they run on a commit. */
export const readLateHookList: LateReader = (text, ports, path) => {
  const json = path.endsWith('.json');
  const root = ports.yaml(text);
  if (root === null && text.trim() !== '') return null;
  const entries: LateEntry[] = [];
  const walk = (value: typeof root, at: string, depth: number): void => {
    if (depth > 12 || typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const name = Array.isArray(value) ? at : at === '' ? key : `${at}.${key}`;
      if (typeof inner === 'string' && /^(?:entry|run|script|runner|cmd|command)$/.test(key))
        entries.push(lateScript(name, inner, WHEN, { outside: true }));
      else if (typeof inner === 'string' && key === 'repo' && !/^(?:local|meta|builtin)$/.test(inner))
        entries.push(
          lateEntry({
            what: 'source',
            name: inner,
            value: inner,
            when: WHEN,
            outside: true,
            url: inner,
            tags: /^(?:https:\/\/|git@|ssh:\/\/)/.test(inner) ? [] : ['other-source'],
          }),
        );
      else walk(inner, name, depth + 1);
    }
  };
  walk(root, json ? 'hooks' : '', 0);
  return entries;
};
