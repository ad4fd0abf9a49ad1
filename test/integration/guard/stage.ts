import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { collect } from '../surface-double.ts';
import { openTerminal, type Terminal } from '../terminal.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const CSRC = join(ROOT, 'shims/guard/test-csrc');
const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion'];
const PROBE = 'csn-probe';

/** Who the person at this machine is. */
interface User {
  readonly uid: number;
  readonly gid: number;
  /** Below which a test may make a home. */
  readonly homes: string;
}

/** The processes of one guarded session, as the host numbers them. */
export interface SessionProcesses {
  readonly guard: number;
  readonly supervisor: number;
  readonly first: number;
  readonly agent: number;
}

/** One line of `countersign receipts list --json`. */
export interface ListedReceipt {
  readonly seq: number;
  readonly id: string;
  readonly kind: string;
  readonly session: string | null;
  readonly decided: string | null;
  readonly result: string | null;
  readonly surface: string | null;
  readonly tool: string | null;
  readonly text: string;
  readonly rule: string | null;
  readonly reason: string | null;
}

export type Finished = Awaited<ReturnType<typeof collect>>;

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One person's machine: a home with secrets, a workspace, Countersign's own folders and a real daemon. */
export interface GuardStage {
  readonly root: string;
  readonly home: string;
  readonly work: string;
  /** Programs outside the session's reach; what the test compiles lies here. */
  readonly tools: string;
  readonly own: string;
  readonly env: Readonly<Record<string, string>>;
  /** Command line that is `countersign` for this person. */
  readonly countersign: readonly string[];
  startDaemon(): Promise<void>;
  daemonPid(): number;
  /** Runs `countersign …` as the person, to its end. */
  cli(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Starts `countersign …` as the person. */
  start(args: readonly string[], options?: RunOptions): ChildProcess;
  terminal(args: readonly string[], options?: RunOptions): Terminal;
  /** Starts any program as the person, outside every session. */
  outside(command: readonly string[], options?: RunOptions): ChildProcess;
  receipts(session?: string): Promise<readonly ListedReceipt[]>;
  receipt(id: string): Promise<string>;
  /** Receipts from `from` on of what was not simply allowed; and where the next ones begin. */
  stopped(from: number): Promise<{ readonly rows: readonly Partial<ListedReceipt>[]; readonly next: number }>;
  /** Writes a file of the person's. */
  put(path: string, text: string, mode?: number): void;
  folder(path: string): void;
  close(): void;
}

/** Compiles a program of shims/guard/test-csrc (a file, or all of a folder); fails the test when it does not compile. */
export function compile(name: string, to: string, more: readonly string[] = []): void {
  const folder = join(CSRC, name);
  const sources = existsSync(`${folder}.c`)
    ? [`${folder}.c`]
    : readdirSync(folder)
        .filter((file) => file.endsWith('.c'))
        .map((file) => join(folder, file));
  const done = spawnSync(process.env['CC'] ?? 'cc', [...FLAGS, '-pthread', ...more, '-o', to, ...sources], {
    encoding: 'utf8',
  });
  if (done.status !== 0)
    throw new Error(`\`${name}\` does not compile: ${done.error?.message ?? ''}${done.stderr}`);
  chmodSync(to, 0o755);
}

/** True when a session can also be tried as root: only root can be root. */
export const CAN_BE_ROOT = process.getuid?.() === 0;

/** An ordinary user: this one, or the one that root makes for tests. */
function ordinaryUser(): User {
  if (!CAN_BE_ROOT)
    return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1, homes: realpathSync(tmpdir()) };
  if (spawnSync('id', [PROBE]).status !== 0) execFileSync('useradd', ['-m', PROBE]);
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === PROBE);
  if (entry === undefined) throw new Error(`there is no user \`${PROBE}\``);
  return { uid: Number(entry[2]), gid: Number(entry[3]), homes: entry[5] ?? '/tmp' };
}

/** The installation as this user can reach it: where it lies, or bound to where it can be read. */
function reachable(user: User, root: string): { readonly path: string; readonly node: string; undo(): void } {
  const reads = (path: string) =>
    !CAN_BE_ROOT || spawnSync('test', ['-r', path], { uid: user.uid, gid: user.gid }).status === 0;
  const node = realpathSync(process.execPath);
  const modules = realpathSync(join(ROOT, 'node_modules'));
  const main = join(ROOT, 'build/shims/cli/main.js');
  if (reads(main) && reads(node) && reads(join(modules, 'zod/package.json')))
    return { path: ROOT, node, undo: () => undefined };
  const bound = join(root, 'i');
  const made: string[] = [];
  const bind = (from: string, to: string) => {
    mkdirSync(to, { recursive: true });
    execFileSync('mount', ['--bind', from, to]);
    made.unshift(to);
  };
  bind(ROOT, bound);
  if (lstatSync(join(ROOT, 'node_modules')).isSymbolicLink())
    throw new Error(
      `\`${PROBE}\` cannot read \`${modules}\`; run the tests from a checkout that everybody may read`,
    );
  return {
    path: bound,
    node: node.startsWith(`${ROOT}/`) ? join(bound, node.slice(ROOT.length)) : node,
    undo: () => {
      for (const path of made) execFileSync('umount', [path]);
    },
  };
}

/** Sets the stage; the test closes it. */
export function guardStage(who: 'ordinary' | 'root' = 'ordinary'): GuardStage {
  const user = who === 'root' ? { uid: 0, gid: 0, homes: '/var' } : ordinaryUser();
  const root = realpathSync(mkdtempSync(join(user.homes, 'csn-')));
  chmodSync(root, 0o755);
  const installation = reachable(user, root);
  const home = join(root, 'h');
  const work = join(root, 'w');
  const tools = join(root, 't');
  const own = join(root, 'c');
  const owned = (path: string) => {
    if (CAN_BE_ROOT) chownSync(path, user.uid, user.gid);
  };
  if (CAN_BE_ROOT) chownSync(root, user.uid, user.gid);
  const folder = (path: string) => {
    if (existsSync(path)) return;
    folder(join(path, '..'));
    mkdirSync(path);
    owned(path);
  };
  const put = (path: string, text: string, mode = 0o644) => {
    folder(join(path, '..'));
    writeFileSync(path, text);
    owned(path);
    chmodSync(path, mode);
  };
  for (const path of [home, work, tools]) folder(path);
  put(join(home, '.ssh/id_rsa'), 'SECRET of the person\n', 0o600);
  const env: Record<string, string> = {
    PATH: `${tools}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    HOME: home,
    LANG: 'C.UTF-8',
    TERM: 'xterm',
    COUNTERSIGN_HOME: own,
    // No keychain: every start would talk to the desktop of whoever runs the tests.
    DBUS_SESSION_BUS_ADDRESS: 'disabled:',
    COUNTERSIGN_APPROVAL_MS: '1500',
    COUNTERSIGN_DEFERRAL_MS: '1500',
  };
  const main = join(installation.path, 'build/shims/cli/main.js');
  const countersign = [installation.node, main];
  const terminals: Terminal[] = [];
  const children = new Set<ChildProcess>();
  const identity = CAN_BE_ROOT ? { uid: user.uid, gid: user.gid } : {};
  const outside = (command: readonly string[], options: RunOptions = {}): ChildProcess => {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: options.cwd ?? work,
      env: { ...env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...identity,
    });
    children.add(child);
    child.once('close', () => children.delete(child));
    return child;
  };
  const start: GuardStage['start'] = (args, options) => outside([...countersign, ...args], options);
  const cli: GuardStage['cli'] = (args, options) => collect(start(args, options), options?.input);
  const daemonPid = () => Number(readFileSync(join(own, 'run/daemon.pid'), 'utf8').trim());
  return {
    root,
    home,
    work,
    tools,
    own,
    env,
    countersign,
    put,
    folder,
    outside,
    start,
    cli,
    daemonPid,
    async startDaemon() {
      const started = await cli(['daemon', 'start']);
      if (started.code !== 0) throw new Error(`the daemon did not start: ${started.stderr}`);
    },
    terminal(args, options = {}) {
      const as = CAN_BE_ROOT
        ? ['setpriv', '--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups']
        : [];
      const terminal = openTerminal([...as, ...args], {
        cwd: options.cwd ?? work,
        env: { ...env, ...options.env },
      });
      terminals.push(terminal);
      return terminal;
    },
    async receipts(session) {
      const of = session === undefined ? [] : ['--session', session];
      const done = await cli(['receipts', 'list', '--all', '--json', '--limit', '5000', ...of]);
      if (done.code !== 0) throw new Error(`no receipts: ${done.stderr}`);
      return JSON.parse(done.stdout) as ListedReceipt[];
    },
    async receipt(id) {
      const done = await cli(['receipts', 'show', id, '--json']);
      if (done.code !== 0) throw new Error(`no receipt \`${id}\`: ${done.stderr}`);
      return done.stdout;
    },
    async stopped(from) {
      const all = await this.receipts();
      const rows = all
        .filter(({ seq }) => seq >= from)
        .filter(
          ({ kind, decided }) =>
            kind === 'approval' || kind === 'deferral' || (decided !== null && decided !== 'ALLOW'),
        )
        .map(({ kind, tool, text, decided, rule, reason }) => ({ kind, tool, text, decided, rule, reason }));
      return { rows, next: Math.max(from, ...all.map(({ seq }) => seq + 1)) };
    },
    close() {
      for (const terminal of terminals) {
        try {
          terminal.kill();
        } catch {
          // It ended by itself.
        }
      }
      for (const child of children) child.kill('SIGKILL');
      try {
        process.kill(daemonPid(), 'SIGKILL');
      } catch {
        // It ended already.
      }
      installation.undo();
      rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** Waits until a look at the world finds something; fails loudly. */
export async function eventually<T>(what: string, look: () => T | null, withinMs = 10_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = look();
    if (found !== null) return found;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The guard's processes below a launcher. */
export function sessionBelow(launcher: number, withinMs = 10_000): Promise<SessionProcesses> {
  const guardAt = (pid: number, all: readonly OneProcess[]): number | null => {
    for (const one of all.filter((other) => other.parent === pid)) {
      if (one.name === 'countersign-gua') return one.pid;
      const deeper = guardAt(one.pid, all);
      if (deeper !== null) return deeper;
    }
    return null;
  };
  return eventually('the session is up', () => partsOf((all) => guardAt(launcher, all)), withinMs);
}

/** The same of a guard that the test started itself. */
export function sessionOf(guard: number, withinMs = 10_000): Promise<SessionProcesses> {
  return eventually('the session is up', () => partsOf(() => guard), withinMs);
}

function partsOf(find: (all: readonly OneProcess[]) => number | null): SessionProcesses | null {
  const all = processTable();
  const below = (pid: number) => all.filter((one) => one.parent === pid);
  const guard = find(all);
  if (guard === null) return null;
  const parts = below(guard);
  // The supervisor leads a session of its own and stays in the host's pid namespace.
  const supervisor = parts.find((one) => one.leader === one.pid && one.depth === 1);
  const first = parts.find((one) => supervisor !== undefined && one.pid !== supervisor.pid);
  const agent =
    first === undefined ? undefined : below(first.pid).find((one) => one.name !== 'countersign-gua');
  if (supervisor === undefined || first === undefined || agent === undefined) return null;
  return { guard, supervisor: supervisor.pid, first: first.pid, agent: agent.pid };
}

/**
 * Stops a process and waits until all of it stands still: the kernel tells one thread, which tells the others, and on a busy machine they go
 * on answering for a while.
 */
export async function stopWhole(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const isStopped = (thread: string): boolean => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      return 'TtXZ'.includes(stat[stat.lastIndexOf(')') + 2] ?? '');
    } catch {
      return true;
    }
  };
  await eventually('it stands still', () =>
    readdirSync(`/proc/${pid}/task`).every(isStopped) ? true : null,
  );
}

interface OneProcess {
  readonly pid: number;
  readonly parent: number;
  readonly leader: number;
  readonly name: string;
  /** In how many pid namespaces it has a number. */
  readonly depth: number;
}

export function processTable(): readonly OneProcess[] {
  const found: OneProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const end = stat.lastIndexOf(')');
      const rest = stat.slice(end + 2).split(' ');
      if (rest[0] === 'Z') continue;
      const numbers = /^NSpid:\s*(.+)$/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1] ?? '';
      found.push({
        pid: Number(entry),
        parent: Number(rest[1]),
        leader: Number(rest[3]),
        name: stat.slice(stat.indexOf('(') + 1, end),
        depth: numbers.trim().split(/\s+/).length,
      });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** All processes below one, itself included. */
export function treeOf(root: number): readonly number[] {
  const all = processTable();
  const found = [root];
  for (let at = 0; at < found.length; at += 1)
    for (const one of all) if (one.parent === found[at]) found.push(one.pid);
  return found;
}

export function isAlive(pid: number): boolean {
  return processTable().some((one) => one.pid === pid);
}
