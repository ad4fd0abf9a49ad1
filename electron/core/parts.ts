import type { Action } from './action.ts';
import type { Effect } from './effect.ts';

const OPENED: ReadonlySet<string> = new Set(['redirect', 'shell-socket']);

/**
 * The effects of an action whose commands are each intercepted again (`partsFollow`) that no such second interception shows:
 * what the shell opens for a group, a loop or a function's body. Pure; for AARM R1 (no unmediated path), R4.
 */
export function unseenByParts(action: Pick<Action, 'commands' | 'effects'>): readonly Effect[] {
  return action.effects.filter((effect) => {
    if (effect.command === null || !effect.tags.some((tag) => OPENED.has(tag))) return false;
    const redirects = action.commands[effect.command]?.redirects ?? [];
    return redirects.some((redirect) => redirect.shared === true && redirect.target !== null);
  });
}
