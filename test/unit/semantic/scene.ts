// A command line as an agent would send it, read through the real parsers and the real knowledge files.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Action } from '../../../electron/core/action.ts';
import type { ActionId, Digest, SessionId } from '../../../electron/core/brand.ts';
import type { Effect } from '../../../electron/core/effect.ts';
import type { Hasher } from '../../../electron/core/ports.ts';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { buildShellAction, type ShellSubmission } from '../../../electron/wire/shell-action.ts';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
export const HOME = '/home/user';
export const WORKSPACE = '/home/user/project';

const loaded = loadKnowledge(join(ROOT, 'resources', 'knowledge'));
if (!loaded.ok) throw new Error(`${loaded.error.where}: ${loaded.error.message}`);
export const knowledge = loaded.value;

export const hasher: Hasher = {
  sha256: (data) => createHash('sha256').update(data).digest('hex') as Digest,
};

export const submission: Omit<ShellSubmission, 'command'> = {
  id: 'act_00000000' as ActionId,
  sessionId: 'sess_00000000' as SessionId,
  at: 0,
  surface: 'shell',
  cwd: WORKSPACE,
  home: HOME,
  user: 'user',
  workspace: WORKSPACE,
  variables: { HOME, USER: 'user', TMPDIR: '/tmp' },
  dialect: 'bash',
  partsFollow: false,
  dependsOn: [],
  modifiedFrom: null,
};

export function actionOf(line: string, changes: Partial<ShellSubmission> = {}): Action {
  const built = buildShellAction({ ...submission, command: { line }, ...changes }, knowledge, hasher);
  assert.ok(built.ok, built.ok ? '' : built.error.message);
  return built.value;
}

/** What an effect must have; lists are subsets. */
export interface Wanted {
  readonly kind: Effect['kind'];
  readonly value?: string;
  readonly labels?: readonly string[];
  readonly tags?: readonly string[];
  readonly known?: boolean;
  readonly recursive?: boolean;
  readonly without?: readonly string[];
}

export function fits(effect: Effect, wanted: Wanted): boolean {
  return (
    effect.kind === wanted.kind &&
    (wanted.value === undefined || effect.object.value === wanted.value) &&
    (wanted.known === undefined || effect.object.known === wanted.known) &&
    (wanted.recursive === undefined || effect.recursive === wanted.recursive) &&
    (wanted.labels ?? []).every((label) => effect.object.labels.includes(label)) &&
    (wanted.tags ?? []).every((tag) => effect.tags.includes(tag)) &&
    !(wanted.without ?? []).some((word) => effect.object.labels.includes(word) || effect.tags.includes(word))
  );
}

export function shown(effects: readonly Effect[]): string {
  return effects
    .map(
      (e) =>
        `${e.kind} ${e.object.value} [${e.object.labels.join()}] #${e.tags.join()} ${e.recursive ? 'r' : ''}`,
    )
    .join('\n');
}

export function assertEffect(line: string, wanted: Wanted): void {
  const { effects } = actionOf(line);
  assert.ok(
    effects.some((effect) => fits(effect, wanted)),
    `${line}\nwants ${JSON.stringify(wanted)}\nhas\n${shown(effects)}`,
  );
}

export function assertNoEffect(line: string, unwanted: Wanted): void {
  const { effects } = actionOf(line);
  assert.ok(!effects.some((effect) => fits(effect, unwanted)), `${line}\nhas\n${shown(effects)}`);
}
