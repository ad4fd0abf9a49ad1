import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MAX_COPY_BYTES, writeCopy } from '../../../electron/edge/write-copy.ts';

describe('a copy to write to', () => {
  let root: string;
  let copies: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-')));
    copies = join(root, 'copies/sess_1');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

  test('has the content and the mode, and is the same one the next time', () => {
    const path = join(root, 'a\nb');
    writeFileSync(path, 'one');
    chmodSync(path, 0o4640);
    const copy = writeCopy(path, copies);
    assert.ok(copy.ok);
    assert.equal(readFileSync(copy.value, 'utf8'), 'one');
    assert.equal(statSync(copy.value).mode & 0o7777, 0o640);
    writeFileSync(copy.value, 'two');
    assert.deepEqual(writeCopy(path, copies), copy);
    assert.equal(readFileSync(copy.value, 'utf8'), 'two');
    assert.equal(readFileSync(path, 'utf8'), 'one');
    assert.deepEqual([statSync(copies).mode & 0o777, readdirSync(copies).length], [0o700, 1]);
  });

  const refused: Readonly<Record<string, readonly [(path: string) => void, RegExp]>> = {
    'a file that is too large': [
      (path) => {
        writeFileSync(path, '');
        truncateSync(path, MAX_COPY_BYTES + 1);
      },
      /larger than 67108864 bytes/,
    ],
    'a folder': [(path) => mkdirSync(path), /not a regular file/],
    'a pipe': [(path) => void spawnSync('mkfifo', [path]), /not a regular file/],
    'a link': [(path) => symlinkSync('/etc/hostname', path), /cannot be copied: ELOOP/],
    'what is not there': [() => undefined, /cannot be copied: ENOENT/],
  };
  for (const [what, [make, why]] of Object.entries(refused))
    test(`is not made of ${what}, and nothing is left`, () => {
      const path = join(root, 'x');
      make(path);
      const copy = writeCopy(path, copies);
      assert.ok(!copy.ok);
      assert.match(copy.error, why);
      assert.deepEqual(readdirSync(copies), []);
    });

  test('is not made of what a folder that became a link leads to', () => {
    mkdirSync(join(root, 'secret'));
    writeFileSync(join(root, 'secret/x'), 'SECRET');
    symlinkSync('secret', join(root, 'd'));
    const copy = writeCopy(join(root, 'd/x'), copies);
    assert.deepEqual(copy, { ok: false, error: 'it is reached through a link' });
    assert.deepEqual(readdirSync(copies), []);
  });
});
