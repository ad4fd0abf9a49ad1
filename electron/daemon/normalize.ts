import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { EffectKind } from '../core/effect.ts';
import type { Hasher } from '../core/ports.ts';
import { ok, type Result } from '../core/result.ts';
import type { Knowledge, Program } from '../core/semantic/knowledge.ts';
import { buildShellAction } from '../wire/shell-action.ts';
import type { ShellEnvelope } from '../wire/submit.ts';
import type { ArmedPolicy, NormalizeFault, NormalizeInput } from './mediation.ts';

/** Turns a shell's signed envelope into an Action (architecture.md, stage 2). `sessions` is where sessions keep their shims. */
export function normalizeEnvelope(
  input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: ShellEnvelope },
  knowledge: Knowledge,
  hasher: Hasher,
  sessions: string,
): Result<Action, NormalizeFault> {
  const { envelope, session } = input;
  const unshimmed = (word: string): string => withoutShim(word, `${sessions}/${session.id}/shims/`);
  const [name = '', ...words] = envelope.argv ?? [];
  const command =
    envelope.argv === null ? { line: envelope.command_line ?? '' } : { argv: [unshimmed(name), ...words] };
  const variables = Object.fromEntries(
    Object.entries(envelope.variables).map(([key, value]) => [key, unshimmed(value)]),
  );
  const built = buildShellAction(
    {
      id: input.id,
      sessionId: session.id,
      at: input.at,
      surface: 'shell',
      operation: envelope.operation,
      command,
      script: envelope.script,
      cwd: envelope.cwd,
      home: session.home,
      user: session.identity.human.name,
      workspace: session.workspace,
      variables,
      dialect: envelope.dialect,
      partsFollow: envelope.parts_follow,
      dependsOn: envelope.depends_on as ActionId[],
      modifiedFrom: input.modifiedFrom,
    },
    knowledge,
    hasher,
  );
  if (!built.ok || envelope.argv_base64 === null) return built;
  // Words that are not text cannot be understood; the lossy rendering must not pass for the real ones.
  return ok({ ...built.value, gaps: [...built.value.gaps, 'its words are not valid UTF-8'] });
}

/** A program that was looked up found our shim: what is meant is the program behind it, by its name. */
function withoutShim(word: string, shims: string): string {
  const name = word.startsWith(shims) ? word.slice(shims.length) : '';
  return /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(name) ? name : word;
}

/**
 * What two interceptions of one simple command share: its words and where it runs, without redirections (the shell performs
 * those itself) and without wrappers on this machine (`sh -c`, `env`). Null when a word is not known: such a command is judged again.
 */
export function mandateText(action: Action, index: number): string | null {
  const command = action.commands[index];
  if (command === undefined || command.program === '') return null;
  const words = [command.name, ...command.args];
  if (words.some((word) => !word.known || word.glob) || command.code?.known === false) return null;
  const elsewhere = command.via.filter((w) => w.place !== 'here').map((w) => [w.program, w.detail, w.place]);
  return JSON.stringify([command.cwd, elsewhere, words.map((word) => word.text)]);
}

/** The same text for a program start whose words are given. */
export function mandateTextOf(cwd: string | null, words: readonly string[]): string {
  return JSON.stringify([cwd, [], words]);
}

/** Effects that a person would want to be asked about, in some place or other. */
const HARMLESS: readonly EffectKind[] = ['read', 'discover', 'execute'];

/** Names that are always intercepted, whatever the knowledge table says. */
const SHELLS = ['sh', 'bash', 'dash', 'zsh', 'ksh', 'fish'];

/**
 * The programs whose every start should be intercepted: those that rules name, and those that the knowledge table says can
 * change, send, install or grant something.
 */
export function shimmedPrograms(knowledge: Knowledge, armed: ArmedPolicy | null): readonly string[] {
  const names = new Set<string>(SHELLS);
  for (const rule of armed?.set.rules ?? [])
    for (const program of rule.match.programs ?? []) names.add(program);
  for (const [name, program] of knowledge.programs) {
    if (mayChange(program)) names.add(name);
  }
  return [...names].filter((name) => /^[A-Za-z0-9_.+-]+$/.test(name) && name !== '.' && name !== '..').sort();
}

/** Whether the table knows any form of a program that does more than look. */
function mayChange(program: Program): boolean {
  if (program.verbs !== null || program.analyses.length > 0) return true;
  const usages = [program, ...program.subcommands.values()];
  return usages.some((usage) => usage.does.some((deed) => !HARMLESS.includes(deed.effect)));
}
