import { join } from 'node:path';
import { openMcpPins } from '../edge/mcp-pins.ts';
import type { DataParts } from './data-wiring.ts';
import { createMcpKeeper, type McpKeeper, type McpKeeperPorts } from './mcp-keeper.ts';

export interface McpWiring extends Pick<McpKeeperPorts, 'knowledge' | 'hasher' | 'own' | 'mediation'> {
  /** The installation's state: what servers offer is remembered there. */
  readonly state: string;
  readonly data: DataParts;
  readonly log: (line: string) => void;
}

/** Joins what the daemon keeps of MCP servers with where it is kept (AARM R1, T11). */
export function mcpKeeper({ state, data, log, ...ports }: McpWiring): McpKeeper {
  const { scanPayload, scanText } = data;
  return createMcpKeeper({ ...ports, pins: openMcpPins(join(state, 'mcp'), log), scanPayload, scanText });
}
