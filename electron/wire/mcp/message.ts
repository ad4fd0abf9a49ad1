import type { Json, JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { isJsonObject, parseStrictJson } from '../json.ts';

/**
 * Messages of the Model Context Protocol, read from a hostile peer. JSON-RPC 2.0 with the protocol's own narrowings: an id is a string or
 * an integer and never null, `params` and `result` are objects (https://modelcontextprotocol.io/specification/2025-06-18/basic and
 * https://modelcontextprotocol.io/specification/2026-07-28/basic). Batches were part of revision 2025-03-26 only; their members are
 * read one by one.
 */
export type RequestId = string | number;

export interface McpRequest {
  readonly kind: 'request';
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonObject;
}

export interface McpNotification {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: JsonObject;
}

export interface McpResponse {
  readonly kind: 'response';
  /** Null only in the answer to what could not be read. */
  readonly id: RequestId | null;
  readonly outcome:
    | { readonly kind: 'result'; readonly result: JsonObject }
    | { readonly kind: 'error'; readonly error: JsonObject };
}

export type McpMessage = McpRequest | McpNotification | McpResponse;

/** Why a line is no message; `id` where it could still be told, so that the asker hears of it. */
export interface McpFault {
  /** A JSON-RPC error code. */
  readonly code: -32700 | -32600;
  readonly message: string;
  readonly id: RequestId | null;
}

export interface McpLine {
  readonly messages: readonly McpMessage[];
  readonly batch: boolean;
}

export interface McpLimits {
  /** Characters of one line. */
  readonly maxLength: number;
  /** Numbers that lose precision: refused where what is said is judged, let through where it is only passed on. */
  readonly numbers: 'exact' | 'any';
}

const MAX_DEPTH = 128;
const MAX_BATCH = 128;
const MAX_ID = 512;
const MAX_METHOD = 256;

/** Reads one line of either side (AARM R1): strict JSON, bounded, no key twice; every member of a batch whole, or nothing of it. */
export function parseMcpLine(text: string, limits: McpLimits): Result<McpLine, McpFault> {
  const json = parseStrictJson(text, {
    maxLength: limits.maxLength,
    maxDepth: MAX_DEPTH,
    numbers: limits.numbers,
  });
  if (!json.ok)
    return err({
      code: json.error.code === 'malformed' ? -32700 : -32600,
      message: json.error.message,
      id: null,
    });
  if (!Array.isArray(json.value)) {
    const one = messageOf(json.value);
    return one.ok ? ok({ messages: [one.value], batch: false }) : one;
  }
  const members = json.value as readonly Json[];
  if (members.length === 0 || members.length > MAX_BATCH)
    return err({ code: -32600, message: `a batch holds 1 to ${MAX_BATCH} messages`, id: null });
  const messages: McpMessage[] = [];
  const ids = new Set<string>();
  for (const member of members) {
    const one = messageOf(member);
    if (!one.ok) return one;
    if (one.value.kind === 'request') {
      const key = idKey(one.value.id);
      if (ids.has(key))
        return err({ code: -32600, message: 'an id stands twice in a batch', id: one.value.id });
      ids.add(key);
    }
    messages.push(one.value);
  }
  return ok({ messages, batch: true });
}

/** An id as a key: `1` and `"1"` are two. */
export function idKey(id: RequestId): string {
  return typeof id === 'number' ? `n${id}` : `s${id}`;
}

function messageOf(value: Json): Result<McpMessage, McpFault> {
  const fault = (message: string, id: RequestId | null = null) => err({ code: -32600, message, id } as const);
  if (!isJsonObject(value)) return fault('a message is an object');
  const id = readId(value.id);
  if (value.jsonrpc !== '2.0') return fault('a message says `"jsonrpc": "2.0"`', id);
  const { method, params } = value;
  if (method !== undefined) {
    if (typeof method !== 'string' || method === '' || method.length > MAX_METHOD)
      return fault('a method is a short text', id);
    if (value.result !== undefined || value.error !== undefined)
      return fault('a message is a request or a response, not both', id);
    if (params !== undefined && !isJsonObject(params)) return fault('`params` is an object', id);
    const given = isJsonObject(params) ? params : {};
    if (!Object.hasOwn(value, 'id')) return ok({ kind: 'notification', method, params: given });
    if (id === null) return fault('an id is a string or an integer');
    return ok({ kind: 'request', id, method, params: given });
  }
  const { result, error } = value;
  if ((result === undefined) === (error === undefined))
    return fault('a message has a method, a result or an error', id);
  if (id === null && (value.id !== null || error === undefined))
    return fault('a response names what it answers');
  if (error !== undefined)
    return isJsonObject(error)
      ? ok({ kind: 'response', id, outcome: { kind: 'error', error } })
      : fault('`error` is an object', id);
  return isJsonObject(result)
    ? ok({ kind: 'response', id, outcome: { kind: 'result', result } })
    : fault('`result` is an object', id);
}

function readId(value: Json | undefined): RequestId | null {
  if (typeof value === 'string') return value.length <= MAX_ID ? value : null;
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}
