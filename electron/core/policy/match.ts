import type { Action } from '../action.ts';
import type { Command } from '../command.ts';
import type { Effect } from '../effect.ts';
import { isUnknown, joinAbsent, type Unknown, unknownAt } from './fact-value.ts';
import type { Match } from './rule.ts';

/** What one evaluation of a rule is about. */
export type SubjectRef =
  | { readonly kind: 'action' }
  | { readonly kind: 'command'; readonly index: number }
  | { readonly kind: 'effect'; readonly index: number };

type Fit = boolean | Unknown;

const UNKNOWN_PROGRAM = unknownAt('command.program');
const UNKNOWN_LABELS = unknownAt('effect.labels');

const among = (list: readonly string[] | undefined, value: string): boolean =>
  list === undefined || list.includes(value);

function both(a: Fit, b: Fit): Fit {
  if (a === false || b === false) return false;
  if (isUnknown(a)) return isUnknown(b) ? (joinAbsent(a, b) as Unknown) : a;
  return b;
}

function some<T>(items: readonly T[], fit: (item: T) => Fit): Fit {
  let unknown: Unknown | null = null;
  for (const item of items) {
    const result = fit(item);
    if (result === true) return true;
    if (result !== false) unknown ??= result;
  }
  return unknown ?? false;
}

function fitsProgram(match: Match, command: Command | undefined): Fit {
  if (match.programs === undefined) return true;
  if (command === undefined) return false;
  return command.program === '' ? UNKNOWN_PROGRAM : match.programs.includes(command.program);
}

function fitsEffect(match: Match, effect: Effect): Fit {
  if (!among(match.effects, effect.kind)) return false;
  if (match.tags !== undefined && !match.tags.some((tag) => effect.tags.includes(tag))) return false;
  if (match.labels === undefined || match.labels.some((label) => effect.object.labels.includes(label)))
    return true;
  // What an unknown object would be labelled is unknown too: `rm -rf "$x"` may well be the home directory.
  return effect.object.known ? false : UNKNOWN_LABELS;
}

const asksEffects = (match: Match): boolean =>
  match.effects !== undefined || match.labels !== undefined || match.tags !== undefined;

/**
 * Whether a rule's `match` fits one subject. For a command or an action, the effect lists ask for one effect of it
 * that fits all of them; `programs` for the command that the effect belongs to.
 */
export function fitsSubject(match: Match, action: Action, subject: SubjectRef): Fit {
  if (!among(match.surfaces, action.surface)) return false;
  if (!among(match.tools, action.tool) || !among(match.operations, action.operation)) return false;
  const commandOf = (effect: Effect): Command | undefined =>
    effect.command === null ? undefined : action.commands[effect.command];
  switch (subject.kind) {
    case 'effect': {
      const effect = action.effects[subject.index];
      if (effect === undefined) return false;
      return both(fitsEffect(match, effect), fitsProgram(match, commandOf(effect)));
    }
    case 'command': {
      const program = fitsProgram(match, action.commands[subject.index]);
      if (program === false || !asksEffects(match)) return program;
      const own = action.effects.filter((effect) => effect.command === subject.index);
      return both(
        program,
        some(own, (effect) => fitsEffect(match, effect)),
      );
    }
    default:
      if (asksEffects(match)) {
        return some(action.effects, (effect) =>
          both(fitsEffect(match, effect), fitsProgram(match, commandOf(effect))),
        );
      }
      return match.programs === undefined || some(action.commands, (command) => fitsProgram(match, command));
  }
}
