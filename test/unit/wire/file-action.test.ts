import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import type { ActionId, SessionId } from '../../../electron/core/brand.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { buildFileAction, type FileSubmission } from '../../../electron/wire/file-action.ts';
import { buildConnectAction } from '../../../electron/wire/network-action.ts';
import { exactly } from '../../../electron/wire/octets.ts';
import { envelopeSchema } from '../../../electron/wire/submit.ts';
import { field } from '../../../shims/shell/frame.ts';
import { readShimMessage } from '../../../shims/shell/question.ts';

const loaded = loadKnowledge(join(resolve(import.meta.dirname, '../../..'), 'resources/knowledge'));
assert.ok(loaded.ok);
const knowledge = loaded.value;
const common = {
  id: 'act_x' as ActionId,
  sessionId: 'sess_x' as SessionId,
  at: 0,
  surface: 'file' as const,
  place: { cwd: '/home/u/work', home: '/home/u', user: 'u', workspace: '/home/u/work' },
  own: ['/home/u/elsewhere/csn'],
  by: null,
  modifiedFrom: null,
};

type Given = Partial<Omit<FileSubmission, 'path' | 'destination'>> & {
  readonly path: string;
  readonly destination?: string;
};

function fileAction({ path, destination, ...given }: Given) {
  return buildFileAction(
    {
      ...common,
      operation: 'write',
      flags: null,
      recursive: false,
      veiled: [],
      byContent: () => false,
      ownUse: false,
      ...given,
      path: exactly(path),
      destination: destination === undefined ? null : exactly(destination),
    },
    knowledge.paths,
    nodeHasher,
  );
}

function effectsOf(given: Given): readonly string[] {
  return fileAction(given).effects.map(
    (effect) =>
      `${effect.kind} ${effect.object.value}${effect.tags.length > 0 ? ` ${effect.tags.join(',')}` : ''}`,
  );
}

describe('the Action of a file operation', () => {
  for (const [what, given, effects] of [
    ['a write', { path: '/home/u/.bashrc' }, ['write /home/u/.bashrc']],
    ['a secret', { operation: 'read', path: '/home/u/.ssh/id_rsa' }, ['read /home/u/.ssh/id_rsa secret']],
    ['a rename', { operation: 'rename', path: '/a', destination: '/b' }, ['move /a', 'write /b replace']],
    [
      'a second name',
      { operation: 'link', path: '/home/u/.ssh/id_rsa', destination: '/b' },
      [
        'read /home/u/.ssh/id_rsa link,secret',
        'write /home/u/.ssh/id_rsa link,secret',
        'write /b create,link',
      ],
    ],
    [
      'permissions',
      { operation: 'mode', path: '/a', flags: 0o4777 },
      ['permission /a setuid,world-writable,executable'],
    ],
    ['a deletion', { operation: 'delete', path: '/home/u/a' }, ['delete /home/u/a']],
    ['a name with a star', { operation: 'delete', path: '/home/u/*' }, ['delete /home/u/*']],
    [
      'a program that reads its own',
      { operation: 'read', path: '/home/u/.npmrc', ownUse: true },
      ['read /home/u/.npmrc own-use,secret'],
    ],
    ['our own files', { path: '/home/u/elsewhere/csn/ledger' }, ['write /home/u/elsewhere/csn/ledger self']],
  ] as const)
    test(`says what ${what} does`, () => assert.deepEqual(effectsOf(given), effects));

  test('a name is not a pattern', () => {
    const action = fileAction({ operation: 'delete', path: '/home/u/*' });
    assert.equal(action.effects[0]?.object.many, false);
  });

  test('a whole tree is said to be one, and in the digest', () => {
    const tree = fileAction({ operation: 'delete', path: '/home/u/a', recursive: true });
    assert.equal(tree.effects[0]?.recursive, true);
    assert.notEqual(tree.digest, fileAction({ operation: 'delete', path: '/home/u/a' }).digest);
  });

  test('a connection names its host and what kind of host it is', () => {
    const action = buildConnectAction(
      { ...common, to: { kind: 'tcp', host: '169.254.169.254', port: 80 } },
      knowledge,
      nodeHasher,
    );
    assert.deepEqual(
      action.effects.map((e) => [e.kind, e.object.value, e.object.labels.includes('metadata')]),
      [['connect', '169.254.169.254:80', true]],
    );
  });
});

describe('a question of the file shim', () => {
  const ask = (...pairs: readonly (readonly [string, string | Buffer])[]) =>
    readShimMessage([...pairs, ['q', '7'] as const].map(([tag, value]) => field(tag, value)));

  test('is read whole', () => {
    const read = ask(['k', 'file'], ['O', 'rename'], ['p', '/a'], ['t', '/b'], ['c', '/w']);
    assert.ok(read.ok && read.value.kind === 'file');
    const envelope = { session: `sess_${'a'.repeat(16)}`, sequence: 1, ...read.value.question };
    assert.equal(
      envelopeSchema.safeParse(envelope).success,
      true,
      JSON.stringify(envelopeSchema.safeParse(envelope).error),
    );
  });

  for (const [what, ...pairs] of [
    ['no operation', ['k', 'file'], ['p', '/a']],
    ['an unknown operation', ['k', 'file'], ['O', 'format'], ['p', '/a']],
    ['a relative path', ['k', 'file'], ['O', 'delete'], ['p', 'a']],
    ['no path', ['k', 'file'], ['O', 'delete']],
    ['a NUL', ['k', 'file'], ['O', 'delete'], ['p', '/a\0b']],
    ['bytes that are no text', ['k', 'file'], ['O', 'delete'], ['p', Buffer.from([0x2f, 0xff])]],
    ['a path without end', ['k', 'file'], ['O', 'delete'], ['p', `/${'a'.repeat(9000)}`]],
    ['a rename to nowhere', ['k', 'file'], ['O', 'rename'], ['p', '/a']],
    ['a mode that is none', ['k', 'file'], ['O', 'mode'], ['p', '/a'], ['M', '9']],
    ['no host', ['k', 'connect'], ['j', '80']],
    ['no port', ['k', 'connect'], ['h', 'a']],
    ['a port past the last', ['k', 'connect'], ['h', 'a'], ['j', '65536']],
  ] as const)
    test(`is refused with ${what}`, () => {
      assert.equal(ask(...(pairs as readonly (readonly [string, string | Buffer])[])).ok, false);
    });
});
