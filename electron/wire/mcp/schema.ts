import type { Json, JsonObject } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';

/**
 * Holds a tool's arguments to the schema that its server gave for them. An interpreter of a subset of JSON Schema and not a library, on
 * purpose: the schema is the server's, hostile, and this runs in the process that decides. ajv turns a schema into code with
 * `new Function` and its `pattern` into a RegExp that can be made to run for ever. What this does not read (`pattern`, `format`,
 * `if`, `dependentSchemas`, remote `$ref` …) never counts as a fault: the server checks its own arguments still.
 */
export interface ArgumentFault {
  /** `path`, `edits.0.oldText`. */
  readonly where: string;
  readonly message: string;
}

const MAX_FAULTS = 8;
const MAX_STEPS = 50_000;
const MAX_DEPTH = 32;

interface Check {
  readonly root: JsonObject;
  steps: number;
}

/** What is wrong with arguments by their tool's schema (AARM R3.e); empty when nothing that can be told is. No value is repeated. */
export function argumentFaults(schema: JsonObject, value: Json): readonly ArgumentFault[] {
  const check: Check = { root: schema, steps: 0 };
  return faultsOf(check, schema, value, '', 0).slice(0, MAX_FAULTS);
}

function faultsOf(check: Check, schema: Json, value: Json, where: string, depth: number): ArgumentFault[] {
  check.steps += 1;
  if (schema === false) return [{ where, message: 'is not allowed' }];
  if (!isJsonObject(schema) || depth > MAX_DEPTH || check.steps > MAX_STEPS) return [];
  const faults: ArgumentFault[] = [];
  const say = (message: string) => faults.push({ where, message });
  const { $ref, type, anyOf, oneOf, allOf } = schema;
  if (typeof $ref === 'string') {
    const target = resolved(check.root, $ref);
    if (target !== null) faults.push(...faultsOf(check, target, value, where, depth + 1));
  }
  if (type !== undefined && !hasType(type, value)) {
    say(`is not ${typeText(type)}`);
    return faults;
  }
  if (Object.hasOwn(schema, 'const') && !equal(schema.const, value))
    say('is not the one value that it may have');
  if (Array.isArray(schema.enum) && !schema.enum.some((one) => equal(one, value)))
    say('is none of the values that it may have');
  if (Array.isArray(allOf))
    for (const one of allOf) faults.push(...faultsOf(check, one, value, where, depth + 1));
  for (const some of [anyOf, oneOf])
    if (Array.isArray(some) && some.length > 0) {
      const fits = some.some((one) => faultsOf(check, one, value, where, depth + 1).length === 0);
      if (!fits) say('fits none of its forms');
    }
  if (typeof value === 'string') textFaults(schema, value, say);
  else if (typeof value === 'number') numberFaults(schema, value, say);
  else if (Array.isArray(value)) faults.push(...listFaults(check, schema, value, where, depth));
  else if (isJsonObject(value)) faults.push(...objectFaults(check, schema, value, where, depth));
  return faults.slice(0, MAX_FAULTS);
}

function textFaults(schema: JsonObject, value: string, say: (message: string) => void): void {
  const { minLength, maxLength } = schema;
  // In code points, as the specification counts; the cheap bound first.
  if (typeof minLength === 'number' && value.length < minLength) say(`is shorter than ${minLength}`);
  if (typeof maxLength === 'number' && value.length > maxLength && [...value].length > maxLength)
    say(`is longer than ${maxLength}`);
}

function numberFaults(schema: JsonObject, value: number, say: (message: string) => void): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (typeof minimum === 'number' && value < minimum) say(`is less than ${minimum}`);
  if (typeof maximum === 'number' && value > maximum) say(`is more than ${maximum}`);
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum)
    say(`is not above ${exclusiveMinimum}`);
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum)
    say(`is not below ${exclusiveMaximum}`);
}

function listFaults(
  check: Check,
  schema: JsonObject,
  value: readonly Json[],
  where: string,
  depth: number,
): ArgumentFault[] {
  const faults: ArgumentFault[] = [];
  const { minItems, maxItems, items } = schema;
  if (typeof minItems === 'number' && value.length < minItems)
    faults.push({ where, message: `has fewer than ${minItems} items` });
  if (typeof maxItems === 'number' && value.length > maxItems)
    faults.push({ where, message: `has more than ${maxItems} items` });
  const first = Array.isArray(schema.prefixItems) ? (schema.prefixItems as readonly Json[]) : [];
  for (const [index, item] of value.entries()) {
    if (faults.length >= MAX_FAULTS || check.steps > MAX_STEPS) break;
    const of = first[index] ?? (Array.isArray(items) ? undefined : items);
    if (of !== undefined) faults.push(...faultsOf(check, of, item, join(where, String(index)), depth + 1));
  }
  return faults;
}

function objectFaults(
  check: Check,
  schema: JsonObject,
  value: JsonObject,
  where: string,
  depth: number,
): ArgumentFault[] {
  const faults: ArgumentFault[] = [];
  const properties = isJsonObject(schema.properties) ? schema.properties : {};
  if (Array.isArray(schema.required))
    for (const name of schema.required)
      if (typeof name === 'string' && !Object.hasOwn(value, name))
        faults.push({ where: join(where, name.slice(0, 64)), message: 'is missing' });
  for (const [name, member] of Object.entries(value)) {
    if (faults.length >= MAX_FAULTS || check.steps > MAX_STEPS) break;
    const at = join(where, name.slice(0, 64));
    if (Object.hasOwn(properties, name)) {
      const of = properties[name];
      if (of !== undefined) faults.push(...faultsOf(check, of, member, at, depth + 1));
    } else if (schema.additionalProperties === false && schema.patternProperties === undefined)
      faults.push({ where: at, message: 'is not an argument of it' });
    else if (isJsonObject(schema.additionalProperties) && schema.patternProperties === undefined)
      faults.push(...faultsOf(check, schema.additionalProperties, member, at, depth + 1));
  }
  return faults;
}

function join(where: string, name: string): string {
  return where === '' ? name : `${where}.${name}`;
}

/** A `$ref` into the schema itself; null for any other. */
function resolved(root: JsonObject, ref: string): Json | null {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return null;
  let at: Json | undefined = root;
  for (const part of ref.slice(2).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    at = isJsonObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
    if (at === undefined) return null;
  }
  return at ?? null;
}

function hasType(type: Json, value: Json): boolean {
  if (Array.isArray(type)) return type.some((one) => hasType(one, value));
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isJsonObject(value);
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
}

function typeText(type: Json): string {
  const names = (Array.isArray(type) ? type : [type]).filter((one) => typeof one === 'string');
  return names.map((name) => `\`${name.slice(0, 16)}\``).join(' or ');
}

function equal(a: Json | undefined, b: Json): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
