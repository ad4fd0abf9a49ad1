import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../../../../electron/core/brand.ts';
import { applyTransform, quoteArgv, transformNames } from '../../../../electron/core/policy/transform.ts';

type Row = readonly [
  name: string,
  transform: string,
  args: Record<string, Json>,
  argv: string,
  expected: string | null,
];

const rows: readonly Row[] = [
  [
    'adds a flag after the subcommand',
    'add-flag',
    { flag: '--dry-run', after: 'push' },
    'git push origin',
    'git push --dry-run origin',
  ],
  ['does not add a flag that stands after --', 'add-flag', { flag: '-i' }, 'rm -- -i', 'rm -i -- -i'],
  [
    'removes a long flag with its value',
    'remove-flag',
    { flag: '--depth' },
    'git clone --depth=1 x',
    'git clone x',
  ],
  ['removes a letter from a cluster', 'remove-flag', { flag: '-f' }, 'rm -rf build', 'rm -r build'],
  ['removes a cluster that becomes empty', 'remove-flag', { flag: '-f' }, 'rm -f x', 'rm x'],
  [
    'turns --force into a lease',
    'force-with-lease',
    {},
    'git push --force origin main',
    'git push --force-with-lease origin main',
  ],
  ['turns -f into a lease', 'force-with-lease', {}, 'git push -f', 'git push --force-with-lease'],
  [
    'turns -fu into a lease and keeps -u',
    'force-with-lease',
    {},
    'git push -fu origin x',
    'git push --force-with-lease -u origin x',
  ],
  [
    'turns a plus refspec into a lease',
    'force-with-lease',
    {},
    'git push origin +main',
    'git push --force-with-lease origin main',
  ],
  [
    'keeps a lease that is there',
    'force-with-lease',
    {},
    'git push -f --force-with-lease=main',
    'git push --force-with-lease=main',
  ],
  ['refuses what is not a push', 'force-with-lease', {}, 'git pull -f', null],
  ['moves to the trash', 'delete-to-trash', {}, 'rm -rf a b', 'csn trash -- a b'],
  ['moves operands after -- to the trash', 'delete-to-trash', {}, 'rm -r -- -odd', 'csn trash -- -odd'],
  ['refuses to trash nothing', 'delete-to-trash', {}, 'rm -rf', null],
  ['makes it a dry run', 'dry-run', { after: 'apply' }, 'terraform apply', 'terraform apply --dry-run'],
  ['caps a number', 'cap-number', { flag: '-j', max: 4 }, 'make -j 64', 'make -j 4'],
  ['caps a number after =', 'cap-number', { flag: '--jobs', max: 4 }, 'make --jobs=64', 'make --jobs=4'],
  ['leaves a small number alone', 'cap-number', { flag: '-j', max: 4 }, 'make -j 2', null],
  ['redacts a value', 'redact', { values: ['s3cret'] }, 'curl -H token:s3cret', 'curl -H token:[redacted]'],
  ['refuses a transform it does not know', 'make-it-fine', {}, 'rm x', null],
  ['refuses a flag that is no flag', 'add-flag', { flag: '; rm -rf /' }, 'ls', null],
  ['refuses a name from the prototype', 'constructor', {}, 'ls', null],
];

for (const [name, transform, args, argv, expected] of rows) {
  test(name, () => {
    const changed = applyTransform({ name: transform, arguments: args }, argv.split(' '), {
      trash: ['csn', 'trash'],
    });
    assert.equal(changed.ok ? changed.value.join(' ') : null, expected);
  });
}

test('a success is never the unchanged words', () => {
  const word = fc.constantFrom('git', 'push', '-f', '--force', 'main', '--', '-rf', '+x', '--jobs=9');
  fc.assert(
    fc.property(fc.constantFrom(...transformNames()), fc.array(word, { minLength: 1 }), (name, argv) => {
      const args = { flag: '--jobs', max: 4, with: '--safe', values: ['main'] };
      const changed = applyTransform({ name, arguments: args }, argv, { trash: ['csn', 'trash'] });
      if (changed.ok) assert.notDeepEqual(changed.value, argv);
    }),
  );
});

test('a real shell reads quoted words back as exactly these words', () => {
  const words = fc.array(
    fc
      .string({ unit: 'binary', minLength: 0, maxLength: 12 })
      .filter((w) => !w.includes('\0') && w.isWellFormed()),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(words, (argv) => {
      const line = quoteArgv(['printf', '%s\\0', ...argv]);
      const out = execFileSync('/bin/sh', ['-c', line]).toString('utf8').split('\0').slice(0, -1);
      assert.deepEqual(out, argv);
    }),
    { numRuns: 60 },
  );
});

for (const word of ['FOO=bar', 'if', 'time', '~', '*']) {
  test(`a first word \`${word}\` is taken as a program`, () => {
    assert.match(quoteArgv([word]), /^'/);
  });
}
