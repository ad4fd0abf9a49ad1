/**
 * Hooks of Cursor. Contract: https://cursor.com/docs/agent/hooks. Payload: `conversation_id`, `generation_id`, `hook_event_name`,
 * `workspace_roots`; `beforeShellExecution` has `command` and `cwd`, `beforeMCPExecution` `tool_name`, `tool_input` (JSON text) and `url` or
 * `command`, `beforeReadFile` `file_path`, `preToolUse` `tool_name` and `tool_input`. All four are answered by `permission` with
 * `user_message` and `agent_message`; only `preToolUse` takes `updated_input`. Exit 2 denies.
 */
import type { JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import {
  type BeforeDeed,
  type HookAdapter,
  type HookDeed,
  type HookFault,
  type HookReply,
  type HookVerdict,
  objectOf,
  returnedText,
  textOf,
} from './event.ts';
import { objectIn } from './payload.ts';
import {
  callsOf,
  delegateTool,
  editTool,
  fetchTool,
  insideTool,
  lookTool,
  objectOrText,
  readTool,
  shellTool,
  writeTool,
} from './tools.ts';

const TOOLS = {
  Shell: shellTool(),
  Read: readTool('file_path', 'path', 'target_file'),
  Write: writeTool('file_path', 'content'),
  StrReplace: editTool('file_path', 'old_string', 'new_string'),
  Edit: editTool('file_path', 'old_string', 'new_string'),
  Grep: lookTool('path'),
  Glob: lookTool('path'),
  LS: lookTool('path'),
  WebFetch: fetchTool('url'),
  Task: delegateTool('prompt', 'subagent_type', 'description'),
  TodoWrite: insideTool('TodoWrite'),
};

export const cursor: HookAdapter = {
  read(event, payload) {
    const named = textOf(payload, 'hook_event_name');
    if (named !== null && named !== event)
      return err({ code: 'other_event', message: 'the payload is of another event than its hook' });
    const roots = payload['workspace_roots'];
    const root = Array.isArray(roots) && typeof roots[0] === 'string' ? roots[0] : null;
    const scene = {
      session: textOf(payload, 'conversation_id') ?? textOf(payload, 'session_id'),
      cwd: textOf(payload, 'cwd') ?? root,
      subagent: null,
    };
    const deed = deedOf(event, payload);
    return deed.ok ? ok({ scene, deed: deed.value }) : deed;
  },
  answer,
};

function deedOf(event: string, payload: JsonObject): Result<HookDeed, HookFault> {
  const call = textOf(payload, 'tool_use_id') ?? textOf(payload, 'generation_id');
  const named = textOf(payload, 'tool_name');
  const before = (tool: string, given: JsonObject, calls: BeforeDeed['calls']): Result<HookDeed, HookFault> =>
    ok({ kind: 'before', tool, given, call, calls });
  switch (event) {
    case 'beforeShellExecution': {
      const given: JsonObject = { command: textOf(payload, 'command') ?? '' };
      return before('Shell', given, callsOf(TOOLS, 'Shell', given));
    }
    case 'beforeMCPExecution': {
      const given = objectOrText(payload, 'tool_input', objectIn);
      const server = textOf(payload, 'url') ?? textOf(payload, 'command');
      return before(named ?? '', given, [{ kind: 'mcp', server, name: named ?? '', given }]);
    }
    case 'beforeReadFile': {
      const given: JsonObject = { file_path: textOf(payload, 'file_path') ?? '' };
      return before('Read', given, callsOf(TOOLS, 'Read', given));
    }
    case 'preToolUse': {
      if (named === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      const given = objectOf(payload, 'tool_input');
      return before(named, given, callsOfCursor(named, given));
    }
    case 'postToolUse':
    case 'postToolUseFailure':
      if (named === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      return ok({
        kind: 'after',
        tool: named,
        given: objectOf(payload, 'tool_input'),
        call,
        failed: event === 'postToolUseFailure',
        returned: returnedText(payload['tool_output'] ?? payload['error_message']),
      });
    case 'beforeSubmitPrompt': {
      const text = textOf(payload, 'prompt');
      return text === null
        ? err({ code: 'no_prompt', message: 'the payload holds no prompt' })
        : ok({ kind: 'prompt', text });
    }
    case 'sessionStart':
      return ok({ kind: 'begin', source: null });
    case 'sessionEnd':
      return ok({ kind: 'end', reason: textOf(payload, 'reason') });
    default:
      return ok({ kind: 'note', name: event });
  }
}

/** MCP tools come as `MCP:name`. */
function callsOfCursor(tool: string, given: JsonObject): BeforeDeed['calls'] {
  if (tool.startsWith('MCP:')) return [{ kind: 'mcp', server: null, name: tool.slice(4), given }];
  return callsOf(TOOLS, tool, given);
}

function answer(event: string, deed: BeforeDeed, verdict: HookVerdict): HookReply {
  switch (verdict.result) {
    case 'ALLOW':
      return json({ permission: 'allow' });
    case 'DENY':
      return json({ permission: 'deny', user_message: verdict.reason, agent_message: verdict.reason });
    case 'MODIFY': {
      if (event === 'preToolUse')
        return json({
          permission: 'allow',
          updated_input: { ...deed.given, command: verdict.commandLine },
        });
      const reason = `${verdict.reason}; run this instead: ${verdict.commandLine}`;
      return json({ permission: 'deny', user_message: reason, agent_message: reason });
    }
    default:
      return verdict satisfies never;
  }
}

function json(value: JsonObject): HookReply {
  return { stdout: `${JSON.stringify(value)}\n`, stderr: '', status: 0 };
}
