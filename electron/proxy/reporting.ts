import type { ProxyOutcome } from '../wire/proxy-message.ts';
import { decodeBody } from './body-window.ts';
import type { Workings } from './inspection.ts';
import type { ProxyAnswer } from './protocol-handler.ts';
import type { Relayed } from './relay.ts';

/** What came back: its findings, fingerprints and signals. */
export async function lookAt(
  workings: Workings,
  relayed: Pick<Relayed, 'window' | 'codings' | 'received' | 'contentType'>,
): Promise<Pick<ProxyOutcome, 'payload' | 'signals'>> {
  const { window, codings } = relayed;
  if (window.length === 0 || codings === null) return { payload: null, signals: [] };
  const { windowBytes, fingerprintKey } = workings.settings();
  const whole = window.length === relayed.received;
  const decoded = codings.length === 0 ? window : await decodeBody(window, codings, whole, windowBytes * 8);
  const plain = Buffer.isBuffer(decoded) ? decoded : decoded.ok ? decoded.value : null;
  if (plain === null) return { payload: null, signals: [] };
  return {
    payload: workings.inspection.scan(plain, fingerprintKey, whole ? 'whole' : 'part'),
    signals: workings.inspection.signals(plain.toString('utf8'), relayed.contentType),
  };
}

/** Reports the outcome of an ALLOW that is owed one. */
export function owe(workings: Workings, answer: ProxyAnswer, outcome: ProxyOutcome): void {
  if (answer.result === 'ALLOW' && answer.reportEnd && answer.action !== null)
    workings.channel.report(answer.action, outcome);
}

/** An outcome of which nothing came back. */
export function failed(startedAt: number, error: string): ProxyOutcome {
  return {
    result: 'failed',
    status: null,
    error,
    sent: 0,
    received: 0,
    digest: null,
    contentType: null,
    startedAt,
    endedAt: Date.now(),
    payload: null,
    signals: [],
    used: [],
  };
}
