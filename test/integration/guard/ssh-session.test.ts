// An SSH credential in a real session: the person's daemon, the proxy's agent, the guard, ssh and sshd.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openSshStage, type SshHost, type SshStage } from '../../support/sshd.ts';
import { type GuardStage, guardStage } from './stage.ts';

const policyOf = (barred: SshHost): string => `pack: ssh
version: "1.0.0"
rules:
  - id: ssh/connections
    title: Connections of the test
    why: the test is about signatures
    class: allow
    priority: 9000
    match: { tools: [network, shell] }
  - id: ssh/barred
    title: No login to this host
    why: the test denies it
    class: deny
    priority: 9500
    match: { tools: [ssh], effects: [connect], tags: [signs] }
    when: action.parameters.host == "${barred.entry}"
`;

describe('an SSH credential in a session', () => {
  let stage: GuardStage;
  let ssh: SshStage;
  let allowed: SshHost;
  let other: SshHost;
  let barred: SshHost;
  let key: string;
  before(async () => {
    stage = guardStage();
    ssh = openSshStage();
    key = ssh.key('person', '-t', 'ed25519');
    allowed = await ssh.host([key]);
    other = await ssh.host([key]);
    barred = await ssh.host([key]);
    const known = allowed.knownHosts + other.knownHosts + barred.knownHosts;
    stage.put(join(stage.own, 'config/policies/ssh.yaml'), policyOf(barred));
    stage.put(join(stage.home, '.ssh/known_hosts'), known, 0o600);
    stage.put(join(stage.work, 'known'), known);
    stage.put(join(stage.root, 'passphrase'), 'a passphrase of the test\n', 0o600);
    const env = { COUNTERSIGN_PASSPHRASE_FILE: join(stage.root, 'passphrase') };
    const started = await stage.cli(['daemon', 'start'], { env });
    assert.equal(started.code, 0, started.stderr);
    stage.put(join(stage.root, 'key'), readFileSync(key, 'utf8'), 0o600);
    const words = [
      ...stage.countersign,
      'credential',
      'add',
      'person',
      '--kind',
      'ssh',
      '--host',
      allowed.entry,
      '--host',
      barred.entry,
    ];
    const person = stage.terminal(['sh', '-c', `${words.map((word) => `'${word}'`).join(' ')} < ../key`]);
    const { exitCode } = await person.ended;
    assert.equal(exitCode, 0, person.screen());
    assert.doesNotMatch(person.screen(), /PRIVATE KEY/);
  });
  after(async () => {
    stage.close();
    await ssh.close();
  });

  const login = (host: SshHost) =>
    stage.cli([
      ...['run', '--', 'ssh', '-F', 'none', '-o', 'BatchMode=yes', '-o', 'IdentityFile=/nonexistent/key'],
      ...['-o', `UserKnownHostsFile=${join(stage.work, 'known')}`, '-o', 'GlobalKnownHostsFile=/dev/null'],
      ...[
        '-o',
        'StrictHostKeyChecking=yes',
        '-p',
        String(host.port),
        `${host.user}@127.0.0.1`,
        'echo got in',
      ],
    ]);

  test('logs in to its host, and the use is a receipt', async () => {
    const done = await login(allowed);
    assert.equal(done.stdout, 'got in\n', done.stderr);
    const receipts = await stage.receipts();
    const signed = receipts.find(({ kind, tool }) => kind === 'decision' && tool === 'ssh');
    assert.equal(signed?.text, `sign ${allowed.entry}`);
    const uses = receipts.filter(({ kind }) => kind === 'credential').map(({ text }) => text);
    assert.deepEqual(uses, ['added', 'opened', 'minted', 'used']);
    const all = await stage.cli(['receipts', 'list', '--all', '--json', '--limit', '5000']);
    assert.doesNotMatch(all.stdout, /PRIVATE KEY/);
  });

  test('does not log in to another host, or where a rule denies it', async () => {
    const elsewhere = await login(other);
    assert.doesNotMatch(elsewhere.stdout, /got in/);
    assert.match(elsewhere.stderr, /Permission denied|agent refused/);
    const denied = await login(barred);
    assert.doesNotMatch(denied.stdout, /got in/);
    const ssh = (await stage.receipts()).filter(({ kind, tool }) => kind === 'decision' && tool === 'ssh');
    assert.deepEqual([ssh.at(-1)?.decided, ssh.at(-1)?.rule], ['DENY', 'ssh/barred']);
    assert.ok(
      ssh.every(({ text }) => text !== `sign ${other.entry}`),
      'the other host is no question',
    );
  });
});
