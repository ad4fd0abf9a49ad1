import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
// @ts-expect-error: a script, which has no types
import * as fuzz from '../../../scripts/fuzz.mjs';

const SECONDS = 5;
const SEED = 20_261_121;

interface Outcome {
  readonly inputs: number;
  readonly broke: { readonly crash: string | null; readonly why: string } | null;
}

/** The shortest of these runs takes thousands of inputs; fewer means that it did not run. */
const FEWEST = 500;

describe('hostile bytes and paths, mutated', () => {
  const folder = mkdtempSync(join(tmpdir(), 'csn-fuzz-'));
  const libFuzzer: boolean = fuzz.hasLibFuzzer();
  before(() => fuzz.buildParts(folder, libFuzzer));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

  for (const name of Object.keys(fuzz.TARGETS))
    test(`${name}: nothing breaks a rule of the sanitizers or of the target in ${SECONDS} seconds`, () => {
      const program: string = fuzz.buildTarget(name, folder, libFuzzer);
      const outcome: Outcome = fuzz.runTarget(name, program, folder, SECONDS, libFuzzer, SEED);
      assert.equal(outcome.broke, null, outcome.broke?.why);
      assert.ok(outcome.inputs > FEWEST, `${outcome.inputs} inputs`);
    });

  test('a target that breaks is noticed, with the input that did it', () => {
    const program: string = fuzz.buildTarget('broken', folder, libFuzzer);
    const outcome: Outcome = fuzz.runTarget('config', program, folder, SECONDS, libFuzzer, SEED);
    assert.match(outcome.broke?.why ?? 'nothing broke', /does not hold: data\[0\] != 'C'/);
    assert.notEqual(outcome.broke?.crash ?? null, null);
  });
});
