import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { JsonObject } from '../../electron/core/brand.ts';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import type { ExecQuestion, GuardTables } from '../../electron/wire/guard-message.ts';
import { exactly } from '../../electron/wire/octets.ts';
import type { ControlConnection } from '../../shims/cli/control-client.ts';
import { type HeldSession, holdTestSession, receiptsOf } from '../support/doors.ts';
import { asker, execOf, fileOf, type GuardDouble, guardDouble } from '../support/guard-double.ts';
import { type DaemonProcess, type Installation, installation, waitFor } from '../support/installation.ts';

/** The guard's door of a real daemon, with a double for the kernel guard. */

let place: Installation;
let daemon: DaemonProcess;
let control: ControlConnection;
before(async () => {
  place = installation();
  const policies = join(place.places.config, 'policies');
  mkdirSync(policies, { recursive: true });
  writeFileSync(
    join(policies, 'own.yaml'),
    `pack: own
version: 1.0.0
description: what these tests need
rules:
  - id: own.workspace-frozen
    title: Touches the frozen file
    why: the test says so
    class: step_up
    risk: low
    subject: effect
    match: {effects: [write], labels: [ci]}
    when: effect.known && has_any(effect.labels, ["workspace"])
  - id: own.connection
    title: Connects where nobody should
    why: the test says so
    class: step_up
    risk: low
    subject: action
    match: {tools: [network], operations: [connect]}
    when: action.parameters.host == "named.example"
`,
  );
  daemon = await place.startDaemon({ COUNTERSIGN_APPROVAL_MS: '6000' });
  control = await place.control();
});
const held: HeldSession[] = [];
after(async () => {
  await place?.dispose();
  for (const session of held) await session.end();
});

interface Guarded extends HeldSession {
  readonly watch: GuardDouble;
  readonly ask: GuardDouble;
  tables(): GuardTables;
}

async function guarded(name: string): Promise<Guarded> {
  const session = await holdTestSession(place, name, {
    assurance: 'enforced',
    guard: {
      writable: [place.work],
      tools: [],
      temp: null,
      veiled: [join(place.home, '.ssh'), join(place.home, '.netrc')],
      hosts: ['registry.npmjs.org:443'],
    },
  });
  held.push(session);
  const start = { socket: place.places.guardSocket, session: session.id, secret: session.secret };
  const watch = await guardDouble({ ...start, role: 'watch' });
  const ask = await guardDouble({ ...start, role: 'ask' });
  await watch.message(0);
  return Object.assign(session, {
    watch,
    ask,
    tables: () => {
      const [first] = watch.heard;
      assert.ok(first?.kind === 'tables');
      return first.tables;
    },
  });
}

const exec = (words: readonly string[], more: Partial<ExecQuestion> = {}) =>
  execOf(words, { cwd: place.work, ...more });

function about(session: string, kind?: Receipt['receipt']['kind']): readonly Receipt[] {
  return receiptsOf(place).filter(
    ({ receipt }) => receipt.session === session && (kind === undefined || receipt.kind === kind),
  );
}

function outcomeOf(session: string, action: string | null): JsonObject | undefined {
  const found = about(session, 'outcome').find(({ receipt }) => receipt.body.action_id === action);
  return found?.receipt.body.outcome as JsonObject | undefined;
}

async function outcome(session: string, action: string | null): Promise<JsonObject> {
  await waitFor(() => outcomeOf(session, action) !== undefined);
  return outcomeOf(session, action) as JsonObject;
}

test('tables come at once and hold what the session was opened with', async () => {
  const session = await guarded('tables');
  const tables = session.tables();
  assert.ok(tables.programs.includes('git') && tables.programs.includes('python3'));
  // A connection that the guard let pass by itself would go round the proxy.
  assert.deepEqual(tables.hosts, []);
  const deny = tables.rows.findIndex((r) => r.verdict === 'deny' && r.pattern === place.places.state);
  const allow = tables.rows.findIndex((r) => r.verdict === 'allow' && r.pattern === place.work);
  assert.ok(deny >= 0 && allow > deny);
  assert.ok(tables.rows.slice(0, allow).some((r) => r.verdict === 'ask' && r.pattern === '*/.gitlab-ci.yml'));
});

test('an exec of the agent itself is an action with a receipt of its own, and its end is its outcome', async () => {
  const session = await guarded('own level');
  const answer = await session.ask.ask(exec(['git', 'status']));
  assert.equal(answer.result, 'ALLOW');
  assert.ok(answer.reportEnd && answer.action !== null);
  const [receipt] = about(session.id, 'decision');
  assert.equal((receipt?.receipt.body.action as JsonObject | undefined)?.surface, 'guard');
  session.watch.say({ kind: 'ended', action: answer.action, how: { kind: 'exit', code: 3 } });
  const ended = await outcome(session.id, answer.action);
  assert.equal(ended.result, 'failed');
  assert.equal(ended.exit_code, 3);
});

test('denies an exec that a rule forbids, with the words that a shim would show', async () => {
  const session = await guarded('denied');
  const answer = await session.ask.ask(exec(['rm', '-rf', '/']));
  assert.equal(answer.result, 'DENY');
  assert.match(answer.message, /^countersign: denied: .*\[shell\.delete-root\]/);
  assert.equal(answer.action, null);
});

test('what runs inside an action and is allowed by itself is counted in its outcome and leaves no receipt', async () => {
  const session = await guarded('effects');
  const outer = await session.ask.ask(exec(['make', 'all']));
  const scope = outer.action;
  assert.ok(scope !== null);
  const receipts = about(session.id).length;
  for (const name of ['cat', 'git', 'python3']) {
    const inner = await session.ask.ask(exec([name, '--version'], { asker: asker(scope) }));
    assert.deepEqual([inner.result, inner.action, inner.reportEnd], ['ALLOW', scope, false]);
  }
  const path = exactly(join(place.work, 'a.o'));
  session.watch.say({
    kind: 'effects',
    effects: [
      { operation: 'write', scope, error: 0, path, destination: null },
      { operation: 'delete', scope, error: 2, path, destination: null },
      // The guard tells of what it asked about, too: it is not counted twice.
      { operation: 'exec', scope, error: 0, path: exactly('/usr/bin/cat'), destination: null },
    ],
  });
  session.watch.say({ kind: 'ended', action: scope, how: { kind: 'exit', code: 0 } });
  const ended = await outcome(session.id, scope);
  assert.equal(ended.result, 'succeeded');
  const effects = ended.effects as readonly { kind: string; count: number; digest: string }[];
  assert.deepEqual(
    effects.map(({ kind, count }) => [kind, count]),
    [
      ['execute', 3],
      ['write', 1],
      ['delete_failed', 1],
    ],
  );
  assert.ok(effects.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest) && !/^0+$/.test(digest)));
  assert.equal(about(session.id).length, receipts + 1, 'only the outcome was added');
});

test('what a rule asks about inside an action is an action of its own', async () => {
  const session = await guarded('inside asks');
  const outer = await session.ask.ask(exec(['make', 'deploy']));
  const asked = session.ask.ask(
    exec(['git', 'push', '--force', 'origin', 'main'], { asker: asker(outer.action) }),
  );
  await session.ask.message(1);
  const [, waiting] = session.ask.heard;
  assert.ok(waiting?.kind === 'waiting');
  assert.match(waiting.message, /waits for your approval.*countersign approve [a-z2-7]{4}/);
  assert.ok(waiting.leftMs > 1000 && waiting.leftMs <= 6000);
  const answer = await asked;
  assert.equal(answer.result, 'DENY', 'nobody answers');
  assert.equal(about(session.id, 'approval').length, 1);
});

test('runs what a person allows, and not before', async () => {
  const session = await guarded('step up');
  const question = exec(['git', 'push', '--force', 'origin', 'main']);
  const asked = session.ask.ask(question);
  await session.ask.message(0);
  assert.ok(!session.ask.heard.some((m) => m.kind === 'answer'));
  const person = place.person(['approve']);
  await person.until(/\[a\]llow|allow/i);
  await new Promise((r) => setTimeout(r, 600));
  person.type('a');
  const answer = await asked;
  person.kill();
  assert.equal(answer.result, 'ALLOW');
  assert.ok(answer.reportEnd);
});

test('MODIFY names a program outside what the agent can write and its words', async () => {
  const session = await guarded('modify');
  const answer = await session.ask.ask(exec(['git', 'push', '--force', 'origin', 'topic']));
  assert.equal(answer.result, 'MODIFY');
  assert.equal(answer.path, '/usr/bin/git');
  assert.deepEqual(answer.argv, ['git', 'push', '--force-with-lease', 'origin', 'topic']);
  assert.match(answer.message, /changed to/);
});

test('a start that the trap’s line was judged for is an effect of that line', async () => {
  const session = await guarded('trap');
  const speaker = await session.speak();
  const line = await speaker.ending(speaker.act('/usr/bin/git log --oneline'));
  assert.equal(line.result, 'ALLOW');
  const receipts = about(session.id).length;
  const answer = await session.ask.ask(exec(['git', 'log', '--oneline']));
  assert.deepEqual([answer.result, answer.action, answer.reportEnd], ['ALLOW', line.action, false]);
  assert.equal(about(session.id).length, receipts, 'no receipt of its own');
  const again = await session.ask.ask(exec(['git', 'log', '--oneline']));
  assert.notEqual(again.action, line.action, 'once');
  speaker.close();
});

test('a shim starts unjudged, and what it was answered for is not judged again', async () => {
  const session = await guarded('shim');
  const shim = exactly(join(place.places.sessions, session.id, 'shims', 'git'));
  const before = about(session.id).length;
  const started = await session.ask.ask(exec(['git', 'log', '--stat'], { program: shim, called: shim }));
  assert.deepEqual([started.result, started.reportEnd], ['ALLOW', false]);
  assert.equal(about(session.id).length, before);
  const speaker = await session.speak();
  const argv = ['git', 'log', '--stat'];
  const shell = await speaker.ending(
    speaker.act('', { operation: 'exec', command_line: null, argv, cwd: place.work }),
  );
  assert.equal(shell.result, 'ALLOW');
  const real = await session.ask.ask(exec(argv));
  assert.deepEqual([real.result, real.action, real.reportEnd], ['ALLOW', shell.action, false]);
  const heard = session.ask.heard.length;
  session.ask.say(exec(argv, { program: shim, called: shim, writable: true }));
  const judged = await session.ask.message(heard);
  assert.equal(judged.kind, 'waiting', 'what the session can write is judged wherever it lies');
  session.ask.close();
  speaker.close();
});

test('a program of the agent’s own is no other program, whatever argv[0] says', async () => {
  const session = await guarded('disguise');
  const speaker = await session.speak();
  const line = await speaker.ending(speaker.act('git log --oneline'));
  const own = exactly(join(place.work, 'git'));
  const answer = await session.ask.ask(
    exec(['git', 'log', '--oneline'], { program: own, called: own, writable: true }),
  );
  assert.notEqual(answer.action, line.action, 'not covered by the line about git');
  const [last] = about(session.id, 'decision').slice(-1);
  const action = last?.receipt.body.action as { parameters: { argv: string[] } };
  assert.equal(action.parameters.argv[0], own.text);
  // A link in the workspace to an installed program: what counts is what the kernel runs.
  const link = await session.ask.ask(
    exec(['ls', '-rf', '/'], { program: exactly('/usr/bin/rm'), called: exactly(join(place.work, 'ls')) }),
  );
  assert.equal(link.result, 'DENY');
  speaker.close();
});

test('a veiled file is read after a person said so, for the session, without a second question', async () => {
  const session = await guarded('veiled');
  const path = exactly(join(place.home, '.netrc'));
  const asked = session.ask.ask({ kind: 'read', asker: asker(null, '/usr/bin/curl'), path });
  await session.ask.message(0);
  const person = place.person(['approve']);
  await person.until(/session/i);
  await new Promise((r) => setTimeout(r, 600));
  person.type('s');
  const answer = await asked;
  person.kill();
  assert.equal(answer.result, 'ALLOW');
  await session.watch.message(1);
  assert.deepEqual(session.watch.heard[1], { kind: 'grant', path });
  const second = await session.ask.ask({ kind: 'read', asker: asker(null, '/usr/bin/git'), path });
  assert.equal(second.result, 'ALLOW');
  // The guard asks on, and nobody is: once something that wants to steer the agent was read, a rule speaks of reading secrets.
  assert.equal(second.remember, false);
  const settled = about(session.id, 'approval');
  assert.equal(settled.length, 1);
});

test('files: own ones are denied, start-up files asked, ordinary ones allowed for good, and none is remembered that was asked', async () => {
  const session = await guarded('files');
  const deny = await session.ask.ask(fileOf('write', join(place.places.state, 'ledger', 'x')));
  assert.equal(deny.result, 'DENY');
  assert.ok(!deny.remember);
  const ordinary = await session.ask.ask(fileOf('create', join(place.home, 'notes.txt')));
  assert.deepEqual([ordinary.result, ordinary.remember], ['ALLOW', true]);
  const asked = session.ask.ask(fileOf('write', join(place.home, '.bashrc')));
  const waiting = await session.ask.message(2);
  assert.ok(waiting.kind === 'waiting');
  const refused = await asked;
  assert.deepEqual([refused.result, refused.remember], ['DENY', false]);
});

test('a file whose content acts later: a rule about every change of it is asked about first, ordinary content is not', async () => {
  const session = await guarded('late');
  const late = (path: string) =>
    ({
      kind: 'late',
      asker: asker(null, '/usr/bin/git'),
      operation: 'write',
      path: exactly(path),
      from: null,
    }) as const;
  mkdirSync(join(place.work, '.git'), { recursive: true });
  const settings = await session.ask.ask(late(join(place.work, '.git', 'config')));
  assert.equal(settings.result, 'ALLOW');
  const frozen = await session.ask.ask(late(join(place.work, '.gitlab-ci.yml')));
  assert.equal(frozen.result, 'DENY');
  assert.match(frozen.message, /own.workspace-frozen/);
});

test('a change of a file that was asked about has the guard’s report as its outcome', async () => {
  const session = await guarded('file outcome');
  const path = join(place.home, 'src/other.txt');
  const answer = await session.ask.ask(fileOf('delete', path));
  assert.equal(answer.result, 'ALLOW');
  session.watch.say({
    kind: 'effects',
    effects: [{ operation: 'delete', scope: null, error: 2, path: exactly(path), destination: null }],
  });
  const ended = await outcome(session.id, answer.action);
  assert.equal(ended.result, 'failed');
  assert.equal(ended.error, 'errno 2');
});

test('a document is moved to a place in the trash, which is given back when the guard could not', async () => {
  const session = await guarded('document');
  const path = join(place.home, 'Documents/a.odt');
  mkdirSync(join(place.home, 'Documents'));
  const answer = await session.ask.ask(fileOf('delete', path));
  const trash = join(place.home, '.local/share/Trash');
  assert.deepEqual([answer.result, answer.path], ['MODIFY', join(trash, 'files/a.odt')]);
  assert.deepEqual(readdirSync(join(trash, 'info')), ['a.odt.trashinfo']);
  session.watch.say({
    kind: 'effects',
    effects: [{ operation: 'delete', scope: null, error: 18, path: exactly(path), destination: null }],
  });
  const ended = await outcome(session.id, answer.action);
  assert.deepEqual([ended.result, ended.error], ['failed', 'errno 18']);
  assert.deepEqual(readdirSync(join(trash, 'info')), []);
});

test('a document that a command says it deletes goes to the trash, too, where nobody was asked', async () => {
  const session = await guarded('document by name');
  const path = join(place.home, 'Documents/b.odt');
  const outer = await session.ask.ask(exec(['rm', path]));
  assert.equal(outer.result, 'ALLOW');
  const within = asker(outer.action, '/usr/bin/rm');
  const answer = await session.ask.ask(fileOf('delete', path, { asker: within }));
  assert.deepEqual([answer.result, answer.path?.endsWith('/Trash/files/b.odt')], ['MODIFY', true]);
});

test('what an approved command said it would do is not asked a second time', async () => {
  const session = await guarded('footprint');
  const target = join(place.home, '.bashrc');
  const asked = session.ask.ask(exec(['cp', 'x', target]));
  await session.ask.message(0);
  const person = place.person(['approve']);
  await person.until(/allow/i);
  await new Promise((r) => setTimeout(r, 600));
  person.type('a');
  const outer = await asked;
  person.kill();
  assert.equal(outer.result, 'ALLOW');
  const write = await session.ask.ask(fileOf('write', target, { asker: asker(outer.action, '/usr/bin/cp') }));
  assert.deepEqual([write.result, write.remember], ['ALLOW', false]);
  const other = session.ask.ask(
    fileOf('write', join(place.home, '.profile'), { asker: asker(outer.action, '/usr/bin/cp') }),
  );
  const heard = session.ask.heard.length;
  assert.equal((await session.ask.message(heard)).kind, 'waiting', 'another file is another question');
  assert.equal((await other).result, 'DENY');
});

test('connects: a metadata address is denied, another host is an action', async () => {
  const session = await guarded('connect');
  const by = asker(null, '/usr/bin/curl');
  const metadata = await session.ask.ask({
    kind: 'connect',
    asker: by,
    to: { kind: 'tcp', host: '169.254.169.254', port: 80 },
  });
  assert.equal(metadata.result, 'DENY');
  assert.match(metadata.message, /secrets\.metadata/);
  const host = await session.ask.ask({
    kind: 'connect',
    asker: by,
    to: { kind: 'tcp', host: 'example.org', port: 443 },
  });
  // It goes through the proxy, which asks about what it sends.
  assert.equal(host.result, 'MODIFY');
  assert.match(host.path ?? '', /^via:127\.0\.0\.1:\d+$/);
});

test('a question about connections that no request on them would be asked is asked before they open', async () => {
  const session = await guarded('tool-named');
  const by = asker(null, '/usr/bin/curl');
  const connect = (host: string) =>
    session.ask.ask({ kind: 'connect', asker: by, to: { kind: 'tcp', host, port: 443 } });
  const asked = connect('named.example');
  const waiting = await session.ask.message(0);
  assert.equal(waiting.kind, 'waiting');
  // Nobody is there: it ends as a denial, not as a way to the proxy.
  assert.equal((await asked).result, 'DENY');
  assert.equal((await connect('other.example')).result, 'MODIFY');
});

test('a scope that is not running makes nothing an effect', async () => {
  const session = await guarded('unknown scope');
  const answer = await session.ask.ask(exec(['git', 'status'], { asker: asker('act_doesnotexist') }));
  assert.equal(answer.result, 'ALLOW');
  assert.notEqual(answer.action, 'act_doesnotexist');
  assert.ok(answer.reportEnd);
  assert.equal(about(session.id, 'decision').length, 1);
});

test('what the agent itself does without a question is told when its session closes', async () => {
  const session = await guarded('tally');
  const effects = Array.from({ length: 20 }, (_, n) => ({
    operation: 'write' as const,
    scope: null,
    error: 0,
    path: exactly(join(place.work, `f${n}`)),
    destination: null,
  }));
  const lost = {
    operation: 'dropped' as const,
    scope: null,
    error: 0,
    path: exactly('7'),
    destination: null,
  };
  session.watch.say({ kind: 'effects', effects: [...effects, lost] });
  session.watch.say({ kind: 'pong' });
  await session.ask.ask(exec(['git', 'status']));
  await session.end();
  await waitFor(() => about(session.id, 'session').some((r) => r.receipt.body.event === 'closed'));
  const closed = about(session.id, 'session').find((r) => r.receipt.body.event === 'closed');
  assert.ok(closed);
  const [tally, dropped] = closed.receipt.body.effects as readonly { count: number; sample: string[] }[];
  assert.equal(tally?.count, 20);
  assert.equal(dropped?.count, 7);
  assert.equal(tally?.sample.length, 8);
  assert.equal(session.watch.heard.at(-1)?.kind, 'end', 'the guard is told to end the tree');
  await session.watch.closed();
  await session.ask.closed();
});

test('a guard that goes away while its session is open leaves a receipt', async () => {
  const session = await guarded('lost');
  session.watch.close();
  await waitFor(() => about(session.id, 'session').some((r) => r.receipt.body.event === 'guard_lost'));
});

test('closing an ask connection withdraws its question', async () => {
  const session = await guarded('withdrawn');
  session.ask.say(exec(['git', 'push', '--force', 'origin', 'main']));
  await session.ask.message(0);
  session.ask.close();
  await waitFor(() => about(session.id, 'approval').length === 1);
  const [receipt] = about(session.id, 'approval');
  assert.match(JSON.stringify(receipt?.receipt.body), /withdrawn/);
});

test('a changed policy gives every guard its tables again', async () => {
  const session = await guarded('reload');
  const before = session.watch.heard.length;
  writeFileSync(
    join(place.places.config, 'policies', 'more.yaml'),
    `pack: more
version: 1.0.0
description: more
rules:
  - id: more.frobnicate
    title: Frobnicates
    why: the test says so
    class: deny
    risk: low
    subject: command
    match: {programs: [frobnicate]}
`,
  );
  await session.watch.message(before, 10_000);
  const last = session.watch.heard.at(-1);
  assert.ok(last?.kind === 'tables' && last.tables.programs.includes('frobnicate'));
});

test('revoking the agent ends the tree and denies what is asked on', async () => {
  const session = await guarded('revoked');
  const reply = await control.call({ type: 'agent.revoke', session: session.id, reason: 'enough' });
  assert.ok(reply.ok);
  await session.watch.closed();
  assert.equal(session.watch.heard.at(-1)?.kind, 'end');
  await session.ask.closed();
});

test('stopping the daemon ends the tree', async () => {
  const session = await guarded('stopped');
  await daemon.kill('SIGTERM');
  await session.watch.closed();
  const last = session.watch.heard.at(-1);
  assert.ok(last?.kind === 'end' && /stopped/.test(last.message));
});
