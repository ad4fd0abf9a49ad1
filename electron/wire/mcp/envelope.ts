import { z } from 'zod';
import type { Json, JsonObject } from '../../core/brand.ts';
import { hasIdShape } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';

const sessionId = z.string().refine((t) => hasIdShape('sess', t), 'not a session id');
const path = z.string().max(8192);
const anyObject = z.custom<JsonObject>((value) => isJsonObject(value as Json | undefined), 'not an object');
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256');

/** Which server: what it was started with, never what it says of itself. */
export const mcpServerSchema = z.strictObject({
  /** As a person calls it. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'not a server name'),
  /** The words that start it: files by their real path, a package without its version. Empty for a URL. */
  command: z.array(z.string().max(8192)).max(256),
  package: z.string().max(256).nullable(),
  version: z.string().max(128).nullable(),
  /** SHA-256 of the program or script that is started, where there is one. */
  build: digest.nullable(),
  url: z.string().max(8192).nullable(),
});
export type McpServer = z.infer<typeof mcpServerSchema>;

const common = {
  session: sessionId,
  /** Strictly increasing per agent instance, shared with the other envelopes. */
  sequence: z.number().int().nonnegative(),
  surface: z.literal('mcp'),
  server: mcpServerSchema,
  cwd: path.nullable(),
  pid: z.number().int().positive().nullable(),
};

const define = z.strictObject({
  ...common,
  operation: z.literal('define'),
  /** Entries of `tools/list` as the server gave them. */
  tools: z.array(anyObject).max(1024),
  /** It is a page, and the server says that there is another one. */
  more: z.boolean(),
});
const call = z.strictObject({
  ...common,
  operation: z.literal('call'),
  tool: z.string().min(1).max(256),
  arguments: anyObject,
});
const read = z.strictObject({ ...common, operation: z.literal('read'), uri: z.string().max(16_384) });
const prompt = z.strictObject({
  ...common,
  operation: z.literal('prompt'),
  name: z.string().max(256),
  arguments: anyObject,
});
/** Any other request: what a server asks of the client (sampling, elicitation, roots), and methods that nothing here knows. */
const request = z.strictObject({
  ...common,
  operation: z.literal('request'),
  from: z.enum(['client', 'server']),
  method: z.string().min(1).max(256),
  params: anyObject,
});

/** What the MCP bridge intercepted (AARM R1); signed like a command. */
export const mcpEnvelopeSchema = z.discriminatedUnion('operation', [define, call, read, prompt, request]);
export type McpEnvelope = z.infer<typeof mcpEnvelopeSchema>;

const unsigned = { session: true, sequence: true } as const;

/** The same before a session adds its own part and signs: what the bridge says to the host of its session. */
export const mcpQuestionSchema = z.discriminatedUnion('operation', [
  define.omit(unsigned),
  call.omit(unsigned),
  read.omit(unsigned),
  prompt.omit(unsigned),
  request.omit(unsigned),
]);
export type McpQuestion = z.infer<typeof mcpQuestionSchema>;

/** Characters of what came back that the daemon looks at: the beginning and the end. */
export const MAX_RETURNED_TEXT = 256 * 1024;

/** What came back, for the daemon to look at; its text is kept nowhere. */
export const returnedSchema = z.strictObject({
  /** `mcp:filesystem/read_text_file`. */
  source: z.string().max(400),
  text: z.string().max(MAX_RETURNED_TEXT + 16),
  bytes: z.number().int().nonnegative(),
  digest,
});
export type Returned = z.infer<typeof returnedSchema>;

/** Characters of a question, as JSON; longer ones cannot be judged. */
export const MAX_QUESTION_TEXT = 6 * 1024 * 1024;

/** What a bridge within a session says of the end of what it asked about. */
export const outcomeTextSchema = z.strictObject({
  ending: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('answer'), error: z.string().max(4096).nullable() }),
    z.strictObject({ kind: z.literal('unknown'), why: z.string().max(4096) }),
  ]),
  returned: returnedSchema.optional(),
});
