import type { Json } from '../brand.ts';
import {
  commandText,
  type LateEntry,
  type LateReader,
  type LateWhen,
  lateEntry,
  lateScript,
  memberOf,
  membersOf,
} from './late-change.ts';
import { languageOf } from './late-git.ts';
import { readIni } from './late-packages.ts';

const ASKED: LateWhen = 'when it is asked for';
/** What make knows without being told. */
const MAKE_DEFAULTS: Readonly<Record<string, string>> = {
  CC: 'cc',
  CXX: 'c++',
  LD: 'ld',
  AR: 'ar',
  AS: 'as',
  RM: 'rm -f',
  MAKE: 'make',
  INSTALL: 'install',
  SHELL: '/bin/sh',
};

/** No person writes such lines, and reading them would take long. */
function hasEndlessLine(text: string): boolean {
  return text.split('\n').some((line) => line.length > 16_384);
}

/** The recipes of a Makefile by target, with the variables it sets put in; `$(shell …)` and `!=` run when it is read. */
export const readLateMakefile: LateReader = (text) => {
  const joined = text.replaceAll('\r\n', '\n').replace(/\\\n[ \t]*/g, ' ');
  if (hasEndlessLine(joined)) return null;
  const variables = new Map(Object.entries(MAKE_DEFAULTS));
  const recipes = new Map<string, string[]>();
  const entries: LateEntry[] = [];
  let target = '';
  let defined: string | null = null;
  for (const line of joined.split('\n')) {
    if (defined !== null) {
      if (/^\s*endef\b/.test(line)) defined = null;
      else variables.set(defined, `${variables.get(defined) ?? ''}${line}\n`);
      continue;
    }
    if (line.startsWith('\t')) {
      const recipe = line.replace(/^\t[\s@+-]*/, '');
      if (recipe !== '' && !recipe.startsWith('#')) addTo(recipes, target, recipe);
      continue;
    }
    const define = /^\s*(?:override\s+|export\s+)*define\s+([\w.-]+)/.exec(line);
    const assigned = /^\s*(?:(?:export|override|private)\s+)*([\w.-]+)\s*(::?:?|\?|\+|!)?=(.*)$/.exec(line);
    if (define !== null) {
      defined = define[1] ?? '';
      variables.set(defined, '');
    } else if (assigned !== null) {
      const [, name = '', operator = '', written = ''] = assigned;
      const value = (written.split(/\s#/, 1)[0] ?? '').trim();
      if (operator === '!') entries.push(lateScript(`${name} !=`, expand(value, variables), ASKED));
      const former = variables.get(name);
      if (operator === '+') variables.set(name, `${former ?? ''} ${value}`.trim());
      else if (operator !== '?' || former === undefined || name in MAKE_DEFAULTS) variables.set(name, value);
      if (
        /^(?:SHELL|\.SHELLFLAGS)$/.test(name) &&
        !/^\S*(?:ba|z|da)?sh$|^\S*env (?:ba|z|da)?sh$|^-[\w\s-]+$/.test(value)
      )
        entries.push(lateScript(name, expand(value, variables), ASKED));
    } else {
      const rule = /^([^\s#:=][^:=#]*)::?(?!=)([^;]*)(?:;(.*))?$/.exec(line);
      if (rule !== null) {
        target = (rule[1] ?? '').trim();
        if (rule[3]) addTo(recipes, target, rule[3].trim());
      }
    }
    for (const call of shellCalls(line))
      entries.push(lateScript(`$(shell ${call.slice(0, 60)})`, expand(call, variables), ASKED));
  }
  for (const [name, lines] of recipes)
    entries.push(lateScript(name, expand(lines.join('\n'), variables), ASKED));
  return entries;
};

function addTo(recipes: Map<string, string[]>, target: string, line: string): void {
  const lines = recipes.get(target);
  if (lines === undefined) recipes.set(target, [line]);
  else lines.push(line);
}

function shellCalls(line: string): readonly string[] {
  const calls: string[] = [];
  let nested = 0;
  for (const start of line.matchAll(/\$[({]shell\s+/g)) {
    nested += 1;
    if (nested > 64) return [...calls, line];
    let depth = 1;
    let at = start.index + start[0].length;
    for (; at < line.length && depth > 0; at += 1) {
      if (line[at] === '(' || line[at] === '{') depth += 1;
      else if (line[at] === ')' || line[at] === '}') depth -= 1;
    }
    calls.push(line.slice(start.index + start[0].length, depth === 0 ? at - 1 : at));
  }
  return calls;
}

/** Puts make's variables in, and leaves what only make could tell as a shell variable: unknown, not gone. */
function expand(text: string, variables: ReadonlyMap<string, string>): string {
  let out = text;
  for (let round = 0; round < 6 && /\$[({]/.test(out) && out.length < 65536; round += 1)
    out = out.replace(/\$\$|\$[({]([\w.-]+)[)}]/g, (found, name: string | undefined) => {
      if (name === undefined) return found;
      return variables.get(name) ?? `\${MAKE_${name.replace(/\W/g, '_')}}`;
    });
  return out
    .replace(
      /\$[({](?:shell|wildcard|patsubst|subst|filter|addprefix|addsuffix|foreach|call|if|strip|dir|notdir|basename|sort|abspath|realpath)\s[^()]*(?:\([^()]*\)[^()]*)*[)}]/g,
      '${MAKE_function}',
    )
    .replace(/\$([@<^?*+%|])/g, '${MAKE_automatic}')
    .replaceAll('$$', '$');
}

/** A justfile's recipes. */
export const readLateJustfile: LateReader = (text) => {
  const recipes = new Map<string, string[]>();
  let name: string | null = null;
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    if (/^\s/.test(line)) {
      if (name !== null && line.trim() !== '') recipes.get(name)?.push(line.trim().replace(/^[@-]+/, ''));
      continue;
    }
    const recipe = /^@?([A-Za-z_][\w-]*)(?:\s[^:=]*)?:(?!=)/.exec(line);
    name = recipe?.[1] ?? null;
    if (name !== null) recipes.set(name, []);
    else if (/`[^`]+`/.test(line) && !line.startsWith('#'))
      recipes.set(
        line.slice(0, 60),
        [...line.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? ''),
      );
  }
  return [...recipes].map(([recipe, lines]) => {
    const body = lines.join('\n').replace(/\{\{[^}]*\}\}/g, '${JUST_value}');
    return lateScript(recipe, body, ASKED, { language: languageOf(body) });
  });
};

/** Taskfile.yml, mprocs and their like: commands under `cmds`, `cmd`, `sh`. */
export const readLateTaskList: LateReader = (text, ports) => {
  const root = ports.yaml(text);
  if (root === null) return text.trim() === '' ? [] : null;
  return commandsUnder(root, /^(?:cmds?|sh|commands?|run|script|preconditions|status)$/, ASKED);
};

/** Every command text below keys of these names, named by where it stands. */
export function commandsUnder(
  root: Json,
  keys: RegExp,
  when: LateWhen,
  more: Partial<LateEntry> = {},
): readonly LateEntry[] {
  const entries: LateEntry[] = [];
  const say = (at: string, text: string): void => {
    entries.push(lateScript(at, text, when, more));
  };
  const walk = (value: Json, at: string, inside: boolean, depth: number): void => {
    if (typeof value === 'string') {
      if (inside) say(at, value);
    } else if (depth < 24 && Array.isArray(value)) {
      const texts = value.filter((one) => typeof one === 'string');
      // Lines of one list run one after the other in one shell.
      if (inside && texts.length > 0) say(at, texts.join('\n'));
      for (const one of value)
        if (typeof one !== 'string') walk(one, `${at}${labelOf(one)}`, inside, depth + 1);
    } else if (depth < 24)
      for (const [key, inner] of membersOf(value))
        walk(inner, at === '' ? key : `${at}.${key}`, keys.test(key), depth + 1);
  };
  walk(root, '', false, 0);
  return entries;
}

function labelOf(value: Json): string {
  const name = memberOf(value, 'name') ?? memberOf(value, 'label') ?? memberOf(value, 'id');
  return typeof name === 'string' ? `[${name.slice(0, 60)}]` : '';
}

/** What a person's shells run at their start; comments and blank lines are nothing. */
export const readLateShellStartup: LateReader = (text) => startup(text, 'in every shell', 'shell');

/** `.envrc` and its like. direnv asks the person after each change, so words that only set things are ordinary. */
export const readLateFolderStartup: LateReader = (text) => {
  const lines = programLines(text);
  return lines === ''
    ? []
    : [lateScript('the file', lines, 'when the folder is entered', { what: 'startup', outside: true })];
};

export const readLatePythonStartup: LateReader = (text) => startup(text, 'in every Python program', 'python');

function startup(text: string, when: LateWhen, language: LateEntry['language']): readonly LateEntry[] {
  const lines = programLines(text);
  if (lines === '') return [];
  const more = { what: 'startup' as const, language, outside: true };
  // Each line is its own entry, so that taking one out is no question; what they do is read from all of them together.
  return [
    lateScript('the file', lines, when, more),
    ...lines
      .split('\n')
      .map((line) => lateScript(line, line, when, { ...more, runs: null, tags: ['startup'] })),
  ];
}

function programLines(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s*#/.test(line))
    .join('\n');
}

/** A `.pth` file runs every line that starts with `import`, in every start of Python. */
export const readLatePythonPath: LateReader = (text) =>
  text
    .split(/\r?\n/)
    .filter((line) => /^import[ \t]/.test(line))
    .map((line) => ({
      ...lateScript(line, line, 'in every Python program' as const),
      what: 'startup' as const,
      language: 'python' as const,
      outside: true,
      // What setuptools and editable installs write.
      tags: /^import (?:__editable___\w+; __editable___\w+\.install\([^()]*\)|os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os\.environ\.get\(var, 'local'\) == 'local'; enabled and __import__\('_distutils_hack'\)\.add_shim\(\);)\s*$/.test(
        line,
      )
        ? []
        : ['startup'],
    }));

/** setup.py, conftest.py, noxfile.py: ordinary work unless they do something that is asked about anyway. */
export const readLatePythonBuild: LateReader = (text) => [
  lateScript('the program', text, 'on install', { language: 'python' }),
];

/** build.rs, and configuration that is itself a JavaScript program. */
export const readLateCargoBuild: LateReader = (text) => {
  const shell = [
    ...text.matchAll(/Command::new\(\s*"([^"]+)"\s*\)((?:\s*\.args?\((?:[^()]|\([^()]*\))*\))*)/g),
  ].map((m) => {
    const args = [...(m[2] ?? '').matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((a) =>
      (a[1] ?? '').replace(/\\(.)/g, '$1'),
    );
    return commandText([m[1] ?? '', ...args]) ?? '';
  });
  return shell.length === 0 ? [] : [lateScript('the program', shell.join('\n'), 'on build')];
};

/** `.pnpmfile.cjs`, binding.gyp: run while packages are installed. */
export const readLatePackageHook: LateReader = (text) => [
  lateScript('the program', text, 'on install', {
    language: 'node',
    outside: true,
    tags: ['install-script'],
  }),
];

/** binding.gyp: a folder that has one is compiled on install; `<!(…)` runs what it holds. */
export const readLateNativeBuild: LateReader = (text) => {
  const calls = [...text.matchAll(/<!@?\(((?:[^()]|\([^()]*\))*)\)/g)].map((m) => m[1] ?? '');
  const actions = [...text.matchAll(/['"]action['"]\s*:\s*\[([^\][]*)\]/g)].map((m) =>
    [...(m[1] ?? '').matchAll(/['"]([^'"]*)['"]/g)].map((w) => w[1] ?? '').join(' '),
  );
  return [...calls, ...actions].map((call) =>
    lateScript(call, call, 'on install', {
      outside: true,
      tags: /^(?:node|python3?) -p |^(?:pkg-config|node-gyp|napi)/.test(call.trim())
        ? []
        : ['install-script'],
    }),
  );
};

/** systemd units: what they execute, and how they are set off. */
export const readLateUnit: LateReader = (text) =>
  readIni(text)
    .filter(({ key }) =>
      /^(?:Exec\w*|OnCalendar|On\w+Sec|Listen\w+|Path\w+|Environment|EnvironmentFile|Unit|WantedBy)$/.test(
        key,
      ),
    )
    .map(({ section, key, value }) =>
      lateScript(`${section}.${key}`, value, 'at log-in', {
        what: 'unit',
        runs: key.startsWith('Exec') ? value.replace(/^[-@:+!|]+/, '') : null,
        outside: true,
        tags: ['startup'],
      }),
    );

/** crontabs: every line that is neither comment nor setting. */
export const readLateSchedule: LateReader = (text, _ports, path) =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const system = /\/cron\.d\/|\/crontab$/.test(path);
      const fields = /^@\w+\s/.test(line) ? 1 : 5;
      const setting = /^\w+\s*=/.test(line);
      const command = line
        .split(/\s+/)
        .slice(fields + (system ? 1 : 0))
        .join(' ');
      return lateScript(line, line, 'by the clock', {
        what: 'task',
        runs: setting ? null : command,
        outside: true,
        tags: ['schedule'],
      });
    });

/** A desktop entry that is started at log-in. */
export const readLateAutostart: LateReader = (text) =>
  readIni(text)
    .filter(({ key }) => /^(?:Exec|TryExec|Hidden|X-GNOME-Autostart-enabled)$/.test(key))
    .map(({ key, value }) =>
      lateEntry({
        what: 'startup',
        name: key,
        value,
        runs: key === 'Exec' ? value.replace(/%[a-zA-Z]/g, '') : null,
        when: 'at log-in',
        outside: true,
        tags: key === 'Exec' || value === 'true' ? ['startup'] : [],
      }),
    );
