import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkLedger } from '../../electron/edge/ledger-check.ts';
import { newPlace, type Place } from '../fixtures/ledger.ts';

/** The signing key and the head in a real Secret Service: gnome-keyring on a session bus of its own. */

const CHILD = fileURLToPath(new URL('../fixtures/keychain-child.ts', import.meta.url));

const UNLOCKED = 'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1';
const LOCKED = 'gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1';
const WRONG = 'printf other | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1';
const NO_SERVICE = 'true';

function needs(program: string, debianPackage: string): void {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  assert.equal(found, true, `\`${program}\` is missing: install the Debian package \`${debianPackage}\``);
}

interface Start {
  readonly keychain: string;
  readonly kind?: string;
  readonly key?: string;
  readonly size?: number;
  readonly head?: string;
  readonly rotated?: boolean;
  readonly fault?: string;
  readonly message?: string;
}

/** One start on a bus where `prepare` has been run; the keyring's files live in the place's own home. */
function start(place: Place, prepare: string, ...more: readonly string[]): Start {
  needs('dbus-run-session', 'dbus');
  needs('gnome-keyring-daemon', 'gnome-keyring');
  const home = join(place.root, 'home');
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 });
  const script = `${prepare}; exec "$0" "$@"`;
  const child = spawnSync(
    'dbus-run-session',
    ['--', 'bash', '-c', script, process.execPath, CHILD, place.root, ...more],
    {
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: home,
        XDG_RUNTIME_DIR: join(home, 'run'),
        LC_ALL: 'C.UTF-8',
      },
    },
  );
  const line = child.stdout.split('\n').find((text) => text.startsWith('{'));
  assert.notEqual(line, undefined, child.stderr);
  return JSON.parse(line ?? '{}') as Start;
}

test('keeps one key and the head in the keychain over starts and rotations', async () => {
  using place = newPlace();
  const first = start(place, UNLOCKED);
  assert.deepEqual([first.keychain, first.kind, first.head], ['ready', 'keychain', 'the keychain']);
  assert.equal(existsSync(place.headPath), false);
  const second = start(place, UNLOCKED, 'rotate');
  assert.equal(second.rotated, true);
  assert.notEqual(second.key, first.key);
  const third = start(place, UNLOCKED);
  assert.equal(third.key, second.key);
  const report = await checkLedger({ kind: 'database', path: place.db });
  assert.ok(report.ok);
  assert.equal(report.value.verdict, 'verified');
  assert.deepEqual(
    report.value.keys.map(({ key }) => key.id),
    [first.key, second.key],
  );
  assert.deepEqual(report.value.breaks, []);
});

for (const [name, prepare] of [
  ['was not unlocked', LOCKED],
  ['was given a wrong password', WRONG],
] as const)
  test(`refuses, and changes no identity, when the keychain ${name}`, () => {
    using place = newPlace();
    const first = start(place, UNLOCKED);
    const locked = start(place, prepare);
    assert.deepEqual([locked.keychain, locked.fault], ['locked', 'locked']);
    const again = start(place, UNLOCKED);
    assert.equal(again.key, first.key);
  });

test('refuses a fresh ledger too when the keychain exists and is locked', () => {
  using place = newPlace();
  using other = newPlace();
  start(place, UNLOCKED);
  // The same home, and so the same keyring, with another ledger.
  const locked = start(
    { ...other, root: other.root },
    `export HOME='${join(place.root, 'home')}'; ${LOCKED}`,
  );
  assert.deepEqual([locked.keychain, locked.fault], ['locked', 'locked']);
});

test('keeps the key in memory where the service has no keyring', () => {
  using place = newPlace();
  const kept = start(place, NO_SERVICE);
  assert.deepEqual([kept.keychain, kept.kind], ['absent', 'memory']);
});

test('keeps the key in memory where there is no session bus', () => {
  using place = newPlace();
  const child = spawnSync(process.execPath, [CHILD, place.root], {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH ?? '',
      HOME: place.root,
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent',
    },
  });
  const kept = JSON.parse(child.stdout) as Start;
  assert.deepEqual([kept.keychain, kept.kind], ['absent', 'memory']);
});

test('notices a ledger put back from a copy by the head in the keychain', () => {
  using place = newPlace();
  start(place, UNLOCKED);
  const copy = join(place.root, 'copy.db');
  copyFileSync(place.db, copy);
  start(place, UNLOCKED);
  copyFileSync(copy, place.db);
  assert.throws(() => start(place, UNLOCKED), /rolled_back/);
});
