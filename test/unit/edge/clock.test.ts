import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClockJump, steadyClock } from '../../../electron/edge/clock.ts';

function world() {
  const source = { wall: 1_000_000, monotonic: 0 };
  const jumps: ClockJump[] = [];
  return {
    source,
    jumps,
    pass: (ms: number) => {
      source.wall += ms;
      source.monotonic += ms;
    },
    clock: (floor?: number) =>
      steadyClock({
        ...(floor === undefined ? {} : { floor }),
        onJump: (jump) => jumps.push(jump),
        source: { wallMs: () => source.wall, monotonicMs: () => source.monotonic },
      }),
  };
}

test('follows the system clock while it goes forward', () => {
  const { clock: make, pass, jumps } = world();
  const clock = make();
  pass(5);
  assert.equal(clock.now(), 1_000_005);
  pass(3_600_000);
  assert.equal(clock.now(), 4_600_005);
  assert.deepEqual(jumps, []);
});

test('never goes back, keeps passing, and says once that the system clock jumped', () => {
  const { clock: make, pass, jumps, source } = world();
  const clock = make();
  source.wall -= 600_000;
  pass(1000);
  assert.equal(clock.now(), 1_001_000);
  pass(1000);
  assert.equal(clock.now(), 1_002_000);
  assert.equal(clock.behindMs(), 600_000);
  assert.deepEqual(jumps, [{ at: 1_001_000, behindMs: 600_000 }]);
  source.wall += 700_000;
  assert.equal(clock.now(), source.wall);
  assert.equal(clock.behindMs(), 0);
});

test('does not repeat a time when the system clock is corrected by a little', () => {
  const { clock: make, source, jumps } = world();
  const clock = make();
  const before = clock.now();
  source.wall -= 100;
  assert.equal(clock.now() >= before, true);
  assert.deepEqual(jumps, []);
});

test('does not begin before what was recorded by an earlier run', () => {
  const { clock: make, pass, jumps } = world();
  const clock = make(2_000_000);
  pass(10);
  assert.equal(clock.now(), 2_000_010);
  assert.equal(jumps.length, 1);
});
