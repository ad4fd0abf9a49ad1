import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalPath, type Place, seePath } from '../../../electron/core/semantic/paths.ts';
import { knowledge } from './scene.ts';

const place: Place = {
  cwd: '/home/user/project',
  home: '/home/user',
  workspace: '/home/user/project',
  user: 'user',
};

const canonical: readonly (readonly [string, string])[] = [
  ['a', '/home/user/project/a'],
  ['./a/../b//c/', '/home/user/project/b/c'],
  ['../../..', '/'],
  ['../../../../../..', '/'],
  ['~', '/home/user'],
  ['~/x', '/home/user/x'],
  ['~user/x', '/home/user/x'],
  ['~eve/x', '/home/eve/x'],
  ['~root', '/root'],
  ['file:///etc/passwd', '/etc/passwd'],
  ['/proc/self/root/etc', '/etc'],
  ['/proc/1/root/proc/self/root/etc', '/etc'],
  ['/proc/self/cwd/a', '/home/user/project/a'],
  ['/private/etc/x', '/etc/x'],
  ['\uFFFC/x', '\uFFFC/x'],
];
for (const [text, path] of canonical)
  test(`\`${text}\` is \`${path}\``, () => assert.equal(canonicalPath(text, place), path));

test('a way up out of an unknown folder is unknown', () => {
  assert.equal(seePath('/tmp/\uFFFC/../..', false, place, knowledge.paths).known, false);
});

test('without a working directory a relative path is unknown', () => {
  assert.equal(seePath('a', false, { ...place, cwd: null }, knowledge.paths).known, false);
});

const labelled: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['/', ['root', 'above-workspace'], ['system']],
  ['/etc', ['top-level', 'essential-tree', 'system'], []],
  ['/home', ['essential-tree', 'above-workspace'], ['home']],
  ['/home/user', ['home-root', 'above-workspace'], ['other-home']],
  ['/home/eve', ['home-root', 'other-home'], []],
  ['/Users/eve/.ssh/id_rsa', ['secret', 'other-home'], []],
  ['/root/.bashrc', ['startup', 'home'], []],
  ['.', ['workspace', 'workspace-root'], ['outside']],
  ['src/a.ts', ['workspace'], ['workspace-root', 'outside']],
  ['node_modules/x', ['build-artifact'], []],
  ['/tmp/x', ['temp', 'outside'], ['system']],
  ['/dev/sda1', ['block-device', 'device'], []],
  ['/dev/null', [], ['device', 'block-device']],
  ['~/.ssh/id_rsa.pub', ['public-key'], ['secret']],
  ['~/.ssh/config', ['startup'], ['secret']],
  ['.env', ['env-file'], []],
  ['.env.example', [], ['env-file']],
  ['.git/hooks/pre-commit', ['hooks', 'vcs-internal'], []],
  ['src/hooks/use.ts', [], ['hooks']],
  ['CLAUDE.md', ['agent-config'], []],
  ['/run/user/1000/countersign/submit.sock', ['self'], []],
  ['/proc/4/environ', ['secret', 'process-memory'], []],
  ['report.pdf.sh', ['masquerade'], []],
  ['/projects', [], ['workspace']],
  ['/home/user/project2', [], ['workspace']],
];
for (const [text, has, lacks] of labelled)
  test(`\`${text}\` is ${has.join(', ') || 'nothing special'}`, () => {
    const { labels } = seePath(text, false, place, knowledge.paths);
    for (const label of has) assert.ok(labels.includes(label), `lacks ${label}: ${labels.join()}`);
    for (const label of lacks) assert.ok(!labels.includes(label), `has ${label}: ${labels.join()}`);
  });

const patterns: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['/*', ['root', 'whole-content'], []],
  ['~/*', ['home-root'], []],
  ['~/.[!.]*', ['home-root'], []],
  ['./*', ['workspace-root'], []],
  ['*', ['workspace-root'], []],
  ['*.o', ['workspace', 'build-artifact'], ['workspace-root']],
  ['/etc/*.conf', ['system'], ['essential-tree']],
  ['/dev/sd*', ['block-device'], []],
  ['~/.ssh/id_*', ['secret'], []],
];
for (const [text, has, lacks] of patterns)
  test(`the pattern \`${text}\` is ${has.join(', ')}`, () => {
    const { labels, many } = seePath(text, true, place, knowledge.paths);
    assert.ok(many);
    for (const label of has) assert.ok(labels.includes(label), `lacks ${label}: ${labels.join()}`);
    for (const label of lacks) assert.ok(!labels.includes(label), `has ${label}: ${labels.join()}`);
  });
