import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { JsonObject } from '../../electron/core/brand.ts';
import { installation, waitFor } from '../support/installation.ts';
import { part, type Stage, stage } from './stage.ts';

let s: Stage;
before(async () => {
  s = await stage();
  s.files('denied.txt', 'ask.txt', 'soon.txt', 'later.txt');
  await s.bash('touch allowed.txt', 'the original request');
  await s.bash('rm denied.txt', 'the original request');
  await s.bash('rm soon.txt', 'the original request');
  await s.cli(['run', '--', 'bash', '-c', 'git push --force origin feature'], { cwd: s.work });
  const asking = s.bash('rm ask.txt', 'the original request');
  await waitFor(() =>
    s.receipts().some((r) => r.receipt.kind === 'decision' && part(r, 'decision').result === 'STEP_UP'),
  );
  const listed = JSON.parse((await s.cli(['approve', '--list', '--json'])).stdout) as { handle: string }[];
  await s.person(['approve', listed[0]?.handle ?? '', '--allow']).exit;
  await asking;
});
after(() => s?.dispose());

test('row 13: receipts of all five decisions carry requester, delegation chain, policy version and hash (R5, R6)', () => {
  const found = new Set<string>();
  for (const receipt of s.receipts()) {
    if (!['decision', 'deferral', 'approval'].includes(receipt.receipt.kind)) continue;
    const decision = part(receipt, 'decision');
    found.add(String(decision.result));
    assert.match(String(decision.policy_hash), /^[0-9a-f]{64}$/);
    assert.ok(String(decision.policy_version).length > 0);
    const identity = part(receipt, 'identity');
    assert.ok(String((identity.human as JsonObject).name).length > 0);
    assert.match(String((identity.agent as JsonObject).id), /^agt_/);
    assert.equal((identity.agent as JsonObject).public_key?.toString().length, 43);
    assert.ok(Array.isArray(identity.delegation) && identity.delegation.length > 0);
    assert.equal(identity.session, receipt.receipt.session);
  }
  assert.deepEqual([...found].sort(), ['ALLOW', 'DEFER', 'DENY', 'MODIFY', 'STEP_UP']);
});

test('row 14: an exported bundle verifies offline, where nothing of the ledger is (R5.h–k)', async () => {
  const file = join(s.root, 'bundle.jsonl');
  assert.equal((await s.cli(['export', '--out', file])).code, 0);
  const stranger = installation();
  try {
    const verified = await stranger.cli(['verify', file]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  } finally {
    await stranger.dispose();
  }
});

for (const [name, change] of [
  ['the requester', (text: string) => text.replace(/("human":\{"name":")[^"]+/, '$1mallory')],
  ['the policy hash', (text: string) => text.replace(/("policy_hash":")[0-9a-f]{64}/, `$1${'0'.repeat(64)}`)],
  ['the policy version', (text: string) => text.replace(/("policy_version":")[^"]+/, '$1zzz')],
  ['the decision', (text: string) => text.replace('"result":"DENY"', '"result":"ALLOW"')],
  ['the command', (text: string) => text.replace('touch allowed.txt', 'touch alloyed.txt')],
  ['the time', (text: string) => text.replace(/"at":1/, '"at":2')],
] as const) {
  test(`row 15: a bundle with ${name} changed fails (R5)`, async () => {
    const file = join(s.root, 'changed.jsonl');
    await s.cli(['export', '--out', file]);
    const text = readFileSync(file, 'utf8');
    const unescaped = change(text);
    // Receipts may stand in the bundle as JSON text inside JSON.
    const changed =
      unescaped !== text ? unescaped : change(text.replaceAll('\\"', '"')).replaceAll('"', '\\"');
    assert.notEqual(changed, text, 'the attack changed something');
    writeFileSync(file, changed);
    const verified = await s.cli(['verify', file]);
    assert.notEqual(verified.code, 0);
  });
}

test('row 16: the two receipts of a deferral say why, how it ended and when (R5.f, R4.d8)', () => {
  const deferred = s
    .ofKind('deferral')
    .find((r) => JSON.stringify(r.receipt.body.action).includes('soon.txt'));
  const first = part(deferred, 'deferral');
  assert.ok(String(first.reason).length > 0);
  assert.equal(first.resolution, 'parked');
  const ended = s.receipts().find((r) => r.receipt.body.deferral_receipt === deferred?.receipt.id);
  const second = part(ended, 'deferral');
  assert.equal(second.resolution, 'timed_out');
  assert.ok(Number(second.resolved_at) >= Number(first.parked_at));
  assert.equal(part(ended, 'decision').result, 'DENY');
});

test('row 17: actions are attributed across agents and sessions (R6.c, R6.d)', async () => {
  const [a, b] = await Promise.all([s.bash('touch by-a'), s.bash('touch by-b')]);
  assert.equal(a.code, 0);
  assert.equal(b.code, 0);
  const who = (words: string) => {
    const receipt = s.ofKind('decision').find((r) => JSON.stringify(r.receipt.body.action).includes(words));
    const identity = part(receipt, 'identity');
    const agent = identity.agent as JsonObject;
    return { session: identity.session, agent: agent.id, key: agent.public_key };
  };
  const first = who('by-a');
  const second = who('by-b');
  assert.notEqual(first.session, second.session);
  assert.notEqual(first.agent, second.agent);
  assert.notEqual(first.key, second.key);
});

test('row 18: identity is kept across a deferral (R6.f)', () => {
  const deferred = s
    .ofKind('deferral')
    .find((r) => JSON.stringify(r.receipt.body.action).includes('soon.txt'));
  const ended = s.receipts().find((r) => r.receipt.body.deferral_receipt === deferred?.receipt.id);
  assert.deepEqual(part(ended, 'identity'), part(deferred, 'identity'));
  assert.deepEqual(part(ended, 'action').digest, part(deferred, 'action').digest);
});
