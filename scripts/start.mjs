// `npm start -- ARGS`: installs and builds what is missing, then becomes `countersign ARGS` on Node 24. Runs on Node 20.
// Everything it says itself goes to standard error: standard output belongs to what is run.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { build, ROOT } from './build.mjs';
import { findNode, install } from './install.mjs';

await install();
build();
const child = spawn(findNode(), [join(ROOT, 'build/shims/cli/main.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// The terminal's signals reach the child by themselves; those sent to this process alone are passed on.
for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {});
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'])
  process.on(signal, () => child.kill(signal));
child.once('error', (cause) => {
  process.stderr.write(`countersign: cannot start: ${cause.message}\n`);
  process.exit(1);
});
child.once('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
});
