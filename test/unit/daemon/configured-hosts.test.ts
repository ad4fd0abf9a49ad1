import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isConfiguredHost } from '../../../electron/daemon/configured-hosts.ts';
import type { Session } from '../../../electron/daemon/session-store.ts';

const hosts = ['a.example:443', '[::1]:80', 'b:*', '10.0.0.1:99999'];
const session = { guard: { writable: [], tools: [], temp: null, veiled: [], hosts } } as unknown as Session;

for (const [host, port, configured] of [
  ['a.example', 443, true],
  ['A.Example.', 443, true],
  ['a.example', 80, false],
  ['x.a.example', 443, false],
  ['::1', 80, true],
  ['::1', 81, false],
  ['b', 1, true],
  ['b', 65535, true],
  ['10.0.0.1', 443, false],
] as const)
  test(`${host} ${port} ${configured ? 'was configured' : 'was not configured'}`, () => {
    assert.equal(isConfiguredHost(session, host, port), configured);
  });

test('a session without a guard configured nothing', () => {
  assert.equal(isConfiguredHost({ ...session, guard: null }, 'a.example', 443), false);
});
