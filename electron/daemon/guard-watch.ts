import type { ActionId } from '../core/brand.ts';
import { unreachable } from '../core/result.ts';
import type { DaemonMessage, GuardMessage } from '../wire/guard-message.ts';
import type { GuardDoorPorts } from './guard-door.ts';
import { type GuardSession, takeEffects, takeEnd } from './guard-session.ts';
import { identityPart } from './record.ts';
import type { Session } from './session-store.ts';
import { record } from './stages.ts';

/** The watch connection of one guard. */
export interface Watch {
  /** Takes one report; false when it is none. */
  onMessage(message: GuardMessage): boolean;
  /** The connection is gone. */
  onClose(): void;
}

/** A guard that is asked whether it lives and does not say so by the next time is lost. */
const PING_MS = 20_000;
/** How long after its guard a session may still end in the ordinary way. */
const LOST_MS = 3_000;

/**
 * Serves a guard's watch connection: tables at once, pushes as they come, reports into outcomes. When it is lost while the session is
 * open, a receipt says so (AARM R5).
 */
export function startWatch(
  ports: GuardDoorPorts,
  session: Session,
  guard: GuardSession,
  send: (message: DaemonMessage) => void,
  close: () => void,
): Watch {
  const { mediation } = ports;
  let over = false;
  let heard = true;
  let cancelPing: () => void = () => undefined;
  const push = (message: DaemonMessage) => {
    if (!over) send(message);
  };
  const ending = (why: string) => {
    push({ kind: 'end', message: why });
    over = true;
    close();
  };
  const ping = () => {
    cancelPing = mediation.timers.after(PING_MS, () => {
      if (over) return;
      if (!heard) return close();
      heard = false;
      push({ kind: 'ping' });
      ping();
    });
  };
  guard.push = push;
  session.endings.add(ending);
  push({ kind: 'tables', tables: ports.tablesFor(session) });
  ping();
  return {
    onMessage(message) {
      heard = true;
      switch (message.kind) {
        case 'effects':
          takeEffects(mediation, session, guard, message.effects);
          return true;
        case 'ended':
          void takeEnd(mediation, session, guard, message.action as ActionId, message.how, ports.signalName);
          return true;
        case 'pong':
          return true;
        case 'hello':
        case 'exec':
        case 'file':
        case 'late':
        case 'connect':
        case 'read':
          return false;
        default:
          return unreachable(message);
      }
    },
    onClose() {
      cancelPing();
      session.endings.delete(ending);
      guard.push = null;
      if (over || session.endedAt !== null || session.revoked !== null) return;
      over = true;
      // An agent that ends takes its guard along, and the launcher says so a moment later.
      mediation.timers.after(LOST_MS, () => {
        if (session.endedAt !== null || session.revoked !== null || guard.push !== null) return;
        void record(mediation, session, 'session', {
          event: 'guard_lost',
          identity: identityPart(session.identity),
          reason: 'the kernel guard of the session went away while the session was open',
        });
      });
    },
  };
}
