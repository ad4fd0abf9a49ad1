// A person's documents are kept when a program deletes them; what tools do with their own files passes as it is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Decision } from '../../../electron/core/decision.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { nodeHasher } from '../../../electron/edge/hasher.ts';
import { buildFileAction } from '../../../electron/wire/file-action.ts';
import type { FileOperation } from '../../../electron/wire/guard-message.ts';
import { exactly } from '../../../electron/wire/octets.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from '../../../shims/cli/policy-facts.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { HOME, knowledge, ROOT, WORKSPACE } from '../semantic/scene.ts';

type Row = readonly [path: string, operation?: FileOperation];

let decide: (row: Row) => Pick<Decision, 'result' | 'rule' | 'modify'>;
before(async () => {
  const policy = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
  assert.ok(policy.ok);
  decide = ([path, operation = 'delete']) => {
    const action = buildFileAction(
      {
        id: NO_ACTION,
        sessionId: NO_SESSION,
        at: 1,
        place: { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' },
        own: [],
        by: exactly('/usr/bin/python3'),
        modifiedFrom: null,
        operation,
        path: exactly(path.replace(/^~/, HOME)),
        destination: operation === 'rename' ? exactly(`${HOME}/x`) : null,
        flags: null,
        veiled: [],
        byContent: () => false,
        recursive: false,
        ownUse: false,
        surface: 'guard',
      },
      knowledge.paths,
      nodeHasher,
    );
    const around = {
      intent: null,
      workspace: WORKSPACE,
      home: HOME,
      user: 'user',
      uid: 1000,
      at: 1,
      environment: [],
    };
    return evaluate(policy.value, firstFacts(action, around));
  };
});

describe('moves to the trash', () => {
  const kept: readonly Row[] = [
    ['~/Documents/thesis/chapter one.odt'],
    ['~/Documents/notes'],
    ['~/Documents/data.csv'],
    ['~/Desktop/todo.txt'],
    ['~/Downloads/invoice.pdf'],
    ['~/Pictures/2019/a.jpg'],
    ['~/notes.md'],
    ['~/taxes/2025/Return.PDF'],
  ];
  for (const row of kept)
    test(row[0], () => {
      const { result, rule, modify } = decide(row);
      assert.deepEqual([result, rule, modify?.name], ['MODIFY', 'home.document-to-trash', 'delete-to-trash']);
    });
});

describe('leaves alone', () => {
  const calm: readonly Row[] = [
    ['~/.config/tool/state.json'],
    ['~/.local/state/tool/session'],
    ['~/.local/share/tool/history.db-journal'],
    ['~/.cache/pip/wheels/a.whl'],
    ['~/.cache/manual.pdf'],
    ['~/.claude.json.tmp.4711.1700000000'],
    ['~/.claude.json.lock'],
    ['~/.npm/_locks/x.lock'],
    ['~/.local/share/tool/sessions/rollout.jsonl'],
    ['~/.bash_history.lock'],
    ['~/.Xauthority-l'],
    ['~/Documents/.~lock.thesis.odt#'],
    ['~/Documents/thesis.odt.lock'],
    ['~/Documents/thesis.odt~'],
    ['~/Documents/notes.txt.tmp'],
    ['~/Documents/.notes.swp'],
    ['~/Documents/site/node_modules/a/README.md'],
    ['~/Documents/site/.git/index.lock'],
    ['~/Documents/site/dist/index.html'],
    ['~/Downloads/big.iso.part'],
    ['~/src/other/main.o'],
    ['~/src/other/notes.txt'],
    ['~/go/pkg/mod/x/doc.pdf'],
    ['~/Documents/empty', 'rmdir'],
    ['~/Documents/thesis.odt', 'rename'],
    ['~/Documents/thesis.odt', 'write'],
    [`${WORKSPACE}/report.pdf`],
    ['/tmp/build/report.pdf'],
    ['/var/tmp/report.pdf'],
    ['~/.local/share/Trash/info/a.trashinfo'],
  ];
  for (const row of calm)
    test(row.join(', '), () => {
      const { result, rule } = decide(row);
      assert.deepEqual([result, rule], ['ALLOW', null]);
    });
});

test('asks before something in the trash is deleted for good', () => {
  for (const path of ['~/.local/share/Trash/files/thesis.odt', '/mnt/data/.Trash-1000/files/a/b'])
    assert.deepEqual([decide([path]).result, decide([path]).rule], ['STEP_UP', 'home.trash-emptied']);
});

test('speaks about every rule of the pack', () => {
  const text = readFileSync(join(ROOT, 'resources/policies/home-files.yaml'), 'utf8');
  const rules = [...text.matchAll(/^ {2}- id: (\S+)$/gm)].map((found) => found[1]);
  assert.deepEqual(rules, ['home.document-to-trash', 'home.trash-emptied']);
});
