import { randomBytes } from 'node:crypto';
import type { JsonObject } from '../core/brand.ts';
import type { CredentialRecord } from '../core/credential.ts';
import { err, ok, type Result } from '../core/result.ts';
import { openPostgres, type PostgresClient, type PostgresPlace, parseDsn } from '../edge/postgres-client.ts';
import { type Right, type Rights, type RightsWanted, resolveRights } from '../edge/postgres-grants.ts';
import { scramVerifier } from '../edge/scram.ts';
import type { Minted, Minter, MintFault, MintRequest } from './credential-minter.ts';
import { retireRole, SWEEP, sweepRoles } from './postgres-roles.ts';

/** The minter of database roles, with what its tests and the daemon's end need beside. */
export interface PostgresMinter extends Minter {
  /** Drops what a role was made for, when its connection is gone; a role whose connection is kept loses its rights and is dropped later. */
  retire(user: string, generation?: number): Promise<void>;
  /** Ends every role of this process and its connections. */
  readonly close: () => Promise<void>;
}

/** A connection of the credential's own, kept warm, and one statement of ours at a time on it. */
interface Warm {
  readonly client: PostgresClient;
  sweptAt: number;
  tail: Promise<unknown>;
}

/** A role that lives. */
interface Live {
  readonly user: string;
  readonly warm: Warm;
  readonly session: string;
  readonly credential: string;
  readonly owner: string | null;
  readonly expiresAt: number;
  /** What it holds now. */
  rights: readonly Right[];
  /** How many actions it was made or extended for: what ended an earlier one leaves a later one alone. */
  readonly generation: number;
  seen: boolean;
  /** How often it could not be dropped. */
  readonly tries: number;
}

const WATCH_MS = 1000;
const SWEEP_MS = 60_000;
const MAX_TRIES = 60;
const NAME = 'csn_';
const NOT_OURS =
  "the credential's own role may not grant what the statement needs: it must own the table or hold the right WITH GRANT OPTION";

/**
 * Mints PostgreSQL roles (AARM R9.a, R9.b): a log-in of its own for one action, which may do exactly what the statement names, once, for seconds.
 * The right to more is not there to be used: the server itself refuses. `roots`: further certificate authorities, PEM.
 */
export function createPostgresMinter(roots: () => readonly string[] = () => []): PostgresMinter {
  const warm = new Map<string, Promise<Result<Warm, MintFault>>>();
  const live = new Map<string, Live>();
  let watch: NodeJS.Timeout | null = null;
  let closed = false;

  const connect = async (place: PostgresPlace, database: string): Promise<Result<Warm, MintFault>> => {
    const opened = await openPostgres({ ...place, database }, roots());
    if (!opened.ok)
      return fault('issuer', `the database says ${opened.error.sqlstate}: ${opened.error.message}`);
    const made: Warm = { client: opened.value, sweptAt: 0, tail: Promise.resolve() };
    const set = await opened.value.run(
      "SET search_path = pg_catalog; SET lock_timeout = '3s'; SET statement_timeout = '10s'",
    );
    if (!set.ok) return fault('issuer', `the database says ${set.error.sqlstate}: ${set.error.message}`);
    return ok(made);
  };

  const warmFor = async (
    credential: string,
    place: PostgresPlace,
    database: string,
  ): Promise<Result<Warm, MintFault>> => {
    const key = JSON.stringify([credential, database, place]);
    const known = await warm.get(key);
    if (known?.ok && known.value.client.isOpen()) return known;
    const opening = connect(place, database);
    warm.set(key, opening);
    const opened = await opening;
    if (!opened.ok) warm.delete(key);
    return opened;
  };

  const sweep = async (held: Warm): Promise<void> => {
    if (Date.now() - held.sweptAt < SWEEP_MS) return;
    held.sweptAt = Date.now();
    await sweepRoles(held.client, [...live.keys()]);
  };

  /** Looks which connections are gone: their roles go too, whether or not anybody said that they were used. */
  const look = async (): Promise<void> => {
    for (const held of new Set([...live.values()].map((role) => role.warm))) {
      const rows = await held.client.query(SWEEP.connected);
      if (!rows.ok) continue;
      const connected = new Set(rows.value.map(([user]) => user));
      for (const role of [...live.values()].filter((one) => one.warm === held)) {
        if (connected.has(role.user)) role.seen = true;
        else if (role.seen || Date.now() > role.expiresAt) await drop(role);
      }
    }
    if (live.size === 0 && watch !== null) {
      clearInterval(watch);
      watch = null;
    }
  };

  const drop = async (role: Live): Promise<void> => {
    live.delete(role.user);
    const gone = await inTurn(role.warm, () => retireRole(role.warm.client, role.user, role.owner));
    // Something holds a lock on what it had rights to: the next look tries again, and after that the sweep.
    if (!gone && role.tries < MAX_TRIES) keep({ ...role, rights: [], seen: true, tries: role.tries + 1 });
  };

  const keep = (role: Live): void => {
    live.set(role.user, role);
    if (watch !== null || closed) return;
    watch = setInterval(() => void look().catch(() => undefined), WATCH_MS);
    watch.unref();
  };

  const retire = async (user: string, generation?: number): Promise<void> => {
    const current = (): Live | null => {
      const role = live.get(user);
      return role === undefined || (generation !== undefined && role.generation !== generation) ? null : role;
    };
    // The server takes a moment to notice that a connection was closed.
    for (let tries = 0; tries < 10; tries += 1) {
      const role = current();
      if (role === null) return;
      const rows = await role.warm.client.query(SWEEP.connectedAs, [user]);
      if (!rows.ok) return;
      if (rows.value.length === 0 && current() === role) return drop(role);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const held = current();
    if (held === null) return;
    held.seen = true;
    await inTurn(held.warm, async () => {
      if (current() !== held) return;
      const gone = held.rights.filter((right) => !right.lasting);
      held.rights = held.rights.filter((right) => right.lasting);
      if (gone.length > 0) await held.warm.client.run(gone.map((right) => right.revoke).join(';\n'));
    });
  };

  const mint = async (request: MintRequest): Promise<Result<Minted, MintFault>> => {
    const { question, record } = request;
    if (question.kind !== 'statement')
      return fault('unsupported', 'this credential is for statements to a database');
    const place = placeOf(record, request.secret.secret);
    if (place === null) return fault('settings', NO_PLACE);
    const allowed = [place.database, ...textsOf(record.settings, 'databases')];
    if (!allowed.includes(question.database))
      return fault('exceeds', `the credential is not for the database \`${question.database}\``);
    const opened = await warmFor(record.name, place, question.database);
    if (!opened.ok) return opened;
    const continued =
      question.continues === undefined || question.continues === null ? null : live.get(question.continues);
    if (
      continued === undefined ||
      (continued !== null &&
        (continued.session !== request.action.sessionId || continued.credential !== record.name))
    )
      return fault('unsupported', 'the connection that this statement continues is not known any more');
    return inTurn(opened.value, async () => {
      await sweep(opened.value);
      const user = continued?.user ?? roleName();
      // Until its transaction ends, what changed a table keeps the right to it.
      const lasting =
        question.transaction === true ? (continued?.rights.filter((right) => right.lasting) ?? []) : [];
      const rights = await resolveRights(opened.value.client, {
        ...boundsOf(record.settings),
        role: user,
        statements: question.statements,
        searchPath: question.searchPath ?? null,
        asOwner: lasting.length > 0,
      });
      if (!rights.ok) return rights;
      const ttl = Math.max(2, record.limits.ttlSeconds);
      const expiresAt = request.now + ttl * 1000;
      const generation = (continued?.generation ?? 0) + 1;
      const password = randomBytes(32).toString('base64url');
      const text =
        continued === null
          ? creation(user, password, ttl, rights.value)
          : change(user, lasting, continued.rights, rights.value.rights, ttl);
      const held = await attempt(opened.value.client, text);
      if (!held.ok) return held;
      keep({
        user,
        warm: opened.value,
        session: request.action.sessionId,
        credential: record.name,
        owner: boundsOf(record.settings).owner,
        expiresAt,
        rights: [...lasting, ...rights.value.rights],
        generation,
        seen: continued !== null,
        tries: 0,
      });
      return ok({
        secret: password,
        use: { kind: 'postgres' as const, user, database: question.database },
        expiresAt,
        scope: `${rights.value.scope} in ${question.database}`,
        end: () => retire(user, generation),
      });
    });
  };

  return {
    kind: 'postgres',
    mint,
    async test(record, secret) {
      const place = placeOf(record, secret.secret);
      if (place === null) return fault('settings', NO_PLACE);
      const opened = await warmFor(record.name, place, place.database);
      if (!opened.ok) return opened;
      const rows = await opened.value.client.query(
        'select rolcreaterole or rolsuper, current_setting($1) from pg_roles where rolname = session_user',
        ['server_version'],
      );
      if (!rows.ok) return fault('issuer', `the database says ${rows.error.sqlstate}: ${rows.error.message}`);
      return rows.value[0]?.[0] === 't'
        ? ok(`logged in to PostgreSQL ${rows.value[0]?.[1] ?? ''}; roles can be made`)
        : fault('settings', `the role \`${place.user}\` lacks CREATEROLE`);
    },
    retire,
    async close() {
      closed = true;
      if (watch !== null) clearInterval(watch);
      watch = null;
      for (const role of [...live.values()]) await drop(role);
      for (const opening of warm.values()) {
        const opened = await opening;
        if (!opened.ok) continue;
        await opened.value.tail;
        opened.value.client.close();
      }
      warm.clear();
    },
  };
}

function fault(code: MintFault['code'], message: string): Result<never, MintFault> {
  return err({ code, message });
}

/** Grants on one object from two transactions at once break one of them: ours stand in a queue, and others' are waited for. */
function inTurn<T>(warm: Warm, work: () => Promise<T>): Promise<T> {
  const next = warm.tail.then(work, work);
  warm.tail = next.catch(() => undefined);
  return next;
}

async function attempt(client: PostgresClient, text: string): Promise<Result<null, MintFault>> {
  for (let tries = 0; ; tries += 1) {
    const held = await client.run(text);
    if (held.ok) {
      // 01007: the credential's own role may not hand on what is asked for; the server only warns.
      const missing = held.value.find((warning) => warning.startsWith('01007'));
      return missing === undefined ? ok(null) : fault('issuer', NOT_OURS);
    }
    if (held.error.sqlstate === '42501') return fault('issuer', NOT_OURS);
    if (held.error.sqlstate === '55P03')
      return fault(
        'issuer',
        'another transaction (or an earlier statement of this one) changes the table, so no right on it can be granted before that ends',
      );
    const concurrent = /tuple concurrently updated/.test(held.error.message);
    if (!concurrent || tries === 3)
      return fault('issuer', `the database says ${held.error.sqlstate}: ${held.error.message}`);
  }
}

function roleName(): string {
  return `${NAME}${randomBytes(10).toString('hex')}`;
}

function validUntil(user: string, ttl: number): string {
  return `DO $$ BEGIN EXECUTE format('ALTER ROLE ${user} VALID UNTIL %L', clock_timestamp() + interval '${ttl} seconds'); END $$`;
}

/** INVARIANT (least): nothing is granted to the role but what stands here, and PUBLIC's. All numbers and the name are our own. */
function creation(user: string, password: string, ttl: number, rights: Rights): string {
  return [
    // A random password of 256 bits needs no stretching: one round, and the log-in is quick. The server gets the verifier only.
    `CREATE ROLE ${user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT CONNECTION LIMIT 1 PASSWORD '${scramVerifier(password, 1)}' ROLE CURRENT_USER`,
    validUntil(user, ttl),
    // Everybody may connect where nobody said otherwise, and then there is nothing to grant.
    `DO $$ BEGIN IF NOT has_database_privilege('public', current_database(), 'CONNECT') THEN EXECUTE format('GRANT CONNECT ON DATABASE %I TO ${user}', current_database()); END IF; END $$`,
    ...(rights.readOnly ? [`ALTER ROLE ${user} SET default_transaction_read_only = on`] : []),
    ...rights.rights.map((right) => right.grant),
  ].join(';\n');
}

/** From the rights of one statement to those of the next, on the same connection; what both need stays, and nothing is locked for it. */
function change(
  user: string,
  lasting: readonly Right[],
  before: readonly Right[],
  after: readonly Right[],
  ttl: number,
): string {
  const has = (rights: readonly Right[], one: Right) => rights.some((right) => right.grant === one.grant);
  return [
    ...before.filter((right) => !lasting.includes(right) && !has(after, right)).map((right) => right.revoke),
    ...after.filter((right) => !has(before, right)).map((right) => right.grant),
    validUntil(user, ttl),
  ].join(';\n');
}

const NO_PLACE =
  'the credential says neither `host`, `database` and `user` nor is its secret a `postgres://user:password@host/database`';

/** Where the credential's own role logs in: a whole DSN as the secret, or a password beside the settings. */
function placeOf(record: CredentialRecord, secret: string): PostgresPlace | null {
  const dsn = parseDsn(secret);
  if (dsn !== null) return dsn;
  const { settings } = record;
  const [host, database, user] = ['host', 'database', 'user'].map((key) => textOf(settings, key));
  const port = Number(settings['port'] ?? 5432);
  if (!host || !database || !user || !Number.isInteger(port)) return null;
  return { host, port, user, password: secret, database };
}

function textOf(settings: JsonObject, key: string): string | null {
  const value = settings[key];
  return typeof value === 'string' && value !== '' ? value : null;
}

function textsOf(settings: JsonObject, key: string): readonly string[] {
  const value = settings[key];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function boundsOf(settings: JsonObject): Pick<RightsWanted, 'template' | 'owner' | 'access'> {
  return {
    template: textOf(settings, 'template_role'),
    owner: textOf(settings, 'owner_role'),
    access: settings['read_only'] === true ? 'read' : 'write',
  };
}
