import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type AttackedSession, attackSession, fits } from './attack-session.ts';
import { EXPECTED, type Expected, ROOT_DIFFERS } from './expected.ts';
import { CAN_BE_ROOT, type GuardStage, guardStage } from './stage.ts';

/** Where the mode that lets programs make sandboxes answers in another way: the sandboxes are made. What is in reach stays the same. */
const NESTED_DIFFERS: Readonly<Record<string, Expected>> = {
  'setns-own-user': 'EINVAL',
  'unshare-user': 'ok',
  'unshare-user-mounts': 'ok',
  'unshare-time': 'ok|EPERM|EINVAL',
  'unshare-empty-mounts': 'EINVAL|EPERM',
  'clone-user': 'ok',
};

const WHO = CAN_BE_ROOT ? (['ordinary', 'root'] as const) : (['ordinary'] as const);

for (const who of WHO) {
  const rows = { ...EXPECTED, ...NESTED_DIFFERS, ...(who === 'root' ? ROOT_DIFFERS : {}) };
  describe(`what an attacker tries in a session that may make sandboxes, as ${who} user`, () => {
    let session: AttackedSession;
    before(async () => {
      session = await attackSession(who, 'nested');
    });
    after(() => session.close());

    for (const [name, expected] of Object.entries(rows))
      test(`${name}: ${expected}`, () => {
        const result = session.results.get(name) ?? 'was not tried';
        assert.ok(fits(result, expected), `${name}: ${result}, not ${expected}`);
      });
    test('no byte of the secret is in anything that the attacker printed, and no service of the host heard anything', () => {
      assert.doesNotMatch(session.done.stdout + session.done.stderr, /SECRET/);
      assert.deepEqual(session.heard, []);
    });
    test('the home is as it was, byte for byte, mode for mode', () => {
      assert.deepEqual(session.homeAfter, session.homeBefore);
    });
  });
}

/** Tried inside a user and mount namespace of the session's own: one line each, `NAME RESULT`. */
const INSIDE = `
try() { name=$1; shift; if out=$("$@" 2>&1); then echo "$name done"; else echo "$name refused"; fi; }
try unmount-mask umount "$HOME/.ssh"
try unmount-mask-lazily umount -l "$HOME/.ssh"
try unmount-root umount -l /
try unmount-own umount "$OWN"
try read-secret cat "$HOME/.ssh/id_rsa"
try read-own sh -c 'ls "$OWN/state" | grep -q .'
try remount-root mount -o remount,rw,bind /
try remount-home mount -o remount,rw,bind "$HOME"
try remount-mask mount -o remount,rw "$OWN"
try write-home sh -c 'echo x >"$HOME/new"'
mkdir -p "$WORK/a"
try bind-tree mount --bind / "$WORK/a"
try read-secret-bound cat "$WORK/a$HOME/.ssh/id_rsa"
try bind-home-alone mount --bind "$HOME" "$WORK/a"
try read-secret-bound-home cat "$WORK/a/.ssh/id_rsa"
try rbind-home mount --rbind "$HOME" "$WORK/a"
try read-secret-rbound-home cat "$WORK/a/.ssh/id_rsa"
try write-rbound-home sh -c 'echo x >"$WORK/a/new"'
try unmount-below-rbound umount "$WORK/a/.ssh"
try move-mask mount --move "$HOME/.ssh" "$WORK/a"
mkdir -p "$WORK/up" "$WORK/wk" "$WORK/ov"
try overlay-home mount -t overlay overlay -o "lowerdir=$HOME,upperdir=$WORK/up,workdir=$WORK/wk,userxattr" "$WORK/ov"
try read-secret-overlay cat "$WORK/ov/.ssh/id_rsa"
try chroot-read chroot "$WORK/a" cat .ssh/id_rsa
`;

describe('sandboxes that programs of a session make', () => {
  let stage: GuardStage;
  const nested = (command: readonly string[]) =>
    stage.cli(['run', '--guard', 'nested', '--verbose', '--', ...command], {
      env: { WORK: stage.work, OWN: stage.own },
    });
  before(async () => {
    stage = guardStage();
    stage.put(join(stage.home, 'plain.txt'), 'plain\n');
    await stage.startDaemon();
  });
  after(() => stage.close());

  test('says what they cost', async () => {
    const done = await nested(['true']);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stderr, /assurance sandboxed/);
    assert.match(done.stderr, /rules by file name inside the workspace do not bind them there/);
  });

  test('bubblewrap makes one and runs a program in it', async () => {
    const done = await nested([
      'bwrap',
      '--ro-bind',
      '/',
      '/',
      '--dev',
      '/dev',
      '--proc',
      '/proc',
      '--unshare-all',
      'sh',
      '-c',
      'echo "$$"; cat "$HOME/plain.txt"',
    ]);
    assert.deepEqual([done.stdout, done.code], ['2\nplain\n', 0], done.stderr);
  });

  test('unshare makes a user, mount, process and network namespace, and mounts in it', async () => {
    const done = await nested([
      'unshare',
      '-Urmpfn',
      '--mount-proc',
      'sh',
      '-c',
      'id -u; mount -t tmpfs t /mnt && echo x >/mnt/x && cat /mnt/x; echo "$$"',
    ]);
    assert.deepEqual([done.stdout, done.code], ['0\nx\n1\n', 0], done.stderr);
  });

  test("a browser's sandbox, a user namespace whose maps are written from inside, has an empty root", async () => {
    const done = await nested([
      'unshare',
      '-U',
      '--map-current-user',
      '-n',
      'sh',
      '-c',
      'cat /proc/net/dev | grep -c : ; id -u',
    ]);
    assert.match(done.stdout, /^1\n\d+\n$/, done.stderr);
  });

  test('inside one, what is masked stays masked and what is read-only stays read-only', async () => {
    stage.put(join(stage.work, 'inside.sh'), INSIDE);
    const done = await nested(['unshare', '-Urm', 'bash', join(stage.work, 'inside.sh')]);
    const rows = new Map(
      done.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    );
    const bad = [
      'unmount-mask',
      'unmount-mask-lazily',
      'unmount-root',
      'unmount-own',
      'read-secret',
      'read-own',
      'remount-root',
      'remount-home',
      'remount-mask',
      'write-home',
      'bind-tree',
      'read-secret-bound',
      'bind-home-alone',
      'read-secret-bound-home',
      'read-secret-rbound-home',
      'write-rbound-home',
      'unmount-below-rbound',
      'move-mask',
      'read-secret-overlay',
      'chroot-read',
    ];
    for (const name of bad) assert.equal(rows.get(name), 'refused', `${name}\n${done.stdout}${done.stderr}`);
    assert.doesNotMatch(done.stdout, /SECRET/);
    assert.equal(existsSync(join(stage.home, 'new')), false);
    assert.equal(readFileSync(join(stage.home, '.ssh/id_rsa'), 'utf8'), 'SECRET of the person\n');
  });

  test('a bubblewrap sandbox that asks for everything gets no more than the session has', async () => {
    const script = [
      'import os',
      'home = os.environ["HOME"]',
      'for name, mode in ((os.path.join(home, ".s" + "sh", "id_" + "rsa"), "r"), (home + "/new", "w")):',
      '  try: print(open(name, mode).read())',
      '  except OSError as e: print(type(e).__name__)',
    ];
    stage.put(join(stage.work, 'look.py'), script.join('\n'));
    const done = await nested(['bwrap', '--dev-bind', '/', '/', 'python3', 'look.py']);
    assert.match(done.stdout, /^(?:FileNotFoundError|PermissionError)\nOSError\n$/, done.stderr);
    assert.equal(existsSync(join(stage.home, 'new')), false);
  });

  test('programs in one are judged when they start, by what they are', async () => {
    const done = await nested([
      'bwrap',
      '--ro-bind',
      '/',
      '/',
      '--bind',
      stage.work,
      stage.work,
      '--dev',
      '/dev',
      '--proc',
      '/proc',
      '--unshare-user',
      'sh',
      '-c',
      'cp /bin/true ./mine && ./mine && echo ran',
    ]);
    assert.equal(done.stdout, 'ran\n', done.stderr);
    const starts = (await stage.receipts()).filter(
      ({ text, surface }) => surface === 'guard' && text.includes('mine'),
    );
    assert.ok(starts.length > 0, 'the start of a program that the session wrote has no receipt');
  });
});

/* Who holds no capability may not map the user 0 of outside into a new namespace; a session as root has none. */
if (CAN_BE_ROOT)
  test('a session as root can make no sandbox that it would be somebody in', async () => {
    const stage = guardStage('root');
    await stage.startDaemon();
    const done = await stage.cli(['run', '--guard', 'nested', '--', 'unshare', '-Ur', 'echo', 'made']);
    stage.close();
    assert.deepEqual([done.stdout, done.code], ['', 1], done.stderr);
    assert.match(done.stderr, /uid_map: Operation not permitted/);
  });
