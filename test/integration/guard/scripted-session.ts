// Sessions of the real guard with decisions from a script in place of the daemon's: what is done with a decision is what is tested.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../../..');
const CSRC = join(ROOT, 'shims/guard/csrc');
const TEST_CSRC = join(ROOT, 'shims/guard/test-csrc');
const FLAGS = [
  '-std=c11',
  '-O2',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wshadow',
  '-Wconversion',
  '-static',
  '-pthread',
];
const TEST_FLAGS = ['-std=c11', '-O1', '-Wno-nonnull', '-static', '-pthread'];

/** What scripted.c takes the place of: the link to the daemon, and the tables. */
const LINK = /^(ask|effects|link.*|remembered|reply|rows|sealed|sha256|table|triggers)\.c$/;

const made: string[] = [];
after(() => {
  for (const directory of made) {
    // Tests leave folders behind that their own owner may not enter.
    spawnSync('chmod', ['-R', 'u+rwx', directory]);
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
});

/** A directory that everyone may enter and that is removed when the test file is done. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'csn-files-'));
  chmodSync(directory, 0o755);
  made.push(directory);
  return directory;
}

function compileTo(out: string, flags: readonly string[], sources: readonly string[]): string {
  const done = spawnSync(process.env['CC'] ?? 'cc', [...flags, '-o', out, ...sources], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`cannot compile ${out}: ${done.error?.message ?? done.stderr}`);
  return out;
}

const programs = scratch();

/** One of the programs of test-csrc. */
export function program(name: 'differ' | 'attacks' | 'terminals'): string {
  const out = join(programs, name);
  return existsSync(out) ? out : compileTo(out, TEST_FLAGS, [join(TEST_CSRC, `${name}.c`)]);
}

function guard(): string {
  const out = join(programs, 'guard');
  if (existsSync(out)) return out;
  const own = readdirSync(CSRC).filter((file) => file.endsWith('.c') && !LINK.test(file));
  return compileTo(out, FLAGS, [
    ...own.map((file) => join(CSRC, file)),
    join(TEST_CSRC, 'scripted.c'),
    join(TEST_CSRC, 'rest.c'),
    join(ROOT, 'shims/shell/csrc/frame.c'),
  ]);
}

/** The users that a test is run as: whoever runs it, and where that is root, an ordinary one too. */
export function users(): readonly {
  readonly name: string;
  readonly prefix: readonly string[];
  readonly uid: number;
}[] {
  const uid = process.getuid?.() ?? 0;
  const own = { name: uid === 0 ? 'root' : 'the user', prefix: [], uid };
  if (uid !== 0) return [own];
  const id = () => Number(spawnSync('id', ['-u', 'csn-probe'], { encoding: 'utf8' }).stdout.trim() || 'NaN');
  if (Number.isNaN(id())) spawnSync('useradd', ['-m', 'csn-probe']);
  const probe = id();
  if (Number.isNaN(probe)) throw new Error('root cannot make the user `csn-probe` to test as');
  const prefix = ['setpriv', `--reuid=${probe}`, `--regid=${probe}`, '--clear-groups'];
  return [own, { name: 'an ordinary user', prefix, uid: probe }];
}

export interface Setting {
  readonly workspace: string;
  /** Lines of scripted.c. */
  readonly script: readonly string[];
  readonly mode?: 'full' | 'landlock' | 'nested';
  readonly temp?: string;
  readonly hidden?: readonly string[];
  /** The agent gets its terminal's foreground, as a person's launcher gives it. */
  readonly tty?: boolean;
  readonly prefix?: readonly string[];
  readonly uid?: number;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Effects and questions, in order. */
  readonly log: readonly string[];
}

const field = (tag: string, value: string) => {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.write(tag, 0, 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

/** Writes the configuration of a session, owned by whoever runs it. */
export function configure(setting: Setting, command: readonly string[], at: string): string {
  const payload = Buffer.concat([
    field('S', 'test'),
    field('K', 'key'),
    field('D', '/dev/null'),
    field('M', setting.mode ?? 'full'),
    field('c', setting.workspace),
    field('w', setting.workspace),
    ...(setting.tty ? [field('I', '1')] : []),
    ...(setting.temp === undefined ? [] : [field('T', setting.temp)]),
    ...(setting.hidden ?? []).map((path) => field('h', path)),
    ...command.map((word) => field('a', word)),
  ]);
  const head = Buffer.from('CSN1\0\0\0\0');
  head.writeUInt32LE(payload.length, 4);
  const file = join(at, 'config');
  writeFileSync(file, Buffer.concat([head, payload]), { mode: 0o600 });
  return file;
}

/** Runs a command in a session and waits for its end. */
export function run(setting: Setting, command: readonly string[]): Ran {
  const at = scratch();
  const script = join(at, 'script');
  const log = join(at, 'log');
  writeFileSync(script, `${setting.script.join('\n')}\n`);
  writeFileSync(log, '', { mode: 0o666 });
  const config = configure(setting, command, at);
  spawnSync('chmod', ['777', at, log]);
  if (setting.uid !== undefined && setting.uid !== process.getuid?.())
    spawnSync('chown', [`${setting.uid}`, config]);
  const [first = '', ...rest] = [...(setting.prefix ?? []), guard(), config];
  const done = spawnSync(first, rest, {
    encoding: 'latin1',
    timeout: 120_000,
    maxBuffer: 1 << 26,
    env: { PATH: process.env['PATH'], CSG_TEST_SCRIPT: script, CSG_TEST_LOG: log },
  });
  const lines = readFileSync(log, 'latin1').split('\n').slice(0, -1);
  return { status: done.status, stdout: done.stdout, stderr: done.stderr, log: lines };
}

/** A folder of this user's. */
export function folder(parent: string, name: string, uid?: number): string {
  const path = join(parent, name);
  mkdirSync(path, { recursive: true });
  if (uid !== undefined) spawnSync('chown', ['-R', `${uid}:${uid}`, path]);
  return path;
}
