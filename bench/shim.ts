/**
 * What a shim costs, beside starting /bin/true, in one run (medians): `node bench/shim.ts`.
 * The decider is a double that answers at once, so that this is the surface alone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDouble } from '../test/integration/surface-double.ts';

const ROUNDS = 5;
const EACH = 200;

const session = await openDouble(() => 'ALLOW', { programs: ['true'] });
const launcher = join(session.work, 'launch.c');
const binary = join(session.work, 'launch');
// A launcher that only forks, executes and waits: a shell would add its own cost to both sides.
writeFileSync(
  launcher,
  `#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <spawn.h>
#include <sys/wait.h>
extern char **environ;
int main(int c, char **v) {
  for (int n = atoi(v[1]); n > 0; n--) {
    struct timespec a, b;
    pid_t p;
    int s;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (posix_spawn(&p, v[2], 0, 0, v + 2, environ) != 0) return 1;
    waitpid(p, &s, 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (s != 0) return 2;
    printf("%ld\\n", (b.tv_sec - a.tv_sec) * 1000000L + (b.tv_nsec - a.tv_nsec) / 1000);
  }
  return c < 3;
}
`,
);
if (spawnSync('cc', ['-O2', '-o', binary, launcher]).status !== 0) {
  process.stderr.write('bench/shim needs a C compiler\n');
  process.exit(1);
}

/** Median microseconds of starting a program, through the launcher. */
async function measure(program: readonly string[]): Promise<number> {
  const done = await session.run([binary, String(EACH), ...program]);
  if (done.code !== 0) throw new Error(`${program.join(' ')}: ${done.code} ${done.stderr}`);
  return median(done.stdout.trim().split('\n').map(Number));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function measureBash(script: string): Promise<number> {
  const begin = performance.now();
  const done = await session.run(['bash', '-c', script]);
  if (done.code !== 0) throw new Error(done.stderr);
  return performance.now() - begin;
}

const rows: Record<string, number[]> = { true: [], shim: [], builtin: [], bare: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  rows['true']?.push(await measure(['/bin/true']));
  rows['shim']?.push(await measure([join(session.dir.shims, 'true')]));
  const empty = await measureBash('exit 0');
  rows['builtin']?.push(
    ((await measureBash(`for ((i = 0; i < ${EACH}; i++)); do echo x; done`)) - empty) * (1000 / EACH),
  );
  const bare = performance.now();
  execFileSync('/bin/bash', ['--norc', '-c', `for ((i = 0; i < ${EACH}; i++)); do /bin/true; done`]);
  rows['bare']?.push(((performance.now() - bare) * 1000) / EACH);
}
const plain = median(rows['true'] ?? []);
const shim = median(rows['shim'] ?? []);
const builtin = median(rows['builtin'] ?? []);
const bare = median(rows['bare'] ?? []);
process.stdout.write(
  [
    `/bin/true                                  ${plain.toFixed(0)} µs`,
    `true behind its shim, asked and reported   ${shim.toFixed(0)} µs   ${(shim / plain).toFixed(2)} × (bound: 3)`,
    `a builtin in bash, asked by the trap       ${builtin.toFixed(0)} µs   ${(builtin / bare).toFixed(2)} × bash starting /bin/true (${bare.toFixed(0)} µs)`,
    '',
  ].join('\n'),
);
session.close();
process.exit(0);
