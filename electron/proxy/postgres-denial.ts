import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { failure, frame } from '../edge/postgres-frame.ts';
import type { FrameSource } from '../edge/postgres-source.ts';
import type { DatabaseRoute } from '../wire/proxy-message.ts';
import type { StatementReading } from '../wire/sql/statement-view.ts';
import type { BatchFault } from './postgres-batch.ts';
import type { Inspect } from './postgres-inspect.ts';
import { followReply } from './postgres-reply.ts';
import type { ReadSql } from './postgres-sql.ts';
import { closeUpstream, openUpstream } from './postgres-upstream.ts';
import type { ProtocolContext, ProxyAnswer } from './protocol-handler.ts';

/** A client that is let in: what it gives is asked about, one action at a time. */
export interface PostgresSession {
  readonly client: Duplex;
  readonly source: FrameSource;
  readonly user: string;
  readonly database: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly placeholder: string;
  readonly route: DatabaseRoute;
  readonly context: ProtocolContext;
  readonly inspect: Inspect;
  readonly readSql: ReadSql;
}

/** Why something is not done, as PostgreSQL says it. */
export type Denial = BatchFault & { readonly hint?: string };

/** A denial in PostgreSQL's words: 42501 with what to do instead as its hint. */
export function denial(answer: ProxyAnswer): Denial {
  if (answer.rule === 'cancelled')
    return { code: '57014', message: 'canceling statement due to user request' };
  const rule = answer.rule === null ? '' : ` (rule ${answer.rule})`;
  return {
    code: '42501',
    message: firstLine(answer.message),
    hint: `${restOf(answer.message)}${rule}`.trim(),
  };
}

/** Tells of an action that was allowed and then could not be carried out. */
export function undone(held: PostgresSession, answer: ProxyAnswer): void {
  if (!answer.reportEnd || answer.action === null) return;
  const outcome = followReply(held.inspect, 0, Date.now()).outcome([], false);
  const error = 'it did not reach the database';
  held.context.report(answer.action, { ...outcome, result: 'failed', status: null, error, digest: null });
}

/**
 * The end of a log-in that was asked about: the server's own parameters, read by a role that may do nothing. False when the client may not come in;
 * it has then been told.
 */
export async function greetClient(
  held: PostgresSession,
  cancelKey: { readonly pid: number; readonly secret: number },
  answer: ProxyAnswer,
  write: (bytes: Buffer) => Promise<void>,
): Promise<boolean> {
  const { context, route } = held;
  const refuse = async (why: Denial): Promise<false> => {
    await write(failure({ code: why.code, message: why.message, hint: why.hint ?? null }, 'FATAL'));
    return false;
  };
  if (answer.result !== 'ALLOW') return refuse(denial(answer));
  const swap = answer.swaps.find((one) => one.use.kind === 'postgres');
  const opened = swap === undefined ? null : await openUpstream(route, swap, held.parameters, context);
  if (opened === null || !opened.ok) {
    undone(held, answer);
    return refuse(
      opened === null
        ? { code: '28000', message: 'it was allowed, but no credential was made for it' }
        : { code: opened.error.sqlstate, message: opened.error.message },
    );
  }
  const reported = [...opened.value.parameters]
    .filter(([name]) => name !== 'session_authorization' && name !== 'is_superuser')
    .map(([name, value]) => frame('S', name, value));
  await closeUpstream(opened.value);
  if (answer.reportEnd && answer.action !== null)
    context.report(
      answer.action,
      followReply(held.inspect, 0, Date.now()).outcome([opened.value.minted], false),
    );
  const own = [frame('S', 'session_authorization', held.user), frame('S', 'is_superuser', 'off')];
  const end = [frame('K', cancelKey.pid, cancelKey.secret), frame('Z', Buffer.from('I'))];
  await write(Buffer.concat([...reported, ...own, ...end]));
  return true;
}

export function unreadable(message: string): BatchFault {
  return { code: '42601', message };
}

/** What is not possible through the firewall at all, whatever policy says. */
export function barredBy(readings: readonly StatementReading[]): BatchFault | null {
  for (const { view } of readings) {
    if (view.tags.includes('two-phase'))
      return { code: '0A000', message: 'prepared transactions are not possible through the firewall' };
    if (view.tags.includes('set-role'))
      return { code: '0A000', message: 'another role cannot be taken on through the firewall' };
  }
  return null;
}

export function mintedFor(answer: ProxyAnswer): string | null {
  return answer.swaps.find((one) => one.use.kind === 'postgres')?.minted ?? null;
}

export function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}

function restOf(text: string): string {
  return text.slice(firstLine(text).length).trim().replaceAll('\n', ' ');
}
