import type { CompiledRule, RuleIndexes } from './compile.ts';
import { MAX_STEPS, type Scope } from './expression-tree.ts';
import { isWordPath } from './fact-schema.ts';
import {
  type Fault,
  fault,
  isAbsent,
  isFault,
  isUnknown,
  joinAbsent,
  type Unknown,
  unknownAt,
  type Value,
} from './fact-value.ts';
import { commandCwd, type FactView } from './fact-view.ts';
import { fitsSubject, type SubjectRef } from './match.ts';

/** What one rule says of one subject; rules that do not match leave no finding. */
export interface Finding {
  readonly compiled: CompiledRule;
  readonly subject: SubjectRef;
  readonly state: 'matched' | Unknown | Fault;
}

/** A rule that an unknown word kept open, left to the interception of the command itself. */
export interface LeftOpen {
  readonly compiled: CompiledRule;
  readonly paths: readonly string[];
}

/** Everything the rules of one index say of one action. */
export interface Findings {
  readonly found: readonly Finding[];
  readonly left: readonly LeftOpen[];
}

/** Told of every candidate rule and of every fact it reads; only `explain` listens. */
export interface Listener {
  rule(compiled: CompiledRule, subject: SubjectRef, state: 'matched' | 'not_matched' | Unknown | Fault): void;
  fact(path: string, subject: SubjectRef, value: Value): void;
}

function judge(compiled: CompiledRule, scope: Scope, subject: SubjectRef): boolean | Unknown | Fault {
  const fits = fitsSubject(compiled.rule.match, scope.view.facts.action, subject);
  if (fits === false || compiled.predicate === null) return fits;
  scope.steps = MAX_STEPS;
  const value = compiled.predicate.run(scope);
  if (value === false) return false;
  if (isAbsent(value)) return isUnknown(fits) ? joinAbsent(fits, value) : value;
  return value === true ? fits : fault('the predicate is neither true nor false');
}

/** An unknown with its word paths removed, or null when nothing else was unknown. */
function withoutWords(unknown: Unknown): Unknown | null {
  const rest = unknown.paths.filter((path) => !isWordPath(path));
  return rest.length === 0 ? null : rest.length === unknown.paths.length ? unknown : unknownAt(...rest);
}

function scopeFor(view: FactView, subject: SubjectRef, listener: Listener | null): Scope {
  const { action } = view.facts;
  const ofEffect = subject.kind === 'effect' ? action.effects[subject.index]?.command : null;
  const index = subject.kind === 'command' ? subject.index : (ofEffect ?? null);
  const command = (index === null ? null : action.commands[index]) ?? null;
  return {
    view,
    effect: subject.kind === 'effect' ? view.effect(subject.index) : null,
    command: index === null ? null : view.command(index),
    around: {
      cwd: command === null ? action.cwd : commandCwd(command, view.facts),
      cwdPath: command === null ? 'action.cwd' : 'command.cwd',
      home: view.facts.session.home,
    },
    variables: [],
    steps: MAX_STEPS,
    trace: listener === null ? null : (path, value) => listener.fact(path, subject, value),
  };
}

/**
 * Judges every candidate rule for every subject, in an order that depends on the action and the rules' precedence only.
 * Rules past their `expires_at` are not considered.
 */
export function findRules(indexes: RuleIndexes, view: FactView, listener: Listener | null): Findings {
  const { action, now } = view.facts;
  const found: Finding[] = [];
  const left: LeftOpen[] = [];
  const consider = (candidates: readonly CompiledRule[], subject: SubjectRef): void => {
    if (candidates.length === 0) return;
    const scope = scopeFor(view, subject, listener);
    for (const compiled of candidates) {
      const { expiresAt } = compiled.rule;
      if (expiresAt !== null && expiresAt <= now) continue;
      const state = judge(compiled, scope, subject);
      if (listener !== null)
        listener.rule(
          compiled,
          subject,
          state === true ? 'matched' : state === false ? 'not_matched' : state,
        );
      if (state === false) continue;
      if (state === true) found.push({ compiled, subject, state: 'matched' });
      else if (isFault(state)) found.push({ compiled, subject, state });
      else {
        const rest = action.partsFollow ? withoutWords(state) : state;
        if (rest !== null) found.push({ compiled, subject, state: rest });
        else left.push({ compiled, paths: state.paths });
      }
    }
  };
  consider(indexes.action.candidates(action.tool), { kind: 'action' });
  action.commands.forEach((command, index) => {
    // An unknown program may be any of those that rules name.
    const { command: rules } = indexes;
    consider(command.program === '' ? rules.all : rules.candidates(command.program), {
      kind: 'command',
      index,
    });
  });
  action.effects.forEach((effect, index) => {
    consider(indexes.effect.candidates(effect.kind), { kind: 'effect', index });
  });
  return { found, left };
}

/** The indexes of the commands that a subject stands for. */
export function commandsOf(view: FactView, subject: SubjectRef): readonly number[] {
  const { action } = view.facts;
  switch (subject.kind) {
    case 'command':
      return [subject.index];
    case 'effect': {
      const command = action.effects[subject.index]?.command ?? null;
      return command === null ? [] : [command];
    }
    default:
      return action.commands.map((command) => command.index);
  }
}

/** A name for a subject, for people: `action`, `commands[0]`, `effects[2]`. */
export function subjectName(subject: SubjectRef): string {
  return subject.kind === 'action' ? 'action' : `${subject.kind}s[${subject.index}]`;
}
