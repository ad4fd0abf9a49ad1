import { checkJson, checkLines } from '../../electron/wire/policy-report.ts';
import { visibleJson } from '../../electron/wire/terminal-text.ts';
import { printOut, readWords, showHelp, unknownVerb, wrongUse } from './command-words.ts';
import { EXIT } from './exit-codes.ts';
import { loadChoice, policyOf } from './policy-source.ts';

export const HELP = `countersign policy — what the rules say, and why

  countersign policy check                              is the set in order that the daemon arms
  countersign policy check my-rules.yaml DIR            are these, with the packs that came with Countersign
  countersign policy explain -- git push --force        each rank's verdict and each fact read
  countersign policy explain --intent "clean up" --cwd ~/src 'rm -rf build; make'
  countersign policy test --cases FILE.jsonl --json     judges recorded actions, one answer a line; executes nothing
  countersign policy backtest --policy DIR --since 7d   what another set would have decided otherwise

Each takes --json; explain, test and backtest take --policy DIR|FILE. Files with a \`posture\` are a whole set, others are
rules to add to the packs that came with Countersign. More: \`countersign policy VERB --help\`.
Exit codes: 0 done, 1 the set is refused, 2 wrong use or a malformed case, 4 there is nothing to read.`;

const CHECK_HELP = `countersign policy check [DIR|FILE…] [--json] — is a set in order

  countersign policy check                    the packs and your own files, as the daemon arms them
  countersign policy check my-rules.yaml      your rules together with the packs
  countersign policy check --json ~/policies

Says each fault as file:line:column, all at once. Exit codes: 0 in order, 1 refused, 2 wrong use.`;

/** Runs \`countersign policy\`; returns the exit code. */
export async function policy(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case '--help':
    case '-h':
      return showHelp(HELP);
    case 'check':
      return check(rest);
    case 'explain':
      return (await import('./policy-explain.ts')).explainCommand(rest);
    case 'test':
      return (await import('./policy-test.ts')).testCases(rest);
    case 'backtest':
      return (await import('./policy-backtest.ts')).backtestLedger(rest);
    default:
      return unknownVerb('policy', verb, ['check', 'explain', 'test', 'backtest']);
  }
}

async function check(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, {});
  if (!words.ok) return wrongUse('policy check', words.error);
  const { values, positionals } = words.value;
  if (values.help) return showHelp(CHECK_HELP);
  const choice = policyOf(positionals);
  const loaded = await loadChoice(choice);
  if (!loaded.ok) {
    await printOut(
      values.json ? `${visibleJson(checkJson(loaded.error))}\n` : `${checkLines(loaded.error).join('\n')}\n`,
    );
    return EXIT.refused;
  }
  const { set } = loaded.value;
  await printOut(
    values.json
      ? `${visibleJson({ ...checkJson([]), rules: set.rules.length, posture: set.posture.name, version: set.version, hash: set.hash })}\n`
      : `in order: ${set.rules.length} rules, posture \`${set.posture.name}\`, ${set.hash.slice(0, 12)}\n  ${choice.what}\n`,
  );
  return EXIT.done;
}
