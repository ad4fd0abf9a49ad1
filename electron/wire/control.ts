import { z } from 'zod';
import { hasIdShape } from '../core/brand.ts';
import { calmSchema } from './calm.ts';
import { credentialRequestSchemas, handedSecretSchema } from './credential-control.ts';

/**
 * The `control` door belongs to the person's own app and CLI: it opens sessions, answers approvals, changes policy.
 * One JSON object a line, each in the outer form `{"body": TEXT, "mac": HEX}` after the handshake, `mac` =
 * HMAC-SHA256(connection key, direction + counter + "\n" + TEXT) with the connection key = HMAC(capability, both nonces).
 *
 * Handshake: the daemon sends `challenge`; the client opens `proof_path` for reading, keeps it open, and answers with
 * `hello` naming its pid; the daemon looks whether that pid really holds that file and whether it descends from an agent's
 * session (then it may grant nothing); `welcome` proves that the daemon knows the capability too.
 */

export const CONTROL_VERSION = 1;
export const MAX_CONTROL_LINE = 8 * 1024 * 1024;
/** Bytes of a client's first line. */
export const MAX_CONTROL_HELLO_LINE = 4096;

const sessionId = z.string().refine((t) => hasIdShape('sess', t), 'not a session id');
const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const challengeSchema = z.strictObject({
  v: z.literal(CONTROL_VERSION),
  type: z.literal('challenge'),
  nonce: z.string().min(20).max(128),
  proof_path: z.string().max(4096),
});

export const controlHelloSchema = z.strictObject({
  v: z.literal(CONTROL_VERSION),
  type: z.literal('hello'),
  nonce: z.string().min(20).max(128),
  pid: z.number().int().positive(),
  /** HMAC-SHA256(capability, "client\n" + daemon nonce + "\n" + client nonce), hex. */
  proof: z.string().length(64),
});

export const controlWelcomeSchema = z.strictObject({
  v: z.literal(CONTROL_VERSION),
  type: z.literal('welcome'),
  /** HMAC-SHA256(capability, "daemon\n" + daemon nonce + "\n" + client nonce), hex. */
  proof: z.string().length(64),
  version: z.string(),
  pid: z.number().int(),
  /** What the daemon saw of the client: on a terminal of its own, without one, or inside an agent's session. */
  presence: z.enum(['terminal', 'none', 'session', 'unknown']),
});

const request = z.string().min(1).max(64);
const short = z.string().max(4096);
/** Absolute and canonical, so that a row of the guard's tables means what it says. */
const folder = short
  .regex(/^\/(?!\/)/)
  .refine((path) => path === '/' || !/\/(?:\.{0,2}(?:\/|$))|\0/.test(path), 'not a canonical path');
const folders = z.array(folder).max(1024);

export const controlRequestSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('session.open'),
    request,
    intent: z.string().max(65536).nullable(),
    workspace: short.nullable(),
    argv: z.array(z.string().max(65536)).min(1).max(4096),
    runner_pid: z.number().int().positive(),
    agent: z.strictObject({
      product: z.string().max(256),
      version: z.string().max(256).nullable(),
      binary_hash: digest.nullable(),
      /** Ed25519 public key minted by the launcher for this instance, base64url raw. */
      public_key: z.string().length(43),
    }),
    /** How far the launcher's interception reaches; more than `cooperative` needs a guard. */
    assurance: z.enum(['cooperative', 'sandboxed', 'enforced']),
    /** What the kernel guard of the session holds (docs/guard-protocol.md); null without one. Paths as seen inside. */
    guard: z
      .strictObject({
        writable: folders,
        tools: folders,
        /** Folder of this machine that is /tmp inside. */
        temp: folder.nullable(),
        veiled: folders,
        /** `host:port`, `[address]:port` or `host:*`. */
        hosts: z
          .array(z.string().regex(/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(?:\*|[0-9]{1,5})$/))
          .max(1024),
        /** The session works on overlays (docs/guard-protocol.md): nothing it does lasts until a person commits it. */
        preview: z.boolean().optional(),
      })
      .nullable(),
    /**
     * Values of the person's environment that are known to be secrets: the session gets placeholders, the daemon keeps them in memory until
     * it ends. `secret_settings` are variables that say where they belong (ANTHROPIC_BASE_URL).
     */
    secrets: z.array(handedSecretSchema).max(256).optional(),
    secret_settings: z.record(z.string().max(128), short).optional(),
    /** What the launcher has to say of this session; `status` shows it. */
    notes: z.array(z.string().max(1000)).max(16).optional(),
  }),
  /** What a preview would do, and what became of it: a receipt each (R5). The reply says what it tried outside and did not get. */
  z.strictObject({
    type: z.literal('preview.report'),
    request,
    session: sessionId,
    step: z.enum(['shown', 'commit', 'committed', 'discarded', 'conflict', 'torn']),
    /** Of everything, not of the sample. */
    changes: z.number().int().nonnegative(),
    /** SHA-256 of the list of changes as the launcher orders it. */
    digest,
    /** `created path` and so on, the first of them. */
    sample: z.array(short).max(64),
    places: folders,
    note: short.nullable(),
  }),
  z.strictObject({
    type: z.literal('session.close'),
    request,
    session: sessionId,
    exit_code: z.number().int().nullable(),
    signal: z.string().max(32).nullable(),
  }),
  z.strictObject({ type: z.literal('sessions.list'), request }),
  z.strictObject({
    type: z.literal('intent.set'),
    request,
    session: sessionId,
    text: z.string().min(1).max(65536),
  }),
  z.strictObject({ type: z.literal('approvals.list'), request }),
  /** After this, `approval` events arrive on the connection until it closes. */
  z.strictObject({ type: z.literal('approvals.watch'), request }),
  z.strictObject({
    type: z.literal('approval.answer'),
    request,
    approval: z.string().max(128),
    /** Digest of the action that was shown: an answer for anything else is refused. */
    digest,
    answer: z.enum(['allow', 'deny', 'edit']),
    scope: z.enum(['once', 'session']),
    note: short.nullable(),
    /** For `edit`: what to run instead. */
    command_line: z
      .string()
      .max(1024 * 1024)
      .nullable(),
    /** Epoch milliseconds at which it was first shown to the person. */
    shown_at: z.number().int(),
  }),
  z.strictObject({ type: z.literal('agent.revoke'), request, session: sessionId, reason: short }),
  z.strictObject({ type: z.literal('policy.status'), request }),
  z.strictObject({ type: z.literal('policy.reload'), request }),
  z.strictObject({ type: z.literal('keys.rotate'), request }),
  ...credentialRequestSchemas,
  /** Signs what the ledger looks like now, for an export. */
  z.strictObject({ type: z.literal('ledger.checkpoint'), request }),
  z.strictObject({ type: z.literal('status'), request }),
  z.strictObject({ type: z.literal('stop'), request }),
]);
export type ControlRequest = z.infer<typeof controlRequestSchema>;

/** One approval with everything that R4.s4 says its approver must see. */
export const approvalViewSchema = z.strictObject({
  id: z.string(),
  /** Short handle, unique among the pending ones. */
  handle: z.string(),
  session: z.string(),
  origin: z.enum(['step_up', 'deferral']),
  state: z.enum(['pending', 'allowed', 'denied', 'edited', 'timed_out', 'withdrawn']),
  digest: z.string(),
  created_at: z.number(),
  deadline: z.number(),
  /** The person's original request, verbatim; null when nobody said. */
  request: z.string().nullable(),
  /** The agent's own statement, shown as a claim. */
  claim: z.string().nullable(),
  action: z.strictObject({
    id: z.string(),
    surface: z.string(),
    tool: z.string(),
    operation: z.string(),
    text: z.string(),
    cwd: z.string().nullable(),
    commands: z.array(z.strictObject({ text: z.string(), via: z.array(z.string()), flagged: z.boolean() })),
    effects: z.array(z.string()),
  }),
  prior_actions: z.array(
    z.strictObject({
      at: z.number(),
      summary: z.string(),
      decision: z.string(),
      result: z.string().nullable(),
    }),
  ),
  /** Where what it carries was read: `path:/home/u/x`, with its level. */
  flows: z.array(z.strictObject({ source: z.string(), level: z.string(), matches: z.number() })),
  data_classes: z.array(z.string()),
  distance: z.number().nullable(),
  risk: z.string(),
  confidence: z.number(),
  identity: z.strictObject({
    human: z.string(),
    agent: z.string(),
    session: z.string(),
    chain: z.array(z.string()),
    binding: z.string(),
  }),
  policy: z.strictObject({
    rule: z.string().nullable(),
    title: z.string().nullable(),
    reason: z.string(),
    instead: z.string().nullable(),
    version: z.string(),
    hash: z.string(),
    source: z.string().nullable(),
  }),
  /** For a deferral: the one question that is missing. */
  question: z.string().nullable(),
  /** What "allow for this session" would cover, in words; null when it cannot be generalised. */
  session_pattern: z.string().nullable(),
  /** How it can be tried on a copy before it is answered (`run --preview`); null when it cannot. */
  preview: z
    .strictObject({ argv: z.array(z.string()).min(1), cwd: z.string(), workspace: z.string() })
    .nullable(),
});
export type ApprovalView = z.infer<typeof approvalViewSchema>;

export const sessionViewSchema = z.strictObject({
  id: z.string(),
  agent: z.string(),
  product: z.string(),
  assurance: z.string(),
  started_at: z.number(),
  request: z.string().nullable(),
  workspace: z.string().nullable(),
  actions: z.number(),
  waiting: z.number(),
  /** What is worth knowing of it: a weaker guard, variables that look like secrets, how many were replaced. */
  notes: z.array(z.string()),
});

export const sessionOpenedSchema = z.strictObject({
  session: z.string(),
  agent: z.string(),
  /** HMAC key for the submit door, base64url, for this session only. */
  secret: z.string(),
  submit_socket: z.string(),
  guard_socket: z.string(),
  /** Where a cooperative session's programs are told to go (HTTP_PROXY and its kin); null where the guard routes connections. */
  proxy: z.strictObject({ port: z.number().int(), token: z.string() }).nullable(),
  /** Certificate of the authority that the session's programs must trust, PEM. */
  authority: z.string(),
  /** Programs that the armed policy names: the launcher shims them. */
  shims: z.array(z.string()),
  /** What the file shim of a cooperative session needs not ask about. */
  /** What the session's file shim needs not ask about; null where the kernel guard holds the session, which has none. */
  calm: calmSchema.nullable(),
  policy: z.strictObject({ version: z.string(), hash: z.string(), rules: z.number() }),
  keys: z.enum(['keychain', 'passphrase', 'memory']),
  assurance: z.string(),
  warnings: z.array(z.string()),
  deadline_ms: z.number(),
  /** Placeholders for the session's environment, by variable, or by `npmrc:HOST/PATH`. */
  environment: z.record(z.string(), z.string()),
});

export const previewReportedSchema = z.strictObject({ attempts: z.array(z.string()) });

export const statusSchema = z.strictObject({
  version: z.string(),
  pid: z.number(),
  started_at: z.number(),
  state: z.enum(['armed', 'degraded', 'refusing']),
  reasons: z.array(z.string()),
  policy: z.strictObject({
    version: z.string(),
    hash: z.string(),
    rules: z.number(),
    fault: z.string().nullable(),
  }),
  keys: z.enum(['keychain', 'passphrase', 'memory']),
  ledger: z.strictObject({
    path: z.string(),
    receipts: z.number(),
    head: z.string(),
    fault: z.string().nullable(),
  }),
  sessions: z.array(sessionViewSchema),
  waiting: z.number(),
  queue: z.strictObject({ depth: z.number(), refused: z.number() }),
});
export type DaemonStatus = z.infer<typeof statusSchema>;

/** Daemon → client after the handshake. */
export const controlReplySchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('result'), request, value: z.json() }),
  z.strictObject({
    type: z.literal('fault'),
    request: request.nullable(),
    code: z.string(),
    message: z.string(),
  }),
  z.strictObject({ type: z.literal('approval'), view: approvalViewSchema }),
]);
export type ControlReply = z.infer<typeof controlReplySchema>;
