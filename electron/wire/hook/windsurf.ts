/**
 * Hooks of Windsurf (Cascade). Contract: https://docs.windsurf.com/windsurf/cascade/hooks. Payload: `agent_action_name`, `trajectory_id`,
 * `execution_id`, `timestamp`, `tool_info`. A hook before something blocks it by exit 2, its reason on standard error; nothing can be
 * changed, so a MODIFY is a denial that says what to do instead.
 */
import type { JsonObject } from '../../core/brand.ts';
import { err, ok, type Result } from '../../core/result.ts';
import {
  type BeforeDeed,
  type HookAdapter,
  type HookDeed,
  type HookFault,
  objectOf,
  returnedText,
  SILENT,
  textOf,
} from './event.ts';
import { callsOf, editTool, readTool, shellTool } from './tools.ts';

const TOOLS = {
  run_command: shellTool('command_line'),
  read_code: readTool('file_path'),
  write_code: editTool('file_path', 'old_string', 'new_string', 'edits'),
};

export const windsurf: HookAdapter = {
  read(event, payload) {
    const named = textOf(payload, 'agent_action_name');
    if (named !== null && named !== event)
      return err({ code: 'other_event', message: 'the payload is of another event than its hook' });
    const info = objectOf(payload, 'tool_info');
    const scene = { session: textOf(payload, 'trajectory_id'), cwd: textOf(info, 'cwd'), subagent: null };
    const deed = deedOf(event, info, textOf(payload, 'execution_id'));
    return deed.ok ? ok({ scene, deed: deed.value }) : deed;
  },
  answer(_event, _deed, verdict) {
    switch (verdict.result) {
      case 'ALLOW':
        return SILENT;
      case 'DENY':
        return { stdout: '', stderr: `${verdict.reason}\n`, status: 2 };
      case 'MODIFY':
        return {
          stdout: '',
          stderr: `${verdict.reason}; run this instead: ${verdict.commandLine}\n`,
          status: 2,
        };
      default:
        return verdict satisfies never;
    }
  },
};

function deedOf(event: string, info: JsonObject, call: string | null): Result<HookDeed, HookFault> {
  const [when, ...rest] = event.split('_');
  const tool = rest.join('_');
  if (event === 'pre_user_prompt') {
    const text = textOf(info, 'user_prompt');
    return text === null
      ? err({ code: 'no_prompt', message: 'the payload holds no prompt' })
      : ok({ kind: 'prompt', text });
  }
  if (when === 'pre') return ok({ kind: 'before', tool, given: info, call, calls: callsBefore(tool, info) });
  if (when === 'post' && (Object.hasOwn(TOOLS, tool) || tool === 'mcp_tool_use')) {
    const returned = returnedText(info['mcp_result'] ?? info['output'] ?? '');
    return ok({ kind: 'after', tool, given: info, call, failed: false, returned });
  }
  return ok({ kind: 'note', name: event });
}

function callsBefore(tool: string, info: JsonObject): BeforeDeed['calls'] {
  if (tool !== 'mcp_tool_use') return callsOf(TOOLS, tool, info);
  const name = textOf(info, 'mcp_tool_name') ?? '';
  const given = objectOf(info, 'mcp_tool_arguments');
  return [{ kind: 'mcp', server: textOf(info, 'mcp_server_name'), name, given }];
}
