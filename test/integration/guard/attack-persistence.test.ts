// What an agent leaves behind that runs outside of its session: nothing that nobody decided on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type AttackHome, HELD, openAttackHome } from './attack-home.ts';

const EACCES = 13;
const exists = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

describe('an agent that wants to run later', () => {
  let place: AttackHome;
  const at = (...parts: readonly string[]) => join(place.work, ...parts);
  before(async () => {
    place = await openAttackHome();
  });
  after(() => place.close());
  beforeEach(() => {
    rmSync(place.work, { recursive: true });
    mkdirSync(place.work);
    spawnSync('git', ['init', '-q', place.work]);
    rmSync(at('.git/hooks'), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });

  test('cannot put a link in the place of the folder of hooks, before or after it is filled', async () => {
    const done = await place.act([
      ...['mkdir', 'evil', 'symlink', '../evil', '.git/hooks'],
      ...['write', '.git/hooks/pre-commit', '#!/bin/sh\ntouch ../pwned\n'],
      ...['write', 'evil/pre-commit', '#!/bin/sh\ntouch ../pwned\n'],
    ]);
    assert.equal(done[0], 0);
    assert.ok([EACCES, HELD].includes(done[1] ?? 0));
    assert.ok(!exists(at('.git/hooks/pre-commit')));
    spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@a', 'commit', '-qm', 'x', '--allow-empty'], {
      cwd: place.work,
    });
    assert.ok(!existsSync(at('pwned')));
  });

  test('cannot move such a link there', async () => {
    const done = await place.act(['mkdir', 'evil', 'symlink', '../evil', 'x', 'rename', 'x', '.git/hooks']);
    assert.deepEqual(done.slice(0, 2), [0, 0]);
    assert.ok([EACCES, HELD].includes(done[2] ?? 0));
    assert.ok(!exists(at('.git/hooks')));
  });

  test('can still make, fill and move the folders themselves', async () => {
    const done = await place.act([
      ...['mkdir', '.vscode', 'rename', '.vscode', 'b', 'rename', 'b', '.vscode'],
      ...['mkdir', '.git/hooks', 'symlink', 'b', 'c'],
    ]);
    assert.deepEqual(done, [0, 0, 0, 0, 0]);
  });

  test('cannot tell git to take its settings from another folder', async () => {
    mkdirSync(at('evil'));
    for (const part of ['objects', 'refs']) cpSync(at('.git', part), at('evil', part), { recursive: true });
    writeFileSync(at('evil/config'), `[core]\n\tfsmonitor = "touch ${at('pwned')}; false"\n`);
    await place.act(['write', '.git/commondir', '../evil\n', 'read', '.git/HEAD']);
    assert.ok(!exists(at('.git/commondir')));
    spawnSync('git', ['status'], { cwd: place.work });
    assert.ok(!existsSync(at('pwned')));
  });
});
