import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../../../electron/core/command.ts';
import { grantCovers, patternFor } from '../../../electron/core/policy/grant.ts';
import { command, word } from './fixture.ts';

const CWD = '/work/project';

test('generalises by program, subcommand and flags; operands stay fixed, in their directory', () => {
  assert.deepEqual(patternFor(command('git push -f origin main'), 'a.x', CWD), {
    program: 'git',
    subcommand: 'push',
    flags: ['-f'],
    operands: ['origin', 'main'],
    rule: 'a.x',
    cwd: CWD,
  });
});

test('frees the operands when a person says so', () => {
  const pattern = patternFor(command('git push origin main'), 'a.x', CWD, 'free');
  assert.ok(pattern !== null);
  assert.equal(grantCovers(pattern, command('git push other x'), '/elsewhere'), true);
  assert.equal(grantCovers(pattern, command('git push -f other x'), CWD), false);
});

const heredoc = { operator: '<<', descriptor: null, target: null, body: word('x') } as const;
const CARRYING: readonly (readonly [name: string, Partial<Command>])[] = [
  ['code', { code: { language: 'python', text: 'x', known: true } }],
  ['a redirection', { redirects: [heredoc] }],
  ['a variable', { assignments: [{ name: 'LD_PRELOAD', value: word('/evil.so') }] }],
  ['what is piped in', { pipedFrom: 1 }],
  ['what is piped out', { pipedTo: 1 }],
  ['another user', { via: [{ program: 'sudo', detail: 'root', place: 'root' }] }],
  ['another machine', { via: [{ program: 'ssh', detail: 'host', place: 'remote' }] }],
];
const plain = patternFor(command('rm build'), 'a.x', CWD);

for (const [name, over] of CARRYING) {
  test(`neither generalises nor covers a command that brings along ${name}`, () => {
    assert.ok(plain !== null);
    assert.equal(patternFor(command('rm build', over), 'a.x', CWD), null);
    assert.equal(grantCovers(plain, command('rm build', over), CWD), false);
  });
}

const ATTACKS: readonly (readonly [name: string, command: Command, cwd: string])[] = [
  ['another operand', command('rm /home/ada'), CWD],
  ['one operand more', command('rm build /home/ada'), CWD],
  ['a flag more', command('rm -rf build'), CWD],
  ['a flag after the operands', command('rm build --no-preserve-root'), CWD],
  ['an unknown word', command('rm $X'), CWD],
  ['an unknown program', command('$X build'), CWD],
  ['a program of the same name elsewhere', command('./rm build'), CWD],
  ['the same words in another directory', command('rm build'), '/home/ada'],
  ['a glob', command('rm build', { args: [{ ...word('build'), glob: true }] }), CWD],
  ['a flag hidden as an operand after --', command('rm -- -rf build'), CWD],
];
for (const [name, attack, cwd] of ATTACKS) {
  test(`a grant for one command does not cover ${name}`, () => {
    assert.ok(plain !== null);
    assert.equal(grantCovers(plain, attack, cwd), false);
  });
}

test('a grant covers the very command it was made from', () => {
  for (const line of ['rm build', 'git push -f', 'npm run test -- --watch', 'ls']) {
    const pattern = patternFor(command(line), 'a.x', CWD);
    assert.ok(pattern !== null, line);
    assert.equal(grantCovers(pattern, command(line), CWD), true, line);
  }
});

test('does not generalise fixed operands where the directory is not known', () => {
  assert.equal(patternFor(command('rm build'), 'a.x', null), null);
  assert.ok(patternFor(command('rm build'), 'a.x', null, 'free') !== null);
  assert.ok(plain !== null);
  assert.equal(grantCovers(plain, command('rm build'), null), false);
});
