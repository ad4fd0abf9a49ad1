import { UNKNOWN_TEXT } from '../../core/command.ts';
import type { Frame } from './machine.ts';
import { lookUp } from './scope.ts';

/** `~`, `~/x`, `a=~/x`, `PATH=~/a:~/b`; another user's home is unknown. `raw` is how it was written: a quoted tilde is a tilde. */
export function expandTilde(f: Frame, text: string, raw: string, assignment = false): string {
  if (!raw.includes('~')) return text;
  if (raw.includes('\\')) return text;
  if (raw.startsWith('~')) return assignment ? eachColon(f, text) : oneTilde(f, text);
  if (assignment) return eachColon(f, text);
  const equals = /^[A-Za-z_][A-Za-z0-9_]*=/.exec(raw)?.[0];
  // Bash expands this also in ordinary arguments, other shells do not.
  if (equals === undefined || f.scope.surroundings.dialect === 'zsh' || f.scope.surroundings.dialect === 'sh')
    return text;
  return equals + eachColon(f, text.slice(equals.length));
}

function eachColon(f: Frame, text: string): string {
  return text
    .split(':')
    .map((piece) => (piece.startsWith('~') ? oneTilde(f, piece) : piece))
    .join(':');
}

function oneTilde(f: Frame, text: string): string {
  const end = text.indexOf('/');
  const name = end < 0 ? text : text.slice(0, end);
  const rest = end < 0 ? '' : text.slice(end);
  if (name === '~') return lookUp(f.scope, 'HOME').text + rest;
  if (name === '~+') return lookUp(f.scope, 'PWD').text + rest;
  if (name === '~root') return `/root${rest}`;
  return UNKNOWN_TEXT + rest;
}
