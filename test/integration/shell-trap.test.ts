import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openDouble, type SurfaceDouble, type Verdict } from './surface-double.ts';

const open: SurfaceDouble[] = [];
after(() => {
  for (const double of open) double.close();
});

/** A session that lets whole shells start and decides on what they run. */
async function session(decide: (text: string) => Verdict = () => 'ALLOW'): Promise<SurfaceDouble> {
  const double = await openDouble((text) => (/^(bash|sh)\b/.test(text) ? 'ALLOW' : decide(text)));
  open.push(double);
  return double;
}

const denyMarked = (text: string): Verdict => (text.includes('DENY') ? 'DENY' : 'ALLOW');

describe('bash with the trap', () => {
  for (const [name, script, stdout, code] of [
    ['a denied redirection', 'echo x > DENY; echo "$?"', '1\n', 0],
    ['a denied builtin', 'cd DENY; echo "$?"', '126\n', 0],
    ['a denied program without a shim', '/bin/ls DENY; echo "$?"', '126\n', 0],
    ['a denied program with a shim', 'touch DENY; echo "$?"', '126\n', 0],
    ['&& after a denial', 'cd DENY && echo reached', '', 126],
    ['|| after a denial', 'cd DENY || echo "st $?"', 'st 126\n', 0],
    ['if with a denial', 'if cd DENY; then echo yes; else echo no; fi', 'no\n', 0],
    ['set -e and a denial', 'set -e; cd DENY; echo reached', '', 126],
    ['a denied assignment: nothing after it', 'x=DENY; echo reached', '', 126],
    ['a denied assignment in a subshell', '(x=DENY; echo reached); echo "$?"', '126\n', 0],
    ['a denied special builtin in posix mode', 'set -o posix; export DENY=1; echo reached', '', 126],
    ['a denial inside a function', 'f() { cd DENY; echo "in $?"; }; f', 'in 126\n', 0],
    [
      'a denied function, and the same one allowed later',
      'f() { echo ran; }; f DENY; echo "$?"; f',
      '126\nran\n',
      0,
    ],
    ['a denial in a substitution', 'echo "a$(cd DENY; echo "$?")"', 'a126\n', 0],
    ['a denied end of a pipeline', 'echo x | /usr/bin/tr x DENY; echo "$?"', '126\n', 0],
    ['a denial by nested bash', 'bash -c "cd DENY; echo \\$?"', '126\n', 0],
    ['a denial by nested bash of another path', '/bin/bash -c "cd DENY; echo \\$?"', '126\n', 0],
    ['a denial in a trap of the script', 'trap "cd DENY || echo late" EXIT', 'late\n', 0],
    ['a denied command under xtrace', 'set -x; cd DENY; echo "$?"', '126\n', 0],
  ] as const) {
    test(`${name}: fails and has no effect`, async () => {
      // What contains another command is let through too.
      const s = await session((t) => (/\$\(|^trap "|^\/bin\/bash/.test(t) ? 'ALLOW' : denyMarked(t)));
      // The whole invocation is let through here, so that its parts are what is tested.
      const done = await s.run(['bash', '-c', script]);
      assert.equal(done.stdout, stdout, done.stderr);
      assert.equal(done.code, code);
      assert.ok(!existsSync(join(s.work, 'DENY')));
      assert.match(done.stderr, /countersign: denied: /);
    });
  }

  for (const [name, script, stdout] of [
    [
      '$? and $_ and PIPESTATUS',
      'false; echo "$?"; echo a b; echo "$_"; true | false | true; echo "${PIPESTATUS[*]}"',
      '1\na b\nb\n0 1 0\n',
    ],
    [
      'strict mode, odd IFS and no globbing',
      'set -euo pipefail -f; IFS=/; v=a/b; for i in $v; do echo "$i" "*"; done',
      'a *\nb *\n',
    ],
    ['positional parameters', 'f() { shift; echo "$# $*"; }; f 1 2 3; set -- x y; echo "$2"', '2 2 3\ny\n'],
    ['case-insensitive matching', 'shopt -s nocasematch; [[ a == A ]] && echo same', 'same\n'],
    ['heredocs and here-strings', 'cat <<E\n$((1+1))\nE\ncat <<< z', '2\nz\n'],
    ['variables named like ours', 'text=1 word=2 line=3 name=4; echo "$text$word$line$name"', '1234\n'],
    [
      'extdebug left as it was',
      'shopt -q extdebug; echo "$?"; trap "echo e" ERR; f() { false; }; f; echo end',
      '1\ne\nend\n',
    ],
    [
      'loops and arithmetic',
      'for ((i=0;i<3;i++)); do :; done; echo $((i)); while read -r x; do echo "<$x>"; done < <(printf "1\\n2\\n")',
      '3\n<1>\n<2>\n',
    ],
  ] as const) {
    test(`leaves a shell as it is: ${name}`, async () => {
      const s = await session();
      const done = await s.run(['bash', '-c', script]);
      assert.equal(done.stdout, stdout);
      assert.equal(done.stderr, '');
    });
  }

  test('shows under xtrace what the script does and nothing of its own', async () => {
    const s = await session();
    const done = await s.run(['bash', '-c', 'set -x; echo a; x=1; echo "$x"']);
    assert.equal(done.stderr.replace(/^\+\+ \[\[ -z '' ]]\n/, ''), '+ echo a\n+ x=1\n+ echo 1\n');
  });

  test('asks once for each simple command, with the values of what it mentions', async () => {
    const s = await session();
    await s.run(['bash', '-c', 'd=/srv; f() { ls "$1" "$d" "${HOME}" ~; }; f a; rm -f "$d/x"', 'zero']);
    assert.deepEqual(s.asked().slice(1), ['d=/srv', 'f a', 'ls "$1" "$d" "${HOME}" ~', 'rm -f /srv/x']);
    assert.deepEqual(s.heard[3]?.question.variables, { 1: 'a', d: '/srv', HOME: s.work });
    assert.equal(s.heard[3]?.question.cwd, s.work);
    assert.deepEqual(
      s.heard.map((h) => h.question.parts_follow),
      [true, false, true, false, false],
    );
  });

  test('reports how each command ended, the last one by how the shell ended', async () => {
    const s = await session();
    await s.run(['bash', '-c', 'cd /; false; echo x; exit 3']);
    assert.deepEqual(
      s.heard.map((h) => [h.text.slice(0, 6), h.ending]),
      [
        ['bash -', { kind: 'exit', code: 3 }],
        ['cd /', { kind: 'exit', code: 0 }],
        ['false', { kind: 'exit', code: 1 }],
        ['echo x', { kind: 'exit', code: 0 }],
        ['exit 3', { kind: 'exit', code: 3 }],
      ],
    );
  });

  test('runs a changed command in place, in the same shell, with its own status', async () => {
    const s = await session((t) => (t === 'cd /nowhere' ? { modify: 'cd /usr && (exit 7)' } : 'ALLOW'));
    const done = await s.run(['bash', '-c', 'cd /nowhere; echo "$? $PWD"']);
    assert.equal(done.stdout, '7 /usr\n');
    assert.match(done.stderr, /changed to `cd \/usr && \(exit 7\)`/);
  });

  test('does not perform the redirection of a command that was changed', async () => {
    const s = await session((t) => (t === 'echo a > first' ? { modify: 'echo b > second' } : 'ALLOW'));
    await s.run(['bash', '-c', 'echo a > first']);
    assert.ok(!existsSync(join(s.work, 'first')));
    assert.equal(readFileSync(join(s.work, 'second'), 'utf8'), 'b\n');
  });

  test('asks about each line of a script on standard input, and leaves the rest of it to the commands that read it', async () => {
    const s = await session(denyMarked);
    const done = await s.run(['bash'], {
      input: 'echo one\nread -r x\nfrom stdin\necho "$x"\ntouch DENY\nexit 6\n',
    });
    assert.deepEqual([done.stdout, done.code], ['one\nfrom stdin\n', 6]);
    assert.deepEqual(s.asked(), ['bash', 'echo one', 'read -r x', 'echo "$x"', 'touch DENY', 'exit 6']);
    assert.ok(!existsSync(join(s.work, 'DENY')));
  });

  test('judges what is piped into a shell together with what writes it', async () => {
    const s = await session((t) => (/\| sh$/.test(t) ? 'DENY' : 'ALLOW'));
    const done = await s.run(['bash'], {
      input: '/bin/sleep 0.4 | sh\necho "${PIPESTATUS[@]}"\necho "touch x" | sh -s\n',
    });
    assert.ok(s.asked().includes('sleep 0.4 | sh'), s.asked().join('\n'));
    assert.equal(done.stdout, '0 126\n');
    assert.ok(existsSync(join(s.work, 'x')));
  });

  test('sends the text of a script file along', async () => {
    const s = await session();
    writeFileSync(join(s.work, 'job.sh'), 'echo from a file\n');
    const done = await s.run(['bash', 'job.sh', 'arg']);
    assert.equal(done.stdout, 'from a file\n');
    assert.equal(s.heard[0]?.question.script, 'echo from a file\n');
    assert.equal(s.heard[0]?.question.parts_follow, true);
  });

  test('does not claim that the parts of sh, of posix bash or of bash -p follow', async () => {
    const s = await session();
    for (const words of [
      ['sh', '-c', ':'],
      ['bash', '--posix', '-c', ':'],
      ['bash', '-p', '-c', ':'],
      ['bash', '-o', 'posix', '-c', ':'],
    ])
      await s.run(words);
    assert.deepEqual(
      s.heard.map((h) => h.question.parts_follow),
      [false, false, false, false],
    );
  });

  test('carries a command line of half a megabyte, and denies one past what can be judged', async () => {
    const s = await session();
    writeFileSync(join(s.work, 'big'), `printf '%s' ${'y'.repeat(500_000)} | wc -c\n`);
    assert.equal((await s.run(['bash', 'big'])).stdout, '500000\n');
    writeFileSync(join(s.work, 'huge'), `printf '%s' ${'y'.repeat(1_100_000)}\nprintf reached\n`);
    const done = await s.run(['bash', 'huge']);
    // The long one printed nothing; what stands after a denied command still runs.
    assert.deepEqual([done.code, done.stdout], [0, 'reached']);
    assert.match(done.stderr, /at most 1048576 can be judged/);
  });

  for (const attack of [
    'trap - DEBUG',
    'builtin trap "" DEBUG',
    'shopt -u extdebug',
    'set +T',
    'unset BASH_ENV',
    'enable -n trap',
    '__csn_debug() { :; }; type DENY',
    'unset -f __csn_debug',
    'readonly -f DENY',
    'PATH=/usr/bin:/bin',
    'hash -p /bin/rm rm',
    'exec /bin/bash --norc --posix',
  ]) {
    test(`is asked about \`${attack}\` before it could take the trap away, and goes on when that is denied`, async () => {
      const first = attack.split(';').at(-1)?.trim() ?? '';
      const s = await session((t) => (t === first || t.includes('DENY') ? 'DENY' : 'ALLOW'));
      writeFileSync(join(s.work, 'script'), `${attack}\ncd /DENY-after\n`);
      await s.run(['bash', 'script']);
      assert.ok(s.asked().includes(first), s.asked().join('\n'));
    });
  }

  test('turns function tracing on again after set +T, and its own functions cannot be replaced', async () => {
    const s = await session(denyMarked);
    const done = await s.run([
      'bash',
      '-c',
      'set +T; f() { cd DENY; echo "$?"; }; f; unset -f __csn_before; __csn_before() { :; }; cd DENY; echo "$?"',
    ]);
    assert.equal(done.stdout, '126\n126\n');
    assert.match(done.stderr, /readonly function/);
  });

  test('denies when the question cannot be asked any more', async () => {
    const s = await session();
    const done = await s.run([
      'bash',
      '-c',
      `/bin/rm -f '${s.dir.shims}/countersign-ask'; echo x > f; echo "$?"`,
    ]);
    assert.equal(done.stdout, '');
    assert.ok(!existsSync(join(s.work, 'f')));
  });
});
