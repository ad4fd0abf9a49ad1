import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { CredentialRecord } from '../core/credential.ts';
import { err, ok, type Result } from '../core/result.ts';

/** One kind of secret that people keep in their environment (resources/knowledge/credentials.yaml). */
export interface KnownCredential {
  readonly provider: string;
  readonly kind: 'token' | 'aws';
  readonly env: readonly string[];
  readonly hosts: readonly string[];
  /** Variables by which a person says that the provider is elsewhere. */
  readonly baseUrl: readonly string[];
  readonly places: readonly string[];
  readonly shape: CredentialRecord['shape'];
}

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/);
/** Host, `*.host`, with `:port`, an address in brackets. */
export const hostEntrySchema = z
  .string()
  .max(260)
  .regex(/^(?:(?:\*\.)?[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9_])?|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?$/);
export const shapeSchema = z.strictObject({
  prefix: z.string().max(64),
  length: z.number().int().min(8).max(512),
  alphabet: z.enum(['alnum', 'hex', 'base64url', 'upper']),
  checksum: z.literal('crc32').optional(),
});
const tableSchema = z.strictObject({
  credentials: z
    .array(
      z.strictObject({
        provider: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/),
        kind: z.enum(['token', 'aws']).optional(),
        env: z.array(variable).min(1),
        hosts: z.array(hostEntrySchema).min(1),
        base_url: z.array(variable).optional(),
        places: z.array(z.string().max(128)).min(1).optional(),
        shape: shapeSchema,
      }),
    )
    .max(1000),
});

/** Reads the table of known variables; a variable that stands in two rows refuses the whole file. */
export function parseCredentialTable(text: string): Result<readonly KnownCredential[], string> {
  const document = parseDocument(text, { uniqueKeys: true });
  if (document.errors.length > 0) return err(document.errors[0]?.message ?? 'no YAML');
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch {
    return err('it has aliases, which are not followed here');
  }
  const parsed = tableSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return err(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`);
  }
  const seen = new Set<string>();
  for (const { env } of parsed.data.credentials)
    for (const name of env) {
      if (seen.has(name)) return err(`\`${name}\` stands in two rows`);
      seen.add(name);
    }
  return ok(
    parsed.data.credentials.map((row) => ({
      provider: row.provider,
      kind: row.kind ?? 'token',
      env: row.env,
      hosts: row.hosts,
      baseUrl: row.base_url ?? [],
      places: row.places ?? ['header'],
      shape: row.shape,
    })),
  );
}

/** Whether a variable looks like one that holds a secret, by its name alone. */
export function isSecretName(name: string): boolean {
  return /(?:^|_)(?:TOKEN|SECRETS?|PASSW(?:OR)?D|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?|AUTH)(?:$|_)/i.test(
    name,
  );
}
