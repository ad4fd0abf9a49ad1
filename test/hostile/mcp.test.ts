// What no MCP peer that means well would say: one row of hostile/mcp/lines.json each, and what is found by chance.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Json, JsonObject } from '../../electron/core/brand.ts';
import { parseMcpLine } from '../../electron/wire/mcp/message.ts';
import { argumentFaults } from '../../electron/wire/mcp/schema.ts';
import { innerCalls } from '../../electron/wire/mcp/wrapped.ts';

interface Row {
  readonly name: string;
  readonly line: string;
  readonly code: number;
}

const rows = JSON.parse(
  readFileSync(join(import.meta.dirname, 'mcp', 'lines.json'), 'utf8'),
) as readonly Row[];
const limits = { maxLength: 1024 * 1024, numbers: 'exact' } as const;

describe('the reader of MCP messages', () => {
  for (const { name, line, code } of rows)
    test(`refuses ${name}`, () => {
      const parsed = parseMcpLine(line, limits);
      assert.ok(!parsed.ok);
      assert.equal(parsed.error.code, code);
    });

  test('refuses what is nested deeper than a stack is', () => {
    const deep = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    assert.equal(parseMcpLine(deep, limits).ok, false);
  });
  test('refuses what is too long without reading it', () => {
    assert.equal(parseMcpLine(`"${'x'.repeat(2 * 1024 * 1024)}"`, limits).ok, false);
  });
  test('tells `1` from `"1"`', () => {
    const of = (id: string) => parseMcpLine(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`, limits);
    assert.notDeepEqual(of('1'), of('"1"'));
  });
  test('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseMcpLine(text, limits)));
    fc.assert(fc.property(fc.json(), (text) => void parseMcpLine(text, limits)));
  });
});

describe('the reader of schemas', () => {
  test('ends with a schema that refers to itself', () => {
    const schema = { $ref: '#', allOf: [{ $ref: '#' }, { $ref: '#' }] };
    assert.deepEqual(argumentFaults(schema, { a: 1 }), []);
  });
  test('does not run a pattern that never ends', () => {
    const schema = { properties: { a: { type: 'string', pattern: '^(a+)+$' } } };
    assert.deepEqual(argumentFaults(schema, { a: `${'a'.repeat(60)}!` }), []);
  });
  test('never throws, and repeats no value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (schema, value) => {
        argumentFaults(schema as JsonObject, value as Json);
        innerCalls('call_tool', schema as JsonObject);
      }),
    );
    const faults = argumentFaults({ properties: { a: { type: 'number' } } }, { a: 'hunter2' });
    assert.equal(JSON.stringify(faults).includes('hunter2'), false);
  });
});
