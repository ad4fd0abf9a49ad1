// Statements to a database under the packs that come with the application: what is silent, what is asked, what is denied.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { EMPTY_PAYLOAD } from '../../../electron/core/data/payload.ts';
import type { Decision } from '../../../electron/core/decision.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { loadSqlReader, type ReadSql } from '../../../electron/proxy/postgres-sql.ts';
import { buildStatementAction } from '../../../electron/wire/sql/statement-action.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from '../../../shims/cli/policy-facts.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { HOME, ROOT, WORKSPACE } from '../semantic/scene.ts';

let read: ReadSql;
let decide: (sql: string) => Decision;

function actionOf(sql: string, values: string | null = null) {
  const readings = read(sql);
  assert.ok(readings.ok);
  return buildStatementAction(
    {
      id: NO_ACTION,
      sessionId: NO_SESSION,
      at: 1,
      surface: 'http',
      place: { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' },
      own: [],
      by: null,
      modifiedFrom: null,
      question: {
        kind: 'statement',
        credential: 'shop',
        host: 'db.example',
        port: 5432,
        database: 'shop',
        user: 'app',
        text: sql,
        statements: readings.value.map((one) => one.view),
        payload: EMPTY_PAYLOAD,
        values,
      },
    },
    nodeHasher,
  );
}

before(async () => {
  read = await loadSqlReader();
  const policy = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(policy.ok);
  const scene = {
    intent: null,
    workspace: WORKSPACE,
    home: HOME,
    user: 'user',
    uid: 1000,
    at: 1,
    environment: [],
  };
  decide = (sql) => evaluate(policy.value, firstFacts(actionOf(sql), scene));
});

const rows: readonly (readonly [string, Decision['result'], string | null])[] = [
  ['', 'ALLOW', null],
  ['select 1', 'ALLOW', null],
  ['select * from orders where id = 1', 'ALLOW', null],
  ['select c.relname from pg_catalog.pg_class c where pg_catalog.pg_table_is_visible(c.oid)', 'ALLOW', null],
  ['select * from information_schema.columns', 'ALLOW', null],
  ['begin', 'ALLOW', null],
  ["set timezone = 'UTC'", 'ALLOW', null],
  ['insert into orders values (1)', 'ALLOW', null],
  ['update orders set n = 1 where id = 2', 'ALLOW', null],
  ['delete from orders where id = 2', 'ALLOW', null],
  ['copy orders to stdout', 'ALLOW', null],
  ['explain delete from orders', 'ALLOW', null],
  ['create temp table t (v int)', 'ALLOW', null],
  ['delete from orders', 'STEP_UP', 'databases.without-where'],
  ['update orders set n = 1 where 1 = 1', 'STEP_UP', 'databases.without-where'],
  ['with x as (delete from orders returning *) select * from x', 'STEP_UP', 'databases.without-where'],
  ['explain analyze delete from orders', 'STEP_UP', 'databases.without-where'],
  ['prepare p as delete from orders', 'STEP_UP', 'databases.without-where'],
  ['drop table orders', 'STEP_UP', 'databases.drop'],
  ['select 1; truncate orders', 'STEP_UP', 'databases.drop'],
  ['drop owned by admin', 'STEP_UP', 'databases.drop'],
  ['create table t (v int)', 'STEP_UP', 'databases.structure'],
  ['alter table orders add column v int', 'STEP_UP', 'databases.structure'],
  ['create view v as select * from orders', 'STEP_UP', 'databases.structure'],
  ["create function f() returns int language sql as 'select 1'", 'STEP_UP', 'databases.unknown-code'],
  ['do $$ begin end $$', 'STEP_UP', 'databases.unknown-code'],
  ['select do_something()', 'STEP_UP', 'databases.unknown-code'],
  ["select query_to_xml('delete from orders', true, true, '')", 'STEP_UP', 'databases.unknown-code'],
  ['call f()', 'STEP_UP', 'databases.unknown-code'],
  ['grant select on orders to somebody', 'STEP_UP', 'databases.rights'],
  ['create role r', 'STEP_UP', 'databases.rights'],
  ['alter table orders disable row level security', 'STEP_UP', 'databases.rights'],
  ['set session_replication_role = replica', 'STEP_UP', 'databases.rights'],
  ['select pg_terminate_backend(7)', 'STEP_UP', 'databases.others'],
  ['select * from pg_stat_activity; checkpoint', 'STEP_UP', 'databases.others'],
  ['select rolpassword from pg_authid', 'DENY', 'databases.passwords'],
  ["copy orders to program 'x'", 'DENY', 'databases.takeover'],
  ["copy orders from '/etc/passwd'", 'DENY', 'databases.takeover'],
  ["select pg_read_file('/etc/passwd')", 'DENY', 'databases.takeover'],
  ["select lo_export(1, '/x')", 'DENY', 'databases.takeover'],
  ['create extension dblink', 'DENY', 'databases.takeover'],
  ["alter system set archive_command = 'x'", 'DENY', 'databases.takeover'],
  ["load 'x'", 'DENY', 'databases.takeover'],
  ["create function f() returns int language plpython3u as 'x'", 'DENY', 'databases.takeover'],
  ["select * from dblink('x', 'y') t(v int)", 'DENY', 'databases.takeover'],
  ['set role admin', 'DENY', 'databases.other-role'],
];
for (const [sql, result, rule] of rows)
  test(`\`${sql === '' ? 'connecting' : sql}\` is ${result}${rule === null ? '' : ` by ${rule}`}`, () => {
    const decision = decide(sql);
    assert.deepEqual([decision.result, decision.rule], [result, rule]);
  });

test('literals stand in no parameter of the action, and change its digest', () => {
  const one = actionOf("select * from users where name = 'Ada' and pin = 4711 and note = $$dollar$$ -- word");
  const other = actionOf(
    "select * from users where name = 'Bob' and pin = 4711 and note = $$dollar$$ -- word",
  );
  assert.doesNotMatch(JSON.stringify(one.parameters), /Ada|4711|dollar|word/);
  assert.equal(one.parameters['text'], 'select * from users where name = ? and pin = ? and note = ?');
  assert.notEqual(one.digest, other.digest);
});

test('the parameters of a prepared statement change the digest of the action', () => {
  const sql = 'select * from users where id = $1';
  assert.notEqual(actionOf(sql, 'a'.repeat(64)).digest, actionOf(sql, 'b'.repeat(64)).digest);
});

for (const [sql, masked] of [
  ["select E'a\\'b', 'it''s', U&'x', B'01'", 'select ?, ?, U&?, ?'],
  ["select 'never ends", 'select ?'],
  ['select 1.5e3, .5, a1, t$x, $1', 'select ?, ?, a1, t$x, $1'],
  ['select $tag$ \' $x$ $tag$ || "Name 1"', 'select ? || "Name 1"'],
  ['select /* secret */ 1 -- secret\n, 2', 'select ? , ?'],
] as const)
  test(`masks the literals of \`${sql.replace('\n', '\\n')}\``, () => {
    assert.equal(actionOfText(sql), masked);
  });

function actionOfText(sql: string): unknown {
  const made = buildStatementAction(
    {
      ...{
        id: NO_ACTION,
        sessionId: NO_SESSION,
        at: 1,
        surface: 'http' as const,
        own: [],
        by: null,
        modifiedFrom: null,
      },
      place: { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' },
      question: {
        ...{ kind: 'statement' as const, credential: 'c', host: 'h', port: 1, database: 'd', user: 'u' },
        text: sql,
        statements: [],
        payload: EMPTY_PAYLOAD,
      },
    },
    nodeHasher,
  );
  return made.parameters['text'];
}
