import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CAN_BE_ROOT, type GuardStage, guardStage } from './stage.ts';

const POLICY = `pack: layout
version: "1.0.0"
rules:
  - id: layout/outside
    title: Changes outside the workspace
    why: the test denies it
    class: deny
    priority: 1000
    match: { surfaces: [guard], tools: [file], effects: [write, delete, move] }
    when: effect.known && effect.object_kind == "path" && !has_any(effect.labels, ["workspace", "temp"])
`;

describe('a guarded session where names lead elsewhere', () => {
  let stage: GuardStage;
  before(async () => {
    stage = guardStage();
    stage.put(join(stage.own, 'config/policies/layout.yaml'), POLICY);
    symlinkSync(stage.home, join(stage.root, 'home-link'));
    symlinkSync(stage.work, join(stage.root, 'work-link'));
    await stage.startDaemon();
  });
  after(() => stage.close());

  // Not bash: what the text says is judged before any of it is tried.
  const attempt = (...more: readonly string[]) =>
    `import os
def t(f):
    try: print('ok', f())
    except OSError as e: print(e.strerror)
t(lambda: open('inside', 'w').write('x'))
t(lambda: open(os.path.expanduser('~/.ss' + 'h/id_r' + 'sa')).read())
t(lambda: open(os.path.expanduser('~/made'), 'w'))
${more.join('\n')}`;
  const run = (script: string, options: { cwd?: string; env?: Record<string, string> }) => {
    stage.put(join(stage.work, 'attempt.py'), script);
    return stage.cli(['run', '--', 'python3', 'attempt.py'], options);
  };
  const holds = (said: string) => {
    const [inside, secret, outside] = said.split('\n');
    assert.equal(inside, 'ok 1');
    assert.match(secret ?? '', /^(No such file or directory|Permission denied|Operation not permitted)$/);
    assert.match(outside ?? '', /^(Permission denied|Read-only file system)$/);
    assert.ok(!existsSync(join(stage.home, 'made')));
    assert.equal(readFileSync(join(stage.work, 'inside'), 'utf8'), 'x');
  };

  test('holds when the home is a symbolic link', async () => {
    const done = await run(attempt(), { env: { HOME: join(stage.root, 'home-link') } });
    holds(done.stdout || done.stderr);
  });

  test('holds when the workspace is entered by a symbolic link', async () => {
    const done = await run(attempt(), { cwd: join(stage.root, 'work-link') });
    holds(done.stdout || done.stderr);
  });

  test('gives every session a /tmp of its own, empty and gone afterwards', async () => {
    const name = `csn-${process.pid}-mark`;
    const script = `import os, tempfile
print(sorted(os.listdir('/tmp')), sorted(os.listdir('/var/tmp')))
open('/tmp/${name}', 'w').write('x')
print(os.path.exists('/var/tmp/${name}'), tempfile.mkdtemp().startswith('/tmp/'))`;
    // A checkout below /tmp is shown there; it is all that is.
    const shown = /^\/tmp\/([^/]+)/.exec(realpathSync(join(import.meta.dirname, '../../..')))?.[1];
    const names = shown === undefined ? '[]' : `['${shown}']`;
    const first = await run(script, {});
    assert.equal(first.stdout, `${names} ${names}\nTrue True\n`, first.stderr);
    assert.ok(!existsSync(`/tmp/${name}`));
    assert.equal((await run(script, {})).stdout.split('\n')[0], `${names} ${names}`);
  });

  if (CAN_BE_ROOT)
    test('holds when the workspace is a bind mount, and its other name is outside', async () => {
      const bound = join(stage.root, 'bound');
      stage.folder(bound);
      execFileSync('mount', ['--bind', stage.work, bound]);
      try {
        const other = `t(lambda: open(${JSON.stringify(join(stage.work, 'other-name'))}, 'w'))`;
        const done = await run(attempt(other), { cwd: bound });
        holds(done.stdout || done.stderr);
        assert.match(done.stdout.split('\n')[3] ?? '', /^(Permission denied|Read-only file system)$/);
        assert.ok(!existsSync(join(stage.work, 'other-name')));
      } finally {
        execFileSync('umount', [bound]);
      }
    });
});
