import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandedSecrets } from '../../../shims/cli/handed-secrets.ts';
import { openingLines, sessionNotes } from '../../../shims/cli/session-notes.ts';

const handed = (secrets: number, unknown: readonly string[]): HandedSecrets =>
  ({
    secrets: Array.from({ length: secrets }, (_, at) => ({ name: `S${at}`, value: 'x' })) as never,
    exposed: [],
    settings: {},
    unknown,
    files: [],
  }) as unknown as HandedSecrets;
const opened = { session: 'sess_abc', assurance: 'enforced', warnings: [], notes: [], verbose: false };

test('a session begins with one line, whatever there is to say', () => {
  assert.deepEqual(openingLines(opened), [
    'session sess_abc, assurance enforced; files, programs and network are held by the kernel; countersign receipts list --session sess_abc',
  ]);
  const notes = sessionNotes({ notice: 'a weaker guard' }, handed(2, ['MY_TOKEN']));
  assert.equal(notes.length, 3);
  const [line, ...more] = openingLines({ ...opened, warnings: ['keys in memory'], notes });
  assert.equal(more.length, 0);
  assert.match(line ?? '', /; 4 notes: countersign status$/);
});

test('with --verbose it says all of it first', () => {
  const lines = openingLines({
    ...opened,
    warnings: ['keys in memory'],
    notes: ['a weaker guard'],
    verbose: true,
  });
  assert.deepEqual(lines.slice(0, 2), ['keys in memory', 'a weaker guard']);
  assert.equal(lines.length, 3);
});

test('says aloud that a cooperative session is held by nothing', () => {
  const [line] = openingLines({ ...opened, assurance: 'cooperative' });
  assert.match(line ?? '', /assurance cooperative; nothing is held by the kernel/);
});

test('notes name how many secrets were replaced, and none of their values', () => {
  const [note] = sessionNotes({ notice: null }, handed(1, []));
  assert.match(note ?? '', /^1 secret of your environment is a placeholder/);
  assert.deepEqual(sessionNotes({ notice: null }, handed(0, [])), []);
});
