/**
 * Hooks of Gemini CLI. Contract: https://geminicli.com/docs/hooks/reference (docs/hooks/reference.md of google-gemini/gemini-cli). Payload:
 * `session_id`, `transcript_path`, `cwd`, `hook_event_name`, `timestamp`; tools by `tool_name`, `tool_input`, `mcp_context`. BeforeTool is
 * answered by `decision: deny` with a `reason`; `hookSpecificOutput.tool_input` is merged over the arguments; exit 2 with a text on
 * standard error blocks. There is no id of a call: an outcome is matched by tool and arguments.
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
  SILENT,
  textOf,
} from './event.ts';
import {
  callsOf,
  delegateTool,
  editTool,
  fetchInTextTool,
  insideTool,
  lookTool,
  readTool,
  shellTool,
  writeTool,
} from './tools.ts';

const TOOLS = {
  run_shell_command: shellTool(),
  read_file: readTool('file_path', 'absolute_path', 'path'),
  read_many_files: readTool('include', 'paths'),
  write_file: writeTool('file_path', 'content'),
  replace: editTool('file_path', 'old_string', 'new_string'),
  list_directory: lookTool('dir_path', 'path'),
  glob: lookTool('dir_path', 'path'),
  grep_search: lookTool('dir_path', 'path'),
  search_file_content: lookTool('dir_path', 'path'),
  web_fetch: fetchInTextTool('prompt'),
  delegate_to_agent: delegateTool('objective', 'agent_name'),
  write_todos: insideTool('write_todos'),
  ask_user: insideTool('ask_user'),
};

export const gemini: HookAdapter = {
  read(event, payload) {
    const named = textOf(payload, 'hook_event_name');
    if (named !== null && named !== event)
      return err({ code: 'other_event', message: 'the payload is of another event than its hook' });
    const scene = { session: textOf(payload, 'session_id'), cwd: textOf(payload, 'cwd'), subagent: null };
    const deed = deedOf(event, payload);
    return deed.ok ? ok({ scene, deed: deed.value }) : deed;
  },
  answer,
};

function deedOf(event: string, payload: JsonObject): Result<HookDeed, HookFault> {
  const tool = textOf(payload, 'tool_name');
  const given = objectOf(payload, 'tool_input');
  switch (event) {
    case 'BeforeTool':
      if (tool === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      return ok({ kind: 'before', tool, given, call: null, calls: callsOfGemini(tool, given, payload) });
    case 'AfterTool': {
      if (tool === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      const response = objectOf(payload, 'tool_response');
      const failed = response['error'] !== undefined && response['error'] !== null;
      const returned = returnedText(response['llmContent'] ?? response);
      return ok({ kind: 'after', tool, given, call: null, failed, returned });
    }
    case 'BeforeAgent': {
      const text = textOf(payload, 'prompt');
      return text === null
        ? err({ code: 'no_prompt', message: 'the payload holds no prompt' })
        : ok({ kind: 'prompt', text });
    }
    case 'SessionStart':
      return ok({ kind: 'begin', source: textOf(payload, 'source') });
    case 'SessionEnd':
      return ok({ kind: 'end', reason: textOf(payload, 'reason') });
    default:
      return ok({ kind: 'note', name: event });
  }
}

/** The server of an MCP tool stands beside the call, whatever the tool is called. */
function callsOfGemini(tool: string, given: JsonObject, payload: JsonObject): BeforeDeed['calls'] {
  const mcp = objectOf(payload, 'mcp_context');
  const server = textOf(mcp, 'server_name');
  if (server !== null) return [{ kind: 'mcp', server, name: textOf(mcp, 'tool_name') ?? tool, given }];
  return callsOf(TOOLS, tool, given);
}

function answer(event: string, _deed: BeforeDeed, verdict: HookVerdict): HookReply {
  switch (verdict.result) {
    case 'ALLOW':
      return SILENT;
    case 'DENY':
      return json({ decision: 'deny', reason: verdict.reason });
    case 'MODIFY':
      return json({
        hookSpecificOutput: { hookEventName: event, tool_input: { command: verdict.commandLine } },
      });
    default:
      return verdict satisfies never;
  }
}

function json(value: JsonObject): HookReply {
  return { stdout: `${JSON.stringify(value)}\n`, stderr: '', status: 0 };
}
