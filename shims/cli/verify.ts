import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Finding } from '../../electron/core/receipt/finding.ts';
import { isPublicKey, keyIdOf } from '../../electron/core/receipt/key-epoch.ts';
import type { SealReport } from '../../electron/core/receipt/report.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import { type CheckOptions, checkLedger, type LedgerSource } from '../../electron/edge/ledger-check.ts';
import { ledgerPath } from '../../electron/edge/ledger-file.ts';
import { type Places, placesFrom } from '../../electron/wire/places.ts';
import { visibleJson, visibleLine } from '../../electron/wire/terminal-text.ts';
import { complain, printOut, readWords, showHelp, wrongUse } from './command-words.ts';
import { EXIT } from './exit-codes.ts';
import { ledgerDirectory } from './ledger-view.ts';
import { type OutsideHead, outsideHead } from './outside-head.ts';

export const HELP = `countersign verify — is it whole, unchanged, and sealed by the key it says

  countersign verify                     this installation's ledger, against the head that is kept outside it
  countersign verify evidence.jsonl      a bundle that \`countersign export\` made; needs nothing else
  countersign verify /mnt/copy/ledger    another ledger's directory or database
  countersign verify --key PUBKEY …      and sealed with this key (43 characters, or its id key_…)
  countersign verify --quick             signed checkpoints vouch for the signatures of the receipts under them; every byte
                                         is still compared, several times faster
  countersign verify --json              the report as one JSON object

Says broken and exactly where, or verified. Notes break nothing: what they say is for you to judge.
Exit codes: 0 verified, 1 broken (or its end cannot be proven), 2 wrong use, 4 there is nothing to read.`;

/** Runs `countersign verify`; returns the exit code. */
export async function verify(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, { key: { type: 'string' }, quick: { type: 'boolean' } });
  if (!words.ok) return wrongUse('verify', words.error);
  const { values, positionals } = words.value;
  if (values.help) return showHelp(HELP);
  const [file, extra] = positionals;
  if (extra !== undefined)
    return wrongUse('verify', `one file at a time; unexpected \`${extra.slice(0, 80)}\``);
  const expectedKey = values.key === undefined ? null : keyIdFrom(values.key);
  if (values.key !== undefined && expectedKey === null)
    return wrongUse('verify', '`--key` takes a public key (43 characters of base64url) or a key id (key_…)');
  const places = placesFrom(process.env, homedir());
  const source = sourceOf(file, places);
  const own = source.kind === 'database' && source.path === ledgerPath(ledgerDirectory(places));
  if (!existsSync(source.path)) {
    // A ledger that is gone while its head is still known was removed, which is as broken as a ledger can be.
    const head = own ? await outsideHead(places) : null;
    if (head?.kind !== 'found') return complain(missingText(source, own), EXIT.unreadable);
    return complain(
      `broken: the ledger is gone; ${head.place} knows of ${head.head.checkpoint.size} receipts`,
    );
  }
  // Read before the ledger: a daemon that writes meanwhile only makes the ledger longer than this head.
  if (values.quick && source.kind === 'bundle')
    return wrongUse('verify', '`--quick` is for a ledger; a bundle is checked signature by signature');
  const head = own ? await outsideHead(places) : null;
  const progress = progressLine();
  const began = performance.now();
  const options: CheckOptions = {
    ...(expectedKey === null ? {} : { expectedKey }),
    ...(values.quick ? { signatures: 'checkpoints' as const } : {}),
    ...(head?.kind === 'found' ? { head: head.head } : {}),
    onProgress: progress.show,
  };
  const checked = await checkLedger(source, options);
  const seconds = (performance.now() - began) / 1000;
  progress.clear();
  if (!checked.ok) return complain(checked.error.message, EXIT.unreadable);
  const report: Verification = { report: checked.value, source, head, seconds };
  await printOut(
    values.json ? `${visibleJson(verificationJson(report))}\n` : `${verificationLines(report).join('\n')}\n`,
  );
  return isVerified(report) ? EXIT.done : EXIT.refused;
}

interface Verification {
  readonly report: SealReport;
  readonly source: LedgerSource;
  /** Null when the source is not this installation's ledger: then there is no head to expect. */
  readonly head: OutsideHead | null;
  readonly seconds: number;
}

function keyIdFrom(given: string): string | null {
  if (isPublicKey(given)) return keyIdOf(given, nodeHasher);
  return /^key_[0-9a-f]{32}$/.test(given) ? given : null;
}

/** A database says so in its first bytes; a directory is a ledger's; anything else is read as a bundle. */
function sourceOf(file: string | undefined, places: Places): LedgerSource {
  if (file === undefined) return { kind: 'database', path: ledgerPath(ledgerDirectory(places)) };
  const facts = statSync(file, { throwIfNoEntry: false });
  if (facts?.isDirectory()) {
    const inside = ledgerPath(file);
    // The directory above, as people give it: `…/state` instead of `…/state/ledger`.
    return { kind: 'database', path: existsSync(inside) ? inside : ledgerPath(join(file, 'ledger')) };
  }
  if (facts?.isFile() && (firstBytes(file).startsWith('SQLite format 3\0') || file.endsWith('.db')))
    return { kind: 'database', path: file };
  return { kind: 'bundle', path: file };
}

function firstBytes(path: string): string {
  try {
    const descriptor = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(16);
      return bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, 16, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // What cannot be read is said to be so by the check.
    return '';
  }
}

function missingText(source: LedgerSource, own: boolean): string {
  if (own) return 'there is no ledger yet; `countersign run -- bash` starts a session that writes one';
  return `there is no ${source.kind === 'bundle' ? 'bundle' : 'ledger'} at \`${visibleLine(source.path)}\``;
}

/**
 * Verified only when nothing is wrong and the end is proven: a ledger of ours whose head outside is gone or closed may have been
 * cut, and the daemon refuses it too.
 */
function isVerified({ report, head }: Verification): boolean {
  return report.verdict === 'verified' && (head === null || head.kind === 'found');
}

function headText(head: OutsideHead): string {
  switch (head.kind) {
    case 'found':
      return `${head.place} knows ${head.head.checkpoint.size} receipts, and they are these`;
    case 'absent':
      return `no head is in ${head.place}, where the daemon keeps it: whether receipts were removed at the end cannot be known`;
    default:
      return `the head in ${head.place} cannot be compared (${head.message}): whether receipts were removed at the end cannot be known`;
  }
}

function placeText({ seq, receipt, step }: Finding): string {
  const at = seq === null ? (receipt ?? '') : `receipt ${seq}${receipt === null ? '' : ` ${receipt}`}`;
  return `${at === '' ? '' : `${at}, `}${step}`;
}

/** The head is compared by us, so that a check against none need not be mentioned twice. */
function isAboutNoHead(finding: Finding): boolean {
  return finding.step === 'head' && finding.severity === 'note';
}

function verificationLines(verification: Verification): readonly string[] {
  const { report, source, head, seconds } = verification;
  const broken = report.verdict === 'broken';
  const what = source.kind === 'bundle' ? 'bundle' : 'ledger';
  const faults = report.findings.filter((finding) => finding.severity === 'fault');
  const notes = report.findings.filter((f) => f.severity === 'note' && !(head !== null && isAboutNoHead(f)));
  const rate = seconds > 0 ? Math.round(report.receipts / seconds) : report.receipts;
  const first = broken
    ? `BROKEN: ${what} ${visibleLine(source.path)}`
    : isVerified(verification)
      ? `verified: ${what} ${visibleLine(source.path)}`
      : `NOT PROVEN: ${what} ${visibleLine(source.path)}`;
  const whole = source.kind === 'bundle' && report.size !== null ? `, of a ledger of ${report.size}` : '';
  return [
    first,
    ...faults.map((finding) => `  ${placeText(finding)}: ${visibleLine(finding.message)}`),
    ...(report.more > 0 ? [`  … and ${report.more} more`] : []),
    ...(head === null || (broken && head.kind === 'found')
      ? []
      : [`  ${head.kind === 'found' ? '' : '! '}head: ${visibleLine(headText(head))}`]),
    ...notes.map((finding) => `  note: ${placeText(finding)}: ${visibleLine(finding.message)}`),
    ...report.keys.map(
      ({ key, from }) => `  key: ${key.id} (${key.publicKey}) from receipt ${from}, kept in ${key.kept}`,
    ),
    `  ${report.receipts} receipts${whole}, ${report.contextEntries} context entries, ${report.signatures} signatures checked${report.vouched > 0 ? `, ${report.vouched} vouched for by checkpoints` : ''} in ${seconds.toFixed(2)} s, ${rate} receipts/s`,
    ...(report.ledger === null ? [] : [`  ledger ${visibleLine(report.ledger)}`]),
  ];
}

function verificationJson(verification: Verification) {
  const { report, source, head, seconds } = verification;
  return {
    verdict: report.verdict === 'broken' ? 'broken' : isVerified(verification) ? 'verified' : 'not_proven',
    source: source.kind === 'bundle' ? 'bundle' : 'ledger',
    path: source.path,
    ledger: report.ledger,
    size: report.size,
    receipts: report.receipts,
    context_entries: report.contextEntries,
    signatures: report.signatures,
    vouched: report.vouched,
    head:
      head === null
        ? null
        : {
            state: head.kind,
            place: head.place,
            size: head.kind === 'found' ? head.head.checkpoint.size : null,
          },
    keys: report.keys.map(({ key, from }) => ({
      id: key.id,
      public_key: key.publicKey,
      kept: key.kept,
      from,
    })),
    breaks: report.breaks,
    findings: report.findings.map(({ step, severity, seq, receipt, message }) => ({
      step,
      severity,
      seq,
      receipt,
      message,
    })),
    more: report.more,
    seconds: Number(seconds.toFixed(3)),
    receipts_per_second: seconds > 0 ? Math.round(report.receipts / seconds) : null,
  };
}

const FIRST_SHOWN_MS = 1000;
const EVERY_MS = 200;

/** One line on the terminal's error stream that says how far long work is; silent for short work and for pipes. */
function progressLine(): { readonly show: (done: number) => void; readonly clear: () => void } {
  if (!process.stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  const began = performance.now();
  let last = began + FIRST_SHOWN_MS - EVERY_MS;
  let drawn = false;
  return {
    show(done) {
      const now = performance.now();
      if (now - last < EVERY_MS) return;
      last = now;
      drawn = true;
      const left = done > 0 ? Math.round(((now - began) / done - (now - began)) / 1000) : null;
      process.stderr.write(
        `\r\u001b[K${Math.floor(done * 100)} %${left === null ? '' : `, about ${left} s left`}`,
      );
    },
    clear() {
      if (drawn) process.stderr.write('\r\u001b[K');
    },
  };
}
