import type { Json, JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import { isJsonObject, parseStrictJson } from '../json.ts';
import type { HookAgent } from './event.ts';

/**
 * How each agent is told of its hooks: an entry for each event in a JSON file of its own (the contracts are cited in wire/hook/<agent>.ts). Pure:
 * text in, text out. What stands there already is kept, and stays in front.
 */

/** What our entries are made of. */
export interface HookCommand {
  /** The command line for one event. */
  readonly commandFor: (event: string) => string;
  /** Seconds after which the hook denies by itself; the agent is told to wait longer. */
  readonly waitS: number;
}

/** Every command of ours holds this; no one else's does. */
export const HOOK_MARK = 'countersign-hook';

interface Shape {
  readonly events: readonly string[];
  /** Event whose hook must deny the canary. */
  readonly proof: string;
  readonly entry: (event: string, command: string, waitS: number) => JsonObject;
  /** What a file that is made for it holds beside `hooks`. */
  readonly around: JsonObject;
}

/** More than our own deadline: the agent's would let the call through. */
const MARGIN_S = 20;

const nested = (unit: number, matcher: string, name: JsonObject) => {
  return (event: string, command: string, waitS: number): JsonObject => ({
    ...(MATCHED.has(event) ? { matcher } : {}),
    hooks: [{ ...name, type: 'command', command, timeout: (waitS + MARGIN_S) * unit }],
  });
};

/** Events that are about a tool: the only ones that take a matcher. */
const MATCHED = new Set(['PreToolUse', 'PostToolUse', 'PostToolUseFailure', 'BeforeTool', 'AfterTool']);

const SHAPES: Readonly<Record<HookAgent, Shape>> = {
  'claude-code': {
    events: [
      'PreToolUse',
      'PostToolUse',
      'PostToolUseFailure',
      'UserPromptSubmit',
      'SessionStart',
      'SessionEnd',
      'SubagentStart',
      'SubagentStop',
    ],
    proof: 'PreToolUse',
    entry: nested(1, '*', {}),
    around: {},
  },
  codex: {
    events: [
      'PreToolUse',
      'PostToolUse',
      'UserPromptSubmit',
      'SessionStart',
      'SubagentStart',
      'SubagentStop',
    ],
    proof: 'PreToolUse',
    entry: nested(1, '*', {}),
    around: {},
  },
  gemini: {
    events: ['BeforeTool', 'AfterTool', 'BeforeAgent', 'SessionStart', 'SessionEnd'],
    proof: 'BeforeTool',
    entry: nested(1000, '*', { name: 'countersign' }),
    around: {},
  },
  cursor: {
    events: [
      'preToolUse',
      'postToolUse',
      'postToolUseFailure',
      'beforeSubmitPrompt',
      'sessionStart',
      'sessionEnd',
    ],
    proof: 'preToolUse',
    entry: (_event, command, waitS) => ({ command, timeout: waitS + MARGIN_S }),
    around: { version: 1 },
  },
  copilot: {
    events: [
      'preToolUse',
      'postToolUse',
      'postToolUseFailure',
      'userPromptSubmitted',
      'sessionStart',
      'sessionEnd',
      'subagentStart',
      'subagentStop',
    ],
    proof: 'preToolUse',
    entry: (_event, command, waitS) => ({ type: 'command', bash: command, timeoutSec: waitS + MARGIN_S }),
    around: { version: 1 },
  },
  windsurf: {
    events: [
      'pre_run_command',
      'pre_read_code',
      'pre_write_code',
      'pre_mcp_tool_use',
      'post_run_command',
      'post_read_code',
      'post_write_code',
      'post_mcp_tool_use',
      'pre_user_prompt',
    ],
    proof: 'pre_mcp_tool_use',
    entry: (_event, command) => ({ command, show_output: true }),
    around: {},
  },
};

/** Where an agent looks for its hooks, below the person's home or below a project; null: it has no such place. */
export const HOOK_FILES: Readonly<
  Record<HookAgent, { readonly user: string | null; readonly project: string }>
> = {
  'claude-code': { user: '.claude/settings.json', project: '.claude/settings.local.json' },
  codex: { user: '.codex/hooks.json', project: '.codex/hooks.json' },
  gemini: { user: '.gemini/settings.json', project: '.gemini/settings.json' },
  cursor: { user: '.cursor/hooks.json', project: '.cursor/hooks.json' },
  copilot: { user: null, project: '.github/hooks/countersign.json' },
  windsurf: { user: '.codeium/windsurf/hooks.json', project: '.windsurf/hooks.json' },
};

/** The file with our hooks in it; the very same text when they are there already. `before` is null where there is no file. */
export function withHooks(
  before: string | null,
  agent: HookAgent,
  command: HookCommand,
): Result<string, string> {
  const read = readConfig(before ?? '{}');
  if (!read.ok) return read;
  const shape = SHAPES[agent];
  const had = hooksOf(read.value);
  if (!had.ok) return had;
  const hooks: Record<string, Json> = {};
  for (const [event, entries] of Object.entries(had.value)) hooks[event] = withoutOurs(entries);
  for (const event of shape.events) {
    const others = hooks[event] ?? [];
    if (!Array.isArray(others)) return err(`\`hooks.${event}\` is no list`);
    hooks[event] = [...others, shape.entry(event, command.commandFor(event), command.waitS)];
  }
  const kept = Object.fromEntries(Object.entries(hooks).filter(([, list]) => !isEmptied(list)));
  const after: JsonObject = { ...shape.around, ...read.value, hooks: kept };
  return ok(sameText(before, read.value, after));
}

/** The file without our hooks; null when nothing but what we put there is left of it. */
export function withoutHooks(before: string, agent: HookAgent): Result<string | null, string> {
  const read = readConfig(before);
  if (!read.ok) return read;
  const had = hooksOf(read.value);
  if (!had.ok) return had;
  const hooks = Object.fromEntries(
    Object.entries(had.value)
      .map(([event, list]): [string, Json] => [event, withoutOurs(list)])
      .filter(([event, list]) => !(isEmptied(list) && !isEmptied(had.value[event] ?? null))),
  );
  const { hooks: _ours, ...rest } = read.value;
  const after: JsonObject = Object.keys(hooks).length === 0 ? rest : { ...read.value, hooks };
  const around = SHAPES[agent].around;
  const left = Object.entries(after).filter(([key, value]) => around[key] !== value);
  return ok(left.length === 0 ? null : sameText(before, read.value, after));
}

/** The commands of ours that stand in a file, by event, each with the seconds that the agent gives it (null: not said). */
export function hooksIn(
  text: string,
  agent: HookAgent,
): Result<
  readonly { readonly event: string; readonly command: string; readonly timeoutS: number | null }[],
  string
> {
  const read = readConfig(text);
  if (!read.ok) return read;
  const had = hooksOf(read.value);
  if (!had.ok) return had;
  const unit = agent === 'gemini' ? 1000 : 1;
  const found: { event: string; command: string; timeoutS: number | null }[] = [];
  for (const [event, list] of Object.entries(had.value))
    for (const { command, timeout } of commandsIn(list))
      if (command.includes(HOOK_MARK))
        found.push({ event, command, timeoutS: timeout === null ? null : timeout / unit });
  return ok(found);
}

/** The event whose hook has to deny the canary. */
export function proofEvent(agent: HookAgent): string {
  return SHAPES[agent].proof;
}

/** Every event that our hooks stand at. */
export function hookEvents(agent: HookAgent): readonly string[] {
  return SHAPES[agent].events;
}

/** True when the file turns all hooks off, whatever stands in it. */
export function hooksAreOff(text: string): boolean {
  const read = readConfig(text);
  if (!read.ok) return false;
  const { disableAllHooks, hooksConfig } = read.value;
  return disableAllHooks === true || (isJsonObject(hooksConfig) && hooksConfig['enabled'] === false);
}

function readConfig(text: string): Result<JsonObject, string> {
  const parsed = parseStrictJson(text.trim() === '' ? '{}' : text.replace(/^\uFEFF/, ''));
  if (!parsed.ok) return err(`it is no plain JSON (${parsed.error.message} at character ${parsed.error.at})`);
  return isJsonObject(parsed.value) ? ok(parsed.value) : err('it holds no object');
}

function hooksOf(config: JsonObject): Result<JsonObject, string> {
  const { hooks } = config;
  if (hooks === undefined) return ok({});
  return isJsonObject(hooks) ? ok(hooks) : err('its `hooks` are no object');
}

/** A list of entries without ours; a group that holds others' hooks too keeps those. */
function withoutOurs(list: Json): Json {
  if (!Array.isArray(list)) return list;
  return list.flatMap((entry: Json): readonly Json[] => {
    if (!isJsonObject(entry)) return [entry];
    const inner = entry['hooks'];
    if (!Array.isArray(inner)) return isOurs(entry) ? [] : [entry];
    const others = inner.filter((one: Json) => !(isJsonObject(one) && isOurs(one)));
    if (others.length === inner.length) return [entry];
    return others.length === 0 ? [] : [{ ...entry, hooks: others }];
  });
}

function isOurs(entry: JsonObject): boolean {
  const command = entry['command'] ?? entry['bash'];
  return typeof command === 'string' && command.includes(HOOK_MARK);
}

function commandsIn(list: Json): readonly { readonly command: string; readonly timeout: number | null }[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: Json) => {
    if (!isJsonObject(entry)) return [];
    const inner = entry['hooks'];
    return (Array.isArray(inner) ? inner : [entry]).flatMap((one: Json) => {
      if (!isJsonObject(one)) return [];
      const command = one['command'] ?? one['bash'];
      const timeout = one['timeout'] ?? one['timeoutSec'];
      return typeof command === 'string'
        ? [{ command, timeout: typeof timeout === 'number' ? timeout : null }]
        : [];
    });
  });
}

function isEmptied(list: Json): boolean {
  return Array.isArray(list) && list.length === 0;
}

/** Written as the file was: its indentation, its last line's end; the very text where nothing changed. */
function sameText(before: string | null, was: JsonObject, is: JsonObject): string {
  if (before !== null && before.trim() !== '' && JSON.stringify(was) === JSON.stringify(is)) return before;
  const indent = before === null ? null : /^\s*\{\r?\n([ \t]+)/.exec(before)?.[1];
  const text = JSON.stringify(is, null, indent ?? 2);
  const windows = before?.includes('\r\n') === true;
  const ended = before === null || before.endsWith('\n') || before.trim() === '' ? `${text}\n` : text;
  return windows ? ended.replaceAll('\n', '\r\n') : ended;
}
