import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type GuardSession, openGuardSession } from './session-double.ts';
import { eventually, isAlive, sessionOf, stopWhole, treeOf } from './stage.ts';

/** Ten beats of a second, and time for a machine that has other work. */
const NOTICED_MS = 25_000;

function outputOf(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  return () => text;
}

async function endsWhenStopped(session: GuardSession, child: ChildProcess, output: () => string) {
  const { supervisor, first } = await sessionOf(child.pid ?? -1);
  const inside = treeOf(first);
  await stopWhole(supervisor);
  await eventually(
    'the watchdog ended it',
    () => ([...inside, supervisor].some(isAlive) ? null : true),
    NOTICED_MS,
  );
  await eventually('it says why', () => (/supervisor hangs/.test(output()) ? true : null));
  assert.deepEqual(session.faults, []);
}

const NEVER = new Promise<never>(() => undefined);

test('ends the session when the supervisor stops while a worker holds a notification that a person is asked about', async () => {
  const session = await openGuardSession(
    (question) =>
      question.kind === 'connect'
        ? { decision: 'ALLOW', waiting: 'asked', after: NEVER }
        : { decision: 'ALLOW' },
    {},
  );
  try {
    const child = session.start([
      'python3',
      '-c',
      `import socket; socket.socket().connect(('192.0.2.1', 80))`,
    ]);
    const output = outputOf(child);
    await eventually('it is asked', () => session.questions.find((q) => q.kind === 'connect') ?? null);
    await endsWhenStopped(session, child, output);
  } finally {
    session.close();
  }
});

test('ends the session when the supervisor stops while nothing waits, and while notifications come without a pause', async () => {
  const rows = [
    ['sh', '-c', 'sleep 60; echo on'],
    ...Array.from({ length: 6 }, () => ['sh', '-c', 'while :; do echo x > a; rm a; done']),
  ];
  await Promise.all(
    rows.map(async (command, i) => {
      const session = await openGuardSession(() => ({ decision: 'ALLOW' }), {});
      try {
        const child = session.start(command);
        const output = outputOf(child);
        await sessionOf(child.pid ?? -1);
        await new Promise((resolve) => setTimeout(resolve, 300 + i * 37));
        await endsWhenStopped(session, child, output);
      } finally {
        session.close();
      }
    }),
  );
});

test('does not end the session while more connections wait for a person than there are workers', async () => {
  let allow = (): void => undefined;
  const person = new Promise<void>((resolve) => {
    allow = resolve;
  });
  const session = await openGuardSession(
    (question) =>
      question.kind === 'connect'
        ? { decision: 'DENY', waiting: 'asked', after: person }
        : { decision: 'ALLOW' },
    {},
  );
  try {
    const child = session.start([
      'python3',
      '-c',
      `
import socket, threading
def go(i):
    s = socket.socket()
    try: s.connect(('192.0.2.1', 1000 + i))
    except OSError: pass
threading.stack_size(65536)
t = [threading.Thread(target=go, args=(i,)) for i in range(600)]
[x.start() for x in t]
print('all wait', flush=True)
[x.join() for x in t]
open('done', 'w').write('done')
print('all done')`,
    ]);
    const output = outputOf(child);
    await eventually('they wait', () => (session.questions.length >= 500 ? true : null), 20_000);
    const asked = session.questions.length;
    // Longer than it takes to notice a supervisor that hangs.
    await new Promise((resolve) => setTimeout(resolve, 13_000));
    assert.equal(child.exitCode, null, output());
    assert.ok(asked < 600, 'more wait than there are workers');
    allow();
    await eventually('all were answered', () => (/all done/.test(output()) ? true : null), 20_000);
    assert.equal(readFileSync(`${session.work}/done`, 'utf8'), 'done');
  } finally {
    session.close();
  }
});
