import type { JsonObject } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';
import { type FileChange, mcpName, objectOf, type TextEdit, type ToolCall, textOf } from './event.ts';

/** What the built-in tools of agents do, by their names; several agents call the same thing alike. Pure. */

type Reader = (given: JsonObject) => readonly ToolCall[];

const NONE: FileChange = { kind: 'none' };

/** The shell of an agent; `directory` names where, in the agents that can say. */
export function shellTool(field = 'command'): Reader {
  return (given) => {
    const line = given[field];
    const cwd = textOf(given, 'workdir') ?? textOf(given, 'directory') ?? textOf(given, 'dir_path');
    if (typeof line === 'string') return [{ kind: 'shell', commandLine: line, cwd }];
    if (Array.isArray(line) && line.every((word) => typeof word === 'string'))
      return [{ kind: 'shell', commandLine: wordsAsLine(line), cwd }];
    return [];
  };
}

/** Words of one program start as a line that a shell reads as just these. */
export function wordsAsLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

export function readTool(...fields: readonly string[]): Reader {
  return (given) =>
    pathsOf(given, fields).map((path) => ({ kind: 'file', operation: 'read', path, change: NONE }));
}

/** A file is written whole. */
export function writeTool(path: string, content: string): Reader {
  return (given) => {
    const at = textOf(given, path);
    const text = textOf(given, content);
    if (at === null) return [];
    const change: FileChange =
      text === null ? { kind: 'unseen', why: 'its new content is not said' } : { kind: 'whole', text };
    return [{ kind: 'file', operation: 'write', path: at, change }];
  };
}

/** Text in a file is replaced; `edits` names a list of replacements, where the agent makes several at once. */
export function editTool(path: string, before: string, after: string, edits: string | null = null): Reader {
  return (given) => {
    const at = textOf(given, path);
    if (at === null) return [];
    const list = edits === null ? null : given[edits];
    const found = Array.isArray(list)
      ? list.map((one) => editOf(one, before, after))
      : [editOf(given, before, after)];
    const whole = found.every((one) => one !== null);
    const change: FileChange = whole
      ? { kind: 'edits', edits: found.filter((one) => one !== null) }
      : { kind: 'unseen', why: 'what it replaces is not said' };
    return [{ kind: 'file', operation: 'write', path: at, change }];
  };
}

function editOf(value: unknown, before: string, after: string): TextEdit | null {
  if (!isJsonObject(value as JsonObject)) return null;
  const object = value as JsonObject;
  const was = textOf(object, before);
  const is = textOf(object, after);
  if (was === null || is === null) return null;
  return { before: was, after: is, all: object['replace_all'] === true };
}

export function lookTool(...fields: readonly string[]): Reader {
  return (given) => [{ kind: 'look', path: pathsOf(given, fields)[0] ?? null }];
}

export function fetchTool(field: string): Reader {
  return (given) => {
    const url = textOf(given, field);
    return url === null ? [] : [{ kind: 'fetch', url }];
  };
}

/** A text of the model in which addresses stand (`web_fetch` of Gemini CLI). */
export function fetchInTextTool(field: string): Reader {
  return (given) =>
    [...(textOf(given, field) ?? '').matchAll(/https?:\/\/[^\s"'<>()]+/g)].map(([url]) => ({
      kind: 'fetch',
      url,
    }));
}

export function delegateTool(prompt: string, ...to: readonly string[]): Reader {
  return (given) => [
    {
      kind: 'delegate',
      prompt: textOf(given, prompt) ?? '',
      to: to.map((key) => textOf(given, key)).find((name) => name !== null) ?? null,
    },
  ];
}

/** Works on the agent's own state and reaches nothing outside it: a plan, a list of tasks, a question to the person. */
export const insideTool =
  (name: string): Reader =>
  (given) => [{ kind: 'other', name, given, inside: true }];

/** The files that an `apply_patch` text names, with what it says of their content. */
export function patchCalls(patch: string): readonly ToolCall[] {
  const calls: ToolCall[] = [];
  const lines = patch.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const head = /^\*\*\* (Add|Update|Delete) File: (.+)$/.exec(lines[at] ?? '');
    if (head === null) continue;
    const [, deed, path = ''] = head;
    const body: string[] = [];
    let to: string | null = null;
    while (
      at + 1 < lines.length &&
      !/^\*\*\* (?:Add File|Update File|Delete File|End Patch)/.test(lines[at + 1] ?? '')
    ) {
      at += 1;
      const line = lines[at] ?? '';
      const moved = /^\*\*\* Move to: (.+)$/.exec(line);
      if (moved !== null) to = moved[1] ?? null;
      else body.push(line);
    }
    calls.push(...patchedFile(deed ?? '', path.trim(), to?.trim() ?? null, body));
  }
  return calls;
}

function patchedFile(
  deed: string,
  path: string,
  to: string | null,
  body: readonly string[],
): readonly ToolCall[] {
  if (deed === 'Delete') return [{ kind: 'file', operation: 'delete', path, change: NONE }];
  if (deed === 'Add') {
    const added = body.filter((line) => line.startsWith('+')).map((line) => `${line.slice(1)}\n`);
    return [{ kind: 'file', operation: 'write', path, change: { kind: 'whole', text: added.join('') } }];
  }
  const unseen: FileChange = { kind: 'unseen', why: 'it is changed by a patch with context lines' };
  const written: ToolCall = { kind: 'file', operation: 'write', path: to ?? path, change: unseen };
  return to === null
    ? [written]
    : [{ kind: 'file', operation: 'rename', path, change: { kind: 'moved', to } }, written];
}

/** What a call does by an agent's table; an MCP tool by its name, and a tool that nobody knows as itself. */
export function callsOf(
  tools: Readonly<Record<string, Reader>>,
  name: string,
  given: JsonObject,
): readonly ToolCall[] {
  const mcp = mcpName(name);
  if (mcp !== null) return [{ kind: 'mcp', server: mcp.server, name: mcp.tool, given }];
  const reader = Object.hasOwn(tools, name) ? tools[name] : undefined;
  const calls = reader?.(given) ?? [];
  // A known tool whose words are not what they should be is no known tool.
  return calls.length > 0 ? calls : [{ kind: 'other', name, given, inside: false }];
}

function pathsOf(given: JsonObject, fields: readonly string[]): readonly string[] {
  return fields.flatMap((field) => {
    const value = given[field];
    if (typeof value === 'string') return [value];
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  });
}

/** What a field holds that is an object, or an object written as JSON text (GitHub Copilot CLI). */
export function objectOrText(
  object: JsonObject,
  key: string,
  parse: (text: string) => JsonObject | null,
): JsonObject {
  const text = textOf(object, key);
  return text === null ? objectOf(object, key) : (parse(text) ?? {});
}
