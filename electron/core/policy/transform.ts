import type { Action } from '../action.ts';
import type { Json, JsonObject } from '../brand.ts';
import type { Command } from '../command.ts';
import { err, ok, type Result } from '../result.ts';
import type { Transform } from './rule.ts';

/** Why a MODIFY cannot be carried out; the caller then asks a person instead, it never runs the original. */
export interface TransformFault {
  readonly code: 'unknown_transform' | 'bad_arguments' | 'not_applicable';
  readonly message: string;
}

/** Programs of ours that a transform may put in place of another (`trash` → argv prefix). */
export type Replacements = Readonly<Record<string, readonly string[]>>;

/** A pure change of one command's words: argv in, argv out. */
type TransformFunction = (
  argv: readonly string[],
  args: Readonly<Record<string, Json>>,
  replacements: Replacements,
) => Result<readonly string[], TransformFault>;

const notApplicable = (message: string) => err({ code: 'not_applicable', message } as const);
const badArguments = (message: string) => err({ code: 'bad_arguments', message } as const);

/** Where flags end: the index of `--`, or the argv's length. */
function flagsEnd(argv: readonly string[]): number {
  const at = argv.indexOf('--');
  return at < 0 ? argv.length : at;
}

/** Removes one short flag letter from clusters (`-xvf` → `-xv`), or a long flag with or without `=value`. */
function withoutFlag(argv: readonly string[], flag: string): readonly string[] {
  const end = flagsEnd(argv);
  const out: string[] = [];
  argv.forEach((word, index) => {
    if (index === 0 || index >= end) out.push(word);
    else if (flag.startsWith('--')) {
      if (word !== flag && !word.startsWith(`${flag}=`)) out.push(word);
    } else if (/^-[A-Za-z0-9]+$/.test(word) && word.includes(flag.slice(1))) {
      const rest = word.slice(1).replaceAll(flag.slice(1), '');
      if (rest.length > 0) out.push(`-${rest}`);
    } else out.push(word);
  });
  return out;
}

function flagList(args: Readonly<Record<string, Json>>): readonly string[] | null {
  const flags = args.flags ?? (args.flag === undefined ? undefined : [args.flag]);
  if (!Array.isArray(flags) || flags.length === 0) return null;
  const words = flags.filter(
    (f): f is string => typeof f === 'string' && /^--?[A-Za-z0-9][A-Za-z0-9=_.-]*$/.test(f),
  );
  return words.length === flags.length ? words : null;
}

/**
 * After which word a new flag goes: `args.after` (a subcommand) where it stands, else the program.
 * A flag placed after the operands could be read as one of them.
 */
function insertionPoint(argv: readonly string[], args: Readonly<Record<string, Json>>): number {
  if (typeof args.after !== 'string') return 1;
  const at = argv.indexOf(args.after, 1);
  return at < 0 ? 1 : at + 1;
}

const TRANSFORMS: Readonly<Record<string, TransformFunction>> = {
  'add-flag': (argv, args) => {
    const flags = flagList(args);
    if (flags === null) return badArguments('`add-flag` needs `flag` or `flags`');
    const missing = flags.filter((flag) => !argv.slice(1, flagsEnd(argv)).includes(flag));
    const at = insertionPoint(argv, args);
    return ok([...argv.slice(0, at), ...missing, ...argv.slice(at)]);
  },
  'remove-flag': (argv, args) => {
    const flags = flagList(args);
    if (flags === null) return badArguments('`remove-flag` needs `flag` or `flags`');
    return ok(flags.reduce(withoutFlag, argv));
  },
  'replace-flag': (argv, args) => {
    const flags = flagList(args);
    if (flags === null || typeof args.with !== 'string')
      return badArguments('`replace-flag` needs `flags` and `with`');
    const without = flags.reduce(withoutFlag, argv);
    if (without.length === argv.length && without.every((word, i) => word === argv[i])) {
      return notApplicable('the flag to replace is not there');
    }
    const at = insertionPoint(without, args);
    return ok(
      without.includes(args.with) ? without : [...without.slice(0, at), args.with, ...without.slice(at)],
    );
  },
  'force-with-lease': (argv) => {
    const push = argv.indexOf('push', 1);
    if (push < 0) return notApplicable('not a `git push`');
    const bare = withoutFlag(withoutFlag(argv, '--force'), '-f');
    // `+refspec` forces that one ref whatever the flags say: the plus goes, the lease stays.
    const words = bare.map((word, i) => (i > push && /^\+[^-]/.test(word) ? word.slice(1) : word));
    if (words.some((word) => word.startsWith('--force-with-lease'))) return ok(words);
    return ok([...words.slice(0, push + 1), '--force-with-lease', ...words.slice(push + 1)]);
  },
  'delete-to-trash': (argv, _args, replacements) => {
    const prefix = replacements.trash;
    if (prefix === undefined) return notApplicable('no trash on this machine');
    const end = flagsEnd(argv);
    const operands = argv.filter((word, i) => i > 0 && i !== end && (i > end || !word.startsWith('-')));
    if (operands.length === 0) return notApplicable('nothing to delete');
    return ok([...prefix, '--', ...operands]);
  },
  'dry-run': (argv, args) => {
    const flag = typeof args.flag === 'string' ? args.flag : '--dry-run';
    if (argv.includes(flag)) return ok(argv);
    const at = insertionPoint(argv, args);
    return ok([...argv.slice(0, at), flag, ...argv.slice(at)]);
  },
  'cap-number': (argv, args) => {
    const { flag, max } = args;
    if (typeof flag !== 'string' || typeof max !== 'number')
      return badArguments('`cap-number` needs `flag` and `max`');
    let capped = false;
    const cap = (value: string): string => {
      if (!/^\d+$/.test(value) || Number(value) <= max) return value;
      capped = true;
      return String(max);
    };
    const out = argv.map((word, i) => {
      if (argv[i - 1] === flag) return cap(word);
      return word.startsWith(`${flag}=`) ? `${flag}=${cap(word.slice(flag.length + 1))}` : word;
    });
    return capped ? ok(out) : notApplicable('no number above the cap');
  },
  copy: () => notApplicable('only the opening of a file for writing is turned to a copy of it'),
  redact: (argv, args) => {
    const { values } = args;
    if (!Array.isArray(values)) return badArguments('`redact` needs `values`');
    const secrets = values.filter((v): v is string => typeof v === 'string' && v.length >= 4);
    if (secrets.length === 0) return notApplicable('nothing to redact');
    return ok(
      argv.map((word, i) =>
        i === 0 ? word : secrets.reduce((text, s) => text.replaceAll(s, '[redacted]'), word),
      ),
    );
  },
};

/** A pure change of the arguments of a call that is no command. */
type ArgumentsFunction = (
  given: JsonObject,
  args: Readonly<Record<string, Json>>,
) => Result<JsonObject, TransformFault>;

const ARGUMENT_TRANSFORMS: Readonly<Record<string, ArgumentsFunction>> = {
  'set-argument': (given, { argument, value }) =>
    typeof argument !== 'string' || value === undefined
      ? badArguments('`set-argument` needs `argument` and `value`')
      : ok({ ...given, [argument]: value }),
  'remove-argument': (given, { argument }) => {
    if (typeof argument !== 'string') return badArguments('`remove-argument` needs `argument`');
    return ok(Object.fromEntries(Object.entries(given).filter(([name]) => name !== argument)));
  },
  'cap-argument': (given, { argument, max }) => {
    if (typeof argument !== 'string' || typeof max !== 'number')
      return badArguments('`cap-argument` needs `argument` and `max`');
    const value = given[argument];
    return typeof value === 'number' && value > max
      ? ok({ ...given, [argument]: max })
      : notApplicable('no number above the cap');
  },
};

/** Names that a policy file may use under `modify.name`. */
export function transformNames(): readonly string[] {
  return [...Object.keys(TRANSFORMS), ...Object.keys(ARGUMENT_TRANSFORMS)];
}

/** Applies a transform to the arguments of a call (AARM R4, MODIFY). Never returns unchanged arguments as a success. */
export function applyToArguments(
  transform: Transform,
  given: JsonObject,
): Result<JsonObject, TransformFault> {
  const change = Object.hasOwn(ARGUMENT_TRANSFORMS, transform.name)
    ? ARGUMENT_TRANSFORMS[transform.name]
    : undefined;
  if (change === undefined) return notApplicable(`\`${transform.name}\` is about a command`);
  const changed = change(given, transform.arguments);
  if (!changed.ok) return changed;
  return JSON.stringify(changed.value) === JSON.stringify(given)
    ? notApplicable(`\`${transform.name}\` changes nothing here`)
    : changed;
}

/**
 * Where a transform has a change of a file carried out instead of where it was asked for (AARM R4, MODIFY): a change of a file has no
 * words. Null where the transform says nothing about this change.
 */
export function redirectionOf(
  transform: Transform,
  { tool, operation }: Pick<Action, 'tool' | 'operation'>,
): 'trash' | 'copy' | null {
  if (tool !== 'file') return null;
  if (transform.name === 'delete-to-trash' && (operation === 'delete' || operation === 'rmdir'))
    return 'trash';
  return transform.name === 'copy' && operation === 'write' ? 'copy' : null;
}

/** Applies a transform to the words of one command (AARM R4, MODIFY). Never returns the unchanged argv as a success. */
export function applyTransform(
  transform: Transform,
  argv: readonly string[],
  replacements: Replacements,
): Result<readonly string[], TransformFault> {
  const change = Object.hasOwn(TRANSFORMS, transform.name) ? TRANSFORMS[transform.name] : undefined;
  if (change === undefined) {
    return err({ code: 'unknown_transform', message: `no transform is called \`${transform.name}\`` });
  }
  const changed = change(argv, transform.arguments, replacements);
  if (!changed.ok) return changed;
  if (changed.value.length === argv.length && changed.value.every((word, i) => word === argv[i])) {
    return notApplicable(`\`${transform.name}\` changes nothing here`);
  }
  return changed;
}

/**
 * Changes `inner` inside the argv that stands around it: `sudo git push -f` keeps its `sudo`.
 * Only where the inner words are literally the end of the outer ones; anything else is not applicable.
 */
export function transformWithin(
  transform: Transform,
  outer: readonly string[],
  inner: Command,
  replacements: Replacements,
): Result<readonly string[], TransformFault> {
  const words = [inner.name, ...inner.args];
  if (words.some((word) => !word.known)) return notApplicable('a word of the command is not known');
  const argv = words.map((word) => word.text);
  const start = outer.length - argv.length;
  if (start < 0 || argv.some((word, i) => outer[start + i] !== word)) {
    return notApplicable('the command is wrapped in a way that cannot be rewritten safely');
  }
  const changed = applyTransform(transform, argv, replacements);
  return changed.ok ? ok([...outer.slice(0, start), ...changed.value]) : changed;
}

const PLAIN_WORD = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;
/** First words that a shell would not take as a program: reserved, or an assignment. */
const NOT_A_PROGRAM =
  /^(if|then|else|elif|fi|for|while|until|do|done|case|esac|in|select|function|time|coproc)$|=/;

/** Renders words as one command line that every POSIX shell reads back as exactly these words. */
export function quoteArgv(argv: readonly string[]): string {
  return argv
    .map((word, index) =>
      PLAIN_WORD.test(word) && !(index === 0 && NOT_A_PROGRAM.test(word))
        ? word
        : `'${word.replaceAll("'", `'\\''`)}'`,
    )
    .join(' ');
}
