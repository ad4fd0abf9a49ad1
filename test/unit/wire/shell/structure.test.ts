// How a script is put together: what runs, where, fed by what, and in which directory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, meaning, read } from './reading.ts';

const ROWS: readonly (readonly [string, string, readonly string[]])[] = [
  ['lists', 'a; b && c || d & e', ['a', 'b', 'c', 'd', 'e']],
  ['newlines', 'a\nb\n\n# c\nd', ['a', 'b', 'd']],
  ['line continuations', 'rm \\\n -rf \\\n x', ['rm -rf x']],
  ['subshells and groups', '(a; b); { c; }', ['a', 'b', 'c']],
  ['if', 'if a; then b; elif c; then d; else e; fi', ['a', 'b', 'c', 'd', 'e']],
  ['while and until', 'while a; do b; done; until c; do d; done', ['a', 'b', 'c', 'd']],
  ['case', 'case $x in a) b;; c|d) e;& *) f;; esac', ['b', 'e', 'f']],
  ['for over words', 'for i in /a /b; do rm $i; done', ['rm /a', 'rm /b']],
  ['for over a glob', 'for i in /a/*; do rm "$i"; done', ['rm /a/*']],
  ['for over something unknown', 'for i in $X; do rm "$i"; done', ['rm ?']],
  ['for over many words', `for i in ${'a '.repeat(17)}; do rm $i; done`, ['rm ?']],
  ['for in arithmetic', 'for ((i=$(a);i<3;i++)); do b; done', ['a', 'b']],
  ['select', 'select i in a b; do rm $i; done', ['rm ?']],
  [
    'nested loops',
    'for i in a b; do for j in 1 2; do rm $i$j; done; done',
    ['rm a1', 'rm a2', 'rm b1', 'rm b2'],
  ],
  ['[[ ]] and (( ))', '[[ -f $(a) && $(b) == c ]]; (( x = $(d) ))', ['a', 'b', 'd']],
  ['test is a command', '[ -f x ] && test -d y', ['[ -f x ]', 'test -d y']],
  ['negation and time', '! a; time b', ['a', 'b']],
  ['coproc', 'coproc a; coproc N { b; }', ['a', 'b']],
  ['assignments alone', 'X=1 Y=2', ['X=1 Y=2']],
  ['assignments of a command', 'X=1 a', ['X=1 a']],
  ['redirects alone', '> f', ['>f']],
  ['redirects', 'a < i > o 2>> e', ['a <i >o 2>>e']],
  ['both streams', 'a &> o; b >& p; c &>> q', ['a &>o', 'b &>p', 'c &>>q']],
  ['copied descriptors touch nothing', 'a 2>&1 >&2 <&- 3>&1-', ['a']],
  ['redirects of a group', '{ a; b; } > f', ['a >f', 'b >f']],
  ['redirects of a group without a command', '{ X=1; } > f; [[ a ]] > g', ['X=1 >f', '>g']],

  ['$( )', 'a $(b $(c))', ['c', 'b ?', 'a ?']],
  ['backquotes', 'a `b \\`c\\``', ['c', 'b ?', 'a ?']],
  ['a substitution in quotes', 'a "x $(b) y"', ['b', 'a "x ? y"']],
  ['no substitution in single quotes', "a '$(b)'", ['a $(b)']],
  ['a substitution in an assignment', 'X=$(a)', ['a', 'X=?']],
  ['a substitution in an array', 'X=(1 $(a))', ['a', 'X="1 ?"']],
  ['a substitution in an index', 'X[$(a)]=1', ['a', 'X=?']],
  ['a substitution in a redirect', 'a > $(b)', ['b', 'a >?']],
  ['a substitution in a heredoc', 'cat <<E\nx $(a) y\nE', ['a', 'cat <<"x ? y\\n"']],
  ['none in a quoted heredoc', "cat <<'E'\nx $(a) y\nE", ['cat <<"x $(a) y\\n"']],
  ['a substitution in a here-string', 'cat <<< $(a)', ['a', 'cat <<<"?\\n"']],
  ['a substitution in a default', 'a ${X:-$(b)}', ['b', 'a ?']],
  ['a substitution in arithmetic', 'a $((1+$(b)))', ['b', 'a ?']],
  ['a substitution in braces', 'a {$(b),c}', ['b', 'a ? c']],
  ['a substitution in a bracket glob', 'a [$(b)]', ['b', 'a [?]']],
  ['a substitution in a case', 'case $(a) in $(b)) c;; esac', ['a', 'b', 'c']],
  ['a substitution as a command', '$(a) b', ['a', '? b']],
  ['process substitution', 'a <(b) >(c)', ['b', 'c', 'a ? ?']],
  ['an index read again by arithmetic', "x='a[$(rm)]'; ((x))", ['x=a[$(rm)]', 'rm', ': a[?]']],
  [
    'an index read again by test',
    "test -v 'a[$(rm)]'; [[ -v 'b[$(mv)]' ]]",
    ['rm', ': a[?]', 'test -v a[$(rm)]', 'mv', ': b[?]'],
  ],
  ['an index read again by printf -v', "printf -v 'a[$(rm)]' x", ['printf -v a[$(rm)] x', 'rm', ': a[?]']],
  ['the substitution that runs in this shell', 'a ${ rm x; } ${| mv y; }', ['rm x', 'mv y', 'a ? ?']],
  ['an index read again by a builtin', "read 'a[$(rm)]'", ['read a[$(rm)]', 'rm', ': a[?]']],

  [
    'a function where it is called',
    'f() { rm "$1"; }; f /a; f /b',
    ['function(f): rm /a', 'function(f): rm /b'],
  ],
  ['a function that is never called, once', 'f() { rm "$1"; }', ['function(f): rm ?']],
  [
    'a function called before and after a change',
    'f() { a; }; f; f() { b; }; f',
    ['function(f): a', 'function(f): b'],
  ],
  ['a function called from a function', 'f() { a; }; g() { f; }; g', ['function(g) > function(f): a']],
  [
    'a recursive function, with unknown arguments the second time',
    'f() { rm $1; f $2; }; f a b',
    ['function(f): rm a', 'function(f) > function(f): rm ?', 'function(f) > function(f) > function(f): f ?'],
  ],
  [
    'a fork bomb',
    ':(){ :|:; };:',
    Array.from({ length: 4 }, () => 'function(:) > function(:) > function(:): :'),
  ],
  ['a function hiding a program', 'rm() { echo "$@"; }; rm -rf /', ['function(rm): echo -rf /']],
  [
    'a function that may be undone',
    'rm() { a; }; unset -f rm; rm -rf /',
    ['unset -f rm', 'function(rm): a', 'rm -rf /'],
  ],
  ['a function that may not be defined', 'x && rm() { a; }; rm -rf /', ['x', 'function(rm): a', 'rm -rf /']],
  ['a function in a subshell only', '(rm() { a; }); rm -rf /', ['rm -rf /', 'function(rm): a']],
  ['command goes past functions', 'rm() { a; }; command rm -rf /', ['command: rm -rf /', 'function(rm): a']],
  [
    'an alias, and what runs where aliases are off',
    "alias rm='echo'; rm -rf /",
    ['alias rm=echo', 'alias(rm): echo -rf /', 'rm -rf /'],
  ],
  ['a quoted name is no alias', "alias rm='echo'; \\rm -rf /", ['alias rm=echo', 'rm -rf /']],
  ['exit ends nothing that we read', 'exit; rm x', ['exit', 'rm x']],
];

for (const [name, line, expected] of ROWS)
  test(`reads ${name}`, () => {
    assert.deepEqual(read(line), expected);
    assert.deepEqual(meaning(line).gaps, []);
  });

const PIPES: readonly (readonly [
  string,
  string,
  readonly (readonly [string, number | null, number | null])[],
])[] = [
  [
    'a pipeline',
    'a | b | c',
    [
      ['a', null, 1],
      ['b', 0, 2],
      ['c', 1, null],
    ],
  ],
  [
    'stderr too',
    'a |& b',
    [
      ['a', null, 1],
      ['b', 0, null],
    ],
  ],
  [
    'a group into a command',
    '{ a; b; } | c',
    [
      ['a', null, 2],
      ['b', null, 2],
      ['c', 1, null],
    ],
  ],
  [
    'a command into a group',
    'a | { b; c; }',
    [
      ['a', null, 1],
      ['b', 0, null],
      ['c', 0, null],
    ],
  ],
  [
    'a command into a loop',
    'a | while read x; do b; done',
    [
      ['a', null, 1],
      ['read', 0, null],
      ['b', 0, null],
    ],
  ],
  [
    'through wrappers',
    'a | sudo env b | c',
    [
      ['a', null, 1],
      ['b', 0, 2],
      ['c', 1, null],
    ],
  ],
  [
    'not out of a substitution',
    'a $(b) | c',
    [
      ['b', null, null],
      ['a', null, 2],
      ['c', 1, null],
    ],
  ],
  [
    'into code',
    'bash -c "$(a)"',
    [
      ['a', null, 1],
      ['bash', 0, null],
    ],
  ],
  [
    'into code by way of a variable',
    'X=$(a); eval "$X"',
    [
      ['a', null, 2],
      [':', null, null],
      ['eval', 0, null],
    ],
  ],
  [
    'into a script',
    'bash <(a)',
    [
      ['a', null, 1],
      ['bash', 0, null],
    ],
  ],
  [
    'out to a process substitution',
    'a > >(b)',
    [
      ['b', 1, null],
      ['a', null, null],
    ],
  ],
  [
    'heredocs come from nowhere',
    'a | cat <<< b',
    [
      ['a', null, 1],
      ['cat', null, null],
    ],
  ],
];

for (const [name, line, expected] of PIPES)
  test(`links ${name}`, () => {
    assert.deepEqual(
      meaning(line).commands.map((c) => [c.program, c.pipedFrom, c.pipedTo]),
      expected,
    );
  });

const DIRECTORIES: readonly (readonly [string, string, string | null, (readonly string[])?])[] = [
  ['where the line starts', 'rm x', '/w'],
  ['after cd and &&', 'cd /a && rm x', '/a'],
  ['after a relative cd', 'cd a/../b && rm x', '/w/b'],
  ['after cd ..', 'cd ..; rm x', '/'],
  ['after cd -', 'cd /a && cd - && rm x', '/w'],
  ['at home', 'cd && rm x', '/home/u'],
  ['after cd ~/a', 'cd ~/a && rm x', '/home/u/a'],
  ['after a cd that may fail', 'cd /a; rm x', null, ['/a', '/w']],
  ['after a list that may fail', 'cd /a && b; rm x', null, ['/a', '/w']],
  ['after || exit', 'cd /a || exit 1; rm x', '/a'],
  ['after || { …; exit; }', 'cd /a || { echo no; exit 1; }; rm x', '/a'],
  ['after || return outside a function', 'cd /a || return; rm x', null, ['/a', '/w']],
  ['after || break outside a loop', 'cd /a || break; rm x', null, ['/a', '/w']],
  ['after a command that nobody knows', '$X; rm x', null],
  ['after eval of something unknown', 'eval "$X"; rm x', null],
  ['with set -e', 'set -e; cd /a; rm x', '/a'],
  ['with set -e, where it does not act', 'set -e; cd /a && b; rm x', null, ['/a', '/w']],
  ['in an else', 'if cd /a; then b; else rm x; fi', '/w'],
  ['in a then', 'if cd /a; then rm x; fi', '/a'],
  ['after ! cd', '! cd /a && rm x', '/w'],
  ['outside a subshell', '(cd /a); rm x', '/w'],
  ['outside a pipeline', 'cd /a | b; rm x', '/w'],
  ['outside the background', 'cd /a & rm x', '/w'],
  ['inside a subshell', '(cd /a && rm x)', '/a'],
  ['after an unknown cd', 'cd $X && rm x', null],
  ['after a cd in a loop', 'while a; do cd b; done; rm x', null],
  ['after pushd', 'pushd /a && rm x', '/a'],
  ['after popd', 'popd; rm x', null],
  ['with CDPATH', 'CDPATH=/c; cd a && rm x', null],
  ['in a function called there', 'f() { rm x; }; cd /a && f', '/a'],
  ['after a function that moves', 'f() { cd /a; }; set -e; f; rm x', '/a'],
  ['in a child shell', "cd /a && bash -c 'rm x'", '/a'],
  ['after a child shell moved', "bash -c 'cd /a'; rm x", '/w'],
  ['after eval moved', "eval 'cd ..'; rm x", '/'],
  ['on another machine', 'ssh h rm x', null],
  ['in a container', 'docker exec c rm x', null],
  ['with env -C', 'env -C /a rm x', '/a'],
  ['with sudo -D', 'sudo -D a rm x', '/w/a'],
  ['after a login', 'sudo -i rm x', null],
  ['in a trap', "trap 'rm x' EXIT", null],
];

for (const [name, line, cwd, candidates] of DIRECTORIES)
  test(`knows the directory ${name}`, () => {
    const rm = meaning(line).commands.findLast((c) => c.program === 'rm');
    assert.equal(rm?.cwd, cwd);
    assert.deepEqual([...(rm?.cwdCandidates ?? [])].sort(), candidates ?? []);
  });

test('a cd with a function of that name is no cd', () => {
  assert.equal(meaning('cd() { :; }; cd /a && rm x').commands.findLast((c) => c.program === 'rm')?.cwd, '/w');
});

test('origins say where code came from', () => {
  const origin = (line: string) => meaning(line).commands.find((c) => c.program === 'rm')?.origin;
  assert.equal(origin('rm'), 'line');
  assert.equal(origin('a $(rm)'), 'substitution');
  assert.equal(origin('bash <<E\nrm\nE'), 'heredoc');
  assert.equal(origin("bash -c 'rm'"), 'argument');
  assert.equal(origin('f() { rm; }; f'), 'function');
  assert.equal(origin('eval rm'), 'eval');
  assert.equal(origin('trap rm EXIT'), 'trap');
});

test('spans mark the command in the line; derived commands have none', () => {
  const line = 'a;  rm -rf x | b "$(c)"';
  for (const c of meaning(line).commands)
    assert.ok(c.span !== null && line.slice(c.span.start, c.span.end).startsWith(c.name.raw), brief(c));
  assert.equal(meaning("bash -c 'rm'").commands[0]?.span, null);
  assert.equal(meaning('a `b \\`c\\``').commands[0]?.span, null);
});

test('what follows a misplaced token is read all the same', () => {
  const { commands, gaps } = meaning('echo a;; rm -rf x');
  assert.deepEqual(commands.map(brief), ['echo a', 'rm -rf x']);
  assert.ok(gaps.length > 0);
});

test('an unfinished line is read as far as it goes, and says so', () => {
  for (const line of [
    'rm -rf x "a',
    'rm -rf x; if',
    'rm -rf x $(',
    'rm -rf x; (a',
    "rm -rf x; bash -c 'if'",
  ]) {
    const { commands, gaps } = meaning(line);
    assert.ok(
      commands.some((c) => c.program === 'rm'),
      line,
    );
    assert.ok(gaps.length > 0, line);
  }
});
