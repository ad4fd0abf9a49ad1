import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const MAIN = join(ROOT, 'build/shims/cli/main.js');
const dir = realpathSync(mkdtempSync(join(tmpdir(), 'csn-own-')));
chmodSync(dir, 0o755);
after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

/**
 * Under the name `ssh` it reads the key that is its own, says how much it got, and waits; under the name `peer` it looks into the memory of
 * the process that it is given. The real ssh does the same after a handshake that needs a server.
 */
const PROGRAM = `
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  char path[4096], content[4096];
  int peer = strstr(argv[0], "peer") != NULL;
  snprintf(path, sizeof path, peer ? "/proc/%s/mem" : "%s/.ssh/id_ed25519", peer ? argv[argc - 1] : getenv("HOME"));
  int fd = open(path, O_RDONLY);
  if (peer) printf("memory %s\\n", fd < 0 ? "shut" : "open");
  else printf("key %zd\\n", fd < 0 ? (ssize_t)-1 : read(fd, content, sizeof content));
  fflush(stdout);
  if (!peer) sleep(3);
  return 0;
}
`;
const KEY = 'the key of a test\n';

interface Tried {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a line in a session whose home holds a veiled key, with the program above outside what the session writes. Mounts of the test's own:
 * a /dev/fuse that anyone may open, as on desktops, and a folder for the programs.
 */
function inSession(name: string, user: string | null, line: string): Tried {
  const place = join(dir, name);
  for (const folder of ['', 'home', 'home/.ssh', 'work', 'device', 'bin']) mkdirSync(join(place, folder));
  writeFileSync(join(place, 'home/.ssh/id_ed25519'), KEY, { mode: 0o600 });
  writeFileSync(join(place, 'program.c'), PROGRAM);
  execFileSync(process.env['CC'] ?? 'cc', ['-o', join(place, 'bin/ssh'), join(place, 'program.c')]);
  execFileSync('cp', [join(place, 'bin/ssh'), join(place, 'bin/peer')]);
  if (user !== null) execFileSync('chown', ['-R', user, join(place, 'home'), join(place, 'work')]);
  const as = user === null ? '' : `setpriv --reuid ${user} --regid ${user} --clear-groups`;
  const script = `set -e
    mount -t tmpfs none '${place}/device'
    mknod -m 666 '${place}/device/fuse' c 10 229
    mount --bind '${place}/device/fuse' /dev/fuse
    mount -t tmpfs -o mode=755 none /mnt
    cp '${place}/bin/ssh' '${place}/bin/peer' /mnt
    cd '${place}/work'
    exec ${as} env -i PATH=/usr/bin:/bin HOME='${place}/home' COUNTERSIGN_HOME='${place}/home/c' \\
      '${process.execPath}' '${MAIN}' run --guard full -- bash -c "$1"`;
  const done = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', line], {
    encoding: 'utf8',
    // A question that waits for a person is an answer here, too.
    timeout: 20_000,
  });
  try {
    process.kill(Number(readFileSync(join(place, 'home/c/run/daemon.pid'), 'utf8')), 'SIGKILL');
  } catch {
    // It never came to that.
  }
  return done;
}

/** The ordinary user, where it may come to this checkout at all; else null, and what holds for root is tried. */
function ordinaryUser(): string | null {
  if (spawnSync('id', ['csn-probe']).status !== 0) execFileSync('useradd', ['-m', 'csn-probe']);
  const comes = spawnSync(
    'setpriv',
    ['--reuid', 'csn-probe', '--regid', 'csn-probe', '--clear-groups', process.execPath, MAIN, '--version'],
    { cwd: '/' },
  );
  return comes.status === 0 ? 'csn-probe' : null;
}

/** Mounts of a test's own need root. */
const isRoot = process.getuid?.() === 0;
const user = isRoot ? ordinaryUser() : null;
const WAIT = '& p=$!; sleep 1.5; /mnt/peer $p; kill $p; wait';
/** As root no owner of a file in /proc tells whether a memory is closed: then a person is asked, like for everything else. */
const unasked = user !== null;

test('ssh reads its own key unasked, and no other program of the session looks into its memory', () => {
  if (!isRoot) return;
  const { stdout, stderr } = inSession('plain', user, `/mnt/ssh host ${WAIT}`);
  assert.match(stdout, /^memory shut$/m, stderr);
  assert.equal(/^key 18$/m.test(stdout), unasked, `${stdout}${stderr}`);
});

for (const [name, line] of [
  ['settings', '/mnt/ssh -F x host'],
  ['preload', 'LD_PRELOAD=/lib/none.so /mnt/ssh host'],
  ['agent', 'SSH_AUTH_SOCK=/tmp/x /mnt/ssh host'],
  ['copy', 'cp /mnt/ssh ./ssh && ./ssh host'],
  ['other', '/mnt/peer ../..$HOME/.ssh/id_ed25519; cat $HOME/.ssh/id_ed25519'],
] as const)
  test(`what could hand the key on does not get it unasked: ${name}`, () => {
    if (!isRoot) return;
    const { stdout, stderr } = inSession(name, user, `(${line}) ${WAIT}`);
    assert.doesNotMatch(stdout, /^key 18$/m, stderr);
    assert.doesNotMatch(stdout, /the key of a test/);
  });

test('the key that ssh read is open to no other program afterwards', () => {
  if (!isRoot) return;
  const line = `/mnt/ssh host & p=$!; sleep 1; (${'/mnt/ssh -F x host'}) & q=$!; sleep 1; kill $p $q; wait`;
  const { stdout, stderr } = inSession('afterwards', user, line);
  assert.equal(stdout.match(/^key 18$/gm)?.length ?? 0, unasked ? 1 : 0, `${stdout}${stderr}`);
});
