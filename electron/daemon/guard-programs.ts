import type { PolicySet, Rule } from '../core/policy/rule.ts';
import type { Knowledge, Program } from '../core/semantic/knowledge.ts';

/**
 * Compilers, assemblers and linkers, by the names they are installed by: they read and write files, which the kernel guard judges one by one, and
 * start each other, which it sees (docs/decisions/0043-starts-without-a-question.md).
 */
const BUILDERS: ReadonlySet<string> = new Set([
  ...['cc', 'gcc', 'c++', 'g++', 'cpp', 'clang', 'clang++', 'gfortran', 'c89', 'c99'],
  ...['as', 'ld', 'ld.bfd', 'ld.gold', 'ld.lld', 'lld', 'mold', 'rustc', 'javac'],
]);

/** Where a program lies that the session can write: every start of such a program is asked about by itself. */
const WRITABLE_PLACES: readonly string[] = ['temp', 'workspace'];

/**
 * Of the programs whose every start is intercepted, those that the guard may start without a question under this policy: what they do is
 * judged where it happens, and nothing speaks of the start itself. Arguments with a trigger, and programs or scripts that lie where the session may
 * write, are asked about as ever. `triggering`: labels whose names in an argument are such triggers.
 */
export function startsWithoutQuestion(
  policy: PolicySet,
  knowledge: Knowledge,
  triggering: ReadonlySet<string>,
): ReadonlySet<string> {
  const none: ReadonlySet<string> = new Set();
  if (policy.rules.some((rule) => mayJudgeOnlyTheStart(rule, triggering))) return none;
  const named = new Set(policy.rules.flatMap(({ match }) => match.programs ?? []));
  return new Set(
    [...BUILDERS].filter((name) => {
      const program = knowledge.programs.get(name);
      return program !== undefined && !named.has(name) && onlyWritesFiles(program);
    }),
  );
}

/** Whether all that the table knows of a program is that it reads and writes files, without a mark that a rule could ask for. */
function onlyWritesFiles(program: Program): boolean {
  return (
    program.verbs === null &&
    program.analyses.length === 0 &&
    program.subcommands.size === 0 &&
    program.does.every(
      ({ effect, object, labels, tags, recursive, force }) =>
        (effect === 'read' || effect === 'discover' || effect === 'write') &&
        object === 'path' &&
        labels.length === 0 &&
        tags.length === 0 &&
        recursive === null &&
        force === null,
    )
  );
}

/**
 * Whether a rule that restricts could speak of such a start and not, in the same way, of each file that the program then opens. A rule that cannot be
 * told to be the same is one that judges only the start.
 */
function mayJudgeOnlyTheStart(rule: Rule, triggering: ReadonlySet<string>): boolean {
  const { match, when } = rule;
  if (rule.class === 'allow' || match.programs !== undefined) return false;
  const fits = (given: readonly string[] | undefined, ...values: readonly string[]) =>
    given === undefined || values.some((value) => given.includes(value));
  const aboutStart =
    fits(match.surfaces, 'guard', 'shell') &&
    fits(match.tools, 'shell') &&
    fits(match.operations, 'exec') &&
    // What such a program does bears no tag of its own. One that an object brings (`secret`, `self`) stands in an argument, which is a
    // trigger, or is met when the file is opened: it is veiled, or denied by its row.
    match.tags === undefined &&
    !match.labels?.every((label) => triggering.has(label)) &&
    (fits(match.effects, 'write', 'read', 'discover') ||
      (fits(match.effects, 'execute') && !match.labels?.every((label) => WRITABLE_PLACES.includes(label))));
  if (!aboutStart) return false;
  const readsWords = when !== null && /\b(?:command|action|parameters|commands)\b/.test(when);
  const sameForFiles =
    fits(match.surfaces, 'guard') &&
    fits(match.tools, 'file') &&
    match.operations === undefined &&
    fits(match.effects, 'write', 'read') &&
    rule.parameters.length === 0;
  return readsWords || !sameForFiles;
}
