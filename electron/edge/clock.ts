import type { TimeMs } from '../core/brand.ts';
import type { Clock } from '../core/ports.ts';

/** The system clock went back, by this much; from then on time runs by the monotonic clock until the system's catches up. */
export interface ClockJump {
  readonly at: TimeMs;
  readonly behindMs: number;
}

/** A clock that can be asked what it had to mend. */
export interface SteadyClock extends Clock {
  /** How far the system clock is behind what we say, in ms; 0 when they agree. */
  behindMs(): number;
}

/** Where time is read from; given by tests. */
export interface TimeSource {
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
}

const SYSTEM: TimeSource = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

/** Corrections of NTP are smaller than this and nobody's business. */
const TOLERANCE_MS = 250;

/**
 * Wall clock that never goes back (failure table: clock jumps back). While the system clock is behind, time
 * still passes, at the monotonic rate: a frozen clock would keep every deadline and expiry from ever coming.
 * `floor` is a time already recorded, before which it never starts; `onJump` hears of each jump back, once.
 */
export function steadyClock(
  options: {
    readonly floor?: TimeMs;
    readonly onJump?: (jump: ClockJump) => void;
    readonly source?: TimeSource;
  } = {},
): SteadyClock {
  const source = options.source ?? SYSTEM;
  let last = Math.max(options.floor ?? 0, source.wallMs());
  let lastMonotonic = source.monotonicMs();
  let behind = 0;
  return {
    now() {
      const wall = source.wallMs();
      const monotonic = source.monotonicMs();
      const expected = last + Math.max(0, monotonic - lastMonotonic);
      const gap = expected - wall;
      if (gap <= 0) {
        last = wall;
        behind = 0;
      } else {
        if (gap > TOLERANCE_MS && behind === 0)
          options.onJump?.({ at: Math.floor(expected), behindMs: Math.floor(gap) });
        last = gap > TOLERANCE_MS ? expected : Math.max(last, wall);
        behind = gap > TOLERANCE_MS ? gap : 0;
      }
      lastMonotonic = monotonic;
      return Math.floor(last);
    },
    behindMs: () => Math.floor(behind),
  };
}
