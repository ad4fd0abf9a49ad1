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

const WHEN = 'next agent session';

/** Characters that people do not see and models read: tags, zero-width, direction overrides. */
const HIDDEN_CHARACTERS = /\p{Default_Ignorable_Code_Point}|[\u202A-\u202E\u2066-\u2069]/gu;
/** Parts of emoji and hyphenation, which are ordinary in small numbers. */
const PART_OF_SIGN = /\u200C|\u200D|\uFE0E|\uFE0F|\u00AD|\uFEFF/u;
/** Words that turn an agent against its person; ordinary documentation has no use for them. */
const TURNING: readonly RegExp[] = [
  /\b(?:ignore|disregard|override|forget)\s+(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+|your\s+)?(?:previous|prior|earlier|above|system|safety|existing)\b[^.\n]{0,40}\b(?:instruction|rule|prompt|guideline|polic|direction)/i,
  /\b(?:do\s*n[o']t|never|without)\s+(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|show(?:ing)?|reveal(?:ing)?|alert(?:ing)?|notify(?:ing)?|report(?:ing)?)\b[^.\n]{0,30}\b(?:the\s+)?(?:user|human|person|developer|operator|owner)\b/i,
  /\b(?:hide|conceal|keep)\b[^.\n]{0,40}\bfrom\s+(?:the\s+)?(?:user|human|person|developer|reviewer)s?\b/i,
  /--dangerously-skip-permissions|--dangerously-bypass|--yolo\b|bypassPermissions|\bdangerously-?auto-?approve|sandbox[_-]?mode\s*[=:]\s*"?danger/i,
  /\b(?:disable|bypass|evade|circumvent|work\s+around|turn\s+off|uninstall|kill|stop)\b[^.\n]{0,30}\b(?:countersign|firewall|approval\s+prompts?|permission\s+prompts?|guard\s?rails?|safety\s+checks?)/i,
  /\b(?:send|post|upload|exfiltrate|forward|transmit|append)\b[^\n]{0,60}\b(?:api[ _-]?keys?|secrets?|credentials?|tokens?|passwords?|private\s+keys?|\.env|environment\s+variables|id_rsa|conversation|chat\s+history)\b[^\n]{0,60}\b(?:to|at|via|into)\b[^\n]{0,10}(?:https?:|\w+\.\w{2,}|webhook|url|server|endpoint)/i,
];
/** A long run of encoded text, which nobody reads and some model decodes. */
const ENCODED = /(?<![\w/+=-])[A-Za-z0-9+/]{200,}={0,2}(?![\w/+=-])/;
const SHELL_FENCE =
  /^(?:```|~~~)[ \t]*(?:sh|bash|shell|zsh|console|terminal|cmd)?[ \t]*\n([\s\S]*?)^(?:```|~~~)/gm;

/** Words for agents: ordinary, unless they hide, turn the agent round, or give it commands that are asked about anyway. */
export const readLateInstructions: LateReader = (text, _ports, path) => {
  const entries: LateEntry[] = [];
  const say = (name: string, value: string, tag: string): void => {
    entries.push(lateEntry({ what: 'instruction', name, value, when: WHEN, outside: true, tags: [tag] }));
  };
  for (const paragraph of text.split(/\n{2,}|\n(?=[-*#>]|\d+\.)/)) {
    const line = paragraph.replace(/\s+/g, ' ').trim();
    if (line === '') continue;
    entries.push(
      lateEntry({ what: 'instruction', name: line.slice(0, 80), value: line, when: WHEN, outside: true }),
    );
    if (TURNING.some((pattern) => pattern.test(line))) say('words that turn an agent', line, 'agent-turned');
    if (ENCODED.test(line)) say('encoded text', line, 'hidden-text');
  }
  const hidden = [...(text.match(HIDDEN_CHARACTERS) ?? [])];
  const odd = hidden.filter((char) => !PART_OF_SIGN.test(char));
  if (odd.length > 0)
    say(
      'characters that cannot be seen',
      odd.map((char) => (char.codePointAt(0) ?? 0).toString(16)).join(' '),
      'hidden-text',
    );
  for (const comment of text.matchAll(/<!--([\s\S]*?)(?:-->|$)/g)) {
    const words = (comment[1] ?? '').trim();
    if (
      /`[^`]+`|\b(?:run|execute|fetch|curl|wget|send|always|must|secretly)\b/i.test(words) &&
      words.length > 40 &&
      !/prettier|markdownlint|eslint|toc|vale|cspell/i.test(words)
    )
      say('an instruction in a comment', words, 'hidden-text');
  }
  for (const found of text.matchAll(SHELL_FENCE))
    entries.push(
      lateScript('a command it gives', found[1] ?? '', WHEN, {
        what: 'instruction',
        outside: true,
      }),
    );
  for (const found of text.matchAll(/`([^`\n]{6,})`/g))
    entries.push(
      lateScript('a command it gives', found[1] ?? '', WHEN, {
        what: 'instruction',
        outside: true,
      }),
    );
  return isForAll(path)
    ? entries.map((entry) => ({ ...entry, tags: [...entry.tags, 'agent-instructions'] }))
    : entries;
};

/** Instructions in a home are for every session of every project. */
function isForAll(path: string): boolean {
  return /^(?:\/home\/[^/]+|\/Users\/[^/]+|\/root)\/\.(?:claude|codex|gemini|config|cursor|codeium|copilot)\//.test(
    path,
  );
}

/** A leave that reaches too far to be given in a file: everything, or everything of a program that can do everything. */
const WIDE =
  /^(?:Bash|Shell|run_shell_command|ShellTool|\*|mcp__\*|WebFetch\(\*\)|Bash\(\*\)|Bash\(:\*\)|Shell\(\*\)|Write|Edit|Write\(\*\*?\)|Edit\(\*\*?\)|(?:Bash|Shell|run_shell_command)\((?:sudo|rm|curl|wget|bash|sh|zsh|eval|python3?|node|perl|ruby|ssh|scp|nc|dd|chmod|chown|docker|npx|xargs|env)(?:[: ]\*)?\)|(?:Read|Edit|Write)\((?:~|\/\/|\/)(?:\/?\*\*?)?\)|(?:Read|Edit)\([^)]*(?:\.ssh|\.aws|\.gnupg|\.env)\b[^)]*\))$/i;
const WAY_OF_WORK =
  /^(?:defaultMode|approvalMode|autoApprove|autoAccept|yolo|trustedFolders|disableAllHooks|enableAllProjectMcpServers|disableYoloMode|skipDangerousModePermissionPrompt|allowUnsandboxedCommands|autoAllowBashIfSandboxed|dangerouslySkipPermissions|trust)$/i;
const CAREFUL = /^(?:default|plan|ask|prompt|false|untrusted|on-request|suggest|acceptEdits)$/i;
const ENV_RISKY =
  /^(?:LD_PRELOAD|LD_LIBRARY_PATH|NODE_OPTIONS|BASH_ENV|PATH|PYTHONPATH|PYTHONSTARTUP|GIT_SSH_COMMAND|GIT_\w*|.*_BASE_URL|.*_PROXY|NODE_TLS_REJECT_UNAUTHORIZED|NODE_EXTRA_CA_CERTS|OTEL_EXPORTER_\w+|SHELL|DYLD_\w+|CLAUDE_CODE_\w*SKIP\w*)$/i;
const HELPERS =
  /^(?:apiKeyHelper|awsAuthRefresh|awsCredentialExport|otelHeadersHelper|gcpAuthRefresh|proxyAuthHelper|toolDiscoveryCommand|toolCallCommand|notify|editor)$/;

/** An agent's settings: hooks, servers, what it may do unasked, and what it may not. */
export const readLateAgentSettings: LateReader = (text) => {
  const root = readJson(text);
  if (root === undefined) return text.trim() === '' ? [] : null;
  return [...settingsOf(root), ...serversOf(root)];
};

/** Servers of tools alone: the rest of such a file is the agent's own state. */
export const readLateAgentServers: LateReader = (text) => {
  const root = readJson(text);
  if (root === undefined) return text.trim() === '' ? [] : null;
  const projects = membersOf(memberOf(root, 'projects')).flatMap(([path, project]) =>
    serversOf(project).map((entry) => ({ ...entry, name: `${path}: ${entry.name}` })),
  );
  return [...serversOf(root), ...serversOf(memberOf(root, 'mcp')), ...projects];
};

function key(name: string, value: string, tag: string, runs: string | null = null): LateEntry {
  return lateEntry({ what: 'config-key', name, value, runs, when: WHEN, outside: true, tags: [tag] });
}

function settingsOf(root: Json): readonly LateEntry[] {
  const entries: LateEntry[] = [];
  const walk = (value: Json, at: string, depth: number): void => {
    for (const [name, inner] of membersOf(value)) {
      const path = at === '' ? name : `${at}.${name}`;
      const shown = typeof inner === 'string' ? inner : JSON.stringify(inner);
      if (name === 'hooks') entries.push(...hooksOf(inner, path, 0));
      else if (/^(?:mcpServers|servers|mcp)$/.test(name)) continue;
      else if (name === 'statusLine' || name === 'fileSuggestion') {
        const command = memberOf(inner, 'command');
        if (typeof command === 'string') entries.push(key(path, command, 'config-runs', command));
      } else if (HELPERS.test(name) && commandText(inner) !== null)
        entries.push(key(path, shown, 'config-runs', commandText(inner)));
      else if (WAY_OF_WORK.test(name)) {
        if (!CAREFUL.test(shown)) entries.push(key(path, shown, 'agent-loosened'));
      } else if (
        /^(?:allow|allowed|allowedTools|coreTools|autoApprove|alwaysAllow|enabledMcpjsonServers|excludedCommands)$/.test(
          name,
        ) &&
        Array.isArray(inner)
      ) {
        for (const one of inner)
          if (typeof one === 'string')
            entries.push(
              lateEntry({
                what: 'config-key',
                name: `${path}: ${one}`,
                value: one,
                when: WHEN,
                tags: WIDE.test(one) ? ['agent-loosened'] : [],
              }),
            );
      } else if (
        /^(?:deny|ask|denied|excludeTools|disabledMcpjsonServers|denyRead|denyWrite)$/.test(name) &&
        Array.isArray(inner)
      ) {
        for (const one of inner) entries.push(restraint(`${path}: ${String(one)}`, String(one)));
      } else if (name === 'sandbox' && (inner === false || memberOf(inner, 'enabled') === false))
        entries.push(key(path, shown, 'agent-loosened'));
      else if (name === 'env') {
        for (const [variable, given] of membersOf(inner))
          if (ENV_RISKY.test(variable))
            entries.push(key(`${path}.${variable}`, String(given), 'config-runs'));
      } else if (depth < 8) walk(inner, path, depth + 1);
    }
  };
  walk(root, '', 0);
  return entries;
}

function restraint(name: string, value: string): LateEntry {
  return lateEntry({ what: 'restraint', name, value, when: WHEN, outside: true, tags: ['agent-loosened'] });
}

function hooksOf(value: Json, at: string, depth: number): readonly LateEntry[] {
  if (depth > 8) return [];
  if (Array.isArray(value)) return value.flatMap((one) => hooksOf(one, at, depth + 1));
  return membersOf(value).flatMap(([name, inner]) =>
    /^(?:command|bash|powershell|url)$/.test(name) && typeof inner === 'string'
      ? [
          lateScript(`${at}: ${inner.slice(0, 60)}`, inner, WHEN, {
            what: 'hook',
            runs: name === 'url' ? null : inner,
            outside: true,
            tags: ['hook'],
          }),
        ]
      : hooksOf(inner, Array.isArray(value) ? at : `${at}.${name}`, depth + 1),
  );
}

function serversOf(root: Json | undefined): readonly LateEntry[] {
  return ['mcpServers', 'servers', 'mcp', 'context_servers'].flatMap((table) =>
    membersOf(memberOf(root, table)).flatMap(([name, server]) => {
      const command = commandText(memberOf(server, 'command'), memberOf(server, 'args'));
      const url = memberOf(server, 'url') ?? memberOf(server, 'httpUrl') ?? memberOf(server, 'serverUrl');
      if (command === null && typeof url !== 'string') return [];
      return [
        lateEntry({
          what: 'server',
          name: `${table}.${name}`,
          // A server is what it runs with all it is given.
          value: JSON.stringify(server),
          runs: command,
          when: WHEN,
          outside: true,
          tags: ['tool-server'],
          url: typeof url === 'string' ? url : null,
        }),
      ];
    }),
  );
}

/** Codex and its like: settings in TOML. */
export const readLateAgentToml: LateReader = (text) => {
  const settings = readToml(text);
  if (settings === null) return null;
  return settings.flatMap(({ path, value }): readonly LateEntry[] => {
    const name = path.join('.');
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    if (/^mcp_servers\./.test(name))
      return [
        lateEntry({
          what: 'server',
          name,
          value: shown,
          runs: path[path.length - 1] === 'command' ? commandText(value) : null,
          when: WHEN,
          outside: true,
          tags: /\.(?:command|args|url|env\..*)$/.test(name) ? ['tool-server'] : [],
          url: path[path.length - 1] === 'url' ? shown : null,
        }),
      ];
    if (/(?:^|\.)notify$|^hooks\.|\.command$/.test(name))
      return [key(name, shown, 'hook', commandText(value))];
    if (
      /(?:^|\.)approval_policy$|(?:^|\.)approval_mode$/.test(name) &&
      !/^(?:untrusted|on-request|on-failure)$/.test(shown)
    )
      return [key(name, shown, 'agent-loosened')];
    if (/(?:^|\.)sandbox_mode$/.test(name) && /danger/.test(shown))
      return [key(name, shown, 'agent-loosened')];
    if (/^projects\..*trust_level$/.test(name) && shown === 'trusted')
      return [key(name, shown, 'agent-loosened')];
    if (/network_access$/.test(name) && shown === 'true') return [key(name, shown, 'agent-loosened')];
    if (
      /base_url$|^model_providers\..*(?:auth|headers)/.test(name) ||
      /^shell_environment_policy\.set\./.test(name)
    )
      return [key(name, shown, 'config-runs')];
    return [];
  });
};

/** Aider and its like: settings in YAML. */
export const readLateAgentYaml: LateReader = (text, ports) => {
  const root = ports.yaml(text);
  if (root === null) return text.trim() === '' ? [] : null;
  return membersOf(root).flatMap(([name, value]): readonly LateEntry[] => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    if (/^(?:lint-cmd|test-cmd|notifications-command|editor|load)$/.test(name))
      return [lateScript(name, shown, WHEN)];
    if (/^(?:yes-always|suggest-shell-commands)$/.test(name) && value === true && name === 'yes-always')
      return [key(name, shown, 'agent-loosened')];
    if (/api-base$|^set-env$|^openai-api-base$|^verify-ssl$/.test(name))
      return [key(name, shown, 'config-runs')];
    return [];
  });
};
