import type { Action, Assurance } from '../core/action.ts';
import type { JsonObject, TimeMs } from '../core/brand.ts';
import { type Command, UNKNOWN_TEXT, type Word } from '../core/command.ts';
import { carriedFacts, type SendPlace } from '../core/data/carried.ts';
import type { Classified } from '../core/data/classification.ts';
import type { DestinationRow } from '../core/data/destination.ts';
import type { Flow, FlowStore } from '../core/data/flow.ts';
import { EMPTY_PAYLOAD, type Finding, type Payload } from '../core/data/payload.ts';
import type { Effect } from '../core/effect.ts';
import type { Clock } from '../core/ports.ts';
import { hostOf } from '../core/semantic/objects.ts';
import { readBeginning } from '../edge/read-scan.ts';
import { hostPath } from './guard-normalize.ts';
import type { CarriedFacts } from './mediation.ts';
import type { Session } from './session-store.ts';

/** What an action takes out of this machine, and where it was read (AARM R2.b, T3). */
export interface Carried {
  /** Null when the action sends nothing. */
  readonly payload: Payload | null;
  /** Sources met again, the most sensitive first, without what only goes back to where it came from. */
  readonly flows: readonly Flow[];
  /** Something that may be in it has not been looked at: that there are no flows is then not known. */
  readonly late: boolean;
}

export const NOTHING_CARRIED: Carried = { payload: null, flows: [], late: false };

export interface CarriedPorts {
  readonly clock: Clock;
  readonly store: FlowStore;
  /** `core/data/scan.ts` under the installation's key. */
  readonly scan: (bytes: Uint8Array, inspected: 'whole' | 'part') => Payload;
  readonly classify: (effect: Effect, session: Session) => Classified | null;
  readonly late: (session: Session) => boolean;
}

/** Kinds of effect that take something out. */
const SENDS = new Set<Effect['kind']>(['upload', 'send', 'connect', 'publish', 'download']);
const MAX_WORDS = 256 * 1024;
const MAX_FILES = 8;
/** Of all files that one action sends. */
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_FLOWS = 16;

/** Makes the function that finds what an action carries; what was found is kept with the action. */
export function createCarried(ports: CarriedPorts): (session: Session, action: Action) => Carried {
  const found = new WeakMap<Action, Carried>();
  return (session, action) => {
    const before = found.get(action);
    if (before !== undefined && !before.late) return before;
    const carried = find(ports, session, action);
    found.set(action, carried);
    return carried;
  };
}

function find(ports: CarriedPorts, session: Session, action: Action): Carried {
  const hosts = destinationsOf(action);
  if (action.carries !== undefined) {
    const flows = abroad(ports.store.lookup(action.carries.marks), hosts);
    return { payload: action.carries, flows, late: ports.late(session) };
  }
  const senders = sendersOf(action);
  if (senders === null) return NOTHING_CARRIED;
  const text = wordsOf(action, senders);
  const words =
    text === '' ? EMPTY_PAYLOAD : ports.scan(new TextEncoder().encode(text.slice(0, MAX_WORDS)), 'whole');
  const files = filesOf(ports, session, action, senders);
  const payloads = [words, ...files.payloads];
  const flows = abroad(
    [...files.flows, ...payloads.flatMap(({ marks }) => ports.store.lookup(marks))],
    hosts,
  );
  return { payload: joined(payloads, files.whole), flows, late: ports.late(session) };
}

/** True for what sends something to somewhere. */
export function takesOut(action: Action): boolean {
  if (action.carries !== undefined) return true;
  return action.effects.some(({ kind, object }) => SENDS.has(kind) && !object.labels.includes('loopback'));
}

/** Hosts that an action reaches. */
export function destinationsOf(action: Action): readonly string[] {
  const hosts = new Set<string>();
  for (const { kind, object } of action.effects) {
    if (!SENDS.has(kind) || (object.kind !== 'host' && object.kind !== 'url')) continue;
    const host = hostOf(object.value);
    if (host !== '') hosts.add(host.toLowerCase());
  }
  const { host } = action.parameters;
  if (typeof host === 'string') hosts.add(host.toLowerCase());
  return [...hosts];
}

/** The strongest of each source, without what a host gave and gets back. */
function abroad(flows: readonly Flow[], hosts: readonly string[]): readonly Flow[] {
  const bySource = new Map<string, Flow>();
  for (const flow of flows) {
    const { name } = flow.source;
    if (name.startsWith('host:') && hosts.length > 0 && hosts.every((host) => name === `host:${host}`))
      continue;
    // What an MCP server gave goes back to it.
    const from = /^mcp:([^/]+)\//.exec(name)?.[1]?.toLowerCase();
    if (from !== undefined && hosts.length > 0 && hosts.every((host) => host === `${from}.mcp`)) continue;
    const before = bySource.get(name);
    if (before === undefined || before.matches < flow.matches) bySource.set(name, flow);
  }
  const rank = { RESTRICTED: 0, CONFIDENTIAL: 1, INTERNAL: 2, PUBLIC: 3 } as const;
  return [...bySource.values()]
    .sort((a, b) => rank[a.source.level] - rank[b.source.level] || b.matches - a.matches)
    .slice(0, MAX_FLOWS);
}

/** Commands that take something out and those that feed them; null when there is none. */
function sendersOf(action: Action): ReadonlySet<number> | null {
  const senders = new Set<number>();
  let whole = false;
  for (const effect of action.effects) {
    if (!SENDS.has(effect.kind) || effect.object.labels.includes('loopback')) continue;
    if (effect.command === null) whole = true;
    else senders.add(effect.command);
  }
  if (whole) for (const { index } of action.commands) senders.add(index);
  for (const index of senders) {
    const from = action.commands[index]?.pipedFrom ?? null;
    // A set that grows while it is walked is walked to its end: what feeds a feeder, too.
    if (from !== null) senders.add(from);
  }
  return whole || senders.size > 0 ? senders : null;
}

/** All that the commands say: words, here-documents, code. */
function wordsOf(action: Action, senders: ReadonlySet<number>): string {
  const parts: string[] = [];
  const word = (one: Word | null) => {
    if (one !== null && one.text !== '') parts.push(one.text);
  };
  for (const index of senders) {
    const command: Command | undefined = action.commands[index];
    if (command === undefined) continue;
    command.args.forEach(word);
    for (const { value } of command.assignments) word(value);
    for (const { body } of command.redirects) word(body);
    if (command.code !== null) parts.push(command.code.text);
  }
  return parts.join('\n');
}

/** The files that are sent: what is in them, and each classified one as a source by itself. */
function filesOf(
  ports: CarriedPorts,
  session: Session,
  action: Action,
  senders: ReadonlySet<number>,
): { readonly payloads: readonly Payload[]; readonly flows: readonly Flow[]; readonly whole: boolean } {
  const payloads: Payload[] = [];
  const flows: Flow[] = [];
  const seen = new Set<string>();
  let room = MAX_FILE_BYTES;
  let whole = true;
  for (const effect of action.effects) {
    const { object } = effect;
    if ((effect.kind !== 'read' && effect.kind !== 'upload') || object.kind !== 'path') continue;
    if (effect.command !== null && !senders.has(effect.command)) continue;
    if (object.labels.includes('remote') || object.labels.includes('container')) continue;
    const path = hostPath(session, object.value);
    if (seen.has(path)) continue;
    seen.add(path);
    const classified = ports.classify({ ...effect, kind: 'read' }, session);
    if (classified !== null && (classified.level === 'CONFIDENTIAL' || classified.level === 'RESTRICTED'))
      flows.push({
        source: {
          name: `path:${path}`,
          level: classified.level,
          because: classified.because,
          session: session.id,
          action: action.id,
          at: ports.clock.now(),
        },
        matches: 1,
      });
    if (!object.known || object.many || effect.recursive || payloads.length >= MAX_FILES || room <= 0) {
      whole = false;
      continue;
    }
    const bytes = readBeginning(path, room);
    if (bytes === null) continue;
    whole &&= bytes.length < room;
    room -= bytes.length;
    payloads.push(ports.scan(bytes, whole ? 'whole' : 'part'));
  }
  return { payloads, flows, whole };
}

const MAX_FINDINGS = 64;

/** Several payloads as one; the marks are not looked up again and stay apart. */
function joined(payloads: readonly Payload[], whole: boolean): Payload {
  const findings: Finding[] = payloads.flatMap((payload) => payload.findings).slice(0, MAX_FINDINGS);
  return {
    bytes: payloads.reduce((sum, payload) => sum + payload.bytes, 0),
    inspected: whole && payloads.every((payload) => payload.inspected === 'whole') ? 'whole' : 'part',
    findings,
    marks: payloads[0]?.marks ?? new Uint8Array(0),
  };
}

/**
 * The facts `data` and `destination` of what is carried (docs/policy-format.md), by what policy says of where it goes. `isSeen`: whether
 * anything was ever sent to a host; null where nobody remembers.
 */
export function factsOf(
  carried: Carried,
  action: Action,
  destinations: readonly DestinationRow[],
  now: TimeMs,
  assurance: Assurance,
  isSeen: ((host: string) => boolean) | null = null,
): CarriedFacts {
  const metAgain = assurance !== 'cooperative' && action.surface !== 'http';
  return carriedFacts({ ...carried, destinations, places: placesOf(action, isSeen), now, metAgain });
}

/** Where an action sends to: what the proxy parsed, else what its words say. */
function placesOf(action: Action, isSeen: ((host: string) => boolean) | null): readonly SendPlace[] {
  const places = new Map<string, SendPlace>();
  for (const { kind, object } of action.effects) {
    if (!SENDS.has(kind) || (object.kind !== 'host' && object.kind !== 'url')) continue;
    const host = hostOf(object.value).toLowerCase();
    // A host of which a part is not known is no host: what it stands for is met again.
    if (host === '' || host.includes(UNKNOWN_TEXT) || places.has(host)) continue;
    const firstSeen = isSeen === null ? null : !isSeen(host);
    places.set(host, { host, port: portOf(object.value), labels: object.labels, firstSeen });
  }
  return [...places.values()].slice(0, MAX_FILES);
}

function portOf(value: string): number | null {
  const port = /^(?:[a-z][a-z0-9+.-]*:\/\/)?(?:[^/@]*@)?(?:\[[^\]]*\]|[^/:?#]*):(\d{1,5})(?:[/?#]|$)/i.exec(
    value,
  )?.[1];
  if (port !== undefined) return Number(port);
  if (/^(?:https|wss):/i.test(value)) return 443;
  return /^(?:http|ws):/i.test(value) ? 80 : null;
}

/** `body.data` of a receipt: where what it carries was read, and what was found in it; never any text (docs/receipt-format.md). */
export function dataPart(carried: Carried): JsonObject | null {
  const { payload, flows, late } = carried;
  if (payload === null) return null;
  return {
    bytes: payload.bytes,
    inspected: payload.inspected,
    flows: flows.map(({ source, matches }) => ({
      source: source.name,
      level: source.level,
      because: source.because,
      session: source.session,
      at: source.at,
      matches,
    })),
    findings: payload.findings.map(({ kind, detector, count, layer }) => ({ kind, detector, count, layer })),
    late,
  };
}

/** What an action carries, in words for people: `carries data read from path:/home/u/x (RESTRICTED)`. */
export function carriedText(carried: Carried): readonly string[] {
  return carried.flows
    .slice(0, 4)
    .map(({ source }) => `carries data read from ${source.name} (${source.level})`);
}
