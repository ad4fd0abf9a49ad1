import type { Clock, Ledger } from '../core/ports.ts';

/** Records messages that never became actions; a flood of them becomes one receipt with a count. */
export interface RefusalRecorder {
  refuse(door: 'submit' | 'control', code: string, message: string): void;
}

const WINDOW_MS = 1000;
const PER_WINDOW = 5;

/** Makes the recorder: at most a few receipts a second, the rest counted in the next one. */
export function createRefusalRecorder(ledger: Ledger, clock: Clock): RefusalRecorder {
  let windowStart = 0;
  let inWindow = 0;
  let suppressed = 0;
  return {
    refuse(door, code, message) {
      const now = clock.now();
      if (now - windowStart >= WINDOW_MS) {
        windowStart = now;
        inWindow = 0;
      }
      inWindow += 1;
      if (inWindow > PER_WINDOW) {
        suppressed += 1;
        return;
      }
      const body = {
        refusal: { door, code, reason: message.slice(0, 512), also: suppressed },
        decision: { result: 'DENY', policy_id: null, reason: message.slice(0, 512) },
      };
      suppressed = 0;
      // Nothing was let through, so nothing depends on this becoming durable.
      void ledger.append({ kind: 'refusal', session: null, at: now, body });
    },
  };
}
