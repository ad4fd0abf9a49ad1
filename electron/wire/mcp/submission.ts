import type { Payload } from '../../core/data/payload.ts';
import { fixedObject } from '../../core/semantic/objects.ts';
import type { ObjectSubmission } from '../file-action.ts';
import type { ToolDefinition } from './definition.ts';
import type { McpEnvelope } from './envelope.ts';
import type { ToolFinding } from './pinning.ts';

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

/** What a server offers, as an object of effects. */
export function service(submission: McpSubmission, what: string) {
  return fixedObject('service', `mcp:${submission.envelope.server.name}/${what}`, ['mcp']);
}
