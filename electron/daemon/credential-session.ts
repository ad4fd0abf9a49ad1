import type { TimeMs } from '../core/brand.ts';
import type { CredentialRecord } from '../core/credential.ts';
import { makePlaceholder, PLACEHOLDER_BYTES, shapeOf } from '../core/credential-placeholder.ts';
import type { KnownCredential } from '../wire/credential-table.ts';
import type { CredentialSecret } from './credential-minter.ts';
import type { HandedSecret } from './credential-port.ts';

/** What stands for which part of a credential; AWS has three, the others one. */
export type PlaceholderPart = 'secret' | 'access-key-id' | 'session-token';

/** One placeholder of one session. */
export interface PlaceholderBinding {
  readonly placeholder: string;
  readonly credential: string;
  readonly part: PlaceholderPart;
}

/** A credential of one session only: it ends with it, and its secret is in memory alone. */
export interface HeldCredential {
  readonly record: CredentialRecord;
  readonly secret: CredentialSecret;
}

/** All that one session has of credentials. */
export interface SessionCredentials {
  readonly environment: Readonly<Record<string, string>>;
  readonly bindings: ReadonlyMap<string, PlaceholderBinding>;
  readonly held: ReadonlyMap<string, HeldCredential>;
}

/** Seconds that a handed secret is released for. */
const HELD_TTL_SECONDS = 60;
/** Shorter values are no secrets (`true`, `dev`), and could not be told from text. */
const MIN_SECRET = 12;

const AWS_SHAPES: Readonly<Record<PlaceholderPart, CredentialRecord['shape']>> = {
  'access-key-id': { prefix: 'AKIA', length: 20, alphabet: 'upper' },
  secret: { prefix: '', length: 40, alphabet: 'alnum' },
  'session-token': { prefix: 'FwoGZXIvYXdzE', length: 356, alphabet: 'alnum' },
};

/** Which part of an AWS credential a variable holds. */
export function partOf(kind: CredentialRecord['kind'], variable: string): PlaceholderPart {
  if (kind !== 'aws') return 'secret';
  if (/SESSION_TOKEN|SECURITY_TOKEN/i.test(variable)) return 'session-token';
  return /SECRET/i.test(variable) ? 'secret' : 'access-key-id';
}

export interface OpeningRequest {
  readonly records: readonly CredentialRecord[];
  readonly handed: readonly HandedSecret[];
  /** Variables such as ANTHROPIC_BASE_URL that say where a provider is. */
  readonly settings: Readonly<Record<string, string>>;
  readonly table: readonly KnownCredential[];
  readonly randomBytes: (count: number) => Uint8Array;
  readonly now: TimeMs;
}

/**
 * Makes a session's placeholders: for each credential of the store that may be used, and for each handed secret whose variable is known and
 * that no credential of the store has already. Each is drawn anew, so that no two sessions share one (AARM R9).
 */
export function openCredentials(request: OpeningRequest): SessionCredentials {
  const environment: Record<string, string> = {};
  const bindings = new Map<string, PlaceholderBinding>();
  const held = new Map<string, HeldCredential>();
  const bind = (shape: CredentialRecord['shape'], credential: string, part: PlaceholderPart): string => {
    for (;;) {
      const placeholder = makePlaceholder(shape, request.randomBytes(PLACEHOLDER_BYTES));
      if (placeholder === null || bindings.has(placeholder)) continue;
      bindings.set(placeholder, { placeholder, credential, part });
      return placeholder;
    }
  };
  for (const record of request.records) {
    if (record.revoked || (record.expiresAt !== null && request.now >= record.expiresAt)) continue;
    const byPart = new Map<PlaceholderPart, string>();
    // One without a variable still has a placeholder: a database's password may come from a file, and what is signed needs one to be named by.
    if (record.env.length === 0) bind(record.shape, record.name, 'secret');
    for (const variable of record.env) {
      const part = partOf(record.kind, variable);
      const shape = record.kind === 'aws' ? AWS_SHAPES[part] : record.shape;
      const placeholder = byPart.get(part) ?? bind(shape, record.name, part);
      byPart.set(part, placeholder);
      environment[variable] =
        record.kind === 'postgres' && /_?(?:URL|URI|DSN)$/i.test(variable)
          ? databaseUrl(record, placeholder)
          : placeholder;
    }
  }
  for (const row of request.table) openRow(row);
  for (const { name, value } of request.handed) {
    if (!name.startsWith('npmrc:') || value.length < MIN_SECRET) continue;
    const host = name.slice('npmrc:'.length).split('/', 1)[0] ?? '';
    if (host === '') continue;
    const shape = { prefix: 'npm_', length: 40, alphabet: 'alnum', checksum: 'crc32' } as const;
    hold(name, { hosts: [host], kind: 'token', places: ['header'] }, shape, {
      secret: value,
      sessionToken: null,
    });
    environment[name] = bind(shape, name, 'secret');
  }
  return { environment, bindings, held };

  function openRow(row: KnownCredential): void {
    const values = new Map(
      request.handed
        .filter(({ name, value }) => row.env.includes(name) && value.length >= MIN_SECRET)
        .map(({ name, value }) => [name, value]),
    );
    const hosts = hostsOf(row, request.settings);
    if (row.kind === 'aws') {
      const [id, secret, token] = row.env.map((name) => values.get(name));
      if (row.env.some((name) => Object.hasOwn(environment, name))) return;
      if (id === undefined || secret === undefined) return;
      const name = `environment:${row.env[0] ?? ''}`;
      hold(name, { hosts, kind: 'aws', places: row.places, settings: { access_key_id: id } }, row.shape, {
        secret,
        sessionToken: token ?? null,
      });
      for (const variable of row.env)
        if (values.has(variable)) {
          const part = partOf('aws', variable);
          environment[variable] = bind(AWS_SHAPES[part], name, part);
        }
      return;
    }
    for (const [variable, value] of values) {
      if (Object.hasOwn(environment, variable)) continue;
      const name = `environment:${variable}`;
      // A key of another make than the table's (a proxy's, a test's) keeps its own look.
      const shape =
        value.startsWith(row.shape.prefix) && row.shape.prefix !== '' ? row.shape : shapeOf(value);
      hold(name, { hosts, kind: 'token', places: row.places }, shape, { secret: value, sessionToken: null });
      environment[variable] = bind(shape, name, 'secret');
    }
  }

  function hold(
    name: string,
    what: {
      readonly hosts: readonly string[];
      readonly kind: 'token' | 'aws';
      readonly places: readonly string[];
      readonly settings?: CredentialRecord['settings'];
    },
    shape: CredentialRecord['shape'],
    secret: CredentialSecret,
  ): void {
    const places = what.kind === 'aws' ? {} : { places: what.places };
    held.set(name, {
      record: {
        name,
        kind: what.kind,
        env: [name],
        limits: {
          hosts: what.hosts,
          methods: null,
          paths: null,
          graphql: null,
          ttlSeconds: HELD_TTL_SECONDS,
        },
        settings: { ...places, ...what.settings },
        shape,
        createdAt: request.now,
        rotatedAt: null,
        expiresAt: null,
        revoked: false,
      },
      secret,
    });
  }
}

/** Hosts of a row: where the person said that the provider is, and else where it is for everybody. */
function hostsOf(row: KnownCredential, settings: Readonly<Record<string, string>>): readonly string[] {
  const said = row.baseUrl.flatMap((name) => {
    const text = settings[name];
    return text === undefined ? [] : hostOfUrl(text);
  });
  return said.length > 0 ? said : row.hosts;
}

/** `https://host:port/path` or `host` as an entry of a list of hosts; nothing when it is neither. */
export function hostOfUrl(text: string): readonly string[] {
  try {
    const url = new URL(text.includes('://') ? text : `https://${text}`);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return [];
    const port = url.port !== '' ? url.port : url.protocol === 'http:' ? '80' : '';
    return url.hostname === '' ? [] : [port === '' ? url.hostname : `${url.hostname}:${port}`];
  } catch {
    return [];
  }
}

function databaseUrl(record: CredentialRecord, placeholder: string): string {
  const { host, port, database, user } = record.settings;
  const at = `${String(host ?? 'localhost')}:${String(port ?? 5432)}`;
  const who = encodeURIComponent(String(user ?? 'postgres'));
  return `postgres://${who}:${encodeURIComponent(placeholder)}@${at}/${encodeURIComponent(String(database ?? ''))}`;
}
