import type { Json, JsonObject } from '../../core/brand.ts';

/** Reading PostgreSQL's parse tree as JSON: every node is an object with one key, its type. What is missing reads as null. */

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field of an object as an object; null for anything else. */
export function child(node: Json | undefined, key: string): JsonObject | null {
  const value = isObject(node) ? node[key] : undefined;
  return isObject(value) ? value : null;
}

/** The field of an object as a list; empty for anything else. */
export function list(node: Json | undefined, key: string): readonly Json[] {
  const value = isObject(node) ? node[key] : undefined;
  return Array.isArray(value) ? value : [];
}

export function text(node: Json | undefined, key: string): string | null {
  const value = isObject(node) ? node[key] : undefined;
  return typeof value === 'string' ? value : null;
}

export function flag(node: Json | undefined, key: string): boolean {
  return isObject(node) && node[key] === true;
}

/** Type and body of a node; null for what is no node. */
export function nodeOf(value: Json | undefined): readonly [string, JsonObject] | null {
  if (!isObject(value)) return null;
  const [entry] = Object.entries(value);
  return entry !== undefined && isObject(entry[1]) ? [entry[0], entry[1]] : null;
}

/** Parts of a dotted name: a list of String nodes. */
export function names(values: readonly Json[]): readonly string[] {
  return values.map((value) => text(child(value, 'String'), 'sval') ?? '*');
}

/** A name as `to_regclass` reads it: in quotes unless it is plain. */
export function quoteName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function quoteNames(parts: readonly string[]): string {
  return parts.map(quoteName).join('.');
}

/** A table as the statement names it: schema (and database) where they are said. */
export function relationName(range: JsonObject): string {
  const parts = [text(range, 'catalogname'), text(range, 'schemaname'), text(range, 'relname')];
  return quoteNames(parts.filter((part): part is string => part !== null));
}

/** Text of a constant; null for what is none. */
export function constant(value: Json | undefined): string | null {
  const node = nodeOf(value);
  if (node === null) return null;
  if (node[0] === 'TypeCast') return constant(node[1]['arg']);
  if (node[0] === 'String') return text(node[1], 'sval');
  if (node[0] !== 'A_Const') return null;
  const held = Object.entries(node[1]).find(([key]) => key !== 'location')?.[1];
  if (!isObject(held)) return null;
  const [inner] = Object.values(held);
  return typeof inner === 'object' ? null : String(inner ?? '0');
}
