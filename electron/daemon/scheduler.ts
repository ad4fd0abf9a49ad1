/** Work of many sessions, taken in turn, so that a flooding agent delays itself and nobody else. */
export interface Scheduler {
  /** Queues work for a session; false when there is no room, and the work will never run. */
  enqueue(session: string, work: () => void): boolean;
  readonly depth: number;
  /** How many were turned away since the start. */
  readonly refused: number;
}

export interface SchedulerLimits {
  readonly perSession: number;
  readonly total: number;
  /** How many pieces of work run before the event loop gets its turn. */
  readonly perTurn: number;
}

export const SCHEDULER_LIMITS: SchedulerLimits = { perSession: 512, total: 4096, perTurn: 64 };

/** Makes a round-robin scheduler; `defer` gives the event loop its turn (`setImmediate`). */
export function createScheduler(limits: SchedulerLimits, defer: (callback: () => void) => void): Scheduler {
  // Insertion order is the turn order: a session that was served goes to the end.
  const queues = new Map<string, (() => void)[]>();
  let depth = 0;
  let refused = 0;
  let scheduled = false;

  const turn = () => {
    scheduled = false;
    for (let done = 0; done < limits.perTurn && depth > 0; done += 1) {
      const next = queues.entries().next().value;
      if (next === undefined) break;
      const [session, queue] = next;
      const work = queue.shift();
      queues.delete(session);
      if (queue.length > 0) queues.set(session, queue);
      if (work === undefined) continue;
      depth -= 1;
      work();
    }
    if (depth > 0) arm();
  };
  const arm = () => {
    if (scheduled) return;
    scheduled = true;
    defer(turn);
  };

  return {
    enqueue(session, work) {
      const queue = queues.get(session) ?? [];
      if (depth >= limits.total || queue.length >= limits.perSession) {
        refused += 1;
        return false;
      }
      queue.push(work);
      queues.set(session, queue);
      depth += 1;
      arm();
      return true;
    },
    get depth() {
      return depth;
    },
    get refused() {
      return refused;
    },
  };
}
