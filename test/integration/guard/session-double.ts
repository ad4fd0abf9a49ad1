import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFrameReader, encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
const GUARD = join(ROOT, 'build/shims/guard/countersign-guard');
const KEY = randomBytes(32).toString('base64url');
const SESSION = 'sess_guarddouble';

/** What a test answers to a question; `waiting` first tells the program that somebody thinks. */
export interface Answer {
  readonly decision: 'ALLOW' | 'DENY' | 'MODIFY';
  readonly message?: string;
  readonly action?: string;
  readonly reportEnd?: boolean;
  readonly path?: string;
  readonly argv?: readonly string[];
  readonly waiting?: string;
  readonly after?: Promise<unknown> | number;
}

/** One question: first value of a tag, and all of them. Bytes as latin1. */
export interface Question {
  readonly kind: string;
  readonly argv: readonly string[];
  readonly all: readonly Field[];
  get(tag: string): string | null;
  withdrawn: boolean;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface GuardSession {
  readonly work: string;
  readonly questions: Question[];
  /** Rows of `effects`, their NULs as `|`. */
  readonly effects: string[];
  /** `ACTION HOW` of every end that was reported. */
  readonly ends: string[];
  readonly faults: readonly string[];
  /** Starts an agent under the real guard. */
  start(command: readonly string[], options?: SpawnOptions): ChildProcess;
  run(command: readonly string[], options?: SpawnOptions & { readonly input?: string }): Promise<Finished>;
  /** The programs asked about, by their last component. */
  asked(): readonly string[];
  close(): void;
}

/** Which programs are asked about: `e` and `g` of the tables, or `all`. */
export interface Tables {
  readonly names?: readonly string[];
  readonly triggers?: readonly string[];
  readonly all?: boolean;
}

const seal = (direction: string, nonces: Buffer, counter: number, payload: Buffer): Buffer => {
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(counter));
  return createHmac('sha256', KEY).update(direction).update(nonces).update(count).update(payload).digest();
};

const fields = (...pairs: readonly (readonly [string, string | Buffer])[]): readonly Field[] =>
  pairs.map(([tag, value]) => field(tag, value));

/** Another user's numbers, made when a root test has none to run things as. */
export function otherUser(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'csn-probe'], { encoding: 'utf8' }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    execFileSync('useradd', ['-m', 'csn-probe']);
    return { uid: id('-u'), gid: id('-g') };
  }
}

/** Compiles shims/guard/test-csrc/NAME.c into the session's work folder; its path. Static, so that it runs wherever it is copied. */
export function compileInto(
  session: { readonly work: string },
  name: string,
  as = name,
  cc = process.env['CC'] ?? 'cc',
): string {
  const out = join(session.work, as);
  const source = join(ROOT, 'shims/guard/test-csrc', `${name}.c`);
  const flags = [
    '-std=c11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-Wshadow',
    '-Wconversion',
    '-pthread',
    '-static',
  ];
  const done = spawnSync(cc, [...flags, '-o', out, source], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`cannot compile ${name}: ${done.error?.message ?? done.stderr}`);
  return out;
}

function answerFrame(answer: Answer): readonly Field[] {
  return [
    ...fields(['k', 'answer'], ['D', answer.decision], ['m', answer.message ?? '']),
    ...(answer.action === undefined ? [] : fields(['i', answer.action])),
    ...(answer.reportEnd ? fields(['x', '1']) : []),
    ...(answer.path === undefined ? [] : fields(['p', answer.path])),
    ...(answer.argv ?? []).map((word) => field('a', word)),
  ];
}

/** Opens a session whose decisions a test makes: the real guard, real programs, and a daemon by the letter of docs/guard-protocol.md. */
export async function openGuardSession(
  decide: (question: Question) => Answer,
  tables: Tables = {},
  user: { readonly uid: number; readonly gid: number } | null = null,
): Promise<GuardSession> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'csn-session-')));
  const work = join(dir, 'work');
  const guard = join(dir, 'countersign-guard');
  const path = join(dir, 'guard.sock');
  mkdirSync(work);
  chmodSync(dir, 0o755);
  copyFileSync(GUARD, guard);
  chmodSync(guard, 0o755);
  if (user !== null) chownSync(work, user.uid, user.gid);
  const questions: Question[] = [];
  const effects: string[] = [];
  const ends: string[] = [];
  const faults: string[] = [];
  const sockets = new Set<Socket>();
  const children = new Set<ChildProcess>();

  const server = createServer((socket) => {
    sockets.add(socket);
    let sent = 0;
    let received = 0;
    let nonces: Buffer = Buffer.alloc(64);
    let role: string | null = null;
    let open: Question | null = null;
    const send = (frame: readonly Field[]): void => {
      const payload = encodeFrame(frame).subarray(8);
      socket.write(encodeFrame([...frame, field('Z', seal('d', nonces, sent++, payload))]));
    };
    const first = (body: readonly Field[], tag: string) =>
      body.find((f) => f.tag === tag)?.bytes.toString('latin1') ?? null;
    const question = async (body: readonly Field[]): Promise<void> => {
      const made: Question = {
        kind: first(body, 'k') ?? '',
        argv: body.filter((f) => f.tag === 'a').map((f) => f.bytes.toString('latin1')),
        all: body,
        get: (tag) => first(body, tag),
        withdrawn: false,
      };
      open = made;
      questions.push(made);
      const answer = decide(made);
      if (answer.waiting !== undefined) send(fields(['k', 'waiting'], ['m', answer.waiting], ['d', '60000']));
      if (typeof answer.after === 'number')
        await new Promise((resolve) => setTimeout(resolve, Number(answer.after)));
      else if (answer.after !== undefined) await answer.after;
      if (!made.withdrawn) send(answerFrame(answer));
      if (open === made) open = null;
    };
    const onFrame = (all: readonly Field[]): void => {
      const body = all.slice(0, -1);
      const kind = first(body, 'k');
      if (received === 0)
        nonces = Buffer.concat([
          body.find((f) => f.tag === 'n')?.bytes ?? Buffer.alloc(32),
          Buffer.alloc(32),
        ]);
      const right = seal('g', nonces, received++, encodeFrame(body).subarray(8));
      if (!all.at(-1)?.bytes.equals(right)) faults.push(`the seal of \`${kind}\` is wrong`);
      if (role === null) {
        role = first(body, 'r');
        const nonce = randomBytes(32);
        nonces = Buffer.concat([nonces.subarray(0, 32), nonce]);
        send(fields(['k', 'welcome'], ['N', nonce]));
        if (role !== 'watch') return;
        send([
          field('k', 'tables'),
          ...(tables.names ?? []).map((name) => field('e', name)),
          ...(tables.triggers ?? []).map((trigger) => field('g', trigger)),
          ...fields(['f', 'wdcm\0allow\0/']),
          ...(tables.all ? fields(['E', '1']) : []),
        ]);
      } else if (role === 'ask') {
        void question(body);
      } else if (kind === 'effects') {
        for (const f of body.slice(1)) effects.push(f.bytes.toString('latin1').replaceAll('\0', '|'));
      } else if (kind === 'ended') {
        ends.push(`${first(body, 'i')} ${first(body, 'x')}`);
      }
    };
    const reader = createFrameReader(onFrame);
    socket.on('data', (chunk) => void (reader.push(chunk) || faults.push('a malformed frame')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (open !== null) open.withdrawn = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  chmodSync(path, 0o777);

  let count = 0;
  const start = (command: readonly string[], options: SpawnOptions = {}): ChildProcess => {
    count += 1;
    const config = join(dir, `config-${count}`);
    const frame = encodeFrame([
      ...fields(['S', SESSION], ['K', KEY], ['D', path], ['M', 'full'], ['c', work], ['w', work]),
      ...command.map((word) => field('a', word)),
    ]);
    writeFileSync(config, frame, { mode: 0o600 });
    if (user !== null) chownSync(config, user.uid, user.gid);
    const as = user === null ? {} : { uid: user.uid, gid: user.gid };
    // Its folder lets the guard remove what it has read.
    if (user !== null) chmodSync(dir, 0o777);
    const child = spawn(guard, [config], { stdio: ['ignore', 'pipe', 'pipe'], ...as, ...options });
    children.add(child);
    child.on('exit', () => children.delete(child));
    return child;
  };

  return {
    work,
    questions,
    effects,
    ends,
    faults,
    start,
    async run(command, options = {}) {
      const { input, ...rest } = options;
      const child = start(command, { ...rest, stdio: ['pipe', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      child.stdout?.setEncoding('latin1').on('data', (chunk: string) => {
        stdout += chunk;
      });
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
        stderr += chunk;
      });
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input ?? '');
      return await new Promise<Finished>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
      });
    },
    asked: () => questions.map((q) => (q.get('o') ?? '').split('/').at(-1) ?? ''),
    close() {
      for (const child of children) child.kill('SIGKILL');
      server.close();
      for (const socket of sockets) socket.destroy();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}
