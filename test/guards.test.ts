// Tests that guard the tests: nothing is forgotten because nobody runs it.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const HERE = import.meta.dirname;

/** Every test file below a directory, relative to it. */
function testFiles(directory: string, below = ''): readonly string[] {
  return readdirSync(join(directory, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    if (entry.isDirectory()) return testFiles(directory, path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

const files = testFiles(HERE);
const texts = new Map(files.map((file) => [file, readFileSync(join(HERE, file), 'utf8')]));

for (const folder of ['vectors', 'hostile']) {
  for (const entry of readdirSync(join(HERE, folder), { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    test(`${folder}/${entry.name} has a runner`, () => {
      assert.ok(
        [...texts.values()].some((text) => text.includes(`${entry.name}`) && text.includes(folder)),
        `no test reads ${folder}/${entry.name}`,
      );
    });
  }
}

test('every test that docs/aarm.md names is there', () => {
  const table = readFileSync(join(HERE, '..', 'docs', 'aarm.md'), 'utf8');
  const named = [...table.matchAll(/`((?:conformance|unit|integration|fault|hostile)\/[^`]*)`/g)].map(
    (m) => m[1] ?? '',
  );
  assert.ok(named.length > 10);
  for (const name of named) {
    const stem = name.replace(/\*$/, '');
    const found = files.some((file) => file.startsWith(stem)) || existsSync(join(HERE, stem));
    assert.ok(found, `docs/aarm.md names ${name}`);
  }
});

test('rows 1 to 18 of the matrix each have a test', () => {
  const titles = [...texts].filter(([file]) => file.startsWith('conformance')).map(([, text]) => text);
  for (let row = 1; row <= 18; row += 1) {
    assert.ok(
      titles.some((text) => new RegExp(`row ${row}: `).test(text)),
      `row ${row}`,
    );
  }
});
