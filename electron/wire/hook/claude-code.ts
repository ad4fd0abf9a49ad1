/**
 * Hooks of Claude Code. Contract: https://code.claude.com/docs/en/hooks (formerly docs.claude.com/en/docs/claude-code/hooks) and the schemas
 * of `@anthropic-ai/claude-code` 2.1.329, against which it is tested. A payload is one JSON object with `session_id`, `transcript_path`,
 * `cwd`, `hook_event_name` and, for tools, `tool_name`, `tool_input`, `tool_use_id`; a subagent's events carry `agent_id` and `agent_type`.
 * PreToolUse is answered by `hookSpecificOutput` with `permissionDecision` (`deny`) and `updatedInput`; exit 2 with a text on
 * standard error blocks too, and is what the shim does when nobody answers.
 */
import type { JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import {
  type BeforeDeed,
  type HookAdapter,
  type HookDeed,
  type HookEvent,
  type HookFault,
  type HookReply,
  type HookVerdict,
  objectOf,
  returnedText,
  SILENT,
  textOf,
} from './event.ts';
import {
  callsOf,
  delegateTool,
  editTool,
  fetchTool,
  insideTool,
  lookTool,
  readTool,
  shellTool,
  writeTool,
} from './tools.ts';

const INSIDE = [
  'TodoWrite',
  'TaskCreate',
  'TaskUpdate',
  'TaskList',
  'TaskGet',
  'TaskOutput',
  'TaskStop',
  'BashOutput',
  'KillShell',
  'KillBash',
  'EnterPlanMode',
  'ExitPlanMode',
  'AskUserQuestion',
  'ToolSearch',
  'StructuredOutput',
] as const;

const TOOLS = {
  Bash: shellTool(),
  Read: readTool('file_path'),
  NotebookRead: readTool('notebook_path'),
  Write: writeTool('file_path', 'content'),
  Edit: editTool('file_path', 'old_string', 'new_string'),
  MultiEdit: editTool('file_path', 'old_string', 'new_string', 'edits'),
  NotebookEdit: writeTool('notebook_path', 'notebook_content'),
  Glob: lookTool('path'),
  Grep: lookTool('path'),
  LS: lookTool('path'),
  WebFetch: fetchTool('url'),
  Task: delegateTool('prompt', 'subagent_type', 'description'),
  Agent: delegateTool('prompt', 'subagent_type', 'description'),
  ...Object.fromEntries(INSIDE.map((name) => [name, insideTool(name)])),
};

export const claudeCode: HookAdapter = { read: readEvent, answer: answerBefore };

function readEvent(event: string, payload: JsonObject): Result<HookEvent, HookFault> {
  const named = textOf(payload, 'hook_event_name');
  if (named !== null && named !== event)
    return err({ code: 'other_event', message: 'the payload is of another event than its hook' });
  const agent = textOf(payload, 'agent_id');
  const kind = textOf(payload, 'agent_type');
  const scene = {
    session: textOf(payload, 'session_id'),
    cwd: textOf(payload, 'cwd'),
    subagent: agent === null ? null : kind === null ? agent : `${kind} (${agent})`,
  };
  const deed = deedOf(event, payload);
  return deed.ok ? ok({ scene, deed: deed.value }) : deed;
}

function deedOf(event: string, payload: JsonObject): Result<HookDeed, HookFault> {
  const tool = textOf(payload, 'tool_name');
  const given = objectOf(payload, 'tool_input');
  const call = textOf(payload, 'tool_use_id');
  switch (event) {
    case 'PreToolUse':
      if (tool === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      return ok({ kind: 'before', tool, given, call, calls: callsOf(TOOLS, tool, given) });
    case 'PostToolUse':
    case 'PostToolUseFailure':
      if (tool === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      return ok({
        kind: 'after',
        tool,
        given,
        call,
        failed: event === 'PostToolUseFailure',
        returned: returnedText(payload['tool_response'] ?? payload['error']),
      });
    case 'UserPromptSubmit': {
      const text = textOf(payload, 'prompt');
      return text === null
        ? err({ code: 'no_prompt', message: 'the payload holds no prompt' })
        : ok({ kind: 'prompt', text });
    }
    case 'SessionStart':
      return ok({ kind: 'begin', source: textOf(payload, 'source') });
    case 'SessionEnd':
      return ok({ kind: 'end', reason: textOf(payload, 'reason') });
    case 'SubagentStart':
    case 'SubagentStop':
      return ok({
        kind: 'subagent',
        state: event === 'SubagentStart' ? 'begin' : 'end',
        name: textOf(payload, 'agent_type') ?? textOf(payload, 'agent_id') ?? 'subagent',
      });
    default:
      return ok({ kind: 'note', name: event });
  }
}

/** ALLOW says nothing: what Claude Code would have asked its person about, it still asks. */
function answerBefore(event: string, deed: BeforeDeed, verdict: HookVerdict): HookReply {
  switch (verdict.result) {
    case 'ALLOW':
      return SILENT;
    case 'DENY':
      return specific(event, { permissionDecision: 'deny', permissionDecisionReason: verdict.reason });
    case 'MODIFY':
      return specific(event, { updatedInput: { ...deed.given, command: verdict.commandLine } });
    default:
      return verdict satisfies never;
  }
}

/** The form that Codex CLI shares. */
export function specific(event: string, more: JsonObject): HookReply {
  const stdout = `${JSON.stringify({ hookSpecificOutput: { hookEventName: event, ...more } })}\n`;
  return { stdout, stderr: '', status: 0 };
}
