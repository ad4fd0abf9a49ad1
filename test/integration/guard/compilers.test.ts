// Compilers start without a question (docs/decisions/0043-starts-without-a-question.md), against somebody who wants more of that.
import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { guardTables } from '../../../electron/daemon/guard-tables.ts';
import { shimmedPrograms } from '../../../electron/daemon/normalize.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { loadPolicy } from '../../../electron/edge/policy-dir.ts';
import type { GuardTables } from '../../../electron/wire/guard-message.ts';
import { type GuardSession, openGuardSession, type Question, ROOT } from './session-double.ts';

let real: GuardTables;
before(async () => {
  const knowledge = loadKnowledge(join(ROOT, 'resources/knowledge'));
  const policy = await loadPolicy([{ directory: join(ROOT, 'resources/policies'), optional: false }]);
  assert.ok(knowledge.ok && policy.ok);
  real = guardTables({
    policy: policy.value.set,
    knowledge: knowledge.value,
    workspace: '/w',
    home: '/home/ada',
    guard: { writable: ['/w'], tools: [], temp: '/private', veiled: [], hosts: [] },
    programs: shimmedPrograms(knowledge.value, { set: policy.value.set } as Parameters<
      typeof shimmedPrograms
    >[1]),
    own: ['/home/ada/.local/state/countersign'],
    sessionDirectory: '/run/csn/sessions/s',
    allows: () => true,
  });
});

const inWork = (question: Question, session: GuardSession): boolean =>
  [question.get('p'), question.get('s')].some((path) => path?.startsWith(session.work) === true);

/** A session under the tables of the policy that comes with Countersign, whose daemon denies what the agent wrote. */
async function attacked(body: (session: GuardSession) => Promise<void>): Promise<void> {
  const made: { session: GuardSession | null } = { session: null };
  const session = await openGuardSession(
    (question) => ({
      decision: made.session !== null && inWork(question, made.session) ? 'DENY' : 'ALLOW',
      message: 'denied\n',
    }),
    { names: real.programs, triggers: real.triggers },
  );
  made.session = session;
  try {
    writeFileSync(join(session.work, 'a.c'), 'int main(void) { return 0; }\n');
    for (const name of ['evil', 'tools/as', 'tools/cc1', 'tools/ld'])
      script(session, name, `#!/bin/sh\ntouch ${session.work}/ran\n`);
    await body(session);
    assert.ok(!existsSync(join(session.work, 'ran')), 'what the agent wrote has run');
    assert.deepEqual(session.faults, []);
  } finally {
    session.close();
  }
}

function script(session: GuardSession, name: string, text: string): void {
  mkdirSync(join(session.work, 'tools'), { recursive: true });
  writeFileSync(join(session.work, name), text);
  chmodSync(join(session.work, name), 0o755);
}

test('a whole compilation is no question, and every start in it is an effect', async () => {
  await attacked(async (session) => {
    const done = await session.run(['gcc', '-O1', '-o', 'a', 'a.c']);
    assert.equal(done.code, 0, done.stderr);
    assert.ok(existsSync(join(session.work, 'a')));
    assert.deepEqual(session.asked(), []);
    const started = session.effects.filter((row) => row.startsWith('exec|')).join('\n');
    for (const name of ['gcc', 'cc1', 'as', 'ld'])
      assert.match(started, new RegExp(`[/-]${name}(?:-[0-9]+|\\.bfd)?$`, 'm'));
  });
});

const ATTACKS: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>?])[] = [
  ['a wrapper', ['gcc', '-wrapper', './evil', '-c', 'a.c']],
  ['a folder of programs', ['gcc', '-B./tools/', '-c', 'a.c']],
  ['a folder of programs in the environment', ['gcc', '-c', 'a.c'], { COMPILER_PATH: './tools' }],
  ['a prefix of programs', ['gcc', '-c', 'a.c'], { GCC_EXEC_PREFIX: './tools/' }],
  ['a linker of its own', ['gcc', '-B./tools/', '-o', 'a', 'a.c']],
  [
    'a search path',
    ['gcc', '-c', 'a.c'],
    { PATH: `./tools:${process.env['PATH']}`, COMPILER_PATH: './tools' },
  ],
];
for (const [label, command, env] of ATTACKS)
  test(`runs nothing that the agent wrote without a question when a compiler is given ${label}`, async () => {
    await attacked(async (session) => {
      const done = await session.run(command, { env: { ...process.env, ...env } });
      assert.notEqual(done.code, 0);
      const asked = session.questions.filter((question) => inWork(question, session));
      assert.ok(asked.length > 0, 'it was not asked about');
      for (const question of asked) assert.equal(question.get('w'), '1');
    });
  });

test('asks about a compiler that is the agent’s own copy, and about a shell that is called one', async () => {
  await attacked(async (session) => {
    copyFileSync(realpathSync('/usr/bin/gcc'), join(session.work, 'gcc'));
    chmodSync(join(session.work, 'gcc'), 0o755);
    assert.notEqual((await session.run(['./gcc', '-c', 'a.c'])).code, 0);
    assert.ok(session.questions.some((question) => inWork(question, session)));
    symlinkSync(realpathSync('/bin/sh'), join(session.work, 'cc'));
    const before = session.questions.length;
    await session.run(['./cc', '-c', 'true']);
    assert.equal(session.questions[before]?.get('p'), realpathSync('/bin/sh'));
    const again = session.questions.length;
    // Under another first word, too.
    await session.run(['bash', '-c', 'exec -a gcc /bin/sh -c true']);
    assert.ok(
      session.questions.slice(again).some((question) => question.get('p') === realpathSync('/bin/sh')),
    );
  });
});

test('asks about a compiler that is given the name of a secret, or of Countersign’s own files', async () => {
  await attacked(async (session) => {
    for (const word of [
      '/home/ada/.ssh/id_rsa',
      '../.aws/credentials',
      '/home/ada/.local/state/countersign/x',
    ]) {
      const before = session.questions.length;
      await session.run(['gcc', '-E', '-x', 'c', word]);
      assert.equal(session.questions[before]?.kind, 'exec', word);
    }
  });
});
