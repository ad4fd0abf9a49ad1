import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { createApprovalService } from '../../electron/daemon/approval-service.ts';
import { steadyClock } from '../../electron/edge/clock.ts';
import { ledgerPath } from '../../electron/edge/ledger-file.ts';
import { part, type Stage, stage } from '../conformance/stage.ts';
import { type Installation, installation, waitFor } from '../support/installation.ts';

/** Disk, ledger, policy and keychain gone wrong under a real daemon (failure table, docs/architecture.md). */

async function on(run: (s: Stage) => Promise<void>): Promise<void> {
  const s = await stage();
  try {
    await run(s);
  } finally {
    await s.dispose();
  }
}

/** The daemon does not start, says why, nothing runs, and the way to see it is the command line. */
async function assertRefusesToStart(place: Installation, why: RegExp): Promise<void> {
  await assert.rejects(place.startDaemon(), why);
  const run = await place.cli(['run', '--', 'touch', 'ran'], { timeoutMs: 30_000 });
  assert.notEqual(run.code, 0);
  assert.match(run.stderr, why);
  assert.equal(existsSync(join(place.work, 'ran')), false);
}

test('disk full: denied with the reason, every command; goes on when there is space again', () =>
  on(async (s) => {
    // Made as root or not, the limit of this one process's files is a disk that is full for the ledger.
    const limit = (bytes: string) =>
      assert.equal(
        spawnSync('prlimit', ['--pid', String(s.daemon.pid), `--fsize=${bytes}:unlimited`]).status,
        0,
      );
    const before = await s.bash('touch before');
    assert.ok(s.has('before'), `${before.code} ${before.signal} ${before.stderr}${before.stdout}`);
    limit('4096');
    const control = await s.control();
    const { openTestSession } = await import('../support/doors.ts');
    limit('unlimited');
    await sleep(600);
    const session = await openTestSession(s, control);
    const speaker = await session.speak();
    limit('4096');
    let last = await speaker.ending(speaker.act('touch ran'));
    for (let n = 0; n < 50 && last.result !== 'DENY'; n += 1)
      last = await speaker.ending(speaker.act(`echo ${'x'.repeat(4000)}`));
    assert.equal(last.result, 'DENY');
    assert.match(String(last.reason), /could not be recorded|cannot record/);
    for (let n = 0; n < 5; n += 1)
      assert.equal((await speaker.ending(speaker.act('touch ran'))).result, 'DENY');
    // From here on this process runs no session: what it starts is the person's again.
    control.close();
    await sleep(300);
    const refused = await s.bash('touch ran');
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /cannot record/);
    assert.equal(s.has('ran'), false);
    const status = await s.cli(['status']);
    assert.match(status.stdout, /refusing/);
    assert.match(status.stdout, /cannot record/);
    limit('unlimited');
    await sleep(600);
    const after = await s.bash('touch after');
    assert.equal(after.code, 0, after.stderr);
    assert.ok(s.has('after'));
    assert.ok(s.ofKind('lifecycle').some((r) => r.receipt.body.event === 'ledger_recovered'));
    await s.daemon.kill();
    const verified = await s.cli(['verify']);
    assert.equal(verified.code, 0, verified.stdout);
  }));

test('a file system without space: the daemon stays up, answers, and denies', async (t) => {
  const place = installation();
  mkdirSync(place.env.COUNTERSIGN_HOME ?? '');
  const mounted = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    'size=3m,nr_inodes=200',
    'tmpfs',
    place.env.COUNTERSIGN_HOME ?? '',
  ]);
  if (mounted.status !== 0) {
    t.diagnostic('no file system may be mounted here; the limit of file sizes above shows the same promise');
    return place.dispose();
  }
  try {
    const daemon = await place.startDaemon();
    const control = await place.control();
    const { openTestSession } = await import('../support/doors.ts');
    const speaker = await (await openTestSession(place, control)).speak();
    assert.equal((await speaker.ending(speaker.act('echo before'))).result, 'ALLOW');
    const home = place.env.COUNTERSIGN_HOME ?? '';
    const ballast = join(home, 'ballast');
    mkdirSync(ballast);
    try {
      for (let n = 0; ; n += 1)
        writeFileSync(join(ballast, String(n)), n < 20 ? Buffer.alloc(512 * 1024) : '');
    } catch {
      // Neither space nor inodes are left.
    }
    try {
      for (let n = 1000; ; n += 1) writeFileSync(join(ballast, String(n)), '');
    } catch {
      // Full.
    }
    let last = await speaker.ending(speaker.act('echo full'));
    for (let n = 0; n < 200 && last.result === 'ALLOW'; n += 1)
      last = await speaker.ending(speaker.act(`echo ${'x'.repeat(8000)}`));
    assert.equal(last.result, 'DENY');
    // The control door needs a file of its own for each connection: refused in words, and the daemon lives.
    const status = await place.cli(['status']);
    assert.notEqual(status.code, 0);
    assert.match(status.stderr + status.stdout, /full|cannot record/);
    assert.equal(daemon.process.exitCode, null, daemon.log());
    rmSync(ballast, { recursive: true });
    await sleep(700);
    assert.equal((await speaker.ending(speaker.act('echo after'))).result, 'ALLOW');
    control.close();
  } finally {
    spawnSync('umount', ['-l', place.env.COUNTERSIGN_HOME ?? '']);
    await place.dispose();
  }
});

/** What can be done to a ledger while no daemon runs. */
const DAMAGE: readonly (readonly [string, (s: Stage, db: string, older: string) => void, RegExp])[] = [
  [
    'a receipt is changed',
    (_, db) =>
      edit(
        db,
        `update receipts set receipt = replace(receipt, '"kind":"', '"kind":"x') where seq = (select max(seq) from receipts)`,
      ),
    /receipt|ledger/,
  ],
  [
    'the last receipts are cut off',
    (_, db) => edit(db, 'delete from receipts where seq > (select max(seq) from receipts) - 3'),
    /ledger|receipts/,
  ],
  ['the file is cut in the middle', (_, db) => truncateSync(db, 8192), /ledger|receipts/],
  ['the file is another', (_, db) => writeFileSync(db, 'not a database'.repeat(100)), /ledger/],
  ['an older copy is put back', (_, db, older) => copyFileSync(older, db), /rolled back|older|receipts/],
  ['the file is gone', (_, db) => rmSync(db), /gone|receipts/],
  ['the head outside is gone', (s) => rmSync(join(s.places.config, 'ledger-head.json')), /head/],
  [
    'the head outside is unreadable',
    (s) => writeFileSync(join(s.places.config, 'ledger-head.json'), '{'),
    /head/,
  ],
];

function edit(db: string, sql: string): void {
  const open = new Database(db);
  for (const { name } of open.prepare("select name from sqlite_master where type = 'trigger'").all() as {
    name: string;
  }[])
    open.exec(`drop trigger "${name}"`);
  const { changes } = open.prepare(sql).run();
  open.close();
  assert.ok(changes > 0, 'the damage was done');
}

test('a ledger that was tampered with while no daemon ran is refused at the start, by name', () =>
  on(async (s) => {
    const ledger = join(s.places.state, 'ledger');
    const db = ledgerPath(ledger);
    await s.bash('touch a');
    await s.daemon.kill();
    const older = join(s.root, 'older.db');
    copyFileSync(db, older);
    const second = await s.startDaemon();
    await s.bash('touch b; touch c; touch d');
    await second.kill();
    const good = join(s.root, 'good');
    const config = join(s.root, 'good-config');
    cpSync(ledger, good, { recursive: true });
    cpSync(s.places.config, config, { recursive: true });
    for (const [name, damage, why] of DAMAGE) {
      damage(s, db, older);
      for (const side of ['-wal', '-shm']) rmSync(`${db}${side}`, { force: true });
      await assertRefusesToStart(s, why).catch((cause) => assert.fail(`${name}: ${cause}`));
      rmSync(ledger, { recursive: true });
      cpSync(good, ledger, { recursive: true });
      rmSync(s.places.config, { recursive: true });
      cpSync(config, s.places.config, { recursive: true });
    }
    await s.startDaemon();
    assert.equal((await s.bash('touch restored')).code, 0);
  }));

/** Policies that may not be armed. */
const POLICIES: readonly (readonly [string, string])[] = [
  ['not YAML', 'rules: [}'],
  ['a rule without a reason', 'pack: mine\nversion: "1"\nrules:\n  - id: mine/x\n    class: deny\n'],
  ['an unknown key', 'pack: mine\nversion: "1"\nallow_everything: true\nrules: []\n'],
  ['a posture of no known kind', 'pack: mine\nversion: "1"\nposture: everything\nrules: []\n'],
  ['not UTF-8', '\u00ff'],
];

test('policy unreadable at start: the daemon does not arm, and names the file', async () => {
  for (const [name, text] of POLICIES) {
    const place = installation();
    try {
      mkdirSync(join(place.places.config, 'policies'), { recursive: true });
      writeFileSync(
        join(place.places.config, 'policies', 'mine.yaml'),
        text,
        name === 'not UTF-8' ? 'latin1' : 'utf8',
      );
      await assertRefusesToStart(place, /mine\.yaml/).catch((cause) => assert.fail(`${name}: ${cause}`));
    } finally {
      await place.dispose();
    }
  }
});

test('an installation whose packs have no posture does not arm', async () => {
  const { loadPolicy } = await import('../../electron/edge/policy-dir.ts');
  const place = installation();
  try {
    copyFileSync(
      join(import.meta.dirname, '..', 'conformance', 'policy.yaml'),
      join(place.root, 'only.yaml'),
    );
    const loaded = await loadPolicy([{ directory: join(place.root, 'only.yaml'), optional: false }]);
    assert.ok(!loaded.ok && loaded.error.some((fault) => /posture/.test(fault.message)));
  } finally {
    await place.dispose();
  }
});

test('policy unreadable on reload: the last good set stays armed, status says so, and a good one takes over again', () =>
  on(async (s) => {
    const path = join(s.places.config, 'policies', 'mine.yaml');
    for (const [name, text] of POLICIES) {
      writeFileSync(path, text, name === 'not UTF-8' ? 'latin1' : 'utf8');
      await sleep(600);
      const status = await s.cli(['status']);
      assert.match(status.stdout, /degraded/, name);
      assert.match(status.stdout, /the last change was not taken/, name);
      await s.bash('touch denied.txt');
      assert.equal(s.has('denied.txt'), false, name);
    }
    rmSync(path);
    await sleep(600);
    assert.doesNotMatch((await s.cli(['status'])).stdout, /not taken/);
  }));

test('keychain locked: the daemon does not start rather than mint a second identity', async () => {
  for (const [program, debianPackage] of [
    ['dbus-run-session', 'dbus'],
    ['gnome-keyring-daemon', 'gnome-keyring'],
  ] as const)
    assert.equal(
      spawnSync('sh', ['-c', `command -v ${program}`]).status,
      0,
      `\`${program}\` is missing: install the Debian package \`${debianPackage}\``,
    );
  const place = installation();
  try {
    const cli = join(import.meta.dirname, '..', '..', 'build', 'shims', 'cli', 'main.js');
    mkdirSync(join(place.home, 'run'), { mode: 0o700 });
    const { DBUS_SESSION_BUS_ADDRESS: _, ...env } = place.env;
    const withKeyring = (prepare: string, script: string) =>
      spawnSync('dbus-run-session', ['--', 'bash', '-c', `${prepare}; cd ${place.work}; ${script}`], {
        encoding: 'utf8',
        timeout: 60_000,
        env: { ...env, XDG_RUNTIME_DIR: join(place.home, 'run') },
      });
    const csn = `${process.execPath} ${cli}`;
    const unlocked = withKeyring(
      'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1',
      `${csn} run -- touch first; ${csn} status; ${csn} daemon stop`,
    );
    assert.match(unlocked.stdout, /keys: keychain/, unlocked.stderr);
    assert.ok(existsSync(join(place.work, 'first')), unlocked.stderr);
    const locked = withKeyring(
      'gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1',
      `${csn} run -- touch second; echo code $?`,
    );
    assert.match(locked.stdout, /code [1-9]/);
    assert.match(locked.stderr, /keychain/);
    assert.equal(existsSync(join(place.work, 'second')), false);
    const again = withKeyring(
      'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1',
      `${csn} run -- touch third; ${csn} verify; ${csn} daemon stop`,
    );
    assert.ok(existsSync(join(place.work, 'third')), again.stderr);
  } finally {
    await place.dispose();
  }
});

test('clock set back: recorded time does not go backward, and a question is not kept open by it', async () => {
  let wall = 1_000_000;
  let steady = 0;
  const jumps: number[] = [];
  const clock = steadyClock({
    source: { wallMs: () => wall, monotonicMs: () => steady },
    onJump: (jump) => void jumps.push(jump.behindMs),
  });
  const first = clock.now();
  wall -= 3_600_000;
  steady += 50;
  assert.ok(clock.now() >= first);
  const timers: (() => void)[] = [];
  const service = createApprovalService(clock, {
    after: (_, callback) => {
      timers.push(callback);
      return () => undefined;
    },
  });
  const approval = {
    id: 'apr_1',
    deadline: first + 1000,
    createdAt: first,
    digest: 'a'.repeat(64),
    state: { kind: 'pending' },
  };
  const asked = service.ask(approval as never, { handle: 'abcd', session: 's' } as never, 's', null);
  wall -= 3_600_000;
  for (const timer of timers) timer();
  assert.equal((await asked).kind, 'timed_out');
});

test('the socket files are deleted under a running daemon: nothing runs, and no second daemon takes over', () =>
  on(async (s) => {
    rmSync(s.places.run, { recursive: true });
    const run = await s.cli(['run', '--', 'touch', 'ran'], { timeoutMs: 30_000 });
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /another process has the ledger/);
    assert.equal(s.has('ran'), false);
    assert.equal(s.daemon.process.exitCode, null);
    await waitFor(() => part(s.ofKind('lifecycle')[0], 'policy') !== undefined);
  }));
