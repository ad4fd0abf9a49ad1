import type { DaemonToProxy, ProxyMessage, ProxyOutcome, ProxyQuestion } from '../wire/proxy-message.ts';
import type { PlaceholderUse, ProxyAnswer } from './protocol-handler.ts';

/** Without `waiting`, so long after a question (or after what `waiting` promised) the proxy denies by itself. */
export const ANSWER_DEADLINE_MS = 10_000;

/** The proxy's end of the channel to the daemon. */
export interface Channel {
  /** Never rejects: a DENY of the proxy's own on a lost channel, after the deadline, and when `signal` fires (then `cancel` is sent). */
  ask(
    from: { readonly session: string; readonly scope: string | null },
    question: ProxyQuestion,
    placeholders: readonly PlaceholderUse[],
    signal?: AbortSignal,
  ): Promise<ProxyAnswer>;
  report(action: string, outcome: ProxyOutcome): void;
  refused(session: string | null, code: string, reason: string, host: string | null): void;
  ready(port: number): void;
  /** To be called with each message; answers go to who asked, everything else to nobody. */
  receive(message: DaemonToProxy): void;
  /** Denies everything that is asked, now and later. */
  lose(): void;
}

/** A DENY that no rule said. */
function ownDenial(message: string): ProxyAnswer {
  return {
    result: 'DENY',
    message,
    action: null,
    rule: null,
    receipt: null,
    reportEnd: false,
    swaps: [],
  };
}

interface Open {
  readonly settle: (answer: ProxyAnswer) => void;
  /** Takes what was hung on the client's signal off again: a WebSocket asks thousands of times over one. */
  readonly release: () => void;
  timer: NodeJS.Timeout;
}

/**
 * Makes the channel over `send`, which throws or answers false when the message cannot be sent.
 * INVARIANT (closed is the default): every question ends, and without the daemon's ALLOW it ends in DENY.
 */
export function makeChannel(
  send: (message: ProxyMessage) => void,
  deadlineMs: number = ANSWER_DEADLINE_MS,
): Channel {
  const open = new Map<number, Open>();
  let lost = false;
  let nextId = 1;

  const end = (id: number, answer: ProxyAnswer): void => {
    const found = open.get(id);
    if (found === undefined) return;
    open.delete(id);
    clearTimeout(found.timer);
    found.release();
    found.settle(answer);
  };
  const expire = (id: number) => () =>
    end(id, ownDenial('no decision came in time, so nothing was sent; try again'));
  const say = (message: ProxyMessage): boolean => {
    if (lost) return false;
    try {
      send(message);
      return true;
    } catch {
      return false;
    }
  };

  return {
    ask: (from, question, placeholders, signal) =>
      new Promise((settle) => {
        if (signal?.aborted === true) return settle(ownDenial('the client is gone'));
        const id = nextId++;
        const gone = (): void => {
          say({ kind: 'cancel', id });
          end(id, ownDenial('the client is gone'));
        };
        const release = (): void => signal?.removeEventListener('abort', gone);
        open.set(id, { settle, release, timer: setTimeout(expire(id), deadlineMs) });
        const sent = say({
          kind: 'ask',
          id,
          session: from.session,
          scope: from.scope,
          question,
          placeholders,
        });
        if (!sent) return end(id, ownDenial('Countersign’s daemon cannot be reached, so nothing was sent'));
        signal?.addEventListener('abort', gone, { once: true });
      }),
    report: (action, outcome) => {
      say({ kind: 'outcome', action, outcome });
    },
    refused: (session, code, reason, host) => {
      say({ kind: 'refused', session, code, reason, host });
    },
    ready: (port) => {
      say({ kind: 'ready', port });
    },
    receive: (message) => {
      if (message.kind === 'waiting') {
        const found = open.get(message.id);
        if (found === undefined) return;
        clearTimeout(found.timer);
        found.timer = setTimeout(expire(message.id), Math.max(0, message.leftMs) + deadlineMs);
      } else if (message.kind === 'answer') {
        const { kind: _kind, id, ...answer } = message;
        end(id, answer);
      }
    },
    lose: () => {
      lost = true;
      for (const id of [...open.keys()])
        end(id, ownDenial('Countersign’s daemon is gone, so nothing was sent'));
    },
  };
}
