import { homedir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { placesFrom } from '../../electron/wire/places.ts';
import { connectControl } from './control-client.ts';
import { startDaemon } from './daemon-process.ts';
import { EXIT } from './exit-codes.ts';
import { findInstallation } from './installation.ts';
import { status } from './status.ts';

export const HELP = `countersign daemon — the process that decides, signs and records

  countersign daemon start     start it, if it does not run
  countersign daemon stop      stop it; what still runs under it is denied from then on
  countersign daemon status    as \`countersign status\`

Exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 not running.`;

const STOP_MS = 8000;

/** Runs `countersign daemon`; returns the exit code. */
export async function daemon(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === '--help' || verb === '-h') {
    process.stdout.write(`${HELP}\n`);
    return EXIT.done;
  }
  if (verb === 'status') return status(rest);
  if (rest.length > 0 || (verb !== 'start' && verb !== 'stop')) {
    process.stderr.write(`${HELP}\n`);
    return EXIT.usage;
  }
  const places = placesFrom(process.env, homedir());
  const say = (line: string) => process.stderr.write(`countersign: ${line}\n`);
  const running = await connectControl(places);
  if (verb === 'start') {
    if (!running.ok && running.error.code !== 'not_running') {
      say(running.error.message);
      return EXIT.refused;
    }
    const started = running.ok ? running : await startDaemon(places, findInstallation());
    if (!started.ok) {
      say(started.error.message);
      return EXIT.refused;
    }
    say(`${running.ok ? 'the daemon runs already' : 'the daemon runs'}, pid ${started.value.daemonPid}`);
    started.value.close();
    return EXIT.done;
  }
  if (!running.ok) {
    say(running.error.message);
    return running.error.code === 'not_running' ? EXIT.notRunning : EXIT.refused;
  }
  const pid = running.value.daemonPid;
  const stopped = await running.value.call({ type: 'stop' }, STOP_MS);
  running.value.close();
  if (!stopped.ok && stopped.error.code !== 'closed') {
    say(stopped.error.message);
    return EXIT.refused;
  }
  const deadline = Date.now() + STOP_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) {
      say(`the daemon (pid ${pid}) was told to stop and still runs`);
      return EXIT.refused;
    }
    await sleep(20);
  }
  say('the daemon has stopped');
  return EXIT.done;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
