import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UNKNOWN_TEXT } from '../../../../electron/core/command.ts';
import {
  commandDigestText,
  normalizeArgv,
  normalizeCommandLine,
} from '../../../../electron/wire/shell/normalize.ts';
import { argvMeaning, meaning, SURROUNDINGS } from './reading.ts';

const PIECES = [
  ...' \t\n\r\\\'"`$(){}[]<>|&;#!*?~=+-:,./%@^0123456789abcxyz',
  '$(',
  '${',
  '}',
  '((',
  '))',
  '<<E\n',
  '\nE\n',
  '<<<',
  "$'",
  '&&',
  '||',
  ';;',
  ';&',
  '|&',
  '>&',
  '&>',
  '<(',
  '>(',
  ' if ',
  ' then ',
  ' else ',
  ' fi ',
  ' for ',
  ' in ',
  ' do ',
  ' done ',
  ' while ',
  ' case ',
  ' esac ',
  ' function ',
  'f() ',
  ' sudo ',
  ' env ',
  ' bash -c ',
  ' eval ',
  ' xargs ',
  ' find . -exec ',
  ' \\; ',
  ' trap ',
  ' cd ',
  ' export ',
  ' local ',
  ' read ',
  ' ssh h ',
  ' docker run ',
  ' python -c ',
  ' echo ',
  ' | bash ',
  ' base64 -d ',
  ' set -e ',
  ' return ',
  ' exit ',
  ' break ',
  '${IFS}',
  '"$@"',
  '$1',
  '{1..9}',
  '{a,b}',
  '[[ ',
  ' ]]',
  'X=',
  'X+=',
  'X=(',
  '$X',
  '\uFFFC',
  '\u202e',
  '\u00a0',
  'é',
  '😀',
];
const line = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => pieces.join(''));

test('reading any string gives a meaning or a fault, and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(line, fc.string({ unit: 'binary', maxLength: 60 })), (commandLine) => {
      const result = normalizeCommandLine({ ...SURROUNDINGS, commandLine });
      assert.ok(result.ok || typeof result.error.message === 'string');
    }),
    { numRuns: 4000 },
  );
});

test('reading is deterministic', () => {
  fc.assert(
    fc.property(line, (commandLine) => {
      const input = { ...SURROUNDINGS, commandLine };
      assert.deepEqual(normalizeCommandLine(input), normalizeCommandLine(input));
    }),
    { numRuns: 500 },
  );
});

test('what is known holds no unknown mark; indices and links point into the list', () => {
  fc.assert(
    fc.property(line, (commandLine) => {
      const result = normalizeCommandLine({ ...SURROUNDINGS, commandLine });
      if (!result.ok) return;
      const { commands } = result.value;
      commands.forEach((command, i) => {
        assert.equal(command.index, i);
        for (const at of [command.pipedFrom, command.pipedTo]) assert.ok(at === null || at < commands.length);
        for (const word of [command.name, ...command.args])
          assert.ok(!(word.known && word.text.includes(UNKNOWN_TEXT)));
        if (command.span !== null)
          assert.ok(command.span.start >= 0 && command.span.end <= commandLine.length);
      });
    }),
    { numRuns: 2000 },
  );
});

test('a quoted word is exactly itself', () => {
  const text = fc.string({ maxLength: 40 }).filter((s) => !s.includes('\0'));
  fc.assert(
    fc.property(text, (s) => {
      const [command] = meaning(`echo '${s.replaceAll("'", "'\\''")}'`).commands;
      assert.equal(command?.args[0]?.text, s);
      assert.equal(command.args[0].glob, false);
    }),
    { numRuns: 1000 },
  );
});

test('an argument vector keeps every word', () => {
  const words = fc.array(
    fc.string({ maxLength: 20 }).filter((s) => !s.includes('\0')),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(words, (args) => {
      const [command] = argvMeaning(['ls', ...args]).commands;
      assert.deepEqual(
        command?.args.map((word) => word.text),
        args,
      );
    }),
  );
});

test('reading an argument vector never throws', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...PIECES.map((piece) => piece.trim())), { maxLength: 20 }),
      (argv) => {
        normalizeArgv(argv, SURROUNDINGS);
      },
    ),
    { numRuns: 2000 },
  );
});

test('appending a command never hides the ones before it', () => {
  fc.assert(
    fc.property(line, (commandLine) => {
      const alone = normalizeCommandLine({ ...SURROUNDINGS, commandLine });
      const more = normalizeCommandLine({ ...SURROUNDINGS, commandLine: `rm x\n${commandLine}` });
      if (!alone.ok || !more.ok) return;
      assert.equal(more.value.commands.find((c) => c.span?.start === 0)?.program, 'rm');
    }),
    { numRuns: 1000 },
  );
});

test('the digest text tells commands apart by program, words, redirects and what is unknown', () => {
  const digest = (s: string) => commandDigestText(meaning(s).commands.at(-1) ?? assert.fail('no command'));
  assert.equal(digest('rm a b'), digest("rm 'a' b"));
  assert.equal(digest('rm a b'), digest('sudo rm a b'));
  for (const other of [
    'rm "a b"',
    'rm a',
    'rm a b > f',
    'rm a b < f',
    'rm a b <<< x',
    'mv a b',
    'rm a b ""',
    'rm a $b',
  ])
    assert.notEqual(digest('rm a b'), digest(other), other);
  assert.notEqual(digest('rm a\uFFFC'), digest('rm a$X b'));
});
