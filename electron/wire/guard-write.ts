import { unreachable } from '../core/result.ts';
import { encodeGuardFields, type GuardField } from './guard-frame.ts';
import {
  type Asker,
  type DaemonMessage,
  GUARD_VERSION,
  type GuardMessage,
  type GuardTables,
  type ReportedEffect,
} from './guard-message.ts';
import { type Octets, writeOctets, writeText } from './octets.ts';

const put = (tag: string, text: string): GuardField => ({ tag, bytes: writeText(text) });
const putOctets = (tag: string, octets: Octets): GuardField => ({
  tag,
  bytes: writeOctets(octets) ?? new Uint8Array(0),
});
const flag = (tag: string, set: boolean): readonly GuardField[] => (set ? [put(tag, '1')] : []);

/** The fields of what the daemon says, before the seal. */
export function writeDaemonMessage(message: DaemonMessage): Uint8Array {
  const fields = encodeGuardFields([put('k', message.kind), ...daemonFields(message)]);
  return message.kind === 'tables' ? joined([fields, rulesOf(message.tables)]) : fields;
}

interface Rules {
  readonly from: Pick<GuardTables, 'triggers' | 'rows'>;
  readonly bytes: Uint8Array;
}
const rules = new WeakMap<GuardTables['programs'], Rules>();

/** The thousands of rows that sessions share, written once: every start of a session waits for them. */
function rulesOf(tables: GuardTables): Uint8Array {
  const { programs, triggers, rows } = tables;
  const known = rules.get(programs);
  if (known !== undefined && known.from.triggers === triggers && known.from.rows === rows) return known.bytes;
  const bytes = encodeGuardFields([
    ...programs.map((name) => put('e', name)),
    ...triggers.map((name) => put('g', name)),
    ...rows.map((row) => put('f', `${row.operations}\0${row.verdict}\0${row.pattern}`)),
  ]);
  rules.set(programs, { from: { triggers, rows }, bytes });
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function daemonFields(message: DaemonMessage): readonly GuardField[] {
  switch (message.kind) {
    case 'welcome':
      return [{ tag: 'N', bytes: message.nonce }];
    case 'waiting':
      return [put('m', message.message), put('d', String(Math.max(1, Math.round(message.leftMs))))];
    case 'answer':
      return [
        put('D', message.result),
        ...(message.message === '' ? [] : [put('m', message.message)]),
        ...(message.action === null ? [] : [put('i', message.action)]),
        ...flag('x', message.reportEnd),
        ...flag('G', message.remember),
        ...(message.path === null ? [] : [put('p', message.path)]),
        ...message.argv.map((word) => put('a', word)),
      ];
    case 'tables': {
      const { tables } = message;
      return [
        ...tables.sockets.map((path) => put('u', path)),
        ...tables.hosts.map(({ host, port }) => put('h', `${host}\0${port ?? '*'}`)),
        ...flag('E', tables.everyExec),
      ];
    }
    case 'grant':
    case 'revoke':
      return [putOctets('p', message.path)];
    case 'end':
      return [put('m', message.message)];
    case 'ping':
      return [];
    default:
      return unreachable(message);
  }
}

/** The fields of what a guard says, before the seal. */
export function writeGuardMessage(message: GuardMessage): Uint8Array {
  return encodeGuardFields([put('k', message.kind), ...guardFields(message)]);
}

function guardFields(message: GuardMessage): readonly GuardField[] {
  switch (message.kind) {
    case 'hello':
      return [
        put('S', message.session),
        { tag: 'n', bytes: message.nonce },
        put('v', GUARD_VERSION),
        put('r', message.role),
      ];
    case 'exec':
      return [
        ...askerFields(message.asker),
        putOctets('p', message.program),
        putOctets('o', message.called),
        ...message.argv.map((word) => putOctets('a', word)),
        put('c', message.cwd ?? ''),
        ...(message.script === null ? [] : [putOctets('s', message.script)]),
        ...flag('w', message.writable),
        ...flag('I', message.interactive),
      ];
    case 'file':
      return [
        ...askerFields(message.asker),
        put('O', message.operation),
        putOctets('p', message.path),
        ...(message.destination === null ? [] : [putOctets('t', message.destination)]),
        ...(message.flags === null ? [] : [put('F', message.flags.toString(8))]),
      ];
    case 'late':
      return [
        ...askerFields(message.asker),
        put('O', message.operation),
        putOctets('p', message.path),
        ...(message.operation === 'write'
          ? []
          : [message.from === null ? put('t', '') : putOctets('t', message.from)]),
      ];
    case 'connect':
      return [
        ...askerFields(message.asker),
        put('O', message.to.kind),
        ...(message.to.kind === 'unix'
          ? [putOctets('p', message.to.path)]
          : [put('h', message.to.host), put('j', String(message.to.port))]),
      ];
    case 'read':
      return [...askerFields(message.asker), putOctets('p', message.path)];
    case 'effects':
      return message.effects.map((effect) => ({ tag: 'f', bytes: effectBytes(effect) }));
    case 'ended': {
      const { how } = message;
      const text =
        how.kind === 'exit' ? `exit:${how.code}` : how.kind === 'signal' ? `signal:${how.number}` : how.kind;
      return [put('i', message.action), put('x', text)];
    }
    case 'pong':
      return [];
    default:
      return unreachable(message);
  }
}

function askerFields(asker: Asker): readonly GuardField[] {
  return [put('q', String(asker.pid)), putOctets('e', asker.program), put('P', asker.scope ?? '')];
}

function effectBytes(effect: ReportedEffect): Uint8Array {
  const nul = new Uint8Array(1);
  return joined([
    writeText(`${effect.operation}\0${effect.scope ?? ''}\0${effect.error}\0`),
    writeOctets(effect.path) ?? nul,
    ...(effect.destination === null ? [] : [nul, writeOctets(effect.destination) ?? nul]),
  ]);
}
