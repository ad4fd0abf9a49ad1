import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { type BacktestReport, backtest } from '../../electron/core/policy/backtest.ts';
import type { CompiledPolicy } from '../../electron/core/policy/compile.ts';
import { evaluate } from '../../electron/core/policy/evaluate.ts';
import { openLedgerReader, type ReceiptFilter } from '../../electron/edge/ledger-reader.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { backtestJson, backtestLines } from '../../electron/wire/policy-report.ts';
import { actionTextOf } from '../../electron/wire/receipt-view.ts';
import { clip, visibleJson, visibleLine } from '../../electron/wire/terminal-text.ts';
import { complain, momentOf, printOut, readWords, showHelp, wrongUse } from './command-words.ts';
import { EXIT } from './exit-codes.ts';
import { ledgerDirectory } from './ledger-view.ts';
import { loadChoice, loadJudgement, ownPolicy } from './policy-source.ts';
import { isFirstWord, type NotReplayed, type Replayable, rebuilder } from './recorded-decision.ts';

const HELP = `countersign policy backtest --policy DIR|FILE — what another set would have decided otherwise

  countersign policy backtest --policy my-rules.yaml            your rules together with the packs
  countersign policy backtest --policy ./packs --since 7d       the last week
  countersign policy backtest --policy ./packs --json

Replays the recorded commands with the facts of their time. What a receipt does not keep (values of variables, facts about the
repository) cannot be replayed; how many such there are is said. Nothing is armed and nothing is executed.
Exit codes: 0 done, 1 the set is refused, 2 wrong use, 4 there is no ledger to read.`;

const PAGE = 500;
/** Each change is a line for a person; past so many nobody reads on, and the counts say the rest. */
const MAX_CHANGES = 10_000;

/** Why recorded actions are not in the comparison, with how many. */
type Left = Record<NotReplayed | 'facts_not_kept', number>;

const WHY: Readonly<Record<keyof Left, string>> = {
  not_a_command: 'are no commands',
  cut: 'are longer than what a receipt keeps',
  read_differently: 'read differently today: they used variables, or the reader changed',
  malformed: 'are not what the daemon writes',
  facts_not_kept: 'were decided by facts that a receipt does not keep',
};

interface Outcome {
  report: BacktestReport;
  /** The command of each change, by its action's id. */
  readonly texts: Map<string, string>;
  readonly left: Left;
}

/** Runs `countersign policy backtest`; returns the exit code. */
export async function backtestLedger(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, { policy: { type: 'string', multiple: true }, since: { type: 'string' } });
  if (!words.ok) return wrongUse('policy backtest', words.error);
  const { values, positionals } = words.value;
  if (values.help) return showHelp(HELP);
  if (positionals[0] !== undefined)
    return wrongUse(
      'policy backtest',
      `unexpected \`${positionals[0].slice(0, 80)}\`; the other set is given with \`--policy\``,
    );
  if (values.policy === undefined) return wrongUse('policy backtest', 'say which other set: `--policy DIR`');
  const since = values.since === undefined ? undefined : momentOf(values.since, Date.now());
  if (since === null)
    return wrongUse(
      'policy backtest',
      `\`--since\` takes 30m, 2h, 3d or a time like 2026-11-20T09:00, not \`${values.since?.slice(0, 40)}\``,
    );
  const judgement = await loadJudgement(values.policy.map((path) => resolve(path)));
  if (judgement === null) return EXIT.refused;
  const own = await loadChoice(ownPolicy());
  const opened = openLedgerReader(ledgerDirectory(placesFrom(process.env, homedir())));
  if (!opened.ok)
    return complain(
      opened.error.code === 'missing'
        ? 'there is no ledger yet'
        : `the ledger cannot be read: ${opened.error.message}`,
      EXIT.unreadable,
    );
  const reader = opened.value;
  const outcome = emptyOutcome();
  try {
    const rebuild = rebuilder(reader, judgement.knowledge, homedir());
    const filter: ReceiptFilter = since === undefined ? {} : { since };
    for (let after = -1; ; ) {
      const page = reader.list(filter, { limit: PAGE, after });
      const replayable: Replayable[] = [];
      for (const receipt of page) {
        after = receipt.receipt.seq;
        if (!isFirstWord(receipt)) continue;
        const rebuilt = rebuild.rebuild(receipt);
        if (!rebuilt.ok) outcome.left[rebuilt.error] += 1;
        else if (own.ok && !isReproduced(rebuilt.value, own.value)) outcome.left.facts_not_kept += 1;
        else replayable.push(rebuilt.value);
      }
      add(outcome, backtest(replayable, judgement.policy), replayable);
      if (page.length < PAGE) break;
    }
  } finally {
    reader.close();
  }
  await printOut(
    values.json
      ? `${visibleJson(outcomeJson(outcome))}\n`
      : `${outcomeLines(outcome, judgement.what).join('\n')}\n`,
  );
  return EXIT.done;
}

function emptyOutcome(): Outcome {
  return {
    report: { total: 0, unchanged: 0, transitions: {}, changes: [] },
    texts: new Map(),
    left: { not_a_command: 0, cut: 0, read_differently: 0, malformed: 0, facts_not_kept: 0 },
  };
}

/**
 * Whether the set that decided, asked again with the rebuilt facts, decides the same. When not, something that was known then is
 * missing now, and a difference to the other set would be blamed on the wrong thing. A set that is no longer here cannot be asked.
 */
function isReproduced(recorded: Replayable, own: CompiledPolicy): boolean {
  if (recorded.policyHash !== own.set.hash) return true;
  const again = evaluate(own, recorded.facts);
  return again.result === recorded.decision.result && again.rule === recorded.decision.rule;
}

function add(outcome: Outcome, part: BacktestReport, replayed: readonly Replayable[]): void {
  const { total, unchanged, transitions, changes } = outcome.report;
  const sums: Record<string, number> = { ...transitions };
  for (const [arrow, count] of Object.entries(part.transitions)) sums[arrow] = (sums[arrow] ?? 0) + count;
  const room = Math.max(0, MAX_CHANGES - changes.length);
  const shown = part.changes
    .slice(0, room)
    .map((change) => ({ ...change, index: replayed[change.index]?.seq ?? -1 }));
  for (const change of part.changes.slice(0, room)) {
    const facts = replayed[change.index]?.facts;
    if (facts !== undefined)
      outcome.texts.set(change.actionId, actionTextOf({ parameters: facts.action.parameters }));
  }
  outcome.report = {
    total: total + part.total,
    unchanged: unchanged + part.unchanged,
    transitions: sums,
    changes: [...changes, ...shown],
  };
}

function outcomeLines({ report, texts, left }: Outcome, what: string): readonly string[] {
  const changed = report.total - report.unchanged;
  const lines = backtestLines(report);
  // The lines after the head and the counts are one for each change, in order.
  const head = lines.slice(0, lines.length - report.changes.length);
  const each = lines.slice(lines.length - report.changes.length).flatMap((line, at) => {
    const change = report.changes[at];
    const text = change === undefined ? '' : (texts.get(change.actionId) ?? '');
    return [`#${change?.index ?? '?'} ${line}`, `    ${clip(visibleLine(text), 140)}`];
  });
  const unread = Object.entries(left).filter(([, count]) => count > 0);
  return [
    `against ${what}`,
    ...head,
    ...each,
    ...(changed > report.changes.length ? [`… and ${changed - report.changes.length} more changes`] : []),
    ...unread.map(([why, count]) => `not replayed: ${count} ${WHY[why as keyof Left]}`),
  ];
}

function outcomeJson({ report, texts, left }: Outcome) {
  const { changes } = report;
  return {
    ...backtestJson(report),
    changed: report.total - report.unchanged,
    changes: changes.map((change) => ({
      receipt: change.index,
      action: change.actionId,
      command: texts.get(change.actionId) ?? null,
      direction: change.direction,
      before: { ...change.before },
      after: { ...change.after },
    })),
    not_replayed: left,
  };
}
