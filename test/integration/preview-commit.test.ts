import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { effectsOf, planCommit } from '../../electron/core/preview.ts';
import { findInstallation } from '../../shims/cli/installation.ts';
import { type CommitWatch, commitPreview, finishCommit, undoCommit } from '../../shims/cli/preview-commit.ts';
import { makePreviewFolder, type PreviewFolder } from '../../shims/cli/preview-folder.ts';
import { listLayers } from '../../shims/cli/preview-tree.ts';
import { previewLines } from '../../shims/cli/preview-view.ts';

const CHILD = join(import.meta.dirname, '../fixtures/preview-child.ts');
const GUARD = findInstallation().guard ?? '';

/** Everything in a tree: names, kinds, modes, contents. */
function picture(root: string, below = ''): readonly string[] {
  return readdirSync(join(root, below), { encoding: 'latin1' })
    .sort()
    .flatMap((name) => {
      const path = Buffer.concat([Buffer.from(join(root, below, '/')), Buffer.from(name, 'latin1')]);
      const facts = lstatSync(path);
      const head = `${below}${name} ${(facts.mode & 0o7777).toString(8)}`;
      if (facts.isSymbolicLink()) return [`${head} -> ${readlinkSync(path)}`];
      if (facts.isDirectory()) return [`${head}/`, ...picture(root, `${below}${name}/`)];
      return [`${head} ${facts.isFile() ? readFileSync(path, 'latin1').slice(0, 80) : 'special'}`];
    });
}

describe('committing a preview', () => {
  let root: string;
  let place: string;
  let state: string;
  let folder: PreviewFolder;
  let upper: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'csn-'));
    place = join(root, 'w');
    state = join(root, 'state');
    mkdirSync(place);
  });
  afterEach(() => {
    spawnSync('chmod', ['-R', 'u+rwx', root]);
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });

  /** From here on, what happens in the place is a conflict. The kernel's clock of files has ticks of some milliseconds. */
  async function begin(): Promise<void> {
    await sleep(25);
    const made = makePreviewFolder(state, [place], ['x']);
    assert.ok(made.ok);
    folder = made.value;
    upper = join(folder.layers, '0/upper');
    mkdirSync(upper, { recursive: true, mode: 0o755 });
    chmodSync(upper, lstatSync(place).mode & 0o7777);
    await sleep(25);
  }
  /** What overlayfs leaves where something was removed. */
  const whiteout = (name: string) =>
    assert.equal(spawnSync('mknod', [join(upper, name), 'c', '0', '0']).status, 0);
  const entries = () => {
    const listed = listLayers(GUARD, { place, upper });
    assert.ok(listed.ok, listed.ok ? '' : listed.error);
    return listed.value;
  };
  const plan = () => {
    const planned = planCommit(entries(), folder.startedNs);
    assert.ok(planned.ok, JSON.stringify(planned));
    return [planned.steps];
  };
  const commit = (watch?: CommitWatch) => commitPreview(folder, plan(), watch);

  test('brings contents, modes, times, links and names of any bytes, and leaves nothing of its own', async () => {
    writeFileSync(join(place, 'changed'), 'before\n');
    writeFileSync(join(place, 'gone'), 'x');
    writeFileSync(join(place, 'mode'), 'm');
    mkdirSync(join(place, 'tree/deep'), { recursive: true });
    writeFileSync(join(place, 'tree/deep/file'), 'x');
    await begin();
    writeFileSync(join(upper, 'changed'), 'after\n');
    whiteout('gone');
    whiteout('tree');
    writeFileSync(join(upper, 'mode'), 'm');
    chmodSync(join(upper, 'mode'), 0o750);
    writeFileSync(join(upper, 'new\nline'), 'n');
    writeFileSync(Buffer.concat([Buffer.from(`${upper}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'bytes');
    symlinkSync('/etc/passwd', join(upper, 'link'));
    mkdirSync(join(upper, 'fresh/sub'), { recursive: true });
    writeFileSync(join(upper, 'fresh/sub/secret'), 's');
    chmodSync(join(upper, 'fresh/sub/secret'), 0o000);
    utimesSync(join(upper, 'changed'), 1e9, 1e9);
    chmodSync(join(upper, 'fresh/sub'), 0o555);
    const ended = commit();
    assert.equal(ended.kind, 'done', JSON.stringify(ended));
    chmodSync(join(place, 'fresh/sub/secret'), 0o400);
    assert.deepEqual(picture(place), [
      'changed 644 after\n',
      'fresh 755/',
      'fresh/sub 555/',
      'fresh/sub/secret 400 s',
      'f\xff\xfe 644 bytes',
      'link 777 -> /etc/passwd',
      'mode 750 m',
      'new\nline 644 n',
    ]);
    assert.equal(lstatSync(join(place, 'changed')).mtimeMs, 1e12);
  });

  test('does nothing at all when one file was replaced since it was shown', async () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(join(place, name), name);
    await begin();
    for (const name of ['a', 'b', 'c']) writeFileSync(join(upper, name), `${name} of the preview`);
    const plans = plan();
    writeFileSync(join(place, 'fresh'), 'b');
    renameSync(join(place, 'fresh'), join(place, 'b'));
    const before = picture(place);
    const ended = commitPreview(folder, plans);
    assert.deepEqual([ended.kind, ended.kind === 'undone' && ended.conflicts[0]?.path], ['undone', 'b']);
    assert.deepEqual(picture(place), before);
  });

  test('follows no link that somebody puts in its way', async () => {
    const outside = join(root, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'not yours');
    mkdirSync(join(place, 'd'));
    writeFileSync(join(place, 'd/file'), 'x');
    await begin();
    mkdirSync(join(upper, 'd'));
    writeFileSync(join(upper, 'd/file'), 'written');
    const plans = plan();
    for (const moment of [0, -1]) {
      renameSync(join(place, 'd'), join(place, 'aside'));
      symlinkSync(outside, join(place, 'd'));
      const ended = commitPreview(folder, plans);
      assert.equal(ended.kind, 'undone', String(moment));
      assert.deepEqual(picture(outside), ['file 644 not yours']);
      rmSync(join(place, 'd'));
      renameSync(join(place, 'aside'), join(place, 'd'));
    }
    // And when the link comes between staging and swapping.
    const ended = commitPreview(folder, plans, {
      beforeSwap: () => {
        renameSync(join(place, 'd'), join(place, 'aside'));
        symlinkSync(outside, join(place, 'd'));
      },
    });
    assert.notEqual(ended.kind, 'done');
    assert.deepEqual(picture(outside), ['file 644 not yours']);
    assert.equal(readFileSync(join(place, 'aside/file'), 'utf8'), 'x');
  });

  test('changes one name of a file with several, and says so', async () => {
    writeFileSync(join(place, 'a'), 'shared\n');
    linkSync(join(place, 'a'), join(place, 'b'));
    await begin();
    writeFileSync(join(upper, 'a'), 'own\n');
    const lines = previewLines(
      {
        places: [{ layers: { place, upper }, effects: effectsOf(entries()), attributes: [], brief: false }],
        attempts: [],
      },
      { whole: false },
    );
    assert.match(lines.join('\n'), /of 2 names this one/);
    assert.equal(commit().kind, 'done');
    assert.deepEqual(picture(place), ['a 644 own\n', 'b 644 shared\n']);
  });

  test('refuses a pipe, and then commits nothing beside it either', async () => {
    await begin();
    assert.equal(spawnSync('mkfifo', [join(upper, 'p')]).status, 0);
    writeFileSync(join(upper, 'file'), 'x');
    const planned = planCommit(entries(), folder.startedNs);
    assert.equal(planned.ok, false);
    assert.deepEqual(picture(place), []);
  });

  test('shows a huge file by its size, without reading it', async () => {
    await begin();
    writeFileSync(join(upper, 'huge'), '');
    truncateSync(join(upper, 'huge'), 5 * 2 ** 30);
    const began = performance.now();
    const report = {
      places: [{ layers: { place, upper }, effects: effectsOf(entries()), attributes: [], brief: false }],
      attempts: [],
    };
    const text = previewLines(report, { whole: false }).join('\n');
    assert.match(text, /A huge \| 5368709120 bytes/);
    assert.match(text, /not read/);
    assert.ok(performance.now() - began < 20_000);
  });

  test('escapes what would move the cursor, in names and in lines', async () => {
    await begin();
    writeFileSync(join(upper, 'a\u001b[2Jb'), 'x\u001b]0;title\u0007\r\n');
    const report = {
      places: [{ layers: { place, upper }, effects: effectsOf(entries()), attributes: [], brief: false }],
      attempts: ['connect \u001b[2J:1'],
    };
    const text = previewLines(report, { whole: true }).join('\n');
    assert.equal(/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text), false, JSON.stringify(text));
    assert.match(text, /a\\u\{1b\}\[2Jb/);
  });

  test('takes everything back when one of 5,000 steps cannot be done, and does them all when they can', async () => {
    for (let n = 0; n < 2500; n += 1) writeFileSync(join(place, `old${n}`), `${n}`);
    await begin();
    for (let n = 0; n < 2500; n += 1) {
      writeFileSync(join(upper, `old${n}`), `${n} anew`);
      writeFileSync(join(upper, `new${n}`), 'n');
    }
    const before = picture(place);
    const plans = plan();
    const ended = commitPreview(folder, plans, {
      beforeSwap: (step) => {
        if (step === 4000) writeFileSync(join(place, 'stranger'), '');
        if (step === 4000) throw new Error('the disk is gone');
      },
    });
    assert.equal(ended.kind, 'undone', JSON.stringify(ended).slice(0, 500));
    rmSync(join(place, 'stranger'));
    assert.deepEqual(picture(place), before);
    // Hard links changed the times of the files' nodes: it is a preview anew that is committed.
    folder = { ...folder, startedNs: String(BigInt(Date.now() + 60_000) * 1_000_000n) };
    const done = commitPreview(folder, plan());
    assert.equal(done.kind, 'done', JSON.stringify(done).slice(0, 500));
    assert.equal(readdirSync(place).length, 5000);
    assert.equal(readFileSync(join(place, 'old7'), 'utf8'), '7 anew');
  });

  for (const at of [0, 1, 2, 3, 4])
    test(`can be finished, or undone, when it was killed before step ${at}`, async () => {
      for (const way of ['finish', 'undo'] as const) {
        rmSync(place, { recursive: true });
        mkdirSync(join(place, 'd/e'), { recursive: true });
        writeFileSync(join(place, 'd/e/f'), 'deep');
        writeFileSync(join(place, 'changed'), 'before');
        writeFileSync(join(place, 'gone'), 'x');
        const before = picture(place);
        await begin();
        writeFileSync(join(upper, 'changed'), 'after');
        writeFileSync(join(upper, 'd'), 'a file now');
        mkdirSync(join(upper, 'n/m'), { recursive: true });
        writeFileSync(join(upper, 'n/m/o'), 'o');
        whiteout('gone');
        const killed = spawnSync(process.execPath, [CHILD, state, folder.id, String(at)], {
          encoding: 'utf8',
        });
        assert.equal(killed.signal, at < 4 ? 'SIGKILL' : null, killed.stderr);
        if (at === 4) {
          assert.deepEqual(picture(place).length, 5, killed.stderr);
          continue;
        }
        assert.ok(existsSync(join(folder.path, 'commit.json')));
        const ended = way === 'finish' ? finishCommit(folder) : undoCommit(folder);
        assert.ok(ended.ok, ended.ok ? '' : ended.error);
        assert.equal(ended.value.kind, way === 'finish' ? 'done' : 'undone', JSON.stringify(ended));
        if (way === 'undo') assert.deepEqual(picture(place), before);
        else
          assert.deepEqual(picture(place), [
            'changed 644 after',
            'd 644 a file now',
            'n 755/',
            'n/m 755/',
            'n/m/o 644 o',
          ]);
      }
    });
});
