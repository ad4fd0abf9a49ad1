import type { Digest, JsonObject } from './brand.ts';

/** One header as it stood on the wire, name in lower case. Order and repetition are kept. */
export type Header = readonly [name: string, value: string];

/**
 * Where a request goes, parsed once by the WHATWG rules in the proxy and never again: everything that follows reads these
 * fields. `host` is lower case, punycode, an IPv6 address without brackets; an address written in octal, hex or as one number is
 * already in its plain form.
 */
export interface HttpTarget {
  /** Canonical text, without user, password and fragment. */
  readonly url: string;
  readonly scheme: 'http' | 'https' | 'ws' | 'wss';
  readonly host: string;
  readonly port: number;
  /** Percent-encoding normalised, dot segments resolved. */
  readonly path: string;
  /** Name and value of each query parameter, decoded, in order. */
  readonly query: readonly (readonly [string, string])[];
}

/** What is odd about a request, each a word of docs/vocabulary.md: `userinfo`, `odd-address`, `host-mismatch`, `sni-mismatch` … */
export type HttpOddity = string;

/** What a body says, as far as it was looked at. `none`: there is no body. */
export type HttpBody =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'json';
      readonly value: JsonObject | readonly unknown[] | string | number | boolean | null;
    }
  | { readonly kind: 'form'; readonly fields: readonly (readonly [string, string])[] }
  | { readonly kind: 'multipart'; readonly parts: readonly MultipartPart[] }
  | { readonly kind: 'graphql'; readonly operations: readonly GraphqlOperation[] }
  | {
      readonly kind: 'git';
      readonly service: 'upload-pack' | 'receive-pack';
      readonly updates: readonly RefUpdate[];
    }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'binary' }
  /** It claims to be something that it is not; `why` in few words. */
  | { readonly kind: 'malformed'; readonly claimed: string; readonly why: string };

export interface MultipartPart {
  readonly name: string;
  readonly filename: string | null;
  readonly contentType: string | null;
  readonly bytes: number;
}

export interface GraphqlOperation {
  /** `unknown`: a persisted query, whose text only the server knows. */
  readonly type: 'query' | 'mutation' | 'subscription' | 'unknown';
  readonly name: string | null;
  /** Fields at the top, aliases resolved, fragments spread. */
  readonly fields: readonly string[];
}

/** One line of a push: `before` or `after` all zeros for a ref that is made or deleted. */
export interface RefUpdate {
  readonly ref: string;
  readonly before: string;
  readonly after: string;
}

/** One request as the proxy understood it (AARM R1, R5.a): built by `wire/http/*` from bytes, judged by `evaluate` like every action. */
export interface HttpRequest {
  readonly method: string;
  readonly target: HttpTarget;
  readonly protocol: 'http/1.1' | 'h2' | 'websocket';
  /** As they will be sent on, without hop-by-hop headers. May hold placeholders, never a minted credential. */
  readonly headers: readonly Header[];
  readonly contentType: string | null;
  readonly body: HttpBody;
  /** How much there is (null: not said), and whether all of it was looked at. */
  readonly length: number | null;
  readonly inspected: 'whole' | 'part';
  readonly oddities: readonly HttpOddity[];
  /** SHA-256 of the body's window, so that an approval is bound to the very bytes; absent where nobody hashed it. */
  readonly bodyDigest?: Digest;
}

/** Headers whose values policy and people see: they say what is done, not who does it. */
export const SHOWN_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'origin',
  'referer',
  'user-agent',
  'x-amz-target',
  'x-amz-acl',
  'x-amz-copy-source',
  'x-goog-acl',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-forwarded-host',
  'content-encoding',
  'if-match',
  'range',
]);
