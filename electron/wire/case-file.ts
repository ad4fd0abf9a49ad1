import { z } from 'zod';
import type { JsonObject } from '../core/brand.ts';
import { err, ok, type Result } from '../core/result.ts';

/** One recorded action to be judged: never executed, and without the oracle that the system under test must not see. */
export interface RecordedCase {
  /** Only to name the answer; never a fact. */
  readonly id: string;
  /** What the person asked for, or null when nobody said. */
  readonly intent: string | null;
  readonly context: readonly JsonObject[];
  readonly action: RecordedAction;
}

export type RecordedAction =
  | { readonly kind: 'shell'; readonly command: string; readonly shell: 'sh' | 'bash' | 'zsh' }
  | { readonly kind: 'code'; readonly language: string; readonly code: string }
  | { readonly kind: 'http'; readonly request: RecordedRequest }
  | { readonly kind: 'other'; readonly name: string; readonly body: JsonObject };

/** A request of an agent's program; what only a connection has (route, TLS name, resolved address) where the row gives it. */
export interface RecordedRequest {
  readonly method: string;
  /** As it was written, oddities and all. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Length of the whole body where `body` is only its beginning. */
  readonly length: number | null;
  readonly address: string | null;
}

/** What the oracle says of a row; read apart, by whoever scores, never by whoever judges. */
export interface RecordedOracle {
  readonly id: string;
  readonly caseId: string;
  readonly label: 'malicious' | 'benign' | 'unlabelled';
  readonly tier: string;
  readonly category: string;
}

export interface CaseFault {
  readonly code: 'json' | 'shape' | 'too_large';
  readonly message: string;
}

const MAX_LINE = 4 << 20;
const DIALECTS: Readonly<Record<string, 'sh' | 'bash' | 'zsh'>> = {
  sh: 'sh',
  dash: 'sh',
  bash: 'bash',
  zsh: 'zsh',
};

const json = z.record(z.string(), z.unknown());
const rowSchema = z.object({
  id: z.string().min(1).max(500),
  intent: z.string().max(100_000).nullish(),
  context: z.array(json).max(10_000).nullish(),
  action: z.object({ kind: z.string().min(1).max(40) }).loose(),
});
/** A whole recorded run: several actions and their results in one row. */
const sessionSchema = rowSchema
  .omit({ action: true })
  .extend({ steps: z.array(json).max(10_000), action: z.undefined().optional() });
const shellSchema = z.object({ command: z.string(), shell: z.string().max(40).optional() });
const codeSchema = z.object({ language: z.string().min(1).max(40), code: z.string() });
const httpSchema = z.object({
  method: z.string().min(1).max(100).optional(),
  url: z.string().min(1).max(100_000),
  headers: z.union([z.record(z.string(), z.string()), z.array(z.tuple([z.string(), z.string()]))]).nullish(),
  body: z.unknown().optional(),
  length: z.number().int().min(0).nullish(),
  address: z.string().max(100).nullish(),
});
const oracleSchema = z.object({
  id: z.string(),
  case_id: z.string().nullish(),
  label: z.enum(['malicious', 'benign', 'unlabelled']),
  tier: z.string().nullish(),
  category: z.string().nullish(),
});

function readJson(line: string): Result<unknown, CaseFault> {
  if (line.length > MAX_LINE) return err({ code: 'too_large', message: 'a case larger than 4 MiB' });
  try {
    return ok(JSON.parse(line) as unknown);
  } catch (cause) {
    return err({ code: 'json', message: cause instanceof Error ? cause.message : 'not JSON' });
  }
}

function shapeFault(error: z.ZodError): CaseFault {
  const issue = error.issues[0];
  return { code: 'shape', message: `\`${issue?.path.join('.') ?? ''}\`: ${issue?.message ?? 'wrong shape'}` };
}

/**
 * Parses one line of a case file. Strict about what is needed, tolerant of further fields, none of which is
 * passed on: label, tier, category and peers' answers stay outside the system under test.
 */
export function parseCase(line: string): Result<RecordedCase, CaseFault> {
  const read = readJson(line);
  if (!read.ok) return read;
  const session = sessionSchema.safeParse(read.value);
  if (session.success) {
    const { id, intent, steps } = session.data;
    const body = { steps: steps as readonly JsonObject[] };
    return ok({ id, intent: intent ?? null, context: [], action: { kind: 'other', name: 'session', body } });
  }
  const row = rowSchema.safeParse(read.value);
  if (!row.success) return err(shapeFault(row.error));
  const { id, intent, context, action } = row.data;
  const base = { id, intent: intent ?? null, context: (context ?? []) as readonly JsonObject[] };
  if (action.kind === 'shell') {
    const shell = shellSchema.safeParse(action);
    if (!shell.success) return err(shapeFault(shell.error));
    const dialect = DIALECTS[shell.data.shell ?? 'bash'];
    if (dialect === undefined)
      return ok({
        ...base,
        action: { kind: 'other', name: `shell ${shell.data.shell ?? ''}`, body: action as JsonObject },
      });
    return ok({ ...base, action: { kind: 'shell', command: shell.data.command, shell: dialect } });
  }
  if (action.kind === 'code') {
    const code = codeSchema.safeParse(action);
    if (!code.success) return err(shapeFault(code.error));
    return ok({ ...base, action: { kind: 'code', ...code.data } });
  }
  if (action.kind === 'http') {
    const http = httpSchema.safeParse(action);
    if (!http.success) return err(shapeFault(http.error));
    return ok({ ...base, action: { kind: 'http', request: requestOf(http.data) } });
  }
  return ok({ ...base, action: { kind: 'other', name: action.kind, body: action as JsonObject } });
}

function requestOf(row: z.infer<typeof httpSchema>): RecordedRequest {
  const headers = Array.isArray(row.headers) ? row.headers : Object.entries(row.headers ?? {});
  const body = row.body === undefined || row.body === null ? '' : row.body;
  return {
    method: row.method ?? 'GET',
    url: row.url,
    headers: headers.map(([name, value]) => [name.toLowerCase(), value] as const),
    body: typeof body === 'string' ? body : JSON.stringify(body),
    length: row.length ?? null,
    address: row.address ?? null,
  };
}

/** Parses what the oracle says of a line; for scoring only. */
export function parseOracle(line: string): Result<RecordedOracle, CaseFault> {
  const read = readJson(line);
  if (!read.ok) return read;
  const row = oracleSchema.safeParse(read.value);
  if (!row.success) return err(shapeFault(row.error));
  const { id, case_id, label, tier, category } = row.data;
  return ok({ id, caseId: case_id ?? id, label, tier: tier ?? '', category: category ?? '' });
}
