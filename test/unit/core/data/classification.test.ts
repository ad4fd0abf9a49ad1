import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyRead, classifyReads } from '../../../../electron/core/data/classification.ts';
import type { Effect, EffectKind } from '../../../../electron/core/effect.ts';

function effect(kind: EffectKind, labels: readonly string[], known = true): Effect {
  return {
    kind,
    object: { kind: 'path', value: '/p', known, many: false, labels },
    command: 0,
    recursive: false,
    force: false,
    reversible: 'unknown',
    tags: [],
  };
}

const rows: readonly (readonly [name: string, effect: Effect, level: string | null])[] = [
  ['a secret', effect('read', ['home', 'secret']), 'RESTRICTED'],
  ['a secret inside the workspace', effect('read', ['workspace', 'secret']), 'RESTRICTED'],
  ['a file of the workspace, which lies in the home', effect('read', ['home', 'workspace']), 'INTERNAL'],
  ['another file of the home', effect('read', ['home']), 'CONFIDENTIAL'],
  ['a system file', effect('read', ['system']), 'PUBLIC'],
  ['a system file whose name is not known', effect('read', ['system', 'unknown'], false), 'RESTRICTED'],
  ['what no label speaks about', effect('read', []), 'RESTRICTED'],
  ['a write', effect('write', ['secret']), null],
];

for (const [name, given, level] of rows) {
  test(`R2.c ${name} is ${level ?? 'not a read'}`, () => {
    assert.equal(classifyRead(given)?.level ?? null, level);
  });
}

test('an action with many reads brings at most one entry a level', () => {
  const reads = Array.from({ length: 500 }, (_, i) => effect('read', i % 2 ? ['workspace'] : ['secret']));
  assert.deepEqual(
    classifyReads(reads).map((c) => c.level),
    ['RESTRICTED', 'INTERNAL'],
  );
});

test('a row of policy comes before labels, the highest of several counts, and none lowers a secret', () => {
  const row = (paths: readonly string[], level: 'PUBLIC' | 'CONFIDENTIAL' | 'RESTRICTED') => ({
    paths,
    hosts: [],
    tables: [],
    level,
    label: 'mine',
    why: 'a test',
  });
  const policy = { home: '/home/u', rows: [row(['/p'], 'PUBLIC'), row(['/p*'], 'CONFIDENTIAL')] };
  const home = { home: '/', rows: [row(['~/p'], 'PUBLIC')] };
  assert.equal(classifyRead(effect('read', ['workspace']), policy)?.level, 'CONFIDENTIAL');
  assert.equal(classifyRead(effect('read', []), { ...home, home: '' })?.level, 'PUBLIC');
  assert.equal(classifyRead(effect('read', ['secret']), { ...home, home: '' })?.level, 'RESTRICTED');
  assert.equal(classifyRead(effect('read', []), { ...policy, rows: [] })?.level, 'RESTRICTED');
});
