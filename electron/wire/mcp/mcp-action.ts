import type { Action } from '../../core/action.ts';
import type { Json, JsonObject } from '../../core/brand.ts';
import type { Command } from '../../core/command.ts';
import type { Payload } from '../../core/data/payload.ts';
import type { Effect, EffectKind } from '../../core/effect.ts';
import type { Hasher } from '../../core/ports.ts';
import { err, ok, type Result, unreachable } from '../../core/result.ts';
import type { Knowledge, VerbMeaning } from '../../core/semantic/knowledge.ts';
import { fixedObject, objectOf } from '../../core/semantic/objects.ts';
import { readSql } from '../../core/semantic/statements.ts';
import { verbOf } from '../../core/semantic/verbs.ts';
import { effectOn, type ObjectSubmission, pathObject } from '../file-action.ts';
import { actionDigest, buildShellAction } from '../shell-action.ts';
import { bounded, filePath, type NamedThings, namedThings } from './arguments.ts';
import type { ToolDefinition } from './definition.ts';
import type { McpEnvelope } from './envelope.ts';
import { operationOf } from './methods.ts';
import type { ToolFinding } from './pinning.ts';
import { argumentFaults } from './schema.ts';
import { type InnerCall, innerCalls } from './wrapped.ts';

/** What a message says, whoever intercepted it. */
type Said<E> = E extends McpEnvelope ? Omit<E, 'session' | 'sequence' | 'surface' | 'cwd' | 'pid'> : never;

/** One intercepted message, with what is known of its server. */
export interface McpSubmission extends Omit<ObjectSubmission, 'surface' | 'by'> {
  /** `hook`: an agent told of it, and what the server offers is not known. */
  readonly surface: 'mcp' | 'hook';
  readonly envelope: Said<McpEnvelope>;
  /** Of a call: the definition that is pinned for this tool; null where none is. */
  readonly pinned: ToolDefinition | null;
  /** Of a call: its server said something new of this tool, and nobody accepted that yet. */
  readonly withheld: boolean;
  /** Of a list of definitions: what is new or changed or suspicious in it. */
  readonly findings: readonly ToolFinding[];
  /** What the arguments carry. */
  readonly payload: Payload | null;
}

export interface McpFault {
  readonly code: string;
  readonly message: string;
}

/**
 * Builds the Action of one MCP message (AARM R1, R3.k, R5.a): tool `mcp`, and of a call as `name` the tool that is really called. Effects come from names and arguments; what a server claims of a tool can add to them and never takes away.
 */
export function buildMcpAction(
  submission: McpSubmission,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<Action, McpFault> {
  const { envelope } = submission;
  switch (envelope.operation) {
    case 'define':
      return ok(action(submission, 'define', defineMeaning(submission), hasher));
    case 'call':
      return callAction(submission, envelope, knowledge, hasher);
    case 'read': {
      const effects = readEffects(submission, envelope.uri, knowledge);
      const meaning = { parameters: { uri: envelope.uri }, effects };
      return ok(action(submission, 'read', meaning, hasher));
    }
    case 'prompt': {
      const given = { prompt: envelope.name, arguments: bounded(envelope.arguments) };
      const effects = [effectOn('read', service(submission, `prompt ${envelope.name}`), ['prompt'], 'yes')];
      const meaning = { parameters: given, effects, digested: envelope.arguments };
      return ok(action(submission, 'prompt', meaning, hasher));
    }
    case 'request': {
      const operation = operationOf(envelope.method);
      const effects = [requestEffect(submission, envelope.method, operation, envelope.from, envelope.params)];
      const parameters = {
        method: envelope.method,
        from: envelope.from,
        params: bounded(envelope.params),
      };
      const meaning = { parameters, effects, digested: envelope.params };
      return ok(action(submission, operation, meaning, hasher));
    }
    default:
      return unreachable(envelope);
  }
}

interface Meaning {
  readonly parameters: JsonObject;
  readonly effects: readonly Effect[];
  readonly commands?: readonly Command[];
  readonly gaps?: readonly string[];
  /** What an approval is bound to whole, where the parameters show only a part. */
  readonly digested?: Json;
}

function action(submission: McpSubmission, operation: string, meaning: Meaning, hasher: Hasher): Action {
  const { server } = submission.envelope;
  const parameters: JsonObject = {
    server: server.name === '' ? null : server.name,
    ...(server.package === null ? {} : { package: server.package }),
    ...(server.url === null ? {} : { server_url: server.url }),
    ...meaning.parameters,
    ...(meaning.digested === undefined
      ? {}
      : { arguments_digest: hasher.sha256(JSON.stringify(meaning.digested)) }),
  };
  const { cwd } = submission.place;
  return {
    id: submission.id,
    sessionId: submission.sessionId,
    at: submission.at,
    surface: submission.surface,
    tool: 'mcp',
    operation,
    parameters,
    cwd,
    commands: meaning.commands ?? [],
    effects: meaning.effects,
    gaps: meaning.gaps ?? [],
    digest: actionDigest({ tool: 'mcp', operation, parameters, cwd }, hasher),
    modifiedFrom: submission.modifiedFrom,
    dependsOn: [],
    partsFollow: false,
    ...(submission.payload === null ? {} : { carries: submission.payload }),
  };
}

function service(submission: McpSubmission, what: string) {
  return fixedObject('service', `mcp:${submission.envelope.server.name}/${what}`, ['mcp']);
}

function defineMeaning({ envelope, findings }: McpSubmission): Meaning {
  if (envelope.operation !== 'define') return { parameters: {}, effects: [] };
  const name = envelope.server.name;
  const parameters: JsonObject = {
    tools: envelope.tools.length,
    ...(findings.length === 0
      ? {}
      : {
          findings: findings.map((finding) => ({
            tool: finding.tool,
            change: finding.change,
            hash: finding.hash,
            signals: finding.signals.map(({ kind, detail }) => `${kind}: ${detail}`),
            diff: finding.diff.map(({ where, before, after }) => ({ where, before, after })),
          })),
        }),
  };
  const effects = findings.map((finding) =>
    effectOn(
      'configure',
      fixedObject('service', `mcp:${name}/${finding.tool}`, ['mcp']),
      [
        `tool-${finding.change}`,
        ...new Set(
          finding.signals.map(({ kind }) =>
            kind === 'shadowing'
              ? 'tool-shadowing'
              : kind === 'hidden-text'
                ? 'hidden-text'
                : 'tool-poisoned',
          ),
        ),
      ],
      'yes',
    ),
  );
  const listed = effectOn('discover', fixedObject('service', `mcp:${name}`, ['mcp']), [], 'yes');
  return { parameters, effects: effects.length === 0 ? [listed] : effects, digested: envelope.tools };
}

type CallEnvelope = Extract<McpSubmission['envelope'], { readonly operation: 'call' }>;

function callAction(
  submission: McpSubmission,
  envelope: CallEnvelope,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<Action, McpFault> {
  const calls = innerCalls(envelope.tool, envelope.arguments);
  if (calls === null)
    return err({ code: 'too_wrapped', message: 'it is wrapped in more tools than can be followed' });
  const { pinned } = submission;
  const faults = pinned === null ? [] : argumentFaults(pinned.inputSchema, envelope.arguments);
  const claims = pinned?.annotations ?? null;
  const only = calls.length === 1 ? calls[0] : undefined;
  const wrapped = only === undefined || only.wrappers.length > 0;
  const whole: string[] = [
    ...(wrapped ? ['wrapped'] : []),
    ...(submission.withheld
      ? ['tool-withheld']
      : pinned === null && submission.surface === 'mcp'
        ? ['tool-unlisted']
        : []),
    ...(faults.length > 0 ? ['invalid-arguments'] : []),
    ...(claims?.destructiveHint === true ? ['claimed-destructive'] : []),
    ...(claims?.openWorldHint === true ? ['open-world'] : []),
  ];
  const effects: Effect[] = [];
  const commands: Command[] = [];
  const gaps: string[] = [];
  for (const call of calls) {
    const one = callMeaning(submission, call, whole, claims, knowledge, hasher);
    if (!one.ok) return one;
    const shift = commands.length;
    commands.push(...one.value.commands);
    gaps.push(...one.value.gaps);
    for (const effect of one.value.effects)
      effects.push(effect.command === null ? effect : { ...effect, command: effect.command + shift });
  }
  const called = only ?? { server: null, tool: envelope.tool, arguments: envelope.arguments };
  const parameters: JsonObject = {
    name: called.server === null ? called.tool : `${called.server}/${called.tool}`,
    arguments: bounded(called.arguments),
    ...(only === undefined || only.wrappers.length === 0 ? {} : { inside: [...only.wrappers] }),
    ...(only === undefined
      ? { resolved: calls.map((call) => ({ tool: call.tool, arguments: bounded(call.arguments) })) }
      : {}),
    ...(claims === null ? {} : { claims: bounded(claims) }),
    ...(faults.length === 0 ? {} : { faults: faults.map(({ where, message }) => `${where} ${message}`) }),
  };
  const digested = envelope.arguments;
  return ok(action(submission, 'call', { parameters, effects, commands, gaps, digested }, hasher));
}

interface CallMeaning {
  readonly effects: readonly Effect[];
  readonly commands: readonly Command[];
  readonly gaps: readonly string[];
}

type Way = 'read' | 'write' | 'delete' | 'move' | 'send' | 'execute' | 'unknown';

function callMeaning(
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

function readEffects(submission: McpSubmission, uri: string, knowledge: Knowledge): readonly Effect[] {
  if (/^file:\/\//i.test(uri))
    return [effectOn('read', pathObject(filePath(uri), submission, knowledge.paths), ['resource'], 'yes')];
  if (/^https?:\/\//i.test(uri)) {
    const word = { text: uri, raw: uri, known: true, glob: false };
    return [
      effectOn(
        'download',
        objectOf(word, 'url', [], 'here', submission.place, knowledge),
        ['resource'],
        'yes',
      ),
    ];
  }
  return [effectOn('read', service(submission, `resource ${uri.slice(0, 256)}`), ['resource'], 'yes')];
}

/** What a server asks of the client, and what nothing here knows. */
function requestEffect(
  submission: McpSubmission,
  method: string,
  operation: string,
  from: 'client' | 'server',
  params: JsonObject,
): Effect {
  const object = service(submission, method);
  switch (operation) {
    case 'sample':
      // The server has the person's model speak, with words of the server's choice; `includeContext` hands it the conversation.
      return effectOn(
        'spend',
        object,
        [
          'sampling',
          ...(params.includeContext !== undefined && params.includeContext !== 'none'
            ? ['session-context']
            : []),
        ],
        'no',
      );
    case 'elicit':
      return effectOn(
        'send',
        object,
        ['elicitation', ...(typeof params.url === 'string' ? ['elicitation-url'] : [])],
        'no',
      );
    case 'roots':
      return effectOn('discover', object, ['roots'], 'yes');
    default:
      return effectOn('execute', object, ['unknown-method', `from-${from}`], 'unknown');
  }
}
