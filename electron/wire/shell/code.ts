import { UNKNOWN_TEXT, type Word, type Wrapper } from '../../core/command.ts';
import {
  type Call,
  emit,
  type Frame,
  INHERITED,
  type Input,
  type Machine,
  type Origin,
  type Output,
  through,
} from './machine.ts';
import type { Scope } from './scope.ts';

/** Shell code handed to something that runs it. */
export interface ShellCode {
  readonly text: string;
  /** The words it was made of, to find whose output it is. */
  readonly words: readonly Word[];
  readonly origin: Origin;
  readonly scope: Scope;
  readonly wrapper: Wrapper;
  /** False when the text is only part of the truth. */
  readonly known?: boolean;
  /** True when unknown stretches are put in quoted, so that they can be no code. */
  readonly sealed?: boolean;
  readonly input?: Input;
}

/**
 * Reads shell code given to a command (`bash -c`, `eval`, a heredoc): its commands take the place of the command. What
 * is not wholly known keeps the command too, marked with unknown code, so that no rule mistakes silence for emptiness.
 */
export function readCode(m: Machine, f: Frame, call: Call, code: ShellCode): Output {
  const known = (code.known ?? true) && (code.sealed === true || !code.text.includes(UNKNOWN_TEXT));
  const before = m.commands.length;
  if (!known) {
    const draft = emit(m, f, call, { language: 'shell', text: code.text, known: false });
    linkSource(m, draft.index, code.words);
  }
  if (code.text.replaceAll(UNKNOWN_TEXT, '').trim() === '' && m.commands.length > before) return null;
  const { wrapper } = code;
  const inner: Frame = {
    ...through(f, wrapper.program, wrapper.detail, wrapper.place),
    scope: code.scope,
    origin: code.origin,
    offset: null,
    input: code.input ?? f.input,
  };
  const output = m.run.code(m, inner, code.text);
  // A comment, or nothing at all: the command still ran.
  if (m.commands.length === before) emit(m, f, call, { language: 'shell', text: code.text, known });
  return known ? output : null;
}

/** Notes that a command runs what another printed. */
export function linkSource(m: Machine, index: number, words: readonly Word[]): void {
  const draft = m.commands[index];
  if (draft === undefined) return;
  for (const word of words) {
    const from = m.sources.get(word);
    if (from === undefined || from < 0) continue;
    draft.pipedFrom ??= from;
    const writer = m.commands[from];
    if (writer !== undefined) writer.pipedTo ??= index;
    return;
  }
}

/** Input of code that comes from an argument: whatever the command itself had. */
export function inputOf(f: Frame): Input {
  return f.input.kind === 'text' ? f.input : f.input.kind === 'pipe' ? f.input : INHERITED;
}
