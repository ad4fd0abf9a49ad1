import { err, ok, type Result } from '../core/result.ts';
import type { StatementView, TableNeed } from '../wire/proxy-message.ts';
import type { PostgresClient, SqlError } from './postgres-client.ts';

/** What a statement's rights are in one database: ready pieces of SQL, every name written by the server itself. */
export interface Rights {
  readonly rights: readonly Right[];
  /** In words, for the receipt: `SELECT on public.orders`. */
  readonly scope: string;
  readonly readOnly: boolean;
}

/** One right, as it is given and taken. */
export interface Right {
  readonly grant: string;
  readonly revoke: string;
  /**
   * Stays to the end of the transaction: the statement that needs it leaves its table changed and locked until its transaction ends, and no right on
   * such a table can be taken away, or given, from elsewhere.
   */
  readonly lasting: boolean;
}

export interface RightsWanted {
  readonly role: string;
  readonly statements: readonly StatementView[];
  readonly searchPath: string | null;
  /** Never more than this role could do; null: no such bound. */
  readonly template: string | null;
  /** Owns what is created, and whose tables may be altered; null: neither is possible. */
  readonly owner: string | null;
  /** The role is a member of `owner` already, from an earlier definition in its transaction. */
  readonly asOwner: boolean;
  /** `read`: nothing but SELECT. */
  readonly access: 'read' | 'write';
}

export interface RightsFault {
  readonly code: 'exceeds' | 'issuer';
  readonly message: string;
}

const exceeds = (message: string) => err<RightsFault>({ code: 'exceeds', message });
const failed = (error: SqlError) =>
  err<RightsFault>({ code: 'issuer', message: `the database says ${error.sqlstate}: ${error.message}` });

/** The search path of a role that was just made: the database's own, else the server's. */
const DEFAULT_PATH = `select coalesce(
  (select substr(c, 13) from pg_db_role_setting s, unnest(s.setconfig) c
    where s.setrole = 0 and s.setdatabase = (select oid from pg_database where datname = current_database()) and c like 'search_path=%'),
  (select reset_val from pg_settings where name = 'search_path' and not exists (
    select 1 from pg_db_role_setting s, unnest(s.setconfig) c where s.setrole <> 0 and c like 'search_path=%'
      and s.setrole = (select oid from pg_roles where rolname = session_user))),
  '"$user", public')`;

/**
 * Resolves what a statement names and turns it into exact rights (AARM R9.b). INVARIANT (granted is what was named): names are resolved by the
 * server's own rules under the client's search path, and what is granted is the object found, by its full name; should the statement, when it runs,
 * lead anywhere else, the server refuses it. The connection's own search path is pg_catalog before and after.
 */
export async function resolveRights(
  admin: PostgresClient,
  wanted: RightsWanted,
): Promise<Result<Rights, RightsFault>> {
  const needs = wanted.statements.flatMap((statement) => statement.needs ?? []);
  const tags = new Set(wanted.statements.flatMap((statement) => statement.tags));
  const structural = needs.filter((need) => isStructural(need));
  if (wanted.access === 'read') {
    const other = needs.find((need) => need.privilege !== 'SELECT' && !isTemporary(need));
    if (other !== undefined || structural.length > 0 || tags.has('structure'))
      return exceeds(`this credential is for reading, and the statement needs ${other?.privilege ?? 'more'}`);
  }
  const definers = await callsAreSafe(admin, wanted, tags);
  if (!definers.ok) return definers;
  const found = await resolveNames(
    admin,
    [...new Set(needs.filter((need) => !isStructural(need) && !isTemporary(need)).map((need) => need.table))],
    wanted.searchPath,
  );
  if (!found.ok) return found;
  const tables = await describe(admin, found.value, wanted, needs);
  if (!tables.ok) return tables;
  const rightOf = (what: string, lasting: boolean): Right => ({
    grant: `GRANT ${what} TO ${wanted.role}`,
    revoke: `REVOKE ${what} FROM ${wanted.role}`,
    lasting,
  });
  const rights = tables.value.map((item) => rightOf(item.right, /^TRUNCATE|, TRUNCATE/.test(item.right)));
  const words = tables.value
    .filter((item) => item.shown)
    .map((item) => item.right.replace(' ON TABLE ', ' on '));
  if (structural.length > 0 || tags.has('structure')) {
    const owner = await ownerOf(admin, wanted);
    if (!owner.ok) return owner;
    rights.push(rightOf(owner.value, true));
    words.push(`all that ${owner.value} may do`);
  }
  rights.push(...definers.value.map((name) => rightOf(`EXECUTE ON FUNCTION ${name}`, false)));
  return ok({
    rights,
    scope: words.length === 0 ? 'CONNECT only' : [...new Set(words)].join('; ').slice(0, 1000),
    readOnly: isRead(wanted.statements),
  });
}

function isTemporary(need: TableNeed): boolean {
  return need.privilege === 'CREATE' && need.table === 'pg_temp';
}

function isStructural(need: TableNeed): boolean {
  return (need.privilege === 'CREATE' && !isTemporary(need)) || need.privilege === 'OWNER';
}

const READ_VERBS = new Set(['select', 'copy to stdout', 'explain', 'explain analyze select']);
const MORE = [
  'unknown-function',
  'setting',
  'locks',
  'unknown-code',
  'temporary',
  'large-object',
  'sequence',
  'notify',
];

/** Statements after which nothing is left but what they returned: they run in read-only transactions. */
function isRead(statements: readonly StatementView[]): boolean {
  return (
    statements.length > 0 &&
    statements.every(
      (statement) =>
        READ_VERBS.has(statement.verb) &&
        statement.writes.length === 0 &&
        !statement.tags.some((tag) => MORE.includes(tag)),
    )
  );
}

/** Named objects to their oid; null where there is none, so that the server's own error is what the client sees. */
async function resolveNames(
  admin: PostgresClient,
  names: readonly string[],
  searchPath: string | null,
): Promise<Result<ReadonlyMap<string, string>, RightsFault>> {
  if (names.length === 0) return ok(new Map());
  let path = searchPath;
  if (path === null) {
    const own = await admin.query(DEFAULT_PATH);
    if (!own.ok) return failed(own.error);
    path = own.value[0]?.[0] ?? 'public';
  }
  // Sent together, so that nothing else runs in between. Everything is qualified: the path may lead through schemas of anybody.
  const [set, rows, back] = await Promise.all([
    admin.query("select pg_catalog.set_config('search_path', $1, false)", [path]),
    admin.query(
      'select n, pg_catalog.to_regclass(n)::pg_catalog.oid::pg_catalog.text from pg_catalog.unnest($1::pg_catalog.text[]) as n',
      [arrayOf(names)],
    ),
    admin.query("select pg_catalog.set_config('search_path', 'pg_catalog', false)"),
  ]);
  if (!back.ok) {
    admin.close();
    return failed(back.error);
  }
  if (!set.ok) return failed(set.error);
  if (!rows.ok) return failed(rows.error);
  const found = new Map<string, string>();
  for (const [name, oid] of rows.value)
    if (typeof name === 'string' && typeof oid === 'string') found.set(name, oid);
  return ok(found);
}

interface TableRight {
  /** `SELECT ON TABLE public.orders`. */
  readonly right: string;
  readonly shown: boolean;
}

const TABLES = `select c.oid::text, format('%I.%I', n.nspname, c.relname), c.relkind::text, format('%I', n.nspname),
  has_schema_privilege('public', n.oid, 'USAGE')::text, (n.nspname in ('pg_catalog', 'information_schema', 'pg_toast'))::text,
  coalesce((select string_agg(format('%I.%I', sn.nspname, s.relname), E'\\n') from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
    join pg_namespace sn on sn.oid = s.relnamespace where d.refobjid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'a'), ''),
  case when $2::text is null then '' else concat_ws(',',
    case when has_schema_privilege($2, n.oid, 'USAGE') then 'SCHEMA' end,
    case when c.relkind <> 'S' and has_table_privilege($2, c.oid, 'SELECT') then 'SELECT' end,
    case when c.relkind <> 'S' and has_table_privilege($2, c.oid, 'INSERT') then 'INSERT' end,
    case when c.relkind <> 'S' and has_table_privilege($2, c.oid, 'UPDATE') then 'UPDATE' end,
    case when c.relkind <> 'S' and has_table_privilege($2, c.oid, 'DELETE') then 'DELETE' end,
    case when c.relkind <> 'S' and has_table_privilege($2, c.oid, 'TRUNCATE') then 'TRUNCATE' end,
    case when c.relkind = 'S' and has_sequence_privilege($2, c.oid, 'USAGE') then 'USAGE' end,
    case when c.relkind = 'S' and has_sequence_privilege($2, c.oid, 'UPDATE') then 'UPDATE' end,
    case when c.relkind = 'S' and has_sequence_privilege($2, c.oid, 'SELECT') then 'SELECT' end) end,
  pg_get_userbyid(c.relowner)::text
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any($1::oid[])`;

async function describe(
  admin: PostgresClient,
  found: ReadonlyMap<string, string>,
  wanted: RightsWanted,
  needs: readonly TableNeed[],
): Promise<Result<readonly TableRight[], RightsFault>> {
  if (found.size === 0) return ok([]);
  const rows = await admin.query(TABLES, [arrayOf([...new Set(found.values())]), wanted.template]);
  if (!rows.ok) return failed(rows.error);
  const rights: TableRight[] = [];
  for (const [oid, name, kind, schema, open, system, sequences, could, owner] of rows.value) {
    if (system === 'true' || name === null || name === undefined) continue;
    const asked = needs.filter((need) => found.get(need.table) === oid).map((need) => need.privilege);
    const privileges = [...new Set(asked)].filter((privilege) => privilege !== 'USAGE' || kind === 'S');
    const bound = wanted.template === null ? null : new Set((could ?? '').split(','));
    const beyond = bound === null ? undefined : ['SCHEMA', ...privileges].find((one) => !bound.has(one));
    if (beyond !== undefined)
      return exceeds(
        `the credential's template role may not ${beyond === 'SCHEMA' ? 'use the schema of' : beyond} ${name}`,
      );
    // What it may do as a member of the owner needs no right of its own.
    if (wanted.asOwner && owner === wanted.owner) continue;
    if (open !== 'true') rights.push({ right: `USAGE ON SCHEMA ${schema}`, shown: false });
    rights.push({
      right: `${privileges.join(', ')} ON ${kind === 'S' ? 'SEQUENCE' : 'TABLE'} ${name}`,
      shown: true,
    });
    // What fills a serial column is the table's own sequence.
    if (privileges.includes('INSERT'))
      for (const sequence of (sequences ?? '').split('\n'))
        if (sequence !== '') rights.push({ right: `USAGE ON SEQUENCE ${sequence}`, shown: false });
  }
  return ok(rights);
}

const FUNCTIONS = `select p.oid::regprocedure::text, p.prosecdef::text, has_function_privilege('public', p.oid, 'EXECUTE')::text, p.proname::text
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where p.proname = any($1::text[]) and n.nspname not in ('pg_catalog', 'information_schema') limit 64`;

/**
 * Functions to grant: those that not everybody may call. Refuses a harmless name that somebody gave to a function which runs with its
 * owner's rights (SECURITY DEFINER): with an argument's type it would be called instead of the catalog's.
 */
async function callsAreSafe(
  admin: PostgresClient,
  wanted: RightsWanted,
  tags: ReadonlySet<string>,
): Promise<Result<readonly string[], RightsFault>> {
  const calls = [...new Set(wanted.statements.flatMap((statement) => statement.calls ?? []))];
  const names = calls.filter((name) => !name.startsWith('pg_catalog.')).map(lastName);
  if (names.length === 0) return ok([]);
  const rows = await admin.query(FUNCTIONS, [arrayOf(names)]);
  if (!rows.ok) return failed(rows.error);
  const shadow = rows.value.find(([, definer]) => definer === 'true');
  if (shadow !== undefined && !tags.has('unknown-function'))
    return exceeds(
      `\`${shadow[3] ?? ''}\` is also a function of this database that runs with its owner's rights; write pg_catalog.${shadow[3] ?? ''}`,
    );
  return ok(rows.value.filter(([, , open]) => open !== 'true').map(([name]) => name ?? ''));
}

/** The last part of a dotted name, without its quotes. */
function lastName(name: string): string {
  const found = /(?:^|\.)(?:"((?:[^"]|"")*)"|([^".]+))$/.exec(name);
  return found?.[1]?.replaceAll('""', '"') ?? found?.[2] ?? name;
}

async function ownerOf(admin: PostgresClient, wanted: RightsWanted): Promise<Result<string, RightsFault>> {
  if (wanted.owner === null)
    return exceeds('this credential has no `owner_role`, which changing the structure of a database takes');
  const rows = await admin.query(
    `select format('%I', rolname), (rolsuper or rolcreaterole or rolreplication or rolbypassrls)::text,
       ($2::text is null or pg_has_role($2, oid, 'MEMBER'))::text from pg_roles where rolname = $1`,
    [wanted.owner, wanted.template],
  );
  if (!rows.ok) return failed(rows.error);
  const [name, mighty, within] = rows.value[0] ?? [];
  if (typeof name !== 'string') return exceeds(`the role \`${wanted.owner}\` does not exist`);
  if (mighty === 'true') return exceeds(`the role \`${wanted.owner}\` may do more than own tables`);
  if (within !== 'true') return exceeds('the template role is no member of `owner_role`');
  return ok(name);
}

/** A list as PostgreSQL writes arrays. */
function arrayOf(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`;
}
