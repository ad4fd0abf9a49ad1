import type { JsonObject } from '../../core/brand.ts';
import type { Command } from '../../core/command.ts';
import type { Effect, EffectKind } from '../../core/effect.ts';
import type { Hasher } from '../../core/ports.ts';
import { err, ok, type Result, unreachable } from '../../core/result.ts';
import type { Knowledge, VerbMeaning } from '../../core/semantic/knowledge.ts';
import { fixedObject, objectOf } from '../../core/semantic/objects.ts';
import { readSql } from '../../core/semantic/statements.ts';
import { verbOf } from '../../core/semantic/verbs.ts';
import { effectOn, pathObject } from '../file-action.ts';
import { buildShellAction } from '../shell-action.ts';
import { type NamedThings, namedThings } from './arguments.ts';
import { type McpFault, type McpSubmission, service } from './submission.ts';
import type { InnerCall } from './wrapped.ts';

/** What one call does, as far as names and arguments say. */
export interface CallMeaning {
  readonly effects: readonly Effect[];
  readonly commands: readonly Command[];
  readonly gaps: readonly string[];
}

type Way = 'read' | 'write' | 'delete' | 'move' | 'send' | 'execute' | 'unknown';

/** Reads what one tool that is really called would do; `whole`: tags of all of it. Faults are commands that cannot be read. */
export function callMeaning(
  submission: McpSubmission,
  call: InnerCall,
  whole: readonly string[],
  claims: JsonObject | null,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<CallMeaning, McpFault> {
  const words = wordsOf(call.tool);
  const verb = words.map((word) => verbOf(word, knowledge)).find((found) => found !== null) ?? null;
  const way = wayOf(words, verb);
  const things = namedThings(call.arguments);
  const contradicts =
    claims?.readOnlyHint === true && (way === 'delete' || way === 'write' || way === 'move');
  const tags = [...whole, ...(contradicts ? ['claim-contradicted'] : [])];
  const ran = commandsOf(submission, call, things, way, knowledge, hasher);
  if (!ran.ok) return ran;
  const { commands, gaps } = ran.value;
  const effects: Effect[] = [
    ...pathEffects(submission, things, way, tags, knowledge),
    ...urlEffects(submission, things, way, tags, knowledge),
    ...things.sql.flatMap((text) => sqlEffects(submission, text, tags)),
    ...ran.value.effects,
  ];
  // That a tool is about files on this machine must be said by its arguments' names, and of what deletes by its own.
  const aboutFiles = things.keyed && (way !== 'delete' || words.some((word) => FILE_WORDS.has(word)));
  const local = (aboutFiles || commands.length > 0) && things.urls.length === 0 && things.sql.length === 0;
  const object = service(submission, call.tool);
  const kind: EffectKind =
    verb !== null && effects.length === 0 ? verb.effect : way === 'delete' && !local ? 'delete' : 'execute';
  const destructive = verb?.tags ?? (way === 'delete' && !local ? ['destructive'] : []);
  // Of a tool that only names files the claim is about those files, whose places are known.
  const said = local ? tags.filter((tag) => tag !== 'claimed-destructive') : tags;
  effects.push(
    effectOn(
      kind,
      object,
      ['tool-call', 'by-verb', ...(kind === 'execute' ? [] : destructive), ...said],
      'unknown',
    ),
  );
  // What only names things on this machine goes nowhere by itself; anything else is said to whoever runs the server.
  if (!local) effects.push(sendEffect(submission, tags, knowledge));
  return ok({ effects, commands, gaps });
}

/** `read_text_file`, `readTextFile`, `browser.tab-close` as words. */
function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.toLowerCase())
    .filter((word) => word !== '')
    .slice(0, 12);
}

const WAYS: readonly (readonly [Way, ReadonlySet<string>])[] = [
  [
    'execute',
    new Set([
      'exec',
      'execute',
      'run',
      'shell',
      'bash',
      'terminal',
      'eval',
      'spawn',
      'powershell',
      'command',
    ]),
  ],
  ['move', new Set(['move', 'rename', 'mv'])],
  [
    'write',
    new Set([
      'write',
      'edit',
      'create',
      'update',
      'insert',
      'append',
      'save',
      'put',
      'patch',
      'modify',
      'set',
      'add',
      'make',
      'mkdir',
      'import',
      'apply',
      'replace',
      'copy',
      'commit',
      'upsert',
      'overwrite',
      'fork',
      'generate',
    ]),
  ],
  [
    'send',
    new Set([
      'send',
      'post',
      'publish',
      'email',
      'message',
      'notify',
      'reply',
      'comment',
      'share',
      'tweet',
      'push',
      'upload',
      'submit',
      'invite',
    ]),
  ],
  [
    'read',
    new Set([
      'read',
      'get',
      'list',
      'search',
      'find',
      'fetch',
      'query',
      'show',
      'view',
      'describe',
      'stat',
      'tree',
      'info',
      'head',
      'tail',
      'cat',
      'open',
      'browse',
      'lookup',
      'count',
      'check',
      'validate',
      'grep',
      'glob',
      'diff',
      'status',
      'log',
      'download',
      'resolve',
    ]),
  ],
];

const FILE_WORDS = new Set([
  'file',
  'files',
  'dir',
  'directory',
  'directories',
  'folder',
  'folders',
  'path',
  'paths',
]);

/** What a tool's name says that it does, the worst of its words; `unknown` where none is known. */
function wayOf(words: readonly string[], verb: VerbMeaning | null): Way {
  if (verb?.effect === 'delete') return 'delete';
  for (const [way, known] of WAYS) if (words.some((word) => known.has(word))) return way;
  return verb === null ? 'unknown' : 'write';
}

function pathEffects(
  submission: McpSubmission,
  things: NamedThings,
  way: Way,
  tags: readonly string[],
  knowledge: Knowledge,
): readonly Effect[] {
  const on = (kind: EffectKind, path: string, reversible: Effect['reversible']) => {
    const effect = effectOn(kind, pathObject(path, submission, knowledge.paths), tags, reversible);
    // Of a folder everything below it may be meant: the tool does not say.
    return kind === 'delete' ? { ...effect, recursive: true } : effect;
  };
  const effects = things.paths.flatMap((path): readonly Effect[] => {
    switch (way) {
      case 'read':
      case 'send':
        return [on('read', path, 'yes')];
      case 'delete':
        return [on('delete', path, 'no')];
      case 'move':
        return [on('move', path, 'yes')];
      case 'write':
        return [on('write', path, 'unknown')];
      case 'execute':
      case 'unknown':
        // Nothing says that it only looks.
        return [on('read', path, 'yes'), on('write', path, 'unknown')];
      default:
        return unreachable(way);
    }
  });
  return [
    ...effects,
    ...things.targets.map((path) => on(way === 'read' ? 'read' : 'write', path, 'unknown')),
  ];
}

function urlEffects(
  submission: McpSubmission,
  things: NamedThings,
  way: Way,
  tags: readonly string[],
  knowledge: Knowledge,
): readonly Effect[] {
  return things.urls.flatMap((text) => {
    const word = { text, raw: text, known: true, glob: false };
    const object = objectOf(word, 'url', [], 'here', submission.place, knowledge);
    const down = effectOn('download', object, tags, 'yes');
    return way === 'read' && !things.says ? [down] : [down, effectOn('upload', object, tags, 'unknown')];
  });
}

function sqlEffects(submission: McpSubmission, text: string, tags: readonly string[]): readonly Effect[] {
  const seen = readSql(text);
  if (seen.length === 0)
    return [
      effectOn('read', fixedObject('database', service(submission, 'sql').value, ['database']), tags, 'yes'),
    ];
  return seen.map((one) =>
    effectOn(one.effect, fixedObject(one.object, one.value, ['database']), [...tags, ...one.tags], 'no'),
  );
}

function sendEffect(submission: McpSubmission, tags: readonly string[], knowledge: Knowledge): Effect {
  const { server } = submission.envelope;
  if (server.url !== null) {
    const word = { text: server.url, raw: server.url, known: true, glob: false };
    return effectOn('send', objectOf(word, 'url', ['mcp'], 'here', submission.place, knowledge), tags, 'no');
  }
  // Where a local server passes it on to is not known: policy may name it (`destinations`, `NAME.mcp`).
  return effectOn('send', fixedObject('host', `${server.name.toLowerCase()}.mcp`, ['mcp']), tags, 'no');
}

function commandsOf(
  submission: McpSubmission,
  call: InnerCall,
  things: NamedThings,
  way: Way,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<CallMeaning, McpFault> {
  const effects: Effect[] = [];
  const commands: Command[] = [];
  const gaps: string[] = [];
  const { cwd, home, workspace, user } = submission.place;
  const given = call.arguments.cwd ?? call.arguments.working_directory ?? call.arguments.workdir;
  for (const command of things.commands) {
    // `command: "view"` of an editor is a word of its own language.
    if (typeof command === 'string' && way !== 'execute' && /^[a-z_]+$/.test(command)) continue;
    const built = buildShellAction(
      {
        id: submission.id,
        sessionId: submission.sessionId,
        at: submission.at,
        surface: 'mcp',
        command: typeof command === 'string' ? { line: command } : { argv: command },
        cwd: typeof given === 'string' && given.startsWith('/') ? given : cwd,
        home,
        user,
        workspace,
        variables: {},
        dialect: 'unknown',
        partsFollow: false,
        dependsOn: [],
        modifiedFrom: null,
      },
      knowledge,
      hasher,
    );
    if (!built.ok) return err({ code: built.error.code, message: built.error.message });
    const shift = commands.length;
    effects.push(
      ...built.value.effects.map((effect) =>
        effect.command === null ? effect : { ...effect, command: effect.command + shift },
      ),
    );
    commands.push(...built.value.commands);
    gaps.push(...built.value.gaps);
  }
  return ok({ effects, commands, gaps });
}
