import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ActionId, SessionId } from '../../../electron/core/brand.ts';
import { unseenByParts } from '../../../electron/core/parts.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { buildShellAction } from '../../../electron/wire/shell-action.ts';

const knowledge = loadKnowledge(join(import.meta.dirname, '../../../resources/knowledge'));

/** What no second interception of the line's commands would show: `kind path`. */
function unseen(line: string): readonly string[] {
  assert.ok(knowledge.ok);
  const action = buildShellAction(
    {
      id: 'act_00000000' as ActionId,
      sessionId: 'sess_00000000' as SessionId,
      at: 0,
      surface: 'shell',
      command: { line },
      cwd: '/w',
      home: '/home/ada',
      user: 'ada',
      workspace: '/w',
      variables: { HOME: '/home/ada' },
      dialect: 'bash',
      partsFollow: true,
      dependsOn: [],
      modifiedFrom: null,
    },
    knowledge.value,
    nodeHasher,
  );
  assert.ok(action.ok);
  return [...new Set(unseenByParts(action.value).map((e) => `${e.kind} ${e.object.value}`))];
}

const rows: readonly [string, string, readonly string[]][] = [
  ['a group', '{ echo x; } > ~/.bashrc', ['write /home/ada/.bashrc']],
  ['a subshell', '( echo x ) >> ~/.bashrc', ['write /home/ada/.bashrc']],
  ['a loop’s output', 'for i in 1 2; do echo $i; done > ~/.bashrc', ['write /home/ada/.bashrc']],
  ['a loop’s input', 'while read -r l; do echo "$l"; done < ~/.ssh/id_rsa', ['read /home/ada/.ssh/id_rsa']],
  ['a condition', 'if true; then echo x; fi > ~/.bashrc', ['write /home/ada/.bashrc']],
  ['a case', 'case a in a) echo x;; esac > ~/.bashrc', ['write /home/ada/.bashrc']],
  ['a test, which runs no command', '[[ a ]] > ~/.bashrc', ['write /home/ada/.bashrc']],
  ['arithmetic, which runs no command', '(( 1 )) > ~/.bashrc', ['write /home/ada/.bashrc']],
  ['a function’s body', 'f() { echo x; } > ~/.bashrc; f', ['write /home/ada/.bashrc']],
  ['a group inside a shell of its own', "bash -c '{ echo x; } > ~/.bashrc'", ['write /home/ada/.bashrc']],
  ['a group’s socket', '{ echo x; } > /dev/tcp/h.example/80', ['connect h.example']],
  ['a command’s own redirection is seen with it', 'echo x > ~/.bashrc', []],
  ['a call’s own redirection is seen with it', 'f() { echo x; }; f > ~/.bashrc', []],
  ['nothing is written by /dev/null', '{ echo x; } > /dev/null 2>&1', []],
  ['a copied descriptor opens nothing', '{ echo x; } >&2', []],
  ['a here-string opens nothing', 'while read -r l; do echo x; done <<< a', []],
  ['what the commands themselves do is seen', '{ rm -rf a; } > log', ['write /w/log']],
];
for (const [name, line, expected] of rows)
  test(`what the parts do not show: ${name}`, () => assert.deepEqual(unseen(line), expected));
