import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  absolutePath,
  compilePattern,
  globMatches,
  pathUnder,
} from '../../../electron/core/policy/pattern.ts';
import { nearest } from '../../../electron/core/policy/suggestion.ts';

const GLOBS: readonly (readonly [text: string, pattern: string, matches: boolean])[] = [
  ['', '', true],
  ['', '*', true],
  ['a', '?', true],
  ['/', '?', false],
  ['a/b', '*', false],
  ['a/b', '**', true],
  ['.env.local', '.env*', true],
  ['src/x/y/.env', '**/.env', true],
  ['a*b', 'a\\*b', true],
  ['axb', 'a\\*b', false],
  ['a', 'a\\', false],
  ['api.example.com', '*.example.com', true],
  ['api.example.com.evil.net', '*.example.com', false],
];
for (const [text, pattern, matches] of GLOBS) {
  test(`glob: ${JSON.stringify(text)} ${matches ? 'fits' : 'does not fit'} ${JSON.stringify(pattern)}`, () =>
    assert.equal(globMatches(text, pattern), matches));
}

test('glob: the text that hangs a backtracking matcher does not hang ours', () => {
  assert.equal(globMatches('a'.repeat(5000), `${'*a'.repeat(200)}b`), false);
});

const UNDER: readonly (readonly [path: string, directory: string, under: boolean])[] = [
  ['/etc', '/etc', true],
  ['/etc/', '/etc', true],
  ['/etc/passwd', '/etc/', true],
  ['/etcetera', '/etc', false],
  ['/work/../etc/passwd', '/etc', true],
  ['/work/./a', '/work', true],
  ['//etc//passwd', '/etc', true],
  ['/../../etc', '/etc', true],
  ['/anything', '/', true],
  ['/', '/etc', false],
];
for (const [path, directory, under] of UNDER) {
  test(`under: ${path} is ${under ? '' : 'not '}under ${directory}`, () =>
    assert.equal(pathUnder(path, directory), under));
}

test('a relative path is absolute from the working directory, or unknown without one', () => {
  assert.equal(absolutePath('../a', '/work/b', '/home/x'), '/work/a');
  assert.equal(absolutePath('~/a', null, '/home/x'), '/home/x/a');
  assert.equal(absolutePath('a', null, '/home/x'), null);
});

test('a pattern matches somewhere, or the whole', () => {
  const pattern = compilePattern('b+');
  assert.ok(pattern.ok);
  assert.deepEqual(
    [pattern.value.found('abb'), pattern.value.whole('abb'), pattern.value.whole('bb')],
    [true, false, true],
  );
});

test('a pattern too long is refused', () => assert.ok(!compilePattern('a'.repeat(1001)).ok));

test('suggests what is near and nothing that is far', () => {
  assert.equal(nearest('lables', ['labels', 'tags']), 'labels');
  assert.equal(nearest('ALOW', ['ALLOW', 'DENY']), 'ALLOW');
  assert.equal(nearest('zzz', ['labels', 'tags']), null);
  assert.equal(nearest('x'.repeat(100_000), ['labels']), null);
});
