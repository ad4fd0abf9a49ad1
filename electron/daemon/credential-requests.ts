import type { JsonObject, TimeMs } from '../core/brand.ts';
import type { CredentialKind, CredentialRecord } from '../core/credential.ts';
import { shapeOf } from '../core/credential-placeholder.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import type { CredentialStore } from '../edge/credential-store.ts';
import { readOwnKnownHosts } from '../edge/ssh-known-hosts.ts';
import type { CredentialList, CredentialRequest } from '../wire/credential-control.ts';
import { recordText } from '../wire/credential-file.ts';
import type { KnownCredential } from '../wire/credential-table.ts';
import type { MinterRegistry } from './credential-minter.ts';
import type { Credentials } from './credential-service.ts';
import type { MediationPorts } from './mediation.ts';
import { sshSettings } from './mint-ssh.ts';

export interface CredentialRequestPorts {
  readonly mediation: Pick<MediationPorts, 'clock' | 'ledger'>;
  readonly store: CredentialStore;
  readonly service: Credentials;
  readonly minters: MinterRegistry;
  readonly table: readonly KnownCredential[];
  readonly kept: CredentialList['kept'];
  /** Credentials were added, changed or taken away. */
  readonly changed: () => void;
}

type Answered = Result<JsonObject, { readonly code: string; readonly message: string }>;

/** Answers what the person asks about credentials; who may ask was checked before. Each change is a receipt, without the secret (AARM R9.c). */
export async function onCredential(
  ports: CredentialRequestPorts,
  request: CredentialRequest,
): Promise<Answered> {
  const { store } = ports;
  const now = ports.mediation.clock.now();
  switch (request.type) {
    case 'credential.add': {
      const made = recordFrom(request, ports.table, now);
      if (!made.ok) return err({ code: 'bad_credential', message: made.error });
      const added = await store.add(made.value, {
        secret: keptText(made.value, request.secret),
        sessionToken: request.session_token,
      });
      return added.ok ? changed(ports, 'added', made.value) : added;
    }
    case 'credential.list':
      return ok({
        credentials: store
          .records()
          .map(
            (record) =>
              ({ ...recordText(record), last_used: ports.service.lastUsed(record.name) }) as JsonObject,
          ),
        kept: ports.kept,
        fault: store.fault()?.message ?? null,
      });
    case 'credential.remove': {
      const record = named(store, request.name);
      const removed = await store.remove(request.name);
      return removed.ok && record !== null
        ? changed(ports, 'removed', record)
        : orMissing(removed, request.name);
    }
    case 'credential.revoke': {
      const record = named(store, request.name);
      if (record === null) return orMissing(ok(null), request.name);
      const revoked = { ...record, revoked: true };
      const replaced = await store.replace(revoked, null);
      return replaced.ok ? changed(ports, 'revoked', revoked) : replaced;
    }
    case 'credential.rotate': {
      const record = named(store, request.name);
      if (record === null) return orMissing(ok(null), request.name);
      const again = settingsFor(record.kind, record.settings, request.secret, record.limits.hosts);
      if (!again.ok) return err({ code: 'bad_credential', message: again.error });
      const settings =
        request.access_key_id === null
          ? again.value
          : { ...again.value, access_key_id: request.access_key_id };
      // A fresh secret makes a revoked credential good again, and its old end says nothing about it.
      const ended = record.expiresAt !== null && now >= record.expiresAt;
      const rotated: CredentialRecord = {
        ...record,
        settings,
        rotatedAt: now,
        revoked: false,
        expiresAt: ended ? null : record.expiresAt,
      };
      const replaced = await store.replace(rotated, {
        secret: keptText(rotated, request.secret),
        sessionToken: request.session_token,
      });
      return replaced.ok ? changed(ports, 'rotated', rotated) : replaced;
    }
    case 'credential.test':
      return onTest(ports, request.name, now);
    default:
      return unreachable(request);
  }
}

function named(store: CredentialStore, name: string): CredentialRecord | null {
  return store.records().find((record) => record.name === name) ?? null;
}

function orMissing(
  result: Result<null, { readonly code: string; readonly message: string }>,
  name: string,
): Answered {
  return result.ok ? err({ code: 'missing', message: `there is no credential \`${name}\`` }) : result;
}

async function changed(
  ports: CredentialRequestPorts,
  event: 'added' | 'removed' | 'revoked' | 'rotated' | 'tested',
  record: CredentialRecord,
): Promise<Answered> {
  ports.changed();
  const { name, kind, env, limits } = record;
  const recorded = await ports.mediation.ledger.append({
    kind: 'credential',
    session: null,
    at: ports.mediation.clock.now(),
    body: {
      event,
      credential: { name, kind },
      variables: [...env],
      limits: { ...recordText(record).limits, hosts: [...limits.hosts] },
      expires_at: record.expiresAt,
    },
  });
  return recorded.ok
    ? ok({ receipt: recorded.value.receipt.id })
    : err({
        code: 'not_recorded',
        message: `it is done, and could not be recorded: ${recorded.error.message}`,
      });
}

/** Tries what can be tried without harm, and says what happened. */
async function onTest(ports: CredentialRequestPorts, name: string, now: TimeMs): Promise<Answered> {
  const record = named(ports.store, name);
  if (record === null) return orMissing(ok(null), name);
  if (record.revoked) return err({ code: 'revoked', message: `credential \`${name}\` was revoked` });
  if (record.expiresAt !== null && now >= record.expiresAt)
    return err({ code: 'expired', message: `credential \`${name}\` has expired` });
  const secret = await ports.store.secret(name);
  if (!secret.ok) return secret;
  const minter = ports.minters.find(record.kind);
  if (minter === null)
    return err({ code: 'minter', message: `nothing here mints credentials of kind ${record.kind}` });
  if (minter.test === undefined)
    return ok({ message: `the secret of \`${name}\` is there and can be read; it was not sent anywhere` });
  const tried = await minter.test(record, secret.value, now);
  if (!tried.ok) return err({ code: tried.error.code, message: tried.error.message });
  const recorded = await changed(ports, 'tested', record);
  return recorded.ok ? ok({ message: tried.value }) : recorded;
}

/** A database's password is kept as the whole address that its minter opens; one that is given as such stays as it is. */
function keptText(record: CredentialRecord, secret: string): string {
  if (record.kind !== 'postgres' || /^postgres(?:ql)?:\/\//.test(secret)) return secret;
  const { host, port, database, user } = record.settings;
  const name = String(host);
  const at = `${name.includes(':') ? `[${name}]` : name}:${String(port ?? 5432)}`;
  const who = `${encodeURIComponent(String(user))}:${encodeURIComponent(secret)}`;
  return `postgres://${who}@${at}/${encodeURIComponent(String(database))}`;
}

/** Makes a record of what was asked for, or says what it lacks. */
function recordFrom(
  request: Extract<CredentialRequest, { type: 'credential.add' }>,
  table: readonly KnownCredential[],
  now: TimeMs,
): Result<CredentialRecord, string> {
  const { kind, settings } = request;
  const lacking = REQUIRED[kind].filter((key) => settings[key] === undefined || settings[key] === '');
  if (lacking.length > 0)
    return err(
      `a credential of kind ${kind} needs \`${lacking.map((key) => key.replaceAll('_', '-')).join('`, `')}\``,
    );
  if (request.expires_at !== null && request.expires_at <= now) return err('its expiry lies in the past');
  if (new Set(request.env).size !== request.env.length) return err('one variable is named twice');
  const broad = request.limits.hosts.find((entry) => /^\*\.[^.]+$/.test(entry.split(':')[0] ?? ''));
  if (broad !== undefined) return err(`\`${broad}\` would let anybody's host have it`);
  const row = table.find(({ env }) => request.env.some((name) => env.includes(name)));
  const known =
    kind === 'token' &&
    row !== undefined &&
    row.shape.prefix !== '' &&
    request.secret.startsWith(row.shape.prefix);
  const { limits } = request;
  const filled = settingsFor(kind, settings, request.secret, limits.hosts);
  if (!filled.ok) return filled;
  return ok({
    name: request.name,
    kind,
    env: request.env,
    limits: {
      hosts: limits.hosts,
      methods: limits.methods,
      paths: limits.paths,
      graphql: limits.graphql,
      ttlSeconds: limits.ttl_seconds,
    },
    settings:
      kind === 'token' && settings['places'] === undefined && row !== undefined
        ? { ...settings, places: [...row.places] }
        : filled.value,
    shape: request.shape ?? (known ? row.shape : (SHAPES[kind] ?? shapeOf(request.secret))),
    createdAt: now,
    rotatedAt: null,
    expiresAt: request.expires_at,
    revoked: false,
  });
}

function settingsFor(
  kind: CredentialKind,
  given: CredentialRecord['settings'],
  secret: string,
  hosts: readonly string[],
): Result<CredentialRecord['settings'], string> {
  return kind === 'ssh' ? sshSettings(given, secret, hosts, readOwnKnownHosts) : ok(given);
}

const REQUIRED: Readonly<Record<CredentialKind, readonly string[]>> = {
  token: [],
  postgres: ['host', 'database', 'user'],
  ssh: [],
  aws: ['access_key_id'],
  'github-app': ['app_id', 'installation_id'],
};

/** Shapes of what is minted, where that is not what the person gave. */
const SHAPES: Readonly<Partial<Record<CredentialKind, CredentialRecord['shape']>>> = {
  postgres: { prefix: '', length: 24, alphabet: 'alnum' },
  ssh: { prefix: '', length: 24, alphabet: 'alnum' },
  aws: { prefix: 'AKIA', length: 20, alphabet: 'upper' },
  'github-app': { prefix: 'ghs_', length: 40, alphabet: 'alnum', checksum: 'crc32' },
};
