import { hasIdShape } from '../core/brand.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import { decodeGuardFields, type GuardFault, type GuardField, NONCE_BYTES } from './guard-frame.ts';
import type { Asker, DaemonMessage, GuardMessage, HowEnded, ReportedEffect } from './guard-message.ts';
import { FILE_OPERATIONS, GUARD_VERSION } from './guard-message.ts';
import { type Octets, readOctets } from './octets.ts';

/** How often a field may come: once, at most once, any number of times, or at most once and empty or `1`. */
type Presence = 'one' | 'maybe' | 'many' | 'flag';
type Shape = Readonly<Record<string, Presence>>;

const ASKER: Shape = { k: 'one', q: 'one', e: 'one', P: 'maybe' };
const GUARD_SHAPES: Readonly<Record<GuardMessage['kind'], Shape>> = {
  hello: { k: 'one', S: 'one', n: 'one', v: 'one', r: 'one' },
  exec: { ...ASKER, p: 'one', o: 'one', a: 'many', c: 'one', s: 'maybe', w: 'flag', I: 'flag' },
  file: { ...ASKER, O: 'one', p: 'one', t: 'maybe', F: 'maybe' },
  late: { ...ASKER, O: 'one', p: 'one', t: 'maybe' },
  connect: { ...ASKER, O: 'one', h: 'maybe', j: 'maybe', p: 'maybe' },
  read: { ...ASKER, p: 'one' },
  effects: { k: 'one', f: 'many' },
  ended: { k: 'one', i: 'one', x: 'one' },
  pong: { k: 'one' },
};
const DAEMON_SHAPES: Readonly<Record<DaemonMessage['kind'], Shape>> = {
  welcome: { k: 'one', N: 'one' },
  waiting: { k: 'one', m: 'one', d: 'one' },
  answer: { k: 'one', D: 'one', m: 'maybe', i: 'maybe', x: 'flag', G: 'flag', p: 'maybe', a: 'many' },
  tables: { k: 'one', e: 'many', g: 'many', f: 'many', u: 'many', h: 'many', E: 'flag' },
  grant: { k: 'one', p: 'one' },
  revoke: { k: 'one', p: 'one' },
  end: { k: 'one', m: 'maybe' },
  ping: { k: 'one' },
};

/** Words of one exec; the kernel itself allows about this many. */
const MAX_WORDS = 200_000;
const MAX_EFFECTS = 65_536;
const MAX_NAME_BYTES = 65_536;

/** Thrown inside a parse only, and caught at its edge: what a frame says wrong. */
class Malformed extends Error {}

function fail(message: string): never {
  throw new Malformed(message);
}

/** A frame's fields by tag, after the shape of its kind was checked. */
class Fields {
  readonly #byTag = new Map<string, Uint8Array[]>();
  constructor(fields: readonly GuardField[]) {
    for (const { tag, bytes } of fields) {
      const list = this.#byTag.get(tag);
      if (list === undefined) this.#byTag.set(tag, [bytes]);
      else list.push(bytes);
    }
  }
  check(shape: Shape): void {
    for (const [tag, values] of this.#byTag) {
      const presence = Object.hasOwn(shape, tag) ? shape[tag] : undefined;
      if (presence === undefined) fail('a field of no known tag');
      if (presence !== 'many' && values.length > 1) fail(`field \`${tag}\` comes twice`);
      const [first] = values;
      if (presence === 'flag' && first !== undefined && first.length > 1) fail(`field \`${tag}\` is no flag`);
    }
    for (const tag in shape)
      if (shape[tag] === 'one' && !this.#byTag.has(tag)) fail(`field \`${tag}\` is missing`);
  }
  has(tag: string): boolean {
    return this.#byTag.has(tag);
  }
  all(tag: string): readonly Uint8Array[] {
    return this.#byTag.get(tag) ?? [];
  }
  bytes(tag: string): Uint8Array {
    return this.#byTag.get(tag)?.[0] ?? fail(`field \`${tag}\` is missing`);
  }
  octets(tag: string): Octets {
    return octetsOf(this.bytes(tag), tag);
  }
  /** Text of ours, in both directions: it is always UTF-8. */
  text(tag: string): string {
    const { text, exact } = readOctets(this.bytes(tag));
    return exact ? text : fail(`field \`${tag}\` is not text`);
  }
  path(tag: string): Octets {
    const path = this.octets(tag);
    if (!isCanonical(path.text)) fail(`field \`${tag}\` is no canonical path`);
    return path;
  }
  number(tag: string, most: number): number {
    return numberIn(this.text(tag), tag, most);
  }
}

function octetsOf(bytes: Uint8Array, tag: string): Octets {
  if (bytes.length > MAX_NAME_BYTES) fail(`field \`${tag}\` is too long`);
  if (bytes.includes(0)) fail(`field \`${tag}\` holds a NUL`);
  return readOctets(bytes);
}

function numberIn(text: string, tag: string, most: number): number {
  const value = /^(?:0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : fail(`field \`${tag}\` is no number`);
  return value <= most ? value : fail(`field \`${tag}\` is too large`);
}

function isCanonical(path: string): boolean {
  return path === '/' || (path.startsWith('/') && !/\/(?:\.{0,2}(?:\/|$))/.test(path));
}

function oneOf<T extends string>(text: string, tag: string, values: readonly T[]): T {
  return values.find((value) => value === text) ?? fail(`field \`${tag}\` has no known value`);
}

function scopeOf(text: string): string | null {
  if (text === '') return null;
  return hasIdShape('act', text) ? text : fail('the scope is no action id');
}

/** The way of a connection through the proxy, or a file. */
function wayOrPath(f: Fields): string {
  const text = f.octets('p').text;
  return /^via:127\.0\.0\.1:[1-9][0-9]{0,4}$/.test(text) ? text : f.path('p').text;
}

function askerOf(f: Fields): Asker {
  return {
    pid: f.number('q', 2 ** 31) || fail('field `q` is no process'),
    program: f.octets('e'),
    scope: f.has('P') ? scopeOf(f.text('P')) : null,
  };
}

function parse<T>(
  body: Uint8Array,
  shapes: Readonly<Record<string, Shape>>,
  read: (kind: string, fields: Fields) => T,
): Result<T, GuardFault> {
  const decoded = decodeGuardFields(body);
  if (!decoded.ok) return decoded;
  try {
    const fields = new Fields(decoded.value);
    if (decoded.value[0]?.tag !== 'k') fail('the kind does not come first');
    const kind = fields.text('k');
    const shape = Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
    if (shape === undefined) return err({ code: 'unknown_kind', message: 'a message of no known kind' });
    fields.check(shape);
    return ok(read(kind, fields));
  } catch (cause) {
    if (!(cause instanceof Malformed)) throw cause;
    return err({ code: 'bad_shape', message: cause.message });
  }
}

/** Parses what a guard says (AARM R1); the frame's seal was checked before. Total: any bytes give a message or a fault. */
export function readGuardMessage(body: Uint8Array): Result<GuardMessage, GuardFault> {
  return parse(body, GUARD_SHAPES, (kind, f) => guardMessageOf(kind as GuardMessage['kind'], f));
}

function guardMessageOf(kind: GuardMessage['kind'], f: Fields): GuardMessage {
  switch (kind) {
    case 'hello': {
      const session = f.text('S');
      if (!hasIdShape('sess', session)) fail('field `S` is no session id');
      if (f.text('v') !== GUARD_VERSION) fail('a version that is not ours');
      const nonce = f.bytes('n');
      if (nonce.length !== NONCE_BYTES) fail('field `n` has no 32 bytes');
      return { kind, session, nonce, role: oneOf(f.text('r'), 'r', ['ask', 'watch']) };
    }
    case 'exec': {
      const words = f.all('a');
      if (words.length > MAX_WORDS) fail('too many words');
      const cwd = f.octets('c');
      return {
        kind,
        asker: askerOf(f),
        program: f.path('p'),
        called: f.path('o'),
        argv: words.map((word) => {
          if (word.includes(0)) fail('a word holds a NUL');
          return readOctets(word);
        }),
        cwd: cwd.exact && isCanonical(cwd.text) ? cwd.text : null,
        script: f.has('s') ? f.path('s') : null,
        writable: f.has('w'),
        interactive: f.has('I'),
      };
    }
    case 'file': {
      const operation = oneOf(f.text('O'), 'O', FILE_OPERATIONS);
      const moves = operation === 'rename' || operation === 'link';
      if ((moves || operation === 'symlink') !== f.has('t')) fail('field `t` does not fit the operation');
      const flags = f.has('F') ? f.text('F') : null;
      if (flags !== null && !/^[0-7]{1,12}$/.test(flags)) fail('field `F` is not octal');
      return {
        kind,
        asker: askerOf(f),
        operation,
        path: f.path('p'),
        destination: moves ? f.path('t') : f.has('t') ? f.octets('t') : null,
        flags: flags === null ? null : Number.parseInt(flags, 8),
      };
    }
    case 'late': {
      const operation = oneOf(f.text('O'), 'O', ['write', 'replace']);
      const from = f.has('t') && f.bytes('t').length > 0 ? f.path('t') : null;
      if (operation === 'write' && from !== null) fail('field `t` does not fit the operation');
      if (operation === 'replace' && !f.has('t')) fail('field `t` is missing');
      return { kind, asker: askerOf(f), operation, path: f.path('p'), from };
    }
    case 'connect': {
      const to = oneOf(f.text('O'), 'O', ['tcp', 'unix']);
      if (to === 'unix') {
        if (f.has('h') || f.has('j')) fail('a socket has no host');
        return { kind, asker: askerOf(f), to: { kind: to, path: f.path('p') } };
      }
      if (f.has('p')) fail('a host has no path');
      const host = f.text('h');
      if (!/^[A-Za-z0-9._:%-]{1,253}$/.test(host)) fail('field `h` is no host');
      return { kind, asker: askerOf(f), to: { kind: to, host, port: f.number('j', 65535) } };
    }
    case 'read':
      return { kind, asker: askerOf(f), path: f.path('p') };
    case 'effects': {
      const records = f.all('f');
      if (records.length > MAX_EFFECTS) fail('too many effects in one report');
      return { kind, effects: records.map(reportedEffect) };
    }
    case 'ended': {
      const action = f.text('i');
      if (!hasIdShape('act', action)) fail('field `i` is no action id');
      return { kind, action, how: howEnded(f.text('x')) };
    }
    case 'pong':
      return { kind };
    default:
      return unreachable(kind);
  }
}

const REPORTED = [...FILE_OPERATIONS, 'exec', 'connect', 'read', 'dropped'] as const;

function reportedEffect(record: Uint8Array): ReportedEffect {
  if (record.length > 4 * MAX_NAME_BYTES) fail('an effect is too long');
  const parts: Uint8Array[] = [];
  for (let from = 0; ; ) {
    const nul = record.indexOf(0, from);
    parts.push(record.subarray(from, nul < 0 ? record.length : nul));
    if (nul < 0 || parts.length > 6) break;
    from = nul + 1;
  }
  const [op, scope, result, path, destination] = parts;
  if (op === undefined || scope === undefined || result === undefined || path === undefined)
    return fail('an effect is cut short');
  const text = (bytes: Uint8Array): string => {
    const octets = readOctets(bytes);
    return octets.exact ? octets.text : fail('an effect is not text where it must be');
  };
  const operation = oneOf(text(op), 'f', REPORTED);
  const moves = operation === 'rename' || operation === 'link';
  if (operation === 'dropped' && !/^[1-9][0-9]{0,14}$/.test(text(path)))
    fail('a count of lost reports is none');
  // What a symbolic link says may be told, too.
  const fits = parts.length === (moves ? 5 : 4) || (operation === 'symlink' && parts.length === 5);
  if (!fits) fail('an effect has not as many parts as its operation');
  return {
    operation,
    scope: scopeOf(text(scope)),
    error: numberIn(text(result), 'f', 4095),
    path: readOctets(path),
    destination: destination === undefined ? null : readOctets(destination),
  };
}

function howEnded(text: string): HowEnded {
  if (text === 'unknown') return { kind: 'unknown' };
  const found = /^(exit|signal):([0-9]{1,3})$/.exec(text);
  if (found === null) return fail('field `x` says no end');
  const value = Number(found[2]);
  if (value > (found[1] === 'exit' ? 255 : 127)) return fail('field `x` is too large');
  return found[1] === 'exit' ? { kind: 'exit', code: value } : { kind: 'signal', number: value };
}

/** Parses what the daemon says; the guard's own parser is in C, this one is the other half of the tests' proof. */
export function readDaemonMessage(body: Uint8Array): Result<DaemonMessage, GuardFault> {
  return parse(body, DAEMON_SHAPES, (kind, f) => daemonMessageOf(kind as DaemonMessage['kind'], f));
}

function daemonMessageOf(kind: DaemonMessage['kind'], f: Fields): DaemonMessage {
  switch (kind) {
    case 'welcome': {
      const nonce = f.bytes('N');
      return nonce.length === NONCE_BYTES ? { kind, nonce } : fail('field `N` has no 32 bytes');
    }
    case 'waiting':
      return { kind, message: f.text('m'), leftMs: f.number('d', 2 ** 40) };
    case 'answer': {
      const action = f.has('i') ? f.text('i') : '';
      if (action !== '' && !hasIdShape('act', action)) fail('field `i` is no action id');
      return {
        kind,
        result: oneOf(f.text('D'), 'D', ['ALLOW', 'DENY', 'MODIFY']),
        message: f.has('m') ? f.text('m') : '',
        action: action === '' ? null : action,
        reportEnd: f.has('x'),
        remember: f.has('G'),
        path: f.has('p') ? wayOrPath(f) : null,
        argv: f.all('a').map((word) => readOctets(word).text),
      };
    }
    case 'tables':
      return {
        kind,
        tables: {
          programs: f.all('e').map((name) => octetsOf(name, 'e').text),
          triggers: f.all('g').map((name) => octetsOf(name, 'g').text),
          rows: f.all('f').map((row) => {
            const [operations = '', verdict = '', pattern = ''] = readOctets(row).text.split('\0');
            return { operations, verdict: oneOf(verdict, 'f', ['allow', 'deny', 'ask', 'late']), pattern };
          }),
          sockets: f.all('u').map((path) => octetsOf(path, 'u').text),
          hosts: f.all('h').map((entry) => {
            const [host = '', port = ''] = readOctets(entry).text.split('\0');
            return { host, port: port === '*' ? null : numberIn(port, 'h', 65535) };
          }),
          everyExec: f.has('E'),
        },
      };
    case 'grant':
    case 'revoke':
      return { kind, path: f.path('p') };
    case 'end':
      return { kind, message: f.has('m') ? f.text('m') : '' };
    case 'ping':
      return { kind };
    default:
      return unreachable(kind);
  }
}
