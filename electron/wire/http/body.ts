import type { Json, JsonObject } from '../../core/brand.ts';
import type { HttpBody, HttpTarget } from '../../core/http.ts';
import { DEFAULT_JSON_LIMITS, parseStrictJson } from '../json.ts';
import { refUpdates } from './git-pack.ts';
import { graphqlOfJson, graphqlOfPairs, graphqlOperations } from './graphql.ts';
import { pairsOf } from './pairs.ts';
import type { RequestInput } from './request.ts';

declare const TextDecoder: {
  new (label: 'utf-8', options: { readonly fatal: boolean }): { decode(bytes: Uint8Array): string };
};

/** A body as it was understood, and what is odd about it. */
export interface ReadBody {
  readonly body: HttpBody;
  readonly oddities: readonly string[];
}

type BodyInput = Pick<RequestInput, 'method' | 'window' | 'length' | 'inspected' | 'multipart'>;

const NONE: ReadBody = { body: { kind: 'none' }, oddities: [] };

/** Reads a body by what it says it is, and by what it is where that is not so. Never throws. */
export function readBody(input: BodyInput, contentType: string | null, target: HttpTarget): ReadBody {
  const { window } = input;
  if (window.length === 0 && input.multipart === null) return emptyBody(input, target);
  const type = essenceOf(contentType);
  const git = /^application\/x-git-(upload|receive)-pack-request$/.exec(type ?? '')?.[1];
  const byPath = /\/git-(upload|receive)-pack$/.exec(target.path)?.[1];
  if (git !== undefined || byPath !== undefined) return gitBody(window, git ?? byPath ?? '', git !== byPath);
  if (type?.startsWith('multipart/') === true) {
    if (input.multipart === null) return malformed(type, 'its parts cannot be read');
    return { body: { kind: 'multipart', parts: input.multipart }, oddities: [] };
  }
  const text = textOf(window, input.inspected === 'part');
  if (text === null) return binaryBody(type);
  const sure = isGraphqlPath(target.path) || type === 'application/graphql';
  if (type === 'application/graphql') return graphqlBody(graphqlOperations(text, null), type);
  if (type === 'application/x-www-form-urlencoded') return formBody(text, sure);
  if (isJsonType(type)) return jsonBody(text, type ?? '', input.inspected, sure);
  return untypedBody(text, type, input.inspected, sure);
}

/** The media type alone, lower case: `application/json`. Null where nothing says. */
export function essenceOf(contentType: string | null): string | null {
  const essence = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return essence === '' ? null : essence;
}

function emptyBody(input: BodyInput, target: HttpTarget): ReadBody {
  if (input.length !== null && input.length > 0 && input.inspected === 'whole')
    return malformed('a body', 'it was said to be there and is not');
  const read = graphqlOfPairs(target.query, isGraphqlPath(target.path));
  return read === null ? NONE : graphqlBody(read, 'query');
}

function isGraphqlPath(path: string): boolean {
  return /(?:^|\/)(?:graphql|gql)(?:\/|$)/i.test(path);
}

function isJsonType(type: string | null): boolean {
  return (
    type !== null &&
    /^(?:application|text)\/(?:[\w.+-]+\+)?(?:x-)?(?:json|amz-json-1\.[01])$|^application\/csp-report$/.test(
      type,
    )
  );
}

const malformed = (claimed: string, why: string): ReadBody => ({
  body: { kind: 'malformed', claimed, why },
  oddities: [],
});

function graphqlBody(read: ReturnType<typeof graphqlOperations>, claimed: string): ReadBody {
  return typeof read === 'string'
    ? malformed(claimed === 'query' ? 'graphql' : claimed, read)
    : { body: { kind: 'graphql', operations: read }, oddities: [] };
}

function gitBody(window: Uint8Array, service: string, odd: boolean): ReadBody {
  const oddities = odd ? ['type-mismatch'] : [];
  if (service === 'upload') return { body: { kind: 'git', service: 'upload-pack', updates: [] }, oddities };
  const updates = refUpdates(window);
  if (typeof updates === 'string')
    return { body: { kind: 'malformed', claimed: 'git-receive-pack', why: updates }, oddities };
  return { body: { kind: 'git', service: 'receive-pack', updates }, oddities };
}

function binaryBody(type: string | null): ReadBody {
  const text =
    type !== null &&
    (type.startsWith('text/') || isJsonType(type) || type === 'application/x-www-form-urlencoded');
  return { body: { kind: 'binary' }, oddities: text ? ['type-mismatch'] : [] };
}

function formBody(text: string, sure: boolean): ReadBody {
  // What calls itself a form and is JSON: `curl -d '{…}'` without a type says so.
  const first = text.trimStart()[0];
  if (first === '{' || first === '[') {
    const read = parseStrictJson(text);
    if (read.ok) return { ...ofJson(read.value, 'json', sure), oddities: ['type-mismatch'] };
  }
  const fields = pairsOf(text);
  const read = graphqlOfPairs(fields, sure);
  if (read !== null) return graphqlBody(read, 'form');
  return { body: { kind: 'form', fields }, oddities: [] };
}

function ofJson(value: Json, claimed: string, sure: boolean): ReadBody {
  const operations = graphqlOfJson(value, sure);
  if (operations !== null) return graphqlBody(operations, claimed);
  return { body: { kind: 'json', value: value as JsonObject | readonly unknown[] }, oddities: [] };
}

function jsonBody(text: string, type: string, inspected: 'whole' | 'part', sure: boolean): ReadBody {
  const read = parseStrictJson(text);
  if (read.ok) return ofJson(read.value, type, sure);
  if (inspected === 'part') return { body: { kind: 'text', text }, oddities: [] };
  const { code, message } = read.error;
  if (code === 'unsafe_number') {
    // Numbers too long for us are ordinary ids elsewhere: they are shown with less precision, nothing is decided by them.
    const loose = looseJson(text);
    if (loose !== undefined) return ofJson(loose, type, sure);
  }
  if (code === 'duplicate_key' || code === 'forbidden_key')
    return { body: { kind: 'malformed', claimed: type, why: message }, oddities: ['duplicate-key'] };
  return malformed(type, message);
}

/** JSON whose only fault may be its numbers: a duplicate key behind one is still refused. */
function looseJson(text: string): Json | undefined {
  const plain = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]{15,}/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  const read = parseStrictJson(plain, DEFAULT_JSON_LIMITS);
  return read.ok ? read.value : undefined;
}

/** Without a type, or with one that says little or lies: what it is. */
function untypedBody(
  text: string,
  type: string | null,
  inspected: 'whole' | 'part',
  sure: boolean,
): ReadBody {
  const first = text.trimStart()[0];
  const plain = type === null || type === 'text/plain' || type === 'application/octet-stream' || sure;
  const odd =
    plain ||
    type?.startsWith('text/') ||
    /xml|yaml|ndjson|x-ndjson|javascript|jsonl|multipart/.test(type ?? '')
      ? []
      : ['type-mismatch'];
  if ((first === '{' || first === '[') && inspected === 'whole') {
    const read = parseStrictJson(text);
    if (read.ok) return { ...ofJson(read.value, 'json', sure), oddities: odd };
    if (read.error.code === 'duplicate_key')
      return {
        body: { kind: 'malformed', claimed: 'json', why: read.error.message },
        oddities: ['duplicate-key'],
      };
  }
  return { body: { kind: 'text', text }, oddities: odd };
}

/** Text of UTF-8 bytes; null when they are none. A character cut at the end of a part is no fault. */
function textOf(window: Uint8Array, cut: boolean): string | null {
  if (window.subarray(0, 8192).includes(0)) return null;
  for (let less = 0; less <= (cut ? 3 : 0); less += 1)
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(window.subarray(0, window.length - less));
    } catch {
      // Tried with less below, or no text.
    }
  return null;
}
