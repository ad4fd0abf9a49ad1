// What a program is called when it is judged, against somebody who changes where its name leads.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Answer,
  compileInto,
  type GuardSession,
  openGuardSession,
  type Question,
} from './session-double.ts';

const ALLOW: Answer = { decision: 'ALLOW' };
const ID = realpathSync('/usr/bin/id');
const TRUE = '/usr/bin/true';

/** `one/a/true` is the agent's; `two/a` leads to the system's programs. */
async function between(
  make: (one: string, session: GuardSession) => void,
  name: string,
  words: readonly string[],
  body: (questions: readonly Question[], session: GuardSession) => void,
): Promise<void> {
  const session = await openGuardSession(() => ALLOW, { names: ['id', 'sh', 'dash', 'bash'] });
  try {
    const attack = compileInto(session, 'exec-name');
    mkdirSync(join(session.work, 'one/a'), { recursive: true });
    mkdirSync(join(session.work, 'two'));
    symlinkSync('/usr/bin', join(session.work, 'two/a'));
    make(join(session.work, 'one'), session);
    const ended = await session.run([attack, session.work, name, '150', ...words]);
    assert.equal(ended.code, 0, ended.stderr);
    body(session.questions, session);
    assert.deepEqual(session.faults, []);
  } finally {
    session.close();
  }
}

test('a program is never judged by a name that led to it and leads to another now', async () => {
  await between(
    (one) => symlinkSync(ID, join(one, 'a/true')),
    'a/true',
    ['id'],
    (questions, session) => {
      const ran = questions.filter((q) => q.get('p') === ID && !(q.get('o') ?? '').endsWith('exec-name'));
      assert.ok(ran.length > 0, 'the race never began');
      for (const q of ran) {
        assert.equal(q.get('s'), null, 'no script runs');
        const called = q.get('o') ?? '';
        assert.ok(called === ID || called.startsWith(session.work), `id was called ${called}`);
      }
    },
  );
});

test('a script whose name may lead elsewhere by now counts as one that the session wrote', async () => {
  await between(
    (one) => {
      writeFileSync(join(one, 'a/true'), '#!/bin/sh\nexit 0\n');
      chmodSync(join(one, 'a/true'), 0o755);
    },
    'a/true',
    ['x'],
    (questions) => {
      const scripts = questions.filter((q) => q.get('s') !== null);
      assert.ok(scripts.length > 0, 'the race never began');
      for (const q of scripts) assert.equal(q.get('w'), '1', `${q.get('s')} counts as firm`);
      assert.ok(questions.every((q) => q.get('p') !== TRUE));
    },
  );
});

test('a program that is handed its own name as an argument is no script of itself', async () => {
  const session = await openGuardSession(() => ALLOW, { names: ['id'] });
  try {
    const attack = compileInto(session, 'exec-name');
    for (const folder of ['one', 'two']) mkdirSync(join(session.work, folder));
    for (const folder of ['one', 'two']) symlinkSync(ID, join(session.work, folder, 'push'));
    await session.run([attack, session.work, 'push', '20', 'id', 'push', 'origin']);
    const asked = session.questions.filter((q) => q.get('p') === ID);
    // The folders change places meanwhile: now and then nothing is there to start.
    assert.ok(asked.length > 0);
    for (const question of asked) {
      assert.equal(question.get('s'), null, 'its first argument would be left out of the judgement');
      assert.deepEqual(question.argv, ['id', 'push', 'origin']);
    }
  } finally {
    session.close();
  }
});

test('a script of the system keeps its name, also through the links of the system', async () => {
  const session = await openGuardSession(() => ALLOW, { all: true });
  try {
    const script = systemScript();
    await session.run([script]);
    const [asked] = session.questions;
    assert.equal(asked?.get('s'), realpathSync(script));
    assert.equal(asked?.get('w'), null, 'nobody in the session can change where it leads');
  } finally {
    session.close();
  }
});

/** `ldd` is a script wherever there is a C compiler. */
function systemScript(): string {
  return '/bin/ldd';
}
