/**
 * What the guard costs, beside the same work without it, under bubblewrap and under `@anthropic-ai/sandbox-runtime` where they are installed, all in
 * one run (medians): `node bench/guard.ts [WORKLOAD…]`. A real daemon answers. CSN_BENCH_DIR chooses the disk.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { sessionOpenedSchema } from '../electron/wire/control.ts';
import { placesFrom } from '../electron/wire/places.ts';
import { mintAgentKey } from '../shims/cli/agent-key.ts';
import { callFor } from '../shims/cli/control-client.ts';
import { reachDaemon } from '../shims/cli/daemon-process.ts';
import { guardedEnvironment, layoutWorld, writeGuardConfig } from '../shims/cli/guard-launch.ts';
import { layoutOf } from '../shims/cli/guard-layout.ts';
import { findInstallation } from '../shims/cli/installation.ts';

const base = mkdtempSync(join(process.env['CSN_BENCH_DIR'] ?? '/var/tmp', 'csn-bench-'));
const work = join(base, 'work');
mkdirSync(work);
process.env['COUNTERSIGN_HOME'] = join(base, 'home');
process.env['npm_config_cache'] = join(work, 'npm-cache');
const installation = findInstallation();
const { guard } = installation;
if (guard === null) throw new Error('the guard is not built');
const places = placesFrom(process.env, homedir());
const connected = await reachDaemon(places, installation, () => undefined);
if (!connected.ok) throw new Error(connected.error.message);
const control = connected.value;
const temp = join(base, 'tmp');
mkdirSync(temp);
const layout = layoutOf(
  {
    workspace: work,
    own: [places.state, places.config, places.run],
    installation: installation.root,
    env: process.env,
  },
  layoutWorld(homedir(), process.getuid?.() ?? -1),
);
const opened = await callFor(
  control,
  {
    type: 'session.open',
    intent: null,
    workspace: work,
    argv: ['bench'],
    runner_pid: process.pid,
    agent: { product: 'bench', version: null, binary_hash: null, public_key: mintAgentKey().publicKey },
    assurance: 'enforced',
    guard: {
      writable: [...layout.workspace],
      tools: [...layout.tools],
      temp,
      veiled: [...layout.veiled],
      hosts: ['127.0.0.1:*'],
    },
  },
  sessionOpenedSchema,
);
if (!opened.ok) throw new Error(opened.error.message);
const session = opened.value;

/** One way of running a command; null: not on this machine. */
type Launcher = (command: readonly string[], cwd: string) => readonly string[];

const configs = join(base, 'configs');
mkdirSync(configs);
const guarded: Launcher = (command, cwd) => {
  const dir = mkdtempSync(join(configs, 'c-'));
  return [
    guard,
    writeGuardConfig(dir, {
      mode: 'full',
      session: session.session,
      key: session.secret,
      daemonSocket: session.guard_socket,
      terminal: false,
      cwd,
      layout,
      temp,
      command,
      watched: [],
    }),
  ];
};
const bubblewrap: Launcher = (command, cwd) => [
  'bwrap',
  ...['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--bind', work, work, '--tmpfs', '/tmp'],
  ...[
    '--unshare-user',
    '--unshare-pid',
    '--unshare-net',
    '--unshare-ipc',
    '--die-with-parent',
    '--chdir',
    cwd,
    ...command,
  ],
];

const launchers: [string, Launcher][] = [
  ['bare', (command) => command],
  ['guard', guarded],
];
if (spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status === 0) launchers.push(['bwrap', bubblewrap]);
const srt = findSrt();
if (srt !== null) launchers.push(['srt', (command) => [srt, command.map((word) => `'${word}'`).join(' ')]]);

/** The other sandbox, from the registry, for the comparison only; null where it cannot be had or does not run. */
function findSrt(): string | null {
  if (process.env['CSN_BENCH_SRT'] === '0') return null;
  const prefix = join(base, 'srt');
  spawnSync('npm', [
    'install',
    '--prefix',
    prefix,
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '@anthropic-ai/sandbox-runtime@0.0.83',
  ]);
  const binary = join(prefix, 'node_modules/.bin/srt');
  return existsSync(binary) && spawnSync(binary, ['true']).status === 0 ? binary : null;
}

interface Workload {
  readonly name: string;
  readonly rounds: number;
  /** Launchers it is measured with, besides `bare` and `guard`. */
  readonly beside: readonly string[];
  readonly cwd: string;
  readonly command: readonly string[];
  readonly prepare?: () => void;
}

function must(command: readonly string[], cwd: string): void {
  const [program = '', ...args] = command;
  execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

function milliseconds(argv: readonly string[], cwd: string): number {
  const [program = '', ...args] = argv;
  const env = guardedEnvironment(process.env);
  const begin = process.hrtime.bigint();
  const done = spawnSync(program, args, {
    cwd,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: 1 << 28,
  });
  const ms = Number(process.hrtime.bigint() - begin) / 1e6;
  if (done.status !== 0)
    throw new Error(`${argv.join(' ')}: ${done.status} ${done.stderr.toString().slice(0, 500)}`);
  return ms;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function measure(load: Workload): void {
  const chosen = launchers.filter(
    ([name]) => name === 'bare' || name === 'guard' || load.beside.includes(name),
  );
  const times = new Map<string, number[]>(chosen.map(([name]) => [name, []]));
  for (let round = 0; round <= load.rounds; round += 1) {
    for (const [name, launch] of chosen) {
      load.prepare?.();
      const argv = launch(load.command, load.cwd);
      const ms = milliseconds(argv, load.cwd);
      // The first round warms the caches of the kernel.
      if (round > 0) times.get(name)?.push(ms);
    }
  }
  const bare = median(times.get('bare') ?? []);
  const cells = chosen.map(([name]) => {
    const ms = median(times.get(name) ?? []);
    const beside = name === 'bare' ? '' : ` (+${(ms - bare).toFixed(2)}, ×${(ms / bare).toFixed(2)})`;
    return `${name} ${ms.toFixed(2)}${beside}`;
  });
  process.stdout.write(`${load.name.padEnd(22)} ms  ${cells.join('   ')}\n`);
}

function compile(name: string, source: string, flags: readonly string[] = []): string {
  const file = join(work, `${name}.c`);
  writeFileSync(file, source);
  must(['cc', '-O2', '-o', join(work, name), file, ...flags], work);
  return join(work, name);
}

const spawner = compile(
  'spawner',
  `#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/wait.h>
extern char **environ;
static int by_number(const void *a, const void *b) { double x = *(const double *)a, y = *(const double *)b; return (x > y) - (x < y); }
int main(int c, char **v) {
  int n = atoi(v[1]);
  double *t = malloc((size_t)n * sizeof *t);
  for (int i = 0; i < n; i++) {
    struct timespec a, b; pid_t p; int s;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (posix_spawn(&p, v[2], 0, 0, v + 2, environ) != 0) return 1;
    waitpid(p, &s, 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (s != 0) return 2;
    t[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
  }
  qsort(t, (size_t)n, sizeof *t, by_number);
  fprintf(stderr, "%.0f\\n", t[n / 2]);
  return c < 3;
}
`,
);

/** Median microseconds of starting a program and waiting for its end, inside one session. */
function execs(): void {
  const mine = join(work, 'mine');
  cpSync('/bin/true', mine);
  chmodSync(mine, 0o755);
  const once = (launch: Launcher, program: string): number => {
    const [first = '', ...rest] = launch([spawner, '400', program], work);
    const done = spawnSync(first, rest, {
      cwd: work,
      env: guardedEnvironment(process.env),
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`spawner: ${done.status} ${done.stderr}`);
    return Number(done.stderr.trim().split('\n').at(-1));
  };
  const bare: number[] = [];
  const silent: number[] = [];
  const asked: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    bare.push(once((command) => command, '/bin/true'));
    silent.push(once(guarded, '/bin/true'));
    asked.push(once(guarded, mine));
  }
  const [b, s, a] = [median(bare), median(silent), median(asked)];
  process.stdout.write(
    `${'exec'.padEnd(22)} µs  bare ${b}   verified ${s} (+${s - b})   answered by the daemon ${a} (+${a - b}, +${a - s} beside verified)\n`,
  );
}

const sender = compile(
  'sender',
  `#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t l = sizeof a; int s = socket(AF_INET, SOCK_STREAM, 0);
  static char block[1 << 18];
  bind(s, (void *)&a, sizeof a); listen(s, 8); getsockname(s, (void *)&a, &l);
  printf("%d\\n", ntohs(a.sin_port)); fflush(stdout);
  for (;;) { int c = accept(s, 0, 0); long left = 2L << 30; while (left > 0) { ssize_t n = write(c, block, sizeof block); if (n <= 0) break; left -= n; } close(c); }
}
`,
);
const receiver = compile(
  'receiver',
  `#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
int main(int c, char **v) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(v[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  static char block[1 << 18]; struct timespec x, y; int s = socket(AF_INET, SOCK_STREAM, 0); long all = 0; ssize_t n;
  if (connect(s, (void *)&a, sizeof a) != 0) { perror("connect"); return 1; }
  clock_gettime(CLOCK_MONOTONIC, &x);
  while ((n = read(s, block, sizeof block)) > 0) all += n;
  clock_gettime(CLOCK_MONOTONIC, &y);
  fprintf(stderr, "%.3f\\n", (double)all / 1e9 / ((double)(y.tv_sec - x.tv_sec) + (double)(y.tv_nsec - x.tv_nsec) / 1e9));
  return c < 2;
}
`,
);

/** Gigabytes a second through one connection to a server outside. */
async function throughput(): Promise<void> {
  const server = spawn(sender, { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve) =>
    server.stdout.once('data', (d) => resolve(String(d).trim())),
  );
  const once = (launch: Launcher): number => {
    const [first = '', ...rest] = launch([receiver, port], work);
    const done = spawnSync(first, rest, {
      cwd: work,
      env: guardedEnvironment(process.env),
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`receiver: ${done.status} ${done.stderr}`);
    return Number(done.stderr.trim().split('\n').at(-1));
  };
  const bare: number[] = [];
  const through: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    bare.push(once((command) => command));
    through.push(once(guarded));
  }
  server.kill();
  const [b, t] = [median(bare), median(through)];
  process.stdout.write(
    `${'connection'.padEnd(22)} GB/s  bare ${b.toFixed(2)}   guard ${t.toFixed(2)} (${((100 * t) / b).toFixed(0)} %)\n`,
  );
}

/** Resident memory of the guard's own processes while a session idles, in kB. */
async function memory(): Promise<void> {
  const [first = '', ...rest] = guarded(['/bin/sleep', '2'], work);
  const child: ChildProcess = spawn(first, rest, {
    cwd: work,
    env: guardedEnvironment(process.env),
    stdio: 'ignore',
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const pids = [
    child.pid ?? 0,
    ...readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number),
  ];
  const cells = pids.map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  });
  await new Promise((resolve) => child.once('exit', resolve));
  process.stdout.write(
    `${'memory'.padEnd(22)} kB  ${cells.join(' + ')} = ${cells.reduce((a, b) => a + b, 0)} (outside, first, supervisor)\n`,
  );
}

function makeTree(): void {
  const dir = join(work, 'made');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  const rules = Array.from({ length: 150 }, (_, i) => `f${i}.o`).join(' ');
  writeFileSync(join(dir, 'Makefile'), `all: ${rules}\n%.o: %.c\n\tcc -O1 -c -o $@ $<\n`);
  for (let i = 0; i < 150; i += 1)
    writeFileSync(
      join(dir, `f${i}.c`),
      `#include <stdio.h>\n#include <stdlib.h>\nint f${i}(int x) { printf("%d", x); return abs(x) + ${i}; }\n`,
    );
}

function repository(): string {
  const dir = join(work, 'repository');
  must(['git', 'clone', '-q', '--no-hardlinks', installation.root, dir], work);
  return dir;
}

function packages(): string {
  const dir = join(work, 'packages');
  mkdirSync(dir);
  for (const name of ['package.json', 'package-lock.json'])
    cpSync(join(installation.root, name), join(dir, name));
  must(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], dir);
  return dir;
}

const asked = process.argv.slice(2);
const wanted = (name: string) => asked.length === 0 || asked.includes(name);
const load = (workload: Omit<Workload, 'beside' | 'cwd'> & Partial<Workload>) => {
  if (wanted(workload.name.split(' ')[0] ?? '')) measure({ beside: ['bwrap'], cwd: work, ...workload });
};

load({ name: 'true', rounds: 60, command: ['/bin/true'] });
if (srt !== null && wanted('true'))
  measure({
    name: 'true beside srt',
    rounds: 5,
    beside: ['bwrap', 'srt'],
    cwd: work,
    command: ['/bin/true'],
  });
if (wanted('exec')) execs();
if (wanted('connection')) await throughput();
if (wanted('memory')) await memory();
load({ name: 'node start', rounds: 15, command: [process.execPath, '-e', '0'] });
load({
  name: 'execs (2 000, 8 at once)',
  rounds: 3,
  command: ['/bin/sh', '-c', 'seq 2000 | xargs -P8 -n1 /bin/true'],
});
if (wanted('find')) {
  const list = join(work, 'list');
  must(['/bin/sh', '-c', `find /usr -xdev -type f -size -200k 2>/dev/null | head -16000 > ${list}`], work);
  load({
    name: 'find | cat (16 000)',
    rounds: 5,
    command: [
      '/bin/sh',
      '-c',
      `find /usr/share -xdev -type f > /dev/null; xargs -d '\\n' cat < ${list} > /dev/null`,
    ],
  });
}
if (wanted('make')) {
  makeTree();
  load({
    name: 'make -j2 (150 files)',
    rounds: 5,
    cwd: join(work, 'made'),
    command: ['make', '-s', '-j2'],
    prepare: () => must(['/bin/sh', '-c', 'rm -f *.o'], join(work, 'made')),
  });
}
if (wanted('git')) {
  const dir = repository();
  load({
    name: 'git checkout+status',
    rounds: 9,
    cwd: dir,
    command: ['/bin/sh', '-c', 'git checkout -q HEAD~20 && git checkout -q - && git status --short'],
  });
}
if (wanted('npm') || wanted('rm')) {
  const dir = packages();
  const modules = join(dir, 'node_modules');
  const kept = join(work, 'kept');
  cpSync(modules, kept, { recursive: true, verbatimSymlinks: true });
  const count = execFileSync('/bin/sh', ['-c', `find ${kept} -type f | wc -l`], { encoding: 'utf8' }).trim();
  load({
    name: `npm ci (${count} files)`,
    rounds: 5,
    cwd: dir,
    command: ['npm', 'ci', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    prepare: () => rmSync(modules, { recursive: true, force: true }),
  });
  load({
    name: `rm -rf (${count} files)`,
    rounds: 7,
    cwd: work,
    command: ['rm', '-rf', join(work, 'gone')],
    prepare: () => must(['cp', '-a', kept, join(work, 'gone')], work),
  });
}

await control.call({ type: 'session.close', session: session.session, exit_code: 0, signal: null }, 2000);
await control.call({ type: 'stop' }, 2000);
control.close();
rmSync(base, { recursive: true, force: true });
process.exit(0);
