// Every row of shell/lines.json: hostile command lines, each with what must come of it. None is ever run.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { normalizeArgv, normalizeCommandLine } from '../../electron/wire/shell/normalize.ts';

interface Row {
  readonly name: string;
  readonly line?: string;
  /** Pieces and how often: the line, where it is too long to write down. */
  readonly repeat?: readonly (readonly [string, number])[];
  readonly fault?: string;
  readonly programs?: readonly string[];
  /** The program of the last command. */
  readonly last?: string;
  /** The arguments of the last command. */
  readonly words?: readonly string[];
  /** Whether the last argument of the last command is known. */
  readonly known?: boolean;
  readonly gap?: boolean;
}

const rows = JSON.parse(readFileSync(new URL('shell/lines.json', import.meta.url), 'utf8')) as readonly Row[];
const surroundings = { dialect: 'bash' as const, cwd: '/w', home: '/home/u', variables: {} };

for (const row of rows)
  test(`reads or refuses ${row.name}`, () => {
    const commandLine = row.line ?? (row.repeat ?? []).map(([piece, times]) => piece.repeat(times)).join('');
    const result = normalizeCommandLine({ ...surroundings, commandLine });
    if (row.fault !== undefined) {
      assert.equal(result.ok ? 'read' : result.error.code, row.fault);
      return;
    }
    assert.ok(result.ok, result.ok ? '' : result.error.message);
    const { commands, gaps } = result.value;
    const last = commands.at(-1);
    if (row.programs !== undefined)
      assert.deepEqual(
        commands.map((c) => c.program),
        row.programs,
      );
    if (row.last !== undefined) assert.equal(last?.program, row.last);
    if (row.words !== undefined) {
      const command = row.programs === undefined ? last : commands[0];
      assert.deepEqual(
        command?.args.map((word) => word.text),
        row.words,
      );
    }
    if (row.known !== undefined) assert.equal(last?.args.at(-1)?.known, row.known);
    if (row.gap !== undefined) assert.equal(gaps.length > 0, row.gap);
  });

test('an argument vector is refused for the same reasons', () => {
  const code = (argv: readonly string[]) => {
    const result = normalizeArgv(argv, surroundings);
    return result.ok ? 'read' : result.error.code;
  };
  assert.equal(code(['rm', 'a\0b']), 'nul');
  assert.equal(code(['rm', '\ud800']), 'invalid_utf8');
  assert.equal(code(['rm', 'a'.repeat(1_048_577)]), 'too_long');
  assert.equal(code(Array.from({ length: 600_000 }, () => 'a')), 'too_long');
  assert.equal(code(['bash', '-c', '('.repeat(100_000)]), 'too_deep');
  assert.equal(code([]), 'read');
  assert.equal(code(['']), 'read');
});
