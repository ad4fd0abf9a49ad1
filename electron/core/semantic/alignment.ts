import type { Action } from '../action.ts';
import type { Alignment } from '../facts.ts';

const UNKNOWN: Alignment = { scope: 'unknown', distance: null, drift: null, words: [] };

/** Wrappers that add nothing: `bash -c 'X'` is X. */
const SHELLS: readonly string[] = ['sh', 'bash', 'dash', 'zsh'];

/** Shorter commands (`ls`, `make`) occur in sentences without being asked for. */
const MIN_WORDS = 2;

/**
 * The one alignment that needs no judgement: the person's own request contains this very command, word for word, and the
 * action is that command alone. Everything else stays unknown (AARM R3, class table; R2.d).
 * Only a person's words are ever given as `request`; what an agent claims is not.
 */
export function literalAlignment(request: string | null, action: Action): Alignment {
  const [command, second] = action.commands;
  if (request === null || command === undefined || second !== undefined || action.gaps.length > 0)
    return UNKNOWN;
  const words = [command.name, ...command.args];
  if (words.length < MIN_WORDS || words.some((word) => !word.known || word.glob)) return UNKNOWN;
  if (
    command.via.some((wrapper) => !SHELLS.includes(wrapper.program)) ||
    command.redirects.length > 0 ||
    command.assignments.length > 0
  )
    return UNKNOWN;
  const text = words.map((word) => word.text).join(' ');
  const asked = request.replace(/\s+/g, ' ');
  for (let at = asked.indexOf(text); at >= 0; at = asked.indexOf(text, at + 1)) {
    // Bounded on both sides, so that `rm -r build` is not found in `rm -r build-tools`; and not after a "not".
    const before = asked.slice(Math.max(0, at - 24), at);
    const after = asked.charAt(at + text.length);
    const edged = /(^|[\s`'"“(])$/.test(before) && (after === '' || /[\s`'"”).,;!?]/.test(after));
    if (edged && !/\b(not|never|don'?t|without|instead of|avoid)\b[^.!?]*$/i.test(before)) {
      return { scope: 'in', distance: null, drift: null, words: [text] };
    }
  }
  return UNKNOWN;
}
