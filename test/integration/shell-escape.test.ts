import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openDouble, type SurfaceDouble } from './surface-double.ts';

const open: SurfaceDouble[] = [];
after(() => {
  for (const double of open) double.close();
});

async function allowing(): Promise<SurfaceDouble> {
  const double = await openDouble(() => 'ALLOW');
  open.push(double);
  return double;
}

// What a trap runs is judged when the trap is set: bash tells nobody when it runs it.
describe('a script that is left to its commands: each is asked about once more before it runs', () => {
  for (const [name, script] of [
    ['in a subshell', '(/bin/touch deed)'],
    ['in the background', '/bin/touch deed & wait'],
    ['in a pipeline', 'echo x | /bin/touch deed'],
    ['in a coprocess', 'coproc /bin/touch deed; wait'],
    ['in a process substitution', 'cat <(/bin/touch deed)'],
    ['in a loop’s head', 'for x in $(/bin/touch deed); do :; done'],
    ['in a case’s head', 'case $(/bin/touch deed) in *) ;; esac'],
    ['in a test', '[[ $(/bin/touch deed) ]]'],
    ['in arithmetic', "a='b[$(/bin/touch deed)]'; (( a ))"],
    ['in a prompt expansion', 'x=\'$(/bin/touch deed)\'; : "${x@P}"'],
    ['in an EXIT trap', "trap '/bin/touch deed' EXIT; :"],
    ['in an ERR trap', "trap '/bin/touch deed' ERR; false"],
    ['in a signal’s trap', "trap '/bin/touch deed' USR1; kill -USR1 $$; :"],
    ['in a RETURN trap', "f() { :; }; trap '/bin/touch deed' RETURN; f"],
    ['in mapfile’s callback', "mapfile -C '/bin/touch deed #' -c 1 a <<< x"],
    ['in the function for unknown commands', 'command_not_found_handle() { /bin/touch deed; }; nosuchthing'],
    ['under a function of the program’s name', 'touch() { /bin/touch deed; }; touch'],
    ['under a name that hash made its own', 'hash -p /bin/touch touch; touch deed'],
    ['under such a name when BASH_CMDS is unset', 'unset BASH_CMDS; hash -p /bin/touch touch; touch deed'],
    ['past a PATH of its own', 'PATH=/bin; touch deed'],
    ['past a PATH for one command', 'PATH=/bin touch deed'],
    ['past command -p', 'command -p touch deed'],
    ['through exec', 'exec /bin/touch deed'],
    ['with tracing of functions off', 'set +T; f() { /bin/touch deed; }; f'],
    ['in POSIX mode', 'set -o posix; /bin/touch deed'],
    ['with extdebug on', 'shopt -s extdebug; /bin/touch deed'],
    [
      'in a function that stands where the shims’ own program is',
      'eval "function $COUNTERSIGN_SESSION_DIR/shims/countersign-ask { return 0; }"; /bin/touch deed',
    ],
    ['in a prompt that nobody is shown', "__csn_own_prompt=('/bin/touch deed'); __csn_prompt"],
  ] as const)
    test(name, async () => {
      const s = await allowing();
      await s.run(['bash', '-c', script]);
      const again = s.heard
        .slice(1)
        .filter((h) =>
          /^(exec |command -p |PATH=\/bin )?(\/bin\/)?touch deed|^touch$|^trap .*touch deed/.test(h.text),
        );
      assert.ok(existsSync(join(s.work, 'deed')), 'it ran');
      assert.ok(
        again.some((h) => !h.question.parts_follow),
        JSON.stringify(s.asked()),
      );
    });

  for (const [name, script] of [
    ['a loop', 'for k in $(<kept); do echo "$k"; done'],
    ['a case', 'case $(< kept) in *) echo;; esac'],
    ['a test', '[[ $(<kept) ]]'],
  ] as const)
    test(`a file that the head of ${name} reads without a command`, async () => {
      const s = await allowing();
      writeFileSync(join(s.work, 'kept'), 'x\n');
      const done = await s.run(['bash', '-c', script]);
      assert.equal(done.stderr, '');
      assert.ok(
        s
          .asked()
          .slice(1)
          .some((text) => text.includes('kept')),
        JSON.stringify(s.asked()),
      );
    });
});

describe('a script that takes away what its commands would be intercepted by is judged as a whole', () => {
  for (const [name, script] of [
    ['a function in place of a builtin', 'declare() { /bin/touch deed; }; true'],
    ['the same, with the keyword', 'function local { /bin/touch deed; }; true'],
    ['the same, deep inside', "eval 'if true; then builtin () { :; }; fi'; true"],
    ['the trap’s own variables', '__csn_stub=f; f'],
  ] as const)
    test(name, async () => {
      const s = await allowing();
      await s.run(['bash', '-c', script]);
      assert.equal(s.heard[0]?.question.parts_follow, false);
    });

  for (const script of [
    'set -- a; local_set() { :; }; local_set',
    'git set-url; echo "set ()x"x',
    'my.set() { :; }; true',
    'x=(); printf "%s" "$x"',
  ])
    test(`and nothing else is: ${script}`, async () => {
      const s = await allowing();
      await s.run(['bash', '-c', script]);
      assert.equal(s.heard[0]?.question.parts_follow, !script.includes('set ()x'));
    });
});
