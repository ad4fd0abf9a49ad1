import { homedir } from 'node:os';
import type { ReceiptId } from '../../electron/core/brand.ts';
import { RESULTS } from '../../electron/core/decision.ts';
import type { Receipt, ReceiptKind } from '../../electron/core/receipt/receipt.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import {
  type LedgerReader,
  openLedgerReader,
  type ReceiptFilter,
} from '../../electron/edge/ledger-reader.ts';
import { ANSI_STYLE, PLAIN_STYLE } from '../../electron/wire/approval-text.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { rowLine } from '../../electron/wire/receipt-line.ts';
import { receiptLines } from '../../electron/wire/receipt-text.ts';
import { answeredBy, type ReceiptRow, receiptRow } from '../../electron/wire/receipt-view.ts';
import { visibleJson } from '../../electron/wire/terminal-text.ts';
import {
  clockText,
  complain,
  momentOf,
  printOut,
  readWords,
  showHelp,
  unknownVerb,
  wrongUse,
} from './command-words.ts';
import { nearestName } from './commands.ts';
import { EXIT } from './exit-codes.ts';
import { findSession, ledgerDirectory, originsOf, relativesOf } from './ledger-view.ts';
import { sealOf } from './receipt-seal.ts';

export const HELP = `countersign receipts — what was decided, and what came of it

  countersign receipts list                 the last actions, newest last, one line each
  countersign receipts list --since 2h --decision DENY
  countersign receipts list --session SESS --tool shell --limit 200
  countersign receipts list --all           every receipt: outcomes, approvals and checkpoints on lines of their own
  countersign receipts show 41              one receipt whole, by place or id, its seal checked
  countersign receipts follow               as they come, until ^C

Each takes --json. --since and --until take 30m, 2h, 3d or 2026-11-20T09:00; --kind takes ${'`'}decision${'`'}, ${'`'}outcome${'`'}, …
The daemon need not run. What \`list\` shows is read as it stands; \`countersign verify\` proves it.
Exit codes: 0 done, 1 no such receipt, 2 wrong use, 4 there is no ledger to read.`;

const KINDS: readonly ReceiptKind[] = [
  'genesis',
  'session',
  'decision',
  'deferral',
  'approval',
  'outcome',
  'refusal',
  'policy',
  'key',
  'checkpoint',
  'lifecycle',
  'credential',
];
const DEFAULT_LIMIT = 30;
const MAX_LIMIT = 100_000;
const PAGE = 500;

const OPTIONS = {
  session: { type: 'string' },
  decision: { type: 'string' },
  kind: { type: 'string' },
  tool: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  limit: { type: 'string' },
  all: { type: 'boolean' },
} as const;

type Given = Partial<Record<keyof typeof OPTIONS | 'json' | 'help', string | boolean>>;

/** Runs `countersign receipts`; returns the exit code. */
export async function receipts(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, OPTIONS);
  if (!words.ok) return wrongUse('receipts', words.error);
  const { values, positionals } = words.value;
  if (values.help) return showHelp(HELP);
  const [verb, which, ...rest] = positionals;
  const verbs = ['list', 'show', 'follow'];
  if (verb === undefined || !verbs.includes(verb)) return unknownVerb('receipts', verb, verbs);
  const extra = verb === 'show' ? rest[0] : which;
  if (extra !== undefined) return wrongUse('receipts', `unexpected \`${extra.slice(0, 80)}\``);
  if (verb === 'show' && which === undefined)
    return wrongUse('receipts', '`receipts show` needs the place or the id of a receipt');
  const opened = openLedgerReader(ledgerDirectory(placesFrom(process.env, homedir())));
  if (!opened.ok)
    return complain(
      opened.error.code === 'missing'
        ? 'there is no ledger yet; `countersign run -- bash` starts a session that writes one'
        : `the ledger cannot be read: ${opened.error.message}`,
      EXIT.unreadable,
    );
  const reader = opened.value;
  try {
    if (verb === 'show') return await show(reader, which ?? '', values.json === true);
    const filter = filterOf(reader, values, Date.now());
    if (!filter.ok) return wrongUse('receipts', filter.error);
    return verb === 'list'
      ? await list(reader, filter.value, values)
      : await follow(reader, filter.value, values.json === true);
  } finally {
    reader.close();
  }
}

function filterOf(reader: LedgerReader, given: Given, now: number): Result<ReceiptFilter, string> {
  const text = (name: keyof typeof OPTIONS): string | undefined => {
    const value = given[name];
    return typeof value === 'string' ? value : undefined;
  };
  const decision = text('decision')?.toUpperCase().replace('-', '_');
  if (decision !== undefined && !RESULTS.some((r) => r === decision))
    return err(
      `no decision \`${decision.slice(0, 40)}\`${meant(decision, RESULTS)} they are ${RESULTS.join(', ')}`,
    );
  const given_ = text('kind');
  const kind = KINDS.find((k) => k === given_);
  if (given_ !== undefined && kind === undefined)
    return err(
      `no kind of receipt \`${given_.slice(0, 40)}\`${meant(given_, KINDS)} they are ${KINDS.join(', ')}`,
    );
  const moment = (name: 'since' | 'until'): Result<number | undefined, string> => {
    const said = text(name);
    const at = said === undefined ? undefined : momentOf(said, now);
    return at === null
      ? err(`\`--${name}\` takes 30m, 2h, 3d or a time like 2026-11-20T09:00, not \`${said?.slice(0, 40)}\``)
      : ok(at);
  };
  const since = moment('since');
  if (!since.ok) return since;
  const until = moment('until');
  if (!until.ok) return until;
  const asked = text('session');
  const session = asked === undefined ? undefined : findSession(reader, asked);
  if (session !== undefined && !session.ok) return session;
  const tool = text('tool');
  return ok({
    ...(decision === undefined ? {} : { decision }),
    ...(kind === undefined ? {} : { kind }),
    ...(since.value === undefined ? {} : { since: since.value }),
    ...(until.value === undefined ? {} : { until: until.value }),
    ...(session === undefined ? {} : { session: session.value }),
    ...(tool === undefined ? {} : { tool }),
  });
}

const meant = (given: string, known: readonly string[]): string => {
  const near = nearestName(given, known);
  return near === null ? ';' : `; did you mean \`${near}\`?`;
};

/** What is no line of its own unless asked for: an outcome stands behind what it is the outcome of. */
const HIDDEN: ReadonlySet<string> = new Set(['outcome', 'checkpoint']);

/** The newest receipts that fit, oldest first; answers to a question that is itself listed stand on its line. */
export function gather(
  reader: LedgerReader,
  filter: ReceiptFilter,
  options: { readonly limit: number; readonly every: boolean },
): readonly ReceiptRow[] {
  const asked = options.every || filter.kind !== undefined;
  const chosen: Receipt[] = [];
  let before: number | undefined;
  while (chosen.length < options.limit) {
    const page = reader.list(filter, { limit: PAGE, ...(before === undefined ? {} : { before }) });
    for (const receipt of page)
      if ((asked || !HIDDEN.has(receipt.receipt.kind)) && chosen.length < options.limit) chosen.push(receipt);
    before = page.at(-1)?.receipt.seq;
    if (before === undefined || page.length < PAGE) break;
  }
  const listed = new Set<string>(chosen.map((r) => r.receipt.id));
  const shown = asked ? chosen : chosen.filter((r) => !listed.has(answeredBy(r) ?? ''));
  return shown.toReversed().map((receipt) => receiptRow(receipt, relativesOf(reader, receipt)));
}

async function list(reader: LedgerReader, filter: ReceiptFilter, given: Given): Promise<number> {
  const limit = given.limit === undefined ? DEFAULT_LIMIT : Number(given.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    return wrongUse('receipts', `\`--limit\` takes a number from 1 to ${MAX_LIMIT}`);
  const rows = gather(reader, filter, { limit, every: given.all === true });
  if (given.json === true) {
    await printOut(`${visibleJson(rows, 2)}\n`);
    return EXIT.done;
  }
  if (rows.length === 0) {
    process.stderr.write('countersign: no receipt fits\n');
    return EXIT.done;
  }
  const screen = screenNow();
  for (const row of rows) await printOut(`${rowLine(row, screen)}\n`);
  return EXIT.done;
}

/** Colours and width of the terminal; a pipe gets whole lines without colours. */
function screenNow() {
  const { isTTY, columns } = process.stdout;
  return {
    style: isTTY ? ANSI_STYLE : PLAIN_STYLE,
    width: isTTY ? (columns ?? 120) : null,
    clock: clockText,
  };
}

async function show(reader: LedgerReader, which: string, json: boolean): Promise<number> {
  const place = which.replace(/^#/, '');
  const receipt = /^\d{1,15}$/.test(place) ? reader.show(Number(place)) : reader.show(which as ReceiptId);
  if (receipt === null)
    return complain(
      `no receipt \`${which.slice(0, 80)}\`; the ledger has places 0 to ${reader.size() - 1}, and \`countersign receipts list\` shows them`,
    );
  const relatives = relativesOf(reader, receipt);
  const origins = originsOf(reader, receipt);
  const seal = sealOf(reader, receipt);
  if (json) {
    const links = {
      answers: origins.map((r) => r.receipt.id),
      endings: relatives.endings.map((r) => r.receipt.id),
      outcome: relatives.outcome?.receipt.id ?? null,
    };
    await printOut(`${visibleJson({ ...receipt, seal, links, outcome: relatives.outcome }, 2)}\n`);
  } else await printOut(`${receiptLines({ receipt, relatives, origins, seal }, screenNow()).join('\n')}\n`);
  return seal.verdict === 'verified' ? EXIT.done : EXIT.refused;
}

async function follow(reader: LedgerReader, filter: ReceiptFilter, json: boolean): Promise<number> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const screen = screenNow();
  const options = { after: reader.size() - 1, signal: stopping.signal };
  for await (const receipt of reader.follow(filter, options)) {
    if (receipt.receipt.kind === 'checkpoint' && filter.kind === undefined) continue;
    // Alone: what will come of it is a line of its own when it comes.
    const row = receiptRow(receipt, { endings: [], outcome: null });
    await printOut(json ? `${visibleJson(row)}\n` : `${rowLine(row, screen)}\n`);
  }
  return EXIT.done;
}
