import { z } from 'zod';
import { CREDENTIAL_KINDS } from '../core/credential.ts';
import { credentialLimitsSchema, credentialName, credentialRecordSchema } from './credential-file.ts';
import { shapeSchema } from './credential-table.ts';

/** What the control door is asked about credentials. A secret stands in `add` and `rotate` only, and in no reply. */

const request = z.string().min(1).max(64);
const secret = z.string().min(1).max(65_536);
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/);

export const credentialAddSchema = z.strictObject({
  type: z.literal('credential.add'),
  request,
  name: credentialName,
  kind: z.enum(CREDENTIAL_KINDS),
  env: z.array(variable).max(16),
  limits: credentialLimitsSchema,
  settings: z.record(z.string().max(64), z.json()),
  /** Null: as the table of known credentials has it, else as the secret looks. */
  shape: shapeSchema.nullable(),
  expires_at: z.number().int().nullable(),
  secret,
  session_token: secret.nullable(),
});
export const credentialRequestSchemas = [
  credentialAddSchema,
  z.strictObject({ type: z.literal('credential.list'), request }),
  z.strictObject({ type: z.literal('credential.remove'), request, name: credentialName }),
  z.strictObject({
    type: z.literal('credential.rotate'),
    request,
    name: credentialName,
    secret,
    session_token: secret.nullable(),
    /** AWS: the id that goes with the new key; null: as it was. */
    access_key_id: z.string().min(1).max(128).nullable(),
  }),
  z.strictObject({ type: z.literal('credential.revoke'), request, name: credentialName }),
  z.strictObject({ type: z.literal('credential.test'), request, name: credentialName }),
] as const;
export type CredentialRequest = z.infer<(typeof credentialRequestSchemas)[number]>;

export const credentialListSchema = z.strictObject({
  credentials: z.array(credentialRecordSchema.extend({ last_used: z.number().nullable() })),
  kept: z.enum(['keychain', 'passphrase', 'none']),
  fault: z.string().nullable(),
});
export type CredentialList = z.infer<typeof credentialListSchema>;

/** What a launcher hands over of the person's environment, for one session (AARM R9). */
export const handedSecretSchema = z.strictObject({
  /** A variable, or `npmrc:HOST/PATH`. */
  name: z
    .string()
    .max(1024)
    .regex(/^(?:[A-Za-z_][A-Za-z0-9_]*|npmrc:[A-Za-z0-9.:[\]_/@%~-]+)$/),
  value: z.string().min(1).max(65_536),
});
