import type { JsonObject } from '../core/brand.ts';
import { clipped } from '../core/data/clip.ts';
import type { Clock, Ledger } from '../core/ports.ts';
import type { Timers } from './timer.ts';

/** Records messages that never became actions; a flood of them becomes one receipt with a count. */
export interface RefusalRecorder {
  refuse(
    door: 'submit' | 'control' | 'guard' | 'proxy' | 'hook',
    code: string,
    message: string,
    more?: JsonObject,
  ): void;
}

const WINDOW_MS = 1000;
const PER_WINDOW = 5;

/**
 * Makes the recorder: at most a few receipts a second of each kind, the rest counted in one more when the second is over. Kinds are
 * counted apart, so that a flood of one does not hide another.
 */
export function createRefusalRecorder(ledger: Ledger, clock: Clock, timers: Timers): RefusalRecorder {
  const windows = new Map<string, { recorded: number; suppressed: number }>();
  const write = (door: string, code: string, message: string, more: JsonObject) => {
    const reason = clipped(message, 512);
    const body = {
      refusal: { door, code, reason, ...more },
      decision: { result: 'DENY', policy_id: null, reason },
    };
    // Nothing was let through, so nothing depends on this becoming durable.
    void ledger.append({ kind: 'refusal', session: null, at: clock.now(), body });
  };
  return {
    refuse(door, code, message, more = {}) {
      const kind = `${door}:${code}`;
      let current = windows.get(kind);
      if (current === undefined) {
        const opened = { recorded: 0, suppressed: 0 };
        windows.set(kind, opened);
        timers.after(WINDOW_MS, () => {
          windows.delete(kind);
          if (opened.suppressed > 0)
            write(door, code, 'more of the same kind within a second', { also: opened.suppressed });
        });
        current = opened;
      }
      if (current.recorded < PER_WINDOW) {
        current.recorded += 1;
        write(door, code, message, { ...more, also: 0 });
      } else current.suppressed += 1;
    },
  };
}
