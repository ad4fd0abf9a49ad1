import type { Json, TimeMs } from '../brand.ts';
import type { Command, Word } from '../command.ts';
import type { Effect } from '../effect.ts';
import type { FactSet } from '../facts.ts';
import { unreachable } from '../result.ts';
import type { FactRoot } from './fact-schema.ts';
import { type Unknown, unknownAt, type Value, type ValueObject } from './fact-value.ts';
import { readParameters } from './parameter.ts';

/** Velocity counts the actions of this long (docs/policy-format.md). */
export const VELOCITY_WINDOW_MS = 60_000;

/** The facts as a predicate reads them: snake_case, a missing key is unknown, null is not applicable. */
export interface FactView {
  readonly facts: FactSet;
  root(name: Exclude<FactRoot, 'command' | 'effect'>): Value;
  command(index: number): ValueObject | null;
  effect(index: number): ValueObject | null;
}

const UNKNOWN_PROGRAM = unknownAt('command.program');
const UNKNOWN_ARGS = unknownAt('command.args');
const UNKNOWN_VALUE = unknownAt('effect.value');
const UNKNOWN_LABEL = unknownAt('effect.labels');

function wordValue(word: Word): string | Unknown {
  return word.known ? word.text : UNKNOWN_ARGS;
}

/** True when the word could turn out to be a flag: it starts with `-`, or with what only running could tell. */
function mayBeFlag(word: Word): boolean {
  const first = word.text[0];
  return first === '-' || (!word.known && (first === undefined || first === '\uFFFC'));
}

/** `-rf` is also `-r` and `-f`; `--force=x` is also `--force`. The words as written stay in the list. */
function flagForms(text: string): readonly string[] {
  if (text.startsWith('--')) {
    const equals = text.indexOf('=');
    return equals < 0 ? [text] : [text, text.slice(0, equals)];
  }
  if (!/^-[A-Za-z][A-Za-z0-9]+$/.test(text)) return [text];
  return [text, ...Array.from(text.slice(1), (letter) => `-${letter}`)];
}

/** Splits words into flags and operands; after `--` everything is an operand. */
function splitWords(args: readonly Word[]): {
  readonly flags: readonly Value[];
  readonly operands: readonly Value[];
} {
  const flags: Value[] = [];
  const operands: Value[] = [];
  let ended = false;
  for (const word of args) {
    if (!ended && word.known && word.text === '--') ended = true;
    else if (ended || word.text === '-' || !mayBeFlag(word)) operands.push(wordValue(word));
    else if (word.known) flags.push(...flagForms(word.text));
    else {
      flags.push(UNKNOWN_ARGS);
      if (word.text[0] !== '-') operands.push(UNKNOWN_ARGS);
    }
  }
  return { flags, operands };
}

/** Working directory of a command: its own where normalization tells (after a `cd`), else the action's; null when not known. */
export function commandCwd(command: Command, facts: FactSet): string | null {
  return 'cwd' in command ? (command.cwd as string | null) : facts.action.cwd;
}

function commandView(command: Command, facts: FactSet): ValueObject {
  const { flags, operands } = splitWords(command.args);
  const neighbour = (index: number | null): Value => {
    if (index === null) return null;
    const other = facts.action.commands[index];
    return other === undefined || other.program === '' ? unknownAt('command.piped_from') : other.program;
  };
  const { code } = command;
  return {
    program: command.program === '' ? UNKNOWN_PROGRAM : command.program,
    name: command.name.known ? command.name.text : UNKNOWN_PROGRAM,
    subcommand: operands[0] ?? null,
    args: command.args.map(wordValue),
    args_known: command.args.every((word) => word.known),
    flags,
    operands,
    assignments: command.assignments.map((assignment) => assignment.name),
    via: command.via.map((wrapper) => wrapper.program),
    places: command.via.map((wrapper) => wrapper.place),
    piped_from: neighbour(command.pipedFrom),
    piped_to: neighbour(command.pipedTo),
    origin: command.origin,
    code_language: code === null ? null : code.language,
    code: code === null ? null : code.known ? code.text : unknownAt('command.code'),
    // A surface without directories has none; after a `cd` that may fail it is not known.
    cwd: commandCwd(command, facts) ?? (facts.action.cwd === null ? null : unknownAt('command.cwd')),
  };
}

function effectView(effect: Effect): ValueObject {
  const { object } = effect;
  return {
    kind: effect.kind,
    value: object.kind === 'none' ? null : object.known ? object.value : UNKNOWN_VALUE,
    known: object.known,
    many: object.many,
    object_kind: object.kind,
    // What an unknown object would be labelled is itself not fully known.
    labels: object.known ? object.labels : [...object.labels, UNKNOWN_LABEL],
    recursive: effect.recursive,
    force: effect.force,
    reversible: effect.reversible,
    tags: effect.tags,
  };
}

function velocityOf(times: readonly TimeMs[], now: TimeMs): number {
  let count = 0;
  for (const at of times) if (at > now - VELOCITY_WINDOW_MS && at <= now) count += 1;
  return count;
}

/** Omits what is null, so that it reads as unknown. */
function present(entries: Readonly<Record<string, Json | undefined>>): ValueObject {
  return Object.fromEntries(
    Object.entries(entries).filter(([, value]) => value !== null && value !== undefined),
  ) as ValueObject;
}

function environmentView(facts: FactSet): ValueObject {
  // Without a prototype: a fact called `__proto__` is a fact.
  const latest: Record<string, FactSet['environment'][number]> = Object.create(null);
  for (const fact of facts.environment) {
    const before = latest[fact.name];
    if (before === undefined || before.readAt < fact.readAt) latest[fact.name] = fact;
  }
  const view: Record<string, Value> = Object.create(null);
  for (const [name, fact] of Object.entries(latest))
    view[name] = { value: fact.value, source: fact.source, age_ms: Math.max(0, facts.now - fact.readAt) };
  return view;
}

function buildRoot(name: Exclude<FactRoot, 'command' | 'effect'>, facts: FactSet, view: FactView): Value {
  const { action, identity, session, context, now } = facts;
  switch (name) {
    case 'action':
      return {
        tool: action.tool,
        operation: action.operation,
        parameters: readParameters(action),
        cwd: action.cwd,
        surface: action.surface,
        parts_follow: action.partsFollow,
        gaps: action.gaps,
        modified_from: action.modifiedFrom,
      };
    case 'commands':
      return action.commands.map((_, index) => view.command(index));
    case 'effects':
      return action.effects.map((_, index) => view.effect(index));
    case 'identity':
      return {
        human: identity.human.name,
        uid: identity.human.uid,
        service: identity.service.name,
        agent: identity.agent.product,
        agent_version: identity.agent.version,
        role: identity.role,
        privileges: identity.privileges,
        binding: identity.binding,
        delegation: identity.delegation.map(({ from, to, scope }) => ({ from, to, scope })),
      };
    case 'session':
      return {
        assurance: session.assurance,
        workspace: session.workspace,
        home: session.home,
        action_count: context.actionCount,
        age_ms: Math.max(0, now - session.startedAt),
        velocity: velocityOf(context.recentTimes, now),
      };
    case 'request':
      return present({ text: context.request });
    case 'history':
      return {
        tools: context.tools,
        entities: context.entities,
        classes: context.classes,
        // Never unknown: what was not looked at had no signs that anybody saw.
        untrusted: {
          seen: context.untrusted !== null,
          count: context.untrusted?.count ?? 0,
          kinds: context.untrusted?.kinds ?? [],
          source: context.untrusted?.source ?? null,
        },
        counts: context.counts,
        recent: context.recent.map((prior) => ({
          tool: prior.tool,
          operation: prior.operation,
          summary: prior.summary,
          decision: prior.decision,
          result: prior.result,
          age_ms: Math.max(0, now - prior.at),
        })),
      };
    case 'data':
      return facts.data;
    case 'destination':
      return facts.destination;
    case 'alignment': {
      const { scope, distance, drift, words } = facts.alignment;
      return present({ scope: scope === 'unknown' ? null : scope, distance, drift, words });
    }
    case 'environment':
      return environmentView(facts);
    default:
      return unreachable(name);
  }
}

/** Opens the facts for reading; each part is built when first read and kept for this evaluation only. */
export function viewFacts(facts: FactSet): FactView {
  const roots: Partial<Record<FactRoot, Value>> = {};
  const commands: (ValueObject | null)[] = [];
  const effects: (ValueObject | null)[] = [];
  const view: FactView = {
    facts,
    root: (name) => {
      const before = roots[name];
      if (before !== undefined) return before;
      const built = buildRoot(name, facts, view);
      roots[name] = built;
      return built;
    },
    command: (index) => {
      const before = commands[index];
      if (before !== undefined) return before;
      const command = facts.action.commands[index];
      const built = command === undefined ? null : commandView(command, facts);
      commands[index] = built;
      return built;
    },
    effect: (index) => {
      const before = effects[index];
      if (before !== undefined) return before;
      const effect = facts.action.effects[index];
      const built = effect === undefined ? null : effectView(effect);
      effects[index] = built;
      return built;
    },
  };
  return view;
}
