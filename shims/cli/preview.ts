import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import { unreachable } from '../../electron/core/result.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleJson, visibleLine } from '../../electron/wire/terminal-text.ts';
import { EXIT } from './exit-codes.ts';
import { finishCommit, hasCommit, undoCommit } from './preview-commit.ts';
import { keptPreviews, openPreviewFolder, previewsIn, removePreviewFolder } from './preview-folder.ts';
import { sayConflicts } from './preview-settle.ts';

export const HELP = `countersign preview — previews that were left behind

  countersign run --preview -- CMD     run CMD on a copy, see what it would do, then commit or discard it
  countersign preview list [--json]    previews that were killed before they were settled
  countersign preview finish ID        complete a commit that was killed
  countersign preview undo ID          take back a commit that was killed: every file as it was before
  countersign preview discard ID       remove a preview; nothing of it was in your files

Exit codes: 0 done, 1 refused or only in part (what is left is said), 2 wrong use.`;

/** Runs `countersign preview`; returns the exit code. */
export async function preview(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  const [verb = 'list', id, ...more] = positionals;
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return EXIT.done;
  }
  const { state } = placesFrom(process.env, homedir());
  const say = (line: string) => process.stderr.write(`countersign: ${line}\n`);
  if (verb === 'list' && id === undefined) return list(state, values.json === true);
  if (!['finish', 'undo', 'discard'].includes(verb) || id === undefined || more.length > 0) {
    process.stderr.write(`${HELP}\n`);
    return EXIT.usage;
  }
  const folder = openPreviewFolder(state, id);
  if (!folder.ok) {
    if (verb === 'discard' && keptPreviews(state).includes(id)) {
      removePreviewFolder({ path: `${previewsIn(state)}/${id}` });
      return EXIT.done;
    }
    say(visibleLine(folder.error));
    return EXIT.refused;
  }
  if (verb === 'discard') {
    if (hasCommit(folder.value)) {
      say('a commit of it was begun; `finish` or `undo` it first');
      return EXIT.refused;
    }
    removePreviewFolder(folder.value);
    return EXIT.done;
  }
  const ended = verb === 'finish' ? finishCommit(folder.value) : undoCommit(folder.value);
  if (!ended.ok) {
    say(visibleLine(ended.error));
    return EXIT.refused;
  }
  switch (ended.value.kind) {
    case 'done':
    case 'undone':
      removePreviewFolder(folder.value);
      say(ended.value.kind === 'done' ? 'committed' : 'taken back; every file is as it was before');
      return EXIT.done;
    case 'torn':
      say('not all of it could be done; the preview is kept:');
      sayConflicts(ended.value, say);
      return EXIT.refused;
    default:
      return unreachable(ended.value);
  }
}

function list(state: string, json: boolean): number {
  const rows = keptPreviews(state).map((id) => {
    const folder = openPreviewFolder(state, id);
    if (!folder.ok) return { id, command: null, places: [], state: 'damaged' };
    return {
      id,
      command: folder.value.command.join(' '),
      places: folder.value.places.map(({ place }) => place),
      state: hasCommit(folder.value) ? 'commit was killed' : 'not settled',
    };
  });
  if (json) process.stdout.write(`${visibleJson(rows, 2)}\n`);
  else if (rows.length === 0) process.stdout.write('no preview was left behind\n');
  else
    for (const row of rows)
      process.stdout.write(`${row.id}  ${row.state}  ${visibleLine(row.command ?? '').slice(0, 80)}\n`);
  return EXIT.done;
}
