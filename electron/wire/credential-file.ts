import { z } from 'zod';
import { CREDENTIAL_KINDS, type CredentialRecord } from '../core/credential.ts';
import { err, ok, type Result } from '../core/result.ts';
import { hostEntrySchema, shapeSchema } from './credential-table.ts';
import { parseStrictJson } from './json.ts';

/** The file of credential records: everything but the secrets, sealed by a MAC whose key only the keychain holds. */

export const credentialName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a name is of a–z 0–9 . _ - and at most 64 long');
export const credentialLimitsSchema = z.strictObject({
  hosts: z.array(hostEntrySchema).min(1).max(64),
  methods: z
    .array(z.string().regex(/^[A-Z]{1,20}$/, 'a method is in capitals'))
    .min(1)
    .max(16)
    .nullable(),
  paths: z.array(z.string().min(1).max(1024).startsWith('/')).min(1).max(64).nullable(),
  graphql: z
    .array(
      z
        .string()
        .regex(
          /^(?:query|mutation|subscription)(?::[A-Za-z_][A-Za-z0-9_]*)?$/,
          'it is `query` or `mutation:field`',
        ),
    )
    .min(1)
    .max(64)
    .nullable(),
  ttl_seconds: z.number().int().min(1).max(3600),
});
export const credentialRecordSchema = z.strictObject({
  name: credentialName,
  kind: z.enum(CREDENTIAL_KINDS),
  env: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)).max(16),
  limits: credentialLimitsSchema,
  settings: z.record(z.string().max(64), z.json()),
  shape: shapeSchema,
  created_at: z.number().int(),
  rotated_at: z.number().int().nullable(),
  expires_at: z.number().int().nullable(),
  revoked: z.boolean(),
});
export type CredentialRecordText = z.infer<typeof credentialRecordSchema>;

const bodySchema = z.strictObject({
  v: z.literal(1),
  generation: z.number().int().nonnegative(),
  records: z.array(credentialRecordSchema).max(1024),
});
const outerSchema = z.strictObject({ body: z.string(), mac: z.string().regex(/^[0-9a-f]{64}$/) });

export interface CredentialFile {
  readonly generation: number;
  readonly records: readonly CredentialRecord[];
}

/** A record as it is written. */
export function recordText(record: CredentialRecord): CredentialRecordText {
  const { limits, shape } = record;
  return {
    name: record.name,
    kind: record.kind,
    env: [...record.env],
    limits: {
      hosts: [...limits.hosts],
      methods: limits.methods === null ? null : [...limits.methods],
      paths: limits.paths === null ? null : [...limits.paths],
      graphql: limits.graphql === null ? null : [...limits.graphql],
      ttl_seconds: limits.ttlSeconds,
    },
    settings: { ...record.settings } as CredentialRecordText['settings'],
    shape: {
      prefix: shape.prefix,
      length: shape.length,
      alphabet: shape.alphabet,
      ...(shape.checksum === undefined ? {} : { checksum: shape.checksum }),
    },
    created_at: record.createdAt,
    rotated_at: record.rotatedAt,
    expires_at: record.expiresAt,
    revoked: record.revoked,
  };
}

/** A record that was read and is well formed. */
export function recordOf(text: CredentialRecordText): CredentialRecord {
  const { limits } = text;
  return {
    name: text.name,
    kind: text.kind,
    env: text.env,
    limits: {
      hosts: limits.hosts,
      methods: limits.methods,
      paths: limits.paths,
      graphql: limits.graphql,
      ttlSeconds: limits.ttl_seconds,
    },
    settings: text.settings,
    shape: text.shape,
    createdAt: text.created_at,
    rotatedAt: text.rotated_at,
    expiresAt: text.expires_at,
    revoked: text.revoked,
  };
}

/** The text that the MAC is over. */
export function credentialBody(file: CredentialFile): string {
  return JSON.stringify({ v: 1, generation: file.generation, records: file.records.map(recordText) });
}

/** The whole file. */
export function credentialFileText(body: string, mac: string): string {
  return `${JSON.stringify({ body, mac })}\n`;
}

/** Splits a file into what is sealed and its seal; nothing in it is believed before the seal was checked. */
export function parseCredentialFile(text: string): Result<{ body: string; mac: string }, string> {
  const json = parseStrictJson(text);
  if (!json.ok) return err(json.error.message);
  const outer = outerSchema.safeParse(json.value);
  return outer.success ? ok(outer.data) : err('it is no file of credentials');
}

/** Reads what was sealed; two records of one name refuse the whole. */
export function parseCredentialBody(text: string): Result<CredentialFile, string> {
  const json = parseStrictJson(text);
  if (!json.ok) return err(json.error.message);
  const parsed = bodySchema.safeParse(json.value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return err(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`);
  }
  const names = parsed.data.records.map((record) => record.name);
  if (new Set(names).size !== names.length) return err('two records have one name');
  return ok({ generation: parsed.data.generation, records: parsed.data.records.map(recordOf) });
}
