import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';
import { fields, tables } from '../../unit/guard/driver.ts';
import { KEY, openLinkDouble, type Peer } from '../../unit/guard/link-double.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CSRC = join(ROOT, 'shims/guard/csrc');
const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion', '-pthread'];

export interface Answer {
  readonly decision: 'ALLOW' | 'DENY';
  /** The session need not ask about this again. */
  readonly remember?: boolean;
  /** How long the person thinks; `never` does not answer. */
  readonly afterMs?: number | 'never';
}

/** A question that came; bytes as latin1. */
export interface Question {
  readonly path: string;
  readonly program: string;
  readonly process: number;
  readonly scope: string;
  withdrawn: boolean;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface VeilSession {
  readonly home: string;
  readonly work: string;
  readonly questions: readonly Question[];
  /** Rows of `effects` about reading. */
  readonly reads: () => readonly string[];
  readonly faults: readonly string[];
  start(command: readonly string[], options?: StartOptions): ChildProcess;
  run(command: readonly string[], options?: StartOptions): Promise<Finished>;
  /** What the daemon pushes. */
  push(kind: 'grant' | 'revoke', path: string): void;
  /** Waits until something holds. */
  until(what: string, holds: () => boolean): Promise<void>;
  close(): void;
}

export interface StartOptions {
  readonly veiled?: readonly string[];
  readonly hidden?: readonly string[];
  readonly shown?: readonly string[];
  readonly classified?: readonly string[];
  /** False: places are masked. */
  readonly reads?: boolean;
  /** Where /dev/fuse may be opened by anyone (as on desktops), or by nobody; in a mount namespace of the test's own. */
  readonly fuse?: 'anyone' | 'nobody';
  readonly input?: string;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Compiles the guard, as it is but for what `more` says; its path, in `dir`. */
export function compileGuard(dir: string, more: readonly string[] = []): string {
  const out = join(dir, 'countersign-guard');
  const sources = readdirSync(CSRC)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(CSRC, name));
  const done = spawnSync(
    process.env['CC'] ?? 'cc',
    [...FLAGS, ...more, '-o', out, ...sources, join(ROOT, 'shims/shell/csrc/frame.c')],
    { encoding: 'utf8' },
  );
  if (done.status !== 0) throw new Error(`the guard does not compile: ${done.error?.message ?? done.stderr}`);
  chmodSync(out, 0o755);
  return out;
}

/** Starts the guard where the test says what /dev/fuse is, and as whom. */
function commandOf(
  guard: string,
  config: string,
  dir: string,
  user: User | null,
  options: StartOptions,
): readonly string[] {
  const as =
    user === null ? [] : ['setpriv', '--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--clear-groups'];
  const plain = [...as, guard, config];
  if (options.fuse === undefined) return plain;
  const place = join(dir, 'device');
  mkdirSync(place, { recursive: true });
  const mode = options.fuse === 'anyone' ? '666' : '000';
  // A node of our own, seen by nobody else: the machine's is left as it is. Nobody: root would open it all the same.
  const device =
    options.fuse === 'anyone'
      ? `mknod ${place}/fuse c 10 229 && chmod ${mode} ${place}/fuse`
      : `: > ${place}/fuse && chmod ${mode} ${place}/fuse`;
  const script = `mount -t tmpfs none ${place} && { ${device}; } && mount --bind ${place}/fuse /dev/fuse && exec "$@"`;
  return ['unshare', '-m', 'sh', '-c', script, 'sh', ...plain];
}

/** Opens a session over a home of its own, whose questions a test answers: the real guard, its real link and real programs. */
export async function openVeilSession(
  guard: string,
  decide: (question: Question) => Answer,
  user: User | null = null,
): Promise<VeilSession> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'csn-veil-')));
  const home = join(dir, 'home');
  const work = join(dir, 'work');
  for (const folder of [home, work]) mkdirSync(folder);
  chmodSync(dir, 0o777);
  if (user !== null) for (const folder of [home, work]) chownSync(folder, user.uid, user.gid);
  const questions: Question[] = [];
  const open = new Map<Peer, Question>();
  const double = await openLinkDouble({
    key: KEY,
    tables: tables({ files: ['wdcm allow /'] }),
    answer(asked, peer) {
      const text = (tag: string) => asked.get(tag)?.toString('latin1') ?? '';
      const question: Question = {
        path: text('p'),
        program: text('e'),
        process: Number(text('q')),
        scope: text('P'),
        withdrawn: false,
      };
      questions.push(question);
      open.set(peer, question);
      peer.socket.once('close', () => {
        if (open.get(peer) === question) question.withdrawn = true;
      });
      const answer = decide(question);
      const say = () => {
        open.delete(peer);
        if (question.withdrawn) return;
        peer.send([
          ...fields(['k', 'answer'], ['D', answer.decision], ['m', '']),
          ...(answer.remember ? fields(['G', '1']) : []),
        ]);
      };
      if (answer.afterMs === undefined) say();
      else {
        peer.send(fields(['k', 'waiting'], ['m', 'somebody thinks'], ['d', '60000']));
        if (answer.afterMs !== 'never') setTimeout(say, answer.afterMs);
      }
    },
  });
  chmodSync(double.path, 0o777);
  chmodSync(join(double.path, '..'), 0o755);
  const children = new Set<ChildProcess>();
  let count = 0;

  const start = (command: readonly string[], options: StartOptions = {}): ChildProcess => {
    const config = join(dir, `config-${++count}`);
    const many = (tag: string, values: readonly string[] = []): readonly Field[] =>
      values.map((value) => field(tag, Buffer.from(value, 'latin1')));
    const frame = encodeFrame([
      ...fields(
        ['S', double.session],
        ['K', KEY],
        ['D', double.path],
        ['M', 'full'],
        ['c', work],
        ['w', work],
      ),
      ...(options.reads === false ? [] : fields(['R', '1'])),
      ...many('v', options.veiled),
      ...many('h', options.hidden),
      ...many('x', options.shown),
      ...many('r', options.classified),
      ...many('a', command),
    ]);
    writeFileSync(config, frame, { mode: 0o600 });
    if (user !== null) chownSync(config, user.uid, user.gid);
    const [program = '', ...words] = commandOf(guard, config, dir, user, options);
    const child = spawn(program, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, HOME: home },
    });
    children.add(child);
    child.on('exit', () => children.delete(child));
    child.stdin?.on('error', () => undefined);
    return child;
  };

  return {
    home,
    work,
    questions,
    reads: () => double.effects.filter((row) => row.startsWith('read|')),
    faults: double.faults,
    start,
    async run(command, options = {}) {
      const began = performance.now();
      const child = start(command, options);
      let stdout = '';
      let stderr = '';
      child.stdout?.setEncoding('latin1').on('data', (chunk: string) => {
        stdout += chunk;
      });
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
        stderr += chunk;
      });
      child.stdin?.end(options.input ?? '');
      return await new Promise<Finished>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code, signal) =>
          resolve({ code, signal, stdout, stderr, ms: performance.now() - began }),
        );
      });
    },
    push(kind, path) {
      for (const peer of double.peers)
        if (peer.role === 'watch' && !double.closed.includes(peer))
          peer.send(fields(['k', kind], ['p', path]));
    },
    async until(what, holds) {
      const end = Date.now() + 10_000;
      while (!holds()) {
        if (Date.now() > end) throw new Error(`it never came to be that ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    close() {
      for (const child of children) child.kill('SIGKILL');
      double.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}
