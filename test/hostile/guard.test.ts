import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { exactly } from '../../electron/wire/octets.ts';
import type { ControlConnection } from '../../shims/cli/control-client.ts';
import { memoryOf, openTestSession, receiptsOf, refusalsOf, type TestSession } from '../support/doors.ts';
import {
  asker,
  execOf,
  fileOf,
  type GuardDouble,
  type GuardStart,
  guardConnection,
  guardDouble,
} from '../support/guard-double.ts';
import { type DaemonProcess, type Installation, installation } from '../support/installation.ts';

/** What may be thrown at the guard's door of a real daemon: nothing is answered but DENY, and others are answered meanwhile. */

let place: Installation;
let daemon: DaemonProcess;
let control: ControlConnection;
let session: TestSession;
let bystander: TestSession;

function start(of: TestSession, role: GuardStart['role'] = 'ask'): GuardStart {
  return { socket: place.places.guardSocket, session: of.id, secret: of.secret, role };
}

before(async () => {
  place = installation();
  daemon = await place.startDaemon();
  control = await place.control();
  const guard = { writable: [place.work], tools: [], temp: null, veiled: [], hosts: [] };
  session = await openTestSession(place, control, 'attacked', { assurance: 'enforced', guard });
  bystander = await openTestSession(place, control, 'bystander', { assurance: 'enforced', guard });
});
after(() => place?.dispose());

const question = () => execOf(['git', 'status'], { cwd: place.work });

async function assertUnharmed(): Promise<void> {
  assert.equal(daemon.process.exitCode, null, daemon.log());
  const other = await guardDouble(start(bystander));
  assert.equal((await other.ask(question())).result, 'ALLOW');
  other.close();
  assert.ok(memoryOf(daemon.pid, (path) => readFileSync(path, 'utf8')) < 1200);
}

async function assertRefused(code: string, atLeast: number): Promise<void> {
  const deadline = performance.now() + 8000;
  for (;;) {
    const count = refusalsOf(place).get(`guard:${code}`) ?? 0;
    if (count >= atLeast) return;
    if (performance.now() > deadline) assert.fail(`${count} refusals of ${code}, not ${atLeast}`);
    await new Promise((r) => setTimeout(r, 100));
  }
}

const judged = () => receiptsOf(place).filter(({ receipt }) => receipt.session === session.id).length;

test('each hostile frame closes its connection and leaves a receipt, and nothing behind it is looked at', async () => {
  const directory = join(import.meta.dirname, 'guard');
  const wanted = new Map<string, number>();
  const before = judged();
  for (const file of readdirSync(directory).sort()) {
    const [when = '', code = '', what = ''] = file.split('.');
    const bytes = Buffer.from(readFileSync(join(directory, file), 'utf8').replaceAll('\n', ''), 'hex');
    let peer: GuardDouble;
    if (when === 'first') {
      peer = await guardConnection(start(session));
      peer.send(bytes);
    } else {
      peer = await guardDouble(start(session, when === 'watch' ? 'watch' : 'ask'));
      peer.sayBody(bytes);
    }
    peer.say(question());
    await peer.closed().catch((cause) => assert.fail(`${file}: ${cause}`));
    assert.ok(!peer.heard.some((m) => m.kind === 'answer'), `${when} ${what}`);
    wanted.set(code, (wanted.get(code) ?? 0) + 1);
  }
  for (const [code, count] of wanted) await assertRefused(code, count);
  const lost = receiptsOf(place).filter(({ receipt }) => receipt.body.event === 'guard_lost').length;
  assert.equal(judged() - before, lost, 'only that the watch was lost was recorded');
  await assertUnharmed();
});

test('a guard without the session’s secret is shown the door', async () => {
  const peer = await guardConnection({ ...start(session), secret: bystander.secret });
  peer.say({ kind: 'hello', session: session.id, nonce: peer.nonce, role: 'ask' });
  await peer.closed();
  await assertRefused('bad_seal', 1);
});

test('a frame whose last byte was changed is not looked at', async () => {
  const peer = await guardDouble(start(session));
  const frame = Uint8Array.from(peer.frameOf(question()));
  const last = frame.length - 1;
  frame[last] = (frame[last] ?? 0) ^ 1;
  peer.send(frame);
  await peer.closed();
  assert.deepEqual(peer.heard, []);
  await assertUnharmed();
});

test('a frame that was sent before, on this connection or another, is refused', async () => {
  const before = judged();
  const peer = await guardDouble(start(session));
  const frame = peer.frameOf(question());
  peer.send(frame);
  await peer.message(0);
  peer.send(frame);
  await peer.closed();
  assert.equal(peer.heard.length, 1);
  const other = await guardDouble(start(session));
  other.send(frame);
  await other.closed();
  assert.deepEqual(other.heard, []);
  assert.equal(judged() - before, 1);
});

test('frames in another order are refused', async () => {
  const peer = await guardDouble(start(session));
  const first = peer.frameOf({ kind: 'pong' });
  const second = peer.frameOf(question());
  peer.send(second);
  peer.send(first);
  await peer.closed();
  assert.deepEqual(peer.heard, []);
});

test('a hello that was heard once opens no second connection', async () => {
  const guard = await guardConnection(start(session));
  const hello = guard.frameOf({ kind: 'hello', session: session.id, nonce: guard.nonce, role: 'ask' });
  guard.send(hello);
  await guard.welcomed();
  const relay = await guardConnection(start(session));
  relay.send(hello);
  await relay.closed();
  assert.deepEqual(relay.heard, []);
  await assertRefused('replay', 1);
  guard.close();
});

test('a second question before the first is answered closes the connection and withdraws both', async () => {
  const peer = await guardDouble(start(session));
  peer.say(execOf(['git', 'push', '--force', 'origin', 'main'], { cwd: place.work }));
  await peer.message(0);
  peer.say(question());
  await peer.closed();
  assert.ok(!peer.heard.some((m) => m.kind === 'answer'));
});

test('there is one watch at a time, and a session without a guard has none', async () => {
  const first = await guardDouble(start(session, 'watch'));
  const second = await guardConnection(start(session, 'watch'));
  second.say({ kind: 'hello', session: session.id, nonce: second.nonce, role: 'watch' });
  await second.closed();
  assert.ok(!first.isClosed);
  first.close();
  const bare = await openTestSession(place, control, 'bare');
  const none = await guardConnection(start(bare));
  none.say({ kind: 'hello', session: bare.id, nonce: none.nonce, role: 'ask' });
  await none.closed();
  await assertRefused('no_guard', 1);
  await assertRefused('second_watch', 1);
});

test('more than a cooperative session is not opened without a guard', async () => {
  await assert.rejects(openTestSession(place, control, 'boast', { assurance: 'enforced', guard: null }));
});

test('a frame sent a byte at a time is cut off', async () => {
  const peer = await guardDouble(start(session));
  const timer = setInterval(() => peer.send(Uint8Array.of(0x43)), 500);
  const frame = peer.frameOf(question()).subarray(0, 12);
  peer.send(frame);
  await peer.closed(15_000);
  clearInterval(timer);
});

test('a flood of connections that never speak does not keep a guard from asking', async () => {
  const idle: GuardDouble[] = [];
  for (let n = 0; n < 400; n += 1) idle.push(await guardConnection(start(session)));
  await assertUnharmed();
  await Promise.all(idle.map((peer) => peer.closed(15_000)));
  await assertRefused('no_hello', 100);
});

test('a flood of questions and reports of one session leaves the others answered and memory bounded', async () => {
  const watch = await guardDouble(start(session, 'watch'));
  const workers = await Promise.all(Array.from({ length: 16 }, () => guardDouble(start(session))));
  const outer = await workers[0]?.ask(question());
  const scope = outer?.action ?? null;
  const report = Array.from({ length: 2000 }, (_, n) => ({
    operation: 'write' as const,
    scope: n % 2 === 0 ? scope : null,
    error: 0,
    path: exactly(`${place.work}/${'x'.repeat(200)}${n}`),
    destination: null,
  }));
  const flood = workers.map(async (worker, at) => {
    for (let n = 0; n < 100; n += 1)
      await worker.ask(fileOf('create', `${place.home}/${at}-${n}`, { asker: asker(scope) }));
  });
  for (let n = 0; n < 10; n += 1) watch.say({ kind: 'effects', effects: report });
  await assertUnharmed();
  await Promise.all(flood);
  watch.close();
  for (const worker of workers) worker.close();
  await assertUnharmed();
});
