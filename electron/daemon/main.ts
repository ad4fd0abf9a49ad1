import { appendFileSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { canSeeProcesses, isMarked } from '../edge/process-tree.ts';
import { placesFrom } from '../wire/places.ts';
import { VERSION } from '../wire/version.ts';
import { startDaemon } from './composition.ts';
import type { RunningDaemon } from './daemon-options.ts';

/** How long questions wait, when the person set it: between one second and one day, anything else is ignored and said. */
function durationFrom(
  name: string,
  limit: 'approvalMs' | 'deferralMs',
): { approvalMs?: number; deferralMs?: number } {
  const text = process.env[name];
  if (text === undefined) return {};
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1000 && value <= 86_400_000) return { [limit]: value };
  process.stderr.write(`${name} must lie between 1000 and 86400000 milliseconds; the default is used\n`);
  return {};
}

/** The daemon's process: one outermost catch, and every way out says why in the log and on stderr. */
async function main(): Promise<void> {
  process.umask(0o077);
  const home = homedir();
  if (canSeeProcesses() && (isMarked(process.pid) || process.env.COUNTERSIGN_SESSION !== undefined)) {
    // Its environment, and with it the policy and the ledger it would use, would be of the agent's choosing.
    process.stderr.write('not started (session): a daemon is not started from inside an agent session\n');
    process.exitCode = 78;
    return;
  }
  const places = placesFrom(process.env, home);
  try {
    mkdirSync(dirname(places.log), { recursive: true, mode: 0o700 });
  } catch (cause) {
    process.stderr.write(`not started (io): cannot make \`${dirname(places.log)}\`: ${String(cause)}\n`);
    process.exitCode = 78;
    return;
  }
  const log = (line: string) => {
    const text = `${new Date().toISOString()} ${line}\n`;
    try {
      appendFileSync(places.log, text, { mode: 0o600 });
    } catch {
      // A full disk must not stop the firewall from denying.
    }
    process.stderr.write(text);
  };
  let running: RunningDaemon | null = null;
  let stopping = false;
  const stop = (why: string, code: number) => {
    if (stopping) return;
    stopping = true;
    log(`stopping: ${why}`);
    // What hangs while stopping must not keep the doors' files alive for ever.
    setTimeout(() => process.exit(code === 0 ? 1 : code), 8000).unref();
    void (running?.stop() ?? Promise.resolve()).then(
      () => process.exit(code),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM', 0));
  process.on('SIGINT', () => stop('SIGINT', 0));
  process.on('SIGHUP', () => undefined);
  process.on('uncaughtException', (cause) => {
    // Half a firewall is worse than none: surfaces deny when it is gone.
    log(`internal error: ${cause.stack ?? cause.message}`);
    stop('internal error', 70);
  });
  process.on('unhandledRejection', (cause) => {
    log(`internal error: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
    stop('internal error', 70);
  });

  const started = await startDaemon({
    places,
    version: VERSION,
    home,
    passphraseFile: process.env.COUNTERSIGN_PASSPHRASE_FILE ?? null,
    keychainService: process.env.COUNTERSIGN_KEYCHAIN_SERVICE ?? 'countersign',
    acceptMissingHead: process.env.COUNTERSIGN_ACCEPT_MISSING_HEAD === '1',
    limits: {
      ...durationFrom('COUNTERSIGN_APPROVAL_MS', 'approvalMs'),
      ...durationFrom('COUNTERSIGN_DEFERRAL_MS', 'deferralMs'),
    },
    log,
    onStop: () => stop('asked to', 0),
  });
  if (!started.ok) {
    log(`not started (${started.error.code}): ${started.error.message}`);
    process.exitCode = 78;
    return;
  }
  running = started.value;
  releaseStartMemory();
}

/** Reading the knowledge table leaves tens of megabytes behind that an idle process would keep for hours. */
function releaseStartMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}

void main();
