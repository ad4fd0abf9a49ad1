import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type EntryFacts,
  effectsOf,
  type LayerEntry,
  type LowerFacts,
  planCommit,
  withMoves,
} from '../../../electron/core/preview.ts';

const STARTED = '1000';
const upper = (kind: EntryFacts['kind'], more: Partial<EntryFacts> = {}): EntryFacts => ({
  kind,
  mode: kind === 'folder' ? 0o755 : 0o644,
  size: 3,
  mtimeNs: '2000',
  inode: '7',
  links: 1,
  ...more,
});
const lower = (kind: EntryFacts['kind'], more: Partial<LowerFacts> = {}): LowerFacts => ({
  ...upper(kind, { mtimeNs: '500' }),
  ctimeNs: '500',
  device: '1',
  ...more,
});
const entry = (path: string, more: Partial<LayerEntry>): LayerEntry => ({
  path,
  upper: null,
  lower: null,
  opaque: false,
  strange: null,
  attributes: false,
  content: 'different',
  ...more,
});
const said = (entries: readonly LayerEntry[]) =>
  effectsOf(entries).map(({ kind, path }) => `${kind} ${path}`);
const planned = (entries: readonly LayerEntry[]) => {
  const plan = planCommit(entries, STARTED);
  return plan.ok ? plan.steps.map(({ kind, path }) => `${kind} ${path}`) : plan.conflicts;
};

describe('what a layer says was done', () => {
  test('tells created, changed, deleted, another mode, other times and what was only looked at apart', () => {
    const entries = [
      entry('', { upper: upper('folder'), lower: lower('folder') }),
      entry('made', { upper: upper('file') }),
      entry('changed', { upper: upper('file'), lower: lower('file') }),
      entry('gone', { upper: 'whiteout', lower: lower('file') }),
      entry('mode', { upper: upper('file', { mode: 0o755 }), lower: lower('file'), content: 'same' }),
      entry('touched', { upper: upper('file'), lower: lower('file'), content: 'same' }),
      entry('opened', { upper: upper('file', { mtimeNs: '500' }), lower: lower('file'), content: 'same' }),
      entry('passed', { upper: upper('folder'), lower: lower('folder'), content: 'same' }),
      entry('never', { upper: 'whiteout' }),
    ];
    assert.deepEqual(said(entries), [
      'changed changed',
      'deleted gone',
      'created made',
      'mode mode',
      'times touched',
    ]);
  });

  test('counts what goes with a deleted folder, and names what a folder that was made anew lacks', () => {
    const tree = [
      entry('d/a', { lower: lower('file') }),
      entry('d/e', { lower: lower('folder') }),
      entry('d/e/f', { lower: lower('file') }),
    ];
    const gone = effectsOf([entry('d', { upper: 'whiteout', lower: lower('folder') }), ...tree]);
    assert.deepEqual(
      gone.map((effect) => [effect.kind, effect.path, effect.kind === 'deleted' && effect.below]),
      [['deleted', 'd', 3]],
    );
    const anew = [
      entry('d', { upper: upper('folder'), lower: lower('folder'), opaque: true }),
      ...tree,
      entry('d/n', { upper: upper('file') }),
    ];
    assert.deepEqual(said(anew), ['deleted d/a', 'deleted d/e', 'created d/n']);
  });

  test('says both when a file takes the place of a folder', () => {
    const entries = [
      entry('x', { upper: upper('file'), lower: lower('folder') }),
      entry('x/y', { lower: lower('file') }),
    ];
    assert.deepEqual(said(entries), ['deleted x', 'created x']);
  });

  test('joins a deletion and a creation of the same bytes into a move, each once', () => {
    const effects = effectsOf([
      entry('a', { upper: 'whiteout', lower: lower('file') }),
      entry('b', { upper: upper('file') }),
      entry('c', { upper: upper('file') }),
      entry('z', { upper: 'whiteout', lower: lower('file', { size: 9 }) }),
    ]);
    const asked: string[] = [];
    const joined = withMoves(effects, (path, layer) => {
      asked.push(`${layer} ${path}`);
      return 'same';
    });
    assert.deepEqual(
      joined.map((effect) =>
        effect.kind === 'moved' ? `moved ${effect.from} ${effect.path}` : `${effect.kind} ${effect.path}`,
      ),
      ['moved a b', 'created c', 'deleted z'],
    );
    assert.equal(asked.includes('lower z'), false, 'a file of another size was read');
  });
});

describe('how a preview is committed', () => {
  test('brings whole new folders at once, deletions last, and nothing for what was only looked at', () => {
    const entries = [
      entry('gone', { upper: 'whiteout', lower: lower('file') }),
      entry('new', { upper: upper('folder') }),
      entry('new/file', { upper: upper('file') }),
      entry('in', { upper: upper('folder'), lower: lower('folder'), content: 'same' }),
      entry('in/changed', { upper: upper('file'), lower: lower('file') }),
    ];
    assert.deepEqual(planned(entries), ['put in/changed', 'put new', 'drop gone']);
  });

  test('refuses all of it when one file was changed in its place since the preview began', () => {
    const entries = [
      entry('a', { upper: upper('file'), lower: lower('file', { ctimeNs: '1000' }) }),
      entry('b', { upper: upper('file') }),
    ];
    assert.deepEqual(planned(entries), [
      { path: 'a', reason: 'it was changed in its place since the preview began' },
    ]);
  });

  test('refuses when a file came into a folder that the preview deleted', () => {
    const entries = [
      entry('d', { upper: 'whiteout', lower: lower('folder') }),
      entry('d/news', { lower: lower('file', { ctimeNs: '1001' }) }),
    ];
    assert.deepEqual(planned(entries), [
      { path: 'd/news', reason: 'it was changed in its place since the preview began' },
    ]);
  });

  test('goes on when others worked in a folder that the preview only passed through', () => {
    const entries = [
      entry('src', { upper: upper('folder'), lower: lower('folder', { ctimeNs: '5000' }), content: 'same' }),
      entry('src/a', { upper: upper('file'), lower: lower('file') }),
    ];
    assert.deepEqual(planned(entries), ['put src/a']);
  });

  test('refuses pipes, devices, and layers that our overlays do not make', () => {
    for (const strange of [
      entry('p', { upper: upper('fifo') }),
      entry('n', { upper: upper('device') }),
      entry('r', { upper: upper('file'), strange: 'its content is not in the layer' }),
    ])
      assert.equal(planCommit([strange], STARTED).ok, false, strange.path);
  });
});
