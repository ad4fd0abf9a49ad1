import type { Digest, Json, JsonObject } from '../../core/brand.ts';
import { untrustedSignals } from '../../core/data/untrusted.ts';
import type { Hasher } from '../../core/ports.ts';
import { canonicalForm } from '../../core/receipt/canonical.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { isJsonObject } from '../json.ts';

/** What a server says of one of its tools, as far as it is pinned: claims, never trusted upward. */
export interface ToolDefinition {
  readonly name: string;
  readonly title: string | null;
  readonly description: string | null;
  readonly inputSchema: JsonObject;
  readonly outputSchema: JsonObject | null;
  readonly annotations: JsonObject | null;
}

/** Names as the specification asks for them, and a little wider; nothing that a terminal or a path would take for something else. */
export const TOOL_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:/ -]{0,127}$/;

/** Reads one entry of `tools/list`; members that are not pinned (`icons`, `_meta`, `execution`) are left aside. */
export function readDefinition(value: Json): Result<ToolDefinition, string> {
  if (!isJsonObject(value)) return err('a tool definition is an object');
  const { name, title, description, inputSchema, outputSchema, annotations } = value;
  if (typeof name !== 'string' || !TOOL_NAME.test(name)) return err('a tool has no usable name');
  if (!isJsonObject(inputSchema)) return err('a tool has no input schema');
  const text = (given: Json | undefined) => (typeof given === 'string' ? given : null);
  const object = (given: Json | undefined) => (isJsonObject(given) ? given : null);
  return ok({
    name,
    title: text(title),
    description: text(description),
    inputSchema,
    outputSchema: object(outputSchema),
    annotations: object(annotations),
  });
}

/** SHA-256 over the canonical form of what is pinned; null for what has no canonical form (a broken character). */
export function definitionHash(definition: ToolDefinition, hasher: Hasher): Digest | null {
  const text = canonicalForm({ ...definition });
  return text.ok ? hasher.sha256(text.value) : null;
}

/** One difference between two definitions, for people. */
export interface DefinitionChange {
  /** `description`, `inputSchema.properties.path` … */
  readonly where: string;
  readonly before: string | null;
  readonly after: string | null;
}

const MAX_CHANGES = 24;
const MAX_SHOWN = 600;

/** What differs, member by member; bounded, the text of each side cut around the first difference. */
export function definitionDiff(before: ToolDefinition, after: ToolDefinition): readonly DefinitionChange[] {
  const changes: DefinitionChange[] = [];
  const walk = (a: Json | undefined, b: Json | undefined, where: string, depth: number) => {
    if (changes.length >= MAX_CHANGES || same(a, b)) return;
    if (isJsonObject(a) && isJsonObject(b) && depth < 6) {
      for (const key of [...new Set([...Object.keys(a), ...Object.keys(b)])].sort())
        walk(a[key], b[key], where === '' ? key : `${where}.${key}`, depth + 1);
      return;
    }
    const [left, right] = around(shown(a), shown(b));
    changes.push({ where, before: left, after: right });
  };
  walk({ ...before }, { ...after }, '', 0);
  return changes;
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function shown(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Both texts from a little before where they part. */
function around(a: string | null, b: string | null): readonly [string | null, string | null] {
  let at = 0;
  if (a !== null && b !== null) while (at < a.length && a[at] === b[at]) at += 1;
  const from = Math.max(0, at - 80);
  const cut = (text: string | null) =>
    text === null
      ? null
      : `${from > 0 ? '… ' : ''}${text.slice(from, from + MAX_SHOWN)}${text.length > from + MAX_SHOWN ? ' …' : ''}`;
  return [cut(a), cut(b)];
}

/** A sign in a definition that it wants to steer who reads it. */
export interface DefinitionSignal {
  readonly kind: 'poisoned' | 'hidden-text' | 'shadowing';
  /** Our detector, or the name of the tool that is spoken of. */
  readonly detail: string;
}

/** Tools of other servers, by the server's name. */
export type OtherTools = ReadonlyMap<string, readonly string[]>;

/** Words that a description uses to put itself before another tool, or to reach for what no tool needs. */
const LURES: readonly (readonly [string, RegExp])[] = [
  [
    'reads-before-use',
    /\b(?:before|prior to|in order to)\b[^.\n]{0,80}\b(?:using|calling|invoking|running|use|call)\b[^.\n]{0,120}\b(?:read|open|load|include|cat)\b[^.\n]{0,120}(?:~\/|\.ssh|\.aws|\.env\b|id_rsa|mcp\.json|credentials|\/etc\/)/i,
  ],
  [
    'secret-as-argument',
    /\b(?:pass|send|include|put|provide|supply)\b[^.\n]{0,120}\b(?:contents?|file|key|token|password|secret|history|conversation|system prompt)\b[^.\n]{0,80}\b(?:as|in|into|via|through)\b[^.\n]{0,60}\b(?:sidenote|argument|parameter|field|note|context|metadata)\b/i,
  ],
  [
    'keeps-quiet',
    /\b(?:do not|don't|never|must not|without)\b[^.\n]{0,40}\b(?:tell|mention|inform|notify|show|telling|mentioning|informing|notifying|alert)\b[^.\n]{0,40}\b(?:user|person|human|them|him|her)\b/i,
  ],
  ['important-block', /<\s*(?:important|system|secret|instructions?|hidden)\s*>/i],
];

/**
 * Signs of poisoning in all that a definition says, and of shadowing: that it speaks of another server's tool, or takes its name (T1,
 * T7). Plain definitions give an empty list. No text of the definition is in it.
 */
export function definitionSignals(
  definition: ToolDefinition,
  others: OtherTools,
): readonly DefinitionSignal[] {
  const text = textOf(definition);
  const signals = new Map<string, DefinitionSignal>();
  const add = (kind: DefinitionSignal['kind'], detail: string) =>
    signals.set(`${kind} ${detail}`, { kind, detail });
  for (const { kind, detector } of untrustedSignals(text, null))
    add(kind === 'hidden-text' || kind === 'encoded' ? 'hidden-text' : 'poisoned', detector);
  for (const [name, pattern] of LURES) if (pattern.test(text)) add('poisoned', name);
  for (const [server, tools] of others)
    for (const tool of tools) {
      if (tool === definition.name) continue;
      if (isDistinct(tool) && mentions(text, tool)) add('shadowing', `${server}/${tool}`);
    }
  return [...signals.values()].slice(0, 16);
}

/** A name that stands in a text only when that tool is meant: `read_file`, `sendMessage`, and not `search`. */
function isDistinct(name: string): boolean {
  return name.length >= 6 && (/[_.:-]/.test(name) || /[a-z][A-Z]/.test(name));
}

function mentions(text: string, name: string): boolean {
  let at = text.indexOf(name);
  while (at >= 0) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + name.length] ?? ' ';
    if (!/[A-Za-z0-9_-]/.test(before) && !/[A-Za-z0-9_-]/.test(after)) return true;
    at = text.indexOf(name, at + 1);
  }
  return false;
}

const MAX_TEXT = 64 * 1024;

/** Every text that a model is shown of a definition: descriptions, titles, names, enums and defaults of its schemas. */
function textOf(definition: ToolDefinition): string {
  const parts: string[] = [];
  let room = MAX_TEXT;
  const walk = (value: Json | null, depth: number) => {
    if (room <= 0 || depth > 16) return;
    if (typeof value === 'string') {
      parts.push(value);
      room -= value.length;
    } else if (Array.isArray(value)) for (const item of value as readonly Json[]) walk(item, depth + 1);
    else if (isJsonObject(value ?? undefined))
      for (const [key, member] of Object.entries(value as JsonObject)) {
        if (key.length > 24) parts.push(key);
        walk(member, depth + 1);
      }
  };
  walk(definition.title, 0);
  walk(definition.description, 0);
  walk(definition.inputSchema, 0);
  walk(definition.outputSchema, 0);
  walk(definition.annotations, 0);
  return parts.join('\n');
}
