import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FACT_ROOTS, FACT_TYPES } from '../../../electron/core/policy/fact-schema.ts';
import { parsePolicyFile } from '../../../electron/wire/policy-file.ts';
import { faultLine } from '../../../electron/wire/policy-report.ts';

const PAGE = readFileSync(new URL('../../../docs/policy-format.md', import.meta.url), 'utf8');
const examples = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

test('the page has examples', () => assert.ok(examples.length >= 2));

for (const [index, example] of examples.entries()) {
  test(`example ${index + 1} of docs/policy-format.md is in order`, () => {
    const parsed = parsePolicyFile(example, 'policy-format.md');
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.map(faultLine).join('\n'));
  });
}

test('every fact that can be read is on the page, field by field', () => {
  const missing = [
    ...Object.keys(FACT_ROOTS),
    ...Object.values(FACT_TYPES).flatMap((fields) => Object.keys(fields)),
  ].filter((name) => !PAGE.includes(`\`${name}\``) && !new RegExp(`\\.${name}\``).test(PAGE));
  assert.deepEqual(missing, []);
});
