// Every row of sql/statements.json: statements, kind and hostile, each with what must be read in it. None is ever run.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { loadSqlReader, type ReadSql } from '../../electron/proxy/postgres-sql.ts';

interface Row {
  readonly sql: string;
  readonly refused?: true;
  readonly statements?: readonly {
    readonly verb: string;
    readonly reads: readonly string[];
    readonly writes: readonly string[];
    readonly tags: readonly string[];
    readonly needs: readonly string[];
    readonly calls: readonly string[];
    readonly keeps: boolean;
  }[];
}

const rows = JSON.parse(
  readFileSync(new URL('sql/statements.json', import.meta.url), 'utf8'),
) as readonly Row[];
let read: ReadSql;
before(async () => {
  read = await loadSqlReader();
});

for (const row of rows)
  test(`reads or refuses ${JSON.stringify(row.sql)}`, () => {
    const result = read(row.sql);
    if (row.refused === true) {
      assert.equal(result.ok, false);
      return;
    }
    assert.ok(result.ok);
    const found = result.value.map(({ view, keeps }) => ({
      verb: view.verb,
      reads: view.reads,
      writes: view.writes,
      tags: view.tags,
      needs: (view.needs ?? []).map((need) => `${need.privilege} ${need.table}`),
      calls: view.calls,
      keeps,
    }));
    assert.deepEqual(found, row.statements);
  });

describe('texts that no row can hold', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['a zero byte, behind which the server reads nothing', 'select 1\0; drop table x'],
    ['more text than is looked at', `select '${'x'.repeat(5_000_000)}'`],
    ['brackets without end', `select ${'('.repeat(50_000)}1${')'.repeat(50_000)}`],
    ['a tree deeper than is walked', `select ${'not '.repeat(3000)}true`],
    ['more statements than are judged', 'select 1;'.repeat(300)],
  ];
  for (const [name, text] of refused)
    test(`refuses ${name}`, () => {
      assert.equal(read(text).ok, false);
      // The parser is the same as before.
      assert.equal(read('select 1').ok, true);
    });
});
