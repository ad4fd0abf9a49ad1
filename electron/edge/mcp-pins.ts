import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../core/brand.ts';
import { parseStrictJson } from '../wire/json.ts';
import type { OtherTools, ToolDefinition } from '../wire/mcp/definition.ts';
import type { McpServer } from '../wire/mcp/envelope.ts';
import { pinFileSchema } from '../wire/mcp/pin-file.ts';
import type { PinnedTool, Pins } from '../wire/mcp/pinning.ts';

/** Tool definitions as they were accepted, one file a server. */
export interface McpPinStore {
  /** Null for a server that was never seen. One whose file cannot be read has no accepted tool. */
  read(key: Digest): Pins | null;
  /** Tools of every other server that was ever seen, by its name. */
  others(key: Digest): OtherTools;
  /** Adds and replaces tools of a server; false when it is not on the disk. */
  write(key: Digest, server: McpServer, tools: ReadonlyMap<string, PinnedTool>): boolean;
}

const MAX_FILE = 16 * 1024 * 1024;
const NOBODY: McpServer = {
  name: 'unreadable',
  command: [],
  package: null,
  version: null,
  build: null,
  url: null,
};

/** Opens the store in a directory of its own, which is made when the first server is seen. */
export function openMcpPins(directory: string, log: (line: string) => void): McpPinStore {
  const known = new Map<string, Pins>();
  const load = (key: string): Pins | null => {
    const before = known.get(key);
    if (before !== undefined) return before;
    let text: string;
    try {
      text = readFileSync(join(directory, `${key}.json`), 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
      text = '';
    }
    const json = parseStrictJson(text, { maxLength: MAX_FILE, maxDepth: 160 });
    const parsed = json.ok ? pinFileSchema.safeParse(json.value) : null;
    // Not "never seen": then a broken file would have everything accepted anew.
    if (!parsed?.success)
      log(`the pinned MCP tools in \`${key.slice(0, 12)}…\` cannot be read: each will be asked about`);
    const pins: Pins = parsed?.success
      ? {
          server: parsed.data.server,
          tools: new Map(Object.entries(parsed.data.tools) as [string, PinnedTool][]),
        }
      : { server: NOBODY, tools: new Map() };
    known.set(key, pins);
    return pins;
  };
  const keys = (): readonly string[] => {
    try {
      return readdirSync(directory)
        .filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
        .map((name) => name.slice(0, 64))
        .slice(0, 512);
    } catch {
      return [];
    }
  };
  return {
    read: load,
    others(key) {
      const others = new Map<string, readonly string[]>();
      for (const other of keys()) {
        const pins = other === key ? null : load(other);
        if (pins !== null) others.set(pins.server.name, [...pins.tools.keys()]);
      }
      return others;
    },
    write(key, server, tools) {
      const before = load(key);
      const all = new Map<string, PinnedTool>([...(before?.tools ?? []), ...tools]);
      const same =
        before !== null &&
        all.size === before.tools.size &&
        [...tools].every(([name, tool]) => before.tools.get(name)?.hash === tool.hash);
      if (same) return true;
      const record: Record<string, { hash: string; definition: ToolDefinition }> = Object.create(null);
      for (const [name, tool] of all) record[name] = tool;
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        const path = join(directory, `${key}.json`);
        writeFileSync(`${path}.new`, JSON.stringify({ v: 1, server, tools: record }), {
          mode: 0o600,
          flush: true,
        });
        renameSync(`${path}.new`, path);
      } catch (cause) {
        log(`pinned MCP tools cannot be written: ${(cause as Error).message}`);
        return false;
      }
      known.set(key, { server, tools: all });
      return true;
    },
  };
}
