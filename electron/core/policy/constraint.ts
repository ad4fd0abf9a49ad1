import type { Json, JsonObject } from '../brand.ts';
import { UNKNOWN_TEXT } from '../command.ts';
import { err, ok, type Result, unreachable } from '../result.ts';
import { equalValues } from './fact-value.ts';
import { type PolicyFault, policyFault } from './fault.ts';
import { compilePattern, type LinearPattern } from './pattern.ts';
import type { ParameterConstraint } from './rule.ts';

/** A constraint ready to be checked. */
export interface CompiledConstraint {
  readonly constraint: ParameterConstraint;
  readonly keys: readonly string[];
  readonly pattern: LinearPattern | null;
}

/** What one constraint says of one action. */
export type ConstraintVerdict =
  | { readonly kind: 'holds' }
  | { readonly kind: 'violated'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly path: string };

const HOLDS: ConstraintVerdict = { kind: 'holds' };

const PATH = /^[^.\s]{1,100}(\.[^.\s]{1,100}){0,15}$/;

/** Checks a constraint's own sense and compiles its pattern; every fault names its field (R3.e). */
export function compileConstraint(
  constraint: ParameterConstraint,
  where: { readonly rule: string; readonly field: readonly (string | number)[] },
): Result<CompiledConstraint, readonly PolicyFault[]> {
  const faults: PolicyFault[] = [];
  const refuse = (code: 'bad_value' | 'pattern', key: string, message: string): void => {
    faults.push(policyFault(code, message, { rule: where.rule, field: [...where.field, key] }));
  };
  if (!PATH.test(constraint.path)) refuse('bad_value', 'path', 'a path is keys joined by dots');
  const { min, max, minLength, maxLength } = constraint;
  if (min !== undefined && max !== undefined && min > max) refuse('bad_value', 'min', '`min` is above `max`');
  if (minLength !== undefined && maxLength !== undefined && minLength > maxLength)
    refuse('bad_value', 'min_length', '`min_length` is above `max_length`');
  const compiled = constraint.pattern === undefined ? null : compilePattern(constraint.pattern);
  if (compiled !== null && !compiled.ok) refuse('pattern', 'pattern', compiled.error);
  if (faults.length > 0) return err(faults);
  return ok({
    constraint,
    keys: constraint.path.split('.'),
    pattern: compiled?.ok === true ? compiled.value : null,
  });
}

type Found = { readonly kind: 'value'; readonly value: Json } | { readonly kind: 'missing' };

function find(parameters: JsonObject, keys: readonly string[]): Found {
  let value: Json = parameters;
  for (const key of keys) {
    if (value === null || typeof value !== 'object') return { kind: 'missing' };
    const isList: boolean = Array.isArray(value);
    if (isList && !/^\d+$/.test(key)) return { kind: 'missing' };
    if (!Object.hasOwn(value, key)) return { kind: 'missing' };
    value = (value as JsonObject)[key] ?? null;
  }
  return { kind: 'value', value };
}

function fitsType(value: Json, type: NonNullable<ParameterConstraint['type']>): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'integer':
      return Number.isSafeInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return unreachable(type);
  }
}

/** Length in code points of a text, in elements of a list; null for anything else. */
function lengthOf(value: Json): number | null {
  if (typeof value === 'string') return Array.from(value).length;
  return Array.isArray(value) ? value.length : null;
}

/** The value as a reason may show it: short, and not at all when it is secret. */
function shown(value: Json, secret: boolean): string {
  if (secret) return '';
  const text = JSON.stringify(value);
  return `, it is \`${text.length > 60 ? `${text.slice(0, 60)}…` : text}\``;
}

/** What the first broken part of the constraint demands, or null when all hold. A bound on the wrong type is broken. */
function broken({ constraint, pattern }: CompiledConstraint, value: Json): string | null {
  const { type, min, max, minLength, maxLength, allow, block } = constraint;
  if (type !== undefined && !fitsType(value, type)) return `must be of type ${type}`;
  if (min !== undefined && !(typeof value === 'number' && value >= min)) return `must be at least ${min}`;
  if (max !== undefined && !(typeof value === 'number' && value <= max)) return `must be at most ${max}`;
  const length = lengthOf(value);
  if (minLength !== undefined && !(length !== null && length >= minLength))
    return `must have a length of at least ${minLength}`;
  if (maxLength !== undefined && !(length !== null && length <= maxLength))
    return `must have a length of at most ${maxLength}`;
  if (pattern !== null && !(typeof value === 'string' && pattern.whole(value)))
    return 'must match its pattern';
  if (allow !== undefined && !allow.some((allowed) => equalValues(allowed, value) === true))
    return 'is not on its allow list';
  if (block?.some((blocked) => equalValues(blocked, value) === true)) return 'is on its block list';
  return null;
}

/**
 * Checks one parameter (AARM R3.e). Missing is violated only when required; a text with an unknown stretch is unknown.
 * The reason names the parameter and the constraint, never a secret value.
 */
export function checkConstraint(compiled: CompiledConstraint, parameters: JsonObject): ConstraintVerdict {
  const { constraint, keys } = compiled;
  const found = find(parameters, keys);
  if (found.kind === 'missing') {
    if (constraint.required !== true) return HOLDS;
    return { kind: 'violated', reason: `parameter \`${constraint.path}\` is required` };
  }
  const { value } = found;
  if (typeof value === 'string' && value.includes(UNKNOWN_TEXT))
    return { kind: 'unknown', path: `action.parameters.${constraint.path}` };
  const demand = broken(compiled, value);
  if (demand === null) return HOLDS;
  const secret = constraint.secret === true;
  return { kind: 'violated', reason: `parameter \`${constraint.path}\` ${demand}${shown(value, secret)}` };
}
