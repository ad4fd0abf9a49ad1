import type { Json, JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import type { StatementView } from '../proxy-message.ts';
import { readDefinition } from './definition.ts';
import {
  type Gathering,
  gather,
  gatherInto,
  isCatalog,
  need,
  newGathering,
  settingTag,
  writeTo,
} from './gathering.ts';
import { child, constant, flag, list, names, nodeOf, quoteName, relationName, text } from './tree.ts';

/** One statement as the proxy needs it: what the daemon judges, and what it does to the session it runs in. */
export interface StatementReading {
  readonly view: StatementView;
  /** It leaves something in the session that a later statement may rely on. */
  readonly keeps: boolean;
  /** `search_path` that it sets, as the setting is written; null: it sets none that can be read. */
  readonly searchPath: string | null;
  /** Name of the statement that PREPARE makes, or that EXECUTE runs. */
  readonly prepares: string | null;
  readonly executes: string | null;
  readonly copy: 'in' | 'out' | null;
}

export interface SqlFault {
  readonly code: 'unreadable' | 'too-many' | 'too-deep';
  readonly message: string;
}

const MAX_STATEMENTS = 256;

/**
 * Reads what each statement of a parsed text does (AARM R3.k, R9.b) from libpg-query's tree: verb, tables, tags and the rights that it takes.
 * What no case knows is tagged `unknown-statement`, never left out.
 */
export function readStatements(tree: Json): Result<readonly StatementReading[], SqlFault> {
  const statements = list(tree, 'stmts');
  if (statements.length > MAX_STATEMENTS)
    return err({ code: 'too-many', message: `a text has at most ${MAX_STATEMENTS} statements` });
  const found: StatementReading[] = [];
  try {
    for (const item of statements) found.push(readStatement(child(item, 'stmt') ?? {}));
  } catch (fault) {
    if (!(fault instanceof RangeError)) throw fault;
    return err({ code: 'too-deep', message: 'the statement is nested too deeply to be read' });
  }
  return ok(found);
}

function readStatement(statement: JsonObject): StatementReading {
  const into = newGathering();
  const node = nodeOf(statement);
  const [type, body] = node ?? ['', {}];
  const verb = readBody(type, body, into);
  return {
    view: {
      verb,
      reads: [...into.reads],
      writes: [...into.writes],
      tags: [...into.tags],
      needs: [...into.needs.values()],
      calls: [...into.calls],
    },
    keeps: into.keeps,
    searchPath: searchPathOf(type, body),
    prepares: type === 'PrepareStmt' ? text(body, 'name') : null,
    executes: type === 'ExecuteStmt' ? text(body, 'name') : null,
    copy: type === 'CopyStmt' ? (flag(body, 'is_from') ? 'in' : 'out') : null,
  };
}

const NONE: ReadonlySet<string> = new Set();
const CHANGES: Readonly<Record<string, string>> = {
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
};

/** The verb of a statement; what it does goes `into`. */
function readBody(type: string, body: JsonObject, into: Gathering): string {
  const change = CHANGES[type];
  if (change !== undefined) {
    gather({ [type]: body }, NONE, into);
    return change;
  }
  switch (type) {
    case 'SelectStmt':
      gather({ [type]: body }, NONE, into);
      if (child(body, 'intoClause') !== null) return 'create table';
      return into.writes.size > 0 ? 'select with changes' : 'select';
    case 'ExplainStmt':
      return readExplain(body, into);
    case 'CopyStmt':
      return readCopy(body, into);
    case 'TruncateStmt':
      for (const item of list(body, 'relations'))
        writeTo(into, relationName(child(item, 'RangeVar') ?? {}), 'TRUNCATE');
      into.tags.add('destructive');
      return 'truncate';
    case 'LockStmt':
      for (const item of list(body, 'relations')) {
        const name = relationName(child(item, 'RangeVar') ?? {});
        into.reads.add(name);
        need(into, name, body['mode'] === 1 ? 'SELECT' : 'UPDATE');
      }
      into.tags.add('locks');
      return 'lock';
    case 'PrepareStmt': {
      into.keeps = true;
      const [inner, innerBody] = nodeOf(body['query']) ?? ['', {}];
      return `prepare ${readBody(inner, innerBody, into)}`;
    }
    case 'DeclareCursorStmt': {
      into.keeps = true;
      gather(body['query'], NONE, into);
      return 'declare cursor';
    }
    case 'CallStmt':
      gather(body['funccall'], NONE, into);
      into.tags.add('unknown-function');
      return 'call';
    case 'CreateTableAsStmt': {
      gather(body['query'], NONE, into);
      gatherInto(child(body, 'into'), into);
      if (nodeOf(body['query'])?.[0] === 'ExecuteStmt') into.tags.add('unknown-code');
      return text(body, 'objtype') === 'OBJECT_MATVIEW' ? 'create materialized view' : 'create table';
    }
    default:
      return readSession(type, body, into) ?? readDefinition(type, body, into);
  }
}

function readExplain(body: JsonObject, into: Gathering): string {
  const options = list(body, 'options').map((item) => child(item, 'DefElem'));
  const on = options.find((option) => text(option, 'defname') === 'analyze');
  const value = on === undefined ? null : constant(on?.['arg']);
  const runs = on !== undefined && !['false', 'off', '0'].includes((value ?? 'on').toLowerCase());
  const [type, query] = nodeOf(body['query']) ?? ['', {}];
  if (runs) return `explain analyze ${readBody(type, query, into)}`;
  const inside = newGathering();
  readBody(type, query, inside);
  // It only plans; the server asks for the same rights all the same.
  for (const [key, value] of inside.needs) into.needs.set(key, value);
  for (const name of [...inside.reads, ...inside.writes]) into.reads.add(name);
  for (const name of inside.calls) into.calls.add(name);
  // A planner runs what it takes for a constant, so a function is a function here too.
  for (const tag of inside.tags) if (tag !== 'no-where' && tag !== 'destructive') into.tags.add(tag);
  into.tags.add('dry-run');
  return 'explain';
}

function readCopy(body: JsonObject, into: Gathering): string {
  const from = flag(body, 'is_from');
  const range = child(body, 'relation');
  if (range !== null) {
    const name = relationName(range);
    if (from) writeTo(into, name, 'INSERT');
    else {
      into.reads.add(name);
      if (!isCatalog(name)) need(into, name, 'SELECT');
    }
  }
  gather(body['query'], NONE, into);
  gather(body['whereClause'], NONE, into);
  const way = from ? 'from' : 'to';
  if (flag(body, 'is_program')) {
    into.tags.add('from-database');
    return `copy ${way} program`;
  }
  if (text(body, 'filename') !== null) {
    into.tags.add('from-database');
    into.tags.add('server-file');
    return `copy ${way} file`;
  }
  return from ? 'copy from stdin' : 'copy to stdout';
}

/** Statements about the session itself; null for what is none. */
function readSession(type: string, body: JsonObject, into: Gathering): string | null {
  switch (type) {
    case '':
      return 'empty';
    case 'TransactionStmt': {
      const kind = (text(body, 'kind') ?? '').replace('TRANS_STMT_', '').toLowerCase().replaceAll('_', ' ');
      if (/prepare/.test(kind) || / prepared$/.test(kind)) into.tags.add('two-phase');
      return kind;
    }
    case 'VariableSetStmt':
      return readSet(body, into);
    case 'VariableShowStmt':
      return 'show';
    case 'ExecuteStmt':
      gather(body['params'], NONE, into);
      return 'execute';
    case 'DeallocateStmt':
      return 'deallocate';
    case 'DiscardStmt':
      into.keeps = true;
      return 'discard';
    case 'FetchStmt':
      return flag(body, 'ismove') ? 'move' : 'fetch';
    case 'ClosePortalStmt':
      return 'close';
    case 'ListenStmt':
    case 'UnlistenStmt':
      into.keeps = true;
      return type === 'ListenStmt' ? 'listen' : 'unlisten';
    case 'NotifyStmt':
      into.tags.add('notify');
      return 'notify';
    case 'ConstraintsSetStmt':
      return 'set constraints';
    default:
      return null;
  }
}

function readSet(body: JsonObject, into: Gathering): string {
  const kind = text(body, 'kind') ?? '';
  const name = (text(body, 'name') ?? '').toLowerCase();
  into.keeps = true;
  // RESET ALL gives a session its start-up values again, and cannot leave the minted role.
  if (kind !== 'VAR_RESET_ALL') into.tags.add(settingTag(name));
  return kind.startsWith('VAR_RESET') ? 'reset' : 'set';
}

function searchPathOf(type: string, body: JsonObject): string | null {
  if (type === 'VariableSetStmt' && text(body, 'name') === 'search_path') {
    if (text(body, 'kind') !== 'VAR_SET_VALUE') return null;
    return list(body, 'args')
      .map((value) => quoteName(constant(value) ?? ''))
      .join(', ');
  }
  const call = JSON.stringify(body).includes('"set_config"') ? findCall(body) : null;
  if (call === null) return null;
  const [name, value] = list(call, 'args').map(constant);
  return name?.toLowerCase() === 'search_path' && value !== null && value !== undefined ? value : null;
}

function findCall(value: Json | undefined): JsonObject | null {
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = findCall(item);
      if (found !== null) return found;
    }
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, body] of Object.entries(value)) {
    if (key === 'FuncCall' && names(list(body, 'funcname')).at(-1) === 'set_config')
      return child({ body }, 'body');
    const found = findCall(body);
    if (found !== null) return found;
  }
  return null;
}
