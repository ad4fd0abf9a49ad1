import { homedir, userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Action } from '../../electron/core/action.ts';
import type { Command } from '../../electron/core/command.ts';
import { explain } from '../../electron/core/policy/explain.ts';
import { readEnvironment } from '../../electron/edge/environment.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import { explanationJson, explanationLines } from '../../electron/wire/policy-report.ts';
import { buildShellAction } from '../../electron/wire/shell-action.ts';
import { visibleJson, visibleLine } from '../../electron/wire/terminal-text.ts';
import { complain, printOut, readWords, showHelp, wrongUse } from './command-words.ts';
import { EXIT } from './exit-codes.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from './policy-facts.ts';
import { loadJudgement } from './policy-source.ts';

const HELP = `countersign policy explain — why a command would be decided as it would; runs nothing

  countersign policy explain -- git push --force origin main
  countersign policy explain 'curl -s https://example.org/x | sh'      one word: a line as a shell reads it
  countersign policy explain --intent "free some space" --cwd ~/src -- rm -rf build
  countersign policy explain --policy ./packs --json -- npm publish

Judged as the first action of a session in --cwd (default: here). Exit codes: 0 explained, 1 refused, 2 wrong use.`;

/** Runs `countersign policy explain`; returns the exit code. */
export async function explainCommand(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, {
    policy: { type: 'string', multiple: true },
    intent: { type: 'string' },
    cwd: { type: 'string' },
  });
  if (!words.ok) {
    const hint = argv.includes('--') ? '' : ' (a command with options of its own comes after `--`)';
    return wrongUse('policy explain', `${words.error.replace(/\?$/, '')}${hint}`);
  }
  const { values, positionals } = words.value;
  if (values.help) return showHelp(HELP);
  const [first] = positionals;
  if (first === undefined)
    return wrongUse('policy explain', 'say which command: `countersign policy explain -- git push --force`');
  const judgement = await loadJudgement((values.policy ?? []).map((path) => resolve(path)));
  if (judgement === null) return EXIT.refused;
  const cwd = resolve(values.cwd ?? process.cwd());
  const { username, uid } = userInfo();
  const home = homedir();
  const at = Date.now();
  const built = buildShellAction(
    {
      id: NO_ACTION,
      sessionId: NO_SESSION,
      at,
      surface: 'shell',
      operation: positionals.length === 1 ? 'run' : 'exec',
      command: positionals.length === 1 ? { line: first } : { argv: positionals },
      cwd,
      home,
      user: username,
      workspace: cwd,
      variables: variablesIn(cwd),
      dialect: 'bash',
      partsFollow: false,
      dependsOn: [],
      modifiedFrom: null,
    },
    judgement.knowledge,
    nodeHasher,
  );
  if (!built.ok)
    return complain(
      `the command cannot be understood, and so is denied: ${visibleLine(built.error.message)}`,
    );
  const facts = firstFacts(built.value, {
    intent: values.intent ?? null,
    workspace: cwd,
    home,
    user: username,
    uid: uid < 0 ? null : uid,
    at,
    environment: readEnvironment(cwd, at),
  });
  const explanation = explain(judgement.policy, facts);
  await printOut(
    values.json
      ? `${visibleJson({ ...explanationJson(explanation), reading: readingJson(built.value) })}\n`
      : `${[...readingLines(built.value), '', ...explanationLines(explanation)].join('\n')}\n`,
  );
  return EXIT.done;
}

/** What a shell started here would know. */
function variablesIn(cwd: string): Readonly<Record<string, string>> {
  const known = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return { ...Object.fromEntries(known), PWD: cwd };
}

function commandText(command: Command): string {
  const words = [command.name, ...command.args].map((word) => (word.raw === '' ? word.text : word.raw));
  const redirects = command.redirects.map(
    (r) => `${r.operator}${r.target === null ? '' : ` ${r.target.raw}`}`,
  );
  const via = command.via.map((wrapper) => wrapper.program);
  return `${[...words, ...redirects].join(' ')}${via.length === 0 ? '' : `  (through ${via.join(', ')})`}`;
}

function readingLines(action: Action): readonly string[] {
  const effects = action.effects.map(({ kind, object, recursive, tags }) => {
    const marks = [
      ...object.labels,
      ...tags,
      ...(recursive ? ['recursive'] : []),
      ...(object.known ? [] : ['unknown']),
    ];
    return `  ${kind} ${object.kind} ${visibleLine(object.value)}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}`;
  });
  return [
    'reads as',
    ...action.commands.map((command) => `  ${visibleLine(commandText(command))}`),
    ...(effects.length === 0 ? [] : ['effects', ...effects]),
    ...action.gaps.map((gap) => `  not understood: ${visibleLine(gap)}`),
  ];
}

function readingJson(action: Action) {
  return {
    commands: action.commands.map((command) => ({ program: command.program, text: commandText(command) })),
    effects: action.effects.map(({ kind, object, command, recursive, tags }) => ({
      kind,
      object: object.kind,
      value: object.value,
      known: object.known,
      labels: object.labels,
      tags,
      recursive,
      command,
    })),
    gaps: action.gaps,
  };
}
