import type { Command } from '../command.ts';
import { type Scene, say } from './deeds.ts';
import { fixedObject } from './objects.ts';

/** Builtins whose words name variables or functions of the shell. */
const NAMING =
  /^(?:unset|export|declare|typeset|local|readonly|read|printf|mapfile|readarray|getopts|let|eval)$/;
/** What the session's own shell integration calls its variables and functions. */
const OURS = /^(?:[\w[\]]*=)?__csn_/;

/** What takes a shell's own interception away: its DEBUG trap, that trap's reach, its state (AARM R1). */
export function readInterception(scene: Scene): void {
  if (scene.where !== 'here' || !loosens(scene.command)) return;
  say(scene, {
    kind: 'configure',
    object: fixedObject('system', 'interception', []),
    tags: ['interception-off'],
    recursive: false,
    force: false,
  });
}

function loosens({ program, name, args, assignments }: Command): boolean {
  const words = args.map((word) => word.text);
  if (OURS.test(name.text) || assignments.some((given) => OURS.test(given.name))) return true;
  if (program === 'trap')
    return !/^-[a-z]*[plP]/.test(words[0] ?? '') && words.some((word) => /^(?:SIG)?DEBUG$/i.test(word));
  if (program === 'set') {
    const end = words.indexOf('--');
    const options = end < 0 ? words : words.slice(0, end);
    return options.some(
      (word, at) => /^\+[A-Za-z]*T/.test(word) || (word === '+o' && options[at + 1] === 'functrace'),
    );
  }
  if (program === 'enable') return words.some((word) => /^-[a-z]*[fnd]/.test(word));
  return NAMING.test(program) && words.some((word) => OURS.test(word));
}
