import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { Classified } from '../core/data/classification.ts';
import type { Payload } from '../core/data/payload.ts';
import type { Hasher } from '../core/ports.ts';
import { err, type Result } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { McpPinStore } from '../edge/mcp-pins.ts';
import type { ReadScan } from '../edge/read-scan.ts';
import type { McpEnvelope, Returned } from '../wire/mcp/envelope.ts';
import { buildMcpAction } from '../wire/mcp/mcp-action.ts';
import { compareTools, serverKey, type ToolFinding } from '../wire/mcp/pinning.ts';
import type { MediationPorts, NormalizeFault, NormalizeInput } from './mediation.ts';
import { findingText, raisedLevel } from './reading.ts';
import type { Session } from './session-store.ts';
import { noteNews } from './stages.ts';

/** What the daemon keeps of MCP servers: their tools as they were accepted, and what their answers bring into a session. */
export interface McpKeeper {
  /** Turns what the bridge intercepted into an Action (architecture.md, stage 2). */
  normalize(
    input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: McpEnvelope },
  ): Result<Action, NormalizeFault>;
  /** Tools of a list of definitions that may not be used before somebody said so; empty for any other message. */
  findings(session: Session, envelope: McpEnvelope): readonly ToolFinding[];
  /**
   * Pins the definitions that were let through, without the tools named in `except`, which this session must not call until they are;
   * false when they could not be written down.
   */
  accept(session: Session, envelope: McpEnvelope, except: readonly string[]): boolean;
  /** Takes what came back into the session: fingerprints, secrets found, signs of untrusted content (R2.b, T3, T11). */
  returned(session: Session, action: ActionId, returned: Returned): void;
}

export interface McpKeeperPorts {
  readonly pins: McpPinStore;
  readonly knowledge: Knowledge;
  readonly hasher: Hasher;
  readonly own: readonly string[];
  readonly scanPayload: (text: string) => Payload;
  readonly scanText: (text: string) => ReadScan;
  readonly mediation: () => MediationPorts;
}

/** Makes the keeper. */
export function createMcpKeeper(ports: McpKeeperPorts): McpKeeper {
  const { pins, hasher } = ports;
  /** Tools that a session was shown and that nobody accepted yet. */
  const withheld = new WeakMap<Session, Set<string>>();
  /** Servers whose first list a session is still turning the pages of. */
  const looking = new WeakMap<Session, Set<string>>();
  const compared = (session: Session, envelope: McpEnvelope) => {
    if (envelope.operation !== 'define') return null;
    const key = serverKey(envelope.server, hasher);
    if (key === null) return null;
    const known = pins.read(key);
    const first = known === null || looking.get(session)?.has(key) === true;
    const { more } = envelope;
    return { key, first, more, ...compareTools(envelope.tools, known, pins.others(key), hasher, first) };
  };
  return {
    normalize(input) {
      const { envelope, session } = input;
      const key = serverKey(envelope.server, hasher);
      if (key === null) return err({ code: 'no_server', message: 'its server has no canonical name' });
      // Whoever is called has been looked at: what comes up later is new.
      if (envelope.operation !== 'define') looking.get(session)?.delete(key);
      const pinned =
        envelope.operation === 'call' ? (pins.read(key)?.tools.get(envelope.tool)?.definition ?? null) : null;
      const said = textOf(envelope);
      return buildMcpAction(
        {
          id: input.id,
          sessionId: session.id,
          at: input.at,
          surface: 'mcp',
          envelope,
          pinned,
          withheld:
            envelope.operation === 'call' && withheld.get(session)?.has(`${key} ${envelope.tool}`) === true,
          findings: compared(session, envelope)?.findings ?? [],
          payload: said === null ? null : ports.scanPayload(said),
          place: {
            cwd: envelope.cwd,
            home: session.home,
            workspace: session.workspace,
            user: session.identity.human.name,
          },
          own: ports.own,
          modifiedFrom: input.modifiedFrom,
        },
        ports.knowledge,
        hasher,
      );
    },
    findings: (session, envelope) => compared(session, envelope)?.findings ?? [],
    accept(session, envelope, except) {
      const seen = compared(session, envelope);
      if (seen === null) return true;
      const pages = looking.get(session) ?? new Set<string>();
      looking.set(session, pages);
      if (seen.first && seen.more) pages.add(seen.key);
      else pages.delete(seen.key);
      const tools = new Map([...seen.tools].filter(([name]) => !except.includes(name)));
      const held = withheld.get(session) ?? new Set<string>();
      withheld.set(session, held);
      for (const name of tools.keys()) held.delete(`${seen.key} ${name}`);
      for (const name of except) held.add(`${seen.key} ${name}`);
      // What has no readable definition is never accepted: there is nothing that could be held to it.
      return pins.write(seen.key, envelope.server, tools);
    },
    returned(session, action, { source, text }) {
      const scan = ports.scanText(text);
      const mediation = ports.mediation();
      const placed: Classified = { level: 'INTERNAL', source, because: 'given by an MCP server' };
      const level = raisedLevel(placed.level, scan.findings);
      const held =
        level === placed.level ? placed : { ...placed, level, because: findingText(scan.findings) };
      mediation.reading?.noteMarks(session, held, scan.marks, action);
      noteNews(mediation, session, { raised: held, signals: scan.signals, source }, action);
    },
  };
}

/** What a message says to whoever gets it; null where it says nothing. */
function textOf(envelope: McpEnvelope): string | null {
  switch (envelope.operation) {
    case 'call':
    case 'prompt':
      return JSON.stringify(envelope.arguments, null, 1);
    case 'request':
      return envelope.from === 'client' ? JSON.stringify(envelope.params, null, 1) : null;
    default:
      return null;
  }
}
