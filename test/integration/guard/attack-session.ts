// A home, a workspace in it, the real daemon and the real guard: for attacks on a whole session.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collect } from '../surface-double.ts';
import { compileInto, ROOT } from './session-double.ts';

const MAIN = join(ROOT, 'build/shims/cli/main.js');

export interface AttackHome {
  readonly root: string;
  readonly home: string;
  readonly work: string;
  /** Runs a command as an agent of a guarded session. */
  run(command: readonly string[], more?: NodeJS.ProcessEnv): ReturnType<typeof collect>;
  /** Runs test-csrc/act.c as an agent: the errno of each verb. */
  act(words: readonly string[], more?: NodeJS.ProcessEnv): Promise<readonly number[]>;
  close(): void;
}

/** Makes a home and starts a daemon of its own. A session's questions wait for nobody: they are denied. */
export async function openAttackHome(): Promise<AttackHome> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-attack-')));
  const home = join(root, 'home');
  const work = join(home, 'project');
  mkdirSync(work, { recursive: true });
  const program = compileInto({ work: root }, 'act');
  chmodSync(program, 0o755);
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: home,
    TERM: 'xterm',
    LANG: 'C.UTF-8',
    COUNTERSIGN_HOME: join(root, 'csn'),
  };
  const start = (args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    collect(spawn(process.execPath, [MAIN, ...args], { cwd: work, env: { ...env, ...more } }));
  const started = await start(['daemon', 'start']);
  if (started.code !== 0) throw new Error(started.stderr);
  const run = (command: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    start(['run', '--guard', 'full', '--', ...command], more);
  return {
    root,
    home,
    work,
    run,
    async act(words, more = {}) {
      spawnSync('cp', [program, join(work, 'act')]);
      const done = await run([join(work, 'act'), ...words], more);
      const lines = done.stdout.split('\n').filter((line) => line !== '');
      if (lines.length === 0) throw new Error(`the agent did nothing: ${done.code} ${done.stderr}`);
      return lines.map((line) => Number(line.split(' ')[1]));
    },
    close() {
      try {
        process.kill(Number(readFileSync(join(root, 'csn/run/daemon.pid'), 'utf8').trim()), 'SIGKILL');
      } catch {
        // It ended already.
      }
      rmSync(root, { recursive: true, force: true });
    },
  };
}
