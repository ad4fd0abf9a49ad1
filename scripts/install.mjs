// Brings node_modules to what package-lock.json says. Runs on Node 20, before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMP = join(ROOT, 'node_modules/.countersign-installed');

/** The Node that everything but these scripts runs on: the one among the dependencies, or this one where it is new enough. */
export function findNode() {
  const ours = join(ROOT, 'node_modules/.bin/node');
  if (existsSync(ours)) return ours;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  process.stderr.write(
    `countersign: needs Node 24 or newer, and none is packaged for ${process.platform}-${process.arch}; this is ${process.version}\n`,
  );
  process.exit(1);
}

/** Installs the dependencies when the lock file changed since last time; says so while it works. */
export async function install() {
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  const installed = existsSync(STAMP) ? readFileSync(STAMP, 'utf8').trim() : '';
  if (installed === lock) return;
  const began = Date.now();
  const say = (line) => process.stderr.write(`countersign: ${line}\n`);
  say('installing dependencies (npm ci), about half a minute …');
  const child = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  const ticking = setInterval(
    () => say(`still installing, ${Math.round((Date.now() - began) / 1000)} s …`),
    10_000,
  );
  const code = await new Promise((resolve) => {
    child.once('error', (cause) => {
      say(`cannot run npm: ${cause.message}`);
      resolve(1);
    });
    child.once('exit', (status) => resolve(status ?? 1));
  });
  clearInterval(ticking);
  if (code !== 0) {
    say('installing failed; what npm said is above');
    process.exit(1);
  }
  writeFileSync(STAMP, `${lock}\n`);
  say(`installed in ${Math.round((Date.now() - began) / 1000)} s`);
}
