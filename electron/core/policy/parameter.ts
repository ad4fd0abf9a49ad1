import type { Action } from '../action.ts';
import type { Json, JsonObject } from '../brand.ts';
import { SHOWN_HEADERS } from '../http.ts';
import { isList, isObject, unknownAt, type Value, type ValueObject } from './fact-value.ts';

/**
 * Every parameter that a tool of ours can have. A rule that names the tool and reads another one means something that we do not call so:
 * that it is not there says nothing. Tools of others are not here: theirs is what they were given.
 */
export const TOOL_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  shell: ['argv', 'command', 'script', 'program', 'script_file', 'argv0', 'escaped'],
  code: ['language', 'code'],
  file: [
    ...['path', 'destination', 'flags', 'recursive', 'by', 'escaped'],
    ...['kind', 'before', 'after', 'changes'],
  ],
  network: ['host', 'port', 'socket', 'by', 'escaped', 'protocol'],
  http: [
    ...['url', 'method', 'host', 'port', 'protocol', 'headers', 'content_type', 'body', 'body_digest'],
    ...['length', 'inspected', 'oddities', 'service'],
  ],
  database: [
    ...['database', 'user', 'credential', 'text', 'text_digest', 'verbs', 'tables_read', 'tables_written'],
    ...['functions', 'values_digest', 'search_path'],
  ],
  ssh: ['credential', 'host', 'user', 'key', 'data', 'flags'],
};

const ROOT = 'action.parameters';
/** Stands in a list or an object of which only the beginning is shown (wire/http/shown.ts). */
const MORE_KEYS = '…';
const CUT_TEXT = /… \(\d+ characters\)$/;
const CUT = new Set(['[present]', '[deeper]']);
const CUT_LIST = /^\[\d+ more\]$/;
const MAX_SHOWN_HEADERS = 30;

/** Name of the parameter that `path` reads or reads from: `body` of `action.parameters.body.value`; null for none in particular. */
export function parameterNamed(path: string): string | null {
  return /^action\.parameters\.([^.[\]]+)/.exec(path)?.[1] ?? null;
}

/** Parameters that these tools have together; null when one of them is not ours, and anything may be given to it. */
export function parametersOf(tools: readonly string[]): readonly string[] | null {
  const lists = tools.map((tool) => (Object.hasOwn(TOOL_PARAMETERS, tool) ? TOOL_PARAMETERS[tool] : null));
  if (lists.length === 0 || lists.some((list) => list === null || list === undefined)) return null;
  return [...new Set(lists.flatMap((list) => list ?? []))].sort();
}

/**
 * What stands for a parameter that is not there (AARM R3.f): null, not given, where that is certain; unknown where a rule that names the tool
 * reads what the tool never has, or where only a part of what was sent is shown. `tools`: the rule's `match.tools`.
 */
export function absentParameter(
  path: string,
  key: string,
  within: ValueObject,
  action: Action,
  tools: readonly string[],
): Value {
  if (path === `${ROOT}.${key}`) {
    const names = Object.hasOwn(TOOL_PARAMETERS, action.tool) ? TOOL_PARAMETERS[action.tool] : undefined;
    const never = names !== undefined && tools.includes(action.tool) && !names.includes(key);
    return never ? unknownAt(path) : null;
  }
  if (action.tool !== 'http') return null;
  const name = parameterNamed(path);
  if (name === 'headers') {
    const all = Object.keys(within).length < MAX_SHOWN_HEADERS;
    return all && SHOWN_HEADERS.has(key) ? null : unknownAt(path);
  }
  if (name !== 'body') return null;
  const part = action.parameters.inspected !== 'whole' || Object.hasOwn(within, MORE_KEYS);
  return part ? unknownAt(path) : null;
}

/** The parameters as a predicate reads them: what a request says is shown cut, and what was cut off is unknown. */
export function readParameters(action: Action): Value {
  const { parameters, tool } = action;
  if (tool !== 'http' || parameters.body === undefined) return parameters;
  return { ...parameters, body: uncut(parameters.body, `${ROOT}.body`) };
}

function uncut(value: Json, path: string): Value {
  if (typeof value === 'string') return CUT.has(value) || CUT_TEXT.test(value) ? unknownAt(path) : value;
  if (isList(value))
    return value.map((item) =>
      typeof item === 'string' && CUT_LIST.test(item) ? unknownAt(path) : uncut(item as Json, path),
    );
  if (!isObject(value)) return value;
  const entries = Object.entries(value as JsonObject);
  return Object.fromEntries(entries.map(([key, inner]) => [key, uncut(inner, `${path}.${key}`)]));
}
