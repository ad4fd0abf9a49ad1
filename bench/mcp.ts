// What the MCP bridge adds to a call, beside the same call without it: a server that answers at once, one call after another.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installation } from '../test/support/installation.ts';
import { rawClient, shakeHands } from '../test/support/mcp.ts';

const CALLS = 400;
const WARM = 50;

async function times(direct: boolean): Promise<readonly number[]> {
  const stage = installation();
  try {
    if (!direct) await stage.startDaemon();
    const script = join(stage.root, 'script.json');
    writeFileSync(script, JSON.stringify({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }));
    const server = join(import.meta.dirname, '../test/fixtures/mcp-server.ts');
    const client = rawClient(stage, [process.execPath, server, script, '/dev/null'], { direct });
    await shakeHands(client);
    await client.ask('tools/list');
    const taken: number[] = [];
    for (let at = 0; at < CALLS + WARM; at += 1) {
      const before = performance.now();
      await client.ask('tools/call', { name: 'echo', arguments: { text: 'hello' } });
      if (at >= WARM) taken.push(performance.now() - before);
    }
    await client.end();
    rmSync(script, { force: true });
    return taken.sort((a, b) => a - b);
  } finally {
    await stage.dispose();
  }
}

const at = (sorted: readonly number[], part: number) =>
  sorted[Math.floor(sorted.length * part)] ?? Number.NaN;
const direct = await times(true);
const bridged = await times(false);
for (const [name, part] of [
  ['p50', 0.5],
  ['p95', 0.95],
  ['p99', 0.99],
] as const)
  process.stdout.write(
    `${name}: direct ${at(direct, part).toFixed(2)} ms, through the bridge ${at(bridged, part).toFixed(2)} ms, added ${(at(bridged, part) - at(direct, part)).toFixed(2)} ms\n`,
  );
