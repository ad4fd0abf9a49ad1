import { z } from 'zod';
import type { Json } from '../core/brand.ts';
import { hasIdShape } from '../core/brand.ts';
import { err, ok, type Result } from '../core/result.ts';
import { FILE_OPERATIONS } from './guard-message.ts';
import { HOOK_AGENTS } from './hook/event.ts';
import { DEFAULT_JSON_LIMITS, parseStrictJson } from './json.ts';
import { mcpEnvelopeSchema, returnedSchema } from './mcp/envelope.ts';

/**
 * The `submit` door: anyone may knock, and nothing can be done there but submit actions and outcomes.
 * One JSON object a line. A connection starts with `hello`; then each `action` is answered by zero or more `waiting` and
 * exactly one `decision`, each `outcome` by `recorded`. Every line from the daemon is `{"body": TEXT, "mac": HEX}` where
 * `mac` = HMAC-SHA256(session secret, connection nonce + "\n" + TEXT): an impostor on the socket path cannot answer.
 */

export const SUBMIT_VERSION = 1;
/** 1 MiB of command line, JSON-escaped in the worst case, and room for the rest. */
export const MAX_SUBMIT_LINE = 8 * 1024 * 1024;
export const MAX_COMMAND_LINE = 1024 * 1024;
/** Bytes of a connection's first line. */
export const MAX_HELLO_LINE = 4096;

const sessionId = z.string().refine((t) => hasIdShape('sess', t), 'not a session id');
const actionId = z.string().refine((t) => hasIdShape('act', t), 'not an action id');
const requestId = z.string().min(1).max(64);
const text = z.string().max(MAX_COMMAND_LINE);
const path = z.string().max(8192);

/** First line of a connection. `nonce`: 16+ random bytes, base64url, chosen by the client for the MAC. */
export const helloSchema = z.strictObject({
  v: z.literal(SUBMIT_VERSION),
  type: z.literal('hello'),
  session: sessionId,
  nonce: z.string().min(20).max(128),
});

/**
 * What a surface claims to have intercepted; signed whole by the agent instance's key.
 * Exactly one of `command_line` (text that a shell will read) and `argv` (an exec, words literal) is present.
 */
export const shellEnvelopeSchema = z
  .strictObject({
    session: sessionId,
    /** Strictly increasing per agent instance: replay is refused, a gap is visible. */
    sequence: z.number().int().nonnegative(),
    surface: z.literal('shell'),
    operation: z.enum(['run', 'exec']),
    command_line: text.nullable(),
    argv: z.array(text).max(100_000).nullable(),
    /** Set when argv was not UTF-8: base64 of each word; the words in `argv` are then a lossy rendering. */
    argv_base64: z
      .array(z.string().max(2 * MAX_COMMAND_LINE))
      .max(100_000)
      .nullable(),
    dialect: z.enum(['bash', 'sh', 'zsh', 'unknown']),
    cwd: path.nullable(),
    /** Values the surface knows of variables that the command mentions. */
    variables: z.record(z.string().max(256), text),
    /** Text of the script that an interpreter was asked to run, where the surface could read it. */
    script: text.nullable(),
    /** True when every command in it will be intercepted again with its real values. */
    parts_follow: z.boolean(),
    interactive: z.boolean(),
    pid: z.number().int().positive().nullable(),
    /** What the agent itself says it is doing: a claim, never intent. */
    claim: z.string().max(4096).nullable(),
    depends_on: z.array(actionId).max(64),
  })
  .refine(
    (e) => (e.command_line === null) !== (e.argv === null),
    'exactly one of `command_line` and `argv` is needed',
  );

/** What the file shim asks about: the kernel guard's operations and `read`. */
export const SHIM_OPERATIONS = [...FILE_OPERATIONS, 'read'] as const;

/** Fields of every envelope of the file shim. */
const fileCommon = {
  session: sessionId,
  /** Strictly increasing per agent instance, shared with the shell's envelopes. */
  sequence: z.number().int().nonnegative(),
  surface: z.literal('file'),
  cwd: path.nullable(),
  pid: z.number().int().positive().nullable(),
};

/**
 * A file operation that a program is about to perform, as the file shim saw it (AARM R1); signed like a command. Paths are absolute
 * where the shim could tell. `destination`: where `rename` and `link` lead, the target text of `symlink`; else null.
 */
export const fileEnvelopeSchema = z.strictObject({
  ...fileCommon,
  operation: z.enum(SHIM_OPERATIONS),
  path,
  destination: path.nullable(),
  /** True when everything below the path is meant too (`fs.rm` with `recursive`, `shutil.rmtree`). */
  recursive: z.boolean(),
  /** Permission bits that `mode` sets; null elsewhere. */
  mode: z.number().int().min(0).max(0o7777).nullable(),
  /** Real path of the script that the interpreter was started with, as the shim says; null when there is none. */
  program: path.nullable(),
});

/** A connection that a program is about to make, as the file shim saw it (AARM R1). */
export const connectEnvelopeSchema = z.strictObject({
  ...fileCommon,
  operation: z.literal('connect'),
  /** Name or address, as the program gave it. */
  host: z.string().min(1).max(1024),
  port: z.number().int().min(0).max(65535),
});

/** Every envelope that this door takes, told apart by its surface and, for the file shim, its operation. */
export const envelopeSchema = z.discriminatedUnion('surface', [
  shellEnvelopeSchema,
  z.discriminatedUnion('operation', [fileEnvelopeSchema, connectEnvelopeSchema]),
  mcpEnvelopeSchema,
]);

/**
 * The request id is the signed sequence number, in decimal. It is what a reply is matched by: were it not signed, something
 * between surface and daemon could exchange the ids of two requests, and with them their decisions.
 */
const REQUEST_IS_SEQUENCE = 'the request id is not the sequence number that was signed';
const isSigned = (m: { readonly request: string; readonly envelope: { readonly sequence: number } }) =>
  m.request === String(m.envelope.sequence);

export const actionMessageSchema = z
  .strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('action'),
    request: requestId,
    envelope: envelopeSchema,
    /** Ed25519 by the agent instance over SHA-256(canonical(envelope)), base64url. */
    signature: z.string().max(128),
  })
  .refine(isSigned, REQUEST_IS_SEQUENCE);

/** What became of an action that was let through. */
export const outcomeMessageSchema = z
  .strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('outcome'),
    request: requestId,
    envelope: z.strictObject({
      session: sessionId,
      sequence: z.number().int().nonnegative(),
      action: actionId,
      result: z.enum(['succeeded', 'failed', 'unknown']),
      exit_code: z.number().int().min(0).max(255).nullable(),
      signal: z.string().max(32).nullable(),
      error: z.string().max(4096).nullable(),
      started_at: z.number().int().nullable(),
      ended_at: z.number().int(),
      /** What came back, where the surface saw it: looked at, and kept nowhere. */
      returned: returnedSchema.optional(),
    }),
    signature: z.string().max(128),
  })
  .refine(isSigned, REQUEST_IS_SEQUENCE);

/** What an agent's hook told inside a session: the launcher hands it on, and what comes back is the hook's to write. */
export const hookMessageSchema = z
  .strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('hook'),
    request: requestId,
    envelope: z.strictObject({
      session: sessionId,
      sequence: z.number().int().nonnegative(),
      surface: z.literal('hook'),
      agent: z.enum(HOOK_AGENTS),
      event: z.string().regex(/^[A-Za-z_]{1,64}$/),
      payload: z.string().max(MAX_SUBMIT_LINE),
      pid: z.number().int().positive(),
    }),
    signature: z.string().max(128),
  })
  .refine(isSigned, REQUEST_IS_SEQUENCE);

/** The person or the agent gave up waiting (^C): the parked action is withdrawn. */
export const cancelMessageSchema = z.strictObject({
  v: z.literal(SUBMIT_VERSION),
  type: z.literal('cancel'),
  request: requestId,
});

export const submitMessageSchema = z.discriminatedUnion('type', [
  helloSchema,
  actionMessageSchema,
  outcomeMessageSchema,
  hookMessageSchema,
  cancelMessageSchema,
]);

export type Hello = z.infer<typeof helloSchema>;
export type ShellEnvelope = z.infer<typeof shellEnvelopeSchema>;
export type FileEnvelope = z.infer<typeof fileEnvelopeSchema>;
export type ConnectEnvelope = z.infer<typeof connectEnvelopeSchema>;
/** What this door takes, whichever surface sent it. */
export type SubmittedEnvelope = z.infer<typeof envelopeSchema>;
export type ActionMessage = z.infer<typeof actionMessageSchema>;
export type OutcomeMessage = z.infer<typeof outcomeMessageSchema>;
export type HookMessage = z.infer<typeof hookMessageSchema>;
export type SubmitMessage = z.infer<typeof submitMessageSchema>;

/** Daemon → surface. `result` of a `decision` is final: what the surface must now do. */
export const submitReplySchema = z.discriminatedUnion('type', [
  z.strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('welcome'),
    /** Milliseconds after which a surface that heard neither `waiting` nor `decision` must deny by itself. */
    deadline_ms: z.number().int().positive(),
  }),
  z.strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('waiting'),
    request: requestId,
    action: actionId,
    state: z.enum(['STEP_UP', 'DEFER']),
    reason: z.string(),
    rule: z.string().nullable(),
    /** Short handle a person types to answer it. */
    approval: z.string().nullable(),
    /** Epoch milliseconds; past it the answer is DENY. */
    deadline: z.number().int(),
    /** Of a list of tool definitions: names of those that must not be used before this is answered. */
    withheld: z.array(z.string()).optional(),
  }),
  z.strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('decision'),
    request: requestId,
    action: actionId.nullable(),
    result: z.enum(['ALLOW', 'DENY', 'MODIFY']),
    /** What was first decided (STEP_UP and DEFER end as ALLOW, DENY or MODIFY). */
    decided: z.enum(['ALLOW', 'DENY', 'MODIFY', 'STEP_UP', 'DEFER']),
    rule: z.string().nullable(),
    reason: z.string(),
    instead: z.string().nullable(),
    /** For MODIFY: what to run in place of what was asked; exactly one of the two is present. */
    command_line: z.string().nullable(),
    argv: z.array(z.string()).nullable(),
    /** For MODIFY of an MCP call, in place of both: the arguments to call with, as JSON. */
    arguments: z.string().optional(),
    /** Of a list of tool definitions that was not allowed: names of those that must not be used. */
    withheld: z.array(z.string()).optional(),
    /** True when this fell inside the mandate of an earlier action and is counted as its effect. */
    effect: z.boolean(),
    receipt: z.string().nullable(),
  }),
  z.strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('recorded'),
    request: requestId,
    receipt: z.string().nullable(),
  }),
  z.strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('hooked'),
    request: requestId,
    stdout: z.string(),
    stderr: z.string(),
    status: z.number().int().min(0).max(9),
  }),
  z.strictObject({
    v: z.literal(SUBMIT_VERSION),
    type: z.literal('refused'),
    request: requestId.nullable(),
    code: z.string(),
    message: z.string(),
  }),
]);
export type SubmitReply = z.infer<typeof submitReplySchema>;

/** The outer form of every line from the daemon. */
export const sealedSchema = z.strictObject({ body: z.string(), mac: z.string().length(64) });

/** Why a line at a door was refused; the connection is closed and the refusal recorded. */
export interface DoorFault {
  readonly code: string;
  readonly message: string;
}

/** Parses one line with a schema, strictly: JSON limits first, then the shape. */
export function parseLine<T>(
  line: string,
  schema: z.ZodType<T>,
  maxLength = MAX_SUBMIT_LINE,
): Result<T, DoorFault> {
  const json = parseStrictJson(line, { ...DEFAULT_JSON_LIMITS, maxLength });
  if (!json.ok)
    return err({ code: json.error.code, message: `${json.error.message} at character ${json.error.at}` });
  return parseShape(json.value, schema);
}

/** Parses a JSON value with a schema; the first few issues become the message, values never echoed. */
export function parseShape<T>(value: Json, schema: z.ZodType<T>): Result<T, DoorFault> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const issues = parsed.error.issues.slice(0, 3).map((i) => `${i.path.join('.') || 'message'}: ${i.message}`);
  return err({ code: 'bad_shape', message: issues.join('; ') });
}
