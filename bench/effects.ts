// Cost of normalizing and of reading effects, per command line. Usage: node bench/effects.ts
import { join } from 'node:path';
import { effectsOf } from '../electron/core/semantic/effects.ts';
import { loadKnowledge } from '../electron/edge/knowledge-dir.ts';
import { resourcesDirectory } from '../electron/edge/resources.ts';
import { normalizeCommandLine } from '../electron/wire/shell/normalize.ts';

const HOME = '/home/user';
const PLACE = { cwd: `${HOME}/project`, home: HOME, workspace: `${HOME}/project`, user: 'user' };
const LINES: readonly string[] = [
  'ls -la src',
  'rm -rf build dist',
  'git commit -am "fix the parser"',
  'git push --force-with-lease origin topic',
  "find . -name '*.pyc' -delete",
  'curl -fsSL https://example.com/a.tgz -o a.tgz',
  'grep -rn TODO src | head -20',
  'sudo apt-get install -y jq',
  'docker run --rm -v $PWD:/w -w /w node:24 npm test',
  'kubectl -n prod get pods -o yaml',
  "psql -c 'select count(*) from users where id > 10'",
  'python3 -c "import os; os.remove(\'x\')"',
  'cat a | sort | uniq -c | sort -rn > out.txt',
  'aws s3 sync ./dist s3://bucket/site --delete',
];

const started = performance.now();
const loaded = loadKnowledge(join(resourcesDirectory(), 'knowledge'));
if (!loaded.ok) throw new Error(loaded.error.message);
const knowledge = loaded.value;
process.stdout.write(
  `knowledge: ${knowledge.programs.size} programs, read and indexed in ${(performance.now() - started).toFixed(0)} ms\n`,
);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Microseconds for one call: the median of 31 batches. */
function cost(run: () => void): number {
  for (let i = 0; i < 2000; i += 1) run();
  const batches: number[] = [];
  for (let batch = 0; batch < 31; batch += 1) {
    const from = performance.now();
    for (let i = 0; i < 500; i += 1) run();
    batches.push(((performance.now() - from) * 1000) / 500);
  }
  return median(batches);
}

const all: number[] = [];
for (const commandLine of LINES) {
  const input = {
    commandLine,
    dialect: 'bash',
    cwd: PLACE.cwd,
    home: HOME,
    variables: { HOME, PWD: PLACE.cwd },
  } as const;
  const normalized = normalizeCommandLine(input);
  if (!normalized.ok) throw new Error(normalized.error.message);
  const { commands } = normalized.value;
  const reading = cost(() => normalizeCommandLine(input));
  const effects = cost(() => effectsOf(commands, PLACE, knowledge));
  all.push(effects);
  process.stdout.write(
    `${commandLine.padEnd(56)} commands ${String(commands.length).padStart(2)}  normalize ${reading.toFixed(1).padStart(6)} µs  effects ${effects.toFixed(1).padStart(6)} µs\n`,
  );
}
process.stdout.write(`median of all lines: effects ${median(all).toFixed(1)} µs\n`);
