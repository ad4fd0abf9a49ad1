import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CredentialRecord } from '../../../electron/core/credential.ts';
import {
  crc32Base62,
  MIN_RANDOM_CHARACTERS,
  makePlaceholder,
  PLACEHOLDER_BYTES,
  shapeOf,
} from '../../../electron/core/credential-placeholder.ts';
import { loadCredentialTable } from '../../../electron/edge/credential-table.ts';

const CHARACTERS = {
  alnum: /^[0-9A-Za-z]*$/,
  hex: /^[0-9a-f]*$/,
  base64url: /^[0-9A-Za-z_-]*$/,
  upper: /^[A-Z2-7]*$/,
} as const;

const shape: fc.Arbitrary<CredentialRecord['shape']> = fc.record({
  prefix: fc.constantFrom('', 'ghp_', 'sk-ant-api03-', 'AKIA', 'npm_', 'xoxb-'),
  length: fc.integer({ min: 8, max: 300 }),
  alphabet: fc.constantFrom('alnum', 'hex', 'base64url', 'upper'),
  checksum: fc.constantFrom(undefined, 'crc32' as const),
});
const bytes = () => Uint8Array.from(randomBytes(PLACEHOLDER_BYTES));

describe('a placeholder', () => {
  test('has the prefix, alphabet, length and checksum of its shape', () => {
    fc.assert(
      fc.property(shape, (wanted) => {
        const made = makePlaceholder(wanted, bytes());
        assert.ok(made !== null);
        assert.ok(made.startsWith(wanted.prefix));
        const rest = made.slice(wanted.prefix.length);
        const body = wanted.checksum === undefined ? rest : rest.slice(0, -6);
        assert.match(body, CHARACTERS[wanted.alphabet]);
        assert.ok(body.length >= MIN_RANDOM_CHARACTERS);
        if (wanted.checksum !== undefined) assert.equal(rest.slice(-6), crc32Base62(body));
        const shortest =
          wanted.prefix.length + MIN_RANDOM_CHARACTERS + (wanted.checksum === undefined ? 0 : 6);
        assert.equal(made.length, Math.max(wanted.length, shortest));
      }),
    );
  });

  test('is another one each time', () => {
    const seen = new Set(
      Array.from({ length: 5000 }, () =>
        makePlaceholder({ prefix: 'AKIA', length: 20, alphabet: 'upper' }, bytes()),
      ),
    );
    assert.equal(seen.size, 5000);
  });

  test('holds nothing of the secret whose shape it has, but a prefix of letters', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 120 }), (secret) => {
        const made = makePlaceholder(shapeOf(secret), bytes());
        assert.ok(made !== null && made !== secret);
        const { prefix } = shapeOf(secret);
        assert.match(prefix, /^(?:[A-Za-z]+[-_])*$/);
        // What is drawn does not depend on the secret: other bytes, another text from the first character on.
        for (let at = prefix.length; at + 8 <= secret.length; at += 1)
          assert.ok(!made.includes(secret.slice(at, at + 8)), 'eight characters of the secret in a row');
      }),
    );
  });

  test('draws every character of its alphabet about equally often', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 400; i += 1)
      for (const char of makePlaceholder({ prefix: '', length: 300, alphabet: 'alnum' }, bytes()) ?? '')
        counts.set(char, (counts.get(char) ?? 0) + 1);
    assert.equal(counts.size, 62);
    // 1935 expected of each; 15 % is past nine standard deviations.
    for (const [char, count] of counts) assert.ok(count > 1600 && count < 2300, `${char}: ${count}`);
  });

  test('is refused when the bytes run out, not shortened', () => {
    assert.equal(makePlaceholder({ prefix: '', length: 40, alphabet: 'alnum' }, new Uint8Array(10)), null);
  });

  test('has the checksum that GitHub publishes', () => {
    // CRC-32 of `123456789` is cbf43926, as every description of it says; in base 62 that is 3jZYxe.
    const value = 0xcbf43926;
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    let left = value;
    let text = '';
    while (left > 0) {
      text = `${digits[left % 62]}${text}`;
      left = Math.floor(left / 62);
    }
    assert.equal(crc32Base62('123456789'), text.padStart(6, '0'));
  });
});

test('the table of known variables is well formed and each of its shapes makes a placeholder', () => {
  const table = loadCredentialTable();
  assert.ok(table.ok, table.ok ? '' : table.error);
  assert.ok(table.value.length > 30);
  for (const row of table.value) assert.ok(makePlaceholder(row.shape, bytes())?.startsWith(row.shape.prefix));
});
