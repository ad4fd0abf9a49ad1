import type { JsonObject } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';

/**
 * What the bridge does with each method. Session-based revisions 2025-06-18 and 2025-11-25
 * (https://modelcontextprotocol.io/specification/2025-11-25/schema; tasks: …/basic/utilities/tasks) and the stateless
 * 2026-07-28 (https://modelcontextprotocol.io/specification/2026-07-28/changelog: `server/discover`, `subscriptions/listen`, no
 * handshake, what a server asks of a client stands in a result with `resultType: "input_required"`).
 */
export type ClientTreatment =
  /** Part of the protocol's own housekeeping: passed on, and so is the answer. */
  | 'pass'
  /** Its answer holds tool definitions, which are pinned. */
  | 'list'
  /** Judged before it is passed on. */
  | 'call'
  | 'read'
  | 'prompt'
  /** The answer of a call that was judged when it was made. */
  | 'collect'
  /** Nothing here knows what it does: judged by its name. */
  | 'unknown';

const FROM_CLIENT: Readonly<Record<string, ClientTreatment>> = {
  initialize: 'pass',
  ping: 'pass',
  'server/discover': 'pass',
  'logging/setLevel': 'pass',
  'completion/complete': 'pass',
  'tools/list': 'list',
  'tools/call': 'call',
  'resources/list': 'pass',
  'resources/templates/list': 'pass',
  'resources/read': 'read',
  'resources/subscribe': 'read',
  'resources/unsubscribe': 'pass',
  'prompts/list': 'pass',
  'prompts/get': 'prompt',
  'subscriptions/listen': 'pass',
  'tasks/get': 'collect',
  'tasks/result': 'collect',
  'tasks/list': 'pass',
  'tasks/cancel': 'pass',
  'tasks/update': 'unknown',
};

/** What becomes of a request of the client. */
export function clientTreatment(method: string): ClientTreatment {
  return Object.hasOwn(FROM_CLIENT, method) ? (FROM_CLIENT[method] ?? 'unknown') : 'unknown';
}

/** Requests of a server that need no decision. Everything else that a server asks of a client is judged. */
export function passesToClient(method: string): boolean {
  return method === 'ping' || method.startsWith('tasks/');
}

const OPERATIONS: Readonly<Record<string, string>> = {
  'sampling/createMessage': 'sample',
  'elicitation/create': 'elicit',
  'roots/list': 'roots',
};

/** The operation of an Action about a request that is no tool, resource or prompt. */
export function operationOf(method: string): string {
  return Object.hasOwn(OPERATIONS, method) ? (OPERATIONS[method] ?? 'request') : 'request';
}

/** Key of `_meta` by which a request of the stateless revision says its version. */
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

/** True when a request is of the stateless revision, in which every result says its type. */
export function isStateless(params: JsonObject): boolean {
  return isJsonObject(params._meta) && typeof params._meta[VERSION_KEY] === 'string';
}

/** The token under which a client wants to hear of progress; null when it does not. */
export function progressToken(params: JsonObject): string | number | null {
  const token = isJsonObject(params._meta) ? params._meta.progressToken : undefined;
  return typeof token === 'string' || typeof token === 'number' ? token : null;
}
