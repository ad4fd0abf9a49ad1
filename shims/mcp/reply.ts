import type { JsonObject } from '../../electron/core/brand.ts';
import type { RequestId } from '../../electron/wire/mcp/message.ts';
import { isStateless } from '../../electron/wire/mcp/methods.ts';
import { clip, visible } from '../../electron/wire/terminal-text.ts';

/** Why something is not done, as it is said to a model. */
export interface Refusal {
  readonly reason: string;
  readonly rule: string | null;
  readonly instead: string | null;
  readonly receipt: string | null;
}

const MAX_SHOWN = 4000;

function refusalText({ reason, rule, instead }: Refusal): string {
  const shown = (text: string) => clip(visible(text), MAX_SHOWN);
  return [
    `Denied by Countersign, the firewall on this computer: ${shown(reason)}${rule === null ? '' : ` [rule ${shown(rule)}]`}. Nothing was done.`,
    ...(instead === null ? [] : [`Instead: ${shown(instead)}.`]),
  ].join(' ');
}

/** Implementation-defined server error of JSON-RPC 2.0; -32020 and below are the protocol's own. */
const DENIED = -32000;

/**
 * The line that tells a client that its request was denied (AARM R1.b, R1.d): of a tool call a result with `isError`, which the model
 * reads and can act upon (https://modelcontextprotocol.io/specification/2025-11-25/server/tools#error-handling); of everything else,
 * and of a call that was to become a task, a JSON-RPC error.
 */
export function refusalLine(id: RequestId, method: string, params: JsonObject, refusal: Refusal): string {
  const text = refusalText(refusal);
  const { rule, instead, receipt } = refusal;
  if (method === 'tools/call' && params.task === undefined)
    return JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: {
        ...(isStateless(params) ? { resultType: 'complete' } : {}),
        content: [{ type: 'text', text }],
        isError: true,
        _meta: { 'io.countersign/decision': { result: 'DENY', rule, receipt } },
      },
    });
  return errorLine(id, DENIED, text, { rule, instead, receipt });
}

/** The line that tells a server that what it asked of the client is not done. */
export function serverRefusalLine(id: RequestId, method: string, refusal: Refusal): string {
  if (method === 'elicitation/create')
    return JSON.stringify({ jsonrpc: '2.0', id, result: { action: 'decline' } });
  // Of sampling the specification says -1: the user rejected it.
  return errorLine(id, method === 'sampling/createMessage' ? -1 : DENIED, `denied: ${refusal.reason}`, null);
}

/** A JSON-RPC error as a line. */
export function errorLine(
  id: RequestId | null,
  code: number,
  message: string,
  data: JsonObject | null,
): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, ...(data === null ? {} : { data }) } });
}
