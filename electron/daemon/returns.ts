import type { ActionId } from '../core/brand.ts';
import type { Classified } from '../core/data/classification.ts';
import { classifyRowsOf } from '../core/data/destination.ts';
import type { ProxyQuestion } from '../wire/proxy-message.ts';
import type { MediationPorts } from './mediation.ts';
import type { ReturnPort } from './proxy-ports.ts';
import { findingText, raisedLevel } from './reading.ts';
import type { Session } from './session-store.ts';
import { classifyRowsFor, noteNews } from './stages.ts';

/**
 * Takes what came back over the network into the session (R2.b, T3, T11): its level by policy's word for the host or table, raised by
 * what was found in it; its fingerprints; its signs of untrusted content.
 */
export function createReturns(ports: MediationPorts): ReturnPort {
  return {
    note(session, action, question, outcome) {
      const placed = placeOf(ports, session, question);
      if (placed === null) return;
      const { payload, signals } = outcome;
      const findings = payload?.findings ?? [];
      const level = raisedLevel(placed.level, findings);
      const held = level === placed.level ? placed : { ...placed, level, because: findingText(findings) };
      if (payload !== null) ports.reading?.noteMarks(session, held, payload.marks, action as ActionId);
      const raised = held.level === 'PUBLIC' ? null : held;
      noteNews(ports, session, { raised, signals, source: placed.source }, action);
    },
  };
}

/** Where something came from and how sensitive that place is by itself; null for what gives nothing to read. */
function placeOf(ports: MediationPorts, session: Session, question: ProxyQuestion): Classified | null {
  const rows = classifyRowsFor(ports.policy(), session);
  const by = (kind: 'host' | 'table', value: string, source: string): Classified | null => {
    const row = rows === null ? undefined : classifyRowsOf(rows.rows, { kind, value }, rows.home)[0];
    return row === undefined ? null : { level: row.level, source, because: `${row.label}: ${row.why}` };
  };
  switch (question.kind) {
    case 'request': {
      const { host } = question.request.target;
      return by('host', host, `host:${host}`) ?? plainHost(host);
    }
    case 'stream':
      return by('host', question.host, `host:${question.host}`) ?? plainHost(question.host);
    case 'statement': {
      const tables = [...new Set(question.statements.flatMap((statement) => statement.reads))];
      const named = tables
        .map((table) => `${question.database}.${table}`)
        .map((table) => by('table', table, `table:${table}`))
        .find((classified) => classified !== null);
      const source =
        tables[0] === undefined ? `host:${question.host}` : `table:${question.database}.${tables[0]}`;
      // What a person keeps in a database of their own is not for everybody, whatever it is.
      return named ?? { level: 'INTERNAL', source, because: 'a database' };
    }
    case 'sign':
      return null;
    default:
      return null;
  }
}

function plainHost(host: string): Classified {
  const source = `host:${host}`;
  return isPrivateHost(host)
    ? { level: 'INTERNAL', source, because: 'a host of a private network' }
    : { level: 'PUBLIC', source, because: 'fetched from the network' };
}

/** This machine, a private network (RFC 1918, 4193, link-local), or a name without a dot. */
export function isPrivateHost(host: string): boolean {
  return (
    /^(?:10\.|127\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd][0-9a-f]{2}:|fe80:)/i.test(
      host,
    ) ||
    /^[^.:]+$/.test(host) ||
    /\.(?:localhost|local|internal|lan|home\.arpa)$/i.test(host)
  );
}
