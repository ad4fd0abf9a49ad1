import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Database from 'better-sqlite3';
import { ledgerPath } from '../../electron/edge/ledger-file.ts';
import { waitFor } from '../support/installation.ts';
import { decisionsAbout, part, type Stage, stage } from './stage.ts';

let s: Stage;
before(async () => {
  s = await stage();
});
after(() => s?.dispose());

test('row 4: the context at step N holds all prior actions and classes (R2.a, R2.b, R2.e)', async () => {
  mkdirSync(join(s.home, '.ssh'), { recursive: true });
  writeFileSync(join(s.home, '.ssh', 'id_ed25519'), 'not a real key\n');
  const done = s.bash('touch one; touch two; cat ./one; cat "$HOME/.ssh/id_ed25519"; touch three');
  await answerAll(s, 'allow', () => done);
  await done;
  const session = s.ofKind('session').at(-1)?.receipt.session ?? '';
  const entries = s.contextOf(session);
  const seen = (words: string) =>
    entries.findIndex((e) => e.kind === 'action' && JSON.stringify(e.body).includes(words));
  assert.ok(
    seen('touch one') >= 0 &&
      seen('touch two') > seen('touch one') &&
      seen('touch three') > seen('touch two'),
  );
  const last = s
    .receipts()
    .findLast(
      (r) => r.receipt.kind === 'decision' && JSON.stringify(r.receipt.body.action).includes('three'),
    );
  const context = part(last, 'context');
  assert.ok(Number(context.length) > seen('touch two'));
  assert.ok(
    entries.some((e) => e.hash === context.hash),
    'the receipt binds the context it was decided in',
  );
  assert.ok(
    entries.some((e) => e.kind === 'data'),
    'what was read is classified',
  );
  assert.ok(
    entries.some((e) => e.kind === 'outcome'),
    'results are there too',
  );
});

test('row 5: an edited context entry is detected (R2.f)', async () => {
  const own = await stage();
  try {
    await own.bash('touch a; touch b');
    await own.daemon.kill();
    assert.equal((await own.cli(['verify'])).code, 0);
    const db = new Database(ledgerPath(join(own.places.state, 'ledger')));
    // Triggers only keep honest programs from editing; the adversary drops them first.
    for (const trigger of db
      .prepare("select name from sqlite_master where type='trigger'")
      .pluck()
      .all() as string[])
      db.exec(`drop trigger ${trigger}`);
    const table = db
      .prepare("select name from sqlite_master where type='table' and name like '%context%'")
      .pluck()
      .get() as string;
    const changed = db
      .prepare(`update ${table} set entry = replace(entry, 'touch', 'tough') where entry like '%touch%'`)
      .run();
    assert.ok(changed.changes > 0, 'the attack changed something');
    db.close();
    const verified = await own.cli(['verify']);
    assert.equal(verified.code, 1);
    assert.match(verified.stdout + verified.stderr, /context/);
  } finally {
    await own.dispose();
  }
});

test('row 6: forbidden is DENY in any context: asked for, approved for the session, aligned (R3.b)', async () => {
  s.files('forbidden.txt');
  for (const intent of ['rm forbidden.txt', 'please delete forbidden.txt, I allow it']) {
    await s.bash('rm forbidden.txt', intent);
    assert.ok(s.has('forbidden.txt'));
  }
  const decisions = decisionsAbout(s.receipts(), 'forbidden.txt');
  assert.ok(decisions.length > 0 && decisions.every((d) => d.result === 'DENY' && d.rank === 'forbidden'));
});

test('row 7: an action that was allowed is denied after a sensitive read (R3.c)', async () => {
  mkdirSync(join(s.home, '.aws'), { recursive: true });
  writeFileSync(join(s.home, '.aws', 'credentials'), '[default]\n');
  await s.bash('touch upload-1');
  assert.ok(s.has('upload-1'), 'before the read it is allowed');
  const running = s.bash('cat ~/.aws/credentials; touch upload-2');
  await answerAll(s, 'allow', () => running);
  await running;
  assert.ok(!s.has('upload-2'), 'after the read it is not');
  assert.ok(decisionsAbout(s.receipts(), 'upload-2').some((d) => d.policy_id === 'conformance/context'));
});

test('row 8: a denied action with confirming context is asked about instead (R3 class table)', async () => {
  s.files('aligned-1.txt', 'aligned-2.txt');
  await s.bash('rm aligned-1.txt', 'tidy up a little');
  assert.ok(s.has('aligned-1.txt'), 'without confirmation it is denied');
  const running = s.bash('rm aligned-2.txt', 'please run `rm aligned-2.txt`');
  await answerAll(s, 'allow', () => running);
  await running;
  assert.ok(!s.has('aligned-2.txt'));
  const decisions = decisionsAbout(s.receipts(), 'aligned-2.txt');
  assert.ok(decisions.some((d) => d.result === 'STEP_UP'));
});

test('row 9: rules of one priority that conflict DEFER (R3.d, R3.g)', async () => {
  s.files('conflict.txt');
  const running = s.bash('rm conflict.txt');
  await waitFor(() =>
    s.ofKind('deferral').some((r) => JSON.stringify(r.receipt.body).includes('conflict.txt')),
  );
  assert.ok(s.has('conflict.txt'));
  await answerAll(s, 'deny', () => running);
  await running;
  assert.ok(s.has('conflict.txt'));
  const deferral = s
    .ofKind('deferral')
    .find((r) => JSON.stringify(r.receipt.body.action).includes('conflict.txt'));
  assert.match(String(part(deferral, 'deferral').reason), /conformance\/conflict-a/);
  assert.match(String(part(deferral, 'deferral').reason), /conformance\/conflict-b/);
});

/** A person at a terminal of their own answers everything the same way until the run ends. */
async function answerAll(
  place: Stage,
  answer: 'allow' | 'deny',
  until: () => Promise<unknown>,
): Promise<void> {
  let over = false;
  void until().finally(() => {
    over = true;
  });
  while (!over) {
    const listed = await place.cli(['approve', '--list', '--json']);
    const [first] = listed.code === 0 ? (JSON.parse(listed.stdout) as { handle: string }[]) : [];
    if (first === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    const person = place.person(['approve', first.handle, `--${answer}`]);
    await person.exit;
  }
}
