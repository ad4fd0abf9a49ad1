/** Calls back at a time; the one place where the daemon waits. Tests give their own. */
export interface Timers {
  /** Runs `callback` after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

const LONGEST_MS = 2 ** 31 - 1;

/** Timers of the platform; they never keep the process alive by themselves. */
export function platformTimers(): Timers {
  return {
    after(delayMs, callback) {
      const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, LONGEST_MS)));
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
