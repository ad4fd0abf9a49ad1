import type { Json, JsonObject } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';

/** One tool that is really called, by the name that the wrapper was given (AARM R3.k). */
export interface InnerCall {
  readonly server: string | null;
  readonly tool: string;
  readonly arguments: JsonObject;
  /** Names of the tools around it, outermost first. */
  readonly wrappers: readonly string[];
}

const TOOL_KEYS = ['tool', 'tool_name', 'toolName', 'tool_slug', 'toolSlug'];
const NAME_KEYS = ['name', 'function', 'function_name', 'functionName', 'action', 'operation'];
const ARGUMENT_KEYS = [
  'arguments',
  'args',
  'tool_args',
  'toolArgs',
  'tool_input',
  'input',
  'params',
  'parameters',
  'payload',
];
const SERVER_KEYS = ['server', 'server_name', 'serverName'];
const LIST_KEYS = ['calls', 'tools', 'tool_calls', 'toolCalls', 'batch', 'requests', 'steps'];
/** A wrapper that calls its key `name` says so in its own name. */
const META = /(?:^|[_\-.])(?:call|invoke|execute|exec|run|use|dispatch|proxy|batch|multi)(?:[_\-.]|$)|tool/i;
const MAX_DEPTH = 4;
const MAX_CALLS = 32;

/**
 * The tools that a call really comes to: a tool that takes a tool's name and its arguments is resolved to that tool, through several
 * layers (AARM R3.k). A call that wraps nothing is returned as it is. Null when it is wrapped deeper or wider than can be followed.
 */
export function innerCalls(tool: string, given: JsonObject): readonly InnerCall[] | null {
  const found: InnerCall[] = [];
  const walk = (call: InnerCall): boolean => {
    const inner = unwrap(call.tool, call.arguments);
    if (inner === null) {
      found.push(call);
      return found.length <= MAX_CALLS;
    }
    if (call.wrappers.length >= MAX_DEPTH) return false;
    return inner.every((one) => walk({ ...one, wrappers: [...call.wrappers, call.tool] }));
  };
  return walk({ server: null, tool, arguments: given, wrappers: [] }) ? found : null;
}

function unwrap(tool: string, given: JsonObject): readonly Omit<InnerCall, 'wrappers'>[] | null {
  const one = single(tool, given);
  if (one !== null) return [one];
  for (const key of LIST_KEYS) {
    const list = given[key];
    if (!Array.isArray(list) || list.length === 0) continue;
    const calls = (list as readonly Json[]).map((item) => (isJsonObject(item) ? single('tool', item) : null));
    if (calls.every((call) => call !== null)) return calls;
  }
  return null;
}

function single(tool: string, given: JsonObject): Omit<InnerCall, 'wrappers'> | null {
  const named = textAt(given, TOOL_KEYS) ?? (META.test(tool) ? textAt(given, NAME_KEYS) : null);
  if (named === null || named.length > 256) return null;
  const key = ARGUMENT_KEYS.find((name) => Object.hasOwn(given, name));
  const value = key === undefined ? undefined : given[key];
  const inner = isJsonObject(value) ? value : typeof value === 'string' ? parsed(value) : null;
  if (inner === null) return null;
  return { server: textAt(given, SERVER_KEYS), tool: named, arguments: inner };
}

function textAt(given: JsonObject, keys: readonly string[]): string | null {
  for (const key of keys) {
    const value = given[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return null;
}

/** Arguments that are JSON in a text. */
function parsed(text: string): JsonObject | null {
  if (!text.startsWith('{') || text.length > 1024 * 1024) return null;
  try {
    const value = JSON.parse(text) as Json;
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
