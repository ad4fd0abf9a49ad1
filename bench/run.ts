/**
 * Runs every bench of this folder, each in a process of its own, one after the other: `npm run bench [NAME…]`.
 * Numbers mean something only on a machine that does nothing else; ratios hold better than milliseconds.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const BENCHES = [
  'decide',
  'shell',
  'effects',
  'mediate',
  'ledger',
  'shim',
  'guard',
  'data',
  'mcp',
  'proxy',
  'efficacy',
];

const root = join(import.meta.dirname, '..');
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !BENCHES.includes(name));
if (unknown.length > 0) {
  process.stderr.write(
    `no bench is called ${unknown.map((n) => `\`${n}\``).join(', ')}; there are: ${BENCHES.join(', ')}\n`,
  );
  process.exit(2);
}
let failed = 0;
for (const name of asked.length > 0 ? asked : BENCHES) {
  process.stdout.write(`\n# ${name}\n`);
  // The built file where there is one: what people run, without the cost of stripping types.
  // `efficacy` reads the corpora beside the repository, so it runs from its source.
  const built = name === 'efficacy' ? '' : join(root, 'build', 'bench', `${name}.js`);
  const done = spawnSync(process.execPath, [existsSync(built) ? built : join(root, 'bench', `${name}.ts`)], {
    cwd: root,
    stdio: 'inherit',
  });
  if (done.status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
