import { resolve } from 'node:path';
import type { Action } from '../core/action.ts';
import type { Json, JsonObject } from '../core/brand.ts';
import { EMPTY_PAYLOAD, type Payload } from '../core/data/payload.ts';
import { CANARY_TOOL } from '../core/policy/canary.ts';
import type { Hasher } from '../core/ports.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import {
  buildFileAction,
  effectOn,
  type ObjectSubmission,
  objectAction,
  pathObject,
} from '../wire/file-action.ts';
import type { FileDeed, ToolCall } from '../wire/hook/event.ts';
import { buildHttpAction } from '../wire/http/http-action.ts';
import { describeRequest } from '../wire/http/request.ts';
import type { McpServer } from '../wire/mcp/envelope.ts';
import { buildMcpAction } from '../wire/mcp/mcp-action.ts';
import { exactly } from '../wire/octets.ts';
import { actionDigest, buildShellAction } from '../wire/shell-action.ts';
import type { HookEnvelope, NormalizeFault, NormalizeInput } from './mediation.ts';

/** Everything that reading a hook's call needs; `scan` looks at a text that leaves the agent. */
export interface HookNormalizing {
  readonly knowledge: Knowledge;
  readonly hasher: Hasher;
  readonly own: readonly string[];
  readonly scan: (text: string) => Payload;
}

const O_CREAT_TRUNC = 0o1100;

/**
 * Turns one thing that a tool call is about to do into an Action (architecture.md, stage 2): the same Action that another surface would make
 * of it, on surface `hook`.
 */
export function normalizeHooked(
  input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: HookEnvelope },
  ports: HookNormalizing,
): Result<Action, NormalizeFault> {
  const { envelope, id, at, modifiedFrom } = input;
  if (envelope.given !== null) return ok({ ...envelope.given, id, at, modifiedFrom, surface: 'hook' });
  const built = build(input, envelope.call, ports);
  if (!built.ok || envelope.subagent === null) return built;
  // Who of the agents did it is part of what is signed.
  return ok(withParameters(built.value, { subagent: envelope.subagent }, ports.hasher));
}

type Input = Omit<NormalizeInput, 'envelope'> & { readonly envelope: HookEnvelope };

function build(input: Input, call: ToolCall, ports: HookNormalizing): Result<Action, NormalizeFault> {
  const { session, envelope, id, at, modifiedFrom } = input;
  const { knowledge, hasher, own } = ports;
  const { home, workspace } = session;
  const user = session.identity.human.name;
  const cwd = envelope.cwd ?? workspace;
  const submission: ObjectSubmission = {
    id,
    sessionId: session.id,
    at,
    surface: 'hook',
    place: { cwd, home, workspace, user },
    own,
    by: null,
    modifiedFrom,
  };
  switch (call.kind) {
    case 'shell':
      return buildShellAction(
        {
          id,
          sessionId: session.id,
          at,
          surface: 'hook',
          operation: 'run',
          command: { line: call.commandLine },
          cwd: call.cwd === null ? cwd : resolve(cwd ?? '/', call.cwd),
          home,
          user,
          workspace,
          variables: { HOME: home },
          dialect: 'bash',
          partsFollow: false,
          dependsOn: [],
          modifiedFrom,
        },
        knowledge,
        hasher,
      );
    case 'file':
      return ok(fileAction(submission, call, envelope, ports));
    case 'look': {
      const object = pathObject(resolve(cwd ?? '/', call.path ?? '.'), submission, knowledge.paths);
      const secret = object.labels.some((label) => label === 'secret' || label === 'credential-folder');
      const effects = [effectOn(secret ? 'read' : 'discover', object, [], 'yes')];
      return ok(
        objectAction(
          submission,
          { tool: 'file', operation: 'search', parameters: { path: object.value }, effects },
          true,
          hasher,
        ),
      );
    }
    case 'fetch':
      return fetchAction(submission, call.url, ports);
    case 'mcp':
      return call.name === CANARY_TOOL
        ? ok(opaque(submission, CANARY_TOOL, 'call', { server: call.server, arguments: call.given }, ports))
        : mcpAction(submission, call, ports);
    case 'delegate':
      return ok({
        ...opaque(submission, 'agent', 'delegate', { to: call.to, prompt: call.prompt }, ports),
        gaps: [],
      });
    case 'other': {
      const action = opaque(submission, call.name.slice(0, 256), 'call', { arguments: call.given }, ports);
      return ok(call.inside ? { ...action, gaps: [] } : action);
    }
    default:
      return unreachable(call);
  }
}

function fileAction(
  submission: ObjectSubmission,
  call: Extract<ToolCall, { readonly kind: 'file' }>,
  envelope: HookEnvelope,
  { knowledge, hasher }: HookNormalizing,
): Action {
  const { change } = call;
  const base = submission.place.cwd ?? '/';
  if (call.operation === 'read') {
    // No veil lies over it here: what it is, its path says.
    const object = pathObject(resolve(base, call.path), submission, knowledge.paths);
    const effects = [effectOn('read', object, [], 'yes')];
    const parameters = { path: object.value };
    return objectAction(submission, { tool: 'file', operation: 'read', parameters, effects }, true, hasher);
  }
  const action = buildFileAction(
    {
      ...submission,
      operation: operationOf(call.operation, envelope.exists),
      path: exactly(resolve(base, call.path)),
      destination: change.kind === 'moved' ? exactly(resolve(base, change.to)) : null,
      flags: call.operation === 'write' && change.kind === 'whole' ? O_CREAT_TRUNC : null,
      recursive: false,
      veiled: [],
      byContent: () => false,
      ownUse: false,
    },
    knowledge.paths,
    hasher,
  );
  // What a person allows is this content and no other.
  const content =
    change.kind === 'whole' ? change.text : change.kind === 'edits' ? JSON.stringify(change.edits) : null;
  return content === null
    ? action
    : withParameters(
        action,
        { content_digest: hasher.sha256(content), content_length: content.length },
        hasher,
      );
}

function operationOf(
  deed: Exclude<FileDeed, 'read'>,
  exists: boolean,
): 'write' | 'create' | 'delete' | 'rename' {
  return deed === 'write' && !exists ? 'create' : deed;
}

function fetchAction(
  submission: ObjectSubmission,
  text: string,
  { knowledge, hasher, scan }: HookNormalizing,
): Result<Action, NormalizeFault> {
  if (!URL.canParse(text)) return err({ code: 'bad_url', message: 'the address to fetch is none' });
  const url = new URL(text);
  const scheme = url.protocol === 'http:' ? 'http' : url.protocol === 'https:' ? 'https' : null;
  if (scheme === null) return err({ code: 'bad_url', message: 'the address is not of http or https' });
  const described = describeRequest({
    method: 'GET',
    scheme,
    authority: url.host,
    rawTarget: text.split('#', 1)[0] ?? text,
    routeHost: null,
    routePort: null,
    sni: null,
    protocol: 'http/1.1',
    headers: [['host', url.host]],
    window: new Uint8Array(0),
    length: 0,
    inspected: 'whole',
    multipart: null,
  });
  if (!described.ok) return err({ code: described.error.code, message: described.error.reason });
  const action = buildHttpAction(
    { ...submission, request: described.value, payload: scan(text), address: null },
    knowledge,
    hasher,
  );
  return ok({ ...action, surface: 'hook' });
}

/** The same action that the bridge would make of it; what its server says of the tool is not known here. */
function mcpAction(
  submission: ObjectSubmission,
  call: Extract<ToolCall, { readonly kind: 'mcp' }>,
  { knowledge, hasher, own, scan }: HookNormalizing,
): Result<Action, NormalizeFault> {
  const { id, sessionId, at, place, modifiedFrom } = submission;
  const built = buildMcpAction(
    {
      id,
      sessionId,
      at,
      surface: 'hook',
      envelope: {
        operation: 'call',
        server: namedServer(call.server),
        tool: call.name,
        arguments: call.given,
      },
      pinned: null,
      withheld: false,
      findings: [],
      payload: scan(JSON.stringify(call.given, null, 1)),
      place,
      own,
      modifiedFrom,
    },
    knowledge,
    hasher,
  );
  return built.ok ? ok({ ...built.value, gaps: [...built.value.gaps, ONLY_THE_TOOL] }) : built;
}

/** A server as its agent calls it: by a name, by its address, or by the words that start it. */
function namedServer(text: string | null): McpServer {
  const url = text !== null && /^https?:/i.test(text) && URL.canParse(text) ? text : null;
  const name = url === null ? (text ?? '') : new URL(url).hostname;
  return {
    name: name.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 64),
    command: [],
    package: null,
    version: null,
    build: null,
    url,
  };
}

const ONLY_THE_TOOL = 'only the tool knows what it does';

/** What only the tool knows how to do: its words are kept and looked at, its effects are not known. */
function opaque(
  submission: ObjectSubmission,
  tool: string,
  operation: string,
  parameters: JsonObject,
  { hasher, scan }: HookNormalizing,
): Action {
  const action = objectAction(submission, { tool, operation, parameters, effects: [] }, true, hasher);
  const text = JSON.stringify(parameters);
  return {
    ...action,
    gaps: [ONLY_THE_TOOL],
    carries: text.length > 2 ? scan(text) : EMPTY_PAYLOAD,
  };
}

function withParameters(action: Action, more: Readonly<Record<string, Json>>, hasher: Hasher): Action {
  const parameters = { ...action.parameters, ...more };
  return { ...action, parameters, digest: actionDigest({ ...action, parameters }, hasher) };
}
