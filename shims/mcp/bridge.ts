import type { Json, JsonObject } from '../../electron/core/brand.ts';
import { waitingText } from '../../electron/wire/answer-text.ts';
import { isJsonObject } from '../../electron/wire/json.ts';
import type { McpQuestion, McpServer } from '../../electron/wire/mcp/envelope.ts';
import {
  idKey,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  parseMcpLine,
} from '../../electron/wire/mcp/message.ts';
import {
  type ClientTreatment,
  clientTreatment,
  passesToClient,
  progressToken,
} from '../../electron/wire/mcp/methods.ts';
import type { Waiting } from '../shell/answer.ts';
import type { Asker, Ruling } from './asker.ts';
import { MAX_LINE } from './lines.ts';
import { errorLine, type Refusal, refusalLine, serverRefusalLine } from './reply.ts';
import { returnedOf } from './returned.ts';
import { createToolLists, type ToolLists } from './tool-lists.ts';

export interface BridgePorts {
  readonly server: McpServer;
  readonly cwd: string | null;
  readonly pid: number | null;
  readonly asker: Asker;
  /** Both take one message without its newline. */
  readonly toClient: (line: Buffer | string) => void;
  readonly toServer: (line: Buffer | string) => void;
  /** For the person: standard error. */
  readonly say: (line: string) => void;
  readonly now: () => number;
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Milliseconds that a client without a progress token is kept waiting for a person. */
  readonly patienceMs: number;
}

export interface Bridge {
  onClientLine(line: Buffer): void;
  onServerLine(line: Buffer): void;
  /** The server is gone: what waits for it is answered with an error. */
  onServerEnd(why: string): void;
  /** The client is gone: what waits for a person is withdrawn. */
  onClientEnd(): void;
}

/** A request of the client that has no answer yet. */
interface Open {
  readonly request: McpRequest;
  readonly treatment: ClientTreatment;
  /** `mcp:filesystem/read_file`. */
  readonly source: string;
  ruling: Ruling | null;
  cancel: (() => void) | null;
}

const MAX_OPEN = 4096;
const MAX_TASKS = 256;
/** So often a client that asked for it hears that a request still waits. */
const PROGRESS_MS = 5000;

/**
 * Stands between one MCP client and one MCP server (AARM R1.e). Lines are passed on to the byte in both ways; what acts is judged
 * first, what comes back is shown to the daemon first. It decides nothing: whatever is not a decision becomes a denial (R1.c).
 */
export function createBridge(ports: BridgePorts): Bridge {
  const { server, asker, say } = ports;
  const open = new Map<string, Open>();
  /** What the server asked of the client and has no answer to yet. */
  const asked = new Map<string, { ruling: Ruling | null; cancel: (() => void) | null; sent: boolean }>();
  /** Calls that became tasks: their answer is collected later. */
  const tasks = new Map<string, Open>();
  const common = { surface: 'mcp' as const, server, cwd: ports.cwd, pid: ports.pid };
  let ended: string | null = null;
  const lists: ToolLists = createToolLists({ ...ports, common });

  const refuse = (entry: Open, refusal: Refusal) => {
    if (!drop(entry)) return;
    ports.toClient(refusalLine(entry.request.id, entry.request.method, entry.request.params, refusal));
  };
  /** False when it has an answer already. */
  const drop = (entry: Open): boolean => {
    const key = idKey(entry.request.id);
    return open.get(key) === entry && open.delete(key);
  };

  /** Keeps a client that asked for it from giving up, and bounds the patience of one that did not. */
  const attend = (entry: Open, waiting: Waiting, cancel: () => void): (() => void) => {
    say(waitingText(waiting, waiting.deadline - ports.now()).trimEnd());
    const token = progressToken(entry.request.params);
    if (token === null)
      return ports.after(ports.patienceMs, () => {
        cancel();
        refuse(entry, {
          reason: `nobody answered within ${Math.round(ports.patienceMs / 1000)} s (${waiting.reason})`,
          rule: waiting.rule,
          instead: 'ask the person to be ready to answer, then try again',
          receipt: null,
        });
      });
    let count = 0;
    let stop: () => void = () => undefined;
    const beat = () => {
      count += 1;
      const params = { progressToken: token, progress: count / 10_000, message: 'waits for a person' };
      ports.toClient(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params }));
      stop = ports.after(PROGRESS_MS, beat);
    };
    beat();
    return () => stop();
  };

  const judge = async (entry: Open, question: McpQuestion, line: Buffer): Promise<void> => {
    let calm: () => void = () => undefined;
    const asking = asker.ask(question, (waiting) => {
      calm();
      calm = attend(entry, waiting, () => asking.cancel());
    });
    entry.cancel = () => asking.cancel();
    const ruled = await asking.ruled;
    calm();
    entry.cancel = null;
    if (!ruled.ok) return refuse(entry, { reason: ruled.error, rule: null, instead: null, receipt: null });
    const { decision } = ruled.value;
    const there = open.get(idKey(entry.request.id)) === entry && ended === null;
    switch (decision.result) {
      case 'DENY':
        return refuse(entry, decision);
      case 'ALLOW':
      case 'MODIFY': {
        const what = decision.result === 'ALLOW' ? line : changed(line, decision.arguments);
        if (!there || what === null) {
          ruled.value.end({
            kind: 'unknown',
            why: there ? 'it could not be changed' : 'whoever asked went away before the answer',
          });
          return refuse(entry, {
            ...decision,
            reason: 'the decision was MODIFY, but it does not say what to call',
          });
        }
        entry.ruling = ruled.value;
        ports.toServer(what);
        return;
      }
      default:
        return refuse(entry, {
          reason: 'the decision is of no known kind',
          rule: null,
          instead: null,
          receipt: null,
        });
    }
  };

  const onRequest = async (request: McpRequest, line: Buffer): Promise<void> => {
    const key = idKey(request.id);
    if (open.has(key))
      return say('the client used the id of a request that has no answer yet; it was not passed on');
    if (ended !== null) return ports.toClient(errorLine(request.id, -32000, ended, null));
    if (open.size >= MAX_OPEN)
      return ports.toClient(errorLine(request.id, -32000, 'too many requests wait for an answer', null));
    const treatment = clientTreatment(request.method);
    const question = questionOf(request, treatment);
    const source = sourceOf(server, request);
    const entry: Open = { request, treatment, source, ruling: null, cancel: null };
    open.set(key, entry);
    if (question === null) return ports.toServer(line);
    if (typeof question === 'string')
      return refuse(entry, { reason: question, rule: null, instead: null, receipt: null });
    if (question.operation === 'call' && !lists.knows(question.tool)) {
      // Who calls a tool without having asked for the list: what the server says of it now is looked at first.
      await lists.fetch(request.params);
      if (open.get(key) !== entry) return;
    }
    return judge(entry, { ...common, ...question } as McpQuestion, line);
  };

  const onClientNotification = (message: McpNotification, line: Buffer) => {
    if (message.method === 'notifications/cancelled') {
      const { requestId } = message.params;
      const key = typeof requestId === 'string' || typeof requestId === 'number' ? idKey(requestId) : '';
      const entry = open.get(key);
      if (entry !== undefined && isJudged(entry) && entry.ruling === null) {
        // The server never heard of it.
        open.delete(key);
        entry.cancel?.();
        return;
      }
    }
    if (ended === null) ports.toServer(line);
  };

  const onClientResponse = (message: McpResponse, line: Buffer) => {
    const key = message.id === null ? '' : idKey(message.id);
    const entry = asked.get(key);
    if (entry === undefined || !entry.sent)
      return say('the client answered what nobody asked; it was not passed on');
    asked.delete(key);
    entry.ruling?.end({
      kind: 'answer',
      error: message.outcome.kind === 'error' ? errorText(message.outcome.error) : null,
    });
    if (ended === null) ports.toServer(line);
  };

  const onServerResponse = async (message: McpResponse, line: Buffer): Promise<void> => {
    if (message.id === null) return say('the server answered something unnamed; it was not passed on');
    const key = idKey(message.id);
    if (lists.take(message)) return;
    const entry = open.get(key);
    // Before it was passed on there is nothing that the server could know of it.
    if (entry === undefined || (isJudged(entry) && entry.ruling === null))
      return say('the server answered what nobody asked, or twice; it was not passed on');
    const { outcome } = message;
    if (entry.treatment === 'list' && outcome.kind === 'result') {
      const shown = await lists.show(message.id, outcome.result, line);
      if (!drop(entry)) return;
      if (shown.ok) ports.toClient(shown.value);
      else ports.toClient(errorLine(message.id, -32000, shown.error, null));
      return;
    }
    if (outcome.kind === 'error') {
      settle(entry, { kind: 'answer', error: errorText(outcome.error) });
      if (drop(entry)) ports.toClient(line);
      return;
    }
    const { result } = outcome;
    const from = entry.treatment === 'collect' ? collected(tasks, entry) : entry;
    const task = isJsonObject(result.task) ? result.task.taskId : undefined;
    if (entry.treatment === 'call' && typeof task === 'string' && tasks.size < MAX_TASKS)
      tasks.set(task, entry);
    else if (from !== null) {
      const failed = result.isError === true ? 'the tool reported an error' : null;
      settle(from, { kind: 'answer', error: failed }, returnedOf(from.source, line, result));
    }
    const wants = await inputRefusal(result);
    if (wants !== null) return refuse(entry, wants);
    if (drop(entry)) ports.toClient(line);
  };

  const settle = (
    entry: Open,
    ending: Parameters<Ruling['end']>[0],
    returned?: Parameters<Ruling['end']>[1],
  ) => {
    entry.ruling?.end(ending, returned);
    entry.ruling = null;
  };

  /** Of the stateless revision: what a server asks of the client stands in its result. Null when all of it is allowed. */
  const inputRefusal = async (result: JsonObject): Promise<Refusal | null> => {
    if (result.resultType !== 'input_required' || !isJsonObject(result.inputRequests)) return null;
    for (const request of Object.values(result.inputRequests)) {
      if (!isJsonObject(request) || typeof request.method !== 'string')
        return {
          reason: 'the server asks for something unreadable',
          rule: null,
          instead: null,
          receipt: null,
        };
      const params = isJsonObject(request.params) ? request.params : {};
      const asking = asker.ask(fromServer(request.method, params), (waiting) =>
        say(waitingText(waiting, waiting.deadline - ports.now()).trimEnd()),
      );
      const ruled = await asking.ruled;
      if (!ruled.ok) return { reason: ruled.error, rule: null, instead: null, receipt: null };
      if (ruled.value.decision.result !== 'ALLOW') return ruled.value.decision;
      ruled.value.end({ kind: 'answer', error: null });
    }
    return null;
  };

  const fromServer = (method: string, params: JsonObject): McpQuestion => ({
    ...common,
    operation: 'request',
    from: 'server',
    method,
    params,
  });

  const onServerRequest = async (request: McpRequest, line: Buffer): Promise<void> => {
    const key = idKey(request.id);
    if (asked.has(key) || asked.size >= MAX_OPEN)
      return say('the server used the id of a request that has no answer yet; it was not passed on');
    const entry: { ruling: Ruling | null; cancel: (() => void) | null; sent: boolean } = {
      ruling: null,
      cancel: null,
      sent: true,
    };
    asked.set(key, entry);
    if (passesToClient(request.method)) return ports.toClient(line);
    entry.sent = false;
    const asking = asker.ask(fromServer(request.method, request.params), (waiting) =>
      say(waitingText(waiting, waiting.deadline - ports.now()).trimEnd()),
    );
    entry.cancel = () => asking.cancel();
    const ruled = await asking.ruled;
    if (asked.get(key) !== entry) return;
    if (ruled.ok && ruled.value.decision.result === 'ALLOW') {
      entry.ruling = ruled.value;
      entry.sent = true;
      return ports.toClient(line);
    }
    asked.delete(key);
    const refusal: Refusal = ruled.ok
      ? ruled.value.decision
      : { reason: ruled.error, rule: null, instead: null, receipt: null };
    if (ended === null) ports.toServer(serverRefusalLine(request.id, request.method, refusal));
  };

  return {
    onClientLine(line) {
      const text = textOf(line);
      const parsed = text === null ? null : parseMcpLine(text, { maxLength: MAX_LINE, numbers: 'exact' });
      if (parsed === null)
        return ports.toClient(errorLine(null, -32700, 'the message is not valid UTF-8', null));
      if (!parsed.ok)
        return ports.toClient(errorLine(parsed.error.id, parsed.error.code, parsed.error.message, null));
      const [message] = parsed.value.messages;
      // Answers to a batch would have to come as one; no revision since 2025-06-18 has them.
      if (parsed.value.batch || message === undefined)
        return ports.toClient(
          errorLine(null, -32600, 'send messages one by one: batches are not passed on', null),
        );
      if (message.kind === 'request') void onRequest(message, line);
      else if (message.kind === 'notification') onClientNotification(message, line);
      else onClientResponse(message, line);
    },
    onServerLine(line) {
      const text = textOf(line);
      const parsed = text === null ? null : parseMcpLine(text, { maxLength: MAX_LINE, numbers: 'any' });
      if (parsed === null || !parsed.ok) {
        const why = parsed === null ? 'not valid UTF-8' : parsed.error.message;
        return say(`the server said something that is no message (${why}); it was not passed on`);
      }
      const [message] = parsed.value.messages;
      if (parsed.value.batch || message === undefined)
        return say('the server sent a batch, which no revision since 2025-06-18 has; it was not passed on');
      if (message.kind === 'request') void onServerRequest(message, line);
      else if (message.kind === 'response') void onServerResponse(message, line);
      else {
        // What the tools are is asked again before the next call.
        if (message.method === 'notifications/tools/list_changed') lists.forget();
        ports.toClient(line);
      }
    },
    onServerEnd(why) {
      if (ended !== null) return;
      ended = why;
      lists.end(why);
      for (const entry of [...open.values(), ...tasks.values()]) {
        entry.cancel?.();
        settle(entry, { kind: 'unknown', why });
        if (drop(entry)) ports.toClient(errorLine(entry.request.id, -32000, why, null));
      }
    },
    onClientEnd() {
      for (const entry of open.values()) if (entry.ruling === null) entry.cancel?.();
      for (const entry of asked.values()) entry.cancel?.();
    },
  };
}

function isJudged({ treatment }: Open): boolean {
  return treatment === 'call' || treatment === 'read' || treatment === 'prompt' || treatment === 'unknown';
}

/** The call whose answer this request collects; null when it is none of ours or not done yet. */
function collected(tasks: Map<string, Open>, entry: Open): Open | null {
  const id = entry.request.params.taskId;
  const call = typeof id === 'string' ? tasks.get(id) : undefined;
  if (call === undefined || entry.request.method !== 'tasks/result') return null;
  tasks.delete(id as string);
  return call;
}

type Asked =
  | { readonly operation: 'call'; readonly tool: string; readonly arguments: JsonObject }
  | { readonly operation: 'read'; readonly uri: string }
  | { readonly operation: 'prompt'; readonly name: string; readonly arguments: JsonObject }
  | {
      readonly operation: 'request';
      readonly from: 'client';
      readonly method: string;
      readonly params: JsonObject;
    };

/** What is asked about a request of the client: null for nothing, a text for what cannot be judged. */
function questionOf({ method, params }: McpRequest, treatment: ClientTreatment): Asked | string | null {
  const object = (value: Json | undefined) => (value === undefined ? {} : isJsonObject(value) ? value : null);
  switch (treatment) {
    case 'pass':
    case 'list':
    case 'collect':
      return null;
    case 'call': {
      const given = object(params.arguments);
      if (typeof params.name !== 'string' || params.name === '' || given === null)
        return 'a call names its tool and holds its arguments in an object';
      return { operation: 'call', tool: params.name, arguments: given };
    }
    case 'read':
      return typeof params.uri === 'string'
        ? { operation: 'read', uri: params.uri }
        : 'a read names its resource';
    case 'prompt': {
      const given = object(params.arguments);
      if (typeof params.name !== 'string' || given === null) return 'a prompt is asked for by its name';
      return { operation: 'prompt', name: params.name, arguments: given };
    }
    default:
      return { operation: 'request', from: 'client', method, params };
  }
}

function sourceOf(server: McpServer, { method, params }: McpRequest): string {
  const what =
    typeof params.name === 'string' ? params.name : typeof params.uri === 'string' ? params.uri : method;
  return `mcp:${server.name}/${what}`;
}

/** The same call with other arguments; null when there are none. */
function changed(line: Buffer, given: string | undefined): string | null {
  if (given === undefined) return null;
  const message = JSON.parse(line.toString('utf8')) as JsonObject;
  const params = isJsonObject(message.params) ? message.params : {};
  return JSON.stringify({ ...message, params: { ...params, arguments: JSON.parse(given) as Json } });
}

function textOf(line: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    return null;
  }
}

function errorText(error: JsonObject): string {
  return `${typeof error.message === 'string' ? error.message.slice(0, 400) : 'an error'} (${String(error.code)})`;
}
