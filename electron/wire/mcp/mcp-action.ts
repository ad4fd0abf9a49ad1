import type { Action } from '../../core/action.ts';
import type { Json, JsonObject } from '../../core/brand.ts';
import type { Command } from '../../core/command.ts';
import type { Effect } from '../../core/effect.ts';
import type { Hasher } from '../../core/ports.ts';
import { err, ok, type Result, unreachable } from '../../core/result.ts';
import type { Knowledge } from '../../core/semantic/knowledge.ts';
import { fixedObject, objectOf } from '../../core/semantic/objects.ts';
import { effectOn, pathObject } from '../file-action.ts';
import { actionDigest } from '../shell-action.ts';
import { bounded, filePath } from './arguments.ts';
import { callMeaning } from './call-meaning.ts';
import { operationOf } from './methods.ts';
import { argumentFaults } from './schema.ts';
import { type McpFault, type McpSubmission, service } from './submission.ts';
import { innerCalls } from './wrapped.ts';

/**
 * Builds the Action of one MCP message (AARM R1, R3.k, R5.a): tool `mcp`, and of a call as `name` the tool that is really called.
 * Effects come from names and arguments; what a server claims of a tool can add to them and never takes away.
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
