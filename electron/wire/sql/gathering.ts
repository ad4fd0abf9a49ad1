import type { Json, JsonObject } from '../../core/brand.ts';
import type { TableNeed } from '../proxy-message.ts';
import { alwaysTrue } from './condition.ts';
import { readFunction } from './functions.ts';
import { child, constant, flag, isObject, list, names, quoteNames, relationName, text } from './tree.ts';

/** What is gathered while a statement's tree is walked. */
export interface Gathering {
  readonly reads: Set<string>;
  readonly writes: Set<string>;
  readonly tags: Set<string>;
  readonly calls: Set<string>;
  readonly needs: Map<string, TableNeed>;
  /** It leaves something in the session: a setting, a lock, a temporary table. */
  keeps: boolean;
}

type Scope = ReadonlySet<string>;

/** Deeper trees are refused: nobody writes them, and each level costs stack. */
const MAX_DEPTH = 400;

export function newGathering(): Gathering {
  return {
    reads: new Set(),
    writes: new Set(),
    tags: new Set(),
    calls: new Set(),
    needs: new Map(),
    keeps: false,
  };
}

export function need(into: Gathering, table: string, privilege: TableNeed['privilege']): void {
  into.needs.set(`${privilege} ${table}`, { table, privilege });
}

export function writeTo(into: Gathering, table: string, privilege: TableNeed['privilege']): void {
  into.writes.add(table);
  need(into, table, privilege);
}

/** Whether a table belongs to the catalog, which everybody may read; the server keeps its secrets itself. */
export function isCatalog(table: string): boolean {
  return /^(?:pg_catalog\.|information_schema\.|pg_[a-z_]+$)/.test(table);
}

/** Catalog tables with secrets or with what others do. */
const SECRET_CATALOG =
  /^(?:pg_catalog\.)?(?:pg_authid|pg_shadow|pg_user_mapping|pg_user_mappings|pg_largeobject|pg_hba_file_rules|pg_file_settings|pg_subscription|pg_statistic|pg_statistic_ext_data)$/;

/** Walks any part of a tree: what it reads, changes and calls. `scope`: names of the common table expressions in sight. */
export function gather(value: Json | undefined, scope: Scope, into: Gathering, depth = 0): void {
  if (depth > MAX_DEPTH) throw new RangeError('nested too deeply');
  if (Array.isArray(value)) {
    for (const item of value) gather(item, scope, into, depth + 1);
    return;
  }
  if (!isObject(value)) return;
  for (const [key, body] of Object.entries(value)) {
    if (!isObject(body)) gather(body, scope, into, depth + 1);
    else if (!gatherNode(key, body, scope, into, depth)) gather(body, scope, into, depth + 1);
  }
}

/** True when the node was dealt with, its children too. */
function gatherNode(type: string, body: JsonObject, outer: Scope, into: Gathering, depth: number): boolean {
  switch (type) {
    case 'RangeVar':
      readFrom(body, outer, into);
      return true;
    case 'FuncCall':
      gatherCall(body, into);
      return false;
    case 'SelectStmt': {
      const scope = gatherCommon(body, outer, into, depth);
      gatherInto(child(body, 'intoClause'), into);
      gatherLocks(body, scope, into);
      gather(without(body, ['withClause', 'intoClause', 'lockingClause']), scope, into, depth + 1);
      return true;
    }
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt': {
      const scope = gatherCommon(body, outer, into, depth);
      gatherChange(type, body, into);
      gather(without(body, ['withClause', 'relation']), scope, into, depth + 1);
      return true;
    }
    default:
      return false;
  }
}

function without(body: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !keys.includes(key)));
}

function readFrom(range: JsonObject, scope: Scope, into: Gathering): void {
  const name = relationName(range);
  if (text(range, 'schemaname') === null && scope.has(text(range, 'relname') ?? '')) return;
  into.reads.add(name);
  if (SECRET_CATALOG.test(name)) into.tags.add('secret');
  if (!isCatalog(name)) need(into, name, 'SELECT');
}

/** Common table expressions: each sees those before it, all of them when recursive. */
function gatherCommon(body: JsonObject, outer: Scope, into: Gathering, depth: number): Scope {
  const clause = child(body, 'withClause');
  if (clause === null) return outer;
  const scope = new Set(outer);
  const tables = list(clause, 'ctes').map((item) => child(item, 'CommonTableExpr'));
  const nameOf = (table: JsonObject | null) => text(table, 'ctename') ?? '';
  if (flag(clause, 'recursive')) for (const table of tables) scope.add(nameOf(table));
  for (const table of tables) {
    gather(table?.['ctequery'], new Set(scope), into, depth + 2);
    scope.add(nameOf(table));
  }
  return scope;
}

/** The table that SELECT INTO, CREATE TABLE AS or a materialized view makes. */
export function gatherInto(clause: JsonObject | null, into: Gathering): void {
  const range = child(clause, 'rel');
  if (range !== null) makeTable(range, into);
}

/** A table that is made: a temporary one stays in the session and needs no right on a schema. */
export function makeTable(range: JsonObject, into: Gathering): void {
  const name = relationName(range);
  if (text(range, 'relpersistence') === 't') {
    into.keeps = true;
    into.tags.add('temporary');
    need(into, 'pg_temp', 'CREATE');
  } else writeTo(into, name, 'CREATE');
}

/** FOR UPDATE and its kin: the server asks for the right to update. */
function gatherLocks(body: JsonObject, scope: Scope, into: Gathering): void {
  const clauses = list(body, 'lockingClause').map((item) => child(item, 'LockingClause'));
  if (clauses.length === 0) return;
  into.tags.add('locks');
  const inside = newGathering();
  gather(body['fromClause'], scope, inside);
  for (const name of inside.reads) if (!isCatalog(name)) need(into, name, 'UPDATE');
}

function gatherChange(type: string, body: JsonObject, into: Gathering): void {
  const range = child(body, 'relation');
  if (range === null) return;
  const name = relationName(range);
  const shape = JSON.stringify(without(body, ['withClause']));
  const readsItself = /"ColumnRef"|"returningClause"/.test(shape);
  switch (type) {
    case 'InsertStmt': {
      writeTo(into, name, 'INSERT');
      const conflict = child(body, 'onConflictClause');
      if (text(conflict, 'action') === 'ONCONFLICT_UPDATE') need(into, name, 'UPDATE');
      if (conflict !== null || body['returningClause'] !== undefined) need(into, name, 'SELECT');
      return;
    }
    case 'MergeStmt':
      into.writes.add(name);
      for (const [command, privilege] of MERGES) if (shape.includes(command)) need(into, name, privilege);
      need(into, name, 'SELECT');
      if (shape.includes('CMD_DELETE')) into.tags.add('deletes');
      return;
    default:
      writeTo(into, name, type === 'UpdateStmt' ? 'UPDATE' : 'DELETE');
      if (type === 'DeleteStmt') into.tags.add('deletes');
      if (readsItself || body['whereClause'] !== undefined) need(into, name, 'SELECT');
      if (alwaysTrue(body['whereClause']) && !isBounded(body)) into.tags.add('no-where');
  }
}

const MERGES = [
  ['CMD_INSERT', 'INSERT'],
  ['CMD_UPDATE', 'UPDATE'],
  ['CMD_DELETE', 'DELETE'],
] as const;

/** Joined with other tables and a condition that says something: not every row. */
function isBounded(body: JsonObject): boolean {
  return body['whereClause'] !== undefined && !alwaysTrue(body['whereClause']);
}

/** Settings that change who a session is. */
const IDENTITY = new Set(['role', 'session_authorization']);
/** Settings that change what the server guards. */
const GUARDS = new Set([
  'session_replication_role',
  'default_transaction_read_only',
  'transaction_read_only',
  'session_preload_libraries',
  'local_preload_libraries',
  'dynamic_library_path',
  'allow_system_table_mods',
  'lo_compat_privileges',
  'log_statement',
  'log_min_messages',
  'log_min_error_statement',
  'log_min_duration_statement',
]);

/** What setting something is; one whose name only running could tell may be any. */
export function settingTag(name: string | null): string {
  if (name === null) return 'guard-setting';
  if (IDENTITY.has(name.toLowerCase())) return 'set-role';
  return GUARDS.has(name.toLowerCase()) ? 'guard-setting' : 'setting';
}

function gatherCall(body: JsonObject, into: Gathering): void {
  const parts = names(list(body, 'funcname'));
  const name = parts.at(-1) ?? '';
  const schema = parts.length > 1 ? (parts.at(-2) ?? null) : null;
  const reading = readFunction(schema, name);
  into.calls.add(quoteNames(parts));
  for (const tag of reading.tags) into.tags.add(tag);
  if (reading.keeps) into.keeps = true;
  if (name === 'set_config') into.tags.add(settingTag(constant(list(body, 'args')[0])));
  if (reading.sequence === null) return;
  const sequence = constant(list(body, 'args')[0]);
  if (sequence === null) into.tags.add('unknown-function');
  else writeTo(into, sequence, reading.sequence);
}
