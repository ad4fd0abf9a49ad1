import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approvalLines, PLAIN_STYLE } from '../../../electron/wire/approval-text.ts';
import type { ApprovalView } from '../../../electron/wire/control.ts';
import { shellWords } from '../../../electron/wire/shell-words.ts';

function view(text: string): ApprovalView {
  return {
    id: 'apr_000000000',
    handle: 'abcd',
    session: 'sess_00000000',
    origin: 'step_up',
    state: 'pending',
    digest: 'a'.repeat(64),
    created_at: 0,
    deadline: 60_000,
    request: null,
    claim: null,
    action: {
      id: 'act_00000000',
      surface: 'shell',
      tool: 'shell',
      operation: 'run',
      text,
      cwd: '/w',
      commands: [],
      effects: [],
    },
    prior_actions: [],
    flows: [],
    data_classes: [],
    distance: null,
    risk: 'high',
    confidence: 1,
    identity: { human: 'ada', agent: 'bash', session: 'sess_00000000', chain: [], binding: 'signed' },
    policy: {
      rule: null,
      title: null,
      reason: 'because',
      instead: null,
      version: '1',
      hash: 'b'.repeat(64),
      source: null,
    },
    question: null,
    session_pattern: null,
    preview: null,
  };
}

const shown = (text: string, whole = false, columns = 80): readonly string[] =>
  approvalLines(view(text), 0, PLAIN_STYLE, { whole, columns });

for (const [name, text] of [
  ['behind a long harmless word', `echo ${'a'.repeat(100_000)}; rm -rf ~`],
  ['behind many harmless lines', `${'echo a\n'.repeat(5000)}rm -rf ~`],
  ['behind blanks', `echo a${' '.repeat(5000)}; rm -rf ~`],
  ['behind tabs', `echo a${'\t'.repeat(5000)}; rm -rf ~`],
] as const)
  test(`an approver sees a dangerous tail ${name}, and that something is left out`, () => {
    const lines = shown(text);
    assert.ok(lines.slice(0, 40).join('').replaceAll('  │ ', '').includes('rm -rf ~'));
    assert.ok(
      lines.some((line) => /^ {2}┆ \d+ lines are not shown here; .*countersign approve abcd$/.test(line)),
    );
    assert.ok(lines.length < 60);
  });

test('an approver who asks for it sees the whole text', () => {
  const text = Array.from({ length: 5000 }, (_, i) => `echo ${i}`).join('\n');
  const lines = shown(text, true);
  for (const i of [0, 17, 18, 2500, 4999]) assert.ok(lines.includes(`  │ echo ${i}`));
});

test('no line of agent text is wider than the terminal, so that none starts without our bar', () => {
  for (const line of shown(`${'a'.repeat(500)}\t${'\u4e00'.repeat(500)}`, true, 60)) {
    if (!line.startsWith('  │')) continue;
    const width = [...line].reduce((sum, c) => sum + ((c.codePointAt(0) ?? 0) >= 0x2e80 ? 2 : 1), 0);
    assert.ok(width <= 60, line);
  }
});

for (const [words, text] of [
  [['rm', 'a b'], "rm 'a b'"],
  [['echo', 'a; rm -rf ~'], "echo 'a; rm -rf ~'"],
  [['touch', ''], "touch ''"],
  [['echo', "it's"], "echo 'it'\\''s'"],
  [['git', 'show', 'HEAD~1:a/b.ts', '--stat=80'], 'git show HEAD~1:a/b.ts --stat=80'],
  [['ls', '~'], "ls '~'"],
] as const)
  test(`words are shown as a shell would read them: ${text}`, () => assert.equal(shellWords(words), text));
