import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { visible } from '../../electron/wire/terminal-text.ts';
import { nearestName } from './commands.ts';
import { EXIT } from './exit-codes.ts';

/** Every command has these. */
const COMMON = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;

export type Words<T extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: T & typeof COMMON }>
>;

/** Reads a command's words; an option that does not exist is answered with the one that was probably meant. */
export function readWords<T extends ParseArgsOptionsConfig>(
  argv: readonly string[],
  options: T,
): Result<Words<T>, string> {
  const known = { ...options, ...COMMON };
  try {
    return ok(parseArgs({ args: [...argv], allowPositionals: true, options: known }));
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code);
    if (!(cause instanceof Error) || !code.startsWith('ERR_PARSE_ARGS')) throw cause;
    const given = /Unknown option '--?([^']+)'/.exec(cause.message)?.[1];
    // Only the first sentence: what follows is about the shape of command lines in general.
    if (given === undefined) return err((cause.message.split('. ')[0] ?? cause.message).replaceAll("'", '`'));
    const near = nearestName(given, Object.keys(known));
    return err(
      `unknown option \`--${given.slice(0, 80)}\`${near === null ? '' : `; did you mean \`--${near}\`?`}`,
    );
  }
}

/** Says what is wrong with the words that were given, and where to read more; returns the exit code. */
export function wrongUse(command: string, message: string): number {
  const end = message.endsWith('?') ? ' See' : '; see';
  process.stderr.write(`countersign: ${visible(message)}${end} \`countersign ${command} --help\`\n`);
  return EXIT.usage;
}

/** Says that a verb of a command does not exist, or that none was given. */
export function unknownVerb(command: string, verb: string | undefined, verbs: readonly string[]): number {
  if (verb === undefined) return wrongUse(command, `say which: ${verbs.map((v) => `\`${v}\``).join(', ')}`);
  const near = nearestName(verb, verbs);
  const meant = near === null ? '' : `; did you mean \`${near}\`?`;
  return wrongUse(command, `\`${command}\` has no \`${verb.slice(0, 80)}\`${meant}`);
}

/** Prints a command's help as asked for. */
export function showHelp(text: string): number {
  process.stdout.write(`${text}\n`);
  return EXIT.done;
}

/** Says why something failed; returns the exit code given. */
export function complain(message: string, code: number = EXIT.refused): number {
  process.stderr.write(`countersign: ${visible(message)}\n`);
  return code;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Reads a moment: `90s`, `30m`, `2h`, `3d`, `1w` before `now`, or a date or time in ISO 8601. Null for anything else. */
export function momentOf(text: string, now: number): number | null {
  const ago = /^(\d{1,9})([smhdw])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (UNIT_MS[ago[2] ?? ''] ?? 0);
  // Date.parse alone reads all sorts of things as a date, `1` among them.
  if (!/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) return null;
  const at = Date.parse(text);
  return Number.isFinite(at) ? at : null;
}

/** A moment as people here write it, to the second. */
export function clockText(at: number): string {
  const d = new Date(at);
  if (!Number.isFinite(d.getTime())) return 'no time';
  const two = (n: number) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Writes to standard output and waits while its reader is slower than we are. */
export async function printOut(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve));
}
