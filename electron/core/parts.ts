import type { Action } from './action.ts';
import type { Command } from './command.ts';
import type { Effect } from './effect.ts';

const OPENED: ReadonlySet<string> = new Set(['redirect', 'shell-socket']);

/** Commands that a shell carries out itself: no program start shows them. */
const BUILTIN: ReadonlySet<string> = new Set(
  `. : alias bg bind builtin caller cd command compgen complete declare dirs disown echo enable eval exec exit export false fc fg
  getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return set setopt
  shift shopt source suspend test times trap true type typeset ulimit umask unalias unset wait [ [[`.split(
    /\s+/,
  ),
);

/**
 * The effects of an action whose commands are each intercepted again (`partsFollow`) that no such second interception shows:
 * what the shell opens for a group, a loop or a function's body. Where only program starts are seen again (the kernel guard), also
 * what the shell does by itself and what several commands do together. Pure; for AARM R1 (no unmediated path), R4.
 */
export function unseenByParts(action: Pick<Action, 'surface' | 'commands' | 'effects'>): readonly Effect[] {
  return action.effects.filter((effect) => {
    const command = effect.command === null ? undefined : action.commands[effect.command];
    if (action.surface === 'guard') return command === undefined || !isSeenAsStart(command);
    if (command === undefined || !effect.tags.some((tag) => OPENED.has(tag))) return false;
    return command.redirects.some((redirect) => redirect.shared === true && redirect.target !== null);
  });
}

/** A program start shows all of a command that is connected to no other and has nothing opened for it. */
function isSeenAsStart(command: Command): boolean {
  return (
    !BUILTIN.has(command.program) &&
    command.pipedFrom === null &&
    command.pipedTo === null &&
    command.redirects.length === 0 &&
    command.assignments.length === 0
  );
}
