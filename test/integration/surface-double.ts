import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { findInstallation, type Installation } from '../../shims/cli/installation.ts';
import { makeSessionDir, type SessionDir } from '../../shims/cli/session-dir.ts';
import type { Decided, Waiting } from '../../shims/shell/answer.ts';
import type { ShellQuestion } from '../../shims/shell/question.ts';
import {
  type AgentState,
  type Ending,
  openSurface,
  type SurfaceHost,
} from '../../shims/shell/surface-host.ts';

/** What a test decides about a question; `null` never answers. */
export type Verdict =
  | 'ALLOW'
  | 'DENY'
  | { readonly modify: string | readonly string[] }
  | { readonly refuse: string }
  | { readonly wait: Promise<'ALLOW' | 'DENY'> }
  | null;

export interface Heard {
  readonly text: string;
  readonly question: ShellQuestion;
  verdict: Verdict;
  ending: Ending | null;
  cancelled: boolean;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A session whose decisions a test makes: the real surface host, real shims, real processes; no daemon. */
export interface SurfaceDouble {
  readonly dir: SessionDir;
  readonly work: string;
  readonly host: SurfaceHost;
  readonly heard: readonly Heard[];
  readonly agent: AgentState[];
  readonly env: NodeJS.ProcessEnv;
  /** The texts asked about, in order. */
  asked(): readonly string[];
  /** Runs a program in the session without its first process; ends with its output. */
  run(
    command: readonly string[],
    options?: { readonly input?: string | Buffer; readonly env?: NodeJS.ProcessEnv },
  ): Promise<Finished>;
  start(command: readonly string[], options?: { readonly env?: NodeJS.ProcessEnv }): ChildProcess;
  close(): void;
}

/** Opens one. `decide` gets the text of what is asked: a command line, or the words of an argv joined by spaces. */
export async function openDouble(
  decide: (text: string, question: ShellQuestion) => Verdict,
  options: { readonly programs?: readonly string[]; readonly installation?: Partial<Installation> } = {},
): Promise<SurfaceDouble> {
  const root = mkdtempSync(join(tmpdir(), 'csn-'));
  const path = '/usr/local/bin:/usr/bin:/bin';
  const installation = { ...findInstallation(), ...options.installation };
  const made = makeSessionDir(
    join(root, 's'),
    'sess_double00',
    options.programs ?? ['rm', 'touch', 'cat', 'sleep', 'true', 'git', 'tr', 'mkdir', 'env', 'tee'],
    installation,
    path,
    null,
  );
  if (!made.ok) throw new Error(made.error);
  const work = join(root, 'w');
  const heard: Heard[] = [];
  const agent: AgentState[] = [];
  const opened = await openSurface({
    socketPath: made.value.socket,
    now: Date.now,
    onAgent: (state) => void agent.push(state),
    submitter: {
      submit(question, onWaiting) {
        if (question.surface !== 'shell') throw new Error('this double hears shells only');
        const text = question.command_line ?? (question.argv ?? []).join(' ');
        const row: Heard = {
          text,
          question,
          verdict: decide(text, question),
          ending: null,
          cancelled: false,
        };
        const id = `act_double${String(heard.length).padStart(6, '0')}`;
        heard.push(row);
        return {
          decided: answer(row.verdict, id, onWaiting),
          cancel: () => {
            row.cancelled = true;
          },
        };
      },
      outcome(action, ending) {
        const row = heard[Number(action.slice('act_double'.length))];
        if (row) row.ending = ending;
      },
    },
  });
  if (!opened.ok) throw new Error(opened.error);
  const { mkdirSync } = await import('node:fs');
  mkdirSync(work);
  const env: NodeJS.ProcessEnv = {
    PATH: `${made.value.shims}:${path}`,
    HOME: work,
    TERM: 'xterm',
    LANG: 'C.UTF-8',
    COUNTERSIGN_SESSION: 'sess_double00',
    COUNTERSIGN_SESSION_DIR: made.value.path,
    COUNTERSIGN_DEADLINE_MS: '8000',
    BASH_ENV: made.value.bashIntegration,
    SHLVL: '1',
  };
  const start = (command: readonly string[], more: { readonly env?: NodeJS.ProcessEnv } = {}) => {
    const [program = '', ...args] = command;
    return spawn(program.includes('/') ? program : findIn(env['PATH'] ?? '', program), args, {
      cwd: work,
      env: { ...env, ...more.env },
      argv0: program,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  };
  return {
    dir: made.value,
    work,
    host: opened.value,
    heard,
    agent,
    env,
    asked: () => heard.map((h) => h.text),
    start,
    run: (command, more = {}) => collect(start(command, more), more.input),
    close() {
      opened.value.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

/** Gathers a process's output until it ends. */
export function collect(child: ChildProcess, input?: string | Buffer): Promise<Finished> {
  const out: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout?.on('data', (b: Buffer) => out.push(b));
  child.stderr?.on('data', (b: Buffer) => errors.push(b));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({
        code,
        signal,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: Buffer.concat(errors).toString('utf8'),
      }),
    );
  });
}

function findIn(path: string, name: string): string {
  return join(path.split(':')[0] ?? '', name);
}

async function answer(
  verdict: Verdict,
  action: string,
  onWaiting: (waiting: Waiting) => void,
): Promise<Result<Decided, string>> {
  if (verdict === null) return new Promise(() => undefined);
  if (typeof verdict === 'object' && 'refuse' in verdict) return err(verdict.refuse);
  const base = {
    v: 1,
    type: 'decision',
    request: 'r',
    action,
    rule: 'pol_test_rule',
    reason: 'the test says so',
    instead: null,
    command_line: null,
    argv: null,
    effect: false,
    receipt: null,
  } as const;
  if (typeof verdict === 'object' && 'wait' in verdict) {
    onWaiting({
      v: 1,
      type: 'waiting',
      request: 'r',
      action,
      state: 'STEP_UP',
      reason: 'a person must look',
      rule: 'pol_test_rule',
      approval: 'k7',
      deadline: Date.now() + 20_000,
    });
    const result = await verdict.wait;
    return ok({ ...base, result, decided: 'STEP_UP' });
  }
  if (typeof verdict === 'object') {
    const line = typeof verdict.modify === 'string' ? verdict.modify : null;
    return ok({
      ...base,
      result: 'MODIFY',
      decided: 'MODIFY',
      command_line: line,
      argv: line === null ? [...verdict.modify] : null,
    });
  }
  return ok({
    ...base,
    result: verdict,
    decided: verdict,
    instead: verdict === 'DENY' ? 'ask for something else' : null,
  });
}
