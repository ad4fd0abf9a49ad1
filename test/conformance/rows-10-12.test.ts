import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { waitFor } from '../support/installation.ts';
import { decisionsAbout, part, type Stage, stage } from './stage.ts';

let s: Stage;
before(async () => {
  s = await stage();
});
after(() => s?.dispose());

test('row 10: ALLOW runs it as it is, and its outcome is linked (R4, R5.g)', async () => {
  const done = await s.bash('touch allowed.txt');
  assert.equal(done.code, 0, done.stderr);
  assert.ok(s.has('allowed.txt'));
  const decision = s
    .ofKind('decision')
    .find((r) => JSON.stringify(r.receipt.body.action).includes('touch allowed.txt'));
  const outcome = s.ofKind('outcome').find((r) => r.receipt.body.decision_receipt === decision?.receipt.id);
  assert.equal(part(outcome, 'outcome').result, 'succeeded');
});

test('row 10: DENY runs nothing', async () => {
  s.files('denied.txt');
  await s.bash('rm denied.txt');
  assert.ok(s.has('denied.txt'));
});

test('row 10: MODIFY runs the changed action: a forced push loses the race it should lose (R4)', async () => {
  const git = (...args: readonly string[]) =>
    execFileSync(
      'git',
      ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'init.defaultBranch=main', ...args],
      { cwd: s.work, stdio: 'pipe' },
    ).toString();
  git('init', '-q', '--bare', 'remote.git');
  for (const clone of ['a', 'b']) git('clone', '-q', 'remote.git', clone);
  const commit = (clone: string, name: string) => {
    writeFileSync(join(s.work, clone, name), name);
    git('-C', clone, 'add', '.');
    git('-C', clone, 'commit', '-qm', name);
  };
  commit('a', 'first');
  git('-C', 'a', 'push', '-q', 'origin', 'HEAD:feature');
  git('-C', 'b', 'fetch', '-q');
  git('-C', 'b', 'reset', '-q', '--hard', 'origin/feature');
  commit('b', 'of-b');
  commit('a', 'of-a');
  git('-C', 'a', 'push', '-q', 'origin', 'HEAD:feature');
  const theirs = git('-C', 'remote.git', 'rev-parse', 'feature').trim();
  const done = await s.cli(['run', '--', 'bash', '-c', 'git push --force origin HEAD:feature'], {
    cwd: join(s.work, 'b'),
  });
  assert.match(done.stderr, /force-with-lease/, 'the agent is told what ran instead');
  assert.equal(
    git('-C', 'remote.git', 'rev-parse', 'feature').trim(),
    theirs,
    'the other’s commit was not overwritten',
  );
  const receipt = s.receipts().find((r) => r.receipt.body.modified !== undefined);
  assert.equal(part(receipt, 'decision').result, 'MODIFY');
  assert.equal(part(receipt, 'modified').transform, 'force-with-lease');
});

test('row 10: STEP_UP runs after a person allowed it, by one key of the live inbox (R4.s1)', async () => {
  s.files('ask-1.txt');
  const person = s.person(['approve']);
  await person.until(/nothing waits/);
  const running = s.bash('rm ask-1.txt', 'tidy up');
  await person.until(/STEP_UP[\s\S]*rm ask-1\.txt[\s\S]*\[a\] allow once/);
  assert.ok(s.has('ask-1.txt'), 'nothing happened while it waits');
  assert.match(person.screen(), /the test asks/);
  assert.match(person.screen(), /tidy up/, 'the approver sees the original request');
  await new Promise((resolve) => setTimeout(resolve, 500));
  person.type('a');
  const done = await running;
  assert.equal(done.code, 0, done.stderr);
  assert.ok(!s.has('ask-1.txt'));
  const approval = s.ofKind('approval').at(-1);
  assert.equal(part(approval, 'approval').answer, 'allowed');
  assert.match(String(part(approval, 'approval').approver), /terminal/);
  person.type('q');
  await person.exit;
});

test('row 10: STEP_UP does not run after a person denied it, and the agent hears the note', async () => {
  s.files('ask-2.txt');
  const running = s.bash('rm ask-2.txt');
  const handle = await pendingHandle(s);
  const person = s.person(['approve', handle, '--deny', '--note', 'move it instead']);
  assert.equal(await person.exit, 0, person.screen());
  const done = await running;
  assert.ok(s.has('ask-2.txt'));
  assert.match(done.stderr, /move it instead/);
});

test('row 10: STEP_UP edited by a person runs the person’s words (MODIFY)', async () => {
  s.files('ask-3.txt', 'other.txt');
  const running = s.bash('rm ask-3.txt');
  const handle = await pendingHandle(s);
  const person = s.person(['approve', handle, '--edit', 'rm other.txt']);
  assert.equal(await person.exit, 0, person.screen());
  await running;
  assert.ok(s.has('ask-3.txt'));
  assert.ok(!s.has('other.txt'));
});

test('row 10: “for this session” covers the same again and nothing else (R4)', async () => {
  s.files('ask-4.txt', 'ask-5.txt');
  const running = s.bash('rm ask-4.txt; touch marker; rm -f ask-5.txt');
  const first = await pendingHandle(s);
  assert.equal(await s.person(['approve', first, '--session']).exit, 0);
  await waitFor(() => !s.has('ask-4.txt'));
  const second = await pendingHandle(s);
  assert.ok(s.has('ask-5.txt'), 'other flags are another question');
  assert.equal(await s.person(['approve', second, '--deny']).exit, 0);
  await running;
  assert.ok(s.has('ask-5.txt'));
});

test('row 10: DEFER resumes when what is missing arrives', async () => {
  s.files('later.txt');
  const running = s.bash('rm later.txt');
  await waitFor(() => s.ofKind('deferral').length > 0);
  assert.ok(s.has('later.txt'));
  assert.equal(await s.person(['intent', 'set', 'remove it later']).exit, 0);
  await running;
  assert.ok(!s.has('later.txt'));
});

test('row 11: a STEP_UP that nobody answers is a DENY (R4.s3)', async () => {
  s.files('brief.txt');
  const done = await s.bash('rm brief.txt');
  assert.ok(s.has('brief.txt'));
  assert.match(done.stderr, /nobody answered in time/);
  const approval = s.ofKind('approval').at(-1);
  assert.equal(part(approval, 'approval').answer, 'timed_out');
  assert.equal(part(approval, 'decision').result, 'DENY');
});

test('row 12: a DEFER whose fact never arrives is a DENY (R4.d4)', async () => {
  s.files('soon.txt');
  const done = await s.bash('rm soon.txt');
  assert.ok(s.has('soon.txt'));
  assert.notEqual(done.code, 0);
  const decisions = decisionsAbout(s.receipts(), 'soon.txt').map((d) => d.result);
  assert.deepEqual(decisions.slice(-2), ['DEFER', 'DENY']);
});

/** Waits for a question and gives its handle. */
async function pendingHandle(place: Stage): Promise<string> {
  for (let i = 0; i < 300; i += 1) {
    const listed = await place.cli(['approve', '--list', '--json']);
    const [first] = JSON.parse(listed.stdout || '[]') as { handle: string }[];
    if (first !== undefined) return first.handle;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nothing ever waited');
}
