import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ControlConnection } from '../../shims/cli/control-client.ts';
import { holdTestSession, receiptsOf } from '../support/doors.ts';
import { type Installation, installation, waitFor } from '../support/installation.ts';
import { compileDriver, type Driver } from '../unit/guard/driver.ts';
import { startGuard } from '../unit/guard/link-double.ts';

/** Both real ends of the guard's link: the C one in a test driver, the daemon's in a daemon. */

let place: Installation;
let control: ControlConnection;
let driver: Driver;
before(async () => {
  driver = compileDriver('link-driver', 'fast');
  place = installation();
  await place.startDaemon();
  control = await place.control();
});
after(async () => {
  driver?.remove();
  await place?.dispose();
});

const held = (name: string) =>
  holdTestSession(place, name, {
    assurance: 'enforced',
    guard: { writable: [place.work], tools: [], temp: null, veiled: [], hosts: ['example.org:443'] },
  });

test('the guard is welcomed, takes the tables of the shipped policies, and its reports are understood', async () => {
  const session = await held('linked');
  const guard = startGuard(driver, { path: place.places.guardSocket, session: session.id }, session.secret);
  try {
    await guard.next('started');
    guard.tell('ended act_00000000 exit:0');
    guard.tell('sleep 300');
    guard.tell('alive');
    assert.equal(await guard.next('alive'), '1');
    // A report that is none: its scope is no action's.
    guard.tell('effects 1 10');
    await guard.next('end');
    guard.child.kill('SIGKILL');
    await waitFor(() => receiptsOf(place).some(({ receipt }) => receipt.body.event === 'guard_lost'));
  } finally {
    guard.child.kill('SIGKILL');
    await session.end();
  }
});

test('a question that is none ends as DENY on the guard’s side, and a revoked agent’s tree is ended', async () => {
  const session = await held('revoked');
  const guard = startGuard(driver, { path: place.places.guardSocket, session: session.id }, session.secret);
  try {
    await guard.next('started');
    // It says neither who asks nor what the operation is about.
    guard.tell('ask file format /a');
    assert.match(await guard.next('reply'), /^DENY /);
    const reply = await control.call({ type: 'agent.revoke', session: session.id, reason: 'enough' });
    assert.ok(reply.ok);
    assert.match(await guard.next('end'), /enough/);
    await guard.end();
  } finally {
    guard.child.kill('SIGKILL');
    await session.end();
  }
});

test('a guard with another session’s secret does not start', async () => {
  const session = await held('right');
  const other = await held('other');
  const guard = startGuard(driver, { path: place.places.guardSocket, session: session.id }, other.secret);
  const { code } = await guard.end();
  assert.notEqual(code, 0);
  await session.end();
  await other.end();
});
