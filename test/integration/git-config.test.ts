// Our reader of git's settings against git itself: the same text must mean the same to both.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readGitConfig } from '../../electron/core/semantic/git-config-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'csn-git-config-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

/** What git reads: `key\nvalue` or `key` alone, separated by NUL; null when it refuses. */
function byGit(text: string): readonly string[] | null {
  const file = join(folder, 'config');
  writeFileSync(file, text);
  const run = spawnSync('git', ['config', '--file', file, '--no-includes', '--list', '-z'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1' },
    encoding: 'utf8',
  });
  assert.equal(run.error, undefined);
  return run.status === 0 ? run.stdout.split('\0').slice(0, -1).map(plain) : null;
}

/** Blanks inside of a value: older versions make spaces of them, newer ones keep them. */
const plain = (entry: string): string => entry.replaceAll('\t', ' ').replaceAll('\r', ' ');

function byUs(text: string): readonly string[] | null {
  const read = readGitConfig(text);
  return read === null
    ? null
    : read.map(({ section, subsection, key, value }) => {
        const name = [section, subsection, key].filter((part) => part !== null && part !== '').join('.');
        return plain(value === null ? name : `${name}\n${value}`);
      });
}

const TEXTS: readonly string[] = [
  '',
  '[core]\n\tbare = false\n',
  '[CORE]\n\tBare = False\n',
  '[core] pager = less\n',
  '[core]pager=less',
  '[core]\n\tpager\n',
  '[core]\n\tpager =\n',
  '[core]\n\tpager = ""\n',
  '[core]\r\n\tpager = less\r\n',
  '\uFEFF[core]\n\tpager = less\n',
  '# c\n; d\n[core]\n\tpager = a # b\n\teditor = a ; b\n',
  '[core]\n\tpager = "a # b" # c\n',
  '[core]\n\tpager = a" "b\n',
  '[core]\n\tpager = a   b\n',
  '[core]\n\tpager = "a   b  "\n',
  '[core]\n\tpager =    a   \n',
  '[core]\n\tpager = a\\\nb\n',
  '[core]\n\tpager = a \\\n  b\n',
  '[core]\n\tpager = "a\\\nb"\n',
  '[core]\n\tpager = a\\tb\\nc\\\\d\\"e\\b\n',
  '[core]\n\tpager = a\\xb\n',
  '[core]\n\tpager = "open\n',
  '[core]\n\tpager = # c\\\nb\n',
  '[filter "x"]\n\tclean = c\n',
  '[filter "X y.Z"]\n\tclean = c\n',
  '[filter "a\\"b\\\\c\\d"]\n\tclean = c\n',
  '[filter.X]\n\tclean = c\n',
  '[filter.X.y]\n\tclean = c\n',
  '[filter   "x"]\n\tclean = c\n',
  '[filter "x" ]\n\tclean = c\n',
  '[ core]\n\tpager = a\n',
  '[core ]\n\tpager = a\n',
  '[core\n\tpager = a\n',
  '[]\n\tpager = a\n',
  'pager = a\n',
  '[core]\n\t1pager = a\n',
  '[core]\n\tpa_ger = a\n',
  '[core]\n\tpa-ger2 = a\n',
  '[core]\n\tpager : a\n',
  '[core]\n\tpager a\n',
  '[core]\n\tpager # c\n',
  '[core]\n\tpager = a\n[core]\n\tpager = b\n',
  '[core]\n\tpager = a\n\tpager = b',
  '[a-b]\n\tc = d\n',
  '[a]\n\tb = \\\n\\\n c\n',
  '[alias]\n\tx = !f() { echo \\"$1\\"; }; f\n',
  '[alias]\n\tx = "!f() { echo \\"$1\\"; }; f"\n',
  '[a]\n\tb = c\\',
  '[a]\n\tb = ä ö\n',
  '[url "https://x/"]\n\tinsteadOf = y:\n',
  '[a] b = c\n[d] e = f\n',
  '[a] b = c [d] e = f\n',
  '[a]\n b = "x"y"z"\n',
  '[a]\n b = x"  "\n',
  '[a]\n b = x  ""\n',
];

describe('settings mean to us what they mean to git', () => {
  for (const text of TEXTS)
    test(JSON.stringify(text), () => {
      assert.deepEqual(byUs(text), byGit(text));
    });

  test('for a thousand texts made of what makes the format hard', () => {
    const parts = [
      '[a]',
      '[a "b"]',
      '\n',
      '\t',
      ' ',
      'k',
      '=',
      '"',
      '\\',
      '\\\n',
      '#',
      ';',
      'v',
      '\\n',
      '\\"',
      '\r\n',
      '.',
      ']',
      '[',
    ];
    let seed = 7;
    const draw = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    const differing: string[] = [];
    for (let round = 0; round < 1000; round += 1) {
      let text = '[a]\nk = ';
      for (let length = 2 + draw(10); length > 0; length -= 1) text += parts[draw(parts.length)] ?? '';
      if (JSON.stringify(byUs(text)) !== JSON.stringify(byGit(text))) differing.push(text);
    }
    assert.deepEqual(differing, []);
  });
});
