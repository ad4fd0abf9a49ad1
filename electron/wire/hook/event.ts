import type { Json, JsonObject } from '../../core/brand.ts';
import type { Result } from '../../core/result.ts';
import { isJsonObject } from '../json.ts';

/** What an agent's hook tells us and hears from us, the same for every agent; `wire/hook/<agent>.ts` translates. Pure. */

/** The agents whose hooks are understood; the word that stands in `countersign connect AGENT` and in the hook's own command. */
export const HOOK_AGENTS = ['claude-code', 'codex', 'gemini', 'cursor', 'copilot', 'windsurf'] as const;
export type HookAgent = (typeof HOOK_AGENTS)[number];

/** The largest payload of a hook that is looked at, in bytes; what is larger is denied, or not heard where nothing waits for it. */
export const MAX_HOOK_BYTES = 16 * 1024 * 1024;

/** One thing that a tool call is about to do; a call may do several (a patch of many files). */
export type ToolCall =
  | { readonly kind: 'shell'; readonly commandLine: string; readonly cwd: string | null }
  | {
      readonly kind: 'file';
      readonly operation: FileDeed;
      readonly path: string;
      readonly change: FileChange;
    }
  | { readonly kind: 'look'; readonly path: string | null }
  | { readonly kind: 'fetch'; readonly url: string }
  | {
      readonly kind: 'mcp';
      readonly server: string | null;
      readonly name: string;
      readonly given: JsonObject;
    }
  | { readonly kind: 'delegate'; readonly to: string | null; readonly prompt: string }
  | { readonly kind: 'other'; readonly name: string; readonly given: JsonObject; readonly inside: boolean };

export type FileDeed = 'read' | 'write' | 'delete' | 'rename';

/** What a file will hold afterwards, as far as the call says. */
export type FileChange =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly text: string }
  | { readonly kind: 'edits'; readonly edits: readonly TextEdit[] }
  /** A change that only the agent can work out: a patch with context lines, a notebook's cell. */
  | { readonly kind: 'unseen'; readonly why: string }
  | { readonly kind: 'moved'; readonly to: string };

export interface TextEdit {
  readonly before: string;
  readonly after: string;
  readonly all: boolean;
}

/** What stands in every event. */
export interface HookScene {
  /** The agent's own name of its session; null when it does not say. */
  readonly session: string | null;
  readonly cwd: string | null;
  /** Set when a subagent does it: its kind and name, as the agent says. */
  readonly subagent: string | null;
}

export type HookDeed =
  | {
      readonly kind: 'before';
      readonly tool: string;
      /** What a MODIFY changes one field of. */
      readonly given: JsonObject;
      readonly call: string | null;
      readonly calls: readonly ToolCall[];
    }
  | {
      readonly kind: 'after';
      readonly tool: string;
      readonly given: JsonObject;
      readonly call: string | null;
      readonly failed: boolean;
      /** What the tool gave back, as text. */
      readonly returned: string;
    }
  | { readonly kind: 'prompt'; readonly text: string }
  | { readonly kind: 'begin'; readonly source: string | null }
  | { readonly kind: 'end'; readonly reason: string | null }
  | { readonly kind: 'subagent'; readonly state: 'begin' | 'end'; readonly name: string }
  /** Nothing hangs on it: a notification, or an event that came into the world after this was written. */
  | { readonly kind: 'note'; readonly name: string };

export interface HookEvent {
  readonly scene: HookScene;
  readonly deed: HookDeed;
}

/** What was decided about a `before`, in final form. */
export type HookVerdict =
  | { readonly result: 'ALLOW' }
  | { readonly result: 'DENY'; readonly reason: string }
  /** `commandLine`: what runs in place of the one shell call. */
  | { readonly result: 'MODIFY'; readonly reason: string; readonly commandLine: string };

/** What the hook's process writes and how it ends: the agent's own answer format. */
export interface HookReply {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

export interface HookFault {
  readonly code: string;
  readonly message: string;
}

/** One agent's contract. */
export interface HookAdapter {
  /** `event` is the name that the hook is configured under; a payload that names another is refused. */
  readonly read: (event: string, payload: JsonObject) => Result<HookEvent, HookFault>;
  /** The answer to a `before`; `event` as for `read`. */
  readonly answer: (event: string, deed: BeforeDeed, verdict: HookVerdict) => HookReply;
}

export type BeforeDeed = Extract<HookDeed, { readonly kind: 'before' }>;

/** Lets the agent go on by its own rules: nothing is granted that it would have asked a person for. */
export const SILENT: HookReply = { stdout: '', stderr: '', status: 0 };

/** A field that is text; null when it is absent or something else. */
export function textOf(object: JsonObject, key: string): string | null {
  const value = object[key];
  return typeof value === 'string' ? value : null;
}

/** A field that is an object; an empty one when it is absent or something else. */
export function objectOf(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isJsonObject(value) ? value : {};
}

/** What a tool gave back, as one text: all strings in it, in order. */
export function returnedText(value: Json | undefined): string {
  const found: string[] = [];
  const walk = (part: Json | undefined): void => {
    if (typeof part === 'string') found.push(part);
    else if (Array.isArray(part)) for (const item of part) walk(item);
    else if (isJsonObject(part)) for (const item of Object.values(part)) walk(item);
  };
  walk(value);
  return found.join('\n');
}

/** The parts of `mcp__SERVER__TOOL`; null for any other name. */
export function mcpName(name: string): { readonly server: string; readonly tool: string } | null {
  const match = /^mcp__(.+?)__(.+)$/.exec(name);
  return match === null ? null : { server: match[1] ?? '', tool: match[2] ?? '' };
}
