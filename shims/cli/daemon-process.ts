import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, type Result } from '../../electron/core/result.ts';
import type { Places } from '../../electron/wire/places.ts';
import { type ControlConnection, type ControlFault, connectControl } from './control-client.ts';
import type { Installation } from './installation.ts';

/** The daemon is always there: a nursery of 48 MB, as V8 would take, is not worth what it saves. */
const SMALL_HEAP = ['--max-semi-space-size=4'];

/** The capability of the daemon before: it was read a moment before the one that now starts wrote its own. */
const STALE = 'bad_capability';

const START_MS = 15_000;
const POLL_MS = 25;

/** Connects to the daemon; starts one first when none runs. `say` gets one line of progress. */
export async function reachDaemon(
  places: Places,
  installation: Installation,
  say: (line: string) => void,
): Promise<Result<ControlConnection, ControlFault>> {
  let first = await connectControl(places);
  for (let tries = 0; tries < 40 && !first.ok && first.error.code === STALE; tries += 1) {
    await sleep(POLL_MS);
    first = await connectControl(places);
  }
  if (first.ok || first.error.code !== 'not_running') return first;
  say('starting the daemon …');
  return startDaemon(places, installation);
}

/**
 * Starts a daemon that outlives this process and waits until it answers. Its log is the last thing shown when it does not.
 * Two that start at once are harmless: the second finds the door taken and ends, and both callers reach the first.
 */
export async function startDaemon(
  places: Places,
  installation: Installation,
): Promise<Result<ControlConnection, ControlFault>> {
  let ended: string | null = null;
  try {
    mkdirSync(dirname(places.log), { recursive: true, mode: 0o700 });
    const log = openSync(places.log, 'a', 0o600);
    const child = spawn(process.execPath, [...SMALL_HEAP, installation.daemon], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
    });
    child.once('error', (cause) => {
      ended = cause.message;
    });
    child.once('exit', (code, signal) => {
      ended = `it ended with ${signal ?? `code ${code}`}`;
    });
    child.unref();
  } catch (cause) {
    return err({ code: 'io', message: `cannot start the daemon: ${(cause as Error).message}` });
  }
  const deadline = Date.now() + START_MS;
  for (;;) {
    const connected = await connectControl(places);
    const early = !connected.ok && (connected.error.code === 'not_running' || connected.error.code === STALE);
    if (!early) return connected;
    if (ended !== null || Date.now() > deadline) {
      const why = ended ?? `it did not answer within ${START_MS / 1000} s`;
      return err({
        code: 'not_running',
        message: `the daemon did not start: ${why}; its log \`${places.log}\` ends with:\n${tail(places.log)}`,
      });
    }
    await sleep(POLL_MS);
  }
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-8)
      .map((line) => `  ${line.slice(0, 300)}`)
      .join('\n');
  } catch {
    return '  (empty)';
  }
}
