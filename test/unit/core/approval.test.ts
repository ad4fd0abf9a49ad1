import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Approval, advanceApproval } from '../../../electron/core/approval.ts';
import type { ActionId, ApprovalId, Digest } from '../../../electron/core/brand.ts';

const digest = 'a'.repeat(64) as Digest;
const pending: Approval = {
  id: 'apr_00000000' as ApprovalId,
  actionId: 'act_00000000' as ActionId,
  digest,
  policyHash: 'b'.repeat(64) as Digest,
  origin: 'step_up',
  approvers: ['person'],
  createdAt: 1000,
  deadline: 2000,
  state: { kind: 'pending' },
};
const allow = (at: number) =>
  ({ kind: 'allowed', approver: 'p', at, note: null, scope: { kind: 'once' } }) as const;

test('an answer for another digest changes nothing', () => {
  const other = 'c'.repeat(64) as Digest;
  assert.equal(advanceApproval(pending, { kind: 'answer', digest: other, state: allow(1500) }), pending);
});

test('an answer at the deadline times out', () => {
  assert.deepEqual(advanceApproval(pending, { kind: 'answer', digest, state: allow(2000) }).state, {
    kind: 'timed_out',
    at: 2000,
  });
});

test('a timed-out approval stays timed out when an answer comes later', () => {
  const timedOut = advanceApproval(pending, { kind: 'clock', at: 2500 });
  assert.equal(advanceApproval(timedOut, { kind: 'answer', digest, state: allow(1500) }), timedOut);
});
