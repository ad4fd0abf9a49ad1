/** Bounds how many connections a door holds: strangers among themselves, and those that said who they are each by name. */
export interface Gate {
  /** Lets a stranger in; when there are too many, the one that has been silent longest is shown out. */
  arrive(showOut: () => void): Visitor;
}

export interface Visitor {
  /** The stranger said its name; false when too many of that name are here already. */
  introduce(name: string): boolean;
  leave(): void;
}

export interface GateLimits {
  readonly strangers: number;
  readonly perName: number;
}

/** A handshake takes milliseconds: more strangers than this at once are not clients. */
export const GATE_LIMITS: GateLimits = { strangers: 256, perName: 8 };

/** A guard asks on one connection for each worker, and each may wait for a person. */
export const GUARD_GATE_LIMITS: GateLimits = { strangers: 256, perName: 256 };

/** Makes a gate; each door has its own. */
export function createGate(limits: GateLimits): Gate {
  // Insertion order is the order of arrival.
  const strangers = new Set<() => void>();
  const named = new Map<string, number>();
  return {
    arrive(showOut) {
      // A closure of its own for each visitor: one function may stand for many.
      const out = () => showOut();
      let name: string | null = null;
      if (strangers.size >= limits.strangers) {
        const oldest = strangers.values().next().value;
        if (oldest !== undefined) {
          strangers.delete(oldest);
          oldest();
        }
      }
      strangers.add(out);
      return {
        introduce(given) {
          strangers.delete(out);
          const here = named.get(given) ?? 0;
          if (here >= limits.perName) return false;
          named.set(given, here + 1);
          name = given;
          return true;
        },
        leave() {
          strangers.delete(out);
          if (name === null) return;
          const left = (named.get(name) ?? 1) - 1;
          if (left > 0) named.set(name, left);
          else named.delete(name);
          name = null;
        },
      };
    },
  };
}
