// What words become, checked against a real bash where one is to be had: what we claim to know must be what bash does.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { meaning, word } from './reading.ts';

/** Everything after `printf '%s\0'` is expanded; nothing here touches anything. */
const SAME_AS_BASH: readonly string[] = [
  `r''m r""m \\rm 'r'"m"`,
  `"a b" 'c d' e\\ f`,
  `"a\\"b\\$c\\\`d\\\\e\\f"`,
  `'a\\b' a\\\\b`,
  `$'\\x72m' $'a\\tb\\nc' $'\\u0041\\101' $'it\\'s'`,
  `$"hello"`,
  `a\\\nb`,
  `{rm,-rf,/}`,
  `x{a,b{c,d}}y {a,b}{1,2}`,
  `{1..5} {5..1} {a..e} {a..i..3} {01..10..3} {-2..2}`,
  `{a} {} a{b {a,b "{a,b}" \\{a,b} {a..}`,
  `{a,"b c",'d,e'} {,x} x{,y}`,
  `"" '' a`,
  `a#b '#' \\#`,
  `~/x ~ "~/x" \\~/x a~ x=~/y x=a:~/y ~+/z`,
  `"$HOME/x" $HOME/y '$HOME' \${HOME}z`,
  `"$PWD" $PWD/a`,
  `[a]b a]`,
  `1 2>/dev/null 3`,
  `-- -n`,
];

const SCRIPTS: readonly string[] = [
  `X=/tmp; printf '%s\\0' $X "$X"/a \${X}b`,
  `X="a b  c"; printf '%s\\0' $X "$X" x$X"y"`,
  `X='*'; printf '%s\\0' "$X"`,
  `IFS=,; X=a,b,,c; printf '%s\\0' $X "$X"`,
  `IFS=:; X=:a:; printf '%s\\0' $X`,
  `IFS=' :'; X='a : b'; printf '%s\\0' $X`,
  `IFS=''; X='a b'; printf '%s\\0' $X`,
  `printf '%s\\0' a\${IFS}b "\${IFS}"c`,
  `X=abc; printf '%s\\0' \${X%c} \${X#a} \${X##*b} \${X%%b*} \${X/b/x} \${X//b/x} \${X:1} \${X:0:2} \${X: -1} \${#X} \${X^^} \${X^}`,
  `X=/usr/bin/rm; printf '%s\\0' \${X##*/} \${X%/*} \${X//\\//_}`,
  `X=; printf '%s\\0' \${X:-d} "\${X-e}" \${X:+f} "\${X+g}"`,
  `unset Y; printf '%s\\0' \${Y:-d} \${Y-e} "\${Y:+f}" \${Y:=h} $Y`,
  `A=(rm -rf "a b"); printf '%s\\0' "\${A[@]}" \${A[@]} "\${A[*]}" \${A[0]} $A "\${#A[@]}" x"\${A[@]}"y`,
  `A=(a); A+=(b c); A[1]=z; printf '%s\\0' "\${A[@]}"`,
  `X=a; X+=b; printf '%s\\0' $X`,
  `X=Y; Y=z; printf '%s\\0' \${!X}`,
  `set -- a "b c" d; printf '%s\\0' "$@" $# $1 "$*" "\${@:-x}"`,
  `set -- a b c; shift; printf '%s\\0' "$@"`,
  `set --; printf '%s\\0' x "$@" y "$*"`,
  `X=1; { X=2; }; printf '%s\\0' $X`,
  `X=1; (X=2); printf '%s\\0' $X`,
  `X=1; f() { X=2; }; f; printf '%s\\0' $X`,
  `f() { printf '%s\\0' "$1" "$#"; }; f "a b" c`,
  `X=a Y=b; printf '%s\\0' $X$Y`,
  `X=a; Y=$X/b; X=c; printf '%s\\0' $Y`,
  `export X=a; readonly Z=b; declare W="c d"; printf '%s\\0' $X $Z "$W"`,
  `X=$(echo rm); printf '%s\\0' $X "$(printf 'a\\nb\\n\\n')" \`echo q\``,
  `X=$(echo cm0gLXJm | base64 -d); printf '%s\\0' $X`,
  `X=$(echo fr- mr | rev); printf '%s\\0' $X`,
  `X=$(echo sn | tr 'a-z' 'n-za-m'); printf '%s\\0' $X`,
  `X=$(echo 726d | xxd -r -p); printf '%s\\0' $X`,
  `X=$(printf '\\x72\\155'); printf '%s\\0' $X`,
  `X=$(echo -e 'a\\tb'); printf '%s\\0' "$X"`,
  `X=$(echo aXb | sed s/X/-/); printf '%s\\0' $X`,
  `eval 'X=a'; printf '%s\\0' $X`,
  `for i in a b; do X=$i; done; printf '%s\\0' $X`,
  `for i in {1..3}; do printf '%s\\0' $i; done`,
  `X=a; if true; then X=a; fi; printf '%s\\0' $X`,
  `cd /; printf '%s\\0' $PWD`,
  `X=\\~/a; Y=~/b; printf '%s\\0' $X $Y`,
  `X={a,b}; printf '%s\\0' "$X"`,
  `X='a  b'; Y=$X; printf '%s\\0' "$Y"`,
  `X=a; printf '%s\\0' "$(X=b; echo $X)" $X`,
  `printf '%s\\0' "$(basename /a/b.txt .txt)" "$(dirname /a/b)"`,
  `X=a bash -c 'printf "%s\\0" $X "$0" "$@"' n 'b c'`,
  `bash -c 'printf "%s\\0" "$1" $2' _ 'a b' c`,
  `printf '%s\\0' a"b"'c'$'d'{e,f}`,
  `X=' a '; printf '%s\\0' x$X"y" $X`,
];

const HOME = realpathSync(mkdtempSync(join(tmpdir(), 'csn-shell-')));

after(() => rmSync(HOME, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

function bash(script: string): readonly string[] | null {
  try {
    const out = execFileSync('bash', ['--norc', '-c', script], {
      cwd: HOME,
      encoding: 'utf8',
      env: { HOME, PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return out.split('\0').slice(0, -1);
  } catch {
    return null;
  }
}

const available = bash('printf "%s\\0" yes')?.[0] === 'yes';

/** The words of every printf that we say will run; null when we say that we do not know one. */
function claimed(script: string): readonly string[] | null {
  const { commands, gaps } = meaning(script, { cwd: HOME, home: HOME, variables: {} });
  assert.deepEqual(gaps, [], 'the row must be understood');
  const printed = commands.filter((c) => c.program === 'printf' && c.origin !== 'substitution');
  const words = printed.flatMap((c) => c.args.slice(1));
  return words.every((w) => w.known) ? words.map((w) => w.text) : null;
}

for (const row of [...SAME_AS_BASH.map((words) => `printf '%s\\0' ${words}`), ...SCRIPTS])
  test(`knows what bash does with ${row.replaceAll('\n', '⏎')}`, {
    skip: available ? false : 'no bash here',
  }, () => {
    const ours = claimed(row);
    assert.notEqual(ours, null, 'every word of this row can be known');
    assert.deepEqual(ours, bash(row));
  });

const UNKNOWN: readonly (readonly [string, string])[] = [
  ['a variable that nobody knows', 'rm $X'],
  ['a substitution that runs a program', 'rm $(ls)'],
  ['arithmetic', 'rm $((1+1))'],
  ['a variable set in one branch', 'if a; then X=1; else X=2; fi; rm $X'],
  ['a variable set in a loop that may not run', 'X=1; while a; do X=2; done; rm $X'],
  ['a variable read earlier in a loop than it is set', 'X=1; while a; do rm $X; X=2; done'],
  ['a variable set after &&', 'X=1; a && X=2; rm $X'],
  ['a variable set after ||', 'X=1; a || X=2; rm $X'],
  ['a variable read from outside', 'X=1; read X; rm $X'],
  ['a variable after source', 'X=1; source f; rm $X'],
  ['a variable after eval of something unknown', 'X=1; eval "$Y"; rm $X'],
  ['a variable set by printf -v', 'X=1; printf -v X %s 2; rm $X'],
  ['a variable declared an integer', 'declare -i X=1+1; rm $X'],
  ['a reference to another variable', 'declare -n X=Y; rm $X'],
  ['a variable changed by arithmetic', 'X=1; ((X++)); rm $X'],
  ['a variable changed by ${X:=…} in a branch', 'a && : ${X:=b}; rm $X'],
  ['RANDOM even when assigned', 'RANDOM=1; rm $RANDOM'],
  ['an unexported variable in a child shell', `X=1; bash -c 'rm $X'`],
  ['a variable split by an unknown IFS', 'IFS=$Y; X="a b"; rm $X'],
  ['a variable set in a function that may return early', 'X=1; f() { X=2; a && return; X=3; }; f; rm $X'],
  ['a variable that a function declared local', 'X=1; f() { local X=2; }; f; rm $X'],
  ['a variable after break', 'X=1; for i in a b; do X=$i; c && break; done; rm $X'],
  ['a variable set in a loop over something unknown', 'X=1; for i in $Y; do X=2; done; rm $X'],
  ['a variable set by local outside a function', 'X=1; local X=2; rm $X'],
  ['a variable after a function that may be another', 'X=1; a && f() { :; }; f; rm $X'],
  ['a variable after a command that nobody knows', 'X=1; $Y; rm $X'],
  ['an unquoted expansion next to a lone $', "X='a b'; rm $X$"],
  ['a brace on which shells differ', 'rm x{},y}'],
  ['another user’s home', 'rm ~bob'],
  ['$1 of a line', 'rm $1'],
  ['"$@" of a line', 'rm "$@"'],
  ['a case pattern transformation', 'X=abc; rm ${X@Q}'],
  ['a default of something unknown', 'rm ${X:-a}'],
];

for (const [name, line] of UNKNOWN)
  test(`does not know ${name}`, () => {
    const { commands } = meaning(line);
    const rm = commands.findLast((c) => c.program === 'rm');
    assert.equal(
      rm?.args.at(-1)?.known,
      false,
      word(rm?.args.at(-1) ?? { text: 'no word', raw: '', known: true, glob: false }),
    );
  });

test('a literal that imitates the unknown mark is unknown, never the reverse', () => {
  const { commands } = meaning('rm a\uFFFCb');
  assert.equal(commands[0]?.args[0]?.known, false);
});

test('an active glob is marked, a quoted one is not', () => {
  const args = meaning(`rm * a? [ab] '*' \\* "?" @(a|b)`).commands[0]?.args.map((w) => w.glob);
  assert.deepEqual(args, [true, true, true, false, false, false, true]);
});

test('a glob out of a variable is active only where it is not quoted', () => {
  const args = meaning(`X='*'; rm $X "$X"`).commands[1]?.args.map((w) => w.glob);
  assert.deepEqual(args, [true, false]);
});

test('zsh splits no variables', () => {
  const line = 'X="a b"; rm $X';
  assert.equal(meaning(line, { dialect: 'zsh' }).commands[1]?.args.length, 1);
  assert.equal(meaning(line).commands[1]?.args.length, 2);
});
