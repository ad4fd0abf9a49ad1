import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { homeTrash, trashPlace } from '../../../electron/edge/trash-place.ts';
import { trashedFrom, trashName, writeTrashInfo } from '../../../electron/wire/trash-info.ts';

const CHILD = join(import.meta.dirname, '../../fixtures/trash-child.ts');
const NOTE = { action: 'act_1', digest: 'abc' };

let root: string;
let trash: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-')));
  trash = homeTrash(root, join(root, 'data'));
});
afterEach(() => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

function placeOf(path: string) {
  const place = trashPlace(path, trash, NOTE);
  if (!place.ok) throw new Error(place.error);
  return place.value;
}
const infos = () => readdirSync(join(trash, 'info')).sort();

describe('a place in the trash', () => {
  test('is the only one of its name, and says what for', () => {
    mkdirSync(join(root, 'b'));
    const [first, second] = [placeOf(join(root, 'a')), placeOf(join(root, 'b/a'))];
    assert.deepEqual([first.path, second.path], [join(trash, 'files/a'), join(trash, 'files/a.2')]);
    const text = readFileSync(join(trash, 'info/a.2.trashinfo'), 'utf8');
    assert.equal(trashedFrom(text), join(root, 'b/a'));
    assert.match(
      text,
      /^\[Trash Info\]\nPath=.*\nDeletionDate=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\nX-Countersign-Action=act_1\nX-Countersign-Digest=abc\n$/,
    );
  });

  test('is not one where something lies without a word about it', () => {
    placeOf(join(root, 'a')).release();
    writeFileSync(join(trash, 'files/a'), 'orphan');
    assert.equal(placeOf(join(root, 'a')).path, join(trash, 'files/a.2'));
  });

  test('is given back when nothing came, and kept when something did', () => {
    const [unused, used] = [placeOf(join(root, 'a')), placeOf(join(root, 'a'))];
    writeFileSync(join(root, 'a'), 'x');
    renameSync(join(root, 'a'), used.path);
    unused.release();
    used.release();
    assert.deepEqual(infos(), ['a.2.trashinfo']);
  });

  test('is found for the thousandth file of one name', () => {
    const names = new Set(Array.from({ length: 300 }, () => placeOf(join(root, '__init__.py')).path));
    assert.equal(names.size, 300);
  });

  for (const name of ['two\nlines', 'ÄÖ ü%23#?', 'x'.repeat(255), '語'.repeat(85), '.hidden', 'a%'])
    test(`is found for ${JSON.stringify(name.slice(0, 12))}, ${name.length} characters long`, () => {
      const path = join(root, name);
      writeFileSync(path, 'kept');
      const place = placeOf(path);
      renameSync(path, place.path);
      const [info = ''] = infos();
      assert.equal(trashedFrom(readFileSync(join(trash, 'info', info), 'utf8')), path);
      assert.equal(readFileSync(place.path, 'utf8'), 'kept');
    });

  test('is not in the trash that it would be taken out of', () => {
    const { path } = placeOf(join(root, 'a'));
    assert.deepEqual(trashPlace(path, trash, NOTE), { ok: false, error: 'it lies in the trash' });
  });

  test('lies on the same mount, and there is none where none can be', () => {
    const done = spawnSync('unshare', ['-rm', process.execPath, CHILD, root], { encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
    const { readOnly, full, inTheWay, ...found } = JSON.parse(done.stdout) as Record<string, unknown>;
    assert.match(String(readOnly), /EROFS/);
    assert.match(String(full), /ENOSPC/);
    assert.match(String(inTheWay), /the trash cannot be used: E/);
    assert.deepEqual(found, {
      otherDisk: '/other disk/.Trash-0/files/a true',
      boundMount: '/bound/.Trash-0/files/a true',
      sameMount: '/data/Trash/files/a true',
      repository: 'the only trash for it would lie in a repository',
      repositoryLeft: ['.git', 'a'],
      fullBefore: '/full/.Trash-0/files/b true',
      fullLeft: ['b.trashinfo'],
      link: 'there is no place in a trash for it: the trash is no folder',
      othersWrite: 'the trash cannot be used: others can write to the trash',
      note: ['X-Countersign-Action=act_1', 'X-Countersign-Digest=d'],
    });
  });
});

test('a name is cut between characters', () => {
  assert.equal(trashName('語'.repeat(100)), '語'.repeat(77));
  assert.equal(trashName('a'), 'a');
});

test('an info file of another desktop is read', () => {
  assert.equal(trashedFrom('[Trash Info]\nPath=/a%20b%23\nDeletionDate=2020-01-01T00:00:00\n'), '/a b#');
  assert.equal(trashedFrom('[Trash Info]\nPath=/a%ff\n'), null);
  assert.equal(trashedFrom(writeTrashInfo('/\ud800', '', null)), '/\ufffd');
});
