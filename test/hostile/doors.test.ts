import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ControlConnection } from '../../shims/cli/control-client.ts';
import {
  actionMessage,
  memoryOf,
  openTestSession,
  type RawPeer,
  rawPeer,
  receiptsOf,
  refusalsOf,
  type TestSession,
} from '../support/doors.ts';
import { type DaemonProcess, type Installation, installation, waitFor } from '../support/installation.ts';

/** What a stranger may throw at the doors of a real daemon; afterwards it answers, remembers and runs nothing. */

let place: Installation;
let daemon: DaemonProcess;
let control: ControlConnection;
let session: TestSession;
/** Its own session: whatever happens to the others, this one is answered. */
let bystander: TestSession;
before(async () => {
  place = installation();
  daemon = await place.startDaemon();
  control = await place.control();
  session = await openTestSession(place, control, 'attacker');
  bystander = await openTestSession(place, control, 'bystander');
});
after(() => place?.dispose());

/** Not a budget but a bound: the heap keeps what a megabyte of hostile shell took, and must not take it again each time. */
const MIB_BOUND = 1200;

/** The promise after every attack. */
async function assertUnharmed(): Promise<void> {
  assert.equal(daemon.process.exitCode, null, daemon.log());
  const speaker = await bystander.speak();
  const decision = await speaker.ending(speaker.act('echo still here'));
  assert.equal(decision.result, 'ALLOW');
  speaker.close();
  assert.equal(existsSync(join(place.work, 'ran')), false, 'nothing ran');
  const memory = memoryOf(daemon.pid, (path) => readFileSync(path, 'utf8'));
  assert.ok(memory < MIB_BOUND, `${memory} MiB`);
}

/** Waits until the ledger tells of so many refusals of a kind; a flood is counted within a second or so. */
async function assertRefused(kind: string, atLeast: number): Promise<void> {
  const deadline = performance.now() + 8000;
  for (;;) {
    const count = refusalsOf(place).get(kind) ?? 0;
    if (count >= atLeast) return;
    if (performance.now() > deadline) assert.fail(`${count} refusals of ${kind}, not ${atLeast}`);
    await new Promise((r) => setTimeout(r, 100));
  }
}

/** The rows are files: `first` is sent in place of a hello, `then` after a good one; the code is the refusal's. */
function rows(door: 'submit' | 'control') {
  const directory = join(import.meta.dirname, door);
  return readdirSync(directory)
    .sort()
    .map((file) => {
      const [when = '', code = '', what = ''] = file.split('.');
      const bytes = Buffer.from(
        readFileSync(join(directory, file), 'latin1')
          .replaceAll('@SESSION@', session.id)
          .replaceAll('@WORK@', place.work),
        'latin1',
      );
      return { when, code, name: `${when} ${what}`, bytes };
    });
}

test('each hostile line closes its connection of the submit door and leaves a receipt', async () => {
  const wanted = new Map<string, number>();
  for (const row of rows('submit')) {
    const peer: RawPeer =
      row.when === 'then' ? await session.speak() : await rawPeer(place.places.submitSocket);
    peer.send(Buffer.concat([row.bytes, Buffer.from('\n')]));
    // What follows a refused line is not looked at, however good it is.
    const follow = actionMessage(session, session.next(), 'touch ran', { cwd: place.work });
    peer.send(`${JSON.stringify(follow)}\n`);
    await peer.closed().catch((cause) => assert.fail(`${row.name}: ${cause}`));
    assert.ok(!peer.lines.some((line) => line.includes('ALLOW')), row.name);
    // What is wrongly signed is told DENY; of anything else the refusal's code comes back.
    const said = peer.lines.join('\n');
    assert.ok(
      said.includes(row.code) || said.includes('identity could not be verified'),
      `${row.name}: ${said}`,
    );
    wanted.set(row.code, (wanted.get(row.code) ?? 0) + 1);
  }
  for (const [code, count] of wanted) await assertRefused(`submit:${code}`, count);
  await assertUnharmed();
  const asked = receiptsOf(place).filter((r) => JSON.stringify(r.receipt.body).includes('touch ran'));
  assert.deepEqual(
    asked.map((r) => r.receipt.kind),
    [],
    'no line behind a refused one was judged',
  );
});

test('each hostile line closes its connection of the control door and leaves a receipt', async () => {
  const wanted = new Map<string, number>();
  for (const row of rows('control')) {
    const peer = await rawPeer(place.places.controlSocket);
    await peer.line(0);
    peer.send(Buffer.concat([row.bytes, Buffer.from('\n{"type":"stop","request":"1"}\n')]));
    await peer.closed().catch((cause) => assert.fail(`${row.name}: ${cause}`));
    wanted.set(row.code, (wanted.get(row.code) ?? 0) + 1);
  }
  for (const [code, count] of wanted) await assertRefused(`control:${code}`, count);
  const left = () => readdirSync(place.places.controlDir).filter((name) => name.startsWith('proof-'));
  await waitFor(() => left().length === 0);
  await assertUnharmed();
});

test('a line past the bound is cut off where the bound is, with and without an end', async () => {
  for (const end of ['\n', '']) {
    const peer = await session.speak();
    const chunk = Buffer.alloc(1024 * 1024, 0x61);
    for (let n = 0; n < 12 && !peer.isClosed; n += 1) {
      peer.send(chunk);
      await new Promise((r) => setTimeout(r, 5));
    }
    peer.send(end);
    await peer.closed();
  }
  await assertRefused('submit:too_long', 2);
  await assertUnharmed();
});

test('a command line past 1 MiB is refused, one of 1 MiB is judged', async () => {
  const speaker = await session.speak();
  speaker.act(`: ${'x'.repeat(1024 * 1024)}`);
  await speaker.closed();
  await assertUnharmed();
});

/** Each a megabyte of what a parser likes least. */
const LONG: readonly (readonly [string, (bytes: number) => string])[] = [
  ['one word', (n) => `echo ${'x'.repeat(n - 5)}`],
  ['many words', (n) => 'echo a'.padEnd(n, ' a')],
  ['many commands', (n) => ':;'.repeat(n / 2)],
  ['many pipes', (n) => `a${'|a'.repeat(n / 2 - 1)}`],
  ['nested substitutions', (n) => `echo ${'$('.repeat(n / 4)}${')'.repeat(n / 4)}`],
  ['unclosed substitutions', (n) => `echo ${'$('.repeat(n / 2 - 3)}`],
  ['unclosed quotes', (n) => `echo "${'`'.repeat(n - 8)}`],
  ['nested subshells', (n) => `${'('.repeat(n / 2)}${')'.repeat(n / 2)}`],
  ['nested groups', (n) => `${'{ '.repeat(n / 4)}${'} '.repeat(n / 4)}`],
  ['brace bombs', (n) => `echo ${'{a,b}'.repeat(n / 5 - 2)}`],
  ['a range bomb', () => 'echo {1..999999999}{1..999999999}'],
  ['nested braces', (n) => `echo ${'{a,'.repeat(n / 4 - 2)}${'}'.repeat(n / 4)}`],
  ['assignments', (n) => 'a=1 '.repeat(n / 4)],
  ['here-documents', (n) => `${'cat <<A\nx\nA\n'.repeat(n / 12)}`],
  ['redirections', (n) => `echo ${'>a '.repeat(n / 3 - 2)}`],
  ['backslashes', (n) => `echo ${'\\'.repeat(n - 6)}`],
  ['comments', (n) => '#\n'.repeat(n / 2)],
  ['and-lists', (n) => `a${'&&a'.repeat(n / 3 - 1)}`],
  ['ifs', (n) => `${'if a; then '.repeat(n / 16)}a${'; fi'.repeat(n / 16)}`],
  ['functions', (n) => 'f(){ f;};f;'.repeat(n / 11)],
  ['doubling variables', () => `a=xx;${'a=$a$a;'.repeat(200)} echo $a`],
  ['arithmetic', (n) => `echo $((${'('.repeat(n / 2 - 8)}`],
  ['extended patterns', (n) => `echo ${'@('.repeat(n / 2 - 4)}`],
  ['parameter expansions', (n) => `echo ${`\${a:-`.repeat(n / 5 - 2)}`],
  ['nested shells', () => `${"bash -c '".repeat(3)}${'eval '.repeat(50_000)}`],
  ['env wrappers', (n) => 'env '.repeat(n / 4)],
  ['sudo wrappers', (n) => 'sudo '.repeat(n / 5)],
  ['xargs wrappers', (n) => 'xargs '.repeat(n / 6)],
  ['encodings', (n) => `echo ${Buffer.alloc((n * 3) / 4 - 32).toString('base64')} | base64 -d | sh`],
  ['newlines', (n) => '\n'.repeat(n)],
  ['control characters', (n) => `echo ${'\u0001'.repeat(n - 8)}`],
];

for (const [name, make] of LONG)
  test(`a megabyte of ${name} is judged or denied, and others are answered meanwhile`, async () => {
    const speaker = await session.speak();
    const other = await bystander.speak();
    const line = make(1024 * 1024 - 64).slice(0, 1024 * 1024);
    const request = speaker.act(line);
    const beside = other.act('echo beside');
    // The surface's own deadline: what takes longer is a denial there, and all others waited as long.
    const answer = await speaker.first(request, 10_000);
    assert.equal((await other.ending(beside, 10_000)).result, 'ALLOW');
    assert.ok(['decision', 'waiting'].includes(String(answer.type)));
    speaker.close();
    other.close();
  });

test('NUL bytes in words are judged or refused, and never cut a word short', async () => {
  const speaker = await session.speak();
  const answer = await speaker.first(speaker.act('touch a\u0000b'));
  assert.ok(['decision', 'waiting'].includes(String(answer.type)));
  const exec = { operation: 'exec', command_line: null, argv: ['touch', 'ran\u0000harmless'] };
  const second = await speaker.first(speaker.act('', exec));
  assert.ok(['decision', 'waiting'].includes(String(second.type)));
  speaker.close();
  await assertUnharmed();
});

test('names of the language’s own members are names like others', async () => {
  const speaker = await session.speak();
  for (const name of [
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'valueOf',
    '__defineGetter__',
  ]) {
    const answer = await speaker.first(
      speaker.act(`${name} $${name} ${name}=1; rm -rf ./$${name}; ${name}() { :; }; ${name}`),
    );
    assert.doesNotMatch(String(answer.reason), /firewall itself failed/, name);
    const exec = await speaker.first(
      speaker.act('', { operation: 'exec', command_line: null, argv: [name, name] }),
    );
    assert.doesNotMatch(String(exec.reason), /firewall itself failed/, name);
  }
  speaker.close();
  await assertUnharmed();
});

test('a line sent a byte at a time is cut off, whichever door and however far it got', async () => {
  const slow = await Promise.all([
    rawPeer(place.places.submitSocket),
    rawPeer(place.places.controlSocket),
    session.speak(),
  ]);
  const timers = slow.map((peer) => setInterval(() => peer.send('{'), 20));
  await Promise.all(slow.map((peer) => peer.closed(15_000)));
  for (const timer of timers) clearInterval(timer);
  await assertUnharmed();
});

test('a line that arrives in pieces within its time is one line', async () => {
  const speaker = await session.speak();
  const message = actionMessage(session, session.next(), 'echo in pieces', { cwd: place.work });
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length; at += 7) {
    speaker.send(bytes.subarray(at, at + 7));
    await new Promise((r) => setImmediate(r));
  }
  assert.equal((await speaker.ending(message.request)).result, 'ALLOW');
  speaker.close();
});

test('a peer that closes its own half is let go, and what it asked is withdrawn', async () => {
  for (let n = 0; n < 20; n += 1) {
    const speaker = await session.speak();
    speaker.act('echo half open');
    speaker.socket.end();
    await speaker.closed();
  }
  await assertUnharmed();
});

for (const door of ['submit', 'control'] as const)
  test(`500 connections that never speak do not keep the ${door} door from others`, async () => {
    const path = door === 'submit' ? place.places.submitSocket : place.places.controlSocket;
    const idle: RawPeer[] = [];
    for (let n = 0; n < 500; n += 1) idle.push(await rawPeer(path));
    if (door === 'submit') await assertUnharmed();
    else (await place.control()).close();
    // Past the bound the oldest are shown out at once; the rest when their time to say hello is over.
    await Promise.all(idle.map((peer) => peer.closed(15_000)));
    await assertRefused(`${door}:no_hello`, 100);
    await assertUnharmed();
  });

test('a session’s name is not enough to hold its connections: they are bounded', async () => {
  const spare = await openTestSession(place, control, 'crowded');
  const speakers = [];
  for (let n = 0; n < 8; n += 1) speakers.push(await spare.speak());
  const ninth = await rawPeer(place.places.submitSocket);
  ninth.send(`${JSON.stringify({ v: 1, type: 'hello', session: spare.id, nonce: 'n'.repeat(32) })}\n`);
  assert.match(await ninth.line(0), /too_many_connections/);
  await ninth.closed();
  speakers.pop()?.close();
  await new Promise((r) => setTimeout(r, 50));
  speakers.push(await spare.speak());
  for (const speaker of speakers) speaker.close();
  await assertUnharmed();
});

test('a client that never reads its replies is cut off, and costs a bounded amount of memory', async () => {
  const deaf = await openTestSession(place, control, 'deaf');
  const speaker = await deaf.speak();
  speaker.socket.pause();
  speaker.socket.removeAllListeners('data');
  // Refused past the queue's bound, each with a reply that nobody reads.
  const reason = 'echo deaf';
  for (let n = 0; n < 40; n += 1) {
    for (let m = 0; m < 100; m += 1) speaker.act(reason);
    await new Promise((r) => setTimeout(r, 10));
  }
  await assertUnharmed();
  speaker.close();
});
