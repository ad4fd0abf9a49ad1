import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { SHORTEST_FOUND } from '../../../../electron/core/data/fingerprint.ts';
import { normalizeBytes, utf8Of } from '../../../../electron/core/data/normal.ts';
import { marksOf, scanPayload } from '../../../../electron/core/data/scan.ts';
import { inflate } from '../../../../electron/edge/inflate.ts';

const KEY = new Uint8Array(16).map((_, i) => i * 7 + 1);

function marksOfSent(bytes: Uint8Array): Uint8Array {
  return scanPayload(bytes, { key: KEY, inflate, inspected: 'whole' }).marks;
}

function set(marks: Uint8Array): ReadonlySet<string> {
  const found = new Set<string>();
  for (let i = 0; i < marks.length; i += 8) found.add(Buffer.from(marks.subarray(i, i + 8)).toString('hex'));
  return found;
}

function shared(read: Uint8Array, sent: Uint8Array): number {
  const known = set(read);
  return [...set(sent)].filter((mark) => known.has(mark)).length;
}

/** A text of random words, numbers and signs: what no two texts have alike. */
const WORDS = fc.array(fc.stringMatching(/^[A-Za-z0-9]{3,9}[.:/_=+-]?$/), { minLength: 60, maxLength: 90 });

const base32 = (text: string): string => {
  let bits = '';
  for (const byte of Buffer.from(text)) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)])
    .join('');
};
const rot = (text: string): string =>
  text.replace(/[a-z]/gi, (c) =>
    String.fromCharCode((((c.charCodeAt(0) & 31) + 12) % 26) + (c.charCodeAt(0) & 96) + 1),
  );

/** What an agent may do to a fragment before it sends it. */
const ENCODINGS: Readonly<Record<string, (text: string) => string | Uint8Array>> = {
  'as it is': (text) => text,
  'upper case and double-spaced': (text) => text.toUpperCase().split('').join(' '),
  'base64 in JSON': (text) => JSON.stringify({ data: Buffer.from(text).toString('base64') }),
  'base64url without padding, glued to a name': (text) => `chunk1${Buffer.from(text).toString('base64url')}`,
  'base64 split into lines': (text) =>
    (
      Buffer.from(text)
        .toString('base64')
        .match(/.{1,20}/g) ?? []
    ).join('\r\n'),
  hex: (text) => `x=${Buffer.from(text).toString('hex')}`,
  'hex with colons': (text) => (Buffer.from(text).toString('hex').match(/../g) ?? []).join(':'),
  base32: (text) => base32(text),
  'URL-encoding of every character': (text) =>
    `q=${[...Buffer.from(text)].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('')}`,
  'JSON escapes of every character': (text) =>
    `"${[...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`,
  'HTML entities': (text) => [...text].map((c) => `&#${c.charCodeAt(0)};`).join(''),
  'quoted-printable': (text) =>
    [...Buffer.from(text)].map((b) => `=${b.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  gzip: (text) => gzipSync(text),
  zlib: (text) => deflateSync(text),
  'bare deflate': (text) => deflateRawSync(`${text} ${'and so it went on and on '.repeat(3)}`),
  brotli: (text) => brotliCompressSync(`${text} ${'and so it went on and on '.repeat(3)}`),
  'gzip in base64 in JSON': (text) => JSON.stringify({ z: gzipSync(text).toString('base64') }),
  'base64 of base64 of hex': (text) =>
    Buffer.from(Buffer.from(Buffer.from(text).toString('hex')).toString('base64')).toString('base64'),
  'UTF-16': (text) => Buffer.from(text, 'utf16le'),
  'full-width letters with zero-width spaces': (text) =>
    [...text]
      .map((c) => `${c > ' ' && c <= '~' ? String.fromCharCode(c.charCodeAt(0) + 0xfee0) : c}\u200b`)
      .join(''),
  'moved by 13 letters': rot,
  backwards: (text) => [...text].reverse().join(''),
  'zlib behind a head': (text) => Buffer.concat([Buffer.from('POST /x HTTP/1.1\n\n'), deflateSync(text)]),
  'gzip in a form': (text) =>
    Buffer.concat([Buffer.from('--b\r\nx: y\r\n\r\n'), gzipSync(text), Buffer.from('\r\n--b--\r\n')]),
  'gzip behind gzip and a stray byte': (text) =>
    Buffer.concat([gzipSync('nothing'), Buffer.from('!'), gzipSync(text), Buffer.from('!')]),
  'zlib behind zlib': (text) => Buffer.concat([deflateSync('nothing'), deflateSync(text)]),
};

for (const [name, encode] of Object.entries(ENCODINGS)) {
  test(`meets every fragment of ${SHORTEST_FOUND} characters again: ${name}`, () => {
    fc.assert(
      fc.property(WORDS, fc.nat(), fc.integer({ min: 0, max: 40 }), (words, at, more) => {
        const text = words.join(' ');
        const start = at % (text.length - 150);
        let end = start + SHORTEST_FOUND;
        while (normalizeBytes(utf8Of(text.slice(start, end))).length < SHORTEST_FOUND + more) end += 1;
        const sent = encode(text.slice(start, end));
        const bytes = typeof sent === 'string' ? utf8Of(sent) : sent;
        assert.ok(shared(marksOf(text, KEY), marksOfSent(bytes)) > 0, text.slice(start, end));
      }),
      { numRuns: 60 },
    );
  });
}

test('two texts that share nothing share no mark', () => {
  fc.assert(
    fc.property(WORDS, WORDS, (a, b) => {
      assert.equal(shared(marksOf(a.join(' '), KEY), marksOfSent(utf8Of(b.join(' ')))), 0);
    }),
    { numRuns: 100 },
  );
});

test('under another key the same text has other marks', () => {
  const text = 'the launch code of the northern site is kept in the grey cabinet';
  assert.equal(
    shared(
      marksOf(text, KEY),
      marksOf(
        text,
        KEY.map((b) => b ^ 1),
      ),
    ),
    0,
  );
});

test('runs, rules and zeros have no marks', () => {
  for (const dull of [
    '='.repeat(200),
    '00'.repeat(100),
    'ab'.repeat(100),
    '-----+-----+-----|'.repeat(9),
    '1.0, 0.0, 0.0, 1.0, '.repeat(20),
  ])
    assert.equal(marksOf(dull.padEnd(200), KEY).length, 0, dull);
});

test('a password too short for grams is met again whole', () => {
  const read = marksOf('DB_HOST=db\nDB_PASSWORD=Tr0ub4dor3xQ9\n', KEY);
  assert.ok(shared(read, marksOfSent(utf8Of('{"note":"Tr0ub4dor3xQ9"}'))) > 0);
  assert.ok(shared(read, marksOfSent(utf8Of(`p=${Buffer.from('Tr0ub4dor3xQ9').toString('base64')}`))) > 0);
  assert.equal(shared(read, marksOfSent(utf8Of('{"note":"Tr0ub4dor3xQ8"}'))), 0);
});

test('a variable of one value is met again', () => {
  assert.ok(shared(marksOf('s3cr3t-pass', KEY), marksOfSent(utf8Of('https://x.example/?k=s3cr3t-pass'))) > 0);
});

test('a table read as CSV is met again as JSON and as TSV', () => {
  const csv = 'Anneliese Brandtner,1971-03-09,Lindenweg 14\nTheodor Wackernagel,1966-11-23,Am Anger 2\n';
  const rows = csv
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  for (const sent of [rows.map((row) => row.join('\t')).join('\n'), JSON.stringify(rows)])
    assert.ok(shared(marksOf(csv, KEY), marksOfSent(utf8Of(sent))) >= 4);
});

test('what cannot be decompressed is said to be looked at in part', () => {
  const broken = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), Buffer.alloc(64, 0xee)]);
  assert.equal(scanPayload(broken, { key: KEY, inflate, inspected: 'whole' }).inspected, 'part');
  const bomb = gzipSync(Buffer.alloc(48 * 1024 * 1024));
  assert.equal(scanPayload(bomb, { key: KEY, inflate, inspected: 'whole' }).inspected, 'part');
});

test('any bytes are looked at, in bounded time and without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
      const { marks } = scanPayload(bytes, { key: KEY, inflate, inspected: 'whole' });
      assert.equal(marks.length % 8, 0);
    }),
    { numRuns: 200 },
  );
});
