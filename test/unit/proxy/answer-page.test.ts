import assert from 'node:assert/strict';
import { test } from 'node:test';
import { denialText, makePage } from '../../../electron/proxy/answer-page.ts';
import { denialText as said } from '../../../electron/wire/answer-text.ts';

const answer = {
  result: 'DENY',
  message: said('it sends a secret', 'exfiltration.restricted', 'leave the value out'),
  rule: 'exfiltration.restricted',
  receipt: 'rct_1',
} as never;

test('a page says once who denied, what, by which rule, what to do instead, and where the rest stands', () => {
  const page = makePage(denialText(answer), [], 'GET');
  assert.equal(
    page.body.toString(),
    'Denied by Countersign: it sends a secret [exfiltration.restricted]\ninstead: leave the value out\nmore for the person: countersign receipts show rct_1\n',
  );
  assert.equal(page.head.status, 403);
});

test('a client that asks for JSON gets the same words as `error` and `message`', () => {
  const page = makePage(denialText(answer), [['accept', 'application/json']], 'GET');
  const body = JSON.parse(page.body.toString());
  assert.equal(body.error, body.message);
  assert.match(body.error, /^Denied by Countersign: it sends a secret \[/);
  assert.equal(body.receipt, 'rct_1');
});
