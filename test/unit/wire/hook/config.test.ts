import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type HookCommand,
  hookEvents,
  hooksAreOff,
  hooksIn,
  withHooks,
  withoutHooks,
} from '../../../../electron/wire/hook/config.ts';
import { HOOK_AGENTS } from '../../../../electron/wire/hook/event.ts';

const COMMAND: HookCommand = {
  waitS: 140,
  commandFor: (event) => `/opt/c/countersign-hook agent ${event} --socket /run/x`,
};

/** Files as people have them. */
const FILES: readonly (readonly [string, string | null])[] = [
  ['no file', null],
  ['an empty file', ''],
  ['an empty object', '{}'],
  ['tabs and no newline at the end', '{\n\t"a": 1,\n\t"b": {"c": [1, 2, 3]}\n}'],
  ['Windows line ends', '{\r\n  "a": 1\r\n}\r\n'],
  ['an empty list of hooks', '{"hooks": {"PreToolUse": []}}\n'],
  [
    'other hooks',
    '{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"./mine.sh"}]}],"Stop":[{"hooks":[{"type":"command","command":"say done"}]}]},"model":"x"}\n',
  ],
  ['flat hooks', '{"version":1,"hooks":{"preToolUse":[{"command":"./mine.sh"}],"stop":[]}}\n'],
];

for (const agent of HOOK_AGENTS) {
  for (const [what, before] of FILES) {
    test(`${agent}: adds its hooks to ${what}, keeps the rest, and twice is once`, () => {
      const once = withHooks(before, agent, COMMAND);
      assert.ok(once.ok);
      const found = hooksIn(once.value, agent);
      assert.ok(found.ok);
      assert.deepEqual(found.value.map(({ event }) => event).sort(), [...hookEvents(agent)].sort());
      const twice = withHooks(once.value, agent, COMMAND);
      assert.ok(twice.ok);
      assert.equal(twice.value, once.value);
      const kept = JSON.stringify(JSON.parse(once.value));
      for (const word of ['./mine.sh', 'say done', '"model":"x"'])
        assert.equal(kept.includes(word), (before ?? '').includes(word), word);
    });

    test(`${agent}: taking its hooks out of ${what} leaves what was there`, () => {
      const once = withHooks(before, agent, COMMAND);
      assert.ok(once.ok);
      const out = withoutHooks(once.value, agent);
      assert.ok(out.ok);
      const was = JSON.parse(before === null || before === '' ? '{}' : before) as Record<string, unknown>;
      const is = JSON.parse(out.value ?? '{}') as Record<string, unknown>;
      // A list that was empty before holds nothing that could be lost, nor does the version of an otherwise empty file.
      const bare = (config: Record<string, unknown>) => {
        const { hooks, version: _version, ...rest } = config;
        const lists = Object.entries((hooks ?? {}) as Record<string, unknown[]>).filter(
          ([, l]) => l.length > 0,
        );
        return { ...rest, hooks: Object.fromEntries(lists) };
      };
      assert.deepEqual(bare(is), bare(was));
    });
  }
}

test('a group that holds hooks of others beside ours loses only ours', () => {
  const text = JSON.stringify({
    hooks: {
      PreToolUse: [
        {
          matcher: 'Bash',
          hooks: [
            { type: 'command', command: './mine.sh' },
            { type: 'command', command: 'x/countersign-hook a' },
          ],
        },
      ],
    },
  });
  const out = withoutHooks(text, 'claude-code');
  assert.ok(out.ok);
  assert.deepEqual(JSON.parse(out.value ?? ''), {
    hooks: { PreToolUse: [{ matcher: 'Bash', hooks: [{ type: 'command', command: './mine.sh' }] }] },
  });
});

test('a file with comments, a list, duplicate keys or a broken end is not touched', () => {
  for (const text of [
    '{ // mine\n "a": 1 }',
    '[]',
    '{"a":1,"a":2}',
    '{"a":',
    '{"hooks":[]}',
    '{"hooks":{"PreToolUse":7}}',
  ])
    assert.equal(withHooks(text, 'claude-code', COMMAND).ok, false, text);
});

test('sees that an agent is told to run no hooks', () => {
  assert.equal(hooksAreOff('{"disableAllHooks": true}'), true);
  assert.equal(hooksAreOff('{"disableAllHooks": false}'), false);
});
