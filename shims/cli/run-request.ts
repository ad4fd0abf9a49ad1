import { resolve } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import type { GuardChoice } from './guard-launch.ts';
import type { PreviewChoice } from './preview-settle.ts';

/** What `countersign run` was asked for. */
export interface RunRequest {
  readonly intent: string | null;
  readonly workspace: string;
  readonly guard: GuardChoice;
  readonly verbose: boolean;
  /** null: no preview. */
  readonly preview: { readonly choice: PreviewChoice; readonly json: boolean } | null;
  readonly command: readonly string[];
}

/** Reads the words after `run`; `help` where that was asked for, else what is wrong with them. */
export function readArguments(argv: readonly string[]): Result<RunRequest, string> {
  let intent: string | null = null;
  let workspace = process.cwd();
  let guard: GuardChoice = 'auto';
  let verbose = false;
  let preview = false;
  let json = false;
  let choice: PreviewChoice = 'ask';
  let at = 0;
  for (; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '--') {
      at += 1;
      break;
    }
    if (!word.startsWith('-')) break;
    const [name = word, inline] = word.startsWith('--') ? splitOption(word) : [word, undefined];
    if (name === '--help' || name === '-h') return err('help');
    if (name === '--verbose') verbose = true;
    else if (name === '--preview') preview = true;
    else if (name === '--json') json = true;
    else if (name === '--commit' || name === '--discard') {
      if (choice !== 'ask') return err('`--commit` and `--discard` answer the same question');
      choice = name === '--commit' ? 'commit' : 'discard';
    } else if (name === '--intent' || name === '--workspace' || name === '--guard') {
      const value = inline ?? argv[at + 1];
      if (value === undefined) return err(`\`${name}\` needs a value`);
      if (inline === undefined) at += 1;
      if (name === '--intent') intent = value;
      else if (name === '--workspace') workspace = resolve(value);
      else if (isGuardChoice(value)) guard = value;
      else return err(`\`--guard\` is auto, full, nested, landlock or off, not \`${visibleLine(value)}\``);
    } else return err(`unknown option \`${visibleLine(word)}\``);
  }
  const command = argv.slice(at);
  if (command.length === 0 || command[0] === '') return err('nothing to run');
  if (guard !== 'off' && workspace === '/') return err('the workspace cannot be the whole file system');
  if (!preview && (json || choice !== 'ask'))
    return err('`--json`, `--commit` and `--discard` belong to `--preview`');
  return ok({ intent, workspace, guard, verbose, preview: preview ? { choice, json } : null, command });
}

function isGuardChoice(text: string): text is GuardChoice {
  return ['auto', 'off', 'full', 'nested', 'landlock'].includes(text);
}

function splitOption(word: string): [string, string | undefined] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
