import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';
import { copilot } from './copilot.ts';
import { cursor } from './cursor.ts';
import { HOOK_AGENTS, type HookAdapter, type HookAgent } from './event.ts';
import { gemini } from './gemini.ts';
import { windsurf } from './windsurf.ts';

/** The contract of each agent. */
export const HOOK_ADAPTERS: Readonly<Record<HookAgent, HookAdapter>> = {
  'claude-code': claudeCode,
  codex,
  gemini,
  cursor,
  copilot,
  windsurf,
};

/** The agent of that name; null when there is none. */
export function hookAgent(name: string): HookAgent | null {
  return HOOK_AGENTS.find((agent) => agent === name) ?? null;
}
