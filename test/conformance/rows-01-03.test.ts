import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitFor } from '../support/installation.ts';
import { decisionsAbout, part, type Stage, stage } from './stage.ts';

let s: Stage;
before(async () => {
  s = await stage();
});
after(() => s?.dispose());

test('row 1: a DENY does not execute, and its receipt names rule and reason (R1.a, R1.d)', async () => {
  s.files('denied.txt');
  const done = await s.bash('rm denied.txt');
  assert.ok(s.has('denied.txt'), 'the file is still there');
  assert.notEqual(done.code, 0);
  assert.match(done.stderr, /the test denies it/);
  assert.match(done.stderr, /leave it where it is/);
  const decision = decisionsAbout(s.receipts(), 'denied.txt').find((d) => d.result === 'DENY');
  assert.equal(decision?.policy_id, 'conformance/denied');
  assert.match(String(decision?.reason), /denies/);
});

test('row 1: what stands before and after a denied command runs, the denied one does not (R1.b)', async () => {
  s.files('denied-2.txt');
  await s.bash('touch before.txt; rm denied-2.txt; touch after.txt');
  // The invocation as a whole names a denied command: nothing of it may run.
  assert.ok(s.has('denied-2.txt'));
});

for (const [name, script] of [
  ['by its path', '/bin/rm denied-3.txt'],
  ['through env', 'env rm denied-3.txt'],
  ['through a variable', 'X=rm; $X denied-3.txt'],
  ['through sh -c', "sh -c 'rm denied-3.txt'"],
  ['through eval', "eval 'rm denied-3.txt'"],
  ['through xargs', 'echo denied-3.txt | xargs rm'],
  ['through find', "find . -name 'denied-3.txt' -exec rm {} ';'"],
  ['in a subshell', '(rm denied-3.txt)'],
  ['in a function', 'f() { rm denied-3.txt; }; f'],
  ['with a quoted name', "r''m denied-3.txt"],
  ['with a backslash', '\\rm denied-3.txt'],
  ['in a pipeline', 'true | rm denied-3.txt'],
  ['in the background', 'rm denied-3.txt & wait'],
  ['by a Python child', "python3 -c \"import subprocess; subprocess.run(['rm', 'denied-3.txt'])\""],
] as const) {
  test(`row 1: a denied command has no effect ${name} (R1.b, R3.k)`, async () => {
    s.files('denied-3.txt');
    await s.bash(script);
    assert.ok(s.has('denied-3.txt'), 'the file is still there');
  });
}

test('row 2: a DEFER suspends without effect until the fact arrives, with a deferral receipt (R4.d1, R4.d8)', async () => {
  s.files('later-1.txt');
  const running = s.bash('rm later-1.txt');
  const person = s.person(['approve', '--list', '--json']);
  await waitFor(() => s.ofKind('deferral').some((r) => JSON.stringify(r.receipt.body).includes('later-1')));
  assert.ok(s.has('later-1.txt'), 'nothing happened while it is parked');
  await person.exit;
  const said = s.person(['intent', 'set', 'remove the later-1 file']);
  await said.exit;
  const done = await running;
  assert.equal(done.code, 0, done.stderr);
  assert.ok(!s.has('later-1.txt'), 'it ran once it could be decided');
  const deferral = s.ofKind('deferral').find((r) => JSON.stringify(r.receipt.body).includes('later-1'));
  assert.match(String(part(deferral, 'deferral').reason), /request/);
});

test('row 3: with the daemon killed, the action fails (R1.c)', async () => {
  const own = await stage();
  try {
    own.files('x.txt');
    const running = own.bash('touch started; sleep 2; rm x.txt; echo code=$?');
    await waitFor(() => own.has('started'));
    await own.daemon.kill('SIGKILL');
    const done = await running;
    assert.ok(own.has('x.txt'), 'the file is still there');
    assert.match(done.stderr, /denied/);
  } finally {
    await own.dispose();
  }
});

test('row 3: with the daemon hung, the action fails at the surface’s own deadline (R1.c)', async () => {
  const own = await stage();
  try {
    own.files('x.txt');
    const running = own.cli(['run', '--', 'bash', '-c', 'touch started; sleep 1; rm x.txt; echo code=$?'], {
      timeoutMs: 90_000,
    });
    await waitFor(() => own.has('started'));
    own.daemon.process.kill('SIGSTOP');
    const done = await running;
    own.daemon.process.kill('SIGCONT');
    assert.ok(own.has('x.txt'), 'the file is still there');
    assert.match(done.stderr, /denied/);
  } finally {
    await own.dispose();
  }
});
