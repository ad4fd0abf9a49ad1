import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../../../../electron/core/brand.ts';
import type { ContextEntry, ContextKind, ContextSummary } from '../../../../electron/core/context.ts';
import {
  advanceSummary,
  appendEntry,
  EMPTY_CONTEXT,
  emptySummary,
  OVERFLOW,
  referenceAfter,
  verifyContext,
} from '../../../../electron/core/receipt/context-chain.ts';
import { nodeHasher } from '../../../../electron/edge/hasher.ts';

type Content = readonly [ContextKind, JsonObject];

function chain(contents: readonly Content[]): readonly ContextEntry[] {
  const entries: ContextEntry[] = [];
  let head = EMPTY_CONTEXT;
  for (const [at, [kind, body]] of contents.entries()) {
    const entry = appendEntry(head, { at, kind, body }, nodeHasher);
    head = referenceAfter(entry);
    entries.push(entry);
  }
  return entries;
}

const summaryOf = (contents: readonly Content[]): ContextSummary =>
  chain(contents).reduce(advanceSummary, emptySummary(0));

const actions = (count: number): readonly Content[] =>
  Array.from({ length: count }, (_, n) => [
    'action',
    { id: `act_${n}`, tool: `tool-${n % 7}`, operation: 'run', summary: `do ${n}`, entities: [`file-${n}`] },
  ]);

test('verifies what it appended, and says where the chain stands', () => {
  const entries = chain(actions(20));
  const result = verifyContext(entries, nodeHasher);
  assert.deepEqual(result, { ok: true, value: { length: 20, head: entries[19]?.hash } });
  const rest = verifyContext(entries.slice(5), nodeHasher, {
    length: 5,
    head: entries[4]?.hash ?? EMPTY_CONTEXT.head,
  });
  assert.equal(rest.ok, true);
});

const edits: readonly (readonly [string, (entries: ContextEntry[]) => ContextEntry[], string, number])[] = [
  [
    'an edited body',
    (all) => all.with(3, { ...(all[3] as ContextEntry), body: { id: 'act_x' } }),
    'edited',
    3,
  ],
  ['an edited time', (all) => all.with(3, { ...(all[3] as ContextEntry), at: 99 }), 'edited', 3],
  ['an edited kind', (all) => all.with(3, { ...(all[3] as ContextEntry), kind: 'claim' }), 'edited', 3],
  ['a missing entry', (all) => all.toSpliced(3, 1), 'missing', 3],
  [
    'two entries exchanged',
    (all) => all.with(3, all[4] as ContextEntry).with(4, all[3] as ContextEntry),
    'missing',
    3,
  ],
  ['an entry twice', (all) => all.toSpliced(3, 0, all[2] as ContextEntry), 'missing', 3],
  [
    'an entry of another chain',
    (all) => all.with(3, chain(actions(9).toReversed())[3] as ContextEntry),
    'unlinked',
    3,
  ],
];

for (const [name, edit, code, at] of edits)
  test(`detects ${name}, and where (R2.f)`, () => {
    const result = verifyContext(edit([...chain(actions(8))]), nodeHasher);
    assert.deepEqual(result.ok ? null : [result.error.code, result.error.at], [code, at]);
  });

test('summarises a session as policy reads it', () => {
  const summary = summaryOf([
    ['session', {}],
    ['intent', { text: 'fix the tests' }],
    [
      'action',
      { id: 'act_1', tool: 'shell', operation: 'run', summary: 'npm test', entities: ['/w', '/w', '/x'] },
    ],
    ['decision', { action: 'act_1', result: 'ALLOW' }],
    ['outcome', { action: 'act_1', result: 'failed' }],
    ['data', { class: 'INTERNAL' }],
    ['data', { class: 'nothing we know' }],
    ['intent', { text: 'and push' }],
  ]);
  assert.equal(summary.length, 8);
  assert.equal(summary.request, 'fix the tests\nand push');
  assert.equal(summary.actionCount, 1);
  assert.deepEqual(summary.entities, ['/w', '/x']);
  assert.deepEqual(summary.classes, ['INTERNAL', 'RESTRICTED']);
  assert.deepEqual(summary.recent[0], {
    id: 'act_1',
    at: 2,
    tool: 'shell',
    operation: 'run',
    summary: 'npm test',
    decision: 'ALLOW',
    result: 'failed',
  });
  assert.equal(summary.counts['decision:ALLOW'], 1);
  assert.equal(summary.counts['tool:shell'], 1);
  assert.equal(summary.counts['outcome:failed'], 1);
});

test('keeps every list bounded, and says that something was dropped', () => {
  const summary = summaryOf(actions(1000));
  assert.equal(summary.actionCount, 1000);
  assert.equal(summary.recent.length, 32);
  assert.equal(summary.recent.at(-1)?.id, 'act_999');
  assert.equal(summary.recentTimes.length, 64);
  assert.equal(summary.entities.length, 256);
  assert.equal(summary.counts[OVERFLOW], 1000 - 256);
});

test('counts names that look like members of every object', () => {
  const hostile = ['__proto__', 'constructor', 'toString', OVERFLOW];
  const summary = summaryOf(hostile.map((tool) => ['action', { id: 'act_1', tool }]));
  for (const tool of hostile) assert.equal(summary.counts[`tool:${tool}`], 1);
  assert.deepEqual(summary.tools, hostile);
});

test('gives the same summary when it is advanced from any point', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }), (size, cut) => {
      const entries = chain(actions(size));
      const at = Math.min(cut, size);
      const half = entries.slice(0, at).reduce(advanceSummary, emptySummary(0));
      assert.deepEqual(
        entries.slice(at).reduce(advanceSummary, half),
        entries.reduce(advanceSummary, emptySummary(0)),
      );
    }),
  );
});
