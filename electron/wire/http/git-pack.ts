import type { RefUpdate } from '../../core/http.ts';

const MAX_UPDATES = 1000;
const UPDATE = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (\S+)$/;

/**
 * Ref updates that a push asks for (gitprotocol-pack): pkt-lines up to the flush. A reason where not all of them can be read.
 * Whether an update is forced stands nowhere in it.
 */
export function refUpdates(window: Uint8Array): readonly RefUpdate[] | string {
  const updates: RefUpdate[] = [];
  let at = 0;
  while (at + 4 <= window.length) {
    const head = latin(window, at, at + 4);
    if (!/^[0-9a-f]{4}$/i.test(head)) return 'a line of the push has no length';
    const length = Number.parseInt(head, 16);
    if (length === 0) return updates;
    if (length < 4) {
      at += 4;
      continue;
    }
    if (at + length > window.length) return 'the list of refs is longer than what was looked at';
    const line = utf8(window, at + 4, at + length)
      .replace(/\0.*$/s, '')
      .replace(/\n$/, '');
    at += length;
    const found = UPDATE.exec(line);
    if (found !== null) {
      const [, before = '', after = '', ref = ''] = found;
      if (updates.length === MAX_UPDATES) return 'the push has too many refs';
      updates.push({ ref, before, after });
    } else if (
      !/^(?:shallow |push-cert|certificate version|pusher |pushee |nonce |push-option |-----|[A-Za-z0-9+/= ]*$)/.test(
        line,
      )
    )
      return 'a line of the push is no ref update';
  }
  return 'the list of refs does not end in what was looked at';
}

/** True for an object name of all zeros: no such ref. */
export function isNoObject(name: string): boolean {
  return /^0+$/.test(name);
}

function latin(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

declare const TextDecoder: {
  new (label: 'utf-8'): { decode(bytes: Uint8Array): string };
};

function utf8(bytes: Uint8Array, from: number, to: number): string {
  return new TextDecoder('utf-8').decode(bytes.subarray(from, to));
}
