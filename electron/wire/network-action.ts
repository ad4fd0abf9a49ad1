import type { Action, Surface } from '../core/action.ts';
import type { ActionId, Digest, JsonObject, SessionId, TimeMs } from '../core/brand.ts';
import type { Hasher } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { objectOf } from '../core/semantic/objects.ts';
import { actionDigest } from './shell-action.ts';

/** Everything about one connection but its meaning. */
export interface NetworkSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly surface: Surface;
  /** Name or address. */
  readonly host: string;
  readonly port: number;
  readonly cwd: string | null;
  readonly home: string;
  readonly user: string;
  readonly workspace: string | null;
  readonly modifiedFrom: Digest | null;
}

/** Builds the Action of one connection (AARM R1, R3.k, R5.a). */
export function buildNetworkAction(
  submission: NetworkSubmission,
  knowledge: Knowledge,
  hasher: Hasher,
): Action {
  const { id, sessionId, at, surface, cwd, host, port, modifiedFrom } = submission;
  const parameters: JsonObject = { host, port };
  const word = { text: host, raw: host, known: true, glob: false };
  return {
    id,
    sessionId,
    at,
    surface,
    tool: 'network',
    operation: 'connect',
    parameters,
    cwd,
    commands: [],
    effects: [
      {
        kind: 'connect',
        object: objectOf(word, 'host', [], 'here', submission, knowledge),
        command: null,
        recursive: false,
        force: false,
        reversible: 'no',
        tags: [],
      },
    ],
    gaps: [],
    digest: actionDigest({ tool: 'network', operation: 'connect', parameters, cwd }, hasher),
    modifiedFrom,
    dependsOn: [],
    partsFollow: false,
  };
}
