import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { effectsOf } from '../../../../electron/core/semantic/effects.ts';
import { loadKnowledge } from '../../../../electron/edge/knowledge-dir.ts';
import { normalizeCommandLine } from '../../../../electron/wire/shell/normalize.ts';

const knowledge = loadKnowledge(join(import.meta.dirname, '../../../../resources/knowledge'));

/** What a line deletes and writes: `kind path`. */
function harm(commandLine: string): readonly string[] {
  assert.ok(knowledge.ok);
  const place = { cwd: '/w', home: '/home/ada', workspace: '/w', user: 'ada' };
  const read = (text: string) =>
    normalizeCommandLine({ commandLine: text, dialect: 'bash', cwd: '/w', home: place.home, variables: {} });
  const whole = read(commandLine);
  assert.ok(whole.ok);
  const inner = (text: string) => {
    const result = read(text);
    return result.ok ? result.value.commands : [];
  };
  return effectsOf(whole.value.commands, place, knowledge.value, inner)
    .filter((e) => e.kind === 'delete' || e.kind === 'write')
    .map((e) => `${e.kind} ${e.object.value}`);
}

for (const line of [
  "sed '1e rm -rf ~' f",
  "sed -n '1{e rm -rf ~\n}' f",
  "sed 's/.*/rm -rf ~/e' f",
  "sed -e p -e '$!e rm -rf ~' f",
  "sed --expression='/a;b/,/c/e rm -rf ~' f",
  "sed '\\,x,e rm -rf ~' f",
  'awk \'BEGIN{"rm -rf ~"|getline}\'',
  'awk \'BEGIN{print "x" | "rm -rf ~"}\'',
  'awk \'BEGIN{c = "rm -rf ~"; while ((c | getline l) > 0) print l}\'',
  "make --eval='x:; rm -rf ~' x",
  "make --eval '$(shell rm -rf ~)'",
  "make -f - <<< 'all:; rm -rf ~'",
  "printf 'all:\\n\\trm -rf ~\\n' | make -f -",
  "gdb -batch -ex 'shell rm -rf ~'",
  "gdb -ex '!rm -rf ~'",
  "ed f <<< '!rm -rf ~'",
  "ed -s f <<'E'\nr !rm -rf ~\nE",
  "ex -sc '!rm -rf ~' f",
  'nvim --headless -c \'lua os.execute("rm -rf ~")\'',
  "expect -c 'spawn rm -rf /home/ada'",
  "tclsh <<< 'exec rm -rf /home/ada'",
  'emacs --batch --eval \'(shell-command "rm -rf ~")\'',
  "git grep -O'rm -rf ~' x",
  "git archive --remote=x --exec='rm -rf ~' HEAD",
  'python3 -c "from shutil import rmtree as r; r(\'/home/ada\')"',
  'python3 -c "import shutil as s; s.rmtree(\'/home/ada\')"',
  "node -e \"const {rmSync: r} = require('fs'); r('/home/ada', {recursive: true})\"",
  "python3 -c \"getattr(__import__('os'),'sys'+'tem')('rm -rf ~')\"",
])
  test(`sees the home deleted: ${line}`, () =>
    assert.ok(harm(line).includes('delete /home/ada'), `${harm(line)}`));

for (const [line, path] of [
  ["sed -n 'w /home/ada/.bashrc' f", '/home/ada/.bashrc'],
  ["sed 's/x/y/w /home/ada/.bashrc' f", '/home/ada/.bashrc'],
  ['awk \'BEGIN { print "x" > "/home/ada/.bashrc" }\'', '/home/ada/.bashrc'],
] as const)
  test(`sees the file written: ${line}`, () => assert.ok(harm(line).includes(`write ${path}`)));

for (const line of [
  "sed 's/rm -rf ~/e/' f",
  "sed -E 's/([a-z]+)e/\\1 rm -rf ~/' f",
  "sed 'a rm -rf ~' f",
  "sed '# e rm -rf ~' f",
  "sed 's/a/b/; s,/e,/w,g' f",
  "sed '/e rm -rf ~/d' f",
  'awk \'{ print "rm -rf ~" }\' f',
  'awk \'$1 == "a" || $2 == "rm -rf ~"\' f',
  "gdb -ex 'break rm' -ex run ./a.out",
  "vim -c '%s/a/rm -rf ~/g' f",
  "git grep 'rm -rf ~'",
  'python3 -c "print(\'rm -rf ~\')"',
])
  test(`takes text for text: ${line}`, () =>
    assert.ok(!harm(line).includes('delete /home/ada'), `${harm(line)}`));

test('does not slow down on what is made to be slow', () => {
  for (const unit of ['\\"', 'print ', '" |', 's/', 'e\n', 'a:', '$(shell '])
    harm(`awk '${unit.repeat(2000)}'; sed '${unit.repeat(2000)}'; make --eval '${unit.repeat(2000)}'`);
});
