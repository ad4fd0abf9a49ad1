import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { effectsOf, type LayerEntry, planCommit, withMoves } from '../../electron/core/preview.ts';
import { err, ok, type Result, unreachable } from '../../electron/core/result.ts';
import { previewReportedSchema } from '../../electron/wire/control.ts';
import { visibleJson, visibleLine } from '../../electron/wire/terminal-text.ts';
import { type ControlCall, type ControlConnection, callFor } from './control-client.ts';
import { type CommitEnd, commitPreview } from './preview-commit.ts';
import { type PreviewFolder, removePreviewFolder } from './preview-folder.ts';
import { digestOf, listLayers } from './preview-tree.ts';
import {
  type PlaceEffects,
  type PreviewReport,
  previewJson,
  previewLines,
  shownPath,
} from './preview-view.ts';

/** What happens to a preview when the command is over. */
export type PreviewChoice = 'ask' | 'commit' | 'discard';

export interface PreviewEnd {
  readonly folder: PreviewFolder;
  /** The first so many places are what the session works on; the others are caches of tools, of which a count is enough. */
  readonly workspaces: number;
  readonly choice: PreviewChoice;
  readonly json: boolean;
  readonly onTerminal: boolean;
  readonly guard: string;
  readonly session: string;
  readonly control: ControlConnection;
  readonly say: (line: string) => void;
}

const MAX_SAMPLE = 64;
type Step = Extract<ControlCall, { type: 'preview.report' }>['step'];

/**
 * Shows what a preview would do, asks a person (on a terminal) what is to become of it, and does that. Each step is a receipt, and the one that
 * a commit is about to happen is durable before it does. False: it was to be committed and is not.
 */
export async function settlePreview(end: PreviewEnd): Promise<boolean> {
  const { folder, say } = end;
  const seen = look(end);
  if (!seen.ok) {
    say(`${visibleLine(seen.error)}; nothing of it is kept`);
    await tell(end, 'discarded', [], seen.error);
    removePreviewFolder(folder);
    return end.choice !== 'commit';
  }
  const shown = await tell(end, 'shown', seen.value, null);
  const report: PreviewReport = { places: seen.value, attempts: shown.ok ? shown.value : [] };
  if (!shown.ok) say(`what it tried outside is not known: ${visibleLine(shown.error)}`);
  if (end.json) process.stdout.write(`${visibleJson(previewJson(report))}\n`);
  else print(previewLines(report, { whole: false }));
  const nothing = report.places.every((place) => place.effects.length === 0);
  const choice = nothing ? 'discard' : await choose(end, report);
  if (choice === 'discard') {
    await tell(end, 'discarded', seen.value, null);
    removePreviewFolder(folder);
    if (!nothing && !end.json) say('discarded; nothing was changed');
    return nothing || end.choice !== 'commit';
  }
  return commit(end, seen.value);
}

function print(lines: readonly string[]): void {
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
}

/** Reads every layer; a place that was no folder has none. */
function look(end: PreviewEnd): Result<readonly PlaceEffects[], string> {
  const places: PlaceEffects[] = [];
  for (const [n, layers] of end.folder.places.entries()) {
    const listed = entriesOf(end, n);
    if (!listed.ok) return listed;
    const digests = new Map<string, string | null>();
    const digest = (path: string, layer: 'upper' | 'lower'): string | null => {
      const key = `${layer}\0${path}`;
      const known = digests.get(key);
      if (known !== undefined) return known;
      const fresh = digestOf(layer === 'upper' ? layers.upper : layers.place, path);
      digests.set(key, fresh);
      return fresh;
    };
    places.push({
      layers,
      effects: withMoves(effectsOf(listed.value), digest),
      attributes: listed.value
        .filter((entry) => entry.attributes && entry.upper !== null)
        .map(({ path }) => path),
      brief: n >= end.workspaces,
    });
  }
  return ok(places);
}

function entriesOf(end: PreviewEnd, n: number): Result<readonly LayerEntry[], string> {
  const layers = end.folder.places[n];
  if (layers === undefined || !existsSync(layers.upper)) return ok([]);
  return listLayers(end.guard, layers);
}

async function choose(end: PreviewEnd, report: PreviewReport): Promise<'commit' | 'discard'> {
  if (end.choice !== 'ask') return end.choice;
  if (!end.onTerminal) return 'discard';
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    for (;;) {
      const answer = (await asking.question('countersign: commit, discard or show? [discard] '))
        .trim()
        .toLowerCase();
      if (answer === 'commit' || answer === 'c') return 'commit';
      if (answer === '' || answer === 'discard' || answer === 'd') return 'discard';
      if (answer === 'show' || answer === 's') print(previewLines(report, { whole: true }));
    }
  } catch {
    // The terminal is gone.
    return 'discard';
  } finally {
    asking.close();
  }
}

/** What the place is now is looked at again: the person may have thought for an hour. */
async function commit(end: PreviewEnd, seen: readonly PlaceEffects[]): Promise<boolean> {
  const { folder, say } = end;
  const plans = [];
  for (const n of folder.places.keys()) {
    const listed = entriesOf(end, n);
    if (!listed.ok)
      return given(end, seen, { kind: 'undone', conflicts: [{ path: '', reason: listed.error }] });
    const plan = planCommit(listed.value, folder.startedNs);
    if (!plan.ok) return given(end, seen, { kind: 'undone', conflicts: plan.conflicts });
    plans.push(plan.steps);
  }
  const recorded = await tell(end, 'commit', seen, null);
  if (!recorded.ok) {
    say(`not committed, because it could not be recorded: ${visibleLine(recorded.error)}`);
    removePreviewFolder(folder);
    return false;
  }
  return given(end, seen, commitPreview(folder, plans));
}

async function given(end: PreviewEnd, seen: readonly PlaceEffects[], how: CommitEnd): Promise<boolean> {
  const { folder, say } = end;
  switch (how.kind) {
    case 'done':
      await tell(end, 'committed', seen, null);
      removePreviewFolder(folder);
      if (!end.json) say(`committed: ${how.steps} ${how.steps === 1 ? 'name' : 'names'}`);
      return true;
    case 'undone':
      say('not committed, and nothing was changed:');
      sayConflicts(how, say);
      await tell(end, 'conflict', seen, noteOf(how));
      removePreviewFolder(folder);
      return false;
    case 'torn':
      say(
        `the commit stands half; \`countersign preview finish ${folder.id}\` completes it, \`undo ${folder.id}\` takes it back:`,
      );
      sayConflicts(how, say);
      await tell(end, 'torn', seen, noteOf(how));
      return false;
    default:
      return unreachable(how);
  }
}

/** Says each conflict of a commit on a line of its own. */
export function sayConflicts(how: Exclude<CommitEnd, { kind: 'done' }>, say: (line: string) => void): void {
  for (const { path, reason } of how.conflicts.slice(0, 50))
    say(`  ${shownPath(path)}: ${visibleLine(reason)}`);
  if (how.conflicts.length > 50) say(`  and ${how.conflicts.length - 50} more`);
}

function noteOf(how: Exclude<CommitEnd, { kind: 'done' }>): string {
  return how.conflicts
    .slice(0, 8)
    .map(({ path, reason }) => `${shownPath(path)}: ${reason}`)
    .join('; ')
    .slice(0, 4000);
}

/** Records a step at the daemon; what was tried outside, as far as it is known. */
async function tell(
  end: PreviewEnd,
  step: Step,
  seen: readonly PlaceEffects[],
  note: string | null,
): Promise<Result<readonly string[], string>> {
  const changes = seen.flatMap(({ layers, effects }) =>
    effects.map((effect) => {
      const from = effect.kind === 'moved' ? `${shownPath(effect.from)} → ` : '';
      return `${effect.kind} ${from}${layers.place}/${shownPath(effect.path)}`;
    }),
  );
  const told = await callFor(
    end.control,
    {
      type: 'preview.report',
      session: end.session,
      step,
      changes: changes.length,
      digest: createHash('sha256').update(changes.join('\n')).digest('hex'),
      sample: changes.slice(0, MAX_SAMPLE).map((change) => change.slice(0, 1024)),
      places: end.folder.places.map(({ place }) => place),
      note: note === null ? null : note.slice(0, 4096),
    },
    previewReportedSchema,
  );
  return told.ok ? ok(told.value.attempts) : err(told.error.message);
}
