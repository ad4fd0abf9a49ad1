import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '../../../../electron/core/action.ts';
import type { Command } from '../../../../electron/core/command.ts';
import { literalAlignment } from '../../../../electron/core/semantic/alignment.ts';

function action(line: string, more: Partial<Command> = {}): Action {
  const [name = '', ...args] = line.split(' ');
  const word = (text: string) => ({ text, raw: text, known: true, glob: false });
  const command = {
    index: 0,
    program: name,
    name: word(name),
    args: args.map(word),
    redirects: [],
    assignments: [],
    via: [],
    pipedFrom: null,
    pipedTo: null,
    origin: 'line',
    code: null,
    span: null,
    ...more,
  } as unknown as Command;
  return { commands: [command], gaps: [] } as unknown as Action;
}

const rows: readonly (readonly [name: string, request: string | null, line: string, scope: string])[] = [
  ['the request is the command', 'git push --force', 'git push --force', 'in'],
  [
    'the request quotes the command',
    'Please run `git push --force origin main` now.',
    'git push --force origin main',
    'in',
  ],
  ['spacing differs', 'run  git   push --force', 'git push --force', 'in'],
  ['the request names a longer word', 'rm -r build-tools', 'rm -r build', 'unknown'],
  ['the request names a shorter word', 'do not-rm -r build', 'rm -r build', 'unknown'],
  ['the request forbids it', "don't git push --force", 'git push --force', 'unknown'],
  [
    'the request prefers something else',
    'use a lease instead of git push --force',
    'git push --force',
    'unknown',
  ],
  ['nobody said', null, 'git push --force', 'unknown'],
  ['a single word occurs in a sentence', 'make it nice', 'make', 'unknown'],
];

for (const [name, request, line, scope] of rows) {
  test(`alignment is ${scope} when ${name}`, () => {
    assert.equal(literalAlignment(request, action(line)).scope, scope);
  });
}

test('alignment is unknown when the command brings more than its words', () => {
  const wrapped = action('rm -r x', { via: [{ program: 'sudo', detail: 'root', place: 'root' }] });
  assert.equal(literalAlignment('rm -r x', wrapped).scope, 'unknown');
});
