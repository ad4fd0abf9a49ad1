import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { NONCE_BYTES, sealedFrame, sealPrefix, splitSeal } from '../wire/guard-frame.ts';

/** Seals what one end of a guard's connection says and checks what the other end said (docs/guard-protocol.md). */
export interface FrameSeal {
  /** The next frame of this end. */
  seal(body: Uint8Array): Uint8Array;
  /**
   * The body of the other end's next frame, or null when it is not exactly that: another key, another connection, a replay, a
   * reordering, a changed byte (AARM R6.j). After null the connection must be closed.
   */
  open(payload: Uint8Array): Uint8Array | null;
}

/** What a seal of one connection is made with. `sealed` and `opened` are how many frames went before in each direction. */
export interface SealTerms {
  readonly key: string;
  readonly side: 'guard' | 'daemon';
  readonly guardNonce: Uint8Array;
  readonly daemonNonce: Uint8Array;
  readonly sealed: number;
  readonly opened: number;
}

/** The nonce of a daemon that has not said one yet. */
export const NO_NONCE = new Uint8Array(NONCE_BYTES);

/** Starts a seal; counters only rise. */
export function createFrameSeal(terms: SealTerms): FrameSeal {
  const key = createSecretKey(Buffer.from(terms.key, 'utf8'));
  const mine = terms.side === 'guard' ? 'g' : 'd';
  const theirs = terms.side === 'guard' ? 'd' : 'g';
  let { sealed, opened } = terms;
  const mac = (direction: 'g' | 'd', counter: number, body: Uint8Array): Buffer =>
    createHmac('sha256', key)
      .update(sealPrefix(direction, terms.guardNonce, terms.daemonNonce, counter))
      .update(body)
      .digest();
  return {
    seal(body) {
      const frame = sealedFrame(body, mac(mine, sealed, body));
      sealed += 1;
      return frame;
    },
    open(payload) {
      const split = splitSeal(payload);
      if (split === null) return null;
      const expected = mac(theirs, opened, split.body);
      opened += 1;
      return timingSafeEqual(expected, split.seal) ? split.body : null;
    },
  };
}
