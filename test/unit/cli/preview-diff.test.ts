import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { diffTexts, textOf } from '../../../shims/cli/preview-diff.ts';

/** Puts a difference on a text, as `patch` would; null when it does not fit. */
function patched(before: string, diff: ReturnType<typeof diffTexts>): string | null {
  const lines = before === '' ? [] : before.split(/(?<=\n)/);
  const out: string[] = [];
  let at = 0;
  for (const hunk of diff.hunks) {
    const start = hunk.oldStart - 1;
    while (at < start) out.push(lines[at++] ?? '');
    for (const { sign, text } of hunk.lines) {
      if (sign !== '+' && lines[at++] !== text) return null;
      if (sign !== '-') out.push(text);
    }
  }
  return out.concat(lines.slice(at)).join('');
}

/** Length of the longest common subsequence, the slow way that cannot be wrong. */
function common(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const line of a) {
    const next = [0];
    for (let j = 1; j <= b.length; j += 1)
      next[j] = line === b[j - 1] ? (row[j - 1] ?? 0) + 1 : Math.max(row[j] ?? 0, next[j - 1] ?? 0);
    row = next;
  }
  return row[b.length] ?? 0;
}

describe('the difference of two texts', () => {
  test('turns the one into the other with the least lines, for 500 pairs', () => {
    let seed = 7;
    const next = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    for (let n = 0; n < 500; n += 1) {
      const text = () =>
        Array.from({ length: next(25) }, () => `${'abcd'[next(4)]}\n`).join('') +
        (next(4) === 0 ? 'end' : '');
      const [before, after] = [text(), text()];
      const diff = diffTexts(before, after);
      assert.equal(patched(before, diff), after, JSON.stringify([before, after]));
      const [a, b] = [before, after].map((t) => (t === '' ? [] : t.split(/(?<=\n)/)));
      const least = (a?.length ?? 0) + (b?.length ?? 0) - 2 * common(a ?? [], b ?? []);
      assert.equal(diff.added + diff.removed, least, JSON.stringify([before, after]));
    }
  });

  test('gives up looking for the least where that would take too long, and is still right', () => {
    const lines = (of: string) => Array.from({ length: 6000 }, (_, n) => `${of}${n}\n`).join('');
    const began = performance.now();
    const diff = diffTexts(lines('a'), lines('b'));
    assert.deepEqual([diff.added, diff.removed], [6000, 6000]);
    assert.ok(performance.now() - began < 5000);
    assert.equal(patched(lines('a'), diff), lines('b'));
  });

  test('tells text from what is none', () => {
    assert.equal(textOf(Buffer.from('é\n')), 'é\n');
    assert.equal(textOf(Buffer.from([0x61, 0])), null);
    assert.equal(textOf(Buffer.from([0xff, 0xfe])), null);
    assert.equal(textOf(Buffer.from('x'.repeat(5000))), null);
  });
});
