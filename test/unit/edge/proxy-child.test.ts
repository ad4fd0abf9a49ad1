import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { type ProxyChild, startProxyChild } from '../../../electron/edge/proxy-child.ts';
import type { ProxyMessage, ProxySettings } from '../../../electron/wire/proxy-message.ts';

const PROGRAM = join(import.meta.dirname, '../../fixtures/proxy-child.ts');
const running: ProxyChild[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) await child.stop();
});

function settings(what: string, port: number | null): ProxySettings {
  return {
    port,
    caCertificatePem: what,
    caKeyPem: '',
    extraRoots: [],
    passThrough: [],
    windowBytes: 1,
    holdBytes: 1,
    fingerprintKey: new Uint8Array(16),
    databases: [],
  };
}

function start(behaviour: () => string, readyMs = 10_000) {
  const heard: ProxyMessage[] = [];
  const lost: string[] = [];
  const unread: number[] = [];
  const ports: number[] = [];
  const child = startProxyChild({
    program: PROGRAM,
    settings: (port) => settings(behaviour(), port),
    onReady: (port) => void ports.push(port),
    onMessage: (message) => void heard.push(message),
    onUnread: (id) => void unread.push(id),
    onLost: (reason) => void lost.push(reason),
    log: () => undefined,
    backoffMs: 20,
    readyMs,
  });
  running.push(child);
  return { child, heard, lost, ports, unread };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('it never became true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a proxy that ends is started again, on the port that it had', async () => {
  const { child, lost, ports } = start(() => 'plain');
  assert.equal(child.port, null);
  assert.notEqual(child.fault, null);
  assert.equal(child.send({ kind: 'forget', session: 'x' }), false);
  await until(() => ports.length === 1);
  assert.equal(child.fault, null);
  const first = child.pid;
  process.kill(first ?? 0, 'SIGKILL');
  await until(() => lost.length === 1);
  assert.match(lost[0] ?? '', /SIGKILL/);
  assert.equal(child.port, null);
  await until(() => ports.length === 2);
  assert.equal(ports[1], ports[0]);
  assert.notEqual(child.pid, first);
});

test('it hears what it is told, and has nothing of our environment that could steer it', async () => {
  process.env['COUNTERSIGN_TEST_SECRET'] = 'x';
  process.env['NODE_OPTIONS_FOR_TEST'] = 'x';
  const { child, heard, ports } = start(() => 'plain');
  await until(() => ports.length === 1);
  assert.equal(child.send({ kind: 'forget', session: 'x' }), true);
  await until(() => heard.length === 2);
  const said = heard.flatMap((message) => (message.kind === 'refused' ? [message] : []));
  assert.equal(said[1]?.reason, 'forget');
  const names = (said[0]?.reason ?? '').split(' ');
  assert.ok(names.includes('PATH'));
  for (const name of names)
    assert.ok(
      ['PATH', 'LANG', 'LC_ALL', 'TZ', 'RES_OPTIONS', 'LOCALDOMAIN'].includes(name) ||
        name.startsWith('NODE_CHANNEL'),
      name,
    );
});

for (const [behaviour, reason] of [
  ['liar', /not to be understood/],
  ['early', /before it was ready/],
  ['silent', /in time/],
] as const)
  test(`a proxy that is ${behaviour} is ended and never believed`, async () => {
    let said = behaviour as string;
    const { child, heard, lost, ports } = start(() => said, 700);
    await until(() => lost.length >= 1);
    assert.match(lost[0] ?? '', reason);
    assert.deepEqual(heard, []);
    said = 'plain';
    await until(() => ports.length === 1);
    assert.equal(child.fault, null);
  });

test('a question that is not to be understood ends nothing but itself: a session can cause one', async () => {
  const { child, lost, ports, unread } = start(() => 'mumbler');
  await until(() => unread.length === 1);
  assert.deepEqual(unread, [7]);
  assert.deepEqual(lost, []);
  assert.equal(child.port, ports[0]);
});

test('stopped, it stays stopped', async () => {
  const { child, lost, ports } = start(() => 'plain');
  await until(() => ports.length === 1);
  const pid = child.pid ?? 0;
  await child.stop();
  assert.throws(() => process.kill(pid, 0));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(ports.length, 1);
  assert.deepEqual(lost, []);
});
