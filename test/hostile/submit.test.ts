import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mintAgentKey } from '../../shims/cli/agent-key.ts';
import type { ControlConnection } from '../../shims/cli/control-client.ts';
import { type Stage, stage } from '../conformance/stage.ts';
import {
  actionMessage,
  openTestSession,
  rawPeer,
  receiptsOf,
  refusalsOf,
  type Speaker,
} from '../support/doors.ts';
import { waitFor } from '../support/installation.ts';

/** Who speaks for whom at the submit door: signatures, sequences, other people's actions, floods. */

let place: Stage;
let control: ControlConnection;
before(async () => {
  place = await stage();
  control = await place.control();
});
after(() => place?.dispose());

const refused = (code: string) => refusalsOf(place).get(`submit:${code}`) ?? 0;

/** Sends a message as it is and gives the sealed reply to it. */
async function put(
  speaker: Speaker,
  message: { readonly request: string },
): Promise<Record<string, unknown>> {
  speaker.send(`${JSON.stringify(message)}\n`);
  return speaker.ending(message.request);
}

test('an action that another key signed is denied, and the connection with it', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const forged = actionMessage({ id: session.id, key: mintAgentKey() }, 0, 'touch ran');
  const answer = await put(speaker, forged);
  assert.equal(answer.result, 'DENY');
  assert.match(String(answer.reason), /identity could not be verified/);
  await speaker.closed();
  await waitFor(() => refused('bad_signature') > 0);
});

test('an action changed after it was signed is denied', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const message = actionMessage(session, 0, 'touch harmless');
  const answer = await put(speaker, {
    ...message,
    envelope: { ...message.envelope, command_line: 'touch ran' },
  } as never);
  assert.equal(answer.result, 'DENY');
});

test('an action played again is denied, on its own connection and on another', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const message = actionMessage(session, 5, 'echo once');
  assert.equal((await put(speaker, message)).result, 'ALLOW');
  const other = await session.speak();
  const again = await put(other, message);
  assert.equal(again.result, 'DENY');
  assert.match(String(again.reason), /sent before/);
  await other.closed();
  const older = await session.speak();
  assert.equal((await put(older, actionMessage(session, 4, 'echo late'))).result, 'DENY');
  await waitFor(() => refused('replay') >= 2);
  assert.equal((await put(speaker, actionMessage(session, 6, 'echo next'))).result, 'ALLOW');
});

test('another session’s envelope is refused', async () => {
  const [mine, theirs] = [await openTestSession(place, control), await openTestSession(place, control)];
  const speaker = await mine.speak();
  speaker.send(`${JSON.stringify(actionMessage(theirs, 0, 'touch ran'))}\n`);
  await speaker.closed();
  assert.ok(speaker.replies().every((reply) => reply.type !== 'decision'));
  await waitFor(() => refused('other_session') > 0);
});

test('something between surface and daemon cannot exchange the decisions of two requests', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const harmless = actionMessage(session, 0, 'echo harmless');
  const denied = actionMessage(session, 1, 'touch denied.txt');
  speaker.send(
    `${JSON.stringify({ ...harmless, request: '1' })}\n${JSON.stringify({ ...denied, request: '0' })}\n`,
  );
  await speaker.closed();
  assert.ok(speaker.replies().every((reply) => reply.type !== 'decision'));
});

test('a session that ended is told so, one that never was is not known', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const closed = await control.call({
    type: 'session.close',
    session: session.id,
    exit_code: 0,
    signal: null,
  });
  assert.ok(closed.ok);
  const answer = await speaker.ending(speaker.act('touch ran'));
  assert.equal(answer.result, 'DENY');
  assert.match(String(answer.reason), /session_ended/);
  const stranger = await rawPeer(place.places.submitSocket);
  stranger.send(
    `${JSON.stringify({ v: 1, type: 'hello', session: `sess_${'z'.repeat(16)}`, nonce: 'n'.repeat(32) })}\n`,
  );
  assert.match(await stranger.line(0), /unknown_session/);
});

test('an outcome for another session’s action changes nothing there', async () => {
  const [victim, attacker] = [await openTestSession(place, control), await openTestSession(place, control)];
  const victims = await victim.speak();
  const allowed = await victims.ending(victims.act('echo mine'));
  const speaker = await attacker.speak();
  const forge = (session: string, sequence: number) => {
    const envelope = {
      session,
      sequence,
      action: String(allowed.action),
      result: 'succeeded',
      exit_code: 0,
      signal: null,
      error: null,
      started_at: null,
      ended_at: 0,
    };
    return {
      v: 1,
      type: 'outcome',
      request: String(sequence),
      envelope,
      signature: attacker.key.sign(envelope),
    };
  };
  assert.equal((await put(speaker, forge(attacker.id, attacker.next()))).receipt, null);
  // On the victim's own connection, in its name, with the attacker's key.
  const wedge = await victim.speak();
  assert.equal((await put(wedge, forge(victim.id, 99))).receipt, null);
  await wedge.closed();
  const outcomes = receiptsOf(place).filter((r) => r.receipt.kind === 'outcome');
  assert.ok(outcomes.every((r) => r.receipt.body.action_id !== allowed.action));
});

test('a request id in use is refused, and a cancel reaches no other connection', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const asked = actionMessage(session, session.next(), 'touch ask-1.txt', { cwd: place.work });
  speaker.send(`${JSON.stringify(asked)}\n`);
  assert.equal((await speaker.first(asked.request)).type, 'waiting');
  const other = await session.speak();
  other.send(`${JSON.stringify({ v: 1, type: 'cancel', request: asked.request })}\n`);
  assert.equal((await other.ending(other.act('echo after the cancel'))).result, 'ALLOW');
  const listed = await control.call({ type: 'approvals.list' });
  assert.ok(listed.ok);
  assert.match(JSON.stringify(listed.value), /ask-1/, 'it still waits');
  speaker.send(`${JSON.stringify(asked)}\n`);
  await speaker.closed();
  await waitFor(() => refused('duplicate_request') > 0);
});

test('a cancel that arrives before its action was looked at withdraws it all the same', async () => {
  const session = await openTestSession(place, control);
  const speaker = await session.speak();
  const asked = actionMessage(session, session.next(), 'touch ask-2.txt', { cwd: place.work });
  speaker.send(
    `${JSON.stringify(asked)}\n${JSON.stringify({ v: 1, type: 'cancel', request: asked.request })}\n`,
  );
  assert.equal((await speaker.ending(asked.request)).result, 'DENY');
});

test('who knows only a session’s name cannot fill its queue', async () => {
  const victim = await openTestSession(place, control);
  const own = await victim.speak();
  const forger = { id: victim.id, key: mintAgentKey() };
  const wedge = await victim.speak();
  for (let n = 0; n < 2000; n += 1) wedge.send(`${JSON.stringify(actionMessage(forger, n, 'echo flood'))}\n`);
  const answer = await own.ending(own.act('echo mine'));
  assert.equal(answer.result, 'ALLOW');
  await wedge.closed();
});

test('5000 actions of one session delay itself: another is answered in its turn, the excess is denied', async () => {
  const [flooder, other] = [await openTestSession(place, control), await openTestSession(place, control)];
  const flood = await flooder.speak();
  const beside = await other.speak();
  const messages: string[] = [];
  for (let n = 0; n < 5000; n += 1)
    messages.push(JSON.stringify(actionMessage(flooder, flooder.next(), `echo ${n}`, { cwd: place.work })));
  flood.send(`${messages.join('\n')}\n`);
  const answer = await beside.ending(beside.act('echo beside'), 30_000);
  const before = flood.replies().filter((reply) => reply.result === 'ALLOW').length;
  assert.equal(answer.result, 'ALLOW');
  await waitFor(() => flood.replies().filter((reply) => reply.type === 'decision').length === 5000, 60_000);
  const all = flood.replies().filter((reply) => reply.type === 'decision');
  const denied = all.filter((reply) => reply.result === 'DENY');
  assert.ok(before < all.length - denied.length, 'it was answered before the flood was worked off');
  assert.ok(
    denied.length > 0 && denied.every((reply) => /overloaded/.test(String(reply.reason))),
    'past the bound: DENY',
  );
  // Every ALLOW that was heard is in the ledger.
  const ids = new Set(receiptsOf(place).map((r) => r.receipt.id as string));
  for (const reply of all) if (reply.result === 'ALLOW') assert.ok(ids.has(String(reply.receipt)));
  await waitFor(() => refused('queue_full') >= denied.length);
});

test('nothing of all this ran', () => {
  assert.equal(place.has('ran'), false);
  assert.equal(place.has('denied.txt'), false);
});
