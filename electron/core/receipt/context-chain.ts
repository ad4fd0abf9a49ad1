import type { ActionId, Digest, Json, JsonObject, TimeMs } from '../brand.ts';
import {
  type ContextEntry,
  type ContextKind,
  type ContextSummary,
  LEVELS,
  type PriorAction,
} from '../context.ts';
import { UNCLASSIFIED } from '../data/classification.ts';
import type { Hasher } from '../ports.ts';
import { err, ok, type Result, unreachable } from '../result.ts';
import { canonical, canonicalForm } from './canonical.ts';
import { ORIGIN } from './chain.ts';
import type { ContextReference } from './receipt.ts';

/**
 * The append-only, hash-chained context of one session (AARM R2.f), and the summary policy reads (R2.e).
 *
 * Bodies, by kind (other members are kept and hashed, and not summarised):
 *   session {}                              intent {text}                      claim {text}
 *   action {id, tool, operation, summary, entities?: text[]}                   decision {action, result}
 *   approval {action}                       outcome {action, result}           data {class} | {untrusted: {kind, …}[], source}
 *   environment {name}
 */

/** Everything of an entry but its hash and place, as its author gives it. */
export interface EntryContent {
  readonly at: TimeMs;
  readonly kind: ContextKind;
  readonly body: JsonObject;
}

/** A context without entries. */
export const EMPTY_CONTEXT: ContextReference = { length: 0, head: ORIGIN };

// The lists a policy reads are bounded, so that the five-hundredth action costs what the tenth did.
const MAX_RECENT = 32;
const MAX_TIMES = 64;
const MAX_TOOLS = 128;
const MAX_ENTITIES = 256;
const MAX_COUNTS = 256;

/** The counter that says a bounded list lost something: a rule must not read a missing name as "never seen". */
export const OVERFLOW = 'overflow';

function entryHash(place: Omit<ContextEntry, 'hash'>, hasher: Hasher): Digest {
  const { seq, prev, at, kind, body } = place;
  return hasher.sha256(canonical({ seq, prev, at, kind, body }));
}

/** Appends one entry after `head`: constant work, whatever the session's length (AARM R2.f). Throws when the body is not JSON. */
export function appendEntry(head: ContextReference, content: EntryContent, hasher: Hasher): ContextEntry {
  const place = { seq: head.length, prev: head.head, ...content };
  return { ...place, hash: entryHash(place, hasher) };
}

/** Where the chain stands after an entry. */
export function referenceAfter(entry: ContextEntry): ContextReference {
  return { length: entry.seq + 1, head: entry.hash };
}

/** The summary of a session that has just begun. */
export function emptySummary(startedAt: TimeMs): ContextSummary {
  return {
    length: 0,
    head: ORIGIN,
    startedAt,
    request: null,
    actionCount: 0,
    counts: {},
    tools: [],
    entities: [],
    classes: [],
    untrusted: null,
    recent: [],
    recentTimes: [],
  };
}

function text(body: JsonObject, key: string): string | null {
  const value = body[key];
  return typeof value === 'string' ? value : null;
}

function texts(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function last<T>(list: readonly T[], max: number): readonly T[] {
  return list.length > max ? list.slice(list.length - max) : list;
}

interface Seen {
  readonly list: readonly string[];
  readonly dropped: number;
}

/** The names seen most recently, each once; the oldest leaves when there are too many. */
function withNames(list: readonly string[], names: readonly string[], max: number): Seen {
  const fresh = names.filter((name, at) => !list.includes(name) && names.indexOf(name) === at);
  if (fresh.length === 0) return { list, dropped: 0 };
  const all = [...list, ...fresh];
  return { list: last(all, max), dropped: Math.max(0, all.length - max) };
}

function count(counts: ContextSummary['counts'], name: string, by = 1): ContextSummary['counts'] {
  const known = Object.hasOwn(counts, name);
  const key = known || Object.keys(counts).length < MAX_COUNTS ? name : OVERFLOW;
  return { ...counts, [key]: (Object.hasOwn(counts, key) ? (counts[key] ?? 0) : 0) + by };
}

function withAction(summary: ContextSummary, entry: ContextEntry): ContextSummary {
  const tool = text(entry.body, 'tool') ?? 'unknown';
  const prior: PriorAction = {
    id: (text(entry.body, 'id') ?? '') as ActionId,
    at: entry.at,
    tool,
    operation: text(entry.body, 'operation') ?? 'unknown',
    summary: text(entry.body, 'summary') ?? '',
    decision: 'PENDING',
    result: null,
  };
  const tools = withNames(summary.tools, [tool], MAX_TOOLS);
  const entities = withNames(summary.entities, texts(entry.body.entities), MAX_ENTITIES);
  const dropped = tools.dropped + entities.dropped;
  const counts = count(summary.counts, `tool:${tool}`);
  return {
    ...summary,
    actionCount: summary.actionCount + 1,
    counts: dropped === 0 ? counts : count(counts, OVERFLOW, dropped),
    tools: tools.list,
    entities: entities.list,
    recent: last([...summary.recent, prior], MAX_RECENT),
    recentTimes: last([...summary.recentTimes, entry.at], MAX_TIMES),
  };
}

const MAX_KINDS = 16;

/** Content that wants to steer its reader: how often, of what kinds, and where the newest came from. */
function withUntrusted(summary: ContextSummary, body: JsonObject, signals: readonly Json[]): ContextSummary {
  const kinds = signals.flatMap((signal) =>
    signal !== null && typeof signal === 'object' && !Array.isArray(signal)
      ? texts([(signal as JsonObject).kind ?? null])
      : [],
  );
  const before = summary.untrusted;
  return {
    ...summary,
    untrusted: {
      count: (before?.count ?? 0) + 1,
      kinds: withNames(before?.kinds ?? [], kinds, MAX_KINDS).list,
      source: text(body, 'source') ?? 'unknown',
    },
  };
}

function amended(summary: ContextSummary, id: string | null, change: Partial<PriorAction>): ContextSummary {
  if (id === null || !summary.recent.some((prior) => prior.id === id)) return summary;
  return {
    ...summary,
    recent: summary.recent.map((prior) => (prior.id === id ? { ...prior, ...change } : prior)),
  };
}

/**
 * Advances what policy can read by one entry, in constant time (AARM R2.a, R2.b, R2.d, R2.e).
 * `counts` has `entry:<kind>`, `tool:<tool>`, `decision:<result>`, `outcome:<result>`, `class:<level>` and OVERFLOW.
 */
export function advanceSummary(summary: ContextSummary, entry: ContextEntry): ContextSummary {
  const next: ContextSummary = {
    ...summary,
    length: entry.seq + 1,
    head: entry.hash,
    counts: count(summary.counts, `entry:${entry.kind}`),
  };
  switch (entry.kind) {
    case 'session':
    case 'claim':
    case 'approval':
    case 'environment':
      return next;
    case 'intent': {
      // The first request is what the session is for; what is asked later adds to it and never replaces it (R2.d).
      const asked = text(entry.body, 'text');
      if (asked === null) return next;
      return { ...next, request: next.request === null ? asked : `${next.request}\n${asked}` };
    }
    case 'action':
      return withAction(next, entry);
    case 'decision': {
      const decision = text(entry.body, 'result') ?? 'unknown';
      const counted = { ...next, counts: count(next.counts, `decision:${decision}`) };
      return amended(counted, text(entry.body, 'action'), { decision });
    }
    case 'outcome': {
      const result = text(entry.body, 'result') ?? 'unknown';
      const counted = { ...next, counts: count(next.counts, `outcome:${result}`) };
      return amended(counted, text(entry.body, 'action'), { result });
    }
    case 'data': {
      const { untrusted } = entry.body;
      if (Array.isArray(untrusted)) return withUntrusted(next, entry.body, untrusted as readonly Json[]);
      const named = text(entry.body, 'class');
      // What nothing classifies, or names in no level we know, counts as the highest (R2.c).
      const level = LEVELS.find((known) => known === named) ?? 'RESTRICTED';
      const classes = next.classes.includes(level) ? next.classes : [...next.classes, level];
      const counts = count(next.counts, `class:${level}`);
      // Counted apart: a rule may ask whether something was known to be restricted, or merely not known.
      const unsaid = text(entry.body, 'because') === UNCLASSIFIED;
      return { ...next, classes, counts: unsaid ? count(counts, 'unclassified') : counts };
    }
    default:
      return unreachable(entry.kind);
  }
}

/** Where a context chain is broken, and how. `at` is the position in the list given. */
export interface ContextFault {
  readonly code: 'edited' | 'missing' | 'unlinked' | 'not_canonical';
  readonly at: number;
  readonly message: string;
}

/**
 * Checks a run of entries after `from`: nothing edited, missing, reordered or added (AARM R2.f).
 * Returns where the chain then stands.
 */
export function verifyContext(
  entries: Iterable<ContextEntry>,
  hasher: Hasher,
  from: ContextReference = EMPTY_CONTEXT,
): Result<ContextReference, ContextFault> {
  let head = from;
  let at = 0;
  for (const entry of entries) {
    const fault = entryFault(head, entry, hasher);
    if (fault !== null) return err({ ...fault, at });
    head = referenceAfter(entry);
    at += 1;
  }
  return ok(head);
}

/** What is wrong with one entry as the next after `head`; null when nothing is. */
export function entryFault(
  head: ContextReference,
  entry: ContextEntry,
  hasher: Hasher,
): Omit<ContextFault, 'at'> | null {
  if (entry.seq !== head.length)
    return { code: 'missing', message: `entry ${head.length} was expected and entry ${entry.seq} found` };
  if (entry.prev !== head.head)
    return { code: 'unlinked', message: `entry ${entry.seq} does not follow the entry before it` };
  if (!canonicalForm(entry.body).ok)
    return { code: 'not_canonical', message: `entry ${entry.seq} has no canonical form` };
  if (entryHash(entry, hasher) !== entry.hash)
    return { code: 'edited', message: `entry ${entry.seq} is not what was hashed` };
  return null;
}
