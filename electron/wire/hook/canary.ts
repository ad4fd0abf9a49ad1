import type { JsonObject } from '../../core/brand.ts';
import { CANARY_TOOL } from '../../core/policy/canary.ts';
import { isJsonObject, parseStrictJson } from '../json.ts';
import type { HookAgent } from './event.ts';

/** The session that doctor's pretend calls are of. */
export const CANARY_SESSION = 'countersign-doctor';

/** A pretend call of a tool that nobody has, as each agent would tell of it: harmless if it were let through, and never let through. */
export function canaryPayload(agent: HookAgent, event: string, cwd: string): string {
  return `${JSON.stringify(payloadOf(agent, event, cwd))}\n`;
}

function payloadOf(agent: HookAgent, event: string, cwd: string): JsonObject {
  switch (agent) {
    case 'claude-code':
    case 'codex':
      return {
        session_id: CANARY_SESSION,
        transcript_path: null,
        cwd,
        permission_mode: 'default',
        hook_event_name: event,
        tool_name: CANARY_TOOL,
        tool_input: {},
        tool_use_id: 'canary',
      };
    case 'gemini':
      return {
        session_id: CANARY_SESSION,
        transcript_path: '',
        cwd,
        hook_event_name: event,
        tool_name: CANARY_TOOL,
        tool_input: {},
      };
    case 'cursor':
      return {
        conversation_id: CANARY_SESSION,
        generation_id: 'canary',
        hook_event_name: event,
        workspace_roots: [cwd],
        tool_name: CANARY_TOOL,
        tool_input: {},
        tool_use_id: 'canary',
      };
    case 'copilot':
      return { sessionId: CANARY_SESSION, timestamp: 0, cwd, toolName: CANARY_TOOL, toolArgs: '{}' };
    case 'windsurf':
      return {
        agent_action_name: event,
        trajectory_id: CANARY_SESSION,
        execution_id: 'canary',
        tool_info: {
          mcp_server_name: 'countersign',
          mcp_tool_name: CANARY_TOOL,
          mcp_tool_arguments: {},
        },
      };
    default:
      return agent satisfies never;
  }
}

/**
 * What an agent would make of a hook's answer to the canary: `denied` by policy, `denied-unjudged` where the hook said no by itself because nobody
 * answered it, `let-through` otherwise.
 */
export function readCanaryAnswer(
  agent: HookAgent,
  answer: { readonly stdout: string; readonly stderr: string; readonly status: number | null },
): 'denied' | 'denied-unjudged' | 'let-through' {
  const reason = denialIn(agent, answer);
  if (reason === null) return 'let-through';
  return reason.includes('[countersign.canary]') ? 'denied' : 'denied-unjudged';
}

function denialIn(
  agent: HookAgent,
  {
    stdout,
    stderr,
    status,
  }: { readonly stdout: string; readonly stderr: string; readonly status: number | null },
): string | null {
  if (status === 2 && agent !== 'copilot') return `${stderr}${stdout}`;
  if (status !== 0) return null;
  const parsed = parseStrictJson(stdout);
  if (!parsed.ok || !isJsonObject(parsed.value)) return null;
  const said = parsed.value;
  switch (agent) {
    case 'claude-code':
    case 'codex': {
      const specific = said['hookSpecificOutput'];
      if (!isJsonObject(specific) || specific['permissionDecision'] !== 'deny') return null;
      return String(specific['permissionDecisionReason']);
    }
    case 'gemini':
      return said['decision'] === 'deny' ? String(said['reason']) : null;
    case 'cursor':
      return said['permission'] === 'deny' ? String(said['agent_message']) : null;
    case 'copilot':
      return said['permissionDecision'] === 'deny' ? String(said['permissionDecisionReason']) : null;
    case 'windsurf':
      return null;
    default:
      return agent satisfies never;
  }
}
