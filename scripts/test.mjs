// `npm test`: installs what the tests need, builds, and runs format, lint, types and every test on Node 24. Runs on Node 20.
// Ends with the plain line `N passed, N failed, N skipped`. `npm test -- PART…` runs only the files whose path holds one of the parts.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { build, ROOT } from './build.mjs';
import { findNode, install } from './install.mjs';
import { runTests } from './run-tests.mjs';

function say(line) {
  process.stderr.write(`countersign: ${line}\n`);
}

/** Where Debian keeps PostgreSQL's own programs: a folder for each version, on no PATH. */
const POSTGRES = '/usr/lib/postgresql';

function isInstalled(program) {
  if (program === 'postgres' && existsSync(POSTGRES))
    return readdirSync(POSTGRES).some((version) => existsSync(join(POSTGRES, version, 'bin', program)));
  return (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, program)));
}

/** Programs that some tests run for real, and the Debian packages they come in. */
const NEEDED = [
  ['gnome-keyring-daemon', 'gnome-keyring'],
  ['dbus-run-session', 'dbus'],
  // What people run inside a session, and what makes sandboxes of its own.
  ['tmux', 'tmux'],
  ['vim', 'vim'],
  ['less', 'less'],
  ['curl', 'curl'],
  ['make', 'make'],
  ['python3', 'python3'],
  ['bwrap', 'bubblewrap'],
  // Clients of the network that sessions use.
  ['git', 'git'],
  ['wget', 'wget'],
  ['npm', 'npm'],
  ['pip3', 'python3-pip'],
  ['javac', 'default-jdk-headless'],
  ['ssh', 'openssh-client'],
  ['sshd', 'openssh-server'],
  // The database behind the proxy, and its client.
  ['postgres', 'postgresql'],
  ['psql', 'postgresql-client'],
  // The fuzzer of the guard's parsers.
  ['clang', 'clang'],
  ['clang', 'libclang-rt-dev'],
];

function installSystemPackages() {
  const missing = NEEDED.filter(([program]) => !isInstalled(program)).map(([, name]) => name);
  if (missing.length === 0) return;
  const names = missing.join(' ');
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    say(`not installed: ${names}; tests that run them will fail. On Debian: sudo apt-get install ${names}`);
    return;
  }
  say(`installing ${names} …`);
  const quiet = {
    stdio: ['ignore', 'ignore', 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  const args = ['install', '-y', '-q', '--no-install-recommends', ...missing];
  if (spawnSync('apt-get', args, quiet).status === 0) return;
  spawnSync('apt-get', ['update', '-q'], quiet);
  if (spawnSync('apt-get', args, quiet).status !== 0)
    say(`could not install ${names}; tests that run them will fail`);
}

await install();
installSystemPackages();
build();
const node = findNode();
say('format and lint …');
const lint = spawnSync(node, [join(ROOT, 'node_modules/@biomejs/biome/bin/biome'), 'check', '.'], {
  cwd: ROOT,
  stdio: ['ignore', 2, 2],
});
if (lint.status !== 0) say('format or lint failed; what it said is above');
say('tests …');
const counts = await runTests({ node, root: ROOT, patterns: process.argv.slice(2), out: process.stdout });
if (lint.status !== 0) counts.failed += 1;
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
