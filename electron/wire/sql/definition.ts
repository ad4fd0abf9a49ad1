import type { Json, JsonObject } from '../../core/brand.ts';
import { type Gathering, gather, makeTable, need, writeTo } from './gathering.ts';
import { child, constant, list, names, nodeOf, quoteName, quoteNames, relationName, text } from './tree.ts';

const NONE: ReadonlySet<string> = new Set();

/** Statements by which whoever gives them gets more than rows: code in the server, its settings, other servers, its roles. */
const BY_TYPE: Readonly<Record<string, readonly [verb: string, tag: string]>> = {
  AlterSystemStmt: ['alter system', 'server-takeover'],
  LoadStmt: ['load', 'server-takeover'],
  CreatePLangStmt: ['create language', 'server-takeover'],
  CreateEventTrigStmt: ['create event trigger', 'server-takeover'],
  AlterEventTrigStmt: ['alter event trigger', 'server-takeover'],
  CreateTableSpaceStmt: ['create tablespace', 'server-takeover'],
  AlterTableSpaceOptionsStmt: ['alter tablespace', 'server-takeover'],
  AlterExtensionStmt: ['alter extension', 'server-takeover'],
  AlterExtensionContentsStmt: ['alter extension', 'server-takeover'],
  CreateExtensionStmt: ['create extension', 'server-takeover'],
  CreateCastStmt: ['create cast', 'code-in-database'],
  CreateTransformStmt: ['create transform', 'code-in-database'],
  CreateAmStmt: ['create access method', 'server-takeover'],
  CreateTrigStmt: ['create trigger', 'code-in-database'],
  RuleStmt: ['create rule', 'code-in-database'],
  CreateFdwStmt: ['create foreign data wrapper', 'from-database'],
  AlterFdwStmt: ['alter foreign data wrapper', 'from-database'],
  CreateForeignServerStmt: ['create server', 'from-database'],
  AlterForeignServerStmt: ['alter server', 'from-database'],
  CreateUserMappingStmt: ['create user mapping', 'from-database'],
  AlterUserMappingStmt: ['alter user mapping', 'from-database'],
  CreateForeignTableStmt: ['create foreign table', 'from-database'],
  ImportForeignSchemaStmt: ['import foreign schema', 'from-database'],
  CreateSubscriptionStmt: ['create subscription', 'from-database'],
  AlterSubscriptionStmt: ['alter subscription', 'from-database'],
  CreatePublicationStmt: ['create publication', 'from-database'],
  AlterPublicationStmt: ['alter publication', 'from-database'],
  CreateRoleStmt: ['create role', 'database-role'],
  AlterRoleStmt: ['alter role', 'database-role'],
  AlterRoleSetStmt: ['alter role', 'database-role'],
  GrantRoleStmt: ['grant role', 'database-role'],
  AlterDefaultPrivilegesStmt: ['alter default privileges', 'database-grant'],
  ReassignOwnedStmt: ['reassign owned', 'database-role'],
  CreatePolicyStmt: ['create policy', 'row-policy'],
  AlterPolicyStmt: ['alter policy', 'row-policy'],
  AlterDatabaseSetStmt: ['alter database', 'guard-setting'],
  AlterDatabaseStmt: ['alter database', 'structure'],
  CreatedbStmt: ['create database', 'structure'],
  CheckPointStmt: ['checkpoint', 'disruptive'],
  SecLabelStmt: ['security label', 'database-grant'],
};

/** The other statements: those that define and remove things. Returns the verb; what nothing here knows is `unknown-statement`. */
export function readDefinition(type: string, body: JsonObject, into: Gathering): string {
  const known = BY_TYPE[type];
  if (known !== undefined) {
    const range = child(body, 'relation') ?? child(body, 'table');
    if (range !== null) writeTo(into, relationName(range), 'OWNER');
    into.tags.add(known[1]);
    return known[0];
  }
  switch (type) {
    case 'DropStmt':
      return readDrop(body, into);
    case 'DropdbStmt':
      into.writes.add(quoteName(text(body, 'dbname') ?? ''));
      return destructive('drop database', into);
    case 'DropOwnedStmt':
      return destructive('drop owned', into);
    case 'DropRoleStmt':
      into.tags.add('database-role');
      return destructive('drop role', into);
    case 'DropTableSpaceStmt':
      into.tags.add('server-takeover');
      return destructive('drop tablespace', into);
    case 'DropSubscriptionStmt':
    case 'DropUserMappingStmt':
      return destructive(type === 'DropSubscriptionStmt' ? 'drop subscription' : 'drop user mapping', into);
    case 'AlterTableStmt':
      return readAlter(body, into);
    case 'RenameStmt':
    case 'AlterObjectSchemaStmt':
    case 'AlterOwnerStmt': {
      const range = child(body, 'relation');
      if (range !== null) writeTo(into, relationName(range), 'OWNER');
      into.tags.add(type === 'AlterOwnerStmt' ? 'database-grant' : 'structure');
      return `alter ${objectWord(text(body, 'objectType') ?? text(body, 'renameType'))}`;
    }
    case 'CreateStmt': {
      const range = child(body, 'relation');
      if (range !== null) makeTable(range, into);
      gather(body['tableElts'], NONE, into);
      into.tags.add('structure');
      return 'create table';
    }
    case 'ViewStmt': {
      const range = child(body, 'view');
      if (range !== null) makeTable(range, into);
      gather(body['query'], NONE, into);
      into.tags.add('structure');
      return 'create view';
    }
    case 'IndexStmt': {
      const range = child(body, 'relation');
      if (range !== null) writeTo(into, relationName(range), 'OWNER');
      gather(body['indexParams'], NONE, into);
      into.tags.add('structure');
      return 'create index';
    }
    case 'CreateSeqStmt': {
      const range = child(body, 'sequence');
      if (range !== null) makeTable(range, into);
      into.tags.add('structure');
      return 'create sequence';
    }
    case 'CreateSchemaStmt':
      into.tags.add('structure');
      need(into, '', 'CREATE');
      return 'create schema';
    case 'CreateFunctionStmt':
      return readFunctionDefinition(body, into);
    case 'DoStmt':
      into.tags.add('unknown-code');
      if (UNTRUSTED.test(languageOf(list(body, 'args')) ?? 'plpgsql')) into.tags.add('from-database');
      into.keeps = true;
      return 'do';
    case 'GrantStmt':
      return readGrant(body, into);
    case 'RefreshMatViewStmt':
      writeTo(into, relationName(child(body, 'relation') ?? {}), 'OWNER');
      return 'refresh materialized view';
    case 'VacuumStmt':
    case 'ClusterStmt':
    case 'ReindexStmt':
      return readMaintenance(type, body, into);
    case 'CommentStmt':
      into.tags.add('structure');
      return 'comment';
    default:
      into.tags.add('unknown-statement');
      into.keeps = true;
      return (type === '' ? 'unknown' : type.replace(/Stmt$/, ''))
        .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
        .toLowerCase();
  }
}

function destructive(verb: string, into: Gathering): string {
  into.tags.add('destructive');
  return verb;
}

function objectWord(type: string | null): string {
  return (type ?? 'OBJECT_UNKNOWN')
    .replace('OBJECT_', '')
    .replace('MATVIEW', 'MATERIALIZED_VIEW')
    .toLowerCase()
    .replaceAll('_', ' ');
}

const RELATIONS = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
  'OBJECT_FOREIGN_TABLE',
]);

function readDrop(body: JsonObject, into: Gathering): string {
  const type = text(body, 'removeType');
  for (const item of list(body, 'objects')) {
    const parts = droppedName(item);
    const name = quoteNames(parts.length > 0 ? parts : ['*']);
    into.writes.add(name);
    if (RELATIONS.has(type ?? '')) need(into, name, 'OWNER');
    else into.tags.add('structure');
  }
  return destructive(`drop ${objectWord(type)}`, into);
}

/** Parts of the name of what is dropped: a list of texts, a type's names, a function with its arguments. */
function droppedName(item: Json): readonly string[] {
  const node = nodeOf(item);
  if (node === null) return [];
  const [type, body] = node;
  if (type === 'List') return names(list(body, 'items'));
  if (type === 'TypeName') return names(list(body, 'names'));
  if (type === 'ObjectWithArgs') return names(list(body, 'objname'));
  return names([item]);
}

function readAlter(body: JsonObject, into: Gathering): string {
  const range = child(body, 'relation');
  if (range !== null) writeTo(into, relationName(range), 'OWNER');
  const commands = list(body, 'cmds').map((item) => text(child(item, 'AlterTableCmd'), 'subtype') ?? '');
  into.tags.add('structure');
  if (commands.some((command) => /Drop(?!NotNull|Expression|Identity)/.test(command)))
    into.tags.add('destructive');
  if (commands.some((command) => /RowSecurity|ChangeOwner/.test(command))) into.tags.add('row-policy');
  if (commands.some((command) => /Trig|Rule/.test(command))) into.tags.add('code-in-database');
  gather(body['cmds'], NONE, into);
  return `alter ${objectWord(text(body, 'objtype'))}`;
}

/** Languages whose code does whatever the server's user may do. */
const UNTRUSTED = /^(?:c|internal|plpython\w*u|plperlu|pltclu|plsh|pljavau|plr|plv8u)$/i;

function languageOf(options: readonly Json[]): string | null {
  const option = options
    .map((item) => child(item, 'DefElem'))
    .find((item) => text(item, 'defname') === 'language');
  return option === undefined ? null : constant(option?.['arg']);
}

function readFunctionDefinition(body: JsonObject, into: Gathering): string {
  const options = list(body, 'options');
  const language = languageOf(options) ?? 'sql';
  into.tags.add('code-in-database');
  if (!/^(?:sql|plpgsql)$/i.test(language)) into.tags.add('from-database');
  const definer = options
    .map((item) => child(item, 'DefElem'))
    .some((item) => text(item, 'defname') === 'security' && /true/.test(JSON.stringify(item?.['arg'] ?? '')));
  if (definer) into.tags.add('database-grant');
  need(into, quoteNames(names(list(body, 'funcname')).slice(0, -1)), 'CREATE');
  return body['is_procedure'] === true ? 'create procedure' : 'create function';
}

function readGrant(body: JsonObject, into: Gathering): string {
  for (const item of list(body, 'objects')) {
    const range = child(item, 'RangeVar');
    if (range !== null) writeTo(into, relationName(range), 'OWNER');
  }
  into.tags.add('database-grant');
  if (list(body, 'privileges').length === 0) into.tags.add('database-role');
  return body['is_grant'] === true ? 'grant' : 'revoke';
}

function readMaintenance(type: string, body: JsonObject, into: Gathering): string {
  const ranges = [
    child(body, 'relation'),
    ...list(body, 'rels').map((item) => child(child(item, 'VacuumRelation'), 'relation')),
  ];
  for (const range of ranges) if (range !== null) writeTo(into, relationName(range), 'OWNER');
  into.tags.add('maintenance');
  if (type === 'VacuumStmt') return body['is_vacuumcmd'] === true ? 'vacuum' : 'analyze';
  return type === 'ClusterStmt' ? 'cluster' : 'reindex';
}
