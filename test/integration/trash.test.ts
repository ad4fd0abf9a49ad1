// What a program deletes or writes outside of the workspace, in a real session: in the trash, in a copy, or as it was.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { collect } from './surface-double.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'build/shims/cli/main.js');

const POLICY = `pack: own
version: 1.0.0
rules:
  - id: own.trash
    title: Deletes a note
    why: notes are kept
    class: modify
    match: {effects: [delete], surfaces: [guard], tools: [file]}
    when: under(effect.value, "~/notes")
    timeout_ms: 1000
    modify: {name: delete-to-trash}
  - id: own.copy
    title: Changes a note
    why: notes stay as they are
    class: modify
    match: {effects: [write], surfaces: [guard], tools: [file]}
    when: under(effect.value, "~/notes")
    timeout_ms: 1000
    modify: {name: copy}
`;

interface Shown {
  readonly id: string;
  readonly result: string | null;
  readonly decided: string | null;
  readonly reason: string | null;
  readonly text: string;
  readonly outcome: { readonly text: string } | null;
}

describe('a program outside of the workspace, with the real daemon and the real guard', () => {
  let root: string;
  let home: string;
  let work: string;
  let notes: string;
  let trash: string;
  let env: NodeJS.ProcessEnv;
  const csn = (args: readonly string[]) =>
    collect(spawn(process.execPath, [MAIN, ...args], { cwd: work, env }));
  /** Runs a program whose text is in a file: what it does is met where it does it. */
  const program = (text: string, options: readonly string[] = []) => {
    writeFileSync(join(work, 'program.cjs'), `const fs = require('node:fs');\n${text}\n`);
    return csn(['run', ...options, '--', 'node', 'program.cjs']);
  };
  const receipts = async (): Promise<readonly Shown[]> =>
    JSON.parse((await csn(['receipts', 'list', '--json'])).stdout) as readonly Shown[];
  const note = (name: string, text: string) => {
    const path = join(notes, name);
    writeFileSync(path, text);
    chmodSync(path, 0o640);
    utimesSync(path, 1e9, 1e9);
    return path;
  };
  const infos = () => (existsSync(join(trash, 'info')) ? readdirSync(join(trash, 'info')).sort() : []);

  before(async () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-')));
    home = join(root, 'home');
    work = join(home, 'w');
    notes = join(home, 'notes');
    trash = join(home, '.local/share/Trash');
    mkdirSync(work, { recursive: true });
    mkdirSync(join(root, 'config/policies'), { recursive: true });
    writeFileSync(join(root, 'config/policies/own.yaml'), POLICY);
    env = {
      PATH: process.env['PATH'],
      HOME: home,
      TERM: 'xterm',
      LANG: 'C.UTF-8',
      COUNTERSIGN_HOME: root,
    };
    const started = await csn(['daemon', 'start']);
    assert.equal(started.code, 0, started.stderr);
  });
  after(async () => {
    await csn(['daemon', 'stop']);
    rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });
  beforeEach(() => {
    rmSync(trash, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    rmSync(notes, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    mkdirSync(notes);
  });

  test('has what it deletes moved to the trash, and restore brings it back as it was', async () => {
    const odd = note('two\nlines #1%', 'odd');
    const path = note('a', 'precious');
    mkdirSync(join(notes, 'd'));
    note('d/a', 'another');
    const done = await program(`for (const name of ${JSON.stringify(['a', 'two\nlines #1%', 'd/a'])})
      fs.unlinkSync(${JSON.stringify(notes)} + '/' + name);
    fs.rmdirSync(${JSON.stringify(notes)} + '/d');`);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(readdirSync(notes), []);
    assert.deepEqual(readdirSync(join(trash, 'files')).sort(), ['a', 'a.2', 'd', 'two\nlines #1%']);
    assert.match(
      readFileSync(join(trash, 'info/a.trashinfo'), 'utf8'),
      /\nX-Countersign-Action=act_[\w-]+\nX-Countersign-Digest=[0-9a-f]{64}\n$/,
    );
    const restored = await csn(['restore', path, odd, join(notes, 'd'), join(notes, 'd/a')]);
    assert.equal(restored.code, 0, restored.stderr);
    assert.deepEqual(
      [path, odd, join(notes, 'd/a')].map((name) => {
        const { mode, mtimeMs } = statSync(name);
        return [readFileSync(name, 'utf8'), mode & 0o777, mtimeMs];
      }),
      ['precious', 'odd', 'another'].map((text) => [text, 0o640, 1e12]),
    );
    assert.deepEqual(infos(), []);
    assert.equal((await csn(['verify'])).code, 0);
  });

  test('is told of a folder that is not empty, and nothing is kept for it', async () => {
    mkdirSync(join(notes, 'd/inside'), { recursive: true });
    const done = await program(
      `try { fs.rmdirSync(${JSON.stringify(join(notes, 'd'))}); } catch (e) { console.log(e.code); }`,
    );
    assert.equal(done.stdout, 'ENOTEMPTY\n', done.stderr);
    assert.ok(existsSync(join(notes, 'd/inside')));
    assert.deepEqual(infos(), []);
    const last = (await receipts()).filter((row) => row.text.includes('rmdir')).at(-1);
    assert.deepEqual([last?.result, last?.outcome?.text], ['MODIFY', 'failed']);
  });

  test('deletes nothing where there is no trash: a person is asked', async () => {
    const path = note('a', 'precious');
    mkdirSync(join(home, '.local/share'), { recursive: true });
    mkdirSync(join(home, 'elsewhere'));
    symlinkSync(join(home, 'elsewhere'), trash);
    const done = await program(
      `try { fs.unlinkSync(${JSON.stringify(path)}); } catch (e) { console.log(e.code); }`,
    );
    assert.equal(done.stdout, 'EACCES\n', done.stderr);
    assert.equal(readFileSync(path, 'utf8'), 'precious');
    assert.deepEqual(readdirSync(join(home, 'elsewhere')), []);
    const last = (await receipts()).filter((row) => row.text.includes('delete')).at(-1);
    assert.equal(last?.result, 'DENY');
    assert.match(last?.reason ?? '', /the trash cannot be used: the trash is no folder/);
  });

  test('writes to a copy, again to the same one, and the original stays as it is', async () => {
    const path = note('a', 'precious');
    const done = await program(`const path = ${JSON.stringify(path)};
    fs.writeFileSync(path, 'new');
    fs.appendFileSync(path, 'er');
    console.log(fs.readFileSync(path, 'utf8'));`);
    assert.equal(done.stdout, 'precious\n', done.stderr);
    assert.deepEqual(
      [readFileSync(path, 'utf8'), statSync(path).mtimeMs, statSync(path).mode & 0o777],
      ['precious', 1e12, 0o640],
    );
    const [session = ''] = readdirSync(join(root, 'state/copies'));
    const [copy = ''] = readdirSync(join(root, 'state/copies', session));
    const place = join(root, 'state/copies', session, copy);
    assert.equal(readFileSync(place, 'utf8'), 'newer');
    const [row] = (await receipts()).filter(({ result }) => result === 'MODIFY').slice(-1);
    const shown = await csn(['receipts', 'show', row?.id ?? '']);
    assert.ok(shown.stdout.includes(`instead at`) && shown.stdout.includes(place), shown.stdout);
  });

  test('writes nothing where there can be no copy: a person is asked', async () => {
    const path = note('large', '');
    truncateSync(path, 64 * 1024 * 1024 + 1);
    const done = await program(`const path = ${JSON.stringify(path)};
    for (const name of [path, path + '.new'])
      try { fs.writeFileSync(name, 'x'); } catch (e) { console.log(e.code); }`);
    assert.equal(done.stdout, 'EACCES\nEACCES\n', done.stderr);
    const reasons = (await receipts()).slice(-6).map(({ reason }) => reason ?? '');
    assert.ok(
      reasons.some((reason) => reason.includes('larger than 67108864 bytes')),
      reasons.join('\n'),
    );
    assert.equal(statSync(path).size, 64 * 1024 * 1024 + 1);
    assert.deepEqual(readdirSync(notes), ['large']);
  });

  test('changes its overlay in a preview, and nothing is moved or copied', async () => {
    const path = note('a', 'precious');
    const done = await program(
      `for (const act of [() => fs.unlinkSync(${JSON.stringify(path)}), () => fs.writeFileSync(${JSON.stringify(path)}, 'x')])
        try { act(); } catch (e) { console.log(e.code); }`,
      ['--preview'],
    );
    assert.equal(done.stdout, 'EROFS\nEROFS\n', done.stderr);
    assert.equal(readFileSync(path, 'utf8'), 'precious');
    assert.deepEqual(infos(), []);
  });

  test('has a document of the person’s kept without a rule of their own, and a tool’s file deleted', async () => {
    const files = ['Documents/thesis.odt', '.config/tool/state.json', '.claude.json.tmp.1'];
    for (const name of files) {
      mkdirSync(join(home, name, '..'), { recursive: true });
      writeFileSync(join(home, name), name);
    }
    const done = await program(
      `for (const name of ${JSON.stringify(files)}) fs.unlinkSync(${JSON.stringify(home)} + '/' + name);`,
    );
    assert.equal(done.code, 0, done.stderr);
    for (const name of files) assert.ok(!existsSync(join(home, name)));
    assert.deepEqual(readdirSync(join(trash, 'files')), ['thesis.odt']);
    const restored = await csn(['restore', join(home, 'Documents/thesis.odt')]);
    assert.equal(restored.code, 0, restored.stderr);
  });
});
