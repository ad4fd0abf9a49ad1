import type { Digest, Json, JsonObject } from '../../core/brand.ts';
import type { Hasher } from '../../core/ports.ts';
import { canonicalForm } from '../../core/receipt/canonical.ts';
import {
  type DefinitionChange,
  type DefinitionSignal,
  definitionDiff,
  definitionHash,
  definitionSignals,
  type OtherTools,
  readDefinition,
  type ToolDefinition,
} from './definition.ts';
import type { McpServer } from './envelope.ts';

/** What is remembered of a server's tools: what a person, or the first look, accepted. */
export interface Pins {
  readonly server: McpServer;
  readonly tools: ReadonlyMap<string, PinnedTool>;
}

export interface PinnedTool {
  readonly hash: Digest;
  readonly definition: ToolDefinition;
}

/** Why a tool may not be used before somebody said so. */
export interface ToolFinding {
  readonly tool: string;
  /** `first`: the server was never seen before, and what this tool says of itself is suspicious. */
  readonly change: 'first' | 'new' | 'changed' | 'unreadable';
  readonly hash: Digest | null;
  readonly signals: readonly DefinitionSignal[];
  readonly diff: readonly DefinitionChange[];
}

/** What a list of definitions comes to beside what is pinned. */
export interface Compared {
  /** Every tool that could be read, by name. */
  readonly tools: ReadonlyMap<string, PinnedTool>;
  /** Those that need a word of a person before they are usable. */
  readonly findings: readonly ToolFinding[];
}

/**
 * Compares what a server says of its tools with what is pinned (T1, T7; a "rug pull" is a definition that changes after it was
 * accepted). `pins` null: the server was never seen; its plain tools are accepted as they are, and so are those of the further pages of
 * that first list (`first`).
 */
export function compareTools(
  given: readonly Json[],
  pins: Pins | null,
  others: OtherTools,
  hasher: Hasher,
  first = pins === null,
): Compared {
  const tools = new Map<string, PinnedTool>();
  const findings: ToolFinding[] = [];
  for (const value of given) {
    const read = readDefinition(value);
    if (!read.ok) {
      findings.push(unreadable(value));
      continue;
    }
    const definition = read.value;
    const { name } = definition;
    const hash = definitionHash(definition, hasher);
    if (hash === null || tools.has(name)) {
      findings.push({ tool: name, change: 'unreadable', hash, signals: [], diff: [] });
      continue;
    }
    tools.set(name, { hash, definition });
    const before = pins?.tools.get(name);
    if (before?.hash === hash) continue;
    const signals = definitionSignals(definition, others);
    if (first && before === undefined) {
      if (signals.length > 0)
        findings.push({ tool: name, change: 'first', hash, signals, diff: whole(definition) });
    } else if (before === undefined)
      findings.push({ tool: name, change: 'new', hash, signals, diff: whole(definition) });
    else
      findings.push({
        tool: name,
        change: 'changed',
        hash,
        signals,
        diff: definitionDiff(before.definition, definition),
      });
  }
  return { tools, findings };
}

function unreadable(value: Json): ToolFinding {
  const name =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject).name : null;
  return {
    tool: typeof name === 'string' ? name.slice(0, 128) : '(no name)',
    change: 'unreadable',
    hash: null,
    signals: [],
    diff: [],
  };
}

/** A new tool as a difference from nothing. */
function whole(definition: ToolDefinition): readonly DefinitionChange[] {
  const nothing: ToolDefinition = {
    name: definition.name,
    title: null,
    description: null,
    inputSchema: {},
    outputSchema: null,
    annotations: null,
  };
  return definitionDiff(nothing, definition);
}

/**
 * The name under which a server's pins are kept: by what starts it. Its version and the hash of its program are not part of it, or an
 * update that turns a server bad would be a server that was never seen.
 */
export function serverKey(server: McpServer, hasher: Hasher): Digest | null {
  const text = canonicalForm({ command: server.command, package: server.package, url: server.url });
  return text.ok ? hasher.sha256(text.value) : null;
}
