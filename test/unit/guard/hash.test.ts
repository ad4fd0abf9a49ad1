import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { compileDriver, fields } from './driver.ts';

const driver = compileDriver('hash-driver', 'checked');
after(() => driver.remove());

const hex = (text: string) => Buffer.from(text, 'hex');

/** The driver's digest of one message, and that it compares digests rightly. */
function digest(...pairs: readonly (readonly [string, string | Buffer])[]): string {
  const [line] = driver.lines([fields(...pairs)]);
  const [found, compares] = (line ?? '').split(' ');
  // The driver's second word is shortened by split; only the whole one is right.
  assert.equal(compares, 'compares');
  return found ?? '';
}

describe('SHA-256', () => {
  // FIPS 180-4 and the NIST example values.
  for (const [name, message, expected] of [
    ['nothing', '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['one block', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'two blocks',
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    [
      'a long text',
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
      'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
    ],
    [
      'a million times a',
      'a'.repeat(1_000_000),
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    ],
  ] as const) {
    test(`gives the published value for ${name}`, () => assert.equal(digest(['m', message]), expected));
  }

  test('gives what Node gives for every length around a block, in any pieces', () => {
    const cases = Array.from({ length: 200 }, (_, n) => Buffer.alloc(n, n));
    const lines = driver.lines(
      cases.map((message, n) => fields(['m', message], ['c', String(1 + (n % 67))])),
    );
    assert.deepEqual(
      lines,
      cases.map((message) => `${createHash('sha256').update(message).digest('hex')} compares`),
    );
  });
});

describe('HMAC-SHA256', () => {
  // RFC 4231, 4.2 to 4.8; 4.6 is truncated there to 128 bits.
  const long = Buffer.alloc(131, 0xaa);
  for (const [name, key, message, expected] of [
    [
      'test case 1',
      Buffer.alloc(20, 0x0b),
      'Hi There',
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      'test case 2',
      'Jefe',
      'what do ya want for nothing?',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      'test case 3',
      Buffer.alloc(20, 0xaa),
      Buffer.alloc(50, 0xdd),
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    ],
    [
      'test case 4',
      hex('0102030405060708090a0b0c0d0e0f10111213141516171819'),
      Buffer.alloc(50, 0xcd),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ],
    ['test case 5', Buffer.alloc(20, 0x0c), 'Test With Truncation', 'a3b6167473100ee06e0c796c2955552b'],
    [
      'test case 6',
      long,
      'Test Using Larger Than Block-Size Key - Hash Key First',
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      'test case 7',
      long,
      'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ] as const) {
    test(`gives the value of RFC 4231, ${name}`, () =>
      assert.equal(digest(['m', message], ['K', key]).slice(0, expected.length), expected));
  }

  test('gives what Node gives for keys around a block', () => {
    const keys = [0, 1, 63, 64, 65, 128].map((size) => Buffer.alloc(size, 7));
    const lines = driver.lines(keys.map((key) => fields(['m', 'message'], ['K', key])));
    assert.deepEqual(
      lines,
      keys.map((key) => `${createHmac('sha256', key).update('message').digest('hex')} compares`),
    );
  });
});
