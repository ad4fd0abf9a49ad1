/**
 * What the guard costs, beside the same work without it, under bubblewrap and under `@anthropic-ai/sandbox-runtime` where they are installed, all in
 * one run: `node bench/guard.ts [WORKLOAD…]`. A real daemon answers, every guard has a session of its own, rounds take turns, and what is
 * printed is the median and, after it, the minimum. `true` and `start of node` are from start to exit, the guard's own start included; everything
 * else is measured inside one session (or sandbox) that stays open, as an agent works. CSN_BENCH_DIR chooses the disk.
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
import { createInterface } from 'node:readline';
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
const sessions: string[] = [];
/** A session for one guard: none is watched by two. */
async function open() {
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
  sessions.push(opened.value.session);
  return opened.value;
}

/** One way of running a command: what has to be started for it. */
type Launcher = (command: readonly string[], cwd: string) => Promise<readonly string[]>;

const configs = join(base, 'configs');
mkdirSync(configs);
const bare: Launcher = async (command) => command;
const guarded: Launcher = async (command, cwd) => {
  const session = await open();
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
const bubblewrap: Launcher = async (command, cwd) => [
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
  ['bare', bare],
  ['guard', guarded],
];
if (spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status === 0) launchers.push(['bwrap', bubblewrap]);
const srt = findSrt();
if (srt !== null)
  launchers.push(['srt', async (command) => [srt, command.map((word) => `'${word}'`).join(' ')]]);

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
  /** Outside, before each round, and not measured. */
  readonly prepare?: () => void;
}

function must(command: readonly string[], cwd: string): void {
  const [program = '', ...args] = command;
  execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function launchersOf(load: Workload): readonly [string, Launcher][] {
  return launchers.filter(([name]) => name === 'bare' || name === 'guard' || load.beside.includes(name));
}

function report(name: string, times: ReadonlyMap<string, readonly number[]>): void {
  const plain = times.get('bare') ?? [];
  const cells = [...times].map(([launcher, values]) => {
    const [ms, least] = [median(values), Math.min(...values)];
    const more = (ms / median(plain) - 1) * 100;
    const beside = `+${(ms - median(plain)).toFixed(2)}, ${more.toFixed(1)} %; `;
    return `${launcher} ${ms.toFixed(2)} (${launcher === 'bare' ? '' : beside}min ${least.toFixed(2)})`;
  });
  process.stdout.write(`${name.padEnd(24)} ms  ${cells.join('   ')}\n`);
}

interface Runner {
  /** Milliseconds from start to exit. */
  run(command: readonly string[]): Promise<number>;
  end(): Promise<void>;
}

async function runner(launch: Launcher, cwd: string): Promise<Runner> {
  const [program = '', ...args] = await launch([repeater], cwd);
  const child = spawn(program, args, {
    cwd,
    env: guardedEnvironment(process.env),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run(command) {
      child.stdin.write(`${command.join('\t')}\n`);
      const { value, done } = await lines.next();
      if (done === true || !/^[0-9.]+$/.test(value))
        throw new Error(`${command.join(' ')}: ${value ?? 'it ended'}`);
      return Number(value);
    },
    async end() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await ended;
    },
  };
}

/** From start to exit, the launcher's included. */
async function measure(load: Workload): Promise<void> {
  const chosen = launchersOf(load);
  const times = new Map<string, number[]>(chosen.map(([name]) => [name, []]));
  const outside = await runner(bare, load.cwd);
  for (let round = 0; round <= load.rounds; round += 1) {
    for (const [name, launch] of chosen) {
      load.prepare?.();
      const ms = await outside.run(await launch(load.command, load.cwd));
      // The first round warms the caches of the kernel.
      if (round > 0) times.get(name)?.push(ms);
    }
  }
  await outside.end();
  report(load.name, times);
}

/** Inside one session each, which all stay open meanwhile. */
async function inside(load: Workload): Promise<void> {
  const runners: [string, Runner][] = [];
  for (const [name, launch] of launchersOf(load)) runners.push([name, await runner(launch, load.cwd)]);
  const times = new Map<string, number[]>(runners.map(([name]) => [name, []]));
  for (let round = 0; round <= load.rounds; round += 1)
    for (const [name, { run }] of runners) {
      load.prepare?.();
      const ms = await run(load.command);
      if (round > 0) times.get(name)?.push(ms);
    }
  for (const [, { end }] of runners) await end();
  report(load.name, times);
}

function compile(name: string, source: string, flags: readonly string[] = []): string {
  const file = join(work, `${name}.c`);
  writeFileSync(file, source);
  must(['cc', '-O2', '-o', join(work, name), file, ...flags], work);
  return join(work, name);
}

/**
 * Starts what each line of its input says (words between tabs), and prints the milliseconds from start to exit: this process is large, and what it
 * starts by itself takes that much longer.
 */
const repeater = compile(
  'repeater',
  `#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
extern char **environ;
int main(void) {
  static char line[1 << 16];
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    char *words[256]; int n = 0;
    for (char *w = strtok(line, "\\t\\n"); w != NULL && n < 255; w = strtok(NULL, "\\t\\n")) words[n++] = w;
    words[n] = NULL;
    struct timespec a, b; pid_t p; int s = -1;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (posix_spawnp(&p, words[0], &quiet, 0, words, environ) == 0) waitpid(p, &s, 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (s != 0) { printf("status %d\\n", s); fflush(stdout); return 1; }
    printf("%.3f\\n", (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
    fflush(stdout);
  }
  return 0;
}
`,
);

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
async function execs(): Promise<void> {
  const mine = join(work, 'mine');
  cpSync('/bin/true', mine);
  chmodSync(mine, 0o755);
  const once = async (launch: Launcher, program: string): Promise<number> => {
    const [first = '', ...rest] = await launch([spawner, '400', program], work);
    const done = spawnSync(first, rest, {
      cwd: work,
      env: guardedEnvironment(process.env),
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`spawner: ${done.status} ${done.stderr}`);
    return Number(done.stderr.trim().split('\n').at(-1));
  };
  const plain: number[] = [];
  const silent: number[] = [];
  const asked: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    plain.push(await once(bare, '/bin/true'));
    silent.push(await once(guarded, '/bin/true'));
    asked.push(await once(guarded, mine));
  }
  const [b, s, a] = [median(plain), median(silent), median(asked)];
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
  const once = async (launch: Launcher): Promise<number> => {
    const [first = '', ...rest] = await launch([receiver, port], work);
    const done = spawnSync(first, rest, {
      cwd: work,
      env: guardedEnvironment(process.env),
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`receiver: ${done.status} ${done.stderr}`);
    return Number(done.stderr.trim().split('\n').at(-1));
  };
  const plain: number[] = [];
  const through: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    plain.push(await once(bare));
    through.push(await once(guarded));
  }
  server.kill();
  const [b, t] = [median(plain), median(through)];
  process.stdout.write(
    `${'connection'.padEnd(22)} GB/s  bare ${b.toFixed(2)}   guard ${t.toFixed(2)} (${((100 * t) / b).toFixed(0)} %)\n`,
  );
}

/** Memory of the guard's own processes while a session idles, in kB: resident, and in proportion (what they share is counted once). */
async function memory(): Promise<void> {
  const [first = '', ...rest] = await guarded(['/bin/sleep', '2'], work);
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
  let shared = 0;
  for (const pid of pids) shared += Number(/^Pss:\s+(\d+)/m.exec(rollup(pid))?.[1] ?? Number.NaN);
  await new Promise((resolve) => child.once('exit', resolve));
  process.stdout.write(
    `${'memory'.padEnd(22)} kB  ${cells.join(' + ')} = ${cells.reduce((a, b) => a + b, 0)} (outside, first, supervisor), in proportion ${shared}\n`,
  );
}

/** Root alone may look into the two that are not dumpable. */
function rollup(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return '';
  }
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
type Given = Omit<Workload, 'beside' | 'cwd'> & Partial<Workload>;
const load = async (workload: Given, how: (load: Workload) => Promise<void> = inside) => {
  if (wanted(workload.name.split(' ')[0] ?? '')) await how({ beside: ['bwrap'], cwd: work, ...workload });
};

await load({ name: 'true', rounds: 60, command: ['/bin/true'] }, measure);
if (srt !== null && wanted('true'))
  await measure({
    name: 'true beside srt',
    rounds: 5,
    beside: ['bwrap', 'srt'],
    cwd: work,
    command: ['/bin/true'],
  });
if (wanted('exec')) await execs();
if (wanted('connection')) await throughput();
if (wanted('memory')) await memory();
await load({ name: 'start of node', rounds: 15, command: [process.execPath, '-e', '0'] }, measure);
await load({ name: 'node', rounds: 25, command: [process.execPath, '-e', '0'] });
await load({
  name: 'execs (2 000, 8 at once)',
  rounds: 3,
  command: ['/bin/sh', '-c', 'seq 2000 | xargs -P8 -n1 /bin/true'],
});
if (wanted('find')) {
  const list = join(work, 'list');
  must(['/bin/sh', '-c', `find /usr -xdev -type f -size -200k 2>/dev/null | head -16000 > ${list}`], work);
  await load({
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
  await load({
    name: 'make -j2 (150 files)',
    rounds: 5,
    cwd: join(work, 'made'),
    command: ['make', '-s', '-j2'],
    prepare: () => must(['/bin/sh', '-c', 'rm -f *.o'], join(work, 'made')),
  });
}
if (wanted('git')) {
  const dir = repository();
  await load({
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
  await load({
    name: `npm ci (${count} files)`,
    rounds: 5,
    cwd: dir,
    command: ['npm', 'ci', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    prepare: () => rmSync(modules, { recursive: true, force: true }),
  });
  await load({
    name: `rm -rf (${count} files)`,
    rounds: 7,
    cwd: work,
    command: ['rm', '-rf', join(work, 'gone')],
    prepare: () => must(['cp', '-a', kept, join(work, 'gone')], work),
  });
}

for (const session of sessions)
  await control.call({ type: 'session.close', session, exit_code: 0, signal: null }, 2000);
await control.call({ type: 'stop' }, 2000);
control.close();
// The daemon may still write its last.
rmSync(base, { recursive: true, force: true, maxRetries: 10 });
process.exit(0);
