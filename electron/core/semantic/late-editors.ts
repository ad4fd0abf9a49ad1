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

/** Tasks of an editor; one that runs when the folder is opened runs without being asked for. */
export const readLateTasks: LateReader = (text) => {
  const root = readJson(text);
  if (root === undefined) return text.trim() === '' ? [] : null;
  const tasks = memberOf(root, 'tasks');
  const common = commandText(memberOf(root, 'command'), memberOf(root, 'args'));
  return [
    ...(common === null
      ? []
      : [lateScript('the common command', common, 'when it is asked for', { what: 'task' })]),
    ...(Array.isArray(tasks) ? tasks : []).flatMap((task, at) => taskOf(task, at)),
  ];
};

function taskOf(task: Json, at: number): readonly LateEntry[] {
  const name = String(memberOf(task, 'label') ?? memberOf(task, 'taskName') ?? `task ${at + 1}`);
  const opens = memberOf(task, 'runOptions', 'runOn') === 'folderOpen';
  const commands = [task, ...['linux', 'osx', 'windows'].map((system) => memberOf(task, system))]
    .map((part) => commandText(memberOf(part, 'command') ?? memberOf(part, 'script'), memberOf(part, 'args')))
    .filter((command) => command !== null);
  return commands.map((command) =>
    lateScript(
      name,
      memberOf(task, 'type') === 'npm' ? `npm run ${command}` : command,
      opens ? 'when the folder is opened' : 'when it is asked for',
      {
        what: 'task',
        outside: opens,
        tags: opens ? ['startup'] : [],
      },
    ),
  );
}

/** Settings that choose a program, an environment for programs, or take a question away. */
const RUNS_SETTING =
  /(?:executable(?:Path|s)?|interpreterPath|binaryPath|serverPath|\.command|commandPath|toolPath|nodePath|cliPath|\.runtime|tsdk|\.path)$|^git\.path$|^terminal\.(?:integrated|external)\.(?:shell|profiles|automationProfile|automationShell|env|linuxExec|osxExec|windowsExec|defaultProfile)|customCommand|runOnSave|\.serverCommand$|launch\.configurations|^python\.(?:terminal|envFile)/i;
const LOOSENS =
  /^(?:task\.allowAutomaticTasks|security\.workspace\.trust\.\w+|chat\.(?:tools\.(?:auto|global)|agent\.)\w*\.?(?:autoApprove|approve)\w*|chat\.tools\..*autoApprove|chat\.mcp\..*|github\.copilot\.(?:chat\.)?.*(?:autoApprove|autoFix)|.*\.autoApprove\w*|cursor\..*(?:yolo|autoRun)\w*|.*yolo.*|git\.allowForcePush|extensions\.autoUpdate|http\.proxy(?:StrictSSL)?)$/i;
const OWN_TOOL =
  /^(?:(?:\$\{workspaceFolder\}|\.)\/)?(?:\.venv|venv|env|node_modules)\/(?!.*\.\.)[\w./@-]+$|^[A-Za-z][\w.+-]*$|^$/;

/** An editor's settings in a folder. */
export const readLateEditorSettings: LateReader = (text) => {
  const root = readJson(text);
  if (root === undefined) return text.trim() === '' ? [] : null;
  return membersOf(root).flatMap(([key, value]) => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    if (LOOSENS.test(key)) {
      const off =
        value === false ||
        value === 'off' ||
        value === 'prompt' ||
        (key.startsWith('security.workspace.trust') && value === true);
      return off ? [] : [setting(key, shown, ['agent-loosened'], null)];
    }
    if (!RUNS_SETTING.test(key)) return [];
    if (typeof value === 'boolean' || value === null || (typeof value === 'string' && OWN_TOOL.test(value)))
      return [];
    if (
      /^terminal\.integrated\.(?:defaultProfile|env)/.test(key) &&
      !/LD_PRELOAD|NODE_OPTIONS|PATH|BASH_ENV|ZDOTDIR|PROMPT_COMMAND|PYTHON|DYLD|GIT_/.test(shown)
    )
      return [];
    return [setting(key, shown, ['config-runs'], typeof value === 'string' ? value : null)];
  });
};

function setting(name: string, value: string, tags: readonly string[], runs: string | null): LateEntry {
  return lateEntry({
    what: 'config-key',
    name,
    value,
    runs,
    when: 'when the folder is opened',
    outside: true,
    tags,
  });
}

/** Debug configurations: run when the person asks, so they are ordinary unless what they run is not. */
export const readLateLaunch: LateReader = (text) => {
  const root = readJson(text);
  if (root === undefined) return text.trim() === '' ? [] : null;
  const list = memberOf(root, 'configurations');
  return (Array.isArray(list) ? list : []).flatMap((one, at) => {
    const name = String(memberOf(one, 'name') ?? `configuration ${at + 1}`);
    return ['runtimeExecutable', 'program', 'command'].flatMap((key) => {
      const command = commandText(
        memberOf(one, key),
        memberOf(one, key === 'runtimeExecutable' ? 'runtimeArgs' : 'args'),
      );
      return command === null
        ? []
        : [lateScript(`${name}.${key}`, command, 'when it is asked for', { what: 'task' })];
    });
  });
};

/** JetBrains: start-up tasks and file watchers run by themselves, run configurations when asked for. */
export const readLateEditorProject: LateReader = (text, _ports, path) => {
  if (text.trim() !== '' && !/<\w/.test(text)) return null;
  const unasked = /\/(?:startup|watcherTasks|externalDependencies)\.xml$/.test(path);
  const found = [
    ...text.matchAll(
      /<option name="(SCRIPT_TEXT|PROGRAM|ARGUMENTS|PARAMETERS|INTERPRETER_PATH|SCRIPT_NAME)" value="([^"]*)"/gi,
    ),
    ...text.matchAll(/<(program|arguments) value="([^"]*)"/gi),
  ];
  const entries = found.map(([, key, value]) =>
    lateScript(
      `${key}`,
      fromXml(value ?? ''),
      unasked ? 'when the folder is opened' : 'when it is asked for',
      {
        what: 'task',
        runs: /^(?:SCRIPT_TEXT|PROGRAM)$/i.test(key ?? '') ? fromXml(value ?? '') : null,
        outside: unasked,
        tags: unasked ? ['startup'] : [],
      },
    ),
  );
  const names = unasked ? [...text.matchAll(/<(?:configuration|item)\b[^<>]*\bname="([^"]*)"/g)] : [];
  return [
    ...entries,
    ...names.map((name) =>
      lateEntry({
        what: 'task',
        name: name[1] ?? '',
        value: name[0],
        when: 'when the folder is opened',
        outside: true,
        tags: ['startup'],
      }),
    ),
  ];
};

function fromXml(text: string): string {
  return text
    .replaceAll('&#10;', '\n')
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
}

/** A development container: one command runs on this machine, the others in the container. */
export const readLateDevContainer: LateReader = (text) => {
  const root = readJson(text);
  if (root === undefined) return text.trim() === '' ? [] : null;
  const entries: LateEntry[] = [];
  for (const [key, value] of membersOf(root)) {
    const commands = /Command$/.test(key)
      ? typeof value === 'object' && value !== null && !Array.isArray(value)
        ? membersOf(value).map(([name, inner]) => [`${key}.${name}`, commandText(inner)] as const)
        : [[key, commandText(value)] as const]
      : [];
    for (const [name, command] of commands)
      if (command !== null)
        entries.push(
          key === 'initializeCommand'
            ? lateScript(name, command, 'when the folder is opened', { outside: true, tags: ['startup'] })
            : lateScript(name, command, 'when the folder is opened', { outside: true, machine: 'elsewhere' }),
        );
    const shown = JSON.stringify(value);
    if (
      (key === 'runArgs' && /--privileged|--pid=host|--cap-add|--volume|"-v"|docker\.sock/.test(shown)) ||
      (key === 'privileged' && value === true) ||
      (key === 'mounts' &&
        /docker\.sock|source=(?:\/,|\$\{localEnv:HOME\}(?:,|\/\.(?:ssh|aws|gnupg))|\/(?:etc|root|home)[,/])/.test(
          shown,
        ))
    )
      entries.push(
        lateEntry({
          what: 'config-key',
          name: key,
          value: shown,
          when: 'when the folder is opened',
          tags: ['container-reach'],
        }),
      );
  }
  return entries;
};
