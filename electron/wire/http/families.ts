import type { Json } from '../../core/brand.ts';
import type { EffectKind } from '../../core/effect.ts';
import type { HttpRequest } from '../../core/http.ts';
import { unreachable } from '../../core/result.ts';
import {
  familiesOf,
  type HttpCall,
  type HttpDeed,
  type HttpFamily,
  type NamedTest,
  type VerbSource,
} from '../../core/semantic/http-knowledge.ts';
import type { Knowledge, VerbMeaning } from '../../core/semantic/knowledge.ts';
import { verbOf } from '../../core/semantic/verbs.ts';
import { isJsonObject } from '../json.ts';
import { headerOf, methodOf } from './request.ts';

/** Which family and call a request is of. */
export interface Recognized {
  /** The first family that names the host, or, without one, the family of the call; null when nothing is known. */
  readonly family: HttpFamily | null;
  readonly call: HttpCall | null;
  /** Stretches of the path by their names in the call's pattern, decoded. */
  readonly captures: ReadonlyMap<string, string>;
}

const MAX_PATH = 4096;
const NOTHING: ReadonlyMap<string, string> = new Map();

/** Finds what a request is, by host, method, path and what the calls ask for; families of a host before those of any host. */
export function recognize(request: HttpRequest, knowledge: Knowledge): Recognized {
  const method = methodOf(request);
  const path = plainPath(request.target.path);
  // No service has longer paths; what pads one is judged by its method. It bounds what patterns cost on a hostile path.
  const known = path.length <= MAX_PATH;
  let named: HttpFamily | null = null;
  for (const family of familiesOf(knowledge.http, request.target.host)) {
    if (family.hosts !== null) named ??= family;
    for (const call of known ? family.calls : []) {
      if (call.methods !== null && !call.methods.includes(method)) continue;
      const found = call.path.exec(path);
      if (found === null || !fits(call, request)) continue;
      const captures = new Map(call.names.map((name, at) => [name, decoded(found[at + 1] ?? '')]));
      return { family: named ?? family, call, captures };
    }
  }
  return { family: named, call: null, captures: NOTHING };
}

/** One slash where there were several, none at the end: what most servers make of it. */
function plainPath(path: string): string {
  const single = path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}

function fits(call: HttpCall, request: HttpRequest): boolean {
  return (
    call.headers.every((test) => holds(test, headerOf(request.headers, test.name))) &&
    call.query.every((test) => holds(test, pairOf(request.target.query, test.name))) &&
    call.fields.every((test) => holds(test, fieldOf(request, test.name)))
  );
}

function holds(test: NamedTest, value: string | null): boolean {
  return value !== null && test.pattern.test(value.slice(0, 4000));
}

function pairOf(pairs: readonly (readonly [string, string])[], name: string): string | null {
  return pairs.find(([key]) => key === name)?.[1] ?? null;
}

/** A field at the top of a JSON or form body (`a.b` for one inside it), else of the query: a service reads either. */
function fieldOf(request: HttpRequest, name: string): string | null {
  const { body } = request;
  if (body.kind === 'form') return pairOf(body.fields, name) ?? pairOf(request.target.query, name);
  if (body.kind === 'json') {
    let value = body.value as Json | undefined;
    for (const key of name.split('.')) value = isJsonObject(value) ? value[key] : undefined;
    if (value !== undefined) return typeof value === 'string' ? value : JSON.stringify(value);
  }
  return pairOf(request.target.query, name);
}

/** The words that say what is done, where the address does not. */
export function verbWords(source: VerbSource, request: HttpRequest): readonly string[] {
  switch (source.kind) {
    case 'field':
      return [fieldOf(request, source.name) ?? ''];
    case 'header': {
      const value = headerOf(request.headers, source.name) ?? '';
      return [value.slice(value.lastIndexOf('.') + 1)];
    }
    case 'segment': {
      const path = plainPath(request.target.path);
      return [decoded(path.slice(path.lastIndexOf('/') + 1))];
    }
    case 'graphql': {
      if (request.body.kind !== 'graphql') return [];
      return request.body.operations.flatMap((one) => (one.type === 'mutation' ? one.fields : []));
    }
    default:
      return unreachable(source);
  }
}

const READS =
  /^(?:get|list|describe|head|query|scan|lookup|search|select|check|validate|test|preview|download|estimate|simulate|decode|count|find|fetch|show|view|receive|poll|batchget|batchdescribe|assume)(?![a-z])/;

/** What a call named by a verb does: `DeleteUser`, `createIssue`, `removeStar`. What no verb says is an upload; what only reads, a download. */
export function verbDeed(word: string, knowledge: Knowledge): HttpDeed {
  const lower = word.slice(0, 1).toLowerCase() + word.slice(1, 60);
  const reads = READS.test(lower);
  const meaning = verbOf(lower, knowledge) ?? (reads ? null : lastVerb(word, knowledge));
  if (meaning !== null)
    return deed(meaning.effect, [...meaning.tags, 'by-verb'], meaning.effect === 'delete' ? 'no' : 'unknown');
  return deed(reads ? 'download' : 'upload', [], 'unknown');
}

/** The noun may come first: `issueDelete`, `user_remove`. Only what destroys or disrupts is looked for there. */
function lastVerb(word: string, knowledge: Knowledge): VerbMeaning | null {
  const last = /(?:[A-Z]|[a-z0-9][_-])([a-z]*)$/.exec(word.slice(0, 60));
  if (last === null) return null;
  const text = last[0].replace(/^.[_-]/, '').toLowerCase();
  const meaning = verbOf(text, knowledge);
  return meaning?.tags.some((tag) => tag === 'destructive' || tag === 'disruptive') === true ? meaning : null;
}

function deed(effect: EffectKind, tags: readonly string[], reversible: 'no' | 'unknown'): HttpDeed {
  return {
    effect,
    object: 'url',
    value: null,
    labels: [],
    tags,
    recursive: false,
    force: false,
    many: false,
    reversible,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
