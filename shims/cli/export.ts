import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { z } from 'zod';
import type { BundleScope } from '../../electron/core/receipt/bundle.ts';
import type { Checkpoint } from '../../electron/core/receipt/checkpoint.ts';
import { checkpointIn } from '../../electron/core/receipt/walk.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { type ExportFault, exportLedger } from '../../electron/edge/ledger-export.ts';
import { type LedgerReader, openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import { type Places, placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { complain, momentOf, printOut, readWords, showHelp, wrongUse } from './command-words.ts';
import { callFor, connectControl } from './control-client.ts';
import { EXIT } from './exit-codes.ts';
import { findSession, ledgerDirectory } from './ledger-view.ts';

export const HELP = `countersign export — evidence that a stranger can verify

  countersign export --out evidence.jsonl               the whole ledger
  countersign export --session SESS --out s.jsonl       one session
  countersign export --from 120 --to 180 --out part.jsonl
  countersign export --from 2h --out - | gzip > last-hours.jsonl.gz

--from and --to take a receipt's place (its neighbours of the same time come with it), or 30m, 2h, 3d, or a time like
2026-11-20T09:00. \`countersign verify FILE\` checks a bundle anywhere, without a ledger or this installation.
Exit codes: 0 done, 1 nothing to export or the ledger is damaged, 2 wrong use, 4 there is no ledger to read.`;

/** Runs `countersign export`; returns the exit code. */
export async function exportCommand(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, {
    session: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    out: { type: 'string' },
  });
  if (!words.ok) return wrongUse('export', words.error);
  const { values, positionals } = words.value;
  if (values.help) return showHelp(HELP);
  if (positionals[0] !== undefined)
    return wrongUse(
      'export',
      `unexpected \`${positionals[0].slice(0, 80)}\`; a file is given with \`--out\``,
    );
  const places = placesFrom(process.env, homedir());
  const dir = ledgerDirectory(places);
  const opened = openLedgerReader(dir);
  if (!opened.ok)
    return complain(
      opened.error.code === 'missing'
        ? 'there is no ledger yet'
        : `the ledger cannot be read: ${opened.error.message}`,
      EXIT.unreadable,
    );
  let scope: Result<BundleScope, string>;
  try {
    scope = scopeOf(opened.value, values, Date.now());
  } finally {
    opened.value.close();
  }
  if (!scope.ok) return wrongUse('export', scope.error);
  const checkpoint = await freshCheckpoint(places);
  const out = values.out ?? '-';
  const sink = out === '-' ? standardOutput() : file(out);
  if (!sink.ok) return complain(sink.error);
  const lines = exportLedger({ dir, scope: scope.value, ...(checkpoint === null ? {} : { checkpoint }) });
  for (;;) {
    const next = lines.next();
    if (next.done !== true) {
      const written = await sink.value.write(next.value);
      if (written.ok) continue;
      sink.value.abandon();
      return complain(written.error);
    }
    if (!next.value.ok) {
      sink.value.abandon();
      return complain(faultText(next.value.error));
    }
    const kept = sink.value.keep();
    if (!kept.ok) return complain(kept.error);
    const { receipts, context, uncovered } = next.value.value;
    const to = out === '-' ? '' : ` to ${visibleLine(out)}`;
    process.stderr.write(`countersign: exported ${receipts} receipts and ${context} context entries${to}\n`);
    // A ledger at rest ends with the receipt of its last checkpoint, which covers all the others.
    if (uncovered > (endsInCheckpoint(dir) ? 1 : 0))
      process.stderr.write(
        `countersign: the newest ${uncovered} receipts in scope are not in it: no checkpoint covers them yet. \`countersign daemon start\`, and export again\n`,
      );
    return EXIT.done;
  }
}

const checkpointSchema = z.object({ checkpoint: z.json() });

/** Asks a running daemon to sign for the ledger as it is now; null when none runs or it will not, and the newest one kept must do. */
async function freshCheckpoint(places: Places): Promise<Checkpoint | null> {
  const connected = await connectControl(places);
  if (!connected.ok) return null;
  const reply = await callFor(connected.value, { type: 'ledger.checkpoint' }, checkpointSchema);
  connected.value.close();
  return reply.ok ? checkpointIn(reply.value) : null;
}

function endsInCheckpoint(dir: string): boolean {
  const opened = openLedgerReader(dir);
  if (!opened.ok) return false;
  const [newest] = opened.value.list({}, { limit: 1 });
  opened.value.close();
  return newest?.receipt.kind === 'checkpoint';
}

type Given = {
  readonly session?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
};

function scopeOf(reader: LedgerReader, given: Given, now: number): Result<BundleScope, string> {
  if (given.session !== undefined && (given.from !== undefined || given.to !== undefined))
    return err('a bundle is of a session or of a time: give `--session`, or `--from` and `--to`');
  if (given.session !== undefined) {
    const session = findSession(reader, given.session);
    return session.ok ? ok({ kind: 'session', session: session.value }) : session;
  }
  if (given.from === undefined && given.to === undefined) return ok({ kind: 'all' });
  const from = edgeOf(reader, 'from', given.from, given.to, now);
  if (!from.ok) return from;
  const to = edgeOf(reader, 'to', given.to, given.from, now);
  if (!to.ok) return to;
  if (from.value > to.value) return err('`--from` is after `--to`');
  // The keys come with every bundle; without this one would be made that shows nothing else.
  if (reader.list({ since: from.value, until: to.value }, { limit: 1 }).length === 0)
    return err('no receipt was recorded in that time');
  return ok({ kind: 'time', from: from.value, to: to.value });
}

const PAGE = 500;

/**
 * A moment, or for a place the time from (or up to) which that place and all after (before) it are covered: times may
 * lag a little behind places.
 */
function edgeOf(
  reader: LedgerReader,
  side: 'from' | 'to',
  given: string | undefined,
  other: string | undefined,
  now: number,
): Result<number, string> {
  if (given === undefined) return ok(side === 'from' ? 0 : Number.MAX_SAFE_INTEGER);
  if (!/^\d{1,15}$/.test(given)) {
    const at = momentOf(given, now);
    return at === null
      ? err(
          `\`--${side}\` takes a receipt's place, 30m, 2h, 3d, or a time like 2026-11-20T09:00, not \`${given.slice(0, 40)}\``,
        )
      : ok(at);
  }
  const seq = Number(given);
  if (reader.show(seq) === null)
    return err(`no receipt ${seq}; the ledger has places 0 to ${reader.size() - 1}`);
  const isPlace = other !== undefined && /^\d{1,15}$/.test(other);
  const end = isPlace ? Number(other) : side === 'from' ? reader.size() - 1 : 0;
  const [low, high] = side === 'from' ? [seq, Math.max(seq, end)] : [Math.min(seq, end), seq];
  let edge = side === 'from' ? Number.MAX_SAFE_INTEGER : 0;
  for (let after = low - 1; after < high; ) {
    const page = reader.list({}, { limit: PAGE, after });
    for (const { receipt } of page)
      if (receipt.seq <= high)
        edge = side === 'from' ? Math.min(edge, receipt.at) : Math.max(edge, receipt.at);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.receipt.seq;
  }
  return ok(edge);
}

function faultText(fault: ExportFault): string {
  if (fault.code === 'no_checkpoint')
    return 'nothing can be exported yet: the ledger has no checkpoint; `countersign daemon start`, and export again';
  const cure = fault.code === 'damaged' ? '; `countersign verify` says where' : '';
  return `not exported: ${visibleLine(fault.message)}${cure}`;
}

/** Where a bundle goes: what was written becomes the file only when all of it is. */
interface Sink {
  readonly write: (text: string) => Promise<Result<null, string>>;
  readonly keep: () => Result<null, string>;
  readonly abandon: () => void;
}

function standardOutput(): Result<Sink, string> {
  return ok({
    write: async (text) => {
      await printOut(text);
      return ok(null);
    },
    keep: () => ok(null),
    abandon: () => undefined,
  });
}

const GATHERED = 256 * 1024;

function file(path: string): Result<Sink, string> {
  const part = `${path}.part-${process.pid}`;
  const why = (cause: unknown) =>
    `\`${visibleLine(path)}\` cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'error'}); nothing was left there`;
  let descriptor: number;
  try {
    // Evidence of what somebody did is for the person who asked for it, until they hand it on.
    descriptor = openSync(part, 'wx', 0o600);
  } catch (cause) {
    return err(why(cause));
  }
  const abandon = () => {
    try {
      closeSync(descriptor);
    } catch {
      // Closed already.
    }
    rmSync(part, { force: true });
  };
  let held: string[] = [];
  let size = 0;
  const flush = () => {
    const bytes = Buffer.from(held.join(''));
    held = [];
    size = 0;
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
  };
  return ok({
    abandon,
    write: async (text) => {
      held.push(text);
      size += text.length;
      if (size < GATHERED) return ok(null);
      try {
        flush();
        return ok(null);
      } catch (cause) {
        return err(why(cause));
      }
    },
    keep: () => {
      try {
        flush();
        fsyncSync(descriptor);
        closeSync(descriptor);
        renameSync(part, path);
        return ok(null);
      } catch (cause) {
        abandon();
        return err(why(cause));
      }
    },
  });
}
