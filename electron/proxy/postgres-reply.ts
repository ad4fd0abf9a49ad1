import { createHash } from 'node:crypto';
import { cursorOf, type Frame, readFields } from '../edge/postgres-frame.ts';
import type { ProxyOutcome } from '../wire/proxy-message.ts';
import type { Inspect } from './postgres-inspect.ts';

/** What a database answered to one action, as it passes: counted, digested, and its first rows kept to be looked at. */
export interface Reply {
  take(message: Frame): void;
  sent(bytes: number): void;
  outcome(used: readonly string[], cut: boolean): ProxyOutcome;
}

/** Follows what comes back, up to `window` bytes of the values of its rows. */
export function followReply(inspect: Inspect, window: number, startedAt: number): Reply {
  const hash = createHash('sha256');
  const kept: Buffer[] = [];
  let room = window;
  let received = 0;
  let sentBytes = 0;
  let sqlstate: string | null = null;
  const keep = (bytes: Buffer): void => {
    if (room > 0) kept.push(Buffer.from(bytes.subarray(0, room)), Buffer.from('\n'));
    room -= bytes.length + 1;
  };
  const keepRow = (body: Buffer): void => {
    const at = cursorOf(body);
    for (let left = at.int16(); left > 0; left -= 1) {
      const length = at.int32();
      if (length >= 0) keep(at.bytes(length));
    }
  };
  return {
    take(message) {
      received += message.raw.length;
      if (message.type !== 'D' && message.type !== 'd' && message.type !== 'E' && message.type !== 'N')
        return;
      hash.update(message.raw);
      if (message.type === 'E') sqlstate = readFields(message.body)['C'] ?? 'XX000';
      else if (room <= 0) return;
      else if (message.type === 'D') keepRow(message.body);
      else if (message.type === 'd') keep(message.body);
    },
    sent(bytes) {
      sentBytes += bytes;
    },
    outcome(used, cut) {
      const text = Buffer.concat(kept);
      const payload = text.length === 0 ? null : inspect.scan(text);
      return {
        result: cut ? 'unknown' : sqlstate === null ? 'succeeded' : 'failed',
        status: sqlstate ?? (cut ? null : '00000'),
        // The server's own words may hold values of rows.
        error: sqlstate === null ? null : `SQLSTATE ${sqlstate}`,
        sent: sentBytes,
        received,
        digest: cut ? null : hash.digest('hex'),
        contentType: null,
        startedAt,
        endedAt: Date.now(),
        payload: payload === null ? null : room < 0 ? { ...payload, inspected: 'part' } : payload,
        signals: text.length === 0 ? [] : inspect.signals(text.toString('utf8')),
        used,
      };
    },
  };
}
