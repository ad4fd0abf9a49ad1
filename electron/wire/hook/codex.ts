/**
 * Hooks of Codex CLI. Contract: https://developers.openai.com/codex/hooks and the schemas in
 * https://github.com/openai/codex/tree/main/codex-rs/hooks/schema/generated. The payload is Claude Code's with `turn_id` and `model`; the
 * shell is `Bash`, a change of files is `apply_patch` whose `command` is the patch. `permissionDecision: deny` and exit 2 block;
 * `updatedInput` needs `permissionDecision: allow`. Hooks that no administrator manages run once the person has trusted them (`/hooks`).
 */
import type { JsonObject } from '../../core/brand.ts';
import { ok } from '../../core/result.ts';
import { claudeCode, specific } from './claude-code.ts';
import { type HookAdapter, objectOf, textOf } from './event.ts';
import { callsOf, insideTool, patchCalls, readTool, shellTool } from './tools.ts';

const TOOLS = {
  Bash: shellTool(),
  shell: shellTool(),
  local_shell: shellTool(),
  shell_command: shellTool(),
  exec_command: shellTool('cmd'),
  apply_patch: (given: JsonObject) => patchCalls(textOf(given, 'command') ?? textOf(given, 'input') ?? ''),
  view_image: readTool('path'),
  update_plan: insideTool('update_plan'),
};

export const codex: HookAdapter = {
  read(event, payload) {
    const read = claudeCode.read(event, payload);
    if (!read.ok || read.value.deed.kind !== 'before') return read;
    const { deed, scene } = read.value;
    const given = objectOf(payload, 'tool_input');
    return ok({ scene, deed: { ...deed, calls: callsOf(TOOLS, deed.tool, given) } });
  },
  answer(event, deed, verdict) {
    if (verdict.result !== 'MODIFY') return claudeCode.answer(event, deed, verdict);
    const field = 'cmd' in deed.given ? 'cmd' : 'command';
    const updatedInput = { ...deed.given, [field]: verdict.commandLine };
    return specific(event, { permissionDecision: 'allow', updatedInput });
  },
};
