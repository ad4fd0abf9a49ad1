import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScheduler } from '../../../electron/daemon/scheduler.ts';

/** A scheduler whose turns the test gives. */
function manual(limits = { perSession: 4, total: 6, perTurn: 2 }) {
  const turns: (() => void)[] = [];
  const scheduler = createScheduler(limits, (callback) => void turns.push(callback));
  return { scheduler, turn: () => turns.shift()?.() };
}

test('sessions take turns, however much one of them queues', () => {
  const { scheduler, turn } = manual();
  const ran: string[] = [];
  for (let i = 0; i < 4; i += 1) scheduler.enqueue('flooder', () => ran.push(`flooder ${i}`));
  scheduler.enqueue('quiet', () => ran.push('quiet'));
  turn();
  assert.deepEqual(ran, ['flooder 0', 'quiet']);
  turn();
  turn();
  assert.deepEqual(ran.slice(2), ['flooder 1', 'flooder 2', 'flooder 3']);
});

test('turns away what is past a session’s bound, and counts it', () => {
  const { scheduler } = manual();
  const taken = Array.from({ length: 6 }, () => scheduler.enqueue('flooder', () => undefined));
  assert.deepEqual(taken, [true, true, true, true, false, false]);
  assert.equal(scheduler.refused, 2);
  assert.equal(
    scheduler.enqueue('quiet', () => undefined),
    true,
  );
});

test('turns away what is past the total', () => {
  const { scheduler } = manual();
  for (let i = 0; i < 6; i += 1)
    assert.equal(
      scheduler.enqueue(`s${i}`, () => undefined),
      true,
    );
  assert.equal(
    scheduler.enqueue('s7', () => undefined),
    false,
  );
});

test('order within a session is kept', () => {
  const { scheduler, turn } = manual({ perSession: 100, total: 100, perTurn: 3 });
  const ran: number[] = [];
  for (let i = 0; i < 10; i += 1) scheduler.enqueue('one', () => ran.push(i));
  while (scheduler.depth > 0) turn();
  assert.deepEqual(ran, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
