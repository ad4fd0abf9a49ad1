import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  credentialBody,
  parseCredentialBody,
  parseCredentialFile,
} from '../../electron/wire/credential-file.ts';
import { parseCredentialTable } from '../../electron/wire/credential-table.ts';
import { recordOf } from '../support/credential-stage.ts';

const good = credentialBody({ generation: 1, records: [recordOf({ name: 'a' })] });
/** What is written differently from a good file: members of the file, of its one record, or of the record's limits. */
const changed = (part: {
  readonly file?: object;
  readonly record?: object;
  readonly limits?: object | null;
}): string => {
  const file = JSON.parse(good) as { records: { limits: object }[] };
  const [record] = file.records;
  const limits = part.limits === null ? undefined : { ...record?.limits, ...part.limits };
  return JSON.stringify({ ...file, records: [{ ...record, limits, ...part.record }], ...part.file });
};

describe('the list of credentials', () => {
  test('reads what was written', () => {
    const read = parseCredentialBody(good);
    assert.ok(read.ok);
    assert.deepEqual(read.value.records, [recordOf({ name: 'a' })]);
    assert.ok(parseCredentialBody(changed({})).ok, 'what the rows below change was good');
    assert.ok(
      parseCredentialBody(
        good.replace(/"records":\[(.*)\]/, (_, one) => `"records":[${one},${one.replace('"a"', '"b"')}]`),
      ).ok,
    );
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['a list', '[]'],
    ['another version', changed({ file: { v: 2 } })],
    ['a member that nobody knows', changed({ record: { secret: 'x' } })],
    ['a record without limits', changed({ limits: null })],
    ['no host at all', changed({ limits: { hosts: [] } })],
    ['every host', changed({ limits: { hosts: ['*'] } })],
    ['a host with a line break', changed({ limits: { hosts: ['a\nb'] } })],
    ['a name that climbs', changed({ record: { name: '../x' } })],
    ['a name of the prototype', good.replace('"name":"a"', '"__proto__":"a"')],
    ['one key twice', good.replace('"revoked":false', '"revoked":true,"revoked":false')],
    ['one name twice', good.replace(/"records":\[(.*)\]/, '"records":[$1,$1]')],
    ['a kind that nobody knows', changed({ record: { kind: 'magic' } })],
    ['a use that never ends', changed({ limits: { ttl_seconds: 1e9 } })],
    ['a variable that is none', changed({ record: { env: ['A=B'] } })],
  ] as const)
    test(`is refused with ${what}`, () => {
      assert.equal(parseCredentialBody(text).ok, false);
    });

  test('is refused or read, and never throws, whatever it says', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.constant(good).chain((text) => fc.nat(text.length).map((at) => text.slice(0, at))),
        ),
        (text) => {
          assert.equal(typeof parseCredentialBody(text).ok, 'boolean');
          assert.equal(typeof parseCredentialFile(text).ok, 'boolean');
          assert.equal(typeof parseCredentialTable(text).ok, 'boolean');
        },
      ),
    );
  });
});
