// A home, a workspace in it, the real daemon and the real guard: for attacks on a whole session.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { collect } from '../surface-double.ts';
import { compileInto, ROOT } from './session-double.ts';

/** In place of an errno: somebody is asked. */
export const HELD = -1;
const PATIENCE_MS = 2500;
const MAIN = join(ROOT, 'build/shims/cli/main.js');

export interface AttackHome {
  readonly root: string;
  readonly home: string;
  readonly work: string;
  /** Runs test-csrc/act.c as an agent of a guarded session: the errno of each verb; HELD where a person is asked, and the session is ended. */
  act(words: readonly string[], more?: NodeJS.ProcessEnv): Promise<readonly number[]>;
  close(): void;
}

/** Makes a home and starts a daemon of its own. */
export async function openAttackHome(): Promise<AttackHome> {
  // Not in the folder for temporary files: what lies there is allowed as such.
  const root = realpathSync(mkdtempSync(join(homedir(), '.csn-attack-')));
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
  const begin = (args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    spawn(process.execPath, [MAIN, ...args], { cwd: work, env: { ...env, ...more } });
  const start = (args: readonly string[]) => collect(begin(args));
  const started = await start(['daemon', 'start']);
  if (started.code !== 0) throw new Error(started.stderr);
  return {
    root,
    home,
    work,
    async act(words, more = {}) {
      copyFileSync(program, join(work, 'act'));
      writeFileSync(join(work, 'act.words'), words.map((word) => `${word}\0`).join(''));
      const agent = begin(['run', '--guard', 'full', '--', join(work, 'act')], more);
      let held = false;
      let patience = setTimeout(() => undefined, 0);
      const wait = () => {
        clearTimeout(patience);
        patience = setTimeout(() => {
          held = true;
          agent.kill('SIGTERM');
        }, PATIENCE_MS);
      };
      wait();
      agent.stdout.on('data', wait);
      const done = await collect(agent);
      clearTimeout(patience);
      const lines = done.stdout.split('\n').filter((line) => line !== '');
      if (lines.length === 0 && !held) throw new Error(`the agent did nothing: ${done.code} ${done.stderr}`);
      return [...lines.map((line) => Number(line.split(' ')[1])), ...(held ? [HELD] : [])];
    },
    close() {
      try {
        process.kill(Number(readFileSync(join(root, 'csn/run/daemon.pid'), 'utf8').trim()), 'SIGKILL');
      } catch {
        // It ended already.
      }
      rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}
