import { z } from 'zod';
import type { Digest } from '../core/brand.ts';
import type { Payload } from '../core/data/payload.ts';
import type { HttpBody } from '../core/http.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { ProxyMessage } from './proxy-message.ts';

/** Why what the proxy said is not one of its messages. */
export interface ProxyFault {
  readonly code: 'malformed' | 'too_large';
  readonly message: string;
}

const MAX_DEPTH = 96;
const MAX_NODES = 500_000;
/** Characters and bytes of one message together: a window of a body, its reading, and its fingerprints. */
const MAX_VOLUME = 64 * 1024 * 1024;
const MAX_MARKS = 16 * 1024 * 1024;

const text = (most: number) => z.string().max(most);
const short = text(1024);
const long = text(128 * 1024);
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const base64 = long.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/);
const port = z.number().int().min(1).max(65535);
const host = text(1024).min(1);
const pair = z.tuple([long, text(MAX_VOLUME)]);

const payload = z.strictObject({
  bytes: count,
  inspected: z.enum(['whole', 'part']),
  findings: z
    .array(
      z.strictObject({
        kind: z.enum(['secret', 'personal']),
        detector: text(128),
        count,
        layer: text(256),
      }),
    )
    .max(1024),
  marks: z
    .instanceof(Uint8Array)
    .refine((marks) => marks.length % 8 === 0 && marks.length <= MAX_MARKS, 'not fingerprints of 8 bytes'),
}) satisfies z.ZodType<Payload>;

const zeroOrHash = z.string().regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/);
const body = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('json'), value: z.custom<JsonValue>((value) => value !== undefined) }),
  z.strictObject({
    kind: z.literal('form'),
    fields: z.array(z.tuple([text(MAX_VOLUME), text(MAX_VOLUME)])).max(65536),
  }),
  z.strictObject({
    kind: z.literal('multipart'),
    parts: z
      .array(
        z.strictObject({
          name: long,
          filename: long.nullable(),
          contentType: long.nullable(),
          bytes: count,
        }),
      )
      .max(65536),
  }),
  z.strictObject({
    kind: z.literal('graphql'),
    operations: z
      .array(
        z.strictObject({
          type: z.enum(['query', 'mutation', 'subscription', 'unknown']),
          name: long.nullable(),
          fields: z.array(long).max(4096),
        }),
      )
      .max(4096),
  }),
  z.strictObject({
    kind: z.literal('git'),
    service: z.enum(['upload-pack', 'receive-pack']),
    updates: z.array(z.strictObject({ ref: long, before: zeroOrHash, after: zeroOrHash })).max(65536),
  }),
  z.strictObject({ kind: z.literal('text'), text: text(MAX_VOLUME) }),
  z.strictObject({ kind: z.literal('binary') }),
  z.strictObject({ kind: z.literal('malformed'), claimed: long, why: long }),
]);
type JsonValue = Extract<HttpBody, { kind: 'json' }>['value'];

const digest = z.custom<Digest>((value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
const request = z.strictObject({
  method: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/),
  target: z.strictObject({
    url: long,
    scheme: z.enum(['http', 'https', 'ws', 'wss']),
    host,
    port,
    path: long,
    query: z.array(pair).max(16384),
  }),
  protocol: z.enum(['http/1.1', 'h2', 'websocket']),
  headers: z.array(z.tuple([z.string().regex(/^[^A-Z]{1,1024}$/), long])).max(1024),
  contentType: long.nullable(),
  body,
  length: count.nullable(),
  inspected: z.enum(['whole', 'part']),
  oddities: z.array(text(64)).max(64),
  bodyDigest: digest.exactOptional(),
});

const statement = z.strictObject({
  verb: text(128),
  reads: z.array(short).max(4096),
  writes: z.array(short).max(4096),
  tags: z.array(text(64)).max(256),
  needs: z
    .array(
      z.strictObject({
        table: short,
        privilege: z.enum(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'USAGE', 'CREATE', 'OWNER']),
      }),
    )
    .max(16384)
    .exactOptional(),
  calls: z.array(short).max(4096).exactOptional(),
});

const question = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('request'),
    request,
    payload,
    address: text(256).nullable(),
    hop: count,
  }),
  z.strictObject({
    kind: z.literal('statement'),
    credential: short,
    host,
    port,
    database: short,
    user: short,
    text: text(MAX_VOLUME),
    statements: z.array(statement).max(16384),
    payload,
    values: digest.nullable().exactOptional(),
    continues: short.nullable().exactOptional(),
    transaction: z.boolean().exactOptional(),
    searchPath: long.nullable().exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('stream'),
    host,
    port,
    protocol: text(128),
    by: z.literal('ssh').exactOptional(),
    payload,
  }),
  z.strictObject({
    kind: z.literal('sign'),
    credential: short,
    host,
    user: short,
    key: base64,
    data: base64,
    flags: z.number().int().min(0).max(0xffff_ffff),
    bind: z.strictObject({ hostKey: base64, sessionId: base64, signature: base64 }),
  }),
]);

const id = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const time = z.number().finite().nonnegative();

const outcome = z.strictObject({
  result: z.enum(['succeeded', 'failed', 'unknown']),
  status: text(64).nullable(),
  error: text(4096).nullable(),
  sent: count,
  received: count,
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  contentType: text(4096).nullable(),
  startedAt: time,
  endedAt: time,
  payload: payload.nullable(),
  signals: z
    .array(
      z.strictObject({
        kind: z.enum(['instruction', 'hidden-text', 'impersonation', 'exfiltration-lure', 'encoded']),
        detector: text(128),
        count,
      }),
    )
    .max(256),
  used: z.array(short).max(64),
});

const message = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ready'), port }),
  z.strictObject({
    kind: z.literal('ask'),
    id,
    session: short,
    scope: short.nullable(),
    question,
    placeholders: z.array(z.strictObject({ value: text(4096).min(1), where: text(4096) })).max(256),
  }),
  z.strictObject({ kind: z.literal('cancel'), id }),
  z.strictObject({ kind: z.literal('outcome'), action: short, outcome }),
  z.strictObject({
    kind: z.literal('refused'),
    session: short.nullable(),
    code: z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/),
    reason: text(4096),
    host: text(1024).nullable(),
  }),
]);

/**
 * Checks what the proxy said (docs/proxy-protocol.md): it reads hostile bytes, so it is believed as little as they are. Takes what a
 * structured clone can hold: plain objects, arrays, texts, numbers and `Uint8Array`s, all bounded.
 */
export function parseProxyMessage(raw: unknown): Result<ProxyMessage, ProxyFault> {
  const bounded = measure(raw);
  if (bounded !== null) return err(bounded);
  const parsed = message.safeParse(raw);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  const at = issue === undefined ? '' : issue.path.map(String).join('.');
  // Where and what kind of fault, never the value.
  return err({
    code: 'malformed',
    message: `not a message of the proxy, at \`${at}\`: ${issue?.code ?? ''}`,
  });
}

/** Walks the whole value once, without recursion, before anything that recurses sees it. */
function measure(raw: unknown): ProxyFault | null {
  const malformed = (what: string): ProxyFault => ({
    code: 'malformed',
    message: `a message of the proxy holds ${what}`,
  });
  const tooLarge = (what: string): ProxyFault => ({
    code: 'too_large',
    message: `a message of the proxy is too ${what}`,
  });
  const stack: { readonly value: unknown; readonly depth: number }[] = [{ value: raw, depth: 0 }];
  let nodes = 0;
  let volume = 0;
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { value, depth } = top;
    nodes += 1;
    if (nodes > MAX_NODES || volume > MAX_VOLUME) return tooLarge('large');
    if (depth > MAX_DEPTH) return tooLarge('deep');
    if (value === null || typeof value === 'boolean') continue;
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return malformed('a number that is none');
    } else if (typeof value === 'string') volume += value.length;
    else if (value instanceof Uint8Array) volume += value.byteLength;
    else if (Array.isArray(value)) {
      if (nodes + value.length > MAX_NODES) return tooLarge('large');
      for (const item of value) stack.push({ value: item, depth: depth + 1 });
    } else if (typeof value === 'object' && isPlain(value)) {
      for (const [key, item] of Object.entries(value)) {
        if (key === '__proto__') return malformed('a forbidden key');
        volume += key.length;
        stack.push({ value: item, depth: depth + 1 });
      }
    } else return malformed('something that is no data');
  }
  return volume > MAX_VOLUME ? tooLarge('large') : null;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
