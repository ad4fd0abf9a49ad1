import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { BundleLine, BundleScope } from '../../../electron/core/receipt/bundle.ts';
import type { Checkpoint } from '../../../electron/core/receipt/checkpoint.ts';
import { commit } from '../../../electron/core/receipt/commitment.ts';
import type { Step } from '../../../electron/core/receipt/finding.ts';
import type { SealReport } from '../../../electron/core/receipt/report.ts';
import { type Expectations, verifyBundle } from '../../../electron/core/receipt/verify.ts';
import { nodeVerifier } from '../../../electron/edge/ed25519.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { systemRandom } from '../../../electron/edge/random.ts';
import { bundleLine, parseBundleLine, parseReceiptText } from '../../../electron/wire/receipt-file.ts';
import {
  append,
  bundleText,
  decision,
  fill,
  newPlace,
  open,
  type Place,
  SESSION,
} from '../../fixtures/ledger.ts';

/** Bundles as a stranger gets them: read strictly, verified alone, and attacked line by line. */

let place: Place;
/** Checkpoints that somebody kept: one from early on, one of the end. */
let early: Checkpoint;
let bundles: ReadonlyMap<BundleScope['kind'], readonly string[]>;

before(async () => {
  place = newPlace();
  const ledger = await open(place, { limits: { checkpointEvery: 16 } });
  await fill(ledger, 10);
  const made = ledger.checkpoint();
  if (!made.ok) throw new Error(made.error.message);
  early = made.value;
  const { commitment, opening } = commit('hunter2', systemRandom.token(16), nodeHasher);
  await append(ledger, { ...decision(1_700_000_000_500), body: { secret: commitment }, openings: [opening] });
  await ledger.rotateKey();
  await fill(ledger, 0);
  for (let n = 0; n < 10; n += 1) await append(ledger, decision(1_700_000_001_000 + n));
  await ledger.close();
  const options = { openings: true, since: [early.checkpoint.size] };
  const linesOf = (scope: BundleScope) => bundleText(place, scope, options).split('\n').slice(0, -1);
  bundles = new Map([
    ['all', linesOf({ kind: 'all' })],
    ['session', linesOf({ kind: 'session', session: SESSION })],
    ['time', linesOf({ kind: 'time', from: 1_700_000_000_050, to: 1_700_000_001_005 })],
  ]);
});
after(() => place[Symbol.dispose]());

function read(lines: readonly string[]): readonly BundleLine[] {
  return lines.map((text, at) => {
    const line = parseBundleLine(text);
    if (!line.ok) throw new Error(`line ${at + 1}: ${line.error.place} ${line.error.message}`);
    return line.value;
  });
}

function seal(lines: readonly BundleLine[], expected: Expectations = {}): SealReport {
  return verifyBundle(lines, { hasher: nodeHasher, verifier: nodeVerifier() }, expected);
}

const scopes = ['all', 'session', 'time'] as const;
const bundle = (scope: BundleScope['kind']) => bundles.get(scope) ?? [];

for (const scope of scopes) {
  test(`verifies a bundle of scope ${scope} alone, and continues an earlier checkpoint`, () => {
    const report = seal(read(bundle(scope)), { known: [early] });
    assert.equal(report.verdict, 'verified', JSON.stringify(report.findings));
    assert.equal(report.keys.length, 2);
    assert.ok(report.receipts > 5);
  });

  test(`writes the lines of scope ${scope} back as they were`, () => {
    for (const text of bundle(scope)) {
      const line = parseBundleLine(text);
      assert.ok(line.ok);
      assert.equal(bundleLine(line.value), text);
    }
  });

  test(`detects any one line of scope ${scope} removed, repeated or moved`, () => {
    const lines = read(bundle(scope));
    for (const at of lines.keys()) {
      const name = `${lines[at]?.type} at line ${at + 1}`;
      const removed = seal(lines.toSpliced(at, 1), { known: [early] });
      // A whole bundle shows by itself that it continues the checkpoint; the line that says so is then a courtesy.
      const courtesy = scope === 'all' && lines[at]?.type === 'consistency';
      assert.equal(removed.verdict, courtesy ? 'verified' : 'broken', `removed ${name}`);
      const repeated = seal(lines.toSpliced(at, 0, lines[at] as BundleLine));
      assert.equal(
        repeated.verdict,
        lines[at]?.type === 'consistency' ? 'verified' : 'broken',
        `repeated ${name}`,
      );
      const next = lines[at + 1];
      if (next === undefined) continue;
      const moved = seal(lines.with(at, next).with(at + 1, lines[at] as BundleLine));
      // Entries of two sessions between the same two receipts have no order between them.
      const free =
        lines[at]?.type === 'context' && next.type === 'context' && lines[at].session !== next.session;
      assert.equal(moved.verdict, free ? 'verified' : 'broken', `moved ${name}`);
    }
  });

  test(`detects any one character of scope ${scope} changed`, () => {
    const lines = bundle(scope);
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 127 }), (l, c, by) => {
        const at = l % lines.length;
        const text = lines[at] ?? '';
        const place = c % text.length;
        const changed =
          text.slice(0, place) + String.fromCharCode(text.charCodeAt(place) ^ by) + text.slice(place + 1);
        const line = parseBundleLine(changed);
        if (!line.ok) return;
        const all = read(lines).with(at, line.value);
        const report = seal(all);
        // Two members are no part of the evidence: what the asker asked for, and what an opened proof of an old size says when nobody asks.
        const said =
          line.value.type === 'header' &&
          JSON.stringify(line.value.scope) !==
            JSON.stringify((read(lines)[0] as never as { scope: unknown }).scope);
        if (!said) assert.equal(report.verdict, 'broken', `line ${at + 1}: ${changed}`);
      }),
      { numRuns: 300 },
    );
  });

  test(`detects scope ${scope} cut short anywhere`, () => {
    const lines = read(bundle(scope));
    for (let length = 0; length < lines.length; length += 1)
      assert.equal(seal(lines.slice(0, length)).verdict, 'broken', `cut after ${length} lines`);
  });
}

function faults(report: SealReport): readonly Step[] {
  return report.findings.filter(({ severity }) => severity === 'fault').map(({ step }) => step);
}

test('does not take a bundle that does not continue a checkpoint of the same ledger', () => {
  const other: Checkpoint = {
    ...early,
    checkpoint: { ...early.checkpoint, root: nodeHasher.sha256('other') },
  };
  for (const scope of scopes)
    assert.equal(faults(seal(read(bundle(scope)), { known: [other] })).includes('consistency'), true, scope);
});

test('does not take a bundle of another ledger than the known checkpoint’s', () => {
  const other: Checkpoint = { ...early, checkpoint: { ...early.checkpoint, ledger: 'ldg_other' } };
  assert.equal(faults(seal(read(bundle('session')), { known: [other] })).includes('consistency'), true);
});

test('does not take a bundle that was sealed by other keys than expected', () => {
  assert.deepEqual(faults(seal(read(bundle('session')), { expectedKey: 'key_00000000' })), ['key']);
});

test('does not take a receipt of another ledger into a bundle', async () => {
  using elsewhere = newPlace();
  const ledger = await open(elsewhere);
  await fill(ledger, 10);
  await ledger.close();
  const foreign = read(bundleText(elsewhere, { kind: 'session', session: SESSION }).split('\n').slice(0, -1));
  const lines = read(bundle('session'));
  const at = lines.findIndex((line) => line.type === 'receipt' && line.receipt.kind === 'decision');
  const theirs = foreign.find((line) => line.type === 'receipt' && line.receipt.kind === 'decision');
  const report = seal(lines.with(at, theirs as BundleLine));
  assert.equal(report.verdict, 'broken');
});

test('does not take an opening for a commitment that no receipt made', () => {
  const lines = read(bundle('all'));
  const at = lines.findIndex((line) => line.type === 'opening');
  const { opening } = commit('planted', systemRandom.token(16), nodeHasher);
  assert.equal(faults(seal(lines.with(at, { type: 'opening', ...opening }))).includes('commitment'), true);
});

test('verifies a bundle from which openings were left out, and shows no secret', () => {
  const text = bundleText(place, { kind: 'all' });
  assert.equal(text.includes('hunter2'), false);
  assert.equal(seal(read(text.split('\n').slice(0, -1))).verdict, 'verified');
});

const receiptText = () => {
  const line = read(bundle('all')).find((one) => one.type === 'receipt' && one.receipt.kind === 'decision');
  return line?.type === 'receipt' ? line.receipt : null;
};

const wrong: readonly (readonly [string, object])[] = [
  ['an unknown member', { extra: 1 }],
  ['another version', { v: 2 }],
  ['an id of another kind', { id: 'act_00000000' }],
  ['a kind we do not know', { kind: 'verdict' }],
  ['a place that is no integer', { seq: 1.5 }],
  ['a negative place', { seq: -1 }],
  ['a place past exact integers', { seq: 2 ** 53 }],
  ['a hash in capitals', { prev: 'A'.repeat(64) }],
  ['a time that is text', { at: '2026' }],
  ['a session that is no id', { session: '../x' }],
  ['a context of no session', { session: null }],
  ['a context of length 0', { context: { length: 0, head: '0'.repeat(64) } }],
  ['a context with an unknown member', { context: { length: 1, head: '0'.repeat(64), more: 1 } }],
  ['a body that is a list', { body: [] }],
  ['a body that is nothing', { body: null }],
];
for (const [name, change] of wrong)
  test(`does not read a receipt with ${name}`, () => {
    const sound = receiptText();
    assert.equal(parseReceiptText(bundleLine(sound as never)).ok, true);
    assert.equal(parseReceiptText(bundleLine({ ...sound, ...change } as never)).ok, false);
  });

test('reads any text without throwing', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseBundleLine(text)));
});
