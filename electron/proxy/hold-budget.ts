/** What one request may hold of the memory that all of them share. */
export interface Share {
  /** False when these bytes are too many now; nothing is counted then. */
  take(bytes: number): boolean;
  /** Gives everything back. */
  end(): void;
}

/** Memory for bodies that wait for their decision: bounded, so that no session fills the process that all of them need (T9). */
export interface HoldBudget {
  share(session: string): Share;
}

const MIB = 1024 * 1024;

/** Makes a budget: so many bytes for all sessions, and for one of them. */
export function makeHoldBudget(allBytes = 384 * MIB, sessionBytes = 160 * MIB): HoldBudget {
  const bySession = new Map<string, number>();
  let all = 0;
  return {
    share: (session) => {
      let mine = 0;
      return {
        take: (bytes) => {
          const own = bySession.get(session) ?? 0;
          if (bytes > 0 && (all + bytes > allBytes || own + bytes > sessionBytes)) return false;
          all += bytes;
          mine += bytes;
          bySession.set(session, own + bytes);
          return true;
        },
        end: () => {
          all -= mine;
          const left = (bySession.get(session) ?? 0) - mine;
          if (left > 0) bySession.set(session, left);
          else bySession.delete(session);
          mine = 0;
        },
      };
    },
  };
}
