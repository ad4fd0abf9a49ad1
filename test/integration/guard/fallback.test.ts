import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { collect } from '../surface-double.ts';
import { compile, type Finished, type GuardStage, guardStage } from './stage.ts';

describe('a machine whose kernel lacks something', () => {
  let stage: GuardStage;
  /** `countersign run` where the kernel lacks `what`. */
  const runWithout = (what: readonly string[], guard: string | null): Promise<Finished> => {
    const choice = guard === null ? [] : ['--guard', guard];
    const child = stage.outside([
      join(stage.tools, 'restricted'),
      ...what,
      '--',
      ...stage.countersign,
      'run',
      '--verbose',
      ...choice,
      '--',
      'sh',
      '-c',
      'echo ran >made; cat made; rm made',
    ]);
    return collect(child);
  };
  before(async () => {
    stage = guardStage();
    compile('restricted', join(stage.tools, 'restricted'), ['-static']);
    await stage.startDaemon();
  });
  after(() => stage.close());

  const FALLS: readonly (readonly [readonly string[], string, RegExp])[] = [
    [
      ['user-namespaces'],
      'sandboxed',
      /namespaces are not available here \(user-namespace: cannot be made: [^;]*\);/,
    ],
    [['mounts'], 'sandboxed', /namespaces are not available here \(mounts: /],
    [['user-namespaces', 'landlock'], 'cooperative', /no hold \(user-namespace: .*; landlock: not there/],
    [['listener'], 'cooperative', /no hold \(filter-listener: /],
    [['descriptors'], 'cooperative', /no hold \(descriptors: /],
    [['trace'], 'cooperative', /no hold \(trace-exec: /],
  ];
  for (const [what, assurance, notice] of FALLS)
    test(`without ${what.join(' and ')} a session is ${assurance}, says why, and works`, async () => {
      const done = await runWithout(what, null);
      assert.deepEqual([done.stdout, done.code], ['ran\n', 0], done.stderr);
      assert.match(done.stderr, new RegExp(`assurance ${assurance};`));
      assert.match(done.stderr, notice);
    });

  const REFUSED: readonly (readonly [readonly string[], string, RegExp])[] = [
    [['user-namespaces'], 'full', /cannot run as `full` here: user-namespace: cannot be made/],
    [['user-namespaces'], 'nested', /cannot run as `nested` here: user-namespace: cannot be made/],
    [['landlock', 'user-namespaces'], 'landlock', /cannot run as `landlock` here: .*landlock: not there/],
    [['trace'], 'full', /cannot run as `full` here: trace-exec: /],
    [['listener'], 'landlock', /cannot run as `landlock` here: filter-listener: /],
  ];
  for (const [what, guard, why] of REFUSED)
    test(`without ${what.join(' and ')} \`--guard ${guard}\` is refused with the step that fails, and nothing runs`, async () => {
      const done = await runWithout(what, guard);
      assert.deepEqual([done.stdout, done.code], ['', 1], done.stderr);
      assert.match(done.stderr, why);
      assert.equal(existsSync(join(stage.work, 'made')), false);
    });

  test('with everything it is enforced', async () => {
    const done = await runWithout([], null);
    assert.deepEqual([done.stdout, done.code], ['ran\n', 0], done.stderr);
    assert.match(done.stderr, /assurance enforced;/);
  });
});
