/**
 * Hooks of GitHub Copilot CLI. Contract: https://docs.github.com/en/copilot/reference/copilot-cli-reference/cli-hooks-reference. Payload:
 * `timestamp`, `cwd`, `sessionId`; tools by `toolName` and `toolArgs` (an object, or its JSON text). It does not name its event, so the
 * hook's command does. preToolUse is answered by `permissionDecision`, `permissionDecisionReason` and `modifiedArgs`.
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
import { objectIn } from './payload.ts';
import {
  callsOf,
  delegateTool,
  editTool,
  fetchTool,
  insideTool,
  lookTool,
  objectOrText,
  patchCalls,
  readTool,
  shellTool,
  writeTool,
} from './tools.ts';

const TOOLS = {
  bash: shellTool(),
  powershell: shellTool(),
  view: readTool('path'),
  create: writeTool('path', 'file_text'),
  edit: editTool('path', 'old_str', 'new_str'),
  apply_patch: (given: JsonObject) => patchCalls(textOf(given, 'input') ?? textOf(given, 'patch') ?? ''),
  grep: lookTool('path'),
  rg: lookTool('path'),
  glob: lookTool('path'),
  web_fetch: fetchTool('url'),
  task: delegateTool('prompt', 'agent_type', 'description'),
  report_intent: insideTool('report_intent'),
  update_todo: insideTool('update_todo'),
  ask_user: insideTool('ask_user'),
};

export const copilot: HookAdapter = {
  read(event, payload) {
    const scene = { session: textOf(payload, 'sessionId'), cwd: textOf(payload, 'cwd'), subagent: null };
    const deed = deedOf(event, payload);
    return deed.ok ? ok({ scene, deed: deed.value }) : deed;
  },
  answer,
};

function deedOf(event: string, payload: JsonObject): Result<HookDeed, HookFault> {
  const tool = textOf(payload, 'toolName');
  const given = objectOrText(payload, 'toolArgs', objectIn);
  switch (event) {
    case 'preToolUse':
      if (tool === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      return ok({ kind: 'before', tool, given, call: null, calls: callsOf(TOOLS, tool, given) });
    case 'postToolUse':
    case 'postToolUseFailure': {
      if (tool === null) return err({ code: 'no_tool', message: 'the payload names no tool' });
      const result = objectOf(payload, 'toolResult');
      const type = textOf(result, 'resultType') ?? 'success';
      const failed = event === 'postToolUseFailure' || type !== 'success';
      const returned = returnedText(result['textResultForLlm'] ?? result);
      return ok({ kind: 'after', tool, given, call: null, failed, returned });
    }
    case 'userPromptSubmitted': {
      const text = textOf(payload, 'prompt');
      return text === null
        ? err({ code: 'no_prompt', message: 'the payload holds no prompt' })
        : ok({ kind: 'prompt', text });
    }
    case 'sessionStart':
      return ok({ kind: 'begin', source: textOf(payload, 'source') });
    case 'sessionEnd':
      return ok({ kind: 'end', reason: textOf(payload, 'reason') });
    case 'subagentStart':
    case 'subagentStop':
      return ok({
        kind: 'subagent',
        state: event === 'subagentStart' ? 'begin' : 'end',
        name: textOf(payload, 'agentName') ?? 'subagent',
      });
    default:
      return ok({ kind: 'note', name: event });
  }
}

function answer(_event: string, deed: BeforeDeed, verdict: HookVerdict): HookReply {
  switch (verdict.result) {
    case 'ALLOW':
      return SILENT;
    case 'DENY':
      return json({ permissionDecision: 'deny', permissionDecisionReason: verdict.reason });
    case 'MODIFY':
      return json({ modifiedArgs: { ...deed.given, command: verdict.commandLine } });
    default:
      return verdict satisfies never;
  }
}

function json(value: JsonObject): HookReply {
  return { stdout: `${JSON.stringify(value)}\n`, stderr: '', status: 0 };
}
