import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';
import { compileDriver, fields, tables } from './driver.ts';
import {
  type Guard,
  KEY,
  type LinkBehaviour,
  type LinkDouble,
  openLinkDouble,
  type Peer,
  startGuard,
} from './link-double.ts';

const driver = compileDriver('link-driver', 'checked');
const doubles: LinkDouble[] = [];
const guards: Guard[] = [];
after(() => {
  // Those of tests that failed.
  for (const guard of guards) guard.child.kill('SIGKILL');
  for (const double of doubles) double.close();
  driver.remove();
});

const answer = (
  decision: string,
  ...more: readonly (readonly [string, string | Buffer])[]
): readonly Field[] => fields(['k', 'answer'], ['D', decision], ...more);

/** Allows, and says the object back as the action. */
const allow: LinkBehaviour['answer'] = (question, peer) =>
  peer.send(answer('ALLOW', ['i', question.get('p') ?? '']));

async function start(behaviour: Partial<LinkBehaviour> = {}): Promise<{ double: LinkDouble; guard: Guard }> {
  const double = await openLinkDouble({ key: KEY, answer: allow, ...behaviour });
  doubles.push(double);
  const guard = startGuard(driver, double);
  guards.push(guard);
  return { double, guard };
}

async function started(
  behaviour: Partial<LinkBehaviour> = {},
): Promise<{ double: LinkDouble; guard: Guard }> {
  const both = await start(behaviour);
  await both.guard.next('started');
  return both;
}

/** Ends a guard whose sanitizers must have found nothing: no leak, no race with its end. */
async function endWell(guard: Guard, double: LinkDouble, faults: readonly string[] = []): Promise<void> {
  const { code, stderr } = await guard.end();
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(double.faults, faults);
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); await new Promise((r) => setTimeout(r, 5)))
    if (Date.now() > end) throw new Error('it never came');
}

const asks = (double: LinkDouble) => double.peers.filter((p) => p.role === 'ask').length;

describe('a question', () => {
  test('is answered, on one connection for all that a thread asks', async () => {
    const { double, guard } = await started();
    for (const path of ['/a', '/b', '/c']) {
      guard.tell(`ask file write ${path}`);
      assert.equal(await guard.next('reply'), `ALLOW [${path}] []`);
    }
    assert.equal(asks(double), 1);
    await endWell(guard, double);
  });

  test('carries what was answered: message, action, end wanted, remembered', async () => {
    const { double, guard } = await started({
      answer: (_, peer) =>
        peer.send(answer('DENY', ['m', 'countersign: no\nbytes \xff'], ['i', 'act_1'], ['x', ''], ['G', ''])),
    });
    guard.tell('ask file write /a');
    assert.equal(await guard.next('reply'), 'DENY [act_1] [countersign: no\\nbytes \xc3\xbf] x G');
    await endWell(guard, double);
  });

  test('of two megabytes arrives whole', async () => {
    let size = 0;
    const { double, guard } = await started({
      answer(question, peer) {
        size = question.get('a')?.length ?? 0;
        allow(question, peer);
      },
    });
    guard.tell('ask exec - /bin/x 2000000');
    assert.equal(await guard.next('reply'), 'ALLOW [/bin/x] []');
    assert.equal(size, 2_000_000);
    await endWell(guard, double);
  });

  test('that is larger than a frame is denied and not sent', async () => {
    const { double, guard } = await started();
    guard.tell(`ask exec - /bin/x ${16 * 1024 * 1024 - 60}`);
    assert.match(await guard.next('reply'), /^DENY \[\] \[countersign: denied: the question is larger/);
    guard.tell('ask file write /next');
    assert.match(await guard.next('reply'), /^ALLOW/);
    await endWell(guard, double);
  });

  test('may be answered with a change: a program and its argv, or a place for the object', async () => {
    const { double, guard } = await started({
      answer: (question, peer) =>
        peer.send(
          String(question.get('k')) === 'exec'
            ? answer('MODIFY', ['p', '/bin/echo'], ['a', 'echo'], ['a', ''], ['a', 'b c'])
            : answer('MODIFY', ['p', '/trash/1']),
        ),
    });
    guard.tell('ask exec - /bin/rm');
    assert.equal(await guard.next('reply'), 'MODIFY [] [] p=/bin/echo a=echo a= a=b c');
    guard.tell('ask file delete /a');
    assert.equal(await guard.next('reply'), 'MODIFY [] [] p=/trash/1');
    guard.tell('ask file write /a');
    assert.equal(await guard.next('reply'), 'MODIFY [] [] p=/trash/1');
    // What makes a name cannot be done elsewhere.
    guard.tell('ask file create /a');
    assert.match(await guard.next('reply'), /^DENY/);
    await endWell(guard, double);
  });

  test('is told what is waited for, and waits as long as it is told', async () => {
    const { double, guard } = await started({
      answer(question, peer) {
        peer.send(fields(['k', 'waiting'], ['m', 'one'], ['d', '60000']));
        peer.send(fields(['k', 'waiting'], ['m', 'two'], ['d', '0']));
        setTimeout(() => allow(question, peer), 1500);
      },
    });
    guard.tell('ask file write /a');
    assert.equal(await guard.next('waiting'), 'main one 60000');
    assert.equal(await guard.next('waiting'), 'main two 0');
    assert.equal(await guard.next('reply'), 'ALLOW [/a] []');
    await endWell(guard, double);
  });

  test('is denied two seconds after what was waited for is over, and its connection closed', async () => {
    const { double, guard } = await started({
      answer: (_, peer) => peer.send(fields(['k', 'waiting'], ['m', ''], ['d', '100'])),
    });
    const begun = Date.now();
    guard.tell('ask file write /a');
    assert.match(await guard.next('reply'), /^DENY \[\] \[countersign: denied: the daemon did not answer/);
    const took = Date.now() - begun;
    assert.ok(took >= 2000 && took < 5000, String(took));
    await until(() => double.closed.length === 1);
    await endWell(guard, double);
  });

  test('is denied after ten seconds of silence', async () => {
    const { double, guard } = await started({ answer: () => undefined });
    const begun = Date.now();
    guard.tell('ask file write /a');
    assert.match(await guard.next('reply'), /^DENY \[\] \[countersign: denied: the daemon did not answer/);
    const took = Date.now() - begun;
    assert.ok(took >= 9900 && took < 14_000, String(took));
    await endWell(guard, double);
  });

  test('is withdrawn when the process that asked is gone, and the next is asked anew', async () => {
    let withdrawn = false;
    const { double, guard } = await started({
      answer(question, peer) {
        if (String(question.get('p')) === '/b') return allow(question, peer);
        peer.socket.on('close', () => {
          withdrawn = true;
        });
        peer.send(fields(['k', 'waiting'], ['m', 'you'], ['d', '60000']));
      },
    });
    guard.tell('gone 200 file write /a');
    assert.match(
      await guard.next('reply'),
      /^DENY \[\] \[countersign: denied: the process that asked is gone/,
    );
    await until(() => withdrawn);
    guard.tell('ask file write /b');
    assert.match(await guard.next('reply'), /^ALLOW/);
    assert.equal(asks(double), 2);
    await endWell(guard, double);
  });

  test('is asked on a new connection when the daemon closed the idle one', async () => {
    const { double, guard } = await started();
    guard.tell('ask file write /a');
    await guard.next('reply');
    double.peers.find((p) => p.role === 'ask')?.socket.destroy();
    await until(() => double.closed.length === 1);
    guard.tell('ask file write /b');
    assert.equal(await guard.next('reply'), 'ALLOW [/b] []');
    assert.equal(asks(double), 2);
    await endWell(guard, double);
  });

  test('of 16 threads at once is each answered with its own answer', async () => {
    const { double, guard } = await started();
    guard.tell('threads 16 50');
    assert.equal(await guard.next('threads'), '800 of 800');
    assert.equal(asks(double), 16);
    // A thread that ends gives its connection back.
    await until(() => double.closed.length === 16);
    await endWell(guard, double);
  });
});

/** What a wrong daemon does to its answer; the question is denied, and the next one is asked on a new connection. */
const WRONGS: readonly (readonly [string, (question: ReadonlyMap<string, Buffer>, peer: Peer) => void])[] = [
  ['a changed byte', (_, peer) => peer.send(answer('ALLOW', ['i', 'act_1']), (f) => flip(f, 20))],
  ['a changed seal', (_, peer) => peer.send(answer('ALLOW'), (f) => flip(f, f.length - 1))],
  ['no seal', (_, peer) => void peer.socket.write(encodeFrame(answer('ALLOW')))],
  [
    'a replayed frame',
    (_, peer) => {
      const waiting = peer.sealed(fields(['k', 'waiting'], ['m', ''], ['d', '1']));
      peer.socket.write(Buffer.concat([waiting, waiting]));
    },
  ],
  [
    'reordered frames',
    (_, peer) => {
      const first = peer.sealed(fields(['k', 'waiting'], ['m', ''], ['d', '1']));
      peer.socket.write(Buffer.concat([peer.sealed(answer('ALLOW')), first]));
    },
  ],
  [
    'a frame that is left out',
    (_, peer) => {
      peer.sealed(answer('DENY'));
      peer.send(answer('ALLOW'));
    },
  ],
  [
    'a frame that is cut short',
    (_, peer) => {
      const whole = peer.sealed(answer('ALLOW'));
      peer.socket.end(whole.subarray(0, whole.length - 3));
    },
  ],
  [
    'a frame that never ends',
    (_, peer) => void peer.socket.write(peer.sealed(answer('ALLOW')).subarray(0, 30)),
  ],
  ['a close in the middle', (_, peer) => void peer.socket.destroy()],
  ['a length beyond 16 MiB', (_, peer) => peer.send(answer('ALLOW'), (f) => written(f, 4, 2 ** 24 + 1))],
  ['another magic', (_, peer) => peer.send(answer('ALLOW'), (f) => flip(f, 0))],
  ['a field longer than its frame', (_, peer) => peer.send(answer('ALLOW'), (f) => written(f, 9, 99))],
  ['an answer without a decision', (_, peer) => peer.send(fields(['k', 'answer'], ['m', 'x']))],
  ['two decisions', (_, peer) => peer.send(answer('ALLOW', ['D', 'DENY']))],
  ['an unknown decision', (_, peer) => peer.send(answer('allow'))],
  ['an unknown field', (_, peer) => peer.send(answer('ALLOW', ['q', '1']))],
  ['an unknown kind', (_, peer) => peer.send(fields(['k', 'tables']))],
  ['an empty frame', (_, peer) => peer.send([])],
  ['a NUL in a text', (_, peer) => peer.send(answer('ALLOW', ['i', 'act\0x']))],
  ['a change of what cannot be changed', (_, peer) => peer.send(answer('MODIFY', ['p', '/a']))],
  ['a change to nothing', (_, peer) => peer.send(answer('MODIFY'))],
  ['an argv without a change', (_, peer) => peer.send(answer('ALLOW', ['a', 'x']))],
  ['a wait without an end', (_, peer) => peer.send(fields(['k', 'waiting'], ['m', 'x']))],
  ['a wait of no number', (_, peer) => peer.send(fields(['k', 'waiting'], ['m', 'x'], ['d', '-1']))],
];

function flip(frame: Buffer, at: number): Buffer {
  frame[at] = (frame[at] ?? 0) ^ 1;
  return frame;
}

function written(frame: Buffer, at: number, size: number): Buffer {
  frame.writeUInt32LE(size, at);
  return frame;
}

describe('a question whose answer has', () => {
  for (const [what, wrong] of WRONGS) {
    test(`${what} is denied, and that connection is not used again`, async () => {
      const { double, guard } = await started({
        answer: (question, peer) => (String(question.get('p')) === '/b' ? allow : wrong)(question, peer),
      });
      guard.tell('ask file create /a');
      assert.match(
        await guard.next('reply'),
        /^DENY \[\] \[countersign: denied: the daemon('s answer| broke off)/,
      );
      guard.tell('ask file create /b');
      assert.equal(await guard.next('reply'), 'ALLOW [/b] []');
      assert.equal(asks(double), 2);
      await endWell(guard, double);
    });
  }
});

describe('a link that cannot be made', () => {
  for (const [what, behaviour, why] of [
    ['the daemon has another key', { key: 'another' }, /no daemon that knows this session/],
    ['the welcome was changed', { welcome: (f: Buffer) => flip(f, 30) }, /no daemon that knows this session/],
    ['the welcome is no welcome', { welcome: () => encodeFrame([]) }, /no daemon that knows this session/],
    ['the tables are malformed', { tables: [field('k', 'tables'), field('q', '')] }, /no usable tables/],
    ['something else comes first', { tables: [field('k', 'ping')] }, /no usable tables/],
  ] as const) {
    test(`says so when ${what}`, async () => {
      const { double, guard } = await start(behaviour);
      assert.match(await guard.next('failed'), why);
      assert.equal((await guard.end()).code, 1);
      if ('key' in behaviour) assert.ok(double.peers.every((p) => p.role === 'watch'));
    });
  }

  test('says so when nobody is there', async () => {
    const guard = startGuard(driver, { path: '/nowhere/at/all.sock', session: 's' });
    assert.match(await guard.next('failed'), /`\/nowhere\/at\/all.sock`/);
    assert.equal((await guard.end()).code, 1);
  });
});

describe('pushes', () => {
  test('arrive in order, and a ping is answered', async () => {
    const { double, guard } = await started();
    const watch = double.watch();
    for (const [kind, path] of [
      ['grant', '/a b'],
      ['revoke', '/a b'],
      ['grant', '/c'],
    ] as const) {
      watch.send(fields(['k', kind], ['p', path]));
      assert.equal(await guard.next(kind), path);
    }
    watch.send(fields(['k', 'ping']));
    await until(() => double.watched.includes('pong'));
    await endWell(guard, double);
  });

  test('of new tables leave the link alive', async () => {
    const { double, guard } = await started();
    double.watch().send(tables({ names: ['rm'], files: ['w deny /a'] }));
    double.watch().send(fields(['k', 'grant'], ['p', '/behind']));
    await guard.next('grant');
    guard.tell('alive');
    assert.equal(await guard.next('alive'), '1');
    await endWell(guard, double);
  });

  test('of an end are told once, with why, and nothing is asked any more', async () => {
    const { double, guard } = await started();
    double.watch().send(fields(['k', 'end'], ['m', 'a person said so']));
    assert.equal(await guard.next('end'), 'a person said so');
    guard.tell('ask file write /a');
    assert.match(await guard.next('reply'), /^DENY/);
    double.watch().socket.destroy();
    guard.tell('sleep 100');
    guard.tell('alive');
    assert.equal(await guard.next('alive'), '0');
    assert.equal(guard.lines.filter((line) => line.startsWith('end ')).length, 1);
    assert.equal(asks(double), 0);
    await endWell(guard, double);
  });
});

/** What loses the watch connection, and with it everything. */
const LOSSES: readonly (readonly [string, (watch: Peer) => void])[] = [
  ['the daemon closes it', (watch) => void watch.socket.end()],
  [
    'the daemon dies in the middle of a frame',
    (watch) => void watch.socket.end(watch.sealed(tables({})).subarray(0, 12)),
  ],
  ['a seal is wrong', (watch) => watch.send(fields(['k', 'ping']), (f) => flip(f, f.length - 1))],
  ['a push is replayed', (watch) => replay(watch)],
  ['tables are malformed', (watch) => watch.send(tables({ files: ['w deny a'] }))],
  ['a push is unknown', (watch) => watch.send(fields(['k', 'answer'], ['D', 'ALLOW']))],
  ['a grant has no path', (watch) => watch.send(fields(['k', 'grant'], ['p', '']))],
  ['a grant has two paths', (watch) => watch.send(fields(['k', 'grant'], ['p', '/a'], ['p', '/b']))],
];

function replay(watch: Peer): void {
  const ping = watch.sealed(fields(['k', 'ping']));
  watch.socket.write(Buffer.concat([ping, ping]));
}

describe('a link that is lost', () => {
  for (const [what, lose] of LOSSES) {
    test(`because ${what} is told once, and then everything is denied`, async () => {
      const { double, guard } = await started();
      guard.tell('ask file write /a');
      assert.match(await guard.next('reply'), /^ALLOW/);
      lose(double.watch());
      assert.equal(await guard.next('end'), '(lost)');
      guard.tell('ask file write /b');
      assert.match(
        await guard.next('reply'),
        /^DENY \[\] \[countersign: denied: the daemon no longer answers/,
      );
      guard.tell('effects 10 20');
      guard.tell('stop 1000');
      assert.equal(await guard.next('stopped'), 'silent');
      assert.equal(guard.lines.filter((line) => line.startsWith('end ')).length, 1);
      await endWell(guard, double);
    });
  }

  test('while somebody waits for an answer denies at once', async () => {
    const { double, guard } = await started({
      answer: (_, peer) => peer.send(fields(['k', 'waiting'], ['m', 'you'], ['d', '60000'])),
    });
    guard.tell('ask file write /a');
    await guard.next('waiting');
    const begun = Date.now();
    double.watch().socket.destroy();
    assert.match(await guard.next('reply'), /^DENY \[\] \[countersign: denied: the daemon no longer answers/);
    assert.ok(Date.now() - begun < 2000);
    await endWell(guard, double);
  });
});

describe('reports', () => {
  test('arrive in order and in few batches, with what they say', async () => {
    const { double, guard } = await started();
    // Less than may wait: on a busy machine none is dropped.
    guard.tell('effects 3000 40');
    guard.tell('ended act_1 exit:3');
    await until(() => double.watched.includes('ended act_1 exit:3'));
    assert.equal(double.effects.length, 3000);
    for (const [n, row] of double.effects.entries()) {
      const path = `/e/${n}/`.padEnd(40, 'x');
      assert.equal(row, `write|act_1|${n % 3}|${path}${n % 4 === 0 ? '|/second' : ''}`);
    }
    assert.ok(double.batches() < 20, String(double.batches()));
    // The end comes behind what the program did.
    assert.equal(double.watched.at(-1), 'ended act_1 exit:3');
    await endWell(guard, double);
  });

  test('are not held back longer than a batch may wait', async () => {
    const { double, guard } = await started();
    const begun = Date.now();
    guard.tell('effects 1 20');
    await until(() => double.effects.length === 1);
    assert.ok(Date.now() - begun < 1000);
    await endWell(guard, double);
  });

  test('that come while a batch is still being sent follow it, though nothing else comes', async () => {
    const { double, guard } = await started();
    double.watch().socket.pause();
    guard.tell('effects 12 30000');
    guard.tell('sleep 300');
    guard.tell('effects 1 20');
    await guard.next('effects');
    await guard.next('effects');
    await new Promise((resolve) => setTimeout(resolve, 300));
    double.watch().socket.resume();
    await until(() => double.effects.length === 13);
    await endWell(guard, double);
  });

  test('that are left are sent before the end', async () => {
    const { double, guard } = await started();
    guard.tell('effects 100 40');
    guard.tell('ended act_2 signal:9');
    guard.tell('stop 5000');
    assert.equal(await guard.next('stopped'), 'silent');
    await until(() => double.watched.includes('ended act_2 signal:9'));
    assert.equal(double.effects.length, 100);
    assert.ok(!guard.lines.some((line) => line.startsWith('end ')));
    await endWell(guard, double);
  });

  test('that a slow daemon does not take are counted, and nobody waits long for them', async () => {
    const { double, guard } = await started();
    const watch = double.watch();
    watch.socket.pause();
    // More than every buffer on the way holds; each of those that find no room waits 100 ms.
    guard.tell('effects 60 30000');
    await guard.next('effects', 60_000);
    watch.socket.resume();
    guard.tell('stop 5000');
    await guard.next('stopped');
    await until(() => double.closed.includes(watch));
    const lost = double.effects.filter((row) => row.startsWith('dropped|'));
    const count = lost.reduce((sum, row) => sum + Number(row.split('|')[3]), 0);
    assert.ok(count > 0, 'nothing was dropped');
    assert.equal(count + double.effects.length - lost.length, 60);
    assert.ok(lost.every((row) => /^dropped\|\|0\|[1-9][0-9]*$/.test(row)));
    await endWell(guard, double);
  });
});

test('nothing is left open behind a hundred threads that asked', async () => {
  const { double, guard } = await started();
  guard.tell('threads 10 2');
  await guard.next('threads');
  guard.tell('fds');
  const before = await guard.next('fds');
  for (let n = 0; n < 10; n += 1) {
    guard.tell('threads 10 2');
    await guard.next('threads');
  }
  guard.tell('fds');
  assert.equal(await guard.next('fds'), before);
  await endWell(guard, double);
});
