import type { Action } from '../action.ts';
import type { CommandPattern } from '../approval.ts';
import type { Json } from '../brand.ts';
import type { Command, Word } from '../command.ts';
import type { FactSet } from '../facts.ts';
import { requestCovers, requestPatternOf } from './request-grant.ts';

/** Words split by what they mean: sorted flags as written, operands in order; null when any word is not known. */
interface Shape {
  readonly subcommand: string | null;
  readonly flags: readonly string[];
  readonly operands: readonly string[];
}

const LOOKS_LIKE_SUBCOMMAND = /^[a-z][a-z0-9:_-]*$/;

function shapeOf(command: Command): Shape | null {
  const words: readonly Word[] = [command.name, ...command.args];
  // A word that only running could tell, or a glob, may become anything; nobody can have allowed that.
  if (command.program === '' || words.some((word) => !word.known || word.glob)) return null;
  // `./git` is not the `git` that was allowed.
  if (command.name.text.includes('/')) return null;
  const flags: string[] = [];
  const operands: string[] = [];
  let ended = false;
  for (const { text } of command.args) {
    if (ended || text === '-' || !text.startsWith('-')) operands.push(text);
    else if (text === '--') ended = true;
    else flags.push(text);
  }
  const [first] = operands;
  // Only the very first argument names a subcommand; `git -C dir push` is not generalised over.
  const named = first !== undefined && command.args[0]?.text === first && LOOKS_LIKE_SUBCOMMAND.test(first);
  return {
    subcommand: named ? first : null,
    flags: flags.sort(),
    operands: named ? operands.slice(1) : operands,
  };
}

/** True when a command brings along what its words do not show: code, redirections, variables, another place. */
function carriesMore(command: Command): boolean {
  return (
    command.code !== null ||
    command.redirects.length > 0 ||
    command.assignments.length > 0 ||
    command.pipedFrom !== null ||
    command.pipedTo !== null ||
    command.via.some((wrapper) => wrapper.place !== 'here')
  );
}

const equalLists = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);

/**
 * Generalises an approved command by its parsed meaning (R4): program, subcommand and exact flags; operands stay as
 * they were, in the same directory, unless `operands` is `'free'`. Null when it cannot be generalised safely; then only
 * "once" can be offered.
 */
export function patternFor(
  command: Command,
  rule: string | null,
  cwd: string | null,
  operands: 'fixed' | 'free' = 'fixed',
): CommandPattern | null {
  const shape = shapeOf(command);
  if (shape === null || carriesMore(command)) return null;
  // Operands without a directory to read them from would mean something else in every other one.
  if (operands === 'fixed' && cwd === null && shape.operands.length + (shape.subcommand === null ? 0 : 1) > 0)
    return null;
  return {
    program: command.program,
    subcommand: shape.subcommand,
    flags: shape.flags,
    operands: operands === 'free' ? null : shape.operands,
    rule,
    cwd: operands === 'free' ? null : cwd,
  };
}

/**
 * Whether a session grant covers a command run in `cwd`: same program, subcommand and exactly the same flags, operands
 * equal unless free, every word known, and nothing brought along that the pattern cannot show.
 */
export function grantCovers(pattern: CommandPattern, command: Command, cwd: string | null): boolean {
  if (pattern.object !== undefined || pattern.request !== undefined) return false;
  if (pattern.program !== command.program || carriesMore(command)) return false;
  const shape = shapeOf(command);
  if (shape === null || shape.subcommand !== pattern.subcommand) return false;
  if (!equalLists(shape.flags, pattern.flags)) return false;
  if ((pattern.cwd ?? null) !== null && pattern.cwd !== cwd) return false;
  return pattern.operands === null || equalLists(shape.operands, pattern.operands);
}

/**
 * Generalises an approved action that is no command (R4): the same is done to the same objects, by whatever program; a request or a statement
 * by its meaning (request-grant.ts), `fixed` to the very one. Null for a command, and where an object is not known.
 */
export function objectPatternFor(
  action: Action,
  rule: string | null,
  reach: 'fixed' | 'free' = 'fixed',
): CommandPattern | null {
  if (action.tool === 'http' || action.tool === 'database') {
    const request = requestPatternOf(action, reach);
    return request === null
      ? null
      : { program: '', subcommand: null, flags: [], operands: null, rule, request };
  }
  const value = objectsText(action);
  if (value === null) return null;
  const { tool, operation } = action;
  const object = { tool, operation, value };
  return { program: '', subcommand: null, flags: [], operands: null, rule, object };
}

/** Whether a session grant covers an action that is no command: the same tool, operation and objects. */
export function objectGrantCovers(pattern: CommandPattern, action: Action): boolean {
  const { object, request } = pattern;
  if (request !== undefined) return requestCovers(request, action);
  if (object === undefined || object.tool !== action.tool || object.operation !== action.operation)
    return false;
  return object.value === objectsText(action);
}

function objectsText(action: Action): string | null {
  if (action.commands.length > 0 || action.effects.length === 0 || action.gaps.length > 0) return null;
  if (action.effects.some(({ object }) => !object.known || object.many)) return null;
  return action.effects.map(({ object }) => object.value).join(' \u2192 ');
}

/**
 * Whether what an action carries is what the grant was given with: text of a classified source that was not in it then is a new question
 * (T3). `ofData`: the rule that asks is itself about what is carried, so that the workspace's own text counts, too.
 */
export function flowsCovered(pattern: CommandPattern, facts: FactSet, ofData: boolean): boolean {
  const { payload, flows } = facts.data;
  if (flows === undefined) return payload === undefined || payload === null;
  const given = pattern.flows ?? [];
  return (Array.isArray(flows) ? (flows as readonly Json[]) : []).every((flow) => {
    if (typeof flow !== 'object' || flow === null || !('source' in flow)) return false;
    const { source, level } = flow as { readonly source: Json; readonly level: Json };
    const counts = level === 'CONFIDENTIAL' || level === 'RESTRICTED' || (ofData && level !== 'PUBLIC');
    return !counts || (typeof source === 'string' && given.includes(source));
  });
}
