import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { restore, trash } from '../../../shims/cli/trash.ts';

describe('the trash', () => {
  const before = process.env['XDG_DATA_HOME'];
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'csn-'));
    process.env['XDG_DATA_HOME'] = join(root, 'data');
  });
  afterEach(() => {
    if (before === undefined) delete process.env['XDG_DATA_HOME'];
    else process.env['XDG_DATA_HOME'] = before;
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });

  test('puts back what was deleted under its path, with mode and times, the latest of several', async () => {
    const path = join(root, 'a file');
    for (const text of ['first', 'second']) {
      writeFileSync(path, text);
      chmodSync(path, 0o640);
      utimesSync(path, 1e9, 1e9);
      assert.equal(await trash(['--', path]), 0);
      assert.equal(existsSync(path), false);
      await new Promise((later) => setTimeout(later, 20));
    }
    assert.equal(await restore([path]), 0);
    assert.equal(readFileSync(path, 'utf8'), 'second');
    assert.deepEqual([statSync(path).mode & 0o777, statSync(path).mtimeMs], [0o640, 1e12]);
    assert.equal(await restore([path]), 1, 'it was put over what is there');
    assert.equal(readFileSync(path, 'utf8'), 'second');
  });

  test('takes a file that is called like a verb as a file after --', async () => {
    const here = process.cwd();
    process.chdir(root);
    try {
      writeFileSync('empty', 'x');
      assert.equal(await trash(['--', 'empty']), 0);
      assert.equal(existsSync('empty'), false);
      assert.equal(await trash(['restore', 'empty']), 0);
      assert.equal(readFileSync('empty', 'utf8'), 'x');
    } finally {
      process.chdir(here);
    }
  });

  test('empties without following a link out of it', async () => {
    const outside = join(root, 'outside');
    mkdirSync(join(root, 'd'));
    mkdirSync(outside);
    writeFileSync(join(outside, 'kept'), 'x');
    symlinkSync(outside, join(root, 'd/link'));
    assert.equal(await trash(['--', join(root, 'd')]), 0);
    assert.equal(await trash(['empty']), 0);
    assert.equal(existsSync(join(root, 'data/Trash/files/d')), false);
    assert.equal(readFileSync(join(outside, 'kept'), 'utf8'), 'x');
  });
});
